#!/usr/bin/env bats
#
# exec.bats: -c and --exec, a command attached to a connection.
#
# bats file_tags=slow

# shellcheck disable=SC2016,SC2030,SC2031,SC2153,SC2154
load helpers

setup() {
	helpers_setup
	# Commands name files and peers by these.
	export T PEERS PYTHON
	streams=(tcp unix)
	paths=0
}

# serve KIND NAME ARGS...: a listener on an address (tcp: 127.0.0.1) or a Unix
# socket (unix; new for each); to: what a client writes for it, sockcat or one
# of test/peers.
serve() {
	local kind=${1/tcp/127.0.0.1} name=$2 path=$T/s$((++paths))
	shift 2

	rm -f "$T/$name.err" "$T/$name.out"
	if [ "$kind" = unix ]; then
		listen "$name" "$@" -U "$path"
		to=(-U "$path")
	else
		listen "$name" "$@" "$kind" 0
		to=("$kind" "$PORT")
	fi
}

# meet KIND NAME SCRIPT ARGS...: a server of test/peers, tcp or unix; to as
# above.
meet() {
	local kind=$1 name=$2 script=$3 path=$T/s$((++paths))
	shift 3

	if [ "$kind" = unix ]; then
		peer_py "$name" "$script" -U "$path" "$@"
		to=(-U "$path")
	else
		peer_py "$name" "$script" "$@"
		to=("$ADDR" "$PORT")
	fi
}

# py SCRIPT ARGS...: one of test/peers in the foreground, at most 60 s.
py() {
	local ms script=$1
	shift

	_ms 60
	timeout -s KILL "$((ms / 1000))" "${python[@]}" "$PEERS/$script" "$@"
}

# dead NAME...: each of the files $T/NAME holds the ids of processes that are
# gone.
dead() {
	local name pid

	for name; do
		while read -r pid; do
			_gone "$pid" || return 1
		done <"$T/$name"
	done
}

# children PID: how many it has, the unreaped ones too.
children() {
	ps -o pid= --ppid "$1" | wc -l
}

no_children() {
	[ "$(children "$1")" -eq 0 ]
}

one_child() {
	[ "$(children "$1")" -eq 1 ]
}

# descriptors PID: how many it has open.
descriptors() {
	local all=("/proc/$1/fd"/*)

	echo "${#all[@]}"
}

descriptors_at_most() {
	(($(descriptors "$1") <= $2))
}

# received FILE BYTES: a peer's report of so many bytes and an orderly end.
received() {
	wait_line "$1" '^received ' 60
	grep -qE "^received $2 [0-9a-f]{64} end\$" "$T/$1" ||
		fail "not $2 bytes and an end: $(cat "$T/$1")"
}

# received_file FILE DATA: the same, the bytes of the file DATA.
received_file() {
	wait_line "$1" '^received ' 60
	grep -qx "received $(wc -c <"$T/$2") $(sha256 "$2") end" "$T/$1" ||
		fail "not the bytes of $2: $(cat "$T/$1")"
}

# whole FILE DATA: the same for a peer whose request nobody reads: all bytes
# came; the end may be a reset.
whole() {
	wait_line "$1" '^received ' 60
	grep -qE "^received $(wc -c <"$T/$2") $(sha256 "$2") (end|reset)\$" \
	    "$T/$1" || fail "not the bytes of $2: $(cat "$T/$1")"
}

# A command that never ends by itself, with children and theirs in its group.
# Their ids: $T/one, $T/two, $T/three.
family='
sh -c '\''sleep 100 & echo $! >"$T/three"; wait; :'\'' &
echo $! >"$T/two"
echo $$ >"$T/one"
wait
wait
:'

# family_there: all of them have started.
family_there() {
	wait_size one 2
	wait_size two 2
	wait_size three 2
}

# family_gone: none of them is left.
family_gone() {
	wait_for 20 dead one two three
	rm "$T/one" "$T/two" "$T/three"
}

# said NAME REGEX: besides -v there is one line, which matches.
said() {
	local lines

	lines=$(grep '^sockcat: ' "$T/$1.err") || :
	[[ $lines =~ ^sockcat:\ $2$ && $lines != *$'\n'* ]] ||
		fail "not '$2': $(cat -v "$T/$1.err")"
}

# silent NAME: nothing was said that -v does not say.
silent() {
	if grep '^sockcat: ' "$T/$1.err"; then
		fail "$1 should have been silent"
	fi
}

# ---- the command and its connection ---------------------------------------

@test "-lkc: a command a peer, one after the other and together" {
	for kind in "${streams[@]}"; do
		feed one
		serve "$kind" srv -kc 'echo hello; tr a-z A-Z'
		start_with - one sockcat "${to[@]}"
		wait_line one.out '^hello$'
		for text in two three; do
			run -0 sockcat "${to[@]}" <<<"$text"
			[ "$output" = "hello
${text^^}" ]
		done
		send_to one one
		end_of one
		ended one 0
		[ "$(cat "$T/one.out")" = "hello
ONE" ]
		stop srv
		[ "$status" -eq 143 ]
		[ ! -s "$T/srv.out" ]
		silent srv
		rm "$T/one.in"
	done
}

@test "-lc: one peer, others are refused, then the end" {
	for kind in "${streams[@]}"; do
		feed one
		serve "$kind" srv -c 'echo hello; cat'
		start_with - one sockcat "${to[@]}"
		wait_line one.out '^hello$'
		run -1 sockcat "${to[@]}"
		alive srv
		end_of one
		ended one 0
		ended srv 0
		silent srv
		[ "$kind" != unix ] || [ ! -e "$PORT" ]
		rm "$T/one.in"
	done
}

@test "over IPv6" {
	need_ipv6
	serve ::1 srv -c 'tr a-z A-Z'
	run -0 sockcat "${to[@]}" <<<"hello"
	[ "$output" = HELLO ]
	ended srv 0
}

@test "over an abstract Unix name" {
	need_abstract
	listen srv -kc 'tr a-z A-Z' -U "@sockcat-exec-$$-$BATS_TEST_NUMBER"
	run -0 sockcat -U "$ADDR" <<<"hello"
	[ "$output" = HELLO ]
}

@test "as a client: the command talks to the listener" {
	for kind in "${streams[@]}"; do
		meet "$kind" srv source.py --bytes 1000 --end half
		run -0 sockcat -c 'wc -c >"$T/count"; echo "$((1 + 1))"' \
		    "${to[@]}"
		[ -z "$output" ]
		[ "$(tr -d ' ' <"$T/count")" = 1000 ]
		received srv.out 2
		ended srv 0
	done
}

@test "as a client: --exec" {
	meet tcp srv source.py --bytes 100000 --end half
	run -0 sockcat --exec cat "${to[@]}"
	[ -z "$output" ]
	received srv.out 100000
}

@test "a command on either end" {
	random_file "$T/data" 5M
	serve tcp srv -c 'cat "$T/data"'
	run -0 sockcat -c 'cat >"$T/copy"' "${to[@]}"
	ended srv 0
	same data copy
}

@test "-c goes through /bin/sh" {
	serve tcp srv -kc 'x="a  b"; echo "$x" | tr a-z A-Z; echo $((6 * 7))'
	run -0 sockcat "${to[@]}"
	[ "$output" = "A  B
42" ]
}

@test "--exec: split at spaces and tabs, no shell, found in PATH" {
	serve tcp srv -k --exec \
	    $'  printf \t%s|   $HOME ;echo\t\t"a b" *  '
	run -0 sockcat "${to[@]}"
	[ "$output" = '$HOME|;echo|"a|b"|*|' ]
}

@test "the last -c wins" {
	serve tcp srv -c 'echo one' -c 'echo two'
	run -0 sockcat "${to[@]}"
	[ "$output" = two ]
}

@test "20 MB both ways at the same time" {
	need_bulk
	random_file "$T/data" 20M
	for kind in "${streams[@]}"; do
		serve "$kind" srv -c cat
		sockcat "${to[@]}" <"$T/data" >"$T/back"
		same data back
		ended srv 0
	done
}

@test "a file, whole, to each of several receivers" {
	random_file "$T/data" 3M
	serve tcp srv -kc 'cat "$T/data"'
	for n in 1 2 3 4 5; do
		client_py "peer$n" sink.py --connect --slow 65536,0.002 \
		    "${to[@]}"
	done
	for n in 1 2 3 4 5; do
		received_file "peer$n.out" data
	done
}

@test "sockcat's own standard input is not touched" {
	serve tcp srv -kc cat
	printf 'one\ntwo\n' >"$T/in"
	{
		sockcat -c 'head -n 1 >"$T/got"' "${to[@]}" &&
			cat >"$T/rest"
	} <"$T/in" &
	# The command waits for a line that never comes from a file.
	wait_for 10 test -e "$T/got"
	stop srv
	wait "$!"
	same rest in
}

@test "... a listener's" {
	feed srv
	listen_with - srv -c 'cat; echo well' 127.0.0.1 0
	send_to srv $'for nobody\n'
	run -0 sockcat 127.0.0.1 "$PORT" <<<"hello"
	[ "$output" = "hello
well" ]
	ended srv 0
	[ ! -s "$T/srv.out" ]
}

@test "standard error is sockcat's own" {
	serve tcp srv -kc 'echo out; echo err >&2'
	run -0 sockcat "${to[@]}"
	[ "$output" = out ]
	wait_line srv.err '^err$'
	run -0 --separate-stderr sockcat -c 'echo err >&2' "${to[@]}"
	[ "$stderr" = err ]
	[ -z "$output" ]
}

# ---- what the command finds -----------------------------------------------

look='exec "$PYTHON" -S -E -B "$PEERS/command.py"'

@test "descriptors 0 and 1 are the TCP socket itself, nothing else is open" {
	serve tcp srv -kc "$look"
	run -0 sockcat -v "${to[@]}"
	wait_line srv.err '^Connection received on 127.0.0.1 [0-9]+$'
	peer=$(sed -n 's/^Connection received on //p' "$T/srv.err")
	[ "${lines[1]}" = 'fds 0 1 2' ]
	[ "${lines[2]}" = '0 stream patient blocking' ]
	[ "${lines[3]}" = '1 stream patient blocking' ]
	[ "${lines[4]}" = one ]
	[ "${lines[5]}" = "local 127.0.0.1 $PORT" ]
	[ "${lines[6]}" = "remote $peer" ]
}

@test "... the Unix socket" {
	serve unix srv -kc "$look"
	run -0 sockcat "${to[@]}"
	[ "${lines[0]}" = 'fds 0 1 2' ]
	[ "${lines[1]}" = '0 stream patient blocking' ]
	[ "${lines[2]}" = '1 stream patient blocking' ]
	[ "${lines[3]}" = one ]
	[ "${lines[4]}" = "local $PORT" ]
}

@test "... a client's socket" {
	for kind in "${streams[@]}"; do
		serve "$kind" srv -k
		run -0 sockcat -c "$look" "${to[@]}"
		wait_line srv.out '^remote '
		grep -qx 'fds 0 1 2' "$T/srv.out"
		grep -qx '0 stream patient blocking' "$T/srv.out"
		grep -qx one "$T/srv.out"
		grep -qx "remote ${to[*]#-U}" "$T/srv.out" ||
			[ "$kind" = unix ]
		stop srv
	done
}

@test "... with many others connected, some of them silent" {
	serve tcp srv -kc 'if IFS= read -r l && [ "$l" = look ]; then
	    '"$look"'; fi; printf "%s\n" "$l"; exec cat'
	client_py stall stall.py --connect "${to[@]}"
	for n in 1 2 3 4 5 6 7 8; do
		feed "p$n"
		start_with - "p$n" sockcat "${to[@]}"
		send_to "p$n" "hello"$'\n'
		wait_line "p$n.out" hello
	done
	run -0 sockcat "${to[@]}" <<<look
	[ "${lines[0]}" = 'fds 0 1 2' ]
	for n in 1 2 3 4 5 6 7 8; do
		end_of "p$n"
		ended "p$n" 0
	done
}

@test "... while others come at the same time" {
	serve tcp srv -kc "$look"
	for n in 1 2 3 4 5 6 7 8 9 10; do
		start "p$n" sockcat "${to[@]}"
	done
	for n in 1 2 3 4 5 6 7 8 9 10; do
		ended "p$n" 0
		grep -qx 'fds 0 1 2' "$T/p$n.out" ||
			fail "$(cat "$T/p$n.out")"
	done
}

@test "sockcat's own 0 and 1 closed: the command has its connection" {
	closed() {
		exec "$SOCKCAT" -v -lkU "$T/sock" -c "$look" <&- >&-
	}
	start srv closed
	wait_line srv.err '^Listening on'
	run -0 sockcat -U "$T/sock"
	[ "${lines[0]}" = 'fds 0 1 2' ]
	[ "${lines[1]}" = '0 stream patient blocking' ]
	[ "${lines[3]}" = one ]
}

@test "descriptors that sockcat inherited do not reach the command" {
	exec 7</dev/null 9>"$T/nine"
	inherit() {
		exec 7</dev/null 9>>"$T/nine" "$SOCKCAT" -v -lk \
		    -c "$look" 127.0.0.1 0
	}
	start srv inherit
	exec 7<&- 9>&-
	_announced srv
	run -0 sockcat 127.0.0.1 "$PORT"
	[ "${lines[0]}" = 'fds 0 1 2' ]
}

# signals FILE: what its lines of Sig... say, but for 32 and 33: they are the
# thread library's own.
signals() {
	local name set

	while read -r name set; do
		printf '%s %x\n' "$name" $((16#$set & ~0x180000000))
	done <"$1"
}

@test "signals are what they were before, none ignored or blocked" {
	need_linux
	start base grep -E '^Sig(Ign|Blk)' /proc/self/status
	ended base 0
	for args in -k --udp; do
		serve tcp srv -k $args --exec \
		    'grep -E ^Sig(Ign|Blk) /proc/self/status'
		if [ "$args" = --udp ]; then
			py udp_client.py "${to[@]}" --message x >"$T/now"
		else
			sockcat "${to[@]}" >"$T/now" </dev/null
		fi
		[ "$(signals "$T/now")" = "$(signals "$T/base.out")" ]
		stop srv
	done
	meet tcp peer sink.py
	sockcat -c 'grep -E "^Sig(Ign|Blk)" /proc/self/status >"$T/now"' \
	    "${to[@]}"
	[ "$(signals "$T/now")" = "$(signals "$T/base.out")" ]
}

@test "what a peer had not taken when it reset is said, the command being over" {
	need_acks
	need_bulk
	serve tcp srv -O 1M -c 'head -c 300000 /dev/zero; >"$T/over"'
	feed peer
	start_with - peer "${python[@]}" "$PEERS/rst.py" --connect \
		--mode line --rcvbuf 4096 "${to[@]}"
	wait_line peer.out ready
	wait_for 10 test -e "$T/over"
	send_to peer $'\n'
	ended srv 1
	said srv 'connection to .* failed: Connection reset by peer; [1-9][0-9]* bytes not delivered'
}

@test "a broken pipe in the command ends it as ever" {
	serve tcp srv -kc 'yes 2>&1 | head -n 1'
	run -0 sockcat "${to[@]}"
	[ "$output" = y ]
}

@test "the scheduling policy is what it was before" {
	need_linux
	policy='sed "s/.*) //" /proc/self/stat | cut -d " " -f 39'
	serve tcp srv -kc "$policy"
	[ "$(sockcat "${to[@]}" </dev/null)" = "$(sh -c "$policy")" ]
}

@test "RLIMIT_NOFILE is what it was before" {
	start srv bash -c 'ulimit -Sn 200 && ulimit -Hn 1000 && exec "$@"' - \
	    "$SOCKCAT" -v -lkc 'ulimit -Sn; ulimit -Hn' 127.0.0.1 0
	_announced srv
	run -0 sockcat 127.0.0.1 "$PORT"
	[ "$output" = "200
1000" ]
	meet tcp peer sink.py
	bash -c 'ulimit -Sn 200 && ulimit -Hn 1000 && exec timeout 30 "$@"' - \
	    "$SOCKCAT" -c 'ulimit -Sn; ulimit -Hn' "${to[@]}"
	received peer.out 9
}

@test "the command leads a process group, not sockcat's" {
	need ps
	serve tcp srv -kc 'echo $$; ps -o pgid= -p $$; cat'
	run -0 sockcat "${to[@]}"
	[ "${lines[0]}" -eq "${lines[1]}" ]
	[ "${lines[0]}" -ne "$pid_srv" ]
}

# ---- variables ------------------------------------------------------------

vars='env | grep -E "^(PROTO|(TCP|UDP|UNIX)[A-Z]*)=" | sort'

@test "variables: TCP" {
	for kind in 127.0.0.1 ::1; do
		[ "$kind" = 127.0.0.1 ] || need_ipv6
		serve "$kind" srv -kc "$vars"
		run -0 sockcat "${to[@]}"
		wait_line srv.err '^Connection received on '
		port=$(sed -n "s/^Connection received on $kind //p" \
		    "$T/srv.err")
		[ "$output" = "PROTO=TCP
TCPLOCALIP=$kind
TCPLOCALPORT=$PORT
TCPREMOTEIP=$kind
TCPREMOTEPORT=$port" ]
		stop srv
	done
}

@test "variables: TCP as a client" {
	serve tcp srv
	run -0 sockcat -s 127.0.0.3 -c "$vars" "${to[@]}"
	ended srv 0
	port=$(sed -n 's/^Connection received on 127.0.0.3 //p' "$T/srv.err")
	[ "$(cat "$T/srv.out")" = "PROTO=TCP
TCPLOCALIP=127.0.0.3
TCPLOCALPORT=$port
TCPREMOTEIP=127.0.0.1
TCPREMOTEPORT=$PORT" ]
}

@test "variables: the address that was connected to, of all of them" {
	serve 0.0.0.0 srv -kc 'echo "$TCPLOCALIP $TCPREMOTEIP"'
	run -0 sockcat -s 127.0.0.3 127.0.0.2 "$PORT"
	[ "$output" = '127.0.0.2 127.0.0.3' ]
}

@test "variables: an IPv4 peer of an IPv6 socket is an IPv4 peer" {
	need_ipv6
	start srv "${python[@]}" -c 'import os, socket, sys
s = socket.socket(socket.AF_INET6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
s.bind(("::", 0))
s.listen(8)
if s.fileno() != 3:
    os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], sys.argv[1:])' "$SOCKCAT" -v -lkc "$vars; env |
	    grep -c ^LISTEN_; $look"
	_announced srv
	run -0 sockcat -s 127.0.0.3 127.0.0.2 "$PORT"
	[ "${lines[1]}" = TCPLOCALIP=127.0.0.2 ]
	[ "${lines[2]}" = "TCPLOCALPORT=$PORT" ]
	[ "${lines[3]}" = TCPREMOTEIP=127.0.0.3 ]
	[ "${lines[5]}" = 0 ]
	[ "${lines[6]}" = 'fds 0 1 2' ]
}

@test "variables: a Unix socket" {
	serve unix srv -kc "$vars"
	run -0 sockcat "${to[@]}"
	[ "${lines[0]}" = PROTO=UNIX ]
	[ "${lines[1]}" = "UNIXLOCALPATH=$PORT" ]
	# Nothing that could be taken for a path.
	[ "${lines[2]:-UNIXREMOTEPATH=}" = UNIXREMOTEPATH= ]
	run -0 "${python[@]}" -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.connect(sys.argv[2])
s.shutdown(socket.SHUT_WR)
print(s.makefile().read())' "$T/mine" "$PORT"
	[ "${lines[0]}" = PROTO=UNIX ]
	[ "${lines[1]}" = "UNIXLOCALPATH=$PORT" ]
	[ "${lines[2]}" = "UNIXREMOTEPATH=$T/mine" ]
}

@test "variables: a Unix socket as a client" {
	serve unix srv
	run -0 sockcat -c 'echo "$PROTO $UNIXREMOTEPATH"' "${to[@]}"
	ended srv 0
	[ "$(cat "$T/srv.out")" = "UNIX $PORT" ]
}

@test "variables: UDP" {
	for kind in 127.0.0.1 ::1; do
		[ "$kind" = 127.0.0.1 ] || need_ipv6
		serve "$kind" srv -kuc "x=\$($vars); printf '%s\n' \"\$x\""
		run -0 py udp_client.py "${to[@]}" --message x
		[ "${lines[0]}" = PROTO=UDP ]
		[ "${lines[1]}" = "UDPLOCALIP=$kind" ]
		[ "${lines[2]}" = "UDPLOCALPORT=$PORT" ]
		[ "${lines[3]}" = "UDPREMOTEIP=$kind" ]
		[[ ${lines[4]} =~ ^UDPREMOTEPORT=[0-9]+$ ]]
		stop srv
	done
}

@test "the rest of the environment is passed on" {
	FRUIT='a  pear' PROTOCOL=mine listen srv -kc 'echo "$FRUIT, $PROTOCOL"' \
	    127.0.0.1 0
	run -0 sockcat 127.0.0.1 "$PORT"
	[ "$output" = 'a  pear, mine' ]
}

# ---- exit status ----------------------------------------------------------

@test "a listener without -k ends with the command's status" {
	for kind in "${streams[@]}"; do
		for command in 0:true 7:'echo hi; exit 7' 1:false \
		    255:'exit 255' 137:'kill -9 $$' 143:'kill $$' \
		    127:nosuchcommand; do
			serve "$kind" srv -c "${command#*:}"
			sockcat "${to[@]}" >/dev/null </dev/null
			ended srv "${command%%:*}"
		done
	done
}

@test "a client ends with the command's status" {
	for command in 0:true 7:'echo hi; cat; exit 7' 137:'kill -9 $$' \
	    143:'kill $$' 127:nosuchcommand; do
		meet tcp "srv${command%%:*}" half_close.py
		run "-${command%%:*}" sockcat -c "${command#*:}" "${to[@]}"
	done
}

# nothing_from WHERE...: a peer gets nothing there, but an end or a reset.
nothing_from() {
	run --separate-stderr sockcat "$@"
	[ "$status" -le 1 ] || fail "status $status: $stderr"
	[ -z "$output" ]
}

@test "--exec of what is not there: 127 and one line" {
	serve tcp srv --exec '/no/such/file with words'
	nothing_from "${to[@]}"
	ended srv 127
	said srv 'cannot run /no/such/file.*: No such file or directory'
	meet tcp peer sink.py
	run -127 sockcat --exec no-such-command "${to[@]}"
	[ "$output" = \
	    "sockcat: cannot run no-such-command: No such file or directory" ]
	wait_line peer.out '^received 0 '
}

@test "--exec of what cannot be run: 126 and one line" {
	echo 'echo hello' >"$T/plain"
	meet tcp peer sink.py --clients 2
	cd "$T"
	run -126 sockcat --exec ./plain "${to[@]}"
	[ "$output" = "sockcat: cannot run ./plain: Permission denied" ]
	run -126 sockcat --exec / "${to[@]}"
	[ "${#lines[@]}" -eq 1 ]
	serve tcp srv --exec ./plain
	nothing_from "${to[@]}"
	ended srv 126
	said srv 'cannot run ./plain: Permission denied'
}

@test "with -k a command that cannot run costs its peer only" {
	mkdir "$T/bin"
	for kind in "${streams[@]}"; do
		PATH=$T/bin:$PATH serve "$kind" srv -k --exec later
		for n in 1 2 3; do
			nothing_from "${to[@]}"
		done
		wait_lines srv.err '^sockcat: cannot run later: ' 3
		printf '#!/bin/sh\nexec tr a-z A-Z\n' >"$T/bin/later"
		chmod +x "$T/bin/later"
		run -0 sockcat "${to[@]}" <<<hello
		[ "$output" = HELLO ]
		rm "$T/bin/later"
		stop srv
	done
}

@test "with -k the status of a command is nobody's concern" {
	serve tcp srv -kc 'read -r how; eval "$how"'
	for how in 'exit 3' 'kill -9 $$' nosuchcommand 'echo fine'; do
		run -0 sockcat "${to[@]}" <<<"$how"
	done
	[ "$output" = fine ]
	alive srv
	silent srv
	stop srv
	[ "$status" -eq 143 ]
}

@test "SIGCHLD ignored at start: the status is still the command's" {
	start srv "${python[@]}" -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])' "$SOCKCAT" -v -lc 'exit 7' 127.0.0.1 0
	_announced srv
	sockcat 127.0.0.1 "$PORT" </dev/null
	ended srv 7
}

@test "the status comes once the output is delivered" {
	for kind in "${streams[@]}"; do
		serve "$kind" srv -c 'head -c 3000000 /dev/zero; exit 5'
		py unasked.py --bytes 0 --slow 65536,0.01 "${to[@]}" >"$T/report"
		received report 3000000
		ended srv 5
	done
}

@test "a peer that keeps its end open does not keep sockcat" {
	for kind in "${streams[@]}"; do
		serve "$kind" srv -c 'echo hi; exit 3'
		client_py stall stall.py --connect "${to[@]}"
		ended srv 3
		stop stall
		meet "$kind" peer stall.py
		run -4 sockcat -c 'echo hi; exit 4' "${to[@]}"
		stop peer
	done
}

# ---- half-close -----------------------------------------------------------

@test "a peer that half-closed gets an answer seconds later, whole" {
	random_file "$T/data" 3M
	serve tcp srv -kc 'cat >/dev/null; sleep 2; cat "$T/data"'
	client_py one half_close.py --connect --send request "${to[@]}"
	client_py two source.py --connect --bytes 300000 --end half "${to[@]}"
	serve unix uni -kc 'cat >/dev/null; sleep 2; cat "$T/data"'
	client_py three half_close.py --connect --send request "${to[@]}"
	client_py four source.py --connect --bytes 300000 --end half "${to[@]}"
	for name in one two three four; do
		received_file "$name.out" data
	done
	silent srv
	silent uni
}

@test "... in pieces, with pauses of more than a second" {
	serve tcp srv -c 'echo one; cat; sleep 1.5; echo two; sleep 1.5
	    echo three; exit 9'
	run -0 sockcat "${to[@]}" <<<request
	[ "$output" = "one
request
two
three" ]
	ended srv 9
}

@test "... without -k, and from a client's command" {
	random_file "$T/data" 3M
	for kind in "${streams[@]}"; do
		serve "$kind" srv -c 'cat >/dev/null; sleep 1.5; cat "$T/data"; exit 6'
		client_py "c$kind" half_close.py --connect "${to[@]}"
		received_file "c$kind.out" data
		ended srv 6
		meet "$kind" "s$kind" half_close.py --send request
		run -6 sockcat -c 'cat; sleep 1.5; cat "$T/data"; exit 6' "${to[@]}"
		{ printf request; cat "$T/data"; } >"$T/all"
		received_file "s$kind.out" all
	done
}

@test "a command that closed its output still gets all of its input" {
	random_file "$T/data" 5M
	for kind in "${streams[@]}"; do
		serve "$kind" srv -c 'exec 1>&-; sleep 0.3; cat >"$T/got"; exit 4'
		run -0 py source.py --connect --file "$T/data" "${to[@]}"
		ended srv 4
		same data got
		meet "$kind" "s$kind" source.py --file "$T/data"
		run -4 sockcat -c 'exec 1>&-; sleep 0.3; cat >"$T/got"; exit 4' \
		    "${to[@]}"
		same data got
	done
}

@test "a command that closed its input still gets its output out" {
	random_file "$T/data" 5M
	for kind in "${streams[@]}"; do
		serve "$kind" srv -c 'exec 0<&-; sleep 0.3; cat "$T/data"; exit 4'
		run -0 py unasked.py --bytes 1000 --half "${to[@]}"
		echo "$output" >"$T/report"
		whole report data
		ended srv 4
	done
}

@test "a peer that sends all and closes: the command reads all, at its pace" {
	random_file "$T/data" 1M
	serve tcp srv -kc 'sleep 2; cat >"$T/got"; echo well >"$T/well"'
	run -0 py source.py --connect --file "$T/data" "${to[@]}"
	wait_size got 1048576 30
	wait_line well well 30
	same data got
	silent srv
}

@test "... over Unix" {
	random_file "$T/data" 100k
	for limit in '' 60; do
		serve unix srv -k ${limit:+"--idle-timeout" "$limit"} -c 'sleep 2; cat >"$T/got"'
		run -0 py source.py --connect --file "$T/data" "${to[@]}"
		wait_size got 102400 30
		same data got
		stop srv
		rm "$T/got"
	done
}

@test "... to a client's command" {
	random_file "$T/data" 1M
	meet tcp peer source.py --file "$T/data"
	run -5 sockcat -c 'sleep 2; cat >"$T/got"; exit 5' "${to[@]}"
	same data got
	random_file "$T/data" 100k
	meet unix upeer source.py --file "$T/data"
	run sockcat -c 'sleep 2; cat >"$T/got"; exit 5' "${to[@]}"
	same data got
}

@test "a command that ends both ways itself may go on working" {
	serve tcp srv -c 'exec "$PYTHON" -S -E -B "$PEERS/finisher.py" \
	    --write "$T/work"'
	run -0 sockcat "${to[@]}" <<<request
	[ "$output" = well ]
	ended srv 6
	[ "$(cat "$T/work")" = worked ]
}

@test "20 MB of output are whole though the request was not read" {
	need_bulk
	random_file "$T/data" 20M
	for name in tcp unix; do
		serve "$name" "srv$name" -kc 'cat "$T/data"'
		client_py "one$name" unasked.py --pause 0.5 --slow 262144,0.01 \
		    "${to[@]}"
		client_py "two$name" unasked.py --half --slow 262144,0.01 \
		    "${to[@]}"
	done
	for name in tcp unix; do
		whole "one$name.out" data
		whole "two$name.out" data
	done
}

@test "... without -k, and the status is the command's" {
	need_bulk
	random_file "$T/data" 20M
	for kind in "${streams[@]}"; do
		serve "$kind" srv -c 'cat "$T/data"; exit 8'
		client_py "p$kind" unasked.py --pause 0.5 "${to[@]}"
		whole "p$kind.out" data
		ended srv 8
	done
}

@test "a short answer to a request that was not read, many times" {
	serve tcp srv -kc 'echo well'
	for n in {1..20}; do
		client_py "p$n" unasked.py --bytes 100000 --half "${to[@]}"
	done
	echo well >"$T/data"
	for n in {1..20}; do
		whole "p$n.out" data
	done
}

@test "a background job that holds the socket keeps the connection" {
	printf 'early\nlate\n' >"$T/data"
	for kind in "${streams[@]}"; do
		serve "$kind" srv -kc '(sleep 1.5; echo late) & echo early'
		run -0 py half_close.py --connect "${to[@]}"
		echo "$output" >"$T/report"
		received_file report data
		stop srv
		# Without -k sockcat need not wait for it.
		serve "$kind" srv -c '(sleep 1.5; echo late) & echo early; exit 3'
		run -0 py half_close.py --connect "${to[@]}"
		echo "$output" >"$T/report"
		received_file report data
		ended srv 3
	done
}

@test "... one in a session of its own" {
	need setsid
	need_acks	# else only a FIN, and what follows it, can tell
	serve tcp srv -kc 'setsid sh -c "echo x >\"\$T/away\"
	    sleep 1.5; echo late" &
	    until [ -s "$T/away" ]; do sleep 0.05; done; echo early'
	run -0 py half_close.py --connect "${to[@]}"
	echo "$output" >"$T/report"
	printf 'early\nlate\n' >"$T/data"
	received_file report data
}

@test "... one that reads" {
	random_file "$T/data" 1M
	serve tcp srv -kc 'exec 3<&0
	    (sleep 1; cat <&3 >"$T/got"; echo well) & exec 3<&-; echo early'
	run -0 py source.py --connect --file "$T/data" --end half "${to[@]}"
	[[ $output == *"received 11 "*" end"* ]]
	same data got
}

# ---- the peer is gone -----------------------------------------------------

@test "a reset ends the command with all its children" {
	feed peer
	serve tcp srv -kc "$family"
	start_with - peer "${python[@]}" "$PEERS/rst.py" --connect \
	    --mode line "${to[@]}"
	family_there
	send_to peer $'\n'
	family_gone
	ended peer 0
	alive srv
	need ps
	wait_for 10 no_children "$pid_srv"
}

@test "... also one that came after the peer's half-close" {
	feed peer
	serve tcp srv -kc "echo x; $family"
	start_with - peer "${python[@]}" "$PEERS/rst.py" --connect \
	    --mode half --bytes 2 --line "${to[@]}"
	family_there
	send_to peer $'\n'
	family_gone
	wait_line peer.out '^reset 2$'
}

@test "... after output that was not read" {
	feed peer
	serve tcp srv -kc "head -c 200000 /dev/zero; $family"
	start_with - peer "${python[@]}" "$PEERS/rst.py" --connect \
	    --mode line "${to[@]}"
	family_there
	send_to peer $'\n'
	family_gone
}

@test "... without -k, and as a client: sockcat ends, not with 0" {
	feed peer
	serve tcp srv -c "$family"
	start_with - peer "${python[@]}" "$PEERS/rst.py" --connect \
	    --mode line "${to[@]}"
	family_there
	send_to peer $'\n'
	wait_exit srv 30
	[ "$status" -ne 0 ]
	family_gone
	feed lis
	start_with - lis "${python[@]}" "$PEERS/rst.py" --mode line
	wait_line lis.out '^[0-9]+ '
	read -r PORT ADDR <"$T/lis.out"
	start cat sockcat -c "$family" "$ADDR" "$PORT"
	family_there
	send_to lis $'\n'
	wait_exit cat 30
	[ "$status" -ne 0 ]
	family_gone
}

@test "a command that ignores SIGTERM is killed" {
	feed peer
	serve tcp srv -kc "trap '' TERM; $family"
	start_with - peer "${python[@]}" "$PEERS/rst.py" --connect \
	    --mode line "${to[@]}"
	family_there
	send_to peer $'\n'
	family_gone
	alive srv
}

@test "... by SIGTERM first, so that it can clean up" {
	feed peer
	serve tcp srv -kc 'trap "echo cleaned >\"\$T/said\"; exit" TERM
	    echo $$ >"$T/one"; while :; do sleep 0.1; done'
	start_with - peer "${python[@]}" "$PEERS/rst.py" --connect \
	    --mode line "${to[@]}"
	wait_size one 2
	send_to peer $'\n'
	wait_line said cleaned 20
	wait_for 20 dead one
}

@test "a child that ignores SIGTERM is killed though the command has ended" {
	feed peer
	serve tcp srv -kc 'sh -c "trap \"\" TERM; sleep 100 & echo \$! \$\$ |
	    tr \" \" \"\\n\" >\"\$T/two\"; wait; :" &
	    echo $$ >"$T/one"; wait; :'
	start_with - peer "${python[@]}" "$PEERS/rst.py" --connect \
	    --mode line "${to[@]}"
	wait_size one 2
	wait_size two 4
	send_to peer $'\n'
	wait_for 20 dead one two
}

@test "a Unix peer that closed ends the command with all its children" {
	feed peer
	serve unix srv -kc "$family"
	start_with - peer "${python[@]}" "$PEERS/rst.py" --connect \
	    --mode line "${to[@]}"
	family_there
	send_to peer $'\n'
	family_gone
	alive srv
}

@test "... as a client; sockcat ends" {
	feed lis
	start_with - lis "${python[@]}" "$PEERS/rst.py" --mode line \
	    -U "$T/sock"
	wait_line lis.out .
	start cat sockcat -c "$family" -U "$T/sock"
	family_there
	send_to lis $'\n'
	wait_exit cat 30
	family_gone
}

@test "a command that writes without end is over when the peer is" {
	for kind in "${streams[@]}"; do
		serve "$kind" srv -kc 'echo $$ >"$T/one"; exec yes'
		py rst.py --connect --mode read --bytes 100000 "${to[@]}"
		wait_for 20 dead one
		alive srv
		serve "$kind" lis -c 'echo $$ >"$T/one"; exec yes'
		py rst.py --connect --mode read --bytes 100000 "${to[@]}"
		wait_exit lis 30
		wait_for 20 dead one
		stop srv
	done
}

# ---- many -----------------------------------------------------------------

# many: skip where 500 peers find no descriptors.
many() {
	local most

	need ps
	most=$(ulimit -Hn)
	[ "$most" = unlimited ] || ((most >= 2100)) ||
		skip "too few descriptors"
}

@test "500 commands at once: all answer, all are reaped" {
	many
	_ms 60
	feed crowd
	serve tcp srv -kc cat
	fds=$(descriptors "$pid_srv")
	start_with - crowd "${python[@]}" "$PEERS/crowd.py" --clients 500 \
	    --hold --limit "$((ms / 1000))" "${to[@]}"
	wait_line crowd.out '^(holding|late|failed)' 60
	grep -qx 'holding 500' "$T/crowd.out"
	[ "$(children "$pid_srv")" -eq 500 ]
	send_to crowd $'\n'
	ended crowd 0
	grep -qx 'served 500 of 500 500000' "$T/crowd.out"
	wait_for 20 no_children "$pid_srv"
	wait_for 20 descriptors_at_most "$pid_srv" $((fds + 40))
	run -0 sockcat "${to[@]}" <<<again
	[ "$output" = again ]
	silent srv
}

@test "... over Unix, with --exec, that come and go" {
	many
	_ms 60
	serve unix srv -k --exec cat
	py crowd.py --clients 500 --limit "$((ms / 1000))" "${to[@]}" \
	    >"$T/report"
	grep -qx 'served 500 of 500 500000' "$T/report"
	wait_for 20 no_children "$pid_srv"
	silent srv
}

@test "commands end while others stay: no zombies, no descriptors lost" {
	need ps
	feed one
	serve tcp srv -kc cat
	start_with - one sockcat "${to[@]}"
	send_to one $'hello\n'
	wait_line one.out hello
	fds=$(descriptors "$pid_srv")
	for n in {1..4}; do
		py crowd.py --clients 25 --limit 60 "${to[@]}" >/dev/null
	done
	wait_for 20 one_child "$pid_srv"
	wait_for 20 descriptors_at_most "$pid_srv" $((fds + 10))
	end_of one
	ended one 0
}

@test "more peers than descriptors: they wait, and all are served" {
	_ms 60
	start srv bash -c 'ulimit -n 40 && exec "$@"' - \
	    "$SOCKCAT" -v -lkc cat 127.0.0.1 0
	_announced srv
	py crowd.py --clients 100 --limit "$((ms / 1000))" 127.0.0.1 "$PORT" \
	    >"$T/report" || fail "$(sort "$T/report" | uniq -c)"
	grep -qx 'served 100 of 100 100000' "$T/report"
	[ "$(grep -c '^sockcat: ' "$T/srv.err")" -le 1 ]
}

@test "-m: so many commands at once, the others wait" {
	for kind in "${streams[@]}"; do
		: >"$T/log"
		serve "$kind" srv -k -m 2 -c 'echo started >>"$T/log"; cat'
		for n in 1 2 3; do
			feed "p$n"
			start_with - "p$n" sockcat "${to[@]}"
			[ "$n" -eq 3 ] || wait_lines log started "$n"
		done
		send_to p3 $'hello\n'
		stays p3 0.3
		[ "$(wc -l <"$T/log")" -eq 2 ]
		end_of p1
		ended p1 0
		wait_lines log started 3
		wait_line p3.out hello
		end_of p2
		end_of p3
		ended p3 0
		ended p2 0
		stop srv
		rm "$T"/p?.in
	done
}

@test "-m 1: a peer that keeps its end open does not keep the place" {
	serve tcp srv -k -m 1 -c 'echo hi'
	client_py stall stall.py --connect "${to[@]}"
	wait_line stall.out connected
	run -0 sockcat "${to[@]}"
	[ "$output" = hi ]
}

@test "--count: so many commands, and it ends when they have" {
	serve tcp srv -k --count 3 -c 'cat; exit 9'
	feed one
	start_with - one sockcat "${to[@]}"
	send_to one $'hello\n'
	wait_line one.out hello
	for n in 1 2; do
		run -0 sockcat "${to[@]}" <<<hello
		[ "$output" = hello ]
	done
	alive srv
	send_to one $'there\n'
	wait_line one.out there
	end_of one
	ended one 0
	ended srv 0
}

# ---- signals --------------------------------------------------------------

# A command whose children, in the foreground, obey SIGINT too.  One that comes
# while dash is about to fork would be kept until that child has ended.
nested='sh -c '\''echo $$ >>"$T/two"; exec sleep 100'\''; :'

@test "SIGTERM, SIGINT and SIGHUP reach the commands; sockcat dies of them" {
	for sig in TERM INT HUP; do
		: >"$T/one"
		: >"$T/two"
		serve tcp srv -kc "echo \$\$ >>\"\$T/one\"; $nested"
		for n in 1 2 3; do
			client_py "p$n" stall.py --connect "${to[@]}"
			wait_lines two . "$n"
		done
		stop srv $sig
		[ "$status" -eq $((128 + $(kill -l $sig))) ]
		wait_for 20 dead one two
		for n in 1 2 3; do
			stop "p$n"
		done
	done
}

@test "... the very signal" {
	for sig in TERM INT HUP; do
		: >"$T/said"
		serve unix srv -kc "trap 'echo $sig >\"\$T/said\"; exit' $sig
		    echo ready; while :; do sleep 0.1; done"
		client_py peer sink.py --connect "${to[@]}"
		# What follows ready comes when the trap is set.
		start dog sockcat -d "${to[@]}"
		wait_line dog.out ready
		stop srv $sig
		[ "$status" -eq $((128 + $(kill -l $sig))) ]
		wait_line said "$sig" 20
		[ ! -e "$PORT" ]
		stop dog
		stop peer
	done
}

@test "... without -k, and as a client" {
	for sig in TERM INT; do
		: >"$T/one"
		: >"$T/two"
		serve tcp srv -c "echo \$\$ >>\"\$T/one\"; $nested"
		client_py peer stall.py --connect "${to[@]}"
		wait_lines two . 1
		stop srv $sig
		[ "$status" -eq $((128 + $(kill -l $sig))) ]
		wait_for 20 dead one two
		stop peer
		: >"$T/one"
		: >"$T/two"
		meet tcp peer stall.py
		start cat sockcat -c "echo \$\$ >>\"\$T/one\"; $nested" \
		    "${to[@]}"
		wait_lines two . 1
		stop cat $sig
		[ "$status" -eq $((128 + $(kill -l $sig))) ]
		wait_for 20 dead one two
		stop peer
	done
}

@test "a SIGTERM while nobody is connected" {
	for args in -c -kc -uc -kuc; do
		serve tcp srv $args cat
		stop srv
		[ "$status" -eq 143 ]
		silent srv
	done
}

# ---- who can reach it -----------------------------------------------------

# bound_to KIND: the addresses, in hexadecimal, that PORT is bound to.
bound_to() {
	local hex

	printf -v hex %04X "$PORT"
	awk -v port="$hex" -v state="$2" '
	    { n = split($2, a, ":") }
	    a[n] == port && $4 == state { print a[1] }' "/proc/net/$1" \
	    "/proc/net/${1}6" | sort
}

@test "without a host a command is reached from this machine only" {
	need_linux
	for args in '-kc cat 0' '-kc cat -p 0' '-kc cat :0' '-k --exec cat 0'; do
		# shellcheck disable=SC2086
		listen srv $args
		run bound_to tcp 0A
		[ "${lines[-1]}" = 0100007F ]
		[ "${#lines[@]}" -eq 1 ] ||
			[ "${lines[0]}" = 00000000000000000000000001000000 ]
		[ "${#lines[@]}" -le 2 ]
		grep -qx "Listening on 127.0.0.1 $PORT" "$T/srv.err"
		run -0 sockcat 127.0.0.1 "$PORT" <<<hello
		[ "$output" = hello ]
		run -1 sockcat 127.0.0.2 "$PORT"
		stop srv
		rm "$T/srv.err"
	done
}

@test "... datagrams" {
	need_linux
	listen srv -kuc cat 0
	run bound_to udp 07
	[ "${lines[-1]}" = 0100007F ]
	[ "${#lines[@]}" -eq 1 ] ||
		[ "${lines[0]}" = 00000000000000000000000001000000 ]
	[ "${#lines[@]}" -le 2 ]
	run -0 py udp_client.py 127.0.0.1 "$PORT" --message hello
	[ "$output" = hello ]
}

@test "... both families, where there are two" {
	need_ipv6
	listen srv -kc cat 0
	[ "$(sort "$T/srv.err")" = "Listening on 127.0.0.1 $PORT
Listening on ::1 $PORT" ]
	run -0 sockcat ::1 "$PORT" <<<hello
	[ "$output" = hello ]
	listen four -4 -kc cat 0
	[ "$(cat "$T/four.err")" = "Listening on 127.0.0.1 $PORT" ]
	listen six -6 -kc cat 0
	[ "$(cat "$T/six.err")" = "Listening on ::1 $PORT" ]
	listen udp -u -kc cat 0
	[ "$(sort "$T/udp.err")" = "Bound on 127.0.0.1 $PORT
Bound on ::1 $PORT" ]
	run -0 py udp_client.py ::1 "$PORT" --message hello
	[ "$output" = hello ]
}

@test "... without -k the one peer may come to either" {
	need_ipv6
	for kind in 127.0.0.1 ::1; do
		listen srv -c cat 0
		run -0 sockcat "$kind" "$PORT" <<<hello
		[ "$output" = hello ]
		ended srv 0
	done
}

@test "0.0.0.0 named is open" {
	serve 0.0.0.0 srv -kc cat
	[ "$(cat "$T/srv.err")" = "Listening on 0.0.0.0 $PORT" ]
	for addr in 127.0.0.1 127.0.0.2; do
		run -0 sockcat "$addr" "$PORT" <<<hello
		[ "$output" = hello ]
	done
}

@test ":: named is open" {
	need_ipv6
	serve :: srv -kc cat
	[ "$(sed 1q "$T/srv.err")" = "Listening on :: $PORT" ]
	run -0 sockcat ::1 "$PORT" <<<hello
	[ "$output" = hello ]
}

# ---- time limits ----------------------------------------------------------

@test "--idle-timeout ends a silent command with all its children" {
	for kind in "${streams[@]}"; do
		serve "$kind" srv --idle-timeout 2 -c "$family"
		client_py stall stall.py --connect "${to[@]}"
		ended srv 124
		said srv '.*'
		family_gone
		stop stall
	done
}

@test "... with -k that connection only" {
	feed peer
	serve tcp srv -k --idle-timeout 2 -c "$family"
	client_py stall stall.py --connect "${to[@]}"
	family_there
	family_gone
	alive srv
	stop stall
	serve tcp srv2 -k --idle-timeout 2 -c cat
	run -0 sockcat "${to[@]}" <<<hello
	[ "$output" = hello ]
}

@test "... as a client, too" {
	meet tcp peer stall.py
	run -124 sockcat --idle-timeout 2 -c "$family" "${to[@]}"
	[ "${#lines[@]}" -eq 1 ]
	family_gone
}

@test "... until then it changes nothing" {
	need_bulk
	random_file "$T/data" 20M
	limit=(--idle-timeout 60)
	for kind in "${streams[@]}"; do
		# Both ways at once, and the status.
		serve "$kind" srv "${limit[@]}" -c 'cat; exit 5'
		sockcat "${to[@]}" <"$T/data" >"$T/back"
		same data back
		ended srv 5
		# Output closed.
		serve "$kind" srv "${limit[@]}" \
		    -c 'exec 1>&-; cat >"$T/got"; exit 4'
		run -0 py source.py --connect --file "$T/data" "${to[@]}"
		ended srv 4
		same data got
	done
	serve tcp srv "${limit[@]}" -kc "$vars; $look"
	run -0 sockcat -s 127.0.0.2 "${to[@]}"
	[ "${lines[0]}" = PROTO=TCP ]
	[ "${lines[2]}" = "TCPLOCALPORT=$PORT" ]
	[ "${lines[3]}" = TCPREMOTEIP=127.0.0.2 ]
	[ "${lines[5]}" = 'fds 0 1 2' ]
	[ "${lines[6]}" = '0 stream patient blocking' ]
}

@test "... a late answer to a request that is not read is whole" {
	need_bulk
	random_file "$T/data" 20M
	for name in tcp unix; do
		serve "$name" "srv$name" --idle-timeout 60 \
		    -kc 'sleep 1.5; cat "$T/data"'
		for n in 1 2 3; do
			client_py "$name$n" unasked.py --half \
			    --slow 262144,0.005 "${to[@]}"
		done
	done
	for name in tcp unix; do
		for n in 1 2 3; do
			whole "$name$n.out" data
		done
	done
}

@test "... the peer's reset still ends the command" {
	for kind in "${streams[@]}"; do
		feed peer
		serve "$kind" srv --idle-timeout 60 -kc "$family"
		start_with - peer "${python[@]}" "$PEERS/rst.py" --connect \
		    --mode line "${to[@]}"
		family_there
		send_to peer $'\n'
		family_gone
		alive srv
		ended peer 0
		stop srv
		end_of peer
		rm "$T/peer.in"
	done
}

@test "--max-time ends the command with all its children" {
	for args in -c -kc; do
		serve tcp srv --max-time "$((3 * TIME_FACTOR))" \
		    $args "$family"
		client_py stall stall.py --connect "${to[@]}"
		ended srv 124
		said srv 'the time of --max-time passed'
		family_gone
		stop stall
	done
}

@test "-w: nobody came" {
	for args in '-c true' '-kc true' '-u -c cat'; do
		# shellcheck disable=SC2086
		run -124 sockcat -w 0.3 -l $args 127.0.0.1 0
		[ "${#lines[@]}" -eq 1 ]
	done
	run -124 sockcat -w 0.3 -lc true -U "$T/sock"
	[ ! -e "$T/sock" ]
}

@test "-w: a client cannot connect; no command is run" {
	full_backlog
	run -124 sockcat -w 0.3 -c 'echo ran >"$T/ran"' 127.0.0.1 "$PORT"
	[ "${#lines[@]}" -eq 1 ]
	free_port
	run -1 sockcat -c 'echo ran >"$T/ran"' 127.0.0.1 "$PORT"
	[ "$output" = \
	    "sockcat: connect to 127.0.0.1 port $PORT (tcp) failed: Connection refused" ]
	[ ! -e "$T/ran" ]
}

# ---- datagrams ------------------------------------------------------------

# dgrams KIND NAME ARGS...: as serve, for datagrams (udp: 127.0.0.1).
dgrams() {
	serve "${1/udp/127.0.0.1}" "$2" -u "${@:3}"
}

# Says its process id with each line.
tell='while read -r l; do echo "$$ $l"; done'

@test "UDP: one command a peer" {
	for kind in udp unix; do
		dgrams "$kind" srv -kc "$tell"
		run -0 py udp_client.py "${to[@]}" --message $'a\n' \
		    --message $'b\n' --message $'c\n'
		first=${lines[0]% *}
		[ "$output" = "$first a
$first b
$first c" ]
		run -0 py udp_client.py "${to[@]}" --message $'d\n' \
		    --message $'e\n'
		second=${lines[0]% *}
		[ "$output" = "$second d
$second e" ]
		[ "$first" -ne "$second" ]
		[ ! -s "$T/srv.out" ]
		stop srv
	done
}

@test "UDP: over IPv6" {
	need_ipv6
	dgrams ::1 srv -kc "$tell"
	run -0 py udp_client.py "${to[@]}" --message $'a\n' --message $'b\n'
	[[ $output =~ ^([0-9]+)\ a$'\n'([0-9]+)\ b$ ]]
	[ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]
}

@test "UDP: each write is a datagram" {
	dgrams udp srv -kc 'read -r l; printf one; printf two; printf three
	    dd if=/dev/zero bs=8000 count=1 2>/dev/null; cat'
	run -0 py udp_client.py "${to[@]}" --show-size --message $'go\n' \
	    --listen 3
	[ "$output" = "3
3
5
8000" ]
}

@test "UDP: a datagram of 60,000 bytes reaches the command whole" {
	dgrams udp srv -kc 'head -c 60000 | cksum'
	"${python[@]}" -c 'import os
os.write(1, bytes(i * 7 & 255 for i in range(60000)))' >"$T/data"
	run -0 py udp_client.py "${to[@]}" --size 60000
	[ "$output" = "$(cksum <"$T/data")" ]
}

@test "UDP: an empty datagram is not an end" {
	dgrams udp srv -kc "$tell"
	run -0 py udp_client.py "${to[@]}" --no-wait --message '' \
	    --message $'a\n' --listen 1
	[[ $output =~ ^[0-9]+\ a$ ]]
}

@test "UDP: answers leave from the address that was written to" {
	dgrams 0.0.0.0 srv -kc "$tell"
	for addr in 127.0.0.1 127.0.0.5; do
		run -0 py udp_client.py "$addr" "$PORT" --message $'a\n' \
		    --message $'b\n'
		[ "${#lines[@]}" -eq 2 ]
	done
}

@test "UDP: 50 peers at once" {
	dgrams udp srv -kc "$tell"
	run -0 timeout -s KILL 60 "${python[@]}" -c 'import socket, sys
all = []
for i in range(50):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(30)
    s.connect(("127.0.0.1", int(sys.argv[1])))
    all.append(s)
pids = set()
for text in ("a", "b"):
    for i, s in enumerate(all):
        s.send(b"%s%d\n" % (text.encode(), i))
    for i, s in enumerate(all):
        pid, word = s.recv(100).decode().split()
        assert word == "%s%d" % (text, i), word
        pids.add(pid)
print(len(pids))' "$PORT"
	[ "$output" = 50 ]
}

@test "UDP: a peer whose command has ended gets another one" {
	dgrams udp srv -kc 'read -r l; echo "$$ $l"'
	run -0 py udp_again.py "${to[@]}" --rounds 3
	[ "${#lines[@]}" -eq 3 ]
	need ps
	wait_for 20 no_children "$pid_srv"
	silent srv
}

@test "UDP: a peer that is silent is forgotten, its command ended" {
	dgrams udp srv -k --idle-timeout 1 \
	    -c 'trap "" TERM; cat >"$T/got"; echo eof >"$T/eof"'
	py udp_client.py "${to[@]}" --no-wait --message $'hello\n'
	wait_line eof eof 20
	[ "$(cat "$T/got")" = hello ]
	alive srv
	stop srv
	dgrams udp srv -k --idle-timeout 1 -c 'cat; cat /dev/null; echo >"$T/ended"'
	py udp_client.py "${to[@]}" --no-wait --message x
	wait_line ended '^$' 20
	stop srv
	dgrams udp srv -k --idle-timeout 2 -c "trap '' TERM; $family"
	py udp_client.py "${to[@]}" --no-wait --message x
	family_there
	family_gone
	alive srv
}

@test "UDP: ... also one that does not read what is sent" {
	dgrams udp srv -k --idle-timeout 2 -c "$family"
	"${python[@]}" -c 'import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.1", int(sys.argv[1])))
for i in range(200):
    s.send(b"x" * 1000)
    time.sleep(0.001)' "$PORT"
	family_there
	family_gone
	alive srv
}

@test "UDP: -m makes the longest silent one go" {
	dgrams udp srv -k -m 2 -c "$tell"
	for n in 1 2 3; do
		run -0 py udp_client.py "${to[@]}" --message "$n"$'\n'
		echo "${output% *}" >"$T/pid$n"
		[ "$n" -gt 1 ] || stays srv 2
	done
	wait_for 20 dead pid1
	for n in 2 3; do
		if dead "pid$n"; then
			fail "command $n has ended"
		fi
	done
}

@test "UDP: without -k the first peer's command, and its status" {
	dgrams udp srv -c 'read -r l; echo "got $l"; read -r l
	    echo "got $l"; exit 5'
	run -0 py udp_client.py "${to[@]}" --message $'a\n' --message $'b\n'
	[ "$output" = "got a
got b" ]
	ended srv 5
}

@test "UDP: without -k others are not heard" {
	dgrams udp srv -c "$tell"
	feed one
	start_with - one sockcat -u "${to[@]}"
	send_to one $'a\n'
	wait_line one.out ' a$'
	run py udp_client.py "${to[@]}" --timeout 0.5 --message $'b\n'
	[ "$output" = "no answer" ] || [[ $output == error* ]]
	send_to one $'c\n'
	wait_line one.out ' c$'
	run ! grep -q b "$T/one.out"
}

@test "UDP: as a client" {
	meet tcp peer udp_answer.py -u --prefix '>'
	run -4 sockcat -u -c 'echo one; read -r l; echo "$l" >"$T/got"
	    echo two; read -r l; echo "$l" >>"$T/got"; exit 4' "${to[@]}"
	[ "$(cat "$T/got")" = ">one
>two" ]
	meet unix upeer udp_answer.py -u
	run -5 sockcat -u -c 'echo one; read -r l; echo "$l" >"$T/got"
	    exit 5' "${to[@]}"
	[ "$(cat "$T/got")" = one ]
}

@test "UDP: as a client, nobody there: the command is ended" {
	free_port -u
	for rest in 'while :; do sleep 0.1; echo x; done' \
	    'sleep 100; :' 'echo y; exec sleep 100'; do
		run -1 sockcat -u -c 'echo $$ >"$T/one"; echo x; '"$rest" \
		    127.0.0.1 "$PORT"
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == *'Connection refused'* ]]
		wait_for 20 dead one
	done
}

@test "UDP: a command that cannot run" {
	dgrams udp srv -k --exec /no/such/file
	py udp_client.py "${to[@]}" --no-wait --message x
	wait_line srv.err '^sockcat: cannot run /no/such/file'
	stays srv 0.2
	[ "$(grep -c '^sockcat: cannot run' "$T/srv.err")" -eq 1 ]
	py udp_client.py "${to[@]}" --no-wait --message x
	wait_lines srv.err 'cannot run /no/such/file' 2 # said once, else with -v
	[ "$(grep -c '^sockcat: cannot run' "$T/srv.err")" -eq 1 ]
	dgrams udp lis --exec /no/such/file
	py udp_client.py "${to[@]}" --no-wait --message x
	ended lis 127
}

@test "UDP: nothing but 0, 1 and 2 is open, nor is it blocked" {
	dgrams udp srv -kc "x=\$(exec 3<&-; $look); echo \"\$x\" | head -n 1"
	for n in 1 2 3; do
		run -0 py udp_client.py "${to[@]}" --message x
		[ "$output" = 'fds 0 1 2' ]
	done
}

@test "UDP: SIGTERM reaches the commands" {
	: >"$T/one"
	: >"$T/two"
	dgrams udp srv -kc "echo \$\$ >>\"\$T/one\"; $nested"
	for n in 1 2 3; do
		py udp_client.py "${to[@]}" --no-wait --message x
		wait_lines two . "$n"
	done
	stop srv
	[ "$status" -eq 143 ]
	wait_for 20 dead one two
}

# ---- what makes no sense --------------------------------------------------

# misused ARGS...: a usage error.
misused() {
	run -2 sockcat "$@"
	[ "${#lines[@]}" -eq 2 ] || fail "$*: $output"
	[[ ${lines[0]} == 'sockcat: '* ]]
	[[ ${lines[1]} == *--help* ]]
}

@test "combinations that make no sense are refused" {
	for c in -c --sh-exec --exec; do
		for with in -e -b --broker --chat '--forward 127.0.0.1:9' \
		    --send-only --no-shutdown; do
			# shellcheck disable=SC2086
			misused -l "$c" cat $with 127.0.0.1 0
			[[ $output == *"$c"* || $output == *"${with%% *}"* ]]
			# shellcheck disable=SC2086
			misused -lk "$c" cat $with 127.0.0.1 0
		done
		for with in -e -b -z --send-only --no-shutdown -k \
		    '-m 3' '--count 2'; do
			# shellcheck disable=SC2086
			misused "$c" cat $with 127.0.0.1 9
		done
		misused -l "$c" '' 127.0.0.1 0
		misused -l "$c" $' \t ' 127.0.0.1 0
		misused "$c"
		misused -l -m 3 "$c" cat 127.0.0.1 0
	done
	misused -l -c cat --exec cat 127.0.0.1 0
	misused -l -k -u --count 2 -c cat 127.0.0.1 0
}

# ---- what it is for -------------------------------------------------------

@test "an HTTP answer in one line, which curl accepts" {
	need curl
	serve tcp srv -kc 'printf "HTTP/1.0 200 OK\r\n\r\nhello\n"'
	for n in {1..10}; do
		run -0 curl -sS --noproxy '*' --max-time 30 \
		    "http://127.0.0.1:$PORT/"
		[ "$output" = hello ]
	done
}

@test "an HTTP answer with a body of 5 MB to a POST that is not read" {
	need curl
	random_file "$T/data" 5M
	random_file "$T/body" 300k
	serve tcp srv -kc 'printf "HTTP/1.0 200 OK\r\n\r\n"; cat "$T/data"'
	run -0 curl -sS --noproxy '*' --max-time 30 -o "$T/got" \
	    "http://127.0.0.1:$PORT/"
	same data got
	# What curl makes of an answer before it has sent all is its own
	# affair; what comes must be right.
	run -0 curl -sS --noproxy '*' --max-time 30 -o "$T/got" -H Expect: \
	    --data-binary "@$T/body" "http://127.0.0.1:$PORT/"
	same data got
}
