#!/usr/bin/env bats
#
# The time limits: -w, -q, --idle-timeout and --max-time, for every kind of
# socket, client and listener; what counts as silence, and what does not.
#
# bats file_tags=slow

# shellcheck disable=SC2154 # python, status: the helpers set them
load helpers

# ended NAME STATUS REGEX [WHAT]: the process ends with that status and one
# line of complaint that matches (none when REGEX is empty).
ended() {
	local n

	if ! wait_exit "$1" 20; then
		wrong "$4: does not end"
		stop "$1" || :
		return 0
	fi
	n=$(grep -c '^sockcat: ' "$T/$1.err") || :
	if [ "$status" -ne "$2" ] ||
	    [ "$n" -ne "$([ -z "$3" ] && echo 0 || echo 1)" ] ||
	    { [ -n "$3" ] && ! grep -qE "^sockcat: .*$3" "$T/$1.err"; }; then
		wrong "$4: status $status: $(cat "$T/$1.err")"
	fi
}

# buffered NAME STATUS WHAT: as ended, with a count of what the system's buffers
# still hold; where nobody can tell, it just ends, for the limit is kept.
buffered() {
	if acks; then
		ended "$1" "$2" '[1-9][0-9]* bytes not delivered' "$3"
	else
		wait_exit "$1" 20 || wrong "$3: does not end"
	fi
}

# idle FOR: let some time pass that a limit has to survive.
idle() {
	sleep "$1"
}

# to KIND: set args to what reaches the listener started last.
to() {
	case $1 in
	tcp) args=(127.0.0.1 "$PORT") ;;
	udp) args=(-u 127.0.0.1 "$PORT") ;;
	unix) args=(-U "$PORT") ;;
	unix-datagram) args=(-uU "$PORT") ;;
	esac
}

# at KIND: set args to what listens, peer to what the peers call it.
at() {
	rm -f "$T/s"
	peer=()
	case $1 in
	tcp) args=(127.0.0.1 0) ;;
	udp)
		args=(-u 127.0.0.1 0)
		peer=(-u)
		;;
	unix)
		args=(-U "$T/s")
		peer=(-U "$T/s")
		;;
	unix-datagram)
		args=(-uU "$T/s")
		peer=(-u -U "$T/s")
		;;
	esac
}

# talker [-U PATH] COUNT PAUSE [ANSWER]: a server that sends a byte COUNT
# times with a PAUSE after each; set PORT.
talker() {
	start talk "${python[@]}" -c '
import sys, time
sys.path.insert(0, sys.argv[1])
import peer, lean_socket as socket
p = peer.args("")
p.add_argument("--connect", action="store_true")
p.add_argument("--to", type=int)
p.add_argument("--count", type=int)
p.add_argument("--pause", type=float)
p.add_argument("--stay", action="store_true")
a = p.parse_args(sys.argv[2:])
if a.connect:
    a.where = [a.to]
    s = peer.client(a)
    peer.say("connected")
else:
    s = peer.server(a).accept()[0]
for _ in range(a.count):
    s.sendall(b"x")
    time.sleep(a.pause)
if a.stay:
    s.recv(1 << 20)
    time.sleep(3600)
' "$PEERS" "$@"
	wait_for 10 _line_or_dead talk "$T/talk.out" .
	[[ $* == *--connect* ]] || { read -r PORT _ <"$T/talk.out"; }
}

# deaf [-U PATH]: a server that half-closes and never reads; set PORT.
deaf() {
	start deaf "${python[@]}" -c '
import sys, time
sys.path.insert(0, sys.argv[1])
import peer, lean_socket as socket
p = peer.args("")
p.add_argument("--open", action="store_true")
a = p.parse_args(sys.argv[2:])
c = peer.server(a).accept()[0]
if not a.open:
    c.shutdown(socket.SHUT_WR)
time.sleep(3600)
' "$PEERS" "$@"
	wait_for 10 _line_or_dead deaf "$T/deaf.out" .
	read -r PORT _ <"$T/deaf.out"
}

# bound [-u] [-U PATH]: a datagram socket that says nothing; set PORT.
bound() {
	start bound "${python[@]}" -c '
import sys, time
sys.path.insert(0, sys.argv[1])
import peer
s = peer.server(peer.args("").parse_args(sys.argv[2:]))
time.sleep(3600)
' "$PEERS" "$@"
	wait_for 10 _line_or_dead bound "$T/bound.out" .
	read -r PORT _ <"$T/bound.out"
}

# eager KIND WHERE [TEXT [TIMES]]: a client that is there before the listener: it
# tries to connect until it can, says TEXT, and stays; with TIMES it says it
# so often and ends.
eager() {
	start eager "${python[@]}" -c '
import socket, sys, time
kind, where, text, times = sys.argv[1:5]
unix = kind.startswith("unix")
stream = kind in ("tcp", "unix")
print("trying", flush=True)
while True:
    s = socket.socket(socket.AF_UNIX if unix else socket.AF_INET,
                      socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
    try:
        if unix and not stream:
            s.bind("")
        s.connect(where if unix else ("127.0.0.1", int(where)))
        s.sendall(text.encode() * int(times or 1))
        if kind == "udp":
            time.sleep(0.01)
            s.send(text.encode())
        break
    except OSError:
        s.close()
        time.sleep(0.01)
if not times:
    time.sleep(3600)
' "$1" "$2" "${3:-}" "${4:-}"
	wait_line eager.out trying
}

# met KIND NAME FILE TEXT ARGS...: a listener NAME with standard input FILE
# that an eager client finds at once, as it may be a while until one that is
# started afterwards does.
met() {
	local kind=$1 name=$2 file=$3 text=$4
	shift 4

	at "$kind"
	if [[ $kind == unix* ]]; then
		PORT=$T/s
	else
		# shellcheck disable=SC2046 # no or one word
		free_port $([ "$kind" = tcp ] || echo -u)
		args[${#args[@]}-1]=$PORT
	fi
	eager "$kind" "$PORT" "$text"
	start_with "$file" "$name" sockcat -v -l "$@" "${args[@]}"
}

@test "-w: connecting, with a full backlog as the silent peer" {
	local mode kind

	for kind in tcp unix; do
		rm -f "$T/s"
		if [ $kind = tcp ]; then
			full_backlog
		else
			full_backlog -U "$T/s"
		fi
		for mode in '' -e -z; do
			to $kind
			# shellcheck disable=SC2086 # no or one word
			start cl sockcat $mode -w 0.2 "${args[@]}"
			ended cl 124 "connect to .*$PORT.* failed: .*-w" \
				"$kind $mode"
		done
		stop silent
	done
	none_wrong
}

@test "-w: -z has a limit of its own" {
	full_backlog
	start cl sockcat -z 127.0.0.1 "$PORT"
	ended cl 124 'connect to 127.0.0.1 port .* failed' -z
	start cl sockcat -z -w 100ms 127.0.0.1 "$PORT"
	ended cl 124 'connect to 127.0.0.1 port .* failed' '-z -w'
	bound -u
	start cl sockcat -zu -w 0.2 127.0.0.1 "$PORT"
	ended cl 124 '127.0.0.1' -zu
	none_wrong
}

# each_listener SAYS OPTION...: all of them end by that limit, and say so.
each_listener() {
	local says=$1 mode kind
	shift

	for kind in tcp udp unix unix-datagram; do
		for mode in -l -lk -le -lke -lb; do
			at $kind
			start srv sockcat $mode "$@" "${args[@]}"
			ended srv 124 "$says" "$kind $mode"
			[ ! -e "$T/s" ] || wrong "$kind $mode left its socket"
		done
	done
	none_wrong
}

@test "-w: the wait for the first client" {
	each_listener 'no client came .*-w' -w 0.1
}

@test "-w: silence of a connection, client" {
	local kind

	for kind in tcp unix; do
		rm -f "$T/s"
		peer=()
		[ $kind = tcp ] || peer=(-U "$T/s")
		# Input is open, nothing comes.
		peer_py srv stall.py "${peer[@]}"
		to $kind
		feed in
		start_with "$T/in.in" cl sockcat -w 0.2 "${args[@]}"
		ended cl 124 "$PORT.*silent \(-w\)" "$kind, input open"
		# Input has ended, the peer never said anything.
		start cl sockcat -w 0.2 "${args[@]}"
		ended cl 124 "$PORT.*no answer \(-w\)" "$kind, no answer"
		echo hello >"$T/hello"
		start_with "$T/hello" cl sockcat -w 0.2 "${args[@]}"
		ended cl 124 "$PORT.*no answer \(-w\)" "$kind, sent, no answer"
		stop srv
		rm -f "$T/s"
		# It did.
		peer_py srv stall.py --send word "${peer[@]}"
		to $kind
		start cl sockcat -w 0.2 "${args[@]}"
		ended cl 0 '' "$kind, an answer"
		[ "$(cat "$T/cl.out")" = word ] || wrong "$kind: no word"
		start_with "$T/in.in" cl sockcat -w 0.2 "${args[@]}"
		ended cl 124 "$PORT.*silent \(-w\)" "$kind, word, input open"
		stop srv
		end_of in
		rm -f "$T/in.in"
	done
	none_wrong
}

@test "-w: silence of a connection, listener" {
	local kind

	for kind in tcp unix; do
		feed in
		met $kind srv "$T/in.in" '' -w 0.5
		ended srv 124 'silent \(-w\)' "$kind -l, input open"
		stop eager
		met $kind srv "$T/in.in" word -w 0.5
		ended srv 124 'silent \(-w\)' "$kind -l, word, input open"
		stop eager
		met $kind srv /dev/null '' -w 0.5
		ended srv 124 'no answer \(-w\)' "$kind -l, no answer"
		stop eager
		met $kind srv /dev/null word -w 0.5
		ended srv 0 '' "$kind -l, an answer"
		[ "$(cat "$T/srv.out")" = word ] || wrong "$kind -l: no word"
		stop eager
		end_of in
		rm -f "$T/in.in"
	done
	none_wrong
}

@test "-w: silence of an echo" {
	local kind

	for kind in tcp unix; do
		rm -f "$T/s"
		peer=()
		[ $kind = tcp ] || peer=(-U "$T/s")
		peer_py srv stall.py --send word "${peer[@]}"
		to $kind
		start cl sockcat -e -w 0.2 "${args[@]}"
		ended cl 124 'silent.*-w' "$kind -e"
		stop srv
		met $kind srv /dev/null word -e -w 0.5
		ended srv 124 'silent.*-w' "$kind -le"
		stop eager
	done
	none_wrong
}

@test "-w: silence of datagrams" {
	local kind

	echo hello >"$T/hello"
	feed in
	for kind in udp unix-datagram; do
		rm -f "$T/s"
		at $kind
		bound "${peer[@]}"
		to $kind
		start_with "$T/hello" cl sockcat -w 0.2 "${args[@]}"
		ended cl 0 '' "$kind, input ended"
		start_with "$T/in.in" cl sockcat -w 0.2 "${args[@]}"
		ended cl 124 'silent \(-w\)' "$kind, input open"
		start cl sockcat -e -w 0.2 "${args[@]}"
		ended cl 124 'silent.*-w' "$kind -e"
		stop bound
		met $kind srv "$T/in.in" word -w 0.5
		ended srv 124 'silent \(-w\)' "$kind -l, input open"
		stop eager
		met $kind srv /dev/null word -w 0.5
		ended srv 0 '' "$kind -l, input ended"
		stop eager
		met $kind srv /dev/null word -e -w 0.5
		ended srv 124 '(nothing came|silent).*-w' "$kind -le"
		stop eager
	done
	end_of in
	none_wrong
}

@test "-w: with -k it is only for the first client" {
	local mode kind

	for mode in -k -ke -b; do
		for kind in tcp unix; do
			met $kind srv /dev/null '' $mode -w 0.5
			wait_line srv.err '^Connection received'
			feed cl
			to $kind
			start_with - cl sockcat "${args[@]}"
			wait_lines srv.err '^Connection received' 2
			idle 0.8
			alive srv || wrong "$kind $mode: ended"
			alive cl || wrong "$kind $mode: its client ended"
			send_to cl hello
			if [ $mode = -ke ]; then
				wait_size cl.out 5 || wrong "$kind $mode"
			else
				wait_size srv.out 5 || wrong "$kind $mode"
			fi
			stop cl
			stop eager
			stop srv
			end_of cl
			rm -f "$T/cl.in"
		done
	done
	none_wrong
}

@test "-w: bytes that trickle keep the connection alive" {
	local kind option

	for option in -w --idle-timeout; do
		for kind in tcp unix; do
			rm -f "$T/s"
			peer=()
			[ $kind = tcp ] || peer=(-U "$T/s")
			talker "${peer[@]}" --count 16 --pause 0.1
			to $kind
			start cl sockcat $option 0.8 "${args[@]}"
			ended cl 0 '' "$kind $option"
			[ "$(wc -c <"$T/cl.out")" -eq 16 ] ||
				wrong "$kind $option: $(wc -c <"$T/cl.out")"
			stop talk
		done
		at tcp
		listen srv $option 0.8 "${args[@]}"
		talker --connect --to "$PORT" --count 16 --pause 0.1
		ended srv 0 '' "-l $option"
		[ "$(wc -c <"$T/srv.out")" -eq 16 ] || wrong "-l $option"
		stop talk
	done
	none_wrong
}

# A reader of standard output that takes its time.
slow_reader() {
	local fd

	exec {fd}<"$1"
	sleep 1.5
	cat <&"$fd" >"$2"
}

@test "silence: waiting for standard output does not count" {
	local option mode

	for option in '-w 0.3' '--idle-timeout 0.3' '-q 0.3'; do
		for mode in connect -l; do
			mkfifo "$T/fifo"
			start reader slow_reader "$T/fifo" "$T/got"
			if [ $mode = connect ]; then
				peer_py srv source.py --bytes 2000000
				status=0
				# shellcheck disable=SC2086 # words
				sockcat $option 127.0.0.1 "$PORT" \
					</dev/null >"$T/fifo" 2>"$T/err" ||
					status=$?
				wait_exit srv || :
			else
				free_port
				eager tcp "$PORT" x 2000000
				status=0
				# shellcheck disable=SC2086 # words
				sockcat $option -l 127.0.0.1 "$PORT" \
					</dev/null >"$T/fifo" 2>"$T/err" ||
					status=$?
			fi
			[ "$status" -eq 0 ] ||
				wrong "$mode $option: $status $(cat "$T/err")"
			status=0
			wait_exit reader
			[ "$(wc -c <"$T/got")" -eq 2000000 ] ||
				wrong "$mode $option: $(wc -c <"$T/got") bytes"
			[ $mode = connect ] || wait_exit eager
			rm -f "$T/fifo"
		done
	done
	none_wrong
}

@test "silence: standard output that is stuck, a socket or a datagram" {
	mkfifo "$T/fifo"
	start reader slow_reader "$T/fifo" "$T/got"
	peer_py srv udp_answer.py --big 40000 --copies 4
	echo hello >"$T/in"
	status=0
	sockcat -u -w 0.4 127.0.0.1 "$PORT" <"$T/in" >"$T/fifo" 2>"$T/err" ||
		status=$?
	[ "$status" -eq 0 ]
	wait_exit reader
	[ "$(wc -c <"$T/got")" -eq 160000 ]
}

@test "silence: slow acknowledgement is progress" {
	need_bulk
	local kind option steps=()

	need_acks
	random_file "$T/file" 1M
	for option in '-w 0.8' '--idle-timeout 0.8'; do
		for kind in tcp unix; do
			rm -f "$T/s"
			peer=(--rcvbuf 32768)
			[ $kind = tcp ] || peer=(-U "$T/s")
			peer_py srv sink.py --slow 65536,0.15 --answer bye \
				"${peer[@]}"
			to $kind
			# shellcheck disable=SC2086 # words
			start_with "$T/file" cl sockcat $option "${args[@]}"
			ended cl 0 '' "$kind $option"
			[ "$(cat "$T/cl.out")" = bye ] || wrong "$kind $option"
			wait_line srv.out '^received 1048576 .* end$' ||
				wrong "$kind $option: $(cat "$T/srv.out")"
			wait_exit srv
		done
	done
	# ... also when all that is missing stands in the system's buffers.
	peer_py srv both.py --slow 16384,0.1 --rcvbuf 32768
	start_with "$T/file" cl sockcat -w 0.8 -O 1M 127.0.0.1 "$PORT"
	listen echo -ke --idle-timeout 0.8 127.0.0.1 0
	for kind in {1..32}; do
		steps+=(get=16384 pause=0.08)
	done
	head -c 512k "$T/file" >"$T/half"
	client_py there play.py --sum --rcvbuf 32768 --connect "$PORT" \
		"file=$T/half" "${steps[@]}" say=more get=4
	feed many
	listen_with - many -k --idle-timeout 0.8 127.0.0.1 0
	start feeder cp "$T/half" "$T/many.in"
	client_py hears play.py --rcvbuf 32768 --connect "$PORT" \
		"${steps[@]}" say=more
	ended cl 0 '' "the peer's end first"
	wait_line srv.out '^received 1048576 .* end$'
	wait_line there.out '^received 524292 '
	wait_line many.out more
	none_wrong
}

@test "silence: a peer that does not acknowledge is silent" {
	local kind option name

	random_file "$T/file" 20M
	for option in -w --idle-timeout; do
		name=${option#-w}
		for kind in tcp unix; do
			rm -f "$T/s"
			peer=()
			[ $kind = tcp ] || peer=(-U "$T/s")
			peer_py srv stall.py "${peer[@]}"
			to $kind
			start_with "$T/file" cl sockcat $option 0.3 "${args[@]}"
			ended cl 124 "${name:-(-w)}" "$kind $option"
			stop srv
		done
		# Two echoes of nothing but what the other one sends are busy,
		# one that nobody reads from is not.
		at tcp
		listen srv -e $option 0.4 "${args[@]}"
		start_with /dev/zero cl "${python[@]}" -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.settimeout(20)
try:
    while True:
        s.send(b"x" * 65536)
except OSError as e:
    print(e)' "$PORT"
		ended srv 124 "${name:-(-w)}" "-le $option"
		stop cl
	done
	none_wrong
}

@test "-q 0: the end of input is the end, once it is out" {
	local kind

	random_file "$T/file" 300k
	for kind in tcp unix; do
		rm -f "$T/s"
		peer=()
		[ $kind = tcp ] || peer=(-U "$T/s")
		# A peer that neither ends nor says anything.
		peer_py srv source.py --end hold "${peer[@]}"
		to $kind
		start_with "$T/file" cl sockcat -q 0 "${args[@]}"
		ended cl 0 '' "$kind"
		wait_line srv.out "^received 307200 $(sha256 file) end" ||
			wrong "$kind: $(cat "$T/srv.out")"
		wait_exit srv
		# The peer's end is the end, input or not.
		rm -f "$T/s"
		peer_py srv source.py --bytes 5 "${peer[@]}"
		to $kind
		feed in
		start_with "$T/in.in" cl sockcat -q 0 "${args[@]}"
		ended cl 0 '' "$kind, the peer's end"
		[ "$(wc -c <"$T/cl.out")" -eq 5 ] || wrong "$kind: output"
		end_of in
		rm -f "$T/in.in"
		wait_exit srv
		# The same as a listener.
		at $kind
		listen_with "$T/file" srv -q 0 "${args[@]}"
		client_py cl source.py --connect --end hold "${peer[@]}" "$PORT"
		ended srv 0 '' "$kind -l"
		wait_line cl.out "^received 307200 $(sha256 file) end" ||
			wrong "$kind -l: $(cat "$T/cl.out")"
		wait_exit cl
	done
	none_wrong
}

@test "-q 0: datagrams" {
	local kind

	echo hello >"$T/in"
	for kind in udp unix-datagram; do
		at $kind
		listen srv -k "${args[@]}"
		to $kind
		start_with "$T/in" cl sockcat -q 0 "${args[@]}"
		ended cl 0 '' "$kind"
		wait_line srv.out '^hello$' || wrong "$kind: nothing came"
		start_with "$T/in" cl sockcat -q 0.1 "${args[@]}"
		ended cl 0 '' "$kind -q 0.1"
		stop srv
	done
	none_wrong
}

@test "-q N: after the end of input, and after the peer's" {
	local kind

	echo hello >"$T/hello"
	for kind in tcp unix; do
		rm -f "$T/s"
		peer=()
		[ $kind = tcp ] || peer=(-U "$T/s")
		peer_py srv stall.py --send word "${peer[@]}"
		to $kind
		start_with "$T/hello" cl sockcat -q 0.2 "${args[@]}"
		# A peer that never reads has it all the same.
		ended cl 0 '' "$kind"
		[ "$(cat "$T/cl.out")" = word ] || wrong "$kind: output"
		stop srv
		rm -f "$T/s"
		peer_py srv half_close.py --send word "${peer[@]}"
		to $kind
		feed in
		start_with "$T/in.in" cl sockcat -q 0.2 "${args[@]}"
		ended cl 0 '' "$kind, the peer's end"
		wait_exit srv
		at $kind
		listen_with "$T/in.in" srv -q 0.2 "${args[@]}"
		client_py cl half_close.py --connect --send word "${peer[@]}" \
			"$PORT"
		ended srv 0 '' "$kind -l, the peer's end"
		[ "$(cat "$T/srv.out")" = word ] || wrong "$kind -l: output"
		wait_exit cl
		end_of in
		rm -f "$T/in.in"
		at $kind
		listen_with "$T/hello" srv -q 0.2 "${args[@]}"
		client_py cl stall.py --connect --send word "${peer[@]}" "$PORT"
		ended srv 0 '' "$kind -l"
		[ "$(cat "$T/srv.out")" = word ] || wrong "$kind -l: output"
		stop cl
	done
	none_wrong
}

@test "-q N: progress puts it off" {
	local steps=() n

	# The pauses are longer than the time between two looks at the clock.
	for n in {1..6}; do
		steps+=(say=x pause=0.4)
	done
	echo hello >"$T/hello"
	printf '1\n2\n3\n' >"$T/lines"
	peer_py talk play.py "${steps[@]}"
	start cl sockcat -q 1.5 127.0.0.1 "$PORT"
	at tcp
	listen_with "$T/hello" srv -q 1.5 "${args[@]}"
	client_py other play.py --connect "$PORT" "${steps[@]}" half rest
	peer_py half half_close.py
	feed in
	start_with - in sockcat -q 1.5 127.0.0.1 "$PORT"
	# What waits for its turn is not at rest.
	peer_py paced half_close.py
	start_with "$T/lines" slow sockcat -q 0.6 -i 1 127.0.0.1 "$PORT"
	for n in {1..6}; do
		send_to in x
		rest 0.4
	done
	end_of in
	for n in cl srv; do
		ended "$n" 0 '' "$n"
		[ "$(cat "$T/$n.out")" = xxxxxx ] || wrong "$n: output"
	done
	ended in 0 '' "after the peer's end"
	wait_line half.out '^received 6 '
	ended slow 0 '' 'with -i'
	wait_line paced.out '^received 6 '
	none_wrong
}

@test "-q N: it starts with the end of one direction, not before" {
	feed in
	peer_py srv stall.py
	start_with - in sockcat -q 0.2 127.0.0.1 "$PORT"
	idle 0.7
	alive in
	send_to in hello
	idle 0.3
	alive in
	end_of in
	wait_exit in
	[ "$status" -eq 0 ]
}

@test "-q N: what was not delivered is a failure with the count" {
	random_file "$T/file" 20M
	deaf
	start_with "$T/file" cl sockcat -q 0.3 127.0.0.1 "$PORT"
	ended cl 1 '[1-9][0-9]* bytes not delivered' 'half-closed, deaf'
	stop deaf
	deaf -U "$T/s"
	start_with "$T/file" cl sockcat -q 0.3 -U "$T/s"
	ended cl 1 'not delivered|-q' 'Unix, deaf, a file'
	stop deaf
	rm -f "$T/s"
	# What waits in a pipe is input that has not ended, either.
	deaf -U "$T/s"
	mkfifo "$T/pipe"
	start_with "$T/file" cat tee "$T/pipe"
	start_with "$T/pipe" cl sockcat -q 0.3 -U "$T/s"
	ended cl 1 'not delivered|-q' 'Unix, deaf, a pipe'
	none_wrong
}

@test "-q N: ... also what only the system's buffers hold" {
	local quit

	random_file "$T/small" 150k
	for quit in 0.3 0; do
		deaf --open --rcvbuf 2048
		start_with "$T/small" cl sockcat -O 200k -q $quit \
			127.0.0.1 "$PORT"
		buffered cl 1 "-q $quit"
		stop deaf
	done
	none_wrong
}

@test "-q -1: never" {
	peer_py srv stall.py
	start cl sockcat -q -1 127.0.0.1 "$PORT"
	idle 0.6
	alive cl
	peer_py udp udp_answer.py
	echo hello >"$T/in"
	start_with "$T/in" dg sockcat -u -q -1 127.0.0.1 "$PORT"
	wait_line dg.out '^hello$'
	idle 1.5
	# Without it, a second of silence ends this one.
	alive dg
	alive cl
	stop srv
	wait_exit cl
	[ "$status" -eq 0 ]
	stop dg
}

@test "datagrams: a second of silence after the end of input" {
	local kind

	echo hello >"$T/in"
	# Another one, if -w is given.
	peer_py late play.py -u get=1 pause=1.6 say=late
	start_with "$T/in" patient sockcat -u -w 20 127.0.0.1 "$PORT"
	for kind in udp unix-datagram; do
		at $kind
		peer_py srv udp_answer.py "${peer[@]}"
		to $kind
		start_with "$T/in" cl sockcat "${args[@]}"
		ended cl 0 '' "$kind"
		[ "$(cat "$T/cl.out")" = hello ] || wrong "$kind: no answer"
		start_with "$T/in" cl sockcat -w 0.2 "${args[@]}"
		ended cl 0 '' "$kind -w"
		[ "$(cat "$T/cl.out")" = hello ] || wrong "$kind -w: no answer"
		stop srv
	done
	wait_line patient.out late
	none_wrong
}

@test "--idle-timeout: client and listener of one" {
	local kind

	feed in
	for kind in tcp unix; do
		rm -f "$T/s"
		peer=()
		[ $kind = tcp ] || peer=(-U "$T/s")
		peer_py srv stall.py --send word "${peer[@]}"
		to $kind
		start_with "$T/in.in" cl sockcat --idle-timeout 0.2 "${args[@]}"
		ended cl 124 "$PORT.*--idle-timeout" "$kind"
		start cl sockcat --idle-timeout 0.2 "${args[@]}"
		ended cl 124 "$PORT.*--idle-timeout" "$kind, input ended"
		start cl sockcat -e --idle-timeout 0.2 "${args[@]}"
		ended cl 124 "--idle-timeout" "$kind -e"
		stop srv
		at $kind
		listen_with "$T/in.in" srv --idle-timeout 0.2 "${args[@]}"
		client_py cl stall.py --connect --send word "${peer[@]}" "$PORT"
		ended srv 124 "--idle-timeout" "$kind -l"
		stop cl
		at $kind
		listen srv -e --idle-timeout 0.2 "${args[@]}"
		client_py cl stall.py --connect --send word "${peer[@]}" "$PORT"
		ended srv 124 "--idle-timeout" "$kind -le"
		stop cl
	done
	end_of in
	none_wrong
}

@test "--idle-timeout: datagrams" {
	local kind

	feed in
	echo hello >"$T/hello"
	for kind in udp unix-datagram; do
		at $kind
		bound "${peer[@]}"
		to $kind
		start_with "$T/in.in" cl sockcat --idle-timeout 0.2 "${args[@]}"
		ended cl 124 --idle-timeout "$kind"
		start cl sockcat -e --idle-timeout 0.2 "${args[@]}"
		ended cl 124 --idle-timeout "$kind -e"
		stop bound
		at $kind
		listen_with "$T/in.in" srv --idle-timeout 0.3 "${args[@]}"
		to $kind
		sockcat -q 0 "${args[@]}" <"$T/hello"
		ended srv 124 --idle-timeout "$kind -l"
	done
	end_of in
	none_wrong
}

@test "--idle-timeout: with -k only that connection ends" {
	local mode kind

	for mode in -k -ke -b; do
		for kind in tcp unix; do
			rm -f "$T/s"
			peer=()
			[ $kind = tcp ] || peer=(-U "$T/s")
			at $kind
			listen srv -d $mode --idle-timeout 0.5 "${args[@]}"
			[ $kind = unix ] || peer=(--to "$PORT")
			# One that talks stays, one that is silent goes.
			talker --connect --count 1000 --pause 0.05 "${peer[@]}"
			wait_lines srv.err '^Connection received' 1
			to $kind
			[ $mode = -b ] || {
				start cl sockcat -d "${args[@]}"
				wait_lines srv.err '^Connection received' 2
				wait_exit cl || wrong "$kind $mode: stays"
				[ "$status" -le 1 ] || wrong "$kind $mode"
			}
			alive talk || wrong "$kind $mode: the talker ended"
			stop talk
			start cl sockcat -d "${args[@]}"
			wait_exit cl || wrong "$kind $mode: stays alone"
			alive srv || wrong "$kind $mode: the listener ended"
			stop srv
			! grep -q '^sockcat: .*lost' "$T/srv.err" ||
				wrong "$kind $mode: $(cat "$T/srv.err")"
		done
	done
	none_wrong
}

@test "--idle-timeout: datagram peers are forgotten" {
	local mode

	for mode in -k -b; do
		feed srv
		listen_with - srv -u $mode --idle-timeout 2 127.0.0.1 0
		start cl1 "${python[@]}" "$PEERS/udp_client.py" \
			--message one --no-wait --listen 1 --timeout 60 "$PORT"
		wait_size srv.out 3
		idle 2.5
		start cl2 "${python[@]}" "$PEERS/udp_client.py" \
			--message two --no-wait --listen 1 --timeout 20 "$PORT"
		wait_size srv.out 6
		send_to srv word
		wait_line cl2.out '^word$'
		[ ! -s "$T/cl1.out" ] || wrong "$mode: $(cat "$T/cl1.out")"
		alive srv || wrong "$mode: ended"
		stop cl1
		stop srv
		end_of srv
		rm -f "$T/srv.in"
	done
	none_wrong
}

@test "--max-time: every mode of a listener" {
	each_listener --max-time --max-time 0.1
}

@test "--max-time: a busy session, and a connection that does not come" {
	local mode

	peer_py srv sink.py --clients 0
	start_with /dev/zero cl sockcat --max-time 0.3 127.0.0.1 "$PORT"
	ended cl 124 --max-time busy
	for mode in -k -ke -b; do
		at tcp
		listen lis $mode --max-time 1 "${args[@]}"
		start_with /dev/zero cl sockcat 127.0.0.1 "$PORT"
		ended lis 124 --max-time "$mode busy"
		stop cl || :
	done
	full_backlog
	for mode in '' -e -z; do
		# shellcheck disable=SC2086 # no or one word
		start cl sockcat $mode -w 20 --max-time 0.2 127.0.0.1 "$PORT"
		ended cl 124 --max-time "full backlog $mode"
	done
	full_unix
	for mode in '' -e -z; do
		# shellcheck disable=SC2086 # no or one word
		start cl sockcat $mode --max-time 0.2 -U "$T/s"
		ended cl 124 --max-time "full backlog -U $mode"
	done
	bound -u
	feed in
	for mode in '' -e; do
		# shellcheck disable=SC2086 # no or one word
		start_with "$T/in.in" cl sockcat $mode --max-time 0.2 -u \
			127.0.0.1 "$PORT"
		ended cl 124 --max-time "-u $mode"
	done
	start cl sockcat -zu -w 9 --max-time 0.2 127.0.0.1 "$PORT"
	ended cl 124 --max-time -zu
	none_wrong
}

full_unix() {
	stop silent
	full_backlog -U "$T/s"
}

# without_answer CMD...: run CMD where the one name server says nothing.
without_answer() {
	unshare -n -m "${python[@]}" -c '
import fcntl, os, socket, struct, subprocess, sys
s = socket.socket()
fcntl.ioctl(s, 0x8914, struct.pack("16sh22x", b"lo", 1))
s.close()
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
server.set_inheritable(True)
with open(sys.argv[1], "w") as f:
    f.write("nameserver 127.0.0.1\n")
subprocess.check_call(["mount", "--bind", sys.argv[1], "/etc/resolv.conf"])
os.execv(sys.argv[2], sys.argv[2:])' "$T/resolv.conf" "$@"
}

@test "-w and --max-time cover the lookup of names" {
	local mode limit

	need unshare mount
	unshare -n -m true 2>/dev/null || skip "no name spaces of its own"
	for limit in '-w 0.3' '--max-time 0.3'; do
		for mode in '' -e -z -u -l -lk -le -lke -lb '-s x.invalid'; do
			# shellcheck disable=SC2086 # words
			start cl without_answer "$SOCKCAT" $limit $mode \
				"$([[ $mode != -s* ]] && echo name.invalid ||
				echo 127.0.0.1)" 80
			ended cl 124 '(resolve .*invalid|--max-time)' \
				"$limit $mode"
		done
	done
	none_wrong
}

@test "-w covers all addresses together" {
	local port

	need unshare mount
	unshare -m true 2>/dev/null || skip "no name space of its own"
	full_backlog --bind 127.0.0.2
	port=$PORT
	start other "${python[@]}" "$PEERS/silent.py" --bind 127.0.0.3 \
		--port "$port"
	wait_line other.out '^[0-9]+ '
	printf '%s two.test\n' 127.0.0.2 127.0.0.3 >"$T/hosts"
	# shellcheck disable=SC2016 # for the inner shell
	start cl unshare -m sh -c 'mount --bind "$1" /etc/hosts && shift &&
		exec "$@"' sh "$T/hosts" "$SOCKCAT" -w 0.6 two.test "$port"
	ended cl 124 "connect to two.test \(127.0.0.3\) port $port \(tcp\) failed" \
		"two addresses"
	none_wrong
}

@test "a limit that does not pass is not heard of" {
	listen srv -e -w 20 --idle-timeout 20 --max-time 20 127.0.0.1 0
	echo hello >"$T/in"
	sockcat -w 20 --idle-timeout 20 --max-time 20 -q 20 127.0.0.1 "$PORT" \
		<"$T/in" >"$T/out" 2>"$T/err"
	[ "$(cat "$T/out")" = hello ]
	[ ! -s "$T/err" ]
	wait_exit srv
	[ "$status" -eq 0 ]
}

@test "limits bound the wait for an acknowledgement" {
	local case

	random_file "$T/small" 150k
	for case in '--send-only -q 0.3:1' '-q 0.3:1' \
		'--send-only -w 0.3:124' '--send-only --idle-timeout 0.3:124'; do
		deaf --rcvbuf 2048
		# shellcheck disable=SC2086 # several words
		start_with "$T/small" cl sockcat -O 200k ${case%:*} \
			127.0.0.1 "$PORT"
		buffered cl "${case#*:}" "$case"
		stop deaf
	done
	none_wrong
}
