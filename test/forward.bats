#!/usr/bin/env bats
#
# --forward: each peer is connected to a target; every byte both ways, ends
# and resets passed on, and whose failure is whose.
#
# bats file_tags=slow

# shellcheck disable=SC2030,SC2031,SC2154
load helpers

setup() {
	helpers_setup
	big=20M		# more than all the buffers on the way hold
	[ "$TIME_FACTOR" -eq 1 ] || big=12M
	some=300k
	[ "${VARIANT:-}" != torture ] || some=20k
}

# not_portable: a build with -DPORTABLE lacks what is tested.
not_portable() {
	[ "${VARIANT:-}" != portable ] || skip "this build is portable"
}

# said NAME NUMBER [REGEX]: it said so many lines, -v aside, and they match.
said() {
	local n

	n=$(grep -c '^sockcat: ' "$T/$1.err") || :
	[ "$n" -eq "$2" ] || fail "$n lines, not $2: $(cat -v "$T/$1.err")"
	[ $# -lt 3 ] || [ "$(grep '^sockcat: ' "$T/$1.err" |
		grep -cE "$3")" -eq "$2" ] ||
		fail "not '$3': $(cat -v "$T/$1.err")"
}

# answers NAME ANSWER...: an ask.py or udp_lines.py ends, having printed that.
answers() {
	wait_exit "$1" 30
	printf '%s\n' "${@:2}" | diff - "$T/$1.out"
}

# target SCRIPT ARGS...: a server called tgt, in place of an earlier one; at: what --forward says for it.
target() {
	local script=$1
	shift

	[ -z "${pid_tgt:-}" ] || ! alive tgt || stop tgt
	peer_py tgt "$script" "$@"
	at=127.0.0.1:$PORT
}

# free_at [-u]: set at, where nobody listens yet, and at_port.
free_at() {
	free_port "$@"
	at_port=$PORT
	at=127.0.0.1:$PORT
}

# forward ARGS...: `sockcat -v -l --forward $at ARGS...` called fwd, in place of
# an earlier one; wait for it.
forward() {
	[ -z "${pid_fwd:-}" ] || ! alive fwd || stop fwd
	listen fwd --forward "$at" "$@"
}

_no_more_files() {
	(($(open_files fwd) <= $1))
}

# files BYTES: the files here and there, each of so many random bytes.
files() {
	random_file "$T/here" "$1"
	random_file "$T/there" "$1"
}

# swap PEER...: files of some size both ways at once between a client with
# these arguments of test/peers and tgt, a both.py with the file there.
swap() {
	client_py cl both.py --connect --file "$T/here" "$@"
	wait_exit cl 40
	grep -qx "received $(wc -c <"$T/there") $(sha256 there) end" "$T/cl.out"
	wait_line tgt.out "^received $(wc -c <"$T/here") $(sha256 here) end"
	wait_exit tgt 20
}

# ---- where to ----

@test "host:port: every byte both ways, then exit 0" {
	files "$some"
	target both.py --file "$T/there"
	forward 127.0.0.1 0
	swap "$PORT"
	ended fwd 0
	said fwd 0
	[ ! -s "$T/fwd.out" ]
}

@test "[v6]:port and a name" {
	need_ipv6
	files "$some"
	for to in '[::1]' localhost; do
		# localhost may be one address or two.
		family=-6
		[ "$to" != localhost ] || family=-4
		peer_py tgt both.py $family --file "$T/there"
		at=$to:$PORT
		forward -k 127.0.0.1 0
		swap "$PORT"
		said fwd 0
		stop fwd
	done
}

@test "a service by name" {
	need_linux
	name=$(awk '$2 == "5432/tcp" { print $1 }' /etc/services) || :
	[ -n "$name" ] || skip "5432 has no name here"
	# An address of the loopback network that nobody else uses.
	addr=127.$((RANDOM % 100 + 100)).$((RANDOM % 256)).9
	target sink.py --bind "$addr" --port 5432 --answer thanks
	at=$addr:$name
	forward 127.0.0.1 0
	client_py cl ask.py --send please --half "$PORT"
	answers cl "answer 'thanks' end"
	ended fwd 0
}

@test "unix:PATH" {
	files "$some"
	target both.py -U "$T/s" --file "$T/there"
	at=unix:$T/s
	forward 127.0.0.1 0
	swap "$PORT"
	ended fwd 0
	said fwd 0
}

@test "unix:PATH with colons and blanks, and a relative one" {
	target sink.py -U "$T/a b:80" --answer one
	at="unix:$T/a b:80"
	forward 127.0.0.1 0
	client_py cl ask.py --half "$PORT"
	answers cl "answer 'one' end"
	cd "$T"
	target sink.py -U "$T/rel" --answer two
	at=unix:rel
	forward 127.0.0.1 0
	client_py cl ask.py --half "$PORT"
	answers cl "answer 'two' end"
}

@test "@name and unix:@name: abstract sockets" {
	need_abstract
	files "$some"
	for way in '' unix:; do
		target both.py -U "@forward-$$-$BASHPID" --file "$T/there"
		at=$way@forward-$$-$BASHPID
		forward -k 127.0.0.1 0
		swap "$PORT"
		said fwd 0
		stop fwd
	done
}

@test "a Unix listener in front of TCP, Unix and abstract targets" {
	files "$some"
	target both.py --file "$T/there"
	forward -U "$T/l1"
	swap -U "$T/l1"
	ended fwd 0
	[ ! -e "$T/l1" ]
	target both.py -U "$T/s" --file "$T/there"
	at=unix:$T/s
	forward -kU "$T/l2"
	swap -U "$T/l2"
	said fwd 0
	stop fwd
	[ ! -e "$T/l2" ]
	need_abstract
	target both.py -U "@fwd-$BASHPID" --file "$T/there"
	at=@fwd-$BASHPID
	forward -U "@fwd-l-$BASHPID"
	swap -U "@fwd-l-$BASHPID"
	ended fwd 0
}

@test "a listener on ::1, a target on 127.0.0.1, and the other way round" {
	need_ipv6
	files "$some"
	target both.py --file "$T/there"
	forward ::1 0
	swap -6 "$PORT"
	ended fwd 0
	target both.py -6 --file "$T/there"
	at="[::1]:$PORT"
	forward 127.0.0.1 0
	swap "$PORT"
	ended fwd 0
}

# ---- what is refused ----

# misused ARGS...: one line of complaint, one that points to --help, exit 2.
misused() {
	local n

	status=0
	sockcat "$@" >"$T/misused.out" 2>"$T/misused" </dev/null || status=$?
	n=$(grep -c . "$T/misused") || :
	[ "$status" -eq 2 ] ||
		fail "status $status of $*: $(cat -v "$T/misused")"
	[ "$n" -eq 2 ] || fail "$n lines of $*: $(cat -v "$T/misused")"
	grep -q '^sockcat: ' "$T/misused" ||
		fail "no complaint of $*: $(cat -v "$T/misused")"
}

@test "an ADDR that is none: exit 2 and a line that names the option" {
	long=$(printf 'x%.0s' {1..120})
	for to in host 127.0.0.1 127.0.0.1: 127.0.0.1:0 127.0.0.1:65536 \
	    127.0.0.1:80x 127.0.0.1:-1 127.0.0.1:no-such-service \
	    :80 80 ::1:80 ::1 '[::1]' '[::1]:' '[::1]80' '[::1]:0' '[]:80' \
	    udp: udp:127.0.0.1 'unix:'; do
		misused -l -w 2 --forward "$to" 127.0.0.1 0
		grep -qE -e "--forward: \"|path" "$T/misused" ||
			fail "of what? $to: $(cat "$T/misused")"
	done
	misused -l -w 2 --forward '' 127.0.0.1 0
	misused -l -w 2 --forward "unix:/$long" 127.0.0.1 0
	misused -l -w 2 --forward "@$long" 127.0.0.1 0
	misused -l -w 2 --forward "unix:@$long" 127.0.0.1 0
	misused -lu -w 2 --forward 127.0.0.1:0 127.0.0.1 0
	misused -lu -w 2 --forward "unix:/$long" 127.0.0.1 0
	misused -l -w 2 --forward
}

@test "-n: a target must be a number" {
	misused -ln -w 2 --forward localhost:80 127.0.0.1 0
	misused -ln -w 2 --forward 127.0.0.1:http 127.0.0.1 0
	misused -lkn -w 2 --forward localhost:80 127.0.0.1 0
	target sink.py --answer yes
	forward -n 127.0.0.1 0
	client_py cl ask.py --half "$PORT"
	answers cl "answer 'yes' end"
}

@test "other modes and options without effect are refused" {
	misused -w 2 --forward 127.0.0.1:9 127.0.0.1 9
	misused -z --forward 127.0.0.1:9 127.0.0.1 9
	for args in -e -b --broker --chat '-c true' '--exec true' -ke -z \
	    --send-only --no-shutdown --reset '-m 2' '--count 2'; do
		# shellcheck disable=SC2086
		misused -l -w 2 $args --forward 127.0.0.1:9 127.0.0.1 0
	done
	misused -l -w 2 -s 127.0.0.1 --forward "unix:$T/x" 127.0.0.1 0
	misused -l -w 2 -s 127.0.0.1 --forward @x 127.0.0.1 0
}

@test "a stream is not made of datagrams, nor datagrams of a stream" {
	misused -l -w 2 --forward udp:127.0.0.1:9 127.0.0.1 0
	misused -lk -w 2 --forward 'udp:[::1]:9' 127.0.0.1 0
	misused -lU -w 2 --forward udp:127.0.0.1:9 "$T/s"
	[ ! -e "$T/s" ]
}

@test "-N, -d and -q change nothing" {
	target sink.py --answer yes
	forward -Nd -q 0 127.0.0.1 0
	client_py cl ask.py --send x --half "$PORT"
	answers cl "answer 'yes' end"
	ended fwd 0
}

@test "standard input is left alone, standard output empty" {
	need_linux
	random_file "$T/in" 100k
	target sink.py --answer yes --clients 0
	listen_with "$T/in" fwd -k --forward "$at" 127.0.0.1 0
	client_py cl ask.py --send x --half "$PORT"
	answers cl "answer 'yes' end"
	grep -qE '^pos:[[:space:]]*0$' "/proc/$pid_fwd/fdinfo/0"
	[ ! -s "$T/fwd.out" ]
	said fwd 0
}

@test "-v: who came and where it was connected" {
	target sink.py --answer yes --clients 0
	to=$PORT
	forward -k 127.0.0.1 0
	client_py cl ask.py --half "$PORT"
	answers cl "answer 'yes' end"
	grep -qE '^Connection received on 127\.0\.0\.1 [0-9]+$' "$T/fwd.err"
	grep -qFx "Connection to 127.0.0.1 $to port [tcp/*] succeeded!" \
		"$T/fwd.err"
	[ "$(grep -vc " closed: " "$T/fwd.err")" -eq 3 ]
	stop fwd
	free_port
	start fwd sockcat -lk --forward "$at" 127.0.0.1 "$PORT"
	wait_port "$PORT"
	client_py cl ask.py --half "$PORT"
	answers cl "answer 'yes' end"
	[ ! -s "$T/fwd.err" ]
}

@test "without -k a second peer is refused at once" {
	target threaded.py
	forward 127.0.0.1 0
	feed cl
	start_with - cl sockcat 127.0.0.1 "$PORT"
	send_to cl one
	wait_line cl.out ONE
	run sockcat 127.0.0.1 "$PORT" </dev/null
	[ "$status" -eq 1 ]
	[[ $output == *'Connection refused' ]]
	end_of cl
	ended cl 0
	ended fwd 0
}

# ---- bytes ----

@test "megabytes both ways at once" {
	need_bulk
	files "$big"
	target both.py --file "$T/there"
	forward 127.0.0.1 0
	swap "$PORT"
	ended fwd 0
	target both.py -U "$T/s" --file "$T/there"
	at=unix:$T/s
	forward -k -U "$T/l"
	swap -U "$T/l"
	said fwd 0
}

@test "a target that sends all before it reads holds nobody up" {
	need_bulk
	files "$big"
	target source.py --file "$T/there" --end half
	forward 127.0.0.1 0
	swap "$PORT"
	ended fwd 0
}

@test "a peer that sends all before it reads holds nobody up" {
	need_bulk
	files "$big"
	target both.py --file "$T/there"
	forward 127.0.0.1 0
	client_py cl source.py --connect --file "$T/here" --end half "$PORT"
	wait_line cl.out "^received [0-9]+ $(sha256 there) end" 30
	wait_line tgt.out "^received [0-9]+ $(sha256 here) end"
	ended fwd 0
}

@test "slow readers on both sides get it all" {
	need_bulk
	files "6M"
	target both.py --file "$T/there" --slow 65536,0.005
	forward 127.0.0.1 0
	swap --slow 50000,0.005 "$PORT"
	ended fwd 0
}

@test "a byte goes through at once, either way" {
	target threaded.py
	forward -k 127.0.0.1 0
	feed cl
	start_with - cl sockcat 127.0.0.1 "$PORT"
	for c in a b c d e; do
		send_to cl $c
		wait_line cl.out "${c^}\$"
	done
	[ "$(cat "$T/cl.out")" = ABCDE ]
}

@test "the target speaks first" {
	target source.py --bytes 40000 --end close
	forward 127.0.0.1 0
	client_py cl sink.py --connect "$PORT"
	wait_line cl.out '^received 40000 .* end$'
	ended fwd 0
}

@test "the target speaks when asked only, the peer when greeted only" {
	target source.py --wait-bytes 5 --bytes 7 --end half
	forward 127.0.0.1 0
	client_py cl ask.py --send hello --half "$PORT"
	answers cl "answer '\\x00\\x01\\x02\\x03\\x04\\x05\\x06' end"
	wait_line tgt.out '^received 0 .* end$'
	target stall.py --send greet --bytes 5 --on-line
	forward 127.0.0.1 0
	client_py cl source.py --connect --wait-bytes 5 --bytes 5 "$PORT"
	wait_line tgt.out '^accepted'
	wait_line tgt.out '^received 0 .* end$'
}

@test "a target that accepts and closes at once: an end, not a reset" {
	for kind in '127.0.0.1 0' "-U $T/l"; do
		target source.py --bytes 0 --clients 5
		# shellcheck disable=SC2086
		forward -k $kind
		via=("$PORT")
		[ "$kind" = '127.0.0.1 0' ] || via=(-U "$T/l")
		client_py cl ask.py --times 5 "${via[@]}"
		answers cl "answer '' end" "answer '' end" "answer '' end" \
			"answer '' end" "answer '' end"
		said fwd 0
		stop fwd
	done
}

@test "a peer that only connects and closes" {
	target sink.py --clients 3
	forward -k 127.0.0.1 0
	for i in 1 2 3; do
		sockcat -z 127.0.0.1 "$PORT"
		wait_lines tgt.out '^received 0 .* end$' $i
	done
	said fwd 0
	alive fwd
}

@test "two forwards in a row" {
	need_bulk
	files "$big"
	target both.py --file "$T/there"
	listen near --forward "$at" -U "$T/between"
	at=unix:$T/between
	forward 127.0.0.1 0
	swap "$PORT"
	ended fwd 0
	ended near 0
}

@test "nothing is copied: splice both ways" {
	need strace
	need_linux
	not_portable
	for kind in tcp unix; do
		files "$some"
		peer=()
		[ $kind = tcp ] || peer=(-U "$T/s")
		target both.py "${peer[@]}" --file "$T/there"
		[ $kind = tcp ] || at=unix:$T/s
		# A file a thread, so that no line is torn.
		mkdir "$T/$kind"
		free_port
		start fwd strace -ff -qq -o "$T/$kind/thread" \
			-e trace=splice,recvfrom,read,sendto,write "$SOCKCAT" \
			-l --forward "$at" 127.0.0.1 "$PORT"
		wait_port "$PORT"
		swap "$PORT"
		ended fwd 0
		cat "$T/$kind"/thread.* >"$T/calls"
		# In and out of a pipe, and little else.
		awk -v bytes="$(cat "$T/here" "$T/there" | wc -c)" '
			/splice\(/ && $NF > 0 { moved += $NF }
			/(recvfrom|read)\(/ && !/ELF/ && $NF > 0 {
				copied += $NF
			}
			END {
				print bytes, moved, copied
				exit !(moved >= bytes && copied < bytes / 2)
			}' "$T/calls"
	done
}

# ---- the end of a direction ----

@test "a half-close is passed on, the answer comes back after it" {
	for kind in '127.0.0.1 0' "-U $T/l"; do
		for where in -4 "-U $T/s"; do
			rm -f "$T/s"
			# shellcheck disable=SC2086
			target sink.py $where --answer 'heard all'
			[ "$where" = -4 ] || at=unix:$T/s
			# shellcheck disable=SC2086
			forward $kind
			via=("$PORT")
			[ "$kind" = '127.0.0.1 0' ] || via=(-U "$T/l")
			client_py cl ask.py --send question --half "${via[@]}"
			answers cl "answer 'heard all' end"
			grep -q '^received 8 .* end$' "$T/tgt.out"
			ended fwd 0
			said fwd 0
		done
	done
}

# Reads to the end, waits, and then answers with a lot.
late='
import socket, sys, time
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(1)
print(s.getsockname()[1], flush=True)
c, _ = s.accept()
n = 0
while True:
    d = c.recv(65536)
    if not d:
        break
    n += len(d)
time.sleep(float(sys.argv[1]))
c.sendall(b"y" * int(sys.argv[2]))
c.close()
print(n, flush=True)
'

@test "an answer some seconds after the half-close arrives whole" {
	start tgt "${python[@]}" -c "$late" 3 1000000
	wait_line tgt.out .
	at=127.0.0.1:$(cat "$T/tgt.out")
	forward 127.0.0.1 0
	client_py cl source.py --connect --bytes 1000 --end half "$PORT"
	wait_line cl.out '^received 1000000 .* end$' 20
	ended fwd 0
}

@test "the target half-closes, the peer goes on sending" {
	target half_close.py --send greeting
	forward 127.0.0.1 0
	feed cl
	start_with - cl sockcat 127.0.0.1 "$PORT"
	wait_size cl.out 8
	send_to cl one
	stays fwd 0.5
	send_to cl two
	end_of cl
	wait_line tgt.out '^received 6 .* end$'
	ended cl 0
	ended fwd 0
	said fwd 0
}

@test "the full close of a Unix target ends the session" {
	target source.py -U "$T/s" --bytes 10
	at=unix:$T/s
	forward -k 127.0.0.1 0
	feed cl
	start_with - cl "${python[@]}" "$PEERS/ask.py" --wait-line "$PORT"
	wait_line tgt.out '^sent 10'
	send_to cl $'\n'
	wait_line cl.out "^answer '.+' end"
}

@test "what a Unix peer sent before it closed arrives, whatever is answered" {
	random_file "$T/here" 300k
	feed tgt
	start_with - tgt "${python[@]}" "$PEERS/talk.py" --rcvbuf 20000
	wait_line tgt.out .
	at=127.0.0.1:$(awk '{ print $1 }' "$T/tgt.out")
	forward -kU "$T/l"
	client_py cl source.py --connect -U "$T/l" --file "$T/here"
	wait_exit cl
	send_to tgt $'\n'
	wait_line tgt.out "^received 307200 $(sha256 here) end" 30
}

@test "what a Unix target sent before it closed arrives, whatever is asked" {
	random_file "$T/there" 300k
	target source.py -U "$T/s" --wait-bytes 3 --file "$T/there"
	at=unix:$T/s
	forward -k 127.0.0.1 0
	feed cl
	start_with - cl "${python[@]}" "$PEERS/talk.py" --rcvbuf 20000 \
		--connect --ask abc "$PORT"
	wait_exit tgt
	send_to cl $'\n'
	wait_line cl.out "^received 307200 $(sha256 there) end" 30
}

@test "small pieces for a peer that reads late come whole" {
	local steps=() n

	random_file "$T/piece" 1000
	for n in {1..200}; do
		steps+=("file=$T/piece" pause=0.002)
		cat "$T/piece" >>"$T/all"
	done
	target play.py "${steps[@]}" half rest
	forward -k -O 20k 127.0.0.1 0
	client_py cl sink.py --connect --pause 1 --rcvbuf 4096 "$PORT"
	wait_line cl.out "^received 200000 $(sha256 all) end" 30
}

@test "exit 0 waits for a peer that reads late" {
	target source.py --wait-bytes 3 --bytes 1000000
	forward 127.0.0.1 0
	client_py cl source.py --connect --rcvbuf 20000 --bytes 3 --end half \
		--pause 4 "$PORT"
	wait_line cl.out '^received 1000000 .* end$' 20
	ended fwd 0
	said fwd 0
}

# ---- resets ----

@test "a reset of the peer reaches the target as a reset" {
	for where in -4 -6; do
		if [ $where = -6 ]; then need_ipv6; fi
		target sink.py --clients 3
		forward -k 127.0.0.1 0
		client_py c1 rst.py --connect --mode send --bytes 5 --settle \
			"$PORT"
		wait_line tgt.out '^received [05] .* reset$'
		client_py c2 rst.py --connect --mode accept "$PORT"
		wait_line tgt.out '^received 0 .* reset$'
		client_py c3 rst.py --connect --mode send --bytes 100000 "$PORT"
		wait_lines tgt.out '^received [0-9]+ .* reset$' 3
		alive fwd
		stop fwd
	done
}

@test "a reset of the target reaches the peer as a reset" {
	target rst.py --mode read --bytes 5 --send hi --settle --clients 2
	forward -k 127.0.0.1 0
	client_py cl ask.py --send 12345 --times 2 "$PORT"
	wait_lines cl.out "^answer '(hi)?' reset\$" 2
	alive fwd
	target rst.py --mode accept
	stop fwd
	forward -k 127.0.0.1 0
	client_py cl ask.py "$PORT"
	answers cl "answer '' reset"
}

@test "without -k a reset is exit 1 and one line" {
	target sink.py
	forward 127.0.0.1 0
	client_py cl rst.py --connect --mode send --bytes 5 --settle "$PORT"
	wait_line tgt.out '^received [05] .* reset$'
	ended fwd 1
	said fwd 1 'Connection reset by peer'
	target rst.py --mode read --bytes 5
	forward 127.0.0.1 0
	client_py cl ask.py --send 12345 "$PORT"
	answers cl "answer '' reset"
	ended fwd 1
	said fwd 1 'Connection reset by peer'
}

@test "a reset in the middle of a transfer, either side" {
	need_bulk
	need_acks	# else what is sent meanwhile is read for two seconds
	target source.py --bytes 60000000 --end hold
	forward -k 127.0.0.1 0
	client_py cl rst.py --connect --mode read --bytes 1000000 "$PORT"
	wait_line cl.out '^reset 1000000'
	wait_line tgt.out '^sent [0-9]+ of 60000000 (Connection reset|Broken)' 25
	wait_exit cl
	stop fwd
	target rst.py --mode read --bytes 1000000
	forward -k 127.0.0.1 0
	client_py cl source.py --connect --bytes 60000000 --end hold "$PORT"
	wait_line cl.out '^sent [0-9]+ of 60000000 (Connection reset|Broken)' 25
	alive fwd
}

@test "a reset of the peer reaches a target that does not read" {
	need_bulk
	target watch.py
	forward -k 127.0.0.1 0
	feed cl
	start_with - cl "${python[@]}" "$PEERS/watch.py" --connect --fill \
		--reset-on-line "$PORT"
	wait_line cl.out '^full' 20
	send_to cl $'\n'
	wait_line tgt.out '^gone reset' 20
	alive fwd
}

@test "a reset of the target reaches a peer that does not read" {
	need_bulk
	feed tgt
	start_with - tgt "${python[@]}" "$PEERS/watch.py" --fill --reset-on-line
	wait_line tgt.out .
	read -r PORT _ <"$T/tgt.out"
	at=127.0.0.1:$PORT
	forward -k 127.0.0.1 0
	client_py cl watch.py --connect "$PORT"
	wait_line tgt.out '^full' 20
	send_to tgt $'\n'
	wait_line cl.out '^gone reset' 20
	alive fwd
}

@test "a reset of a peer that half-closed, with nothing on its way" {
	target watch.py --send hello
	forward -k 127.0.0.1 0
	client_py cl rst.py --connect --mode half --bytes 5 "$PORT"
	wait_line cl.out '^reset 5'
	wait_line tgt.out '^gone reset' 20
	alive fwd
}

@test "a reset of a target that half-closed, with nothing on its way" {
	target rst.py --mode half --bytes 5
	forward -k 127.0.0.1 0
	client_py cl watch.py --connect --send hello "$PORT"
	wait_line tgt.out '^reset 5'
	wait_line cl.out '^gone reset' 20
	alive fwd
}

@test "the reset of one peer ends nobody else" {
	target threaded.py
	forward -k 127.0.0.1 0
	feed cl
	start_with - cl sockcat 127.0.0.1 "$PORT"
	send_to cl one
	wait_line cl.out ONE
	for i in 1 2 3; do
		client_py r$i rst.py --connect --mode send --bytes 5 "$PORT"
	done
	wait_lines tgt.out '^[-!] ' 3
	send_to cl two
	wait_line cl.out ONETWO
	end_of cl
	ended cl 0
}

@test "a Unix peer that is gone, and a target that does not read" {
	need_bulk
	target watch.py
	forward -kU "$T/l"
	feed cl
	start_with - cl "${python[@]}" "$PEERS/watch.py" -U "$T/l" --connect \
		--send x --close-on-line
	wait_line tgt.out '^accepted'
	files=$(open_files fwd)
	send_to cl $'\n'
	wait_line cl.out '^closed'
	wait_for 20 _no_more_files $((files - 2))
}

# ---- a target that is down ----

@test "a target that is down: the peer is reset, one line, exit 1" {
	free_at
	for send in '' '--send hello' '--send hello --half' --half; do
		forward 127.0.0.1 0
		# shellcheck disable=SC2086
		client_py cl ask.py $send "$PORT"
		answers cl "answer '' reset"
		ended fwd 1
		said fwd 1 "^sockcat: connect to 127.0.0.1 port $at_port \(tcp\) failed: Connection refused\$"
	done
}

@test "a target that is down, -k: every peer is reset, it listens on" {
	free_at
	forward -k 127.0.0.1 0
	client_py cl ask.py --times 20 --send question "$PORT"
	wait_exit cl 25
	[ "$(sort -u "$T/cl.out")" = "answer '' reset" ]
	[ "$(wc -l <"$T/cl.out")" -eq 20 ]
	wait_lines fwd.err '^sockcat: ' 20
	said fwd 20 "^sockcat: connect to 127.0.0.1 port $at_port \(tcp\) failed: Connection refused\$"
	to=$PORT
	target sink.py --port "$at_port" --answer yes
	client_py cl ask.py --send question --half "$to"
	answers cl "answer 'yes' end"
	said fwd 20
}

@test "a Unix target that is not there" {
	for kind in '' -k; do
		at=unix:$T/nobody
		# shellcheck disable=SC2086
		forward $kind 127.0.0.1 0
		client_py cl ask.py --send hello "$PORT"
		answers cl "answer '' reset"
		[ -n "$kind" ] || ended fwd 1
		wait_line fwd.err '^sockcat: '
		said fwd 1 "nobody.* failed: No such file or directory\$"
		[ -z "$kind" ] || stop fwd
	done
	# A Unix peer cannot be reset, but is not left alone.
	forward -kU "$T/l"
	client_py cl ask.py --send hello -U "$T/l"
	wait_line cl.out "^answer '' "
}

@test "a name that does not resolve: exit 3; with -k that peer's failure" {
	hosts '127.0.0.1 localhost' '127.0.0.1 some.host'
	start fwd "${named[@]}" "$SOCKCAT" -v -l --forward \
		no.such.name.invalid:80 127.0.0.1 0
	_announced fwd
	client_py cl ask.py "$PORT"
	answers cl "answer '' reset"
	ended fwd 3
	said fwd 1 no.such.name.invalid
	target sink.py --answer yes
	start fwd "${named[@]}" "$SOCKCAT" -v -lk --forward \
		some.host:"$PORT" 127.0.0.1 0
	_announced fwd
	echo '127.0.0.1 other.host' >"$T/hosts"
	client_py cl ask.py "$PORT"
	answers cl "answer '' reset"
	wait_line fwd.err '^sockcat: .*some\.host'
	echo '127.0.0.1 some.host' >"$T/hosts"
	client_py cl ask.py --half "$PORT"
	answers cl "answer 'yes' end"
	said fwd 1
}

@test "a name is looked up again for each peer" {
	hosts '127.0.0.1 some.host'
	peer_py one sink.py --clients 0 --answer one
	to=$PORT
	peer_py two sink.py --bind 127.0.0.2 --port "$to" --clients 0 \
		--answer two
	start fwd "${named[@]}" "$SOCKCAT" -v -lk --forward some.host:"$to" \
		127.0.0.1 0
	_announced fwd
	client_py cl ask.py --half "$PORT"
	answers cl "answer 'one' end"
	echo '127.0.0.2 some.host' >"$T/hosts"
	client_py cl ask.py --half "$PORT"
	answers cl "answer 'two' end"
	grep -qFx "Connection to some.host (127.0.0.2) $to port [tcp/*] succeeded!" \
		"$T/fwd.err"
}

@test "the next address of a name is tried" {
	need_ipv6
	hosts '::1 two' '127.0.0.1 two'
	target sink.py --answer yes
	start fwd "${named[@]}" "$SOCKCAT" -v -l --forward two:"$PORT" \
		127.0.0.1 0
	_announced fwd
	client_py cl ask.py --half "$PORT"
	answers cl "answer 'yes' end"
	ended fwd 0
	said fwd 0
}

@test "a target that goes away costs later peers only" {
	target threaded.py -U "$T/s"
	at=unix:$T/s
	forward -k 127.0.0.1 0
	feed cl
	start_with - cl sockcat 127.0.0.1 "$PORT"
	send_to cl one
	wait_line cl.out ONE
	rm "$T/s"
	client_py c2 ask.py --send hello "$PORT"
	answers c2 "answer '' reset"
	send_to cl two
	wait_line cl.out ONETWO
	end_of cl
	ended cl 0
}

@test "-w bounds the way to a silent target" {
	full_backlog
	at=127.0.0.1:$PORT
	forward -w 4 127.0.0.1 0
	client_py cl ask.py --send hello "$PORT"
	answers cl "answer '' reset"
	ended fwd 124
	said fwd 1 '127\.0\.0\.1 port'
	forward -k -w 4 127.0.0.1 0
	client_py c1 ask.py --send hello "$PORT"
	client_py c2 ask.py "$PORT"
	answers c1 "answer '' reset"
	answers c2 "answer '' reset"
	wait_lines fwd.err '^sockcat: ' 2
	said fwd 2 '127\.0\.0\.1 port'
	alive fwd
}

@test "a silent target holds up no other peer" {
	# One that accepts, behind one that does not, chosen by name.
	hosts '127.0.0.1 some.host'
	full_backlog
	to=$PORT
	peer_py two sink.py --bind 127.0.0.2 --port "$to" --clients 0 \
		--answer two
	start fwd "${named[@]}" "$SOCKCAT" -v -lk --forward some.host:"$to" \
		127.0.0.1 0
	_announced fwd
	for i in 1 2 3 4 5 6 7 8; do
		client_py c$i ask.py "$PORT"
	done
	wait_lines fwd.err '^Connection received' 8
	echo '127.0.0.2 some.host' >"$T/hosts"
	# Their lookups may not have been over.
	client_py cl ask.py --half --until two "$PORT"
	wait_line cl.out "^answer 'two' end"
}

@test "--retry: a target that comes late gets all that was sent meanwhile" {
	files "$some"
	free_at
	forward -k --retry 60 127.0.0.1 0
	client_py cl both.py --connect --file "$T/here" "$PORT"
	wait_line fwd.err '^Connection received'
	stays fwd 0.5
	target both.py --port "$at_port" --file "$T/there"
	wait_exit cl 20
	grep -qx "received $(wc -c <"$T/there") $(sha256 there) end" "$T/cl.out"
	wait_line tgt.out "^received $(wc -c <"$T/here") $(sha256 here) end"
	said fwd 0
	rm -f "$T/s"
	at=unix:$T/s
	stop fwd
	forward --retry 60 127.0.0.1 0
	client_py cl ask.py --send hello --half "$PORT"
	wait_line fwd.err '^Connection received'
	stays fwd 0.5
	target sink.py -U "$T/s" --answer yes
	answers cl "answer 'yes' end"
	ended fwd 0
}

@test "--retry that runs out: 124 with the last reason" {
	free_at
	forward --retry 0.7 127.0.0.1 0
	_now
	began=$now
	client_py cl ask.py --send hello "$PORT"
	answers cl "answer '' reset"
	_now
	((now - began >= 650)) || fail "$((now - began)) ms"
	ended fwd 124
	said fwd 1 "127\.0\.0\.1 port $at_port .*Connection refused"
	forward -k --retry 0.3 127.0.0.1 0
	client_py cl ask.py --times 2 "$PORT"
	answers cl "answer '' reset" "answer '' reset"
	wait_lines fwd.err '^sockcat: ' 2
	said fwd 2 "127\.0\.0\.1 port $at_port .*Connection refused"
	alive fwd
}

# ---- options of the sockets ----

@test "-s: where the target sees the peers come from" {
	target threaded.py
	free_port
	forward -k -s 127.0.0.77 127.0.0.1 "$PORT"
	client_py cl ask.py --send a --half "$PORT"
	answers cl "answer 'A' end"
	grep -qE '^\+ 127\.0\.0\.77:[0-9]+$' "$T/tgt.out"
	client_py cl ask.py --send b --half "$PORT"
	answers cl "answer 'B' end"
	[ "$(grep -cE '^\+ 127\.0\.0\.77:' "$T/tgt.out")" -eq 2 ]
}

# traced_forward ARGS...: what a session with ARGS does to its sockets: in
# dialled the calls on the socket to the target, in taken all others.
traced_forward() {
	local call fd from other thread

	need strace
	need_linux
	target sink.py --answer yes
	free_port
	# A file a thread, so that no line is torn.
	rm -rf "$T/calls"
	mkdir "$T/calls"
	start fwd strace -ff -qq -o "$T/calls/thread" \
		-e trace=socket,setsockopt,bind,connect,listen,accept,accept4 \
		"$SOCKCAT" -l "$@" --forward "$at" 127.0.0.1 "$PORT"
	wait_port "$PORT"
	client_py cl ask.py --half "$PORT"
	answers cl "answer 'yes' end"
	ended fwd 0
	thread=$(grep -lE "^connect\(.*htons\(${at#*:}\)" "$T/calls"/thread.*)
	call=$(grep -nE "^connect\\(.*htons\\(${at#*:}\\)" "$thread" | head -n 1)
	fd=${call#*connect\(}
	fd=${fd%%,*}
	from=$(head -n "${call%%:*}" "$thread" |
		grep -nE "^socket\\(.* = $fd\$" | tail -n 1)
	from=${from%%:*}
	tail -n "+$from" "$thread" | grep -F "($fd, " >"$T/dialled"
	tail -n "+$from" "$thread" | grep -vF "($fd, " >"$T/taken" || :
	head -n "$((from - 1))" "$thread" >>"$T/taken"
	for other in "$T/calls"/thread.*; do
		[ "$other" = "$thread" ] || cat "$other" >>"$T/taken"
	done
	if grep -E 'setsockopt.* = -1' "$T/calls"/thread.*; then
		fail "refused"
	fi
}

# on FILE REGEX..., off FILE REGEX...: such calls are, are not there.
on() {
	local regex

	for regex in "${@:2}"; do
		grep -qE "$regex" "$T/$1" ||
			fail "no $regex: $(cat "$T/$1")"
	done
}

off() {
	local regex

	for regex in "${@:2}"; do
		if grep -qE "$regex" "$T/$1"; then
			fail "$regex: $(cat "$T/$1")"
		fi
	done
}

@test "socket options reach the socket to the target, before it connects" {
	traced_forward -T 0x20 -M 77 -I 8000 -O 9000 --keepalive=7,8,9 \
		--no-nodelay
	sed '/connect(/q' "$T/dialled" >"$T/before"
	on before 'IP_TOS, \[32\]' 'IP_TTL, \[77\]' 'SO_RCVBUF, \[8000\]' \
		'SO_SNDBUF, \[9000\]'
	on dialled 'SO_KEEPALIVE, \[1\]' 'TCP_KEEPIDLE, \[7\]' \
		'TCP_KEEPINTVL, \[8\]' 'TCP_KEEPCNT, \[9\]'
	off dialled 'TCP_NODELAY, \[1\]' SO_REUSEPORT
	on taken 'IP_TOS, \[32\]' 'IP_TTL, \[77\]' 'SO_KEEPALIVE, \[1\]'
}

@test "keepalive and TCP_NODELAY on both sides, without -k too" {
	traced_forward
	for side in taken dialled; do
		on $side 'SO_KEEPALIVE, \[1\]' 'TCP_KEEPIDLE, \[60\]' \
			'TCP_KEEPINTVL, \[15\]' 'TCP_KEEPCNT, \[4\]' \
			'TCP_NODELAY, \[1\]'
		off $side IP_TOS IP_TTL SO_RCVBUF SO_SNDBUF
	done
	traced_forward --no-keepalive
	off taken SO_KEEPALIVE
	off dialled SO_KEEPALIVE
}

@test "options that act on the TCP side only, in front of a Unix target" {
	target sink.py -U "$T/s" --answer yes
	at=unix:$T/s
	forward -T lowdelay -M 9 --no-nodelay --keepalive=5 127.0.0.1 0
	client_py cl ask.py --half "$PORT"
	answers cl "answer 'yes' end"
	ended fwd 0
	target sink.py --answer yes
	forward -T lowdelay -M 9 --no-nodelay --keepalive=5 -U "$T/l"
	client_py cl ask.py --half -U "$T/l"
	answers cl "answer 'yes' end"
	ended fwd 0
	said fwd 0
}

# ---- limits ----

@test "--idle-timeout without -k: 124 and one line" {
	target sink.py
	forward --idle-timeout 0.3 127.0.0.1 0
	client_py cl ask.py --send hello "$PORT"
	wait_line cl.out "^answer '' "
	ended fwd 124
	said fwd 1 '(silent|idle-timeout)'
	wait_line tgt.out '^received 5 '
}

# Talks each 100 ms for twice as long as the limit; a pause of its own that
# was too long for the limit makes it begin again.
talk='
import socket, sys, time
port, limit = int(sys.argv[1]), float(sys.argv[2])
for attempt in range(10):
    s = socket.create_connection(("127.0.0.1", port))
    begin = last = time.monotonic()
    worst = 0
    try:
        while last - begin < 2 * limit:
            s.sendall(b"a")
            if s.recv(1) != b"A":
                raise OSError("ended")
            time.sleep(0.1)
            now = time.monotonic()
            worst = max(worst, now - last)
            last = now
        print("stayed", flush=True)
        break
    except OSError as e:
        worst = max(worst, time.monotonic() - last)
        if worst < limit / 2:
            print("ended after", worst, flush=True)
            break
    s.close()
'

@test "--idle-timeout with -k ends only the silent connection" {
	target threaded.py
	forward -k --idle-timeout 2 127.0.0.1 0
	start talk "${python[@]}" -c "$talk" "$PORT" 2
	client_py cl ask.py --send hello "$PORT"
	wait_line cl.out "^answer 'HELLO' "
	wait_line talk.out . 30
	[ "$(cat "$T/talk.out")" = stayed ]
	alive fwd
}

@test "--idle-timeout: bytes in one direction are enough" {
	target sink.py
	forward --idle-timeout 3 127.0.0.1 0
	feed cl
	start_with - cl sockcat 127.0.0.1 "$PORT"
	wait_line fwd.err '^Connection received'
	for i in 1 2 3 4 5 6 7 8 9; do
		send_to cl x
		stays fwd 0.5
	done
	end_of cl
	wait_line tgt.out '^received 9 .* end$'
	ended fwd 0
}

@test "--idle-timeout: a target that reads slowly is not silent" {
	need_bulk
	need_linux
	not_portable	# it cannot know what is acknowledged
	random_file "$T/here" 1M
	# All of it waits in sockcat's socket while the target reads.
	target sink.py --rcvbuf 20000 --slow 10000,0.05 --answer thanks
	forward -k --idle-timeout 2 127.0.0.1 0
	client_py cl source.py --connect --file "$T/here" --end half "$PORT"
	wait_line tgt.out "^received 1048576 $(sha256 here) end" 60
	wait_line cl.out '^received 6 .* end$'
	said fwd 0
}

@test "-w without -k: no peer in time, and silence afterwards" {
	target sink.py
	forward -w 0.3 127.0.0.1 0
	ended fwd 124
	said fwd 1
	target watch.py
	forward -w 4 127.0.0.1 0
	client_py cl ask.py --send hello "$PORT"
	ended fwd 124
	said fwd 1
	wait_line cl.out "^answer '' "
}

@test "-w with -k bounds no session" {
	target threaded.py
	forward -k -w 2 127.0.0.1 0
	feed cl
	start_with - cl sockcat 127.0.0.1 "$PORT"
	send_to cl one
	wait_line cl.out ONE
	stays fwd 2.5
	send_to cl two
	wait_line cl.out ONETWO
}

@test "--max-time ends it all: 124" {
	target sink.py
	forward -k --max-time 1.5 127.0.0.1 0
	client_py cl ask.py --send hello "$PORT"
	ended fwd 124
	said fwd 1 max-time
}

@test "-m: the rest wait" {
	target threaded.py
	forward -k -m 1 127.0.0.1 0
	feed cl
	start_with - cl sockcat 127.0.0.1 "$PORT"
	send_to cl one
	wait_line cl.out ONE
	client_py c2 ask.py --send two --half "$PORT"
	stays c2 0.5
	[ ! -s "$T/c2.out" ]
	[ "$(grep -c '^+' "$T/tgt.out")" -eq 1 ]
	end_of cl
	ended cl 0
	answers c2 "answer 'TWO' end"
}

@test "--drain: sessions go on, nobody else is let in" {
	target threaded.py
	forward -k --drain 60 127.0.0.1 0
	feed cl
	start_with - cl sockcat 127.0.0.1 "$PORT"
	send_to cl one
	wait_line cl.out ONE
	kill -TERM "$pid_fwd"
	wait_for 10 _refused "$PORT"
	send_to cl two
	wait_line cl.out ONETWO
	end_of cl
	ended cl 0
	ended fwd 0
}

_refused() {
	not sockcat -z 127.0.0.1 "$1" 2>/dev/null
}

@test "--count: so many peers, then exit 0" {
	target threaded.py
	forward -k --count 2 127.0.0.1 0
	client_py c1 ask.py --send one --half "$PORT"
	answers c1 "answer 'ONE' end"
	alive fwd
	client_py c2 ask.py --send two --half "$PORT"
	answers c2 "answer 'TWO' end"
	ended fwd 0
}

@test "SIGTERM and SIGINT end it at once, the socket is removed" {
	local want=143

	target threaded.py
	for signal in TERM INT; do
		forward -kU "$T/l"
		client_py cl watch.py -U "$T/l" --connect --send hello
		wait_line fwd.err '^Connection to '
		stop fwd $signal
		[ "$status" -eq $want ]
		[ ! -e "$T/l" ]
		wait_line cl.out '^gone'
		wait_exit cl
		want=130
	done
}

# ---- many ----

@test "300 peers at once, each gets its own bytes back" {
	listen echo -ke 127.0.0.1 0
	at=127.0.0.1:$PORT
	forward -k 127.0.0.1 0
	mkfifo "$T/go"
	exec {go}<>"$T/go"
	start_with "$T/go" all "${python[@]}" "$PEERS/crowd.py" --hold \
		--clients 300 --bytes 5000 --rounds 3 --limit 80 "$PORT"
	wait_line all.out '^holding 300$' 60
	echo >&"$go"
	wait_line all.out '^served 300 of 300 4500000$' 30
	exec {go}>&-
	said fwd 0
}

@test "30 peers at once, 200 kB each in both directions, over Unix sockets" {
	need_bulk
	listen echo -keU "$T/e"
	at=unix:$T/e
	forward -kU "$T/l"
	crowd --clients 30 --bytes 200000 -U "$T/l" >"$T/crowd"
	grep -qx 'served 30 of 30 6000000' "$T/crowd"
	said fwd 0
}

@test "too few descriptors: peers wait, all are served in the end" {
	need prlimit
	listen echo -ke 127.0.0.1 0
	start fwd prlimit --nofile=48:48 "$SOCKCAT" -v -lk \
		--forward 127.0.0.1:"$PORT" 127.0.0.1 0
	_announced fwd
	crowd --clients 120 --bytes 3000 --rounds 3 --limit 80 "$PORT" \
		>"$T/crowd"
	grep -qx 'served 120 of 120 1080000' "$T/crowd"
	alive fwd
}

@test "500 connections leave no descriptor behind" {
	listen echo -ke 127.0.0.1 0
	at=127.0.0.1:$PORT
	forward -k 127.0.0.1 0
	crowd --one-by-one --clients 3 --bytes 100 "$PORT" >"$T/crowd"
	wait_for 10 _settled
	files=$(open_files fwd)
	crowd --one-by-one --clients 200 --bytes 100 "$PORT" >"$T/crowd"
	grep -qx 'served 200 of 200 20000' "$T/crowd"
	crowd --one-by-one --clients 150 --bytes 100 --full-close "$PORT" \
		>"$T/crowd"
	grep -qx 'served 150 of 150 15000' "$T/crowd"
	crowd --clients 150 --quiet-close "$PORT" >"$T/crowd"
	wait_for 20 _no_more_files "$files"
	said fwd 0
}

# _settled: no session of fwd is left: it has but what it began with.
_settled() {
	_no_more_files 12
}

@test "peers of a target that is down leave no descriptor behind" {
	free_at
	forward -k 127.0.0.1 0
	client_py cl ask.py --times 3 "$PORT"
	wait_exit cl
	wait_for 10 _settled
	files=$(open_files fwd)
	client_py cl ask.py --times 100 "$PORT"
	wait_exit cl 25
	[ "$(sort -u "$T/cl.out")" = "answer '' reset" ]
	wait_for 20 _no_more_files "$files"
}

# ---- datagrams ----

# udp_target ARGS...: a udp_answer.py called tgt; at: what --forward says.
udp_target() {
	target udp_answer.py "$@"
}

# lines NAME ARGS...: a udp_lines.py that says what send_to NAME tells it.
lines() {
	feed "$1"
	start_with - "$1" "${python[@]}" "$PEERS/udp_lines.py" "${@:2}"
}

# sources: how many addresses the target has heard from.
sources() {
	awk '/^got/ { print $3 }' "$T/tgt.out" | sort -u | wc -l
}

@test "-u: every way to write the target" {
	udp_target
	for way in '' udp:; do
		at=${way}127.0.0.1:$PORT
		to=$PORT
		forward -uk 127.0.0.1 0
		client_py cl udp_client.py --message "by ${way:-default}" "$PORT"
		wait_exit cl
		[ "$(cat "$T/cl.out")" = "by ${way:-default}" ]
		said fwd 0
		stop fwd
		PORT=$to
	done
	need_ipv6
	peer_py six udp_answer.py -6
	for way in '' udp:; do
		at="${way}[::1]:$PORT"
		to=$PORT
		forward -uk 127.0.0.1 0
		client_py cl udp_client.py --message six "$PORT"
		wait_exit cl
		[ "$(cat "$T/cl.out")" = six ]
		stop fwd
		PORT=$to
	done
}

@test "-u without -k: the first peer only" {
	udp_target
	forward -u 127.0.0.1 0
	lines one "$PORT"
	send_to one $'first\n'
	wait_line one.out "^1: 'first'"
	client_py two udp_client.py --no-wait --message second "$PORT"
	wait_exit two
	send_to one $'third\n'
	wait_line one.out "^2: 'third'"
	not grep -q second "$T/tgt.out"
	[ "$(sources)" -eq 1 ]
}

@test "-u: each peer has a session, and gets its own answers" {
	udp_target
	forward -uk 127.0.0.1 0
	for c in a b c; do
		lines $c "$PORT"
	done
	for n in 1 2 3; do
		for c in a b c; do
			send_to $c "$c$n"$'\n'
		done
	done
	for c in a b c; do
		wait_line $c.out '^3: '
		printf "%s\n" "1: '${c}1'" "2: '${c}2'" "3: '${c}3'" |
			diff - "$T/$c.out"
	done
	[ "$(sources)" -eq 3 ]
	[ "$(grep -c '^Connection received on 127.0.0.1 ' "$T/fwd.err")" -eq 3 ]
	said fwd 0
}

@test "-u: 100 peers at once, none hears another's" {
	listen echo -uke 127.0.0.1 0
	at=127.0.0.1:$PORT
	forward -uk 127.0.0.1 0
	run timeout -s KILL 100 "${python[@]}" "$PEERS/udp_crowd.py" \
		--clients 100 --rounds 20 "$PORT"
	[ "$output" = 'served 100 of 100' ]
	[ "$status" -eq 0 ]
	said fwd 0
}

@test "-u: several answers to one question" {
	udp_target --copies 5
	forward -uk 127.0.0.1 0
	client_py cl udp_client.py --message hello --listen 4 "$PORT"
	wait_exit cl
	[ "$status" -eq 0 ]
	[ "$(grep -c '^hello$' "$T/cl.out")" -eq 5 ]
}

@test "-u: empty datagrams pass both ways" {
	udp_target --prefix x
	forward -uk 127.0.0.1 0
	client_py cl udp_client.py --message '' --show-size "$PORT"
	wait_exit cl
	[ "$(cat "$T/cl.out")" = 1 ]
	grep -q '^got 0 ' "$T/tgt.out"
	stop fwd
	udp_target --empty
	forward -uk -o "$T/copy" 127.0.0.1 0
	client_py cl udp_client.py --message hello --message '' --show-size \
		"$PORT"
	wait_exit cl
	[ "$(cat "$T/cl.out")" = $'0\n0' ]
	said fwd 0
}

@test "-u: 65,507 bytes pass whole both ways" {
	listen echo -uke 127.0.0.1 0
	at=127.0.0.1:$PORT
	forward -uk 127.0.0.1 0
	start cl "${python[@]}" -c '
import os, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.settimeout(10)
for n in 65507, 1, 1472, 40000, 65507:
    data = os.urandom(n)
    s.send(data)
    print(n, s.recv(70000) == data, flush=True)
' "$PORT"
	wait_exit cl 30
	[ "$(cat "$T/cl.out")" = "65507 True
1 True
1472 True
40000 True
65507 True" ]
	said fwd 0
}

@test "-u: a silent session is forgotten, and begins anew" {
	udp_target
	forward -uk --idle-timeout 0.4 127.0.0.1 0
	files=$(open_files fwd)
	lines cl "$PORT"
	send_to cl $'one\n'
	wait_line cl.out "^1: 'one'"
	wait_for 15 _no_more_files "$files"
	# Another socket may get the port that was left: take it.
	left=$(awk '/^got/ { sub(/.*:/, "", $3); print $3; exit }' "$T/tgt.out")
	start taker "${python[@]}" -c '
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", int(sys.argv[1])))
print("taken", flush=True)
time.sleep(600)' "$left"
	wait_line taker.out taken
	send_to cl $'two\n'
	wait_line cl.out "^2: 'two'"
	[ "$(sources)" -ge 2 ]
	wait_lines fwd.err '^Connection received on ' 2
	said fwd 0
}

@test "-u: a session that talks is not forgotten" {
	udp_target
	forward -uk --idle-timeout 20 127.0.0.1 0
	lines cl "$PORT"
	lines other "$PORT"
	for n in 1 2 3 4 5; do
		send_to cl "$n"$'\n'
		send_to other "$n"$'\n'
		wait_line cl.out "^$n: '$n'"
		wait_line other.out "^$n: '$n'"
	done
	[ "$(sources)" -eq 2 ]
}

# Asks once, and is answered each 100 ms for more than twice the limit; tells
# whether all came, or that this process was not run for too long to say.
subscriber='
import socket, sys, time
limit = float(sys.argv[2])
t = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
t.bind(("127.0.0.1", 0))
print(t.getsockname()[1], flush=True)
port = int(sys.stdin.readline())
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", port))
s.settimeout(3)
s.send(b"subscribe")
_, where = t.recvfrom(100)
begin = last = time.monotonic()
worst = 0
how = "all came"
while last - begin < 2.3 * limit:
    time.sleep(0.1)
    now = time.monotonic()
    worst = max(worst, now - last)
    last = now
    t.sendto(b"news", where)
    try:
        s.recv(100)
    except OSError as e:
        how = "stalled" if worst > limit / 2 else "lost: %s" % e
        break
print(how, flush=True)
'

@test "-u: answers alone keep a session" {
	for args in -k ''; do
		feed "s${args#-}"
		start_with - "s${args#-}" "${python[@]}" -c "$subscriber" x 2
		wait_line "s${args#-}.out" .
		at=127.0.0.1:$(cat "$T/s${args#-}.out")
		# shellcheck disable=SC2086
		forward -u $args --idle-timeout 2 127.0.0.1 0
		send_to "s${args#-}" "$PORT"$'\n'
		wait_line "s${args#-}.out" '^(all|lost|stalled)' 30
		not grep lost "$T/s${args#-}.out"
	done
}

@test "-u: a target that refuses ends nothing, and is found once it is there" {
	free_at -u
	forward -uk 127.0.0.1 0
	client_py c0 udp_client.py --no-wait --message lost --message lost \
		"$PORT"
	wait_exit c0
	lines cl "$PORT"
	send_to cl $'hello\n'
	stays fwd 0.7
	udp_target --port "$at_port"
	wait_line cl.out "^1: 'hello'" 25
	alive fwd
}

@test "-u: a refused session does not disturb another" {
	# The target answers one and is then gone, and back.
	udp_target
	to=$PORT
	forward -uk 127.0.0.1 0
	lines a "$PORT"
	send_to a $'one\n'
	wait_line a.out "^1: 'one'"
	stop tgt
	lines b "$PORT"
	send_to b $'lost\n'
	stays fwd 0.3
	udp_target --port "$to"
	wait_line b.out "^1: 'lost'" 25
	send_to a $'two\n'
	wait_line a.out "^2: 'two'" 25
	alive fwd
}

@test "-u: a listener on every address answers from the one written to" {
	udp_target
	forward -uk 0
	client_py cl udp_client.py --message hello 127.0.0.5 "$PORT"
	wait_exit cl
	[ "$(cat "$T/cl.out")" = hello ]
	need_ipv6
	client_py cl udp_client.py --message six ::1 "$PORT"
	wait_exit cl
	[ "$(cat "$T/cl.out")" = six ]
	[ "$(sources)" -eq 2 ]
}

@test "-u -s: where the target sees the peers come from" {
	udp_target
	forward -uk -s 127.0.0.78 127.0.0.1 0
	client_py cl udp_client.py --message a --message b --socket-each "$PORT"
	wait_exit cl
	[ "$(cat "$T/cl.out")" = $'a\nb' ]
	[ "$(grep -c '^got 1 127\.0\.0\.78:' "$T/tgt.out")" -eq 2 ]
	[ "$(sources)" -eq 2 ]
}

@test "-u: 200 peers, each once, leave no descriptor behind" {
	udp_target
	forward -uk --idle-timeout 1 127.0.0.1 0
	files=$(open_files fwd)
	client_py cl udp_crowd.py --clients 200 --rounds 1 "$PORT"
	wait_exit cl 70
	[ "$(cat "$T/cl.out")" = 'served 200 of 200' ]
	wait_for 20 _no_more_files "$files"
	said fwd 0
}

@test "-u: a Unix datagram target, a Unix datagram listener" {
	target udp_answer.py -U "$T/s"
	at=unix:$T/s
	forward -uk 127.0.0.1 0
	lines cl "$PORT"
	send_to cl $'hello\n'
	wait_line tgt.out "^got 5 .*hello"
	stop fwd
	udp_target
	forward -ukU "$T/l"
	lines c2 -U "$T/l"
	send_to c2 $'hello\n'
	wait_line c2.out "^1: 'hello'"
	wait_line tgt.out "^got 5 127\.0\.0\.1:"
}

# ---- the tools out there ----

@test "curl through it to a web server" {
	need curl
	mkdir "$T/www"
	random_file "$T/www/file" "$some"
	free_at
	cd "$T/www"
	start web "${python[@]}" -m http.server --bind 127.0.0.1 "$at_port"
	wait_port "$at_port"
	forward -kU "$T/l"
	for i in 1 2 3; do
		curl -sS --noproxy '*' --max-time 25 --unix-socket "$T/l" \
			-o "$T/got$i" http://some.host/file
		same "got$i" "$T/www/file"
	done
	said fwd 0
}

@test "redis: TCP in front of its Unix socket" {
	need redis-server redis-cli
	start redis redis-server --port 0 --unixsocket "$T/r" --save '' \
		--dir "$T"
	wait_for 15 test -S "$T/r"
	at=unix:$T/r
	forward -k --retry 20 127.0.0.1 0
	run redis-cli -p "$PORT" set some value
	[ "$output" = OK ]
	seq 1 2000 | sed 's/.*/set key& value&/' |
		redis-cli -p "$PORT" >"$T/answers"
	[ "$(grep -c '^OK$' "$T/answers")" -eq 2000 ]
	run redis-cli -p "$PORT" get key777
	[ "$output" = value777 ]
	said fwd 0
}

@test "haproxy in front of it and behind it" {
	need haproxy
	files "$some"
	target both.py --file "$T/there"
	free_port
	front=$PORT
	free_port
	back=$PORT
	cat >"$T/cfg" <<-EOF
		global
		    maxconn 20
		defaults
		    mode tcp
		    timeout connect 20s
		    timeout client 60s
		    timeout server 60s
		listen front
		    bind 127.0.0.1:$front
		    server forward unix@$T/l
		listen back
		    bind 127.0.0.1:$back
		    server target $at
	EOF
	at=127.0.0.1:$back
	forward -U "$T/l"
	start haproxy haproxy -db -f "$T/cfg"
	wait_port "$back"
	wait_port "$front"
	swap "$front"
	ended fwd 0
}

@test "nc, ncat and socat, as peers and as targets" {
	need nc.openbsd ncat socat
	files "$some"
	for cmd in 'nc.openbsd -N 127.0.0.1' 'ncat 127.0.0.1' socat; do
		target both.py --file "$T/there"
		forward 127.0.0.1 0
		read -ra words <<<"$cmd $PORT"
		[ "$cmd" != socat ] ||
			words=(socat -t 20 - "TCP:127.0.0.1:$PORT")
		start_with "$T/here" cl "${words[@]}"
		ended cl 0
		same cl.out there
		wait_line tgt.out "^received .* $(sha256 here) end"
		ended fwd 0
	done
	for cmd in 'nc.openbsd -N -l 127.0.0.1' 'ncat -l 127.0.0.1' socat; do
		free_at
		read -ra words <<<"$cmd $at_port"
		[ "$cmd" != socat ] ||
			words=(socat -t 20 - "TCP-LISTEN:$at_port,bind=127.0.0.1")
		start_with "$T/there" tgt "${words[@]}"
		wait_port "$at_port"
		forward 127.0.0.1 0
		client_py cl both.py --connect --file "$T/here" "$PORT"
		wait_line cl.out "^received .* $(sha256 there) end"
		ended tgt 0
		same tgt.out here
		ended fwd 0
	done
}

@test "the answer of a Unix target that has closed is whole, whatever else comes" {
	# What it has not read is an error that waits on its socket, and is
	# found when the way back has stood still for some time.
	for read in 10 9; do
		pause=$([ $read -eq 10 ] && echo 0.05 || echo 0.8)
		start tgt "${python[@]}" -c 'import socket, sys
l = socket.socket(socket.AF_UNIX)
l.bind(sys.argv[1])
l.listen()
s = l.accept()[0]
s.recv(int(sys.argv[2]))
s.sendall(bytes(200000))
s.close()
print("closed")
' "$T/t$read" $read
		wait_for 10 test -S "$T/t$read"
		at=unix:$T/t$read
		forward -k -O 20k --idle-timeout 10 127.0.0.1 0
		"${python[@]}" - "$PORT" "$T/tgt.out" "$pause" <<-'END' >"$T/got"
			import socket, sys, time
			s = socket.socket()
			s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
			s.settimeout(60)
			s.connect(("127.0.0.1", int(sys.argv[1])))
			s.sendall(b"q" * 10)
			while "closed" not in open(sys.argv[2]).read():
			    time.sleep(0.01)
			for _ in range(5):
			    s.sendall(b"more" * 100)
			    time.sleep(float(sys.argv[3]))
			n = 0
			try:
			    while some := s.recv(3000):
			        n += len(some)
			except ConnectionResetError:
			    pass
			print(n)
		END
		[ "$(cat "$T/got")" = 200000 ] || fail "$read: $(cat "$T/got")"
		# It is the target that did not get what came too late.
		wait_line fwd.err "^sockcat: connection to $T/t$read \(unix\) failed"
		wait_exit tgt
	done
}
