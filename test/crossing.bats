#!/usr/bin/env bats
#
# crossing.bats: two machines, which are network name spaces, and the link
# between them: small, flapping, gone, filtered.  sockcat resumes or fails
# within its limits, with the right status and words.
#
# bats file_tags=slow

# shellcheck disable=SC2154
load helpers

# What the C libraries say.
LATE='(Connection|Operation) timed out'
AWAY='(No route to host|Host is unreachable)'

# The left side has 10.9.0.1, fd09::1 and fe80::1, the right side the same
# with a 2; both call their end of the link va.  The name spaces go when the
# two processes do that hold them.
setup() {
	local side

	helpers_setup
	need_linux
	need unshare nsenter ip
	unshare -n true 2>/dev/null || skip "no network of its own"
	mine=$(readlink /proc/self/ns/net)
	for side in left right; do
		start $side unshare -n tail -f /dev/null
	done
	wait_for 10 apart left
	wait_for 10 apart right
	left=(nsenter -n -t "$pid_left")
	right=(nsenter -n -t "$pid_right")
	ip link add "va$BASHPID" netns "$pid_left" type veth \
		peer name va netns "$pid_right" 2>/dev/null ||
		skip "no network of its own"
	"${left[@]}" ip link set "va$BASHPID" name va
	side "${left[@]}" 1
	side "${right[@]}" 2
}

apart() {
	[ "$(readlink "/proc/$(pid_of "$1")/ns/net")" != "$mine" ]
}

# side NSENTER... N: addresses, that can be used at once, and the links up.
side() {
	local n=${*: -1} there=("${@:1:$#-1}")

	"${there[@]}" sh -e -c 'ip link set va addrgenmode none
		ip link set lo up
		ip link set va up
		ip address add "10.9.0.$1/24" dev va
		ip -6 address add "fd09::$1/64" dev va nodad
		ip -6 address add "fe80::$1/64" dev va nodad' - "$n"
}

# on_right NAME ARGS...: a listener there: set PORT and ADDR.
on_right() {
	on_right_with /dev/null "$@"
}

on_right_with() {
	local file=$1 name=$2
	shift 2

	start_with "$file" "$name" "${right[@]}" "$SOCKCAT" -v -l "$@"
	_announced "$name" "$@"
}

# from_left NAME ARGS...: a client here, input from /dev/null.
from_left() {
	from_left_with /dev/null "$@"
}

from_left_with() {
	local file=$1 name=$2
	shift 2

	start_with "$file" "$name" "${left[@]}" "$SOCKCAT" "$@"
}

# link SIDE up|down
link() {
	local at="$1[@]"

	"${!at}" ip link set va "$2"
}

# setting SIDE NAME NUMBER: of the system there, below net.ipv4.
setting() {
	local at="$1[@]"

	"${!at}" sh -c 'echo "$2" >"/proc/sys/net/ipv4/$1"' - "$2" "$3"
}

# filter SIDE HOOK RULES: what is to become of packets; pass SIDE: all may go.
filter() {
	local at="$1[@]"

	need nft
	"${!at}" nft -f - <<-END
		table inet t {
			chain c {
				type filter hook $2 priority 0
				$3
			}
		}
	END
}

pass() {
	local at="$1[@]"

	"${!at}" nft delete table inet t
}

@test "a link of 1280 bytes: streams both ways, both families" {
	local addr

	random_file "$T/in" 3M
	random_file "$T/data" 3M
	"${left[@]}" ip link set va mtu 1280
	"${right[@]}" ip link set va mtu 1280
	for addr in 10.9.0.2 fd09::2; do
		on_right_with "$T/data" srv "$addr" 0
		from_left_with "$T/in" cl "$addr" "$PORT"
		ended cl 0 30
		ended srv 0 30
		same cl.out data
		same srv.out in
	done
}

@test "IPv6 link-local: the scope in every form, and in what is said" {
	on_right srv -k fe80::2%va 0
	grep -qx "Listening on fe80::2%va $PORT" "$T/srv.err"
	echo one >"$T/in"
	from_left_with "$T/in" cl -v fe80::2%va "$PORT"
	ended cl 0
	grep -qF "Connection to fe80::2%va $PORT port [tcp/*] succeeded!" \
		"$T/cl.err"
	wait_line srv.err '^Connection received on fe80::1%va [0-9]+$'
	echo two >"$T/in"
	from_left_with "$T/in" cl2 "[fe80::2%va]:$PORT"
	ended cl2 0
	echo three >"$T/in"
	from_left_with "$T/in" cl3 -s fe80::1%va fe80::2%va "$PORT"
	ended cl3 0
	wait_lines srv.out '^(one|two|three)$' 3
	from_left no fe80::2%vb "$PORT"
	ended no 1
	said no 1 "cannot use interface vb"
	on_right udp -ke -u fe80::2%va 0
	echo datagram >"$T/in"
	from_left_with "$T/in" ucl -u fe80::2%va "$PORT"
	ended ucl 0
	[ "$(cat "$T/ucl.out")" = datagram ]
}

@test "a link that flaps in mid-transfer: it resumes, nothing is lost" {
	local side

	random_file "$T/data" 2M
	{
		printf begin
		cat "$T/data"
	} >"$T/all"
	for side in left right; do
		feed cl
		on_right srv -w 30 10.9.0.2 0
		from_left_with - cl -w 30 10.9.0.2 "$PORT"
		send_to cl begin
		wait_size srv.out 5
		link $side down
		start feeder cp "$T/data" "$T/cl.in"
		rest 0.3
		link $side up
		ended feeder 0 30
		end_of cl
		ended cl 0 30
		ended srv 0 30
		same srv.out all
		rm "$T/cl.in"
	done
}

@test "a link that goes and does not come back: the limits hold" {
	local name

	random_file "$T/data" 10k
	on_right srv -k -d 10.9.0.2 0
	local -A limits=([wait]='-w 1' [quit]='-q 1' [idle]='--idle-timeout 1'
	    [most]='--max-time 2')
	for name in "${!limits[@]}"; do
		feed "$name"
		# shellcheck disable=SC2086 # words
		from_left_with - "$name" -v ${limits[$name]} 10.9.0.2 "$PORT"
		wait_line "$name.err" succeeded
	done
	link right down
	for name in "${!limits[@]}"; do
		send_file "$name" "$T/data" || : # if its time has passed
		end_of "$name"
	done
	ended wait 124
	said wait 1 'port [0-9]+ \(tcp\): (silent|no answer) \(-w\)'
	if acks; then
		ended quit 1
		said quit 1 ' 10240 bytes not delivered$'
	fi
	ended idle 124
	said idle 1 'silent for the time of --idle-timeout'
	ended most 124
	said most 1 'the time of --max-time passed'
}

@test "a link that goes and does not come back: the system gives up" {
	need nft
	setting left tcp_retries2 1
	random_file "$T/data" 500k
	feed cl
	on_right srv -k -d 10.9.0.2 0
	from_left_with - cl 10.9.0.2 "$PORT"
	wait_line srv.err received
	filter right input drop
	start feeder cp "$T/data" "$T/cl.in"
	ended cl 1 40
	said cl 1 "failed: $LATE; [1-9][0-9]* bytes not delivered\$"
}

# as_before NAME: srv of that name has the descriptors it began with.
as_before() {
	local var=files_$1

	(($(open_files "$1") <= ${!var}))
}

@test "vanished peers are found: echo, relay of many, command, forward" {
	local name

	start target "${right[@]}" "${python[@]}" "$PEERS/stall.py"
	wait_line target.out ' '
	local -A modes=([echo]=-e [relay]=-v [exec]='-c cat'
	    [onward]="--forward 127.0.0.1:$(cut -d ' ' -f 1 "$T/target.out")")
	for name in "${!modes[@]}"; do
		feed "$name"
		# shellcheck disable=SC2086 # words
		on_right_with - "$name" -k --keepalive=1,1,2 ${modes[$name]} \
			10.9.0.2 0
		printf -v "files_$name" %s "$(open_files "$name")"
		feed "to_$name"
		from_left_with - "to_$name" 10.9.0.2 "$PORT"
		wait_line "$name.err" received
	done
	link left down
	for name in echo relay exec; do
		wait_for 30 as_before "$name"
	done
	wait_line onward.err "failed: ($LATE|$AWAY)" 30
	link left up
	for name in "${!modes[@]}"; do
		alive "$name"
	done
}

# left_hub: the room has the console and two more.
left_hub() {
	(($(open_files srv) <= files_srv + 2))
}

@test "a hub member whose link is gone: the others hear on, it is found" {
	local name files_srv

	need sysctl
	# Keepalive does not look while something is on its way.
	setting right tcp_retries2 2
	on_right srv -b --keepalive=1,1,2 10.9.0.2 0
	files_srv=$(open_files srv)
	for name in near other far; do
		feed $name
	done
	start_with - near "${right[@]}" "$SOCKCAT" 10.9.0.2 "$PORT"
	start_with - other "${right[@]}" "$SOCKCAT" 10.9.0.2 "$PORT"
	wait_lines srv.err received 2
	from_left_with - far 10.9.0.2 "$PORT"
	wait_lines srv.err received 3
	link left down
	send_to near hello
	wait_size other.out 5
	wait_for 40 left_hub
	send_to near again
	wait_size other.out 10
	not acks || grep -E '^sockcat: 10.9.0.1 port [0-9]+ \(tcp\): .*; 5 bytes not delivered$' \
		"$T/srv.err"
}

@test "an address is removed, and comes back" {
	local n=0 net addr nodad

	for net in 10.9.0. fd09::; do
		n=$((n + 1))
		addr=${net}1/64
		nodad=(nodad)
		if [ "$net" = 10.9.0. ]; then
			addr=${net}1/24
			nodad=()
		fi
		on_right "srv$n" -ke "${net}2" 0
		feed "cl$n"
		from_left_with - "cl$n" "${net}2" "$PORT"
		feed "late$n"
		from_left_with - "late$n" -w 1 "${net}2" "$PORT"
		send_to "cl$n" one
		wait_size "cl$n.out" 3
		wait_lines "srv$n.err" received 2
		"${left[@]}" ip address delete "$addr" dev va
		send_to "cl$n" two
		send_to "late$n" two
		ended "late$n" 124
		said "late$n" 1 'silent \(-w\)'
		"${left[@]}" ip address add "$addr" dev va \
			"${nodad[@]}"
		wait_size "cl$n.out" 6 30
		end_of "cl$n"
		ended "cl$n" 0
	done
}

@test "a listener's address is removed, and comes back" {
	on_right srv -ke 10.9.0.2 0
	"${right[@]}" ip address delete 10.9.0.2/24 dev va
	from_left no -w 20 10.9.0.2 "$PORT"
	ended no 1 30
	said no 1 "failed: $AWAY"
	echo hello >"$T/in"
	from_left_with "$T/in" cl --retry 30 10.9.0.2 "$PORT"
	"${right[@]}" ip address add 10.9.0.2/24 dev va
	ended cl 0 40
	[ "$(cat "$T/cl.out")" = hello ]
	alive srv
}

@test "a firewall that drops: connecting fails within its limits" {
	local name

	need nft
	filter right input drop
	setting left tcp_syn_retries 1
	from_left self 10.9.0.2 5
	from_left wait -w 0.5 10.9.0.2 5
	from_left six -w 0.5 fd09::2 5
	from_left scan -z -w 0.5 10.9.0.2 5
	from_left retry --retry 0.5 10.9.0.2 5
	from_left most --max-time 0.5 10.9.0.2 5
	from_left probe -zu -w 0.5 10.9.0.2 5
	for name in wait scan retry; do
		ended $name 124
		said $name 1 'connect to 10.9.0.2 port 5 \(tcp\) failed: no answer'
	done
	ended six 124
	said six 1 'connect to fd09::2 port 5 \(tcp\) failed: no answer'
	ended most 124
	ended probe 124
	ended self 1 30
	said self 1 'connect to 10.9.0.2 port 5 \(tcp\) failed: '"$LATE"
}

@test "a firewall that rejects: at once, with its words" {
	local addr

	need nft
	filter right input 'tcp dport 5 reject with icmpx admin-prohibited
		tcp dport 6 reject with tcp reset
		meta l4proto udp reject with icmpx admin-prohibited'
	echo hello >"$T/in"
	for addr in 10.9.0.2 fd09::2; do
		from_left c -w 60 "$addr" 5
		ended c 1 30
		said c 1 'port 5 \(tcp\) failed: (No route to host|Host is unreachable|Permission denied)$'
		from_left c -w 60 "$addr" 6
		ended c 1 30
		said c 1 'port 6 \(tcp\) failed: Connection refused$'
		from_left_with "$T/in" c -u -q 60 "$addr" 7
		ended c 1 30
		said c 1 'port 7 \(udp\) failed: [^;]*$'
	done
}

@test "a firewall on the way out" {
	need nft
	filter left output 'udp dport 5 drop
		tcp dport 6 drop'
	echo hello >"$T/in"
	from_left_with "$T/in" c -u -q 60 10.9.0.2 5
	ended c 1 30
	said c 1 'port 5 \(udp\) failed: Operation not permitted; 6 bytes not delivered$'
	from_left c -w 0.5 10.9.0.2 6
	ended c 124
}

@test "a firewall that drops for a while: both ways go on, nothing is lost" {
	need nft
	random_file "$T/data" 2M
	on_right srv -ke 10.9.0.2 0
	feed cl
	from_left_with - cl 10.9.0.2 "$PORT"
	send_to cl begin
	wait_size cl.out 5
	filter right input drop
	start feeder cp "$T/data" "$T/cl.in"
	rest 0.3
	pass right
	ended feeder 0 30
	end_of cl
	ended cl 0 30
	{
		printf begin
		cat "$T/data"
	} >"$T/all"
	same cl.out all
}

@test "what the network reports on the way is not the end" {
	local addr n=0

	need nft
	random_file "$T/data" 20k
	for addr in 10.9.0.2 fd09::2; do
		n=$((n + 1))
		on_right "srv$n" -k -d "$addr" 0
		feed "cl$n"
		from_left_with - "cl$n" --send-only "$addr" "$PORT"
		wait_line "srv$n.err" received
		filter right input "reject with icmpx host-unreachable"
		send_file "cl$n" "$T/data"
		end_of "cl$n"
		stays "cl$n" 0.7
		pass right
		ended "cl$n" 0 30
		wait_size "srv$n.out" 20480
		same "srv$n.out" data
	done
}

@test "no neighbour, no route: the reason at once" {
	local kind

	echo hello >"$T/in"
	from_left none -w 60 10.9.0.77 5
	from_left sixth -w 60 fd09::77 5
	for kind in prohibit:10 unreachable:11; do
		"${left[@]}" ip route add "${kind%:*}" "10.${kind#*:}.0.0/16"
	done
	while read -r addr words; do
		from_left c -w 60 "$addr" 5
		ended c 1
		said c 1 "connect to $addr port 5 \(tcp\) failed: $words"
		from_left_with "$T/in" c -u -q 60 "$addr" 5
		ended c 1
		said c 1 "$addr port 5 \(udp\) failed: $words"
	done <<-END
		203.0.113.1 Network (is )?unreachable
		2001:db8::1 Network (is )?unreachable
		10.10.0.1 Permission denied
		10.11.0.1 (No route to host|Host is unreachable)
	END
	ended none 1 30
	said none 1 'connect to 10.9.0.77 port 5 \(tcp\) failed: (No route to host|Host is unreachable)'
	ended sixth 1 30
	said sixth 1 'connect to fd09::77 port 5 \(tcp\) failed: (No route to host|Host is unreachable)'
}

@test "a name whose first address has no route, the second no neighbour" {
	hosts '203.0.113.1 many' '10.9.0.77 many' '10.9.0.2 many'
	on_right srv 10.9.0.2 0
	echo hello >"$T/in"
	start_with "$T/in" cl "${left[@]}" "${named[@]}" "$SOCKCAT" -v \
		many "$PORT"
	ended cl 0 20
	ended srv 0 20
	[ "$(cat "$T/srv.out")" = hello ]
}

@test "a forward whose target is out of reach: its peers are reset" {
	on_right srv -k --forward 203.0.113.1:5 10.9.0.2 0
	from_left one 10.9.0.2 "$PORT"
	ended one 1
	wait_line srv.err 'failed: Network (is )?unreachable'
	from_left two 10.9.0.2 "$PORT"
	ended two 1
	alive srv
}

@test "--retry: a link that is not up yet" {
	on_right srv 10.9.0.2 0
	link left down
	echo hello >"$T/in"
	from_left_with "$T/in" cl -v --retry 30 10.9.0.2 "$PORT"
	rest 0.5
	alive cl
	link left up
	ended cl 0 40
	ended srv 0 20
	[ "$(cat "$T/srv.out")" = hello ]
}

# ask BYTES: a datagram of so many comes back from PORT, in both families.
ask() {
	"${left[@]}" timeout 60 "${python[@]}" -c '
import socket, sys
port, text = int(sys.argv[1]), b"x" * int(sys.argv[2])
for family, here, there in (
        (socket.AF_INET, "10.9.0.1", "10.9.0.2"),
        (socket.AF_INET6, "fd09::1", "fd09::2")):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind((here, 0))
    s.settimeout(0.5)
    for _ in range(40):
        s.sendto(text, (there, port))
        try:
            if s.recv(70000) == text:
                break
        except OSError:
            pass
    else:
        sys.exit("no answer over %s" % there)' "$PORT" "$@"
}

@test "a link of 1280 bytes: datagrams of 65,000, both families" {
	"${left[@]}" ip link set va mtu 1280
	"${right[@]}" ip link set va mtu 1280
	on_right srv -keu 0
	ask 65000
}

# hears NAME: it hears what its server answers, or is told by the console.
hears() {
	local n=$((heard += 6)) name=$1

	send_to "to_$name" hello:
	if [[ $name == @(hub|relay) ]]; then
		wait_line "$name.err" '^Connection received on 10.9.0.1 '
		send_to "$name" hello:
	fi
	wait_size "to_$name.out" "$n"
}

# finds NAME: the one that was out of reach has an answer.
finds() {
	send_to "bad_$1" found
	grep -qs found "$T/bad_$1.out"
}

@test "datagrams: a peer out of reach ends nothing, others are answered" {
	local name heard=0 reach

	need nft
	start target "${right[@]}" "${python[@]}" "$PEERS/udp_answer.py"
	wait_line target.out ' '
	"${left[@]}" ip address add 10.9.0.11/24 dev va
	local -A modes=([echo]=-e [hub]=-b [relay]=-v [exec]='-c cat'
	    [onward]="--forward udp:127.0.0.1:$(cut -d ' ' -f 1 "$T/target.out")")
	for name in "${!modes[@]}"; do
		feed "$name"
		# shellcheck disable=SC2086 # words
		on_right_with - "$name" -ku ${modes[$name]} 10.9.0.2 0
		feed "to_$name"
		from_left_with - "to_$name" -u 10.9.0.2 "$PORT"
		feed "bad_$name"
		from_left_with - "bad_$name" -u -s 10.9.0.11 10.9.0.2 "$PORT"
	done
	for reach in filter route; do
		case $reach in
		filter) filter right output 'ip daddr 10.9.0.11 drop' ;;
		route)
			pass right
			"${right[@]}" ip route add prohibit 10.9.0.11/32
			;;
		esac
		for name in "${!modes[@]}"; do
			send_to "bad_$name" lost
			hears "$name"
			send_to "bad_$name" lost
			hears "$name"
			alive "$name"
			heard=$((heard - 12))
		done
		heard=12
	done
	"${right[@]}" ip route delete prohibit 10.9.0.11/32
	for name in echo exec onward; do
		wait_for 20 finds "$name"
	done
}
