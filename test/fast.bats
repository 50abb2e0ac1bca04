#!/usr/bin/env bats
#
# The ways bytes take: which calls move them, that the kernel may refuse each
# of these at any time without a byte being lost, urgent bytes, descriptors
# of every kind as standard input and output, and datagrams in batches.
#
# bats file_tags=slow

# shellcheck disable=SC2002,SC2016,SC2030,SC2031,SC2153,SC2154
load helpers

setup() {
	helpers_setup
	real=$SOCKCAT
}

# need_fast: skip a build that copies everything.
need_fast() {
	need_linux
	[ "${VARIANT:-}" != portable ] || skip "this build is portable"
}

# traced CALLS [OPTION...]: from now on SOCKCAT is watched, and $T/trace has
# its CALLS, each with the number of its thread.  Options of strace:
# -e inject=...
traced() {
	local calls=$1 words
	shift

	need strace
	strace -o /dev/null true 2>/dev/null || skip "strace missing"
	_traceable
	printf -v words ' %q' -f -qq -s 0 -o "$T/trace" -e "trace=$calls" "$@"
	printf '#!/bin/sh\nexec strace%s %q "$@"\n' "$words" "$real" \
		>"$T/traced"
	chmod +x "$T/traced"
	SOCKCAT=$T/traced
}

# stop_traced NAME: end what was started as NAME; strace itself does not.
stop_traced() {
	local pid

	read -r pid _ <"$T/trace"
	kill -TERM "$pid"
	wait_exit "$1"
}

# calls REGEX: how many of the calls in the trace match; those that another
# thread interrupted stand in two lines there.
calls() {
	awk '$2 == "<..." {
		rest = $0
		sub(/^.* resumed>/, "", rest)
		print half[$1] rest
		delete half[$1]
		next
	}
	/ <unfinished \.\.\.>$/ {
		sub(/ <unfinished \.\.\.>$/, "")
		half[$1] = $0
		next
	}
	{ print }
	END {
		for (thread in half)
			print half[thread]
	}' "$T/trace" | grep -cE "^[0-9]+ +$1" || :
}

# some REGEX..., none REGEX...: such calls were made, were not.
some() {
	local regex

	for regex; do
		[ "$(calls "$regex")" -gt 0 ] ||
			fail "no $regex: $(head -n 60 "$T/trace")"
	done
}

none() {
	local regex

	for regex; do
		[ "$(calls "$regex")" -eq 0 ] ||
			fail "$regex: $(head -n 60 "$T/trace")"
	done
}

# sends FROM FILE [ARGS...]: a peer gets what FILE has, which is sockcat's
# standard input: FROM `file', `pipe', `tcp' or `unix' (a socket).
sends() {
	local from=$1 file=$T/$2
	shift 2

	peer_py sink sink.py
	case $from in
	file) sockcat "$@" 127.0.0.1 "$PORT" <"$file" ;;
	pipe) cat "$file" | sockcat "$@" 127.0.0.1 "$PORT" ;;
	*) on_socket "$from" --in "$file" "$@" 127.0.0.1 "$PORT" ;;
	esac
	wait_exit sink 30
	[ "$(cat "$T/sink.out")" = \
	    "$PORT 127.0.0.1
received $(wc -c <"$file") $(sha256 "$file") end" ] ||
		fail "$from: $(cat "$T/sink.out") $(wc -c <"$file")"
}

# receives TO FILE [ARGS...]: sockcat gets FILE from a peer, and writes it to
# a `file', to the end of one (`append'), a `pipe', a `tcp' or `unix' socket.
receives() {
	local to=$1 file=$T/$2
	shift 2

	peer_py source source.py --file "$file"
	rm -f "$T/got"
	case $to in
	file) sockcat -d "$@" 127.0.0.1 "$PORT" >"$T/got" ;;
	append) sockcat -d "$@" 127.0.0.1 "$PORT" >>"$T/got" ;;
	pipe) sockcat -d "$@" 127.0.0.1 "$PORT" | cat >"$T/got" ;;
	*) on_socket "$to" --out "$T/got" -d "$@" 127.0.0.1 "$PORT" ;;
	esac
	same "$file" got
	wait_exit source
}

# on_socket KIND --in FILE | --out FILE ARGS...: sockcat with that socket.
on_socket() {
	local kind=(--unix) words=("$2" "$3")

	[ "$1" = unix ] || kind=()
	shift 3
	_ms 30
	(
		_close_fds
		exec timeout -s KILL "$((ms / 1000))" "${python[@]}" \
			"$PEERS/socket_run.py" "${kind[@]}" --queue 20000 \
			"${words[@]}" "$SOCKCAT" "$@"
	)
}

# refused CALL COMMAND...: the command does as well when the kernel refuses
# the call from the first, second, third, fifth or eighth on, or only that
# once.
refused() {
	local call=$1 when error
	shift

	for when in 1 1+ 2+ 3+ 5+ 8; do
		error=EINVAL
		[ "$when" != 2+ ] || error=EPERM
		[ "$when" != 5+ ] || error=EOPNOTSUPP
		traced "$call" -e "inject=$call:error=$error:when=$when"
		echo "$call refused: $when"
		"$@"
		SOCKCAT=$real
		[[ $when == *[58]* ]] || some "$call.* $error .*INJECTED"
	done
}

# ---- which calls ------------------------------------------------------------

@test "a file to a socket: sendfile, and nothing is read" {
	need_fast
	need_bulk
	random_file "$T/in" 3M
	traced sendfile,splice,read,sendto,write
	sends file in
	some 'sendfile\([0-9]+, 0, NULL, [0-9]+\) += [0-9]{5}'
	none 'splice\(' 'read\(0,.* = [1-9]' 'sendto\('
}

@test "a pipe to a socket: splice, and nothing is read" {
	need_fast
	need_bulk
	random_file "$T/in" 3M
	traced splice,read,sendto,write
	sends pipe in
	some 'splice\(0, NULL, [0-9]+, NULL, .*NONBLOCK\) += [0-9]{4}'
	none 'read\(0,' 'sendto\('
}

@test "a socket to a pipe: splice, and nothing is copied" {
	need_fast
	need_bulk
	random_file "$T/in" 3M
	traced splice,read,recvfrom,write
	receives pipe in
	some 'splice\([0-9]+, NULL, 1, NULL, .*NONBLOCK\) += [0-9]{4}'
	none 'write\(1,' 'recvfrom\(.* = [1-9][0-9]{2}'
}

@test "a socket to a socket: splice through a pipe, nothing is copied" {
	need_fast
	need_bulk
	random_file "$T/in" 3M
	traced splice,read,recvfrom,sendto,write
	receives tcp in
	some 'splice\([0-9]+, NULL, 1, NULL, .* = [0-9]{4}'
	none 'write\(1,' 'sendto\(' 'recvfrom\(.* = [1-9][0-9]{2}'
}

@test "a socket to a device: splice through a pipe" {
	need_fast
	need_bulk
	random_file "$T/in" 3M
	traced splice,write
	peer_py source source.py --file "$T/in"
	sockcat -d 127.0.0.1 "$PORT" >/dev/null
	some 'splice\([0-9]+, NULL, 1, NULL, .* = [0-9]{4}'
	none 'write\(1,'
}

@test "a socket to a file: large writes, no splice into it" {
	need_fast
	need_bulk
	random_file "$T/in" 20M
	traced splice,write
	receives file in
	some 'write\(1, .* = [0-9]{5}'
	none 'splice\('
}

@test "an echo: one recv and one send for each message" {
	need_whole
	need_fast
	need_bulk
	traced recvfrom,sendto,read,write,poll,splice,futex
	listen srv -e 127.0.0.1 0
	"${python[@]}" -c 'import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for i in range(50):
    s.sendall(b"%064d" % i)
    assert s.recv(64, socket.MSG_WAITALL) == b"%064d" % i
s.close()' "$PORT"
	wait_exit srv
	[ "$status" -eq 0 ]
	[ "$(calls 'recvfrom\(.*= 64$')" -eq 50 ]
	[ "$(calls 'sendto\(.*= 64$')" -eq 50 ]
	none 'splice\('
	[ "$(calls 'poll\(')" -lt 10 ]
}

@test "a peer of an echo: accepted, served, closed, and no more than that" {
	need_fast
	traced %network,%file,clone,clone3
	listen srv -ke 127.0.0.1 0
	"${python[@]}" -c 'import socket, sys
for i in range(40):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.sendall(b"x")
    assert s.recv(1) == b"x"
    s.shutdown(socket.SHUT_WR)
    assert s.recv(1) == b""
    s.close()' "$PORT"
	stop_traced srv
	sed -n '/accept4\?(/,$p' "$T/trace" >"$T/served"
	mv "$T/served" "$T/trace"
	[ "$(calls 'recvfrom\(.*= 1$')" -eq 40 ]
	[ "$(calls 'sendto\(.*= 1$')" -eq 40 ]
	# Names, services, zones, other sockets: nothing of that is looked at.
	none 'open(at)?\(.*"/etc' 'socket\(' 'connect\(' 'bind\('
	[ "$(calls 'clone3?\(')" -le 20 ]
}

@test "a hub: a post is one send to each member that keeps up" {
	need_whole
	need_fast
	need_bulk
	traced sendto,sendmsg,write,writev
	listen srv -b 127.0.0.1 0
	"${python[@]}" -c 'import socket, sys
peers = [socket.create_connection(("127.0.0.1", int(sys.argv[1])))
         for i in range(5)]
# Until each of the others hears the first one.
for s in peers[1:]:
    s.settimeout(.1)
    while True:
        peers[0].sendall(b"?")
        try:
            s.recv(1)
            break
        except socket.timeout:
            pass
    s.settimeout(60)
peers[0].sendall(b"!")
for s in peers[1:]:
    while s.recv(1) != b"!":
        pass
for i in range(30):
    peers[0].sendall(b"%077d" % i)
    for s in peers[1:]:
        assert s.recv(77, socket.MSG_WAITALL) == b"%077d" % i
# When this has come, the trace tells all of those before.
peers[0].sendall(b"done")
for s in peers[1:]:
    assert s.recv(4, socket.MSG_WAITALL) == b"done"' "$PORT"
	stop_traced srv
	[ "$(calls '(sendto|sendmsg)\(.* = 77$')" -eq 120 ]
}

# ---- the kernel refuses -----------------------------------------------------

@test "sendfile refused at any time: no byte is lost" {
	need_fast
	need_bulk
	random_file "$T/in" 9M
	refused sendfile sends file in
}

@test "splice from a pipe refused at any time: no byte is lost" {
	need_fast
	need_bulk
	random_file "$T/in" 9M
	refused splice sends pipe in
}

@test "splice into a pipe refused at any time: no byte is lost" {
	need_fast
	need_bulk
	random_file "$T/in" 9M
	refused splice receives pipe in
}

@test "splice into or out of the pipe between refused: no byte is lost" {
	need_fast
	need_bulk
	random_file "$T/in" 3M
	refused splice receives tcp in
	refused splice receives unix in
}

@test "a pipe between that cannot be had: copied" {
	need_fast
	need_bulk
	random_file "$T/in" 3M
	traced pipe,pipe2,splice -e inject=pipe,pipe2:error=EMFILE
	receives tcp in
	none 'splice\('
}

@test "calls that are interrupted are made again" {
	need_fast
	need_bulk
	random_file "$T/in" 3M
	traced sendfile,recvfrom -e inject=sendfile:error=EINTR:when=1+2
	sends file in
	some 'sendfile\(.*EINTR.*INJECTED'
	SOCKCAT=$real
	traced splice -e inject=splice:error=EINTR:when=1+2
	sends pipe in
	receives pipe in
	receives tcp in
	some 'splice\(.*EINTR.*INJECTED'
	SOCKCAT=$real
	traced recvfrom,write -e inject=recvfrom,write:error=EINTR:when=1+3
	receives file in
	some '(recvfrom|write)\(.*EINTR.*INJECTED'
}

@test "a file that looks empty to sendfile is read" {
	need_fast
	need_bulk
	random_file "$T/in" 3M
	traced sendfile -e inject=sendfile:retval=0:when=1
	sends file in
	SOCKCAT=$real
	traced sendfile -e inject=sendfile:retval=0:when=2
	sends file in
}

# ---- urgent bytes -----------------------------------------------------------

# urgent TO MARKS [ARGS...]: a peer's urgent bytes end nothing, all others
# arrive.
urgent() {
	local to=$1 marks=$2 i
	shift 2

	for i in {1..4000}; do
		echo "line $i of what goes with urgent bytes"
	done >"$T/in"
	peer_py oob urgent.py --file "$T/in" --marks "$marks" --every 3001
	case $to in
	file) sockcat "$@" 127.0.0.1 "$PORT" >"$T/got" </dev/null ;;
	pipe) sockcat "$@" 127.0.0.1 "$PORT" </dev/null | cat >"$T/got" ;;
	*) on_socket "$to" --out "$T/got" "$@" 127.0.0.1 "$PORT" ;;
	esac
	tr -d '!' <"$T/got" >"$T/plain"
	same in plain
	wait_exit oob
}

@test "an urgent byte is not the end: to a pipe" {
	urgent pipe 1
	urgent pipe 1 -d
	urgent pipe 100
	urgent pipe 1 -q 5
}

@test "an urgent byte is not the end: to a socket" {
	urgent tcp 1
	urgent unix 1 -d
	urgent tcp 100
	urgent unix 1 -q 5
	urgent tcp 1 --idle-timeout 20
}

@test "an urgent byte is not the end: to a file" {
	urgent file 1
	urgent file 100
}

# after_urgent TO: silence after an urgent byte is waited for without work,
# and what follows it arrives.
after_urgent() {
	local i

	rm -f "$T/go"
	seq 9000 >"$T/in"
	peer_py oob urgent.py --file "$T/in" --every 1001 --until "$T/go"
	if [ "$1" = pipe ]; then
		feed cat
		start_with - cat bash -c '"$0" "$@" | cat' "$SOCKCAT" -v \
			127.0.0.1 "$PORT"
	else
		start cat "${python[@]}" "$PEERS/socket_run.py" --out \
			"$T/cat.out" "$SOCKCAT" -v -d 127.0.0.1 "$PORT"
	fi
	wait_size cat.out 1001
	for i in {1..20}; do
		_pause
	done
	: >"$T/go"
	wait_line oob.out '^sent'
	end_of cat
	wait_exit oob
	wait_exit cat
	tr -d '!' <"$T/cat.out" >"$T/plain"
	same in plain
	[ "$(calls '(recvfrom|splice|poll)\(')" -lt 300 ] ||
		fail "$(calls '(recvfrom|splice|poll)\(') calls"
}

@test "silence after an urgent byte is no work: to a pipe, to a socket" {
	need_fast
	need_bulk
	traced recvfrom,splice,poll
	after_urgent pipe
	SOCKCAT=$real
	rm "$T/trace"
	traced recvfrom,splice,poll
	after_urgent socket
}

# ---- standard input and output of every kind --------------------------------

@test "sockets as standard input and output, small queues" {
	random_file "$T/in" 2M
	[ "${VARIANT:-}" != torture ] || random_file "$T/in" 40k
	for kind in tcp unix; do
		sends "$kind" in
		receives "$kind" in
		receives "$kind" in -q 5
	done
}

@test "input begins where the file stands, and leaves it at its end" {
	random_file "$T/in" 300k
	peer_py sink sink.py
	exec {in}<"$T/in"
	head -c 100000 <&"$in" >/dev/null
	sockcat 127.0.0.1 "$PORT" <&"$in"
	[ "$(wc -c <&"$in")" -eq 0 ]
	exec {in}<&-
	wait_exit sink
	tail -c +100001 "$T/in" >"$T/rest"
	grep -q "^received 207200 $(sha256 rest) end\$" "$T/sink.out"
}

@test "a file that grows or shrinks while it is sent" {
	local size

	for size in 4500000 3000000; do
		truncate -s 4000000 "$T/in"
		rm -f "$T/go"
		start sink "${python[@]}" -c 'import sys
sys.path.insert(0, sys.argv.pop(1))
import os, time, peer
a = peer.args("").parse_args(sys.argv[2:])
a.rcvbuf = 100000
s = peer.server(a)
c = s.accept()[0]
while not os.path.exists(sys.argv[1]):
    time.sleep(.02)
peer.sink(c)' "$PEERS" "$T/go"
		wait_line sink.out .
		{ read -r PORT _; } <"$T/sink.out"
		start_with "$T/in" cat "$SOCKCAT" -v --sndbuf 100k \
			127.0.0.1 "$PORT"
		wait_line cat.err succeeded
		truncate -s "$size" "$T/in"
		: >"$T/go"
		wait_exit sink 30
		grep -q "^received $size .* end\$" "$T/sink.out"
		wait_exit cat
		[ "$status" -eq 0 ]
	done
}

@test "an output file in append mode gets all after what it has" {
	random_file "$T/in" 1M
	[ "${VARIANT:-}" != torture ] || random_file "$T/in" 40k
	echo 'was there' >"$T/log"
	peer_py source source.py --file "$T/in"
	sockcat -d 127.0.0.1 "$PORT" >>"$T/log"
	{ echo 'was there'; cat "$T/in"; } >"$T/want"
	same want log
}

# between_pipes SIZE ARGS...: run the program between two pipes of that size,
# and print how large they are after that; `limited' where we may have no
# pipes of 1 MiB.
between_pipes() {
	"${python[@]}" -c 'import fcntl, os, subprocess, sys
def size(pipe, new):
    fcntl.fcntl(pipe[0], 1031, new)
pipes = [os.pipe(), os.pipe()]
for p in pipes:
    try:
        size(p, 1 << 20)
    except PermissionError:
        print("limited")
        sys.exit()
    size(p, int(sys.argv[1]))
os.write(pipes[0][1], b"x")
os.close(pipes[0][1])
subprocess.run(sys.argv[2:], stdin=pipes[0][0], stdout=pipes[1][1],
               check=True, timeout=60)
print([fcntl.fcntl(p[0], 1032) for p in pipes])' "$@"
}

@test "pipes grow to 1 MiB" {
	need_fast
	peer_py echo echo_loop.py
	run between_pipes 65536 "$SOCKCAT" 127.0.0.1 "$PORT"
	[[ $output == *limited* || $output == '[1048576, 1048576]' ]] ||
		fail "$output"
}

@test "pipes that are large stay as they are" {
	need_fast
	traced fcntl,fcntl64
	peer_py echo echo_loop.py
	run between_pipes 1048576 "$SOCKCAT" 127.0.0.1 "$PORT"
	[[ $output == *limited* || $output == '[1048576, 1048576]' ]] ||
		fail "$output"
	[[ $output == *limited* ]] || some 'fcntl(64)?\(0, F_GETPIPE_SZ'
	[[ $output == *limited* ]] || none 'fcntl.*F_SETPIPE_SZ'
}

@test "an ordinary user whose pipes stay small" {
	local user=61234

	need_fast
	need setpriv
	[ "$(id -u)" -eq 0 ] || skip "only root can become another user"
	setpriv --reuid "$user" --regid "$user" --clear-groups "$SOCKCAT" \
		-V >/dev/null 2>&1 || skip "another user cannot run sockcat"
	random_file "$T/in" 8M
	[ "${VARIANT:-}" != torture ] || random_file "$T/in" 100k
	# A process that has all the large pipes this user may have, and runs
	# a pipeline with what is left.
	start srv setpriv --reuid "$user" --regid "$user" --clear-groups \
		"${python[@]}" -c 'import fcntl, os, subprocess, sys
pipes = []
try:
    while len(pipes) < 200:
        pipes.append(os.pipe())
        fcntl.fcntl(pipes[-1][0], 1031, 1 << 20)
except OSError:
    pass
left, right = os.pipe()
cat = subprocess.Popen(["cat"], stdin=left)
os.close(left)
s = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=right)
os.close(right)
cat.wait()
sys.exit(s.returncode)' "$SOCKCAT" -v -l -d 127.0.0.1 0
	_announced srv
	cat "$T/in" | sockcat 127.0.0.1 "$PORT"
	wait_exit srv 30
	[ "$status" -eq 0 ]
	same in srv.out
}

# ---- datagrams in batches ---------------------------------------------------

# The client of these tests: says hello, waits for the word on its input, and
# sends what the arguments say: N datagrams of SIZE bytes, every fifth empty,
# among them those of a stranger.
burst='
import sys, peer, lean_socket as socket
p = peer.args("", client=True, udp=True)
p.add_argument("--count", type=int, default=60)
p.add_argument("--size", type=int, default=50)
p.add_argument("--stranger", action="store_true")
a = p.parse_args()
s, other = peer.client(a), peer.client(a)
s.send(b"hello\n")
sys.stdin.readline()
for i in range(a.count):
    s.send(b"%0*d\n" % (a.size - 1, i))
    if i % 5 == 0:
        s.send(b"")
    if a.stranger:
        other.send(b"from somebody else\n")
peer.say("sent")
'

# expected COUNT SIZE: what standard output is to have.
expected() {
	local i

	echo hello
	for ((i = 0; i < $1; i++)); do
		printf '%0*d\n' $(($2 - 1)) "$i"
	done
}

# stopped_for_burst ARGS...: the listener srv is stopped while all of a burst
# is sent to it; the first argument says how.
stopped_for_burst() {
	local pid
	pid=$(pid_of srv)

	feed peer
	[ ! -s "$T/trace" ] || read -r pid _ <"$T/trace"
	start_with - peer "${python[@]}" -c "import sys
sys.path.insert(0, sys.argv.pop(1))
$burst" "$PEERS" "$@" "$PORT"
	wait_size srv.out 6
	kill -STOP "$pid"
	send_to peer $'go\n'
	wait_line peer.out '^sent$'
	kill -CONT "$pid"
}

# burst_arrives COUNT SIZE: all of it is on standard output, in order.
burst_arrives() {
	expected "$1" "$2" >"$T/want"
	wait_size srv.out "$(wc -c <"$T/want")"
	same want srv.out
}

@test "a burst of datagrams: taken together, written together" {
	need_fast
	need_bulk
	traced recvmsg,recvmmsg,write,writev
	listen srv -u 127.0.0.1 0
	stopped_for_burst
	burst_arrives 60 50
	some 'recvmmsg\(.* = [1-9][0-9]'
	[ "$(calls 'writev?\(1,')" -lt 20 ]
	none 'recvmsg\(.*, 0\) = ' 'write\(1,'
}

@test "a burst of datagrams over IPv6 and Unix" {
	need_ipv6
	listen srv -u ::1 0
	stopped_for_burst -6
	burst_arrives 60 50
	stop srv
	listen srv -u -U "$T/sock"
	feed peer2
	start_with - peer2 "${python[@]}" -c "import sys
sys.path.insert(0, sys.argv.pop(1))
$burst" "$PEERS" -U "$T/sock"
	send_to peer2 $'go\n'
	burst_arrives 60 50
}

@test "a burst with a stranger in it: only the first peer is heard" {
	listen srv -u 127.0.0.1 0
	stopped_for_burst --stranger
	burst_arrives 60 50
	stop srv
	same want srv.out
}

@test "a burst for -k: everybody is heard, whole datagrams" {
	listen srv -u -k 127.0.0.1 0
	stopped_for_burst --stranger
	wait_size srv.out $((6 + 60 * (50 + 19)))
	grep -v '^from somebody else$' "$T/srv.out" >"$T/got"
	expected 60 50 >"$T/want"
	same want got
}

@test "large datagrams into a pipe that is full and does not block" {
	mkfifo "$T/out"
	exec {hold}<>"$T/out"
	start srv "${python[@]}" -c 'import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK)
os.dup2(fd, 1)
os.execv(sys.argv[2], sys.argv[2:])' "$T/out" "$SOCKCAT" -v -l -u 127.0.0.1 0
	_announced srv -u
	expected 24 4000 >"$T/want"
	feed peer
	start_with - peer "${python[@]}" -c "import sys
sys.path.insert(0, sys.argv.pop(1))
$burst" "$PEERS" --count 24 --size 4000 "$PORT"
	send_to peer $'go\n'
	wait_line peer.out '^sent$'
	# More than the pipe holds has come; nobody has read yet.
	start reader head -c "$(wc -c <"$T/want")" "$T/out"
	wait_exit reader 20
	same want reader.out
	exec {hold}<&-
}

@test "interrupted, and an output that would block: no datagram is lost" {
	need_fast
	need_bulk
	traced recvmmsg,writev -e inject=recvmmsg:error=EINTR:when=1+2 \
		-e inject=writev:error=EAGAIN:when=1+2
	listen srv -u 127.0.0.1 0
	stopped_for_burst
	burst_arrives 60 50
	some 'recvmmsg.*EINTR.*INJECTED' 'writev.*EAGAIN.*INJECTED'
}

@test "no room for an answer, be it empty: it is sent again" {
	need_fast
	peer_py empty udp_answer.py --empty
	traced sendmsg -e inject=sendmsg:error=ENOBUFS:when=1+2
	listen srv -uk --forward "127.0.0.1:$PORT" 127.0.0.1 0
	run -0 "${python[@]}" "$PEERS/udp_client.py" --message one \
	    --message two --show-size "$PORT"
	[ "$output" = $'0\n0' ]
	some 'sendmsg.*ENOBUFS.*INJECTED'
}

@test "a datagram alone is written at once" {
	listen srv -u 127.0.0.1 0
	feed peer
	start_with - peer "$SOCKCAT" -u 127.0.0.1 "$PORT"
	send_to peer $'one\n'
	wait_size srv.out 4
	send_to peer $'two\n'
	wait_size srv.out 8
}

@test "the answers to a client, many at once" {
	local i

	peer_py answer udp_answer.py --copies 40
	feed cat
	start_with - cat "$SOCKCAT" -u 127.0.0.1 "$PORT"
	send_to cat $'question\n'
	wait_size cat.out 360
	for i in {1..40}; do
		echo question
	done >"$T/want"
	end_of cat
	wait_exit cat
	[ "$status" -eq 0 ]
	same want cat.out
}

@test "datagrams for nobody: standard output closed ends it by SIGPIPE" {
	start srv bash -c '"$0" -v -l -u 127.0.0.1 0 | head -n 1
echo "${PIPESTATUS[0]}" >"$1"' "$SOCKCAT" "$T/status"
	_announced srv -u
	feed peer
	start_with - peer "$SOCKCAT" -u 127.0.0.1 "$PORT"
	send_to peer $'one\n'
	wait_size srv.out 4
	again() {
		send_to peer $'more\n'
		[ -s "$T/status" ]
	}
	wait_for 10 again
	[ "$(cat "$T/status")" -eq 141 ]
}

@test "a Unix peer that is gone ends the session, and nothing spins" {
	feed srv
	listen_with - srv -u -U "$T/sock"
	"${python[@]}" -c 'import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[2])
s.connect(sys.argv[1])
s.send(b"hello\n")
s.close()
os.unlink(sys.argv[2])' "$T/sock" "$T/gone"
	wait_size srv.out 6
	send_to srv $'answer\n'
	wait_exit srv
	[ "$status" -eq 1 ]
	grep -q '; 7 bytes not delivered$' "$T/srv.err"
}
