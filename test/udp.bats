#!/usr/bin/env bats
#
# Datagrams: they have no end, no connection, and borders.

# shellcheck disable=SC2030,SC2031,SC2154
load helpers

setup() {
	helpers_setup
	kinds=(127.0.0.1 unix)
	if "${python[@]}" "$PEERS/free_port.py" -6 >/dev/null 2>&1; then
		kinds=(127.0.0.1 ::1 unix)
	fi
	paths=0
}

# bound KIND INPUT NAME ARGS...: a listener on 127.0.0.1, ::1 or a Unix
# socket; to: what a sockcat client writes for it, py: what a Python one does.
bound() {
	local kind=$1 input=$2 name=$3 path=$T/u$((++paths))
	shift 3

	rm -f "$T/$name.err" "$T/$name.out"
	if [ "$kind" = unix ]; then
		listen_with "$input" "$name" -u "$@" -U "$path"
		to=(-U "$path")
		py=(-u -U "$path")
	else
		listen_with "$input" "$name" -u "$@" "$kind" 0
		to=("$kind" "$PORT")
		py=(-u "$kind" "$PORT")
	fi
}

# answering KIND NAME ARGS...: a udp_answer.py there; to as above.
answering() {
	local kind=$1 name=$2 where path=$T/u$((++paths))
	shift 2

	where=(-4)
	[ "$kind" != ::1 ] || where=(-6)
	[ "$kind" != unix ] || where=(-U "$path")
	rm -f "$T/$name.out"
	peer_py "$name" udp_answer.py -u "${where[@]}" "$@"
	to=("$kind" "$PORT")
	[ "$kind" != unix ] || to=(-U "$path")
}

# each FUNCTION: call it with each kind of socket.
each() {
	local kind

	for kind in "${kinds[@]}"; do
		echo "over $kind"
		"$1" "$kind"
	done
}

# grams NAME: the sizes of the datagrams a udp_answer.py got.
grams() {
	sed -n 's/^got \([0-9]*\) .*/\1/p' "$T/$1.out" | xargs
}

question() {
	answering "$1" srv --prefix 'you said '
	_now
	began=$now
	run -0 sockcat -u "${to[@]}" <<<hello
	_now
	echo "$((now - began)) ms"
	[ "$output" = 'you said hello' ]
	((now - began >= 950 && now - began < 2500 * TIME_FACTOR))
	stop srv
}

@test "a client whose input has ended stays for one second of silence" {
	each question
}

# Three answers, 0.6 s apart.
slowly='
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
data, a = s.recvfrom(100)
for i in range(4):
    time.sleep(0.6)
    s.sendto(b"%d\n" % i, a)
'

@test "each answer makes the second begin again" {
	start srv "${python[@]}" -c "$slowly"
	wait_line srv.out .
	run -0 sockcat -u 127.0.0.1 "$(cat "$T/srv.out")" <<<hello
	[ "$output" = $'0\n1\n2\n3' ]
}

@test "-q says how long it stays, 0 and negative too" {
	answering 127.0.0.1 srv
	_now
	began=$now
	run -0 sockcat -u -q 0.2 "${to[@]}" <<<hello
	run -0 sockcat -u -q 0 "${to[@]}" <<<hello
	_now
	((now - began < 900 * TIME_FACTOR))
	wait_lines srv.out '^got 6 ' 2
	echo hello >"$T/in"
	start_with "$T/in" cat sockcat -u -q -1 "${to[@]}"
	wait_line cat.out hello
	stays cat 1.5
}

refusal() {
	if [ "$1" = unix ]; then
		to=(-U "$T/none")
		reason='No such file or directory'
	else
		free_port -u
		to=("$1" "$PORT")
		reason='Connection refused'
	fi
	run sockcat --stats -u "${to[@]}" <<<hello
	[ "$status" -eq 1 ]
	# Nobody knows what was refused, but what was sent.
	[[ ${lines[0]} == "sockcat: "*" failed: $reason" ]] || fail "$output"
	[ "$1" = unix ] || [[ ${lines[1]} == *' 1 datagram sent, '* ]] ||
		fail "$output"
}

@test "nobody there: Connection refused, exit 1" {
	each refusal
}

@test "nobody there any more: Connection refused while input idles" {
	feed cat
	answering 127.0.0.1 srv --count 1
	start_with - cat sockcat -u "${to[@]}"
	send_to cat one
	wait_line cat.out one
	wait_exit srv
	send_to cat two
	ended cat 1
	[ "$(wc -l <"$T/cat.err")" -eq 1 ]
	grep -q 'Connection refused' "$T/cat.err"
}

@test "a client sends no datagram of its own" {
	answering 127.0.0.1 srv
	run -0 sockcat -u -v "${to[@]}" </dev/null
	[ -z "$output" ]
	run -0 sockcat -u -v "${to[@]}" <<<hello
	[ "$output" = hello ]
	[ "$(grams srv)" = 6 ]
}

sizes() {
	answering "$1" srv
	sockcat -u "${to[@]}" <"$T/in" >"$T/cat.out"
	wait_lines srv.out '^got' 3
	[ "$(grams srv)" = '8192 8192 3616' ] || fail "$(cut -c1-40 "$T/srv.out")"
	stop srv
}

@test "one read of standard input, at most 8,192 bytes, is one datagram" {
	random_file "$T/in" 20000
	each sizes
}

@test "what is written separately is sent separately, and at once" {
	feed cat
	answering 127.0.0.1 srv
	start_with - cat sockcat -u "${to[@]}"
	for i in one three fourteen; do
		send_to cat $i
		wait_line srv.out "'$i'"
	done
	[ "$(grams srv)" = '3 5 8' ]
}

large() {
	answering "$1" srv --big 65507
	run -0 sockcat -u "${to[@]}" <<<hello
	[ "${#output}" -eq 65507 ]
	stop srv
	bound "$1" /dev/null lis
	start cl "${python[@]}" "$PEERS/udp_client.py" --size 65507 \
	    --no-wait "${py[@]}"
	wait_size lis.out 65507
	ended cl 0
	stop lis
}

@test "65,507 bytes are received whole, by client and listener" {
	each large
}

large_many() {
	bound "$1" /dev/null lis -k
	start cl "${python[@]}" "$PEERS/udp_client.py" --size 65507 \
	    --no-wait "${py[@]}"
	wait_size lis.out 65507
	stop lis
	bound "$1" /dev/null lis -e -k
	start cl "${python[@]}" "$PEERS/udp_client.py" --size 65507 \
	    --show-size "${py[@]}"
	wait_line cl.out '^65507$'
	stop lis
}

@test "65,507 bytes are received whole with -k and by an echo" {
	each large_many
}

empty() {
	bound "$1" /dev/null lis
	start cl "${python[@]}" "$PEERS/udp_client.py" --no-wait \
	    --message '' --message one --message '' --message two "${py[@]}"
	wait_size lis.out 6
	[ "$(cat "$T/lis.out")" = onetwo ]
	alive lis
	stop lis
}

@test "an empty datagram is no end, also when it is the first" {
	each empty
}

empty_answer() {
	answering "$1" srv --empty
	feed cat
	rm -f "$T/cat.out"
	start_with - cat sockcat -u "${to[@]}"
	send_to cat one
	wait_lines srv.out '^got' 1
	stays cat 0.2
	send_to cat two
	wait_lines srv.out '^got' 2
	end_of cat
	ended cat 0
	[ ! -s "$T/cat.out" ]
	rm "$T/cat.in"
	stop srv
}

@test "an empty datagram is no end for a client" {
	each empty_answer
}

empty_many() {
	bound "$1" /dev/null lis -k
	start cl "${python[@]}" "$PEERS/udp_client.py" --no-wait \
	    --message '' --message one --message '' --message two "${py[@]}"
	wait_size lis.out 6
	alive lis
	stop lis
	bound "$1" /dev/null lis -e -k
	start cl "${python[@]}" "$PEERS/udp_client.py" --show-size \
	    --message '' --message one --message '' "${py[@]}"
	ended cl 0
	[ "$(cat "$T/cl.out")" = $'0\n3\n0' ]
	stop lis
}

@test "an empty datagram with -k, and one echoed as it is" {
	each empty_many
}

first_only() {
	feed lis
	bound "$1" - lis
	start a "${python[@]}" "$PEERS/udp_client.py" --message first \
	    --timeout 20 "${py[@]}"
	wait_size lis.out 5
	start b "${python[@]}" "$PEERS/udp_client.py" --message second \
	    --timeout 1 "${py[@]}"
	ended b 1
	send_to lis 'for the first'
	ended a 0
	[ "$(cat "$T/a.out")" = 'for the first' ]
	[ "$(cat "$T/b.out")" = 'no answer' ]
	[ "$(cat "$T/lis.out")" = first ]
	stop lis
	end_of lis
	rm "$T/lis.in"
}

@test "a listener talks to its first peer, others are not heard" {
	each first_only
}

# A burst from two before the listener looks.
@test "a listener that was stopped meanwhile still hears one peer only" {
	need_linux
	listen lis -u 127.0.0.1 0
	kill -STOP "$pid_lis"
	"${python[@]}" -c 'import socket, sys
a, b = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for i in "ab"]
for i in range(5):
    for s, x in (a, b"a"), (b, b"b"):
        s.sendto(x, ("127.0.0.1", int(sys.argv[1])))
a.sendto(b".", ("127.0.0.1", int(sys.argv[1])))' "$PORT"
	kill -CONT "$pid_lis"
	wait_size lis.out 6
	[ "$(cat "$T/lis.out")" = aaaaa. ]
}

later_input() {
	feed lis
	bound "$1" - lis
	send_to lis 'for the peer'
	stays lis 0.3
	start a "${python[@]}" "$PEERS/udp_client.py" --message hello "${py[@]}"
	ended a 0
	[ "$(cat "$T/a.out")" = 'for the peer' ]
	stop lis
	end_of lis
	rm "$T/lis.in"
}

@test "a listener reads no input before there is a peer" {
	each later_input
}

@test "a listener reads no input before there is a peer, -k neither" {
	need_linux
	random_file "$T/in" 20000
	for args in '' -k; do
		# shellcheck disable=SC2086
		listen_with "$T/in" lis -u $args 127.0.0.1 0
		stays lis 0.2
		grep -qE '^pos:[[:space:]]*0$' "/proc/$pid_lis/fdinfo/0"
		start a "${python[@]}" "$PEERS/udp_client.py" --show-size \
		    --message hello --listen 2 "$PORT"
		ended a 0
		[ "$(xargs <"$T/a.out")" = '8192 8192 3616' ] ||
			fail "$(cat "$T/a.out")"
		stop lis
		rm "$T/lis.err"
	done
}

input_end() {
	bound "$1" /dev/null lis
	start a "${python[@]}" "$PEERS/udp_client.py" --no-wait \
	    --message one "${py[@]}"
	wait_line lis.out one
	stays lis 1.5
	stop lis
}

@test "a listener does not end with its input" {
	each input_end
}

@test "a listener ends after -w of silence" {
	listen lis -u -w 1.5 127.0.0.1 0
	# Nothing has to start first, which could take longer than that.
	printf one >"/dev/udp/127.0.0.1/$PORT"
	ended lis 0
	[ "$(cat "$T/lis.out")" = one ]
}

all_peers() {
	feed lis
	bound "$1" - lis -k
	for i in 1 2 3; do
		start c$i "${python[@]}" "$PEERS/udp_client.py" --timeout 20 \
		    --message "from $i;" --listen 1 "${py[@]}"
		wait_line lis.out "from $i;"
	done
	send_to lis one
	for i in 1 2 3; do
		wait_line c$i.out one
	done
	send_to lis two
	for i in 1 2 3; do
		ended c$i 0
		[ "$(cat "$T/c$i.out")" = $'one\ntwo' ]
	done
	[ "$(cat "$T/lis.out")" = 'from 1;from 2;from 3;' ]
	stop lis
	end_of lis
	rm "$T/lis.in"
}

@test "-k: every sender is heard, input goes to all of them" {
	each all_peers
}

@test "answers leave from the address that was written to" {
	need_linux
	for args in '' -k '-e -k' '-e'; do
		feed lis
		# shellcheck disable=SC2086
		listen_with - lis -u $args 0
		echo "with '$args'"
		for addr in 127.0.0.1 127.0.0.2; do
			# Without -k there is only one peer.
			[ -n "$args" ] || [ "$addr" = 127.0.0.2 ] || continue
			client_py c udp_client.py --message hello "$addr" "$PORT"
			if [[ $args != *-e* ]]; then
				wait_line lis.out hello
				send_to lis answer
			fi
			# It is connected: hears nobody else.
			ended c 0
			rm -f "$T/lis.out"
			[[ $args != -k ]] || break
		done
		stop lis
		end_of lis
		rm "$T/lis.in" "$T/lis.err"
	done
}

@test "answers leave from the address that was written to, -k both" {
	need_linux
	feed lis
	listen_with - lis -u -k 0
	for i in 1 2; do
		client_py c$i udp_client.py --timeout 20 --message "from $i" \
		    127.0.0.$i "$PORT"
		wait_line lis.out "from $i"
	done
	send_to lis answer
	for i in 1 2; do
		ended c$i 0
		[ "$(cat "$T/c$i.out")" = answer ]
	done
}

@test "-b sends to a broadcast address and hears the answers" {
	need_linux
	listen lis -u -e -k 0
	run sockcat -u 127.255.255.255 "$PORT" <<<hello
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *'Permission denied'* ]]
	run -0 sockcat -u -b 127.255.255.255 "$PORT" <<<hello
	[ "$output" = hello ]
	listen four -4 -u -e -k 0
	run -0 sockcat -u -b 127.255.255.255 "$PORT" <<<hello
	[ "$output" = hello ]
}

@test "a multicast group: not connected, several answer" {
	need_linux
	group=239.$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1)).7
	# A member of the group on the loopback network that answers.
	start srv "${python[@]}" -c '
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 0))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
             socket.inet_aton(sys.argv[1]) + socket.inet_aton("127.0.0.1"))
print(s.getsockname()[1], flush=True)
while True:
    data, a = s.recvfrom(1000)
    for i in b"12":
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.sendto(data + bytes([i, 10]), a)' "$group"
	wait_line srv.out .
	PORT=$(cat "$T/srv.out")
	run sockcat -u -s 127.0.0.1 "$group" "$PORT" < <(printf hello)
	if [[ $output == *unreachable* ]]; then
		skip "no route to multicast groups"
	fi
	[ "$status" -eq 0 ]
	[ "$output" = $'hello1\nhello2' ]
}

@test "a listener on a multicast group joins it" {
	need_linux
	group=239.$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1)).7
	start lis sockcat -v -u -l "$group" 0
	if wait_line lis.err 'No such device' 0.3 2>/dev/null; then
		skip "no interface for multicast groups"
	fi
	wait_line lis.err "^Bound on $group [0-9]+\$"
	grep -q "$(printf '%s' "$group" | awk -F. '{
		printf "%02X%02X%02X%02X", $4, $3, $2, $1 }')" /proc/net/igmp
}

# Many senders: how many of argv[2] sockets hear what standard input brings.
# Each sends its number, in order; then a line on standard input, and the
# numbers of those that hear something are printed.
senders='
import select, socket, sys
n = int(sys.argv[2])
all = []
for i in range(n):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("127.0.0.1", int(sys.argv[1])))
    s.send(b"%04d\n" % i)
    all.append(s)
    if i % 50 == 49:
        print("sent", i + 1, flush=True)
        sys.stdin.readline()
print("all", flush=True)
heard = set()
while True:
    p = select.poll()
    for i in range(n):
        if i not in heard:
            p.register(all[i], select.POLLIN)
    r = p.poll(1000)
    if not r and heard:
        break
    heard |= set(i for i in range(n) if all[i].fileno() in dict(r))
print("heard", len(heard), "not", *[i for i in range(n) if i not in heard])
'

@test "-m: so many peers are remembered, the longest silent is forgotten" {
	feed lis
	listen_with - lis -u -k -m 3 127.0.0.1 0
	start_with /dev/null snd "${python[@]}" -c "$senders" "$PORT" 5
	wait_line snd.out '^all'
	wait_lines lis.out '^00' 5
	send_to lis hello
	wait_line snd.out '^heard 3 not 0 1$'
}

@test "1,024 peers are remembered" {
	feed lis
	listen_with - lis -u -k 127.0.0.1 0
	feed snd
	start_with - snd "${python[@]}" -c "$senders" "$PORT" 1030
	for ((i = 50; i <= 1030; i += 50)); do
		wait_lines lis.out '^[0-9]' $i
		send_to snd $'go on\n'
	done
	wait_lines lis.out '^[0-9]' 1030
	wait_line snd.out '^all'
	send_to lis hello
	wait_line snd.out '^heard 1024 not 0 1 2 3 4 5$'
}

@test "a peer that is heard again is not the longest silent" {
	feed lis
	listen_with - lis -u -k -m 2 127.0.0.1 0
	run -0 "${python[@]}" -c '
import socket, sys, time
def new():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("127.0.0.1", int(sys.argv[1])))
    s.settimeout(5)
    return s
a, b, c = new(), new(), new()
path = sys.argv[2]
def tell(s, text):
    s.send(text)
    while text not in open(path, "rb").read():
        time.sleep(0.01)
for s, t in (a, b"one"), (b, b"two"), (a, b"three"), (c, b"four"):
    tell(s, t)
open(sys.argv[3], "w").write("hello")
print(a.recv(100), c.recv(100))
b.settimeout(0.3)
try:
    print(b.recv(100))
except OSError:
    print("none")' "$PORT" "$T/lis.out" "$T/lis.in"
	[ "$output" = $'b\'hello\' b\'hello\'\nnone' ]
}

@test "a full disk: exit 1 with the reason" {
	[ -e /dev/full ] || skip "no /dev/full"
	answering 127.0.0.1 srv
	echo hello >"$T/in"
	for args in "${to[*]}" '-l -k 127.0.0.1 0' '-l 127.0.0.1 0'; do
		# shellcheck disable=SC2016,SC2086
		start_with "$T/in" cat bash -c 'exec "$@" >/dev/full' - \
		    "$SOCKCAT" -v -u $args
		if [[ $args == -l* ]]; then
			_announced cat -u
			client_py c udp_client.py --message x --no-wait "$PORT"
		fi
		ended cat 1
		grep -q 'standard output.*No space left on device' "$T/cat.err"
		rm "$T/cat.err"
	done
}

@test "standard input a terminal: a line is a datagram" {
	answering 127.0.0.1 srv
	start cat in_pty --type 'one\n' --until "$T/srv.out" "'one" \
	    --type 'two\n' --until "$T/srv.out" "'two" --eof \
	    "$SOCKCAT" -u "${to[@]}"
	ended cat 0
	[ "$(grams srv)" = '4 4' ]
	[ "$(cat "$T/cat.out")" = $'one\ntwo' ]
}

@test "-d: only receives" {
	echo unread >"$T/in"
	listen_with "$T/in" lis -d -u 127.0.0.1 0
	client_py c udp_client.py --message hello --timeout 0.5 "$PORT"
	ended c 1
	[ "$(cat "$T/c.out")" = 'no answer' ]
	[ "$(cat "$T/lis.out")" = hello ]
}

@test "1 MB, paced by an echo, pass whole both ways" {
	random_file "$T/in" 1M
	listen lis -u -e -k 127.0.0.1 0
	# One datagram in flight: the next is written when it has come back.
	feed cat
	start_with - cat sockcat -u 127.0.0.1 "$PORT"
	run -0 "${python[@]}" -c '
import sys, time
data = open(sys.argv[1], "rb").read()
with open(sys.argv[2], "wb", buffering=0) as w, \
     open(sys.argv[3], "rb", buffering=0) as r:
    got = 0
    for at in range(0, len(data), 4096):
        w.write(data[at:at + 4096])
        got += 4096
        end = time.monotonic() + 10
        while r.seek(0, 2) < got:
            if time.monotonic() > end:
                sys.exit("lost after %d" % at)
            time.sleep(0.0005)' "$T/in" "$T/cat.in" "$T/cat.out"
	end_of cat
	ended cat 0
	same cat.out in
}

@test "a flood before the end of input: all that fits is sent, nothing hangs" {
	random_file "$T/in" 3M
	listen lis -u -k 127.0.0.1 0
	run -0 sockcat -u -q 0 127.0.0.1 "$PORT" <"$T/in"
	[ -z "$output" ]
	wait_size lis.out 8192
}
