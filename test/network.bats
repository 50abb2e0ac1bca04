#!/usr/bin/env bats
#
# network: interfaces, groups, broadcast, link-local addresses, Multipath TCP,
# and what a network says about what it cannot carry.
#
# Most tests have two machines of their own, network namespaces $A and $B,
# joined by two cables:
#
#	        $A                       $B
#	one     10.77.1.1 fe80::1        10.77.1.2 fe80::2
#	        fd77:1::1                fd77:1::2
#	two     10.77.2.1 fe80::1        10.77.2.2 fe80::2
#	        fd77:2::1                fd77:2::2
#	lo                               10.99.0.9, on either way

load helpers

setup() {
	helpers_setup
	A=
	B=
}

teardown() {
	[ -z "$A" ] || ip netns del "$A"
	[ -z "$B" ] || ip netns del "$B"
	helpers_teardown
}

# machines: make the two, or skip.
machines() {
	local me other ns i

	need ip
	need_ipv6
	me=sockcat-$$-a
	other=sockcat-$$-b
	ip netns add "$me" 2>"$T/ip" || skip "no network of its own"
	A=$me
	ip netns add "$other"
	B=$other
	for ns in "$A" "$B"; do
		ip netns exec "$ns" sh -c '
		for i in all default; do
			echo 0 >/proc/sys/net/ipv4/conf/$i/rp_filter
		done'
		ip -n "$ns" link set lo up
	done
	for i in 1 2; do
		name=one
		((i == 1)) || name=two
		ip -n "$A" link add "$name" type veth peer name "$name" \
			netns "$B"
		_address "$A" "$name" "$i" 1
		_address "$B" "$name" "$i" 2
	done
	ip -n "$B" addr add 10.99.0.9/32 dev lo
	ip -n "$A" route add 10.99.0.9 via 10.77.1.2
	ip -n "$A" route add 10.99.0.9 via 10.77.2.2 metric 50
	for ns in "$A" "$B"; do
		wait_for 10 _ready "$ns" one
		wait_for 10 _ready "$ns" two
	done
}

# _address NS INTERFACE CABLE END: its addresses, which work at once.
_address() {
	ip -n "$1" -batch - <<-END
	link set $2 addrgenmode none
	link set $2 up
	addr add 10.77.$3.$4/24 broadcast 10.77.$3.255 dev $2
	addr add fd77:$3::$4/64 dev $2 nodad
	addr add fe80::$4/64 dev $2 nodad
	END
}

# _ready NS INTERFACE: packets can go there, to groups as well.
_ready() {
	ip -n "$1" -o link show "$2" | grep -q 'state UP' &&
		ip -n "$1" -6 route show table local dev "$2" |
			grep -q '^multicast ff00::/8'
}

# at NS ARGS...: sockcat there, in the foreground.
at() (
	_ms 30
	_close_fds
	exec timeout -s KILL "$((ms / 1000))" ip netns exec "$1" \
		"$SOCKCAT" "${@:2}"
)

# start_at NS NAME ARGS...: sockcat there, in the background.
start_at() {
	start "$2" ip netns exec "$1" "$SOCKCAT" "${@:3}"
}

# listen_at NS NAME ARGS...: as listen.
listen_at() {
	start_at "$1" "$2" -v -l "${@:3}"
	_announced "$2" "${@:3}"
}

# python_at NS NAME ARGS...: a program of its own there; its first line of
# output is its port.
python_at() {
	start "$2" ip netns exec "$1" "${python[@]}" "${@:3}"
	wait_line "$2.out" .
	read -r PORT <"$T/$2.out"
}

@test "an interface that is not there is named" {
	need_linux
	row() {
		run sockcat "$@"
		[ "$status" -eq 1 ] && [ "${#lines[@]}" -eq 1 ] &&
		    [ "$output" = "sockcat: cannot use --interface nonesuch: No such device" ] ||
			wrong "$* -> $status: $output"
	}
	row --interface nonesuch 127.0.0.1 9
	row --interface nonesuch --retry 20 ::1 9
	row --interface nonesuch -u 127.0.0.1 9
	row --interface nonesuch -u 239.1.2.3 9
	row --interface nonesuch -z 127.0.0.1 9
	row --interface nonesuch -l 0
	row --interface nonesuch -lk 127.0.0.1 0
	row --interface nonesuch -lu 0
	row --interface nonesuch -lu 239.1.2.3 0
	row --interface nonesuch -lu -e ::1 0
	none_wrong
	# Of a forward it is the way on that has none.
	listen fwd -k --forward 127.0.0.1:9 --interface nonesuch 127.0.0.1 0
	run -1 sockcat 127.0.0.1 "$PORT"
	wait_line fwd.err '^sockcat: cannot use --interface nonesuch: No such'
	run -2 sockcat --interface '' 127.0.0.1 9
	run -2 sockcat -U --interface lo "$T/s"
	run -2 sockcat -lU --interface lo "$T/s"
	run -2 sockcat -l --forward "unix:$T/s" --interface lo 0
	[[ $output == *"--interface makes no sense with a Unix-domain socket as the target of --forward"* ]]
	# A command is for loopback only; that would be another interface.
	run -2 sockcat -lk -c cat --interface lo 0
	[[ $output == *"name 0.0.0.0 or :: with --interface"* ]]
}

@test "--interface of a listener: who comes another way finds nobody" {
	machines
	for host in '' 0.0.0.0 ::; do
		# shellcheck disable=SC2086
		listen_at "$B" lis -k -e --interface two $host 0
		run -1 at "$A" 10.77.1.2 "$PORT" <<<hello
		[[ $output == *'Connection refused'* ]]
		if [ "$host" != :: ]; then
			run -0 at "$A" 10.77.2.2 "$PORT" <<<hello
			[ "$output" = hello ]
		fi
		if [ "$host" != 0.0.0.0 ]; then
			run -0 at "$A" fe80::2%two "$PORT" <<<hello
			[ "$output" = hello ]
			run -1 at "$A" fe80::2%one "$PORT" <<<hello
		fi
		stop lis
		listen_at "$B" lis -u -k -e --interface two 0
		run -1 at "$A" -u -W 1 10.77.1.2 "$PORT" <<<hello
		run -0 at "$A" -u -W 1 10.77.2.2 "$PORT" <<<hello
		[ "$output" = hello ]
		stop lis
	done
}

@test "--interface of a client decides on the way" {
	machines
	listen_at "$B" tcp -k -e 10.99.0.9 0
	tcp=$PORT
	listen_at "$B" udp -u -k -c cat 10.99.0.9 0
	for cable in one:1 two:2; do
		name=${cable%:*}
		run -0 at "$A" --interface "$name" 10.99.0.9 "$tcp" <<<hello
		[ "$output" = hello ]
		from="^Connection received on 10.77.${cable#*:}.1 "
		wait_line tcp.err "$from"
		run -0 at "$A" -u -W 1 --interface "$name" 10.99.0.9 "$PORT" \
			<<<hello
		[ "$output" = hello ]
		wait_line udp.err "$from"
		run -0 at "$A" -z --interface "$name" 10.99.0.9 "$tcp"
	done
	run -124 at "$A" --interface lo -w 300ms 10.99.0.9 "$tcp"
	[ "${#lines[@]}" -eq 1 ]
}

@test "--interface and -s toward a proxy, whatever the target is" {
	machines
	listen_at "$B" px -k -d 10.99.0.9 0
	listen_at "$B" six -k -d fe80::2%two 0
	six=$PORT
	PORT=$(sed -n 's/^Listening on .* //p' "$T/px.err")
	start_at "$A" c1 -x "10.99.0.9:$PORT" --interface two 10.77.1.2 9
	wait_line px.err '^Connection received on 10.77.2.1 '
	start_at "$A" c2 -x "10.99.0.9:$PORT" -s 10.77.2.1 fd77:1::2 9
	wait_lines px.err '^Connection received on 10.77.2.1 ' 2
	start_at "$A" c3 -x "[fe80::2%two]:$six" 10.77.1.2 9
	wait_lines six.err '^Connection received on fe80::1%two ' 1
	start_at "$A" c4 -x "[fe80::2]:$six" --interface two some.name 9
	wait_lines six.err '^Connection received on fe80::1%two ' 2
	listen_at "$A" fwd -k -x "10.99.0.9:$PORT" --interface two \
		--forward some.name:9 127.0.0.1 0
	start_at "$A" c5 127.0.0.1 "$PORT"
	wait_lines px.err '^Connection received on 10.77.2.1 ' 3
}

@test "--forward: --interface and -s are for the way on alone" {
	machines
	listen_at "$B" srv -k -e 10.99.0.9 0
	srv=$PORT
	listen_at "$A" one -k --forward "10.99.0.9:$srv" 127.0.0.1 0
	one=$PORT
	listen_at "$A" two -k --forward "10.99.0.9:$srv" --interface two \
		127.0.0.1 0
	two=$PORT
	listen_at "$A" src -k --forward "10.99.0.9:$srv" -s 10.77.2.1 \
		-p 0 127.0.0.1
	for port in "$one" "$two" "$PORT"; do
		run -0 at "$A" 127.0.0.1 "$port" <<<hello
		[ "$output" = hello ]
	done
	wait_lines srv.err '^Connection received on 10.77.1.1 ' 1
	wait_lines srv.err '^Connection received on 10.77.2.1 ' 2
	# The same for datagrams.
	python_at "$B" seen -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.99.0.9", 0))
print(s.getsockname()[1], flush=True)
while True:
    data, a = s.recvfrom(100)
    s.sendto(a[0].encode() + b"\n", a)'
	srv=$PORT
	listen_at "$A" udp1 -u -k --forward "10.99.0.9:$srv" --interface two \
		127.0.0.1 0
	run -0 at "$A" -u -W 1 127.0.0.1 "$PORT" <<<hello
	[ "$output" = 10.77.2.1 ]
	listen_at "$A" udp2 -u -k --forward "10.99.0.9:$srv" -s 10.77.2.1 \
		127.0.0.1 0
	run -0 at "$A" -u -W 1 127.0.0.1 "$PORT" <<<hello
	[ "$output" = 10.77.2.1 ]
	# A group is joined where the route to it leads, not on the way on.
	ip -n "$A" route add 239.0.0.0/8 dev one
	listen_at "$A" udp3 -u -k --forward "10.99.0.9:$srv" --interface two \
		239.1.2.3 0
	run -0 at "$A" -u -W 1 --interface one 239.1.2.3 "$PORT" <<<hello
	[ "$output" = 10.77.2.1 ]
}

@test "a link-local address: its interface, wherever it is written" {
	machines
	listen_at "$B" lis -k -e fe80::2%two 0
	[ "$ADDR" = fe80::2%two ]
	listen_at "$B" udp -k -u -e --interface two fe80::2 0
	[ "$ADDR" = fe80::2%two ]
	udp=$PORT
	PORT=$(sed -n 's/^Listening on .* //p' "$T/lis.err")
	row() {
		run at "$A" "$@" <<<hello
		[ "$status" -eq 0 ] && [ "$output" = hello ] ||
			wrong "$* -> $status: $output"
	}
	row fe80::2%two "$PORT"
	row '[fe80::2%two]' "$PORT"
	row "[fe80::2%two]:$PORT"
	row --interface two fe80::2 "$PORT"
	row --interface two fe80::2%two "$PORT"
	row -s fe80::1%two fe80::2%two "$PORT"
	row -s fe80::1 --interface two fe80::2 "$PORT"
	row -n -s fd77:2::1 fe80::2%two "$PORT"
	row -u -W 1 fe80::2%two "$udp"
	row -u -W 1 --interface two fe80::2 "$udp"
	row -u -W 1 -s fe80::1%two fe80::2%two "$udp"
	none_wrong
	run -1 at "$A" fe80::2%one "$PORT"
	[ "$output" = "sockcat: connect to fe80::2%one port $PORT (tcp) failed: Connection refused" ]
	run -1 at "$A" --interface one fe80::2 "$PORT"
	[ "$output" = "sockcat: connect to fe80::2 (fe80::2%one) port $PORT (tcp) failed: Connection refused" ]
	run -1 at "$A" --interface one fe80::2%two "$PORT"
	[ "${#lines[@]}" -eq 1 ]
	# --forward, from either side.
	for how in "[fe80::2%two]" "[fe80::2] --interface two"; do
		# shellcheck disable=SC2086
		listen_at "$A" fwd -k --forward ${how/]/]:$PORT} \
			fe80::1%one 0
		fwd=$PORT
		PORT=$(sed -n 's/^Listening on .* //p' "$T/lis.err")
		run -0 at "$B" "[fe80::1%one]:$fwd" <<<hello
		[ "$output" = hello ]
		stop fwd
	done
	listen_at "$A" fwd -k -u --forward "udp:[fe80::2%two]:$udp" \
		fe80::1%one 0
	run -0 at "$B" -u -W 1 "[fe80::1%one]:$PORT" <<<hello
	[ "$output" = hello ]
}

@test "an interface within an address has to be there, and to belong there" {
	need_linux
	need_ipv6
	row() {
		run sockcat "${@:2}"
		[ "$status" -eq "${1%%:*}" ] && [[ $output == "sockcat: ${1#*:}"* ]] ||
			wrong "$* -> $status: $output"
	}
	none='1:fe80::1%nonesuch: cannot use interface nonesuch: No such device'
	row "$none" fe80::1%nonesuch 9
	row "$none" -n fe80::1%nonesuch 9
	row "$none" '[fe80::1%nonesuch]:9'
	row "$none" -u fe80::1%nonesuch 9
	row "$none" -l fe80::1%nonesuch 0
	row "$none" -s fe80::1%nonesuch fe80::1 9
	none_wrong
	run sockcat --interface lo -u ff05::77 9 <<<hello
	alone=$status
	run sockcat -u ff05::77%lo 9 <<<hello
	# Not every C library takes that.
	[ "$status" -eq "$alone" ] || {
		[ "$status" -eq 2 ]
		[[ $output == *"ff05::77%lo is no link-local address; use --interface lo"* ]]
	}
}

@test "a link-local address without an interface is told to name one" {
	machines
	row() {
		run at "$A" "$@"
		[ "$status" -eq 1 ] && [ "${#lines[@]}" -eq 1 ] &&
		    [[ $output == *": a link-local address needs its"* ]] ||
			wrong "$* -> $status: $output"
	}
	row fe80::2 9
	row -u fe80::2 9
	row -z fe80::2 9
	row -l fe80::1 0
	row -lu fe80::1 0
	row -lu ff02::77 0
	row -s fe80::1 fd77:1::2 9
	none_wrong
}

# Sends its second argument to a group, address and interface in the first,
# and prints from where the answers are, each with its text, until it has as
# many as the third says.
asker='
import socket, sys
host, port, n, text = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
a = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
s = socket.socket(a[0], a[1])
s.settimeout(60)
if a[0] == socket.AF_INET:
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                 socket.inet_aton(sys.argv[5]))
s.sendto(text.encode() + b"\n", a[4])
for i in range(n):
    data, b = s.recvfrom(1000)
    print(data.decode().strip(), b[0], b[1] == port, flush=True)'

@test "a group: its members hear, and answer from their own address" {
	machines
	listen_at "$B" four -u -k -e --interface one 239.1.2.3 0
	four=$PORT
	listen_at "$B" six -u -k -e ff02::77%two 0
	[ "$ADDR" = ff02::77%two ]
	six=$PORT
	listen_at "$B" wide -u -k -e --interface two ff05::77 0
	wide=$PORT
	start py4 ip netns exec "$A" "${python[@]}" -c "$asker" \
		239.1.2.3 "$four" 1 hello 10.77.1.1
	ended py4 0 30
	[ "$(cat "$T/py4.out")" = "hello 10.77.1.2 True" ]
	start py6 ip netns exec "$A" "${python[@]}" -c "$asker" \
		ff02::77%two "$six" 1 hello
	ended py6 0 30
	[ "$(cat "$T/py6.out")" = "hello fe80::2 True" ]
	row() {
		run at "$A" -u -W 1 "$@" <<<hello
		[ "$status" -eq 0 ] && [ "$output" = hello ] ||
			wrong "$* -> $status: $output"
	}
	row --interface one 239.1.2.3 "$four"
	row -s 10.77.1.1 239.1.2.3 "$four"
	row ff02::77%two "$six"
	row --interface two ff02::77 "$six"
	row "[ff02::77%two]:$six"
	row --interface two ff05::77 "$wide"
	none_wrong
	run -0 at "$A" -z -u -w 20 --interface one 239.1.2.3 "$four"
	run -0 at "$A" -z -u -w 20 ff02::77%two "$six"
	# Who asks on the other cable is not heard.
	run -0 at "$A" -u --interface two 239.1.2.3 "$four" <<<hello
	[ "$output" = '' ]
	run -0 at "$A" -u ff02::77%one "$six" <<<hello
	[ "$output" = '' ]
}

@test "a group: without a route to it, it wants an interface" {
	machines
	run -1 at "$A" -lu 239.1.2.3 0
	[ "$output" = 'sockcat: cannot join the group 239.1.2.3: No such device' ]
	run -1 at "$A" -u 239.1.2.3 9 <<<hello
	[[ $output =~ Network\ (is\ )?unreachable ]]
	[ "${#lines[@]}" -eq 1 ]
	ip -n "$A" route add 239.0.0.0/8 dev two
	ip -n "$B" route add 239.0.0.0/8 dev two
	listen_at "$B" lis -u -k -e 239.1.2.3 0
	run -0 at "$A" -u -W 1 239.1.2.3 "$PORT" <<<hello
	[ "$output" = hello ]
}

@test "several members on one port of one machine, and the sender's own" {
	machines
	for group in 239.1.2.3 ff02::77%one; do
		feed cl
		listen_at "$B" b1 -u -k -c "sed -u s/^/b1-/" \
			--interface one "$group" 0
		port=$PORT
		listen_at "$B" b2 -u -k -c "sed -u s/^/b2-/" \
			--interface one "$group" "$port"
		listen_at "$A" a1 -u -k -c "sed -u s/^/a1-/" \
			--interface one "$group" "$port"
		start asker ip netns exec "$A" "${python[@]}" -c "$asker" \
			"$group" "$port" 3 hello 10.77.1.1
		# No limit of silence: it stays for all of them.
		start_with - cl ip netns exec "$A" "$SOCKCAT" -u \
			--interface one "$group" "$port"
		send_to cl $'hello\n'
		wait_lines cl.out . 3
		wait_lines asker.out . 3
		[ "$(sort "$T/cl.out")" = $'a1-hello\nb1-hello\nb2-hello' ]
		[ "$(sed 's/ .*//' "$T/asker.out" | sort)" = \
			$'a1-hello\nb1-hello\nb2-hello' ]
		for name in cl b1 b2 a1; do
			stop "$name"
		done
		end_of cl
		rm "$T/cl.in"
	done
}

@test "a sender to a group may have the port that its members have" {
	machines
	listen_at "$A" lis -u -k -e --interface one 239.1.2.3 0
	run -0 at "$A" -u -W 1 --interface one -p "$PORT" 239.1.2.3 "$PORT" \
		<<<hello
	[ "$output" = hello ]
	run -1 at "$A" -u --interface one --no-reuseaddr -p "$PORT" \
		239.1.2.3 "$PORT" <<<hello
	[[ $output =~ Address\ (already\ )?in\ use$ ]]
}

@test "--forward to a group: the answers of all its members come back" {
	machines
	for group in 239.1.2.3 '[ff02::77]'; do
		host=${group#[}
		host=${host%]}
		feed cl
		listen_at "$B" b1 -u -k -c "sed -u s/^/b1-/" \
			--interface one "$host" 0
		port=$PORT
		listen_at "$B" b2 -u -k -c "sed -u s/^/b2-/" \
			--interface one "$host" "$port"
		listen_at "$A" fwd -u -k --forward "udp:$group:$port" \
			--interface one 127.0.0.1 0
		start_with - cl ip netns exec "$A" "$SOCKCAT" -u \
			127.0.0.1 "$PORT"
		send_to cl $'one\n'
		wait_lines cl.out . 2
		send_to cl $'two\n'
		wait_lines cl.out . 4
		[ "$(sort "$T/cl.out")" = $'b1-one\nb1-two\nb2-one\nb2-two' ]
		for name in cl fwd b1 b2; do
			stop "$name"
		done
		end_of cl
		rm "$T/cl.in"
	done
}

@test "a listener on a group with -k: all senders, and input to all of them" {
	machines
	for name in one two lis; do
		feed $name
	done
	for group in 239.1.2.3 ff02::77; do
		start_with - lis ip netns exec "$B" "$SOCKCAT" -v -lu -k \
			--interface one "$group" 0
		_announced lis -u
		for name in one two; do
			start_with - $name ip netns exec "$A" "$SOCKCAT" -u \
				--interface one "$group" "$PORT"
			send_to $name $name$'\n'
			wait_line lis.out "^$name"
		done
		send_to lis $'to all\n'
		for name in one two; do
			wait_line $name.out '^to all'
		done
		for name in one two lis; do
			stop $name
		done
	done
}

@test "--ttl of datagrams to groups, which is 1 by itself" {
	machines
	python_at "$B" hops -c '
import socket, struct
four = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
four.bind(("", 0))
port = four.getsockname()[1]
four.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
four.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                socket.inet_aton("239.1.2.3") + socket.inet_aton("10.77.1.2"))
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
six.bind(("::", port))
six.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
               socket.inet_pton(socket.AF_INET6, "ff05::77") +
               struct.pack("@I", socket.if_nametoindex("one")))
import select
print(port, flush=True)
while True:
    for s in select.select([four, six], [], [])[0]:
        data, extra, flags, a = s.recvmsg(100, 1000)
        hops = struct.unpack("@i", extra[0][2])[0]
        s.sendto(b"%d\n" % hops, a)'
	row() {
		run at "$A" -u -W 1 --interface one "${@:2}" "$PORT" <<<hello
		[ "$status" -eq 0 ] && [ "$output" = "$1" ] ||
			wrong "$* -> $status: $output"
	}
	row 1 239.1.2.3
	row 1 ff05::77
	row 7 -M 7 239.1.2.3
	row 7 --ttl 7 ff05::77
	row 9 --ttl 9 10.77.1.2
	row 9 --ttl 9 fd77:1::2
	none_wrong
}

@test "-b with --interface reaches everybody on that cable" {
	machines
	listen_at "$B" one -u -k -e --interface one 0
	port=$PORT
	listen_at "$B" two -u -k -c 'sed -u s/^/two-/' --interface two \
		0.0.0.0 "$port"
	row() {
		run at "$A" -u -W 1 -b "${@:2}" "$port" <<<hello
		[ "$status" -eq 0 ] && [ "$output" = "$1" ] ||
			wrong "$* -> $status: $output"
	}
	row hello --interface one 255.255.255.255
	row two-hello --interface two 255.255.255.255
	row hello 10.77.1.255
	row two-hello 10.77.2.255
	row two-hello -s 10.77.2.1 255.255.255.255
	none_wrong
	run -1 at "$A" -u 10.77.1.255 "$port" <<<hello
	[ "$output" = "sockcat: connect to 10.77.1.255 port $port (udp) failed: Permission denied (-b allows broadcast addresses)" ]
}

@test "what a network refuses is said, once, with the reason" {
	machines
	ip -n "$A" -batch - <<-END
	route add unreachable 10.1.0.0/16
	route add prohibit 10.2.0.0/16
	route add unreachable fd01::/16
	END
	# In the words of glibc, or of musl.
	row() {
		run at "$A" "${@:2}" <<<hello
		[ "$status" -eq 1 ] && [ "${#lines[@]}" -eq 1 ] &&
		    [[ $output =~ $1 ]] || wrong "$* -> $status: $output"
	}
	row 'No route to host|Host is unreachable' 10.1.0.1 9
	row 'No route to host|Host is unreachable' -u -W 1 10.1.0.1 9
	row 'Permission denied' 10.2.0.1 9
	row 'Permission denied' -u -W 1 10.2.0.1 9
	row 'Permission denied' -u -W 1 -b 10.2.0.1 9
	row 'Network (is )?unreachable' 10.3.0.1 9
	row 'Network (is )?unreachable' -u -W 1 10.3.0.1 9
	row 'Network (is )?unreachable' -u -W 1 -b 255.255.255.255 9
	row 'unreachable' -u -W 1 fd02::1 9
	row 'No route to host|Host is unreachable' -u -W 1 fd01::1 9
	row 'Connection refused' -u -W 1 10.77.1.2 9
	row 'Connection refused' -u -W 1 fd77:1::2 9
	row 'Connection refused' -u -W 1 fe80::2%one 9
	row 'Connection refused' -u -W 1 --interface one 10.77.1.2 9
	row 'Cannot assign requested address|Address not available' -s 10.9.9.9 10.77.1.2 9
	row 'Cannot assign requested address|Address not available' -u -W 1 -s fd77:3::3 fd77:1::2 9
	none_wrong
	# A target that is unreachable is one line of a forward with -k.
	listen_at "$A" fwd -u -k --forward 10.1.0.1:9 127.0.0.1 0
	run -0 at "$A" -u 127.0.0.1 "$PORT" <<<hello
	wait_line fwd.err '^sockcat: connect to 10.1.0.1 port 9 .*(No route to|unreachable)'
	alive fwd
}

@test "what a filter on the way refuses is said as well" {
	machines
	need nft
	ip netns exec "$B" nft -f - <<-'END' || skip "no filter of packets"
	table inet t {
		chain c {
			type filter hook input priority 0;
			udp dport 9 reject with icmpx type admin-prohibited
			tcp dport 9 reject with icmpx type admin-prohibited
		}
	}
	END
	for host in 10.77.1.2 fd77:1::2; do
		for udp in '' '-u -W 1'; do
			# shellcheck disable=SC2086
			run -1 at "$A" $udp "$host" 9 <<<hello
			[ "${#lines[@]}" -eq 1 ]
			[[ $output =~ failed:\ (No\ route|Host|Permission) ]]
		done
	done
}

# capable NS: how many Multipath TCP connections came in there.
capable() {
	ip netns exec "$1" cat /proc/net/netstat | awk '
	$1 == "MPTcpExt:" && !n { n = split($0, name); next }
	$1 == "MPTcpExt:" {
		for (i = 2; i <= n; i++)
			if (name[i] == "MPCapableSYNRX")
				print $i
	}'
}

multipath() {
	machines
	[ "$(ip netns exec "$A" cat /proc/sys/net/mptcp/enabled 2>&1)" = 1 ] ||
		skip "no Multipath TCP"
}

@test "--mptcp: over several paths where both ends can" {
	multipath
	random_file "$T/data" 3M
	for host in 10.77.1.2 fd77:1::2; do
		n=$(capable "$B")
		listen_at "$B" lis -k -e --mptcp 0
		at "$A" --mptcp "$host" "$PORT" <"$T/data" >"$T/back"
		same data back
		[ "$(capable "$B")" -gt "$n" ]
		n=$(capable "$B")
		# One end alone: TCP, and nothing to be said.
		run -0 at "$A" "$host" "$PORT" <<<hello
		[ "$output" = hello ]
		[ "$(capable "$B")" -eq "$n" ]
		stop lis
		said lis 0
	done
	listen_at "$B" lis -k -e 0
	run -0 at "$A" --mptcp 10.77.1.2 "$PORT" <<<hello
	[ "$output" = hello ]
	listen_at "$B" srv -k -e --mptcp 0
	run -0 at "$A" -z --mptcp --interface one 10.77.1.2 "$PORT"
	listen_at "$A" fwd -k --mptcp --forward "10.77.1.2:$PORT" 127.0.0.1 0
	m=$(capable "$A")
	n=$(capable "$B")
	run -0 at "$A" --mptcp 127.0.0.1 "$PORT" <<<hello
	[ "$output" = hello ]
	[ "$(capable "$A")" -gt "$m" ]
	[ "$(capable "$B")" -gt "$n" ]
	run -2 at "$A" -u --mptcp 10.77.1.2 9
	run -1 at "$A" --mptcp 10.77.1.2 9
	[ "$output" = 'sockcat: connect to 10.77.1.2 port 9 (tcp) failed: Connection refused' ]
}

@test "--mptcp: everything is delivered, and a reset is told" {
	multipath
	random_file "$T/data" 3M
	listen_at "$B" lis -d --mptcp 0
	at "$A" --mptcp -w 30 10.77.1.2 "$PORT" <"$T/data"
	ended lis 0
	same lis.out data
	listen_at "$B" lis -d --reset --idle-timeout 100ms --mptcp 0
	feed cl
	start_with - cl ip netns exec "$A" "$SOCKCAT" --mptcp 10.77.1.2 "$PORT"
	ended cl 1 30
	said cl 1 'Connection reset by peer'
}

@test "--mptcp: where the kernel has none, TCP and one line about it" {
	multipath
	ip netns exec "$A" sh -c 'echo 0 >/proc/sys/net/mptcp/enabled'
	listen_at "$B" lis -k -e --mptcp 0
	run -0 at "$A" --mptcp 10.77.1.2 "$PORT" <<<hello
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[0]}${lines[1]} == *'sockcat: no Multipath TCP, plain TCP is used: '* ]]
	listen_at "$A" fwd -k --mptcp --forward "10.77.1.2:$PORT" 0
	run -0 at "$B" --mptcp 10.77.1.1 "$PORT" <<<hello
	[ "$output" = hello ]
	run -0 at "$B" 10.77.1.1 "$PORT" <<<hello
	[ "$output" = hello ]
	said fwd 1 'no Multipath TCP'
}
