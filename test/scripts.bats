#!/usr/bin/env bats
#
# What scripts need: --port-file, --ready-fd, -f, sockets that are inherited
# (LISTEN_FDS), and --retry.

# shellcheck disable=SC2013,SC2016,SC2030,SC2031,SC2154
load helpers

# What -f leaves behind carries the test's name in its environment.
setup() {
	helpers_setup
	mkdir "$T/dir"
}

teardown() {
	local file pid

	for pid in $(detached); do
		kill "$pid" 2>/dev/null || :
		if ! wait_for 2 _gone "$pid" 2>/dev/null; then
			kill -KILL "$pid" 2>/dev/null || :
		fi
	done
	# What a sanitizer found, which has no standard error to say it on.
	for file in "$T"/san.*; do
		[ ! -e "$file" ] || mv "$file" "$file.err"
	done
	helpers_teardown
}

# fails STATUS REGEX ARGS...: sockcat ends like that, with one line that
# matches (two for a usage error).
fails() {
	local expect=$1 regex=$2 n=1

	shift 2
	run sockcat "$@" </dev/null
	[ "$status" -eq "$expect" ] || fail "$*: status $status: $output"
	[ "$expect" -ne 2 ] || n=2
	[ "${#lines[@]}" -eq "$n" ] || fail "$*: not $n lines: $output"
	[[ ${lines[0]} =~ ^sockcat:\ .*$regex ]] || fail "$*: $output"
}

# holds FILE TEXT: FILE is there soon, and says that.
holds() {
	wait_for 10 test -e "$1"
	[ "$(cat "$1")" = "$2" ] || fail "$1 says $(cat "$1"), not $2"
}

# echoes ARGS...: an echo answers there (-u: ARGS are HOST PORT).
echoes() {
	local back cmd=(sockcat -w 20)

	if [ "$1" = -u ]; then
		shift
		cmd=("${python[@]}" "$PEERS/udp_client.py" --message hello
		    --timeout 15)
	fi
	back=$(echo hello | "${cmd[@]}" "$@")
	[ "$back" = hello ] || fail "no echo at $*: $back"
}

# refused ARGS...: nobody listens there.
refused() {
	local status=0

	sockcat -z -w 20 "$@" 2>/dev/null || status=$?
	[ "$status" -eq 1 ]
}

# mode_args MODE: set words to options that make a listener of that mode.
modes=(-l -lk -le -lke -lb --chat -lc -lkc --forward -k--forward)
mode_args() {
	case $1 in
	--chat) words=(-l --chat) ;;
	-lc) words=(-l -c cat) ;;
	-lkc) words=(-lk -c cat) ;;
	--forward) words=(-l --forward 127.0.0.1:9) ;;
	-k--forward) words=(-lk --forward 127.0.0.1:9) ;;
	*) words=("$1") ;;
	esac
}

#
# --port-file
#

@test "--port-file: the address and the port, in every mode" {
	local mode

	for mode in "${modes[@]}"; do
		mode_args "$mode"
		listen lis "${words[@]}" --port-file "$T/dir/port" 127.0.0.1 0
		holds "$T/dir/port" "127.0.0.1 $PORT"
		# Nothing else was left there.
		[ "$(ls -A "$T/dir")" = port ]
		stop lis
		[ "$status" -eq 143 ] || fail "$mode: status $status"
		[ ! -e "$T/dir/port" ] || fail "$mode: the file is still there"
	done
}

@test "--port-file: datagrams, Unix sockets, a port that was given" {
	local args

	listen lis -keu --port-file "$T/port" 127.0.0.1 0
	holds "$T/port" "127.0.0.1 $PORT"
	stop lis
	[ ! -e "$T/port" ]
	for args in -keU -keuU -kU; do
		listen lis "$args" "$T/sock" --port-file "$T/port"
		holds "$T/port" "$T/sock"
		stop lis
		[ ! -e "$T/port" ]
	done
	free_port
	listen lis -ke --port-file "$T/port" 127.0.0.1 "$PORT"
	holds "$T/port" "127.0.0.1 $PORT"
}

@test "--port-file: both families, two lines" {
	need_ipv6
	listen lis -ke --port-file "$T/port" 0
	holds "$T/port" ":: $PORT
0.0.0.0 $PORT"
	stop lis
	listen lis -keu --port-file "$T/port" 0
	holds "$T/port" ":: $PORT
0.0.0.0 $PORT"
	stop lis
	listen lis -6 -ke --port-file "$T/port" 0
	holds "$T/port" ":: $PORT"
	stop lis
	listen lis -ke --port-file "$T/port" ::1 0
	holds "$T/port" "::1 $PORT"
}

@test "--port-file: a name with several addresses, a line each" {
	need_ipv6
	hosts '127.0.0.1 many' '127.0.0.3 many' '::1 many'
	start lis "${named[@]}" "$SOCKCAT" -v -lke --port-file "$T/port" many 0
	wait_for 10 test -e "$T/port"
	PORT=$(sed -n 's/^::1 //p' "$T/port")
	[ "$PORT" -gt 0 ]
	[ "$(sort "$T/port")" = "127.0.0.1 $PORT
127.0.0.3 $PORT
::1 $PORT" ]
	echoes 127.0.0.1 "$PORT"
	echoes 127.0.0.3 "$PORT"
	echoes ::1 "$PORT"
	stop lis
	[ ! -e "$T/port" ]
}

@test "--port-file: whole as soon as it is there, and somebody listens" {
	need_ipv6
	for ((n = 0; n < 6; n++)); do
		start ear "${python[@]}" -c 'import socket, sys
print("reads", flush=True)
while True:
    try:
        f = open(sys.argv[1])
        break
    except FileNotFoundError:
        pass
text = f.read()
lines = text.splitlines()
if len(lines) != 2 or not text.endswith("\n"):
    sys.exit("half: %r" % text)
socket.create_connection(("127.0.0.1", int(lines[1].split()[1]))).close()' \
			"$T/port"
		wait_line ear.out reads
		listen lis -ke --port-file "$T/port" 0
		ended ear 0
		stop lis
	done
}

@test "--port-file: renamed over what was there, which is not written to" {
	echo old >"$T/port"
	ln "$T/port" "$T/other"
	listen lis -ke --port-file "$T/port" 127.0.0.1 0
	wait_line port "^127\\.0\\.0\\.1 $PORT\$"
	[ "$(cat "$T/other")" = old ]
	stop lis
	[ ! -e "$T/port" ]
	ln -s other "$T/port"
	listen lis -ke --port-file "$T/port" 127.0.0.1 0
	wait_line port "^127\\.0\\.0\\.1 $PORT\$"
	[ ! -L "$T/port" ]
	[ "$(cat "$T/other")" = old ]
}

@test "--port-file takes the place of a regular file only" {
	mkfifo "$T/fifo"
	ln -s fifo "$T/link"
	for file in "$T/fifo" "$T/link"; do
		fails 1 "--port-file $file: it is there and is no regular file" \
			-lke --port-file "$file" 127.0.0.1 0
	done
	[ -p "$T/fifo" ]
	[ -L "$T/link" ]
}

@test "--port-file that cannot be written: exit 1, the file is named" {
	free_port
	mkdir "$T/port"
	for file in "$T/none/port" "$T/port" "$T/other/port"; do
		echo plain >"$T/other"
		fails 1 "$file.*: " -lke --port-file "$file" 127.0.0.1 "$PORT"
		refused 127.0.0.1 "$PORT"
		fails 1 "$file.*: " -lkeU --port-file "$file" "$T/sock"
		[ ! -e "$T/sock" ]
	done
	[ "$(ls -A "$T/port")" = '' ]
	rmdir "$T/port"
	[ "$(cd "$T" && echo *)" = 'dir other' ]
}

@test "--port-file in a directory that is not writable" {
	local as=()

	chmod 555 "$T/dir"
	if [ "$(id -u)" -eq 0 ]; then
		# Root may write everywhere, unless that is taken from it.
		need setpriv
		as=(setpriv --inh-caps -all --bounding-set -all)
		if ! "${as[@]}" true || "${as[@]}" test -w "$T/dir"; then
			skip "root may write everywhere here"
		fi
	fi
	run timeout -s KILL 30 "${as[@]}" "$SOCKCAT" -lke \
	    --port-file "$T/dir/port" 127.0.0.1 0
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"$T/dir/port"*'Permission denied' ]]
}

@test "--port-file is left alone when listening fails" {
	listen lis -ke 127.0.0.1 0
	echo old >"$T/port"
	fails 1 'in use' -lke --port-file "$T/port" 127.0.0.1 "$PORT"
	[ "$(cat "$T/port")" = old ]
	rm "$T/port"
	fails 1 'in use' -lke --port-file "$T/port" 127.0.0.1 "$PORT"
	[ ! -e "$T/port" ]
	[ "$(ls -A "$T/dir")" = '' ]
}

@test "--port-file is removed at the end, whatever it was" {
	local sig

	for sig in TERM INT HUP; do
		listen lis -ke --port-file "$T/port" 127.0.0.1 0
		wait_for 10 test -e "$T/port"
		stop lis $sig
		[ "$status" -eq $((128 + $(kill -l $sig))) ]
		[ ! -e "$T/port" ] || fail "after $sig"
	done
	listen lis --port-file "$T/port" 127.0.0.1 0
	wait_for 10 test -e "$T/port"
	echo hello | sockcat 127.0.0.1 "$PORT"
	ended lis 0
	[ ! -e "$T/port" ]
	fails 124 '' -lke -w 300ms --port-file "$T/port" 127.0.0.1 0
	[ ! -e "$T/port" ]
	fails 124 '' -lke --max-time 300ms --port-file "$T/port" 127.0.0.1 0
	[ ! -e "$T/port" ]
	fails 124 '' -lkeuU --max-time 300ms --port-file "$T/port" "$T/sock"
	[ ! -e "$T/port" ]
	[ ! -e "$T/sock" ]
}

@test "--port-file is removed when standard output fails" {
	[ -e /dev/full ] || skip "no /dev/full"
	start lis bash -c 'exec "$SOCKCAT" -v -lk --port-file "$1" 127.0.0.1 0 \
		>/dev/full' - "$T/port"
	_announced lis
	wait_for 10 test -e "$T/port"
	echo hello | sockcat 127.0.0.1 "$PORT" || :
	ended lis 1
	[ ! -e "$T/port" ]
	mkfifo "$T/pipe"
	start reader head -n 1 "$T/pipe"
	start lis bash -c 'exec "$SOCKCAT" -v -lk --port-file "$1" 127.0.0.1 0 \
		>"$2"' - "$T/port" "$T/pipe"
	_announced lis
	wait_for 10 test -e "$T/port"
	echo one | sockcat 127.0.0.1 "$PORT"
	wait_exit reader
	echo two | sockcat 127.0.0.1 "$PORT" || :
	ended lis 141
	[ ! -e "$T/port" ]
}

@test "--port-file stays when it is somebody else's by then" {
	listen lis -ke --port-file "$T/port" 127.0.0.1 0
	wait_for 10 test -e "$T/port"
	echo mine >"$T/new"
	mv "$T/new" "$T/port"
	stop lis
	[ "$(cat "$T/port")" = mine ]
	# Another sockcat took it.
	listen one -ke --port-file "$T/port" 127.0.0.1 0
	wait_line port "^127\\.0\\.0\\.1 $PORT\$"
	listen two -ke --port-file "$T/port" 127.0.0.1 0
	wait_line port "^127\\.0\\.0\\.1 $PORT\$"
	stop one
	[ "$(cat "$T/port")" = "127.0.0.1 $PORT" ]
	stop two
	[ ! -e "$T/port" ]
}

#
# --ready-fd
#

@test "--ready-fd 3: written once somebody listens, then closed" {
	need_ipv6
	mkfifo "$T/ready"
	for args in '127.0.0.1 0' 0 "-U $T/sock" '-u 127.0.0.1 0'; do
		# shellcheck disable=SC2086
		start lis bash -c 'exec 3>"$1"
			exec "$SOCKCAT" -v -lke --ready-fd 3 "${@:2}"' - \
			"$T/ready" $args
		timeout -s KILL 20 cat "$T/ready" >"$T/text"
		alive lis
		PORT=$(sed 's/.* //;1q' "$T/text")
		case $args in
		0) text=":: $PORT"$'\n'"0.0.0.0 $PORT" ;;
		-U*) text=$T/sock ;;
		*) text="127.0.0.1 $PORT" ;;
		esac
		[ "$(cat "$T/text")" = "$text" ] || fail "$(cat "$T/text")"
		case $args in
		-U*) echoes -U "$T/sock" ;;
		-u*) echoes -u 127.0.0.1 "$PORT" ;;
		*) echoes 127.0.0.1 "$PORT" ;;
		esac
		stop lis
	done
}

@test "--ready-fd 1 and 2: written, and used afterwards as ever" {
	start lis sockcat -lk --ready-fd 1 127.0.0.1 0
	wait_line lis.out '^127\.0\.0\.1 [0-9]+$'
	read -r _ PORT <"$T/lis.out"
	echo hello | sockcat 127.0.0.1 "$PORT"
	wait_line lis.out '^hello$'
	[ "$(cat "$T/lis.out")" = "127.0.0.1 $PORT"$'\n'hello ]
	stop lis
	start lis sockcat -lke --ready-fd 2 127.0.0.1 0
	wait_line lis.err '^127\.0\.0\.1 [0-9]+$'
	read -r _ PORT <"$T/lis.err"
	echoes 127.0.0.1 "$PORT"
	alive lis
	[ "$(cat "$T/lis.err")" = "127.0.0.1 $PORT" ]
	stop lis
	start lis sockcat -lke -v --ready-fd 2 127.0.0.1 0
	wait_line lis.err '^127\.0\.0\.1 [0-9]+$'
	PORT=$(sed -n 's/^127\.0\.0\.1 //p' "$T/lis.err")
	echoes 127.0.0.1 "$PORT"
	wait_line lis.err '^Connection received'
}

@test "--ready-fd that is not open for writing: a usage error" {
	free_port
	# sockcat (the function) closes all above 2.
	fails 2 'ready-fd' -lke --ready-fd 3 127.0.0.1 "$PORT"
	fails 2 'ready-fd' -lke --ready-fd 0 127.0.0.1 "$PORT"
	fails 2 'ready-fd' -lke --ready-fd 99999 127.0.0.1 "$PORT"
	run -2 timeout -s KILL 30 "$SOCKCAT" -lke --ready-fd 3 127.0.0.1 \
	    "$PORT" 3</dev/null
	[[ ${lines[0]} == *ready-fd* ]]
	run -2 timeout -s KILL 30 bash -c '"$SOCKCAT" -lke --ready-fd 1 \
		127.0.0.1 "$1" >&-' - "$PORT"
	[[ ${lines[0]} == *ready-fd* ]]
	fails 2 'ready-fd' -lke --ready-fd -1 127.0.0.1 "$PORT"
	fails 2 'ready-fd' -lke --ready-fd x 127.0.0.1 "$PORT"
}

@test "--ready-fd and --port-file together" {
	mkfifo "$T/ready"
	start lis bash -c 'exec 9>"$1"; exec "$SOCKCAT" -lke --ready-fd 9 \
		--port-file "$2" 127.0.0.1 0' - "$T/ready" "$T/port"
	timeout -s KILL 20 cat "$T/ready" >"$T/text"
	holds "$T/port" "$(cat "$T/text")"
	read -r _ PORT <"$T/port"
	echoes 127.0.0.1 "$PORT"
	stop lis
	[ ! -e "$T/port" ]
}

@test "--ready-fd is not left to a command" {
	need_linux
	mkfifo "$T/ready"
	start lis bash -c 'exec 3>"$1"; exec "$SOCKCAT" -lk --ready-fd 3 \
		-c "ls /proc/\$\$/fd; :" 127.0.0.1 0' - "$T/ready"
	timeout -s KILL 20 cat "$T/ready" >"$T/text"
	read -r _ PORT <"$T/text"
	sockcat -d 127.0.0.1 "$PORT" >"$T/fds"
	[ "$(cat "$T/fds")" = $'0\n1\n2' ]
}

#
# -f
#

# detached: print the ids of what this test has in the background by -f.
detached() {
	local file pid

	for file in $(grep -lzxsF "DETACHED=$T" /proc/[0-9]*/environ); do
		pid=${file#/proc/}
		pid=${pid%/environ}
		if [ "/proc/$pid/exe" -ef "$SOCKCAT" ]; then
			echo "$pid"
		fi
	done
}

# detach ARGS...: sockcat -f ARGS, its output in $T/f.out and $T/f.err: set
# status, and PORT to what it wrote.
detach() {
	[ -e /proc/self/environ ] || skip "no /proc"
	status=0
	DETACHED=$T ASAN_OPTIONS=$ASAN_OPTIONS:log_path=$T/san \
	    TSAN_OPTIONS=$TSAN_OPTIONS:log_path=$T/san \
	    sockcat -f "$@" </dev/null >"$T/f.out" 2>"$T/f.err" || status=$?
	[ "$status" -eq 0 ] || [ "${expect:-0}" -eq "$status" ] ||
		fail "status $status: $(cat -v "$T/f.err")"
	PORT=$(cat "$T/f.out")
}

# child: set child to the id of the one that detached.
child() {
	wait_for 10 _only_child
}

_only_child() {
	child=$(detached)
	[[ $child =~ ^[0-9]+$ ]]
}

# none: nothing is in the background.
none() {
	[ -z "$(detached)" ]
}

# end_child [SIGNAL]: end the one that detached.
end_child() {
	child
	kill -"${1:-TERM}" "$child"
	wait_for 10 none
}

@test "port=\$(sockcat -lkef 0) returns at once, the echo answers" {
	[ -e /proc/self/environ ] || skip "no /proc"
	start sh env DETACHED="$T" bash -c 'port=$("$SOCKCAT" -lkef 0) || exit
		echo "$port"'
	ended sh 0
	PORT=$(cat "$T/sh.out")
	[[ $PORT =~ ^[1-9][0-9]*$ ]]
	[ ! -s "$T/sh.err" ]
	echoes 127.0.0.1 "$PORT"
	echoes 127.0.0.1 "$PORT"
	end_child
	refused 127.0.0.1 "$PORT"
}

@test "-f: connecting works as soon as it has returned" {
	local n

	for ((n = 0; n < 5; n++)); do
		detach -lke 127.0.0.1 0
		echoes 127.0.0.1 "$PORT"
		end_child
	done
}

@test "-f: a port that was given is not printed" {
	free_port
	given=$PORT
	detach -lke 127.0.0.1 "$given"
	[ ! -s "$T/f.out" ]
	[ ! -s "$T/f.err" ]
	echoes 127.0.0.1 "$given"
	end_child
}

@test "-f: one port is printed, however many addresses" {
	need_ipv6
	detach -lke 0
	[[ $PORT =~ ^[1-9][0-9]*$ ]]
	echoes ::1 "$PORT"
	echoes 127.0.0.1 "$PORT"
	end_child
	detach -lke localhost 0
	[[ $PORT =~ ^[1-9][0-9]*$ ]]
	echoes localhost "$PORT"
	end_child
}

@test "-f: datagrams, Unix sockets, commands, forwarding" {
	detach -lkeu 127.0.0.1 0
	echoes -u 127.0.0.1 "$PORT"
	to=$PORT
	end_child
	detach -lkeU "$T/sock"
	[ ! -s "$T/f.out" ]
	echoes -U "$T/sock"
	end_child
	[ ! -e "$T/sock" ]
	detach -lk -c cat 0
	echoes 127.0.0.1 "$PORT"
	end_child
	listen lis -ke 127.0.0.1 0
	to=$PORT
	detach -lk --forward "127.0.0.1:$to" 127.0.0.1 0
	echoes 127.0.0.1 "$PORT"
	end_child
}

@test "-f without -k: one peer, then it is gone" {
	detach -le 127.0.0.1 0
	child
	echoes 127.0.0.1 "$PORT"
	wait_for 10 none
	detach -l -c 'echo done' 127.0.0.1 0
	[ "$(sockcat -d 127.0.0.1 "$PORT")" = 'done' ]
	wait_for 10 none
}

@test "-f: a session of its own, no terminal, nothing open, same directory" {
	need ps
	cd "$T/dir"
	detach -lke 127.0.0.1 0
	child
	for fd in 0 1 2; do
		[ "$(readlink "/proc/$child/fd/$fd")" = /dev/null ]
	done
	ls -l "/proc/$child/fd" >"$T/fds"
	run ! grep -qE "$T|pipe:" "$T/fds"
	[ "/proc/$child/cwd" -ef "$T/dir" ]
	[ "$(ps -o sid= -p "$child")" -ne "$(ps -o sid= -p "$$")" ]
	[ "$(ps -o tty= -p "$child" | tr -d ' ')" = '?' ]
	end_child
}

@test "-f: it outlives a terminal that is hung up" {
	[ -e /proc/self/environ ] || skip "no /proc"
	start pty env DETACHED="$T" "${python[@]}" "$PEERS/pty_run.py" \
	    --until "$T/pty.out" '^[0-9]+\n' --hangup \
	    bash -c '"$SOCKCAT" -lkef 127.0.0.1 0; exec cat'
	wait_exit pty
	[ "$status" -eq 129 ]
	PORT=$(cat "$T/pty.out")
	echoes 127.0.0.1 "$PORT"
	child
	end_child
}

@test "-f: an end of its own: SIGTERM, SIGINT, --max-time, -w, --count" {
	detach -lke --port-file "$T/port" 127.0.0.1 0
	holds "$T/port" "127.0.0.1 $PORT"
	end_child TERM
	[ ! -e "$T/port" ]
	detach -lke --port-file "$T/port" 127.0.0.1 0
	holds "$T/port" "127.0.0.1 $PORT"
	end_child INT
	[ ! -e "$T/port" ]
	detach -lke --max-time $((2 * TIME_FACTOR)) --port-file "$T/port" 127.0.0.1 0
	wait_for 10 none
	[ ! -e "$T/port" ]
	detach -lke -w 1 --port-file "$T/port" 127.0.0.1 0
	wait_for 10 none
	[ ! -e "$T/port" ]
	detach -lke --count 2 --port-file "$T/port" 127.0.0.1 0
	echoes 127.0.0.1 "$PORT"
	child
	echoes 127.0.0.1 "$PORT"
	wait_for 10 none
	[ ! -e "$T/port" ]
}

@test "-f with names that are relative: the port file, the socket" {
	cd "$T/dir"
	detach -lkeU --port-file port sock
	[ "$(cat port)" = sock ]
	echoes -U sock
	end_child
	[ "$(ls -A)" = '' ]
}

@test "-f with --ready-fd: written, and the reader sees the end" {
	[ -e /proc/self/environ ] || skip "no /proc"
	mkfifo "$T/ready"
	start sh env DETACHED="$T" bash -c 'exec 3>"$1"
		"$SOCKCAT" -lkef --ready-fd 3 127.0.0.1 0' - "$T/ready"
	timeout -s KILL 20 cat "$T/ready" >"$T/text"
	ended sh 0
	PORT=$(cat "$T/sh.out")
	[ "$(cat "$T/text")" = "127.0.0.1 $PORT" ]
	echoes 127.0.0.1 "$PORT"
	end_child
}

@test "-f: listening fails: the parent says why, its status is the same" {
	listen lis -ke 127.0.0.1 0
	used=$PORT
	expect=1
	detach -lke 127.0.0.1 "$used"
	[ "$status" -eq 1 ]
	[ ! -s "$T/f.out" ]
	[ "$(wc -l <"$T/f.err")" -eq 1 ]
	grep -qE "^sockcat: .*$IN_USE\$" "$T/f.err"
	none
	expect=3
	detach -lke no-such-host.invalid 0
	[ "$status" -eq 3 ]
	[ "$(wc -l <"$T/f.err")" -eq 1 ]
	none
	expect=1
	detach -lke --port-file "$T/none/port" 127.0.0.1 0
	[ "$status" -eq 1 ]
	[ ! -s "$T/f.out" ]
	[ "$(wc -l <"$T/f.err")" -eq 1 ]
	grep -q "$T/none/port" "$T/f.err"
	none
	expect=2
	detach -lke --ready-fd 9 127.0.0.1 0
	[ "$status" -eq 2 ]
	none
}

@test "-f: a port that cannot be printed: exit 1, and nothing stays" {
	[ -e /dev/full ] || skip "no /dev/full"
	for to in /dev/full closed; do
		start sh env DETACHED="$T" TO=$to bash -c 'case $TO in
			closed) exec >&- ;;
			*) exec >$TO ;;
			esac
			exec "$SOCKCAT" -lkef --port-file "$1" 127.0.0.1 0' - \
			"$T/port"
		ended sh 1
		grep -q '^sockcat: .*write' "$T/sh.err"
		wait_for 10 none
		wait_for 10 test ! -e "$T/port"
	done
}

@test "-f is refused where the console is used" {
	fails 2 '-f makes no sense' -lf 127.0.0.1 0
	fails 2 '-f makes no sense' -lkf 127.0.0.1 0
	fails 2 '--background makes no sense' -lku --background 127.0.0.1 0
	fails 2 '-f makes no sense' -lbf 127.0.0.1 0
	fails 2 '-f makes no sense' -l --chat -f 127.0.0.1 0
	fails 2 '-f makes no sense' -f 127.0.0.1 9
	fails 2 '-f makes no sense' -ef 127.0.0.1 9
	fails 2 '-f makes no sense' -zf 127.0.0.1 9
	fails 2 '-f makes no sense' -f -c cat 127.0.0.1 9
}

#
# LISTEN_FDS
#

# activate NAME ARGS... -- CMD...: start CMD with the sockets that ARGS name:
# set where to their ports and paths.
activate() {
	local name=$1
	shift

	rm -f "$T/$name.where"
	start "$name" "${python[@]}" "$PEERS/activate.py" \
	    --where "$T/$name.where" "$@"
	wait_for 10 test -s "$T/$name.where"
	mapfile -t where <"$T/$name.where"
}

# activated STATUS REGEX ARGS...: what is started so ends like that.
activated() {
	local expect=$1 regex=$2
	shift 2

	activate lis "$@"
	ended lis "$expect"
	grep -qE -e "^sockcat: .*$regex" "$T/lis.err" ||
		fail "not '$regex': $(cat -v "$T/lis.err")"
}

@test "LISTEN_FDS: one socket" {
	activate lis tcp -- "$SOCKCAT" -v -lke
	echoes 127.0.0.1 "${where[0]}"
	echoes 127.0.0.1 "${where[0]}"
	wait_line lis.err "^Listening on 127\\.0\\.0\\.1 ${where[0]}\$"
	wait_line lis.err '^Connection received on 127\.0\.0\.1 [0-9]+$'
	stop lis
	[ "$status" -eq 143 ]
}

@test "LISTEN_FDS: several sockets of all families, and where they are" {
	need_ipv6
	activate lis tcp tcp:127.0.0.2 tcp:::1 "unix:$T/sock" -- "$SOCKCAT" \
	    -lke --port-file "$T/port"
	holds "$T/port" "127.0.0.1 ${where[0]}
127.0.0.2 ${where[1]}
::1 ${where[2]}
$T/sock"
	for n in 1 2; do
		echoes 127.0.0.1 "${where[0]}"
		echoes 127.0.0.2 "${where[1]}"
		echoes ::1 "${where[2]}"
		echoes -U "$T/sock"
	done
	stop lis
	[ ! -e "$T/port" ]
	# It is not this one's to remove.
	[ -S "$T/sock" ]
}

@test "LISTEN_FDS: datagrams" {
	activate lis udp udp:127.0.0.2 -- "$SOCKCAT" -lkeu
	echoes -u 127.0.0.1 "${where[0]}"
	echoes -u 127.0.0.2 "${where[1]}"
	stop lis
	# The answer comes from where the question went.
	activate lis udp:0.0.0.0 -- "$SOCKCAT" -lkeu
	echoes -u 127.0.0.1 "${where[0]}"
	echoes -u 127.0.0.2 "${where[0]}"
	stop lis
	activate lis udp -- "$SOCKCAT" -lku
	echo hello | sockcat -u -q 0 127.0.0.1 "${where[0]}"
	wait_line lis.out hello
	stop lis
	# Who writes to two of them has an answer from each.
	peer_py answer udp_answer.py
	activate lis udp udp -- "$SOCKCAT" -lku --forward "127.0.0.1:$PORT"
	run -0 "${python[@]}" -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
s.settimeout(20)
for port in map(int, sys.argv[1:]):
    s.sendto(b"x", ("127.0.0.1", port))
    print(s.recvfrom(9)[1][1] == port)' "${where[@]}"
	[ "$output" = $'True\nTrue' ]
}

@test "LISTEN_FDS: a relay of many, a hub, a command" {
	activate lis tcp -- "$SOCKCAT" -lk
	echo one | sockcat 127.0.0.1 "${where[0]}"
	echo two | sockcat 127.0.0.1 "${where[0]}"
	wait_line lis.out '^one$'
	wait_line lis.out '^two$'
	stop lis
	activate lis tcp tcp -- "$SOCKCAT" -v -lb
	feed a
	start_with - a sockcat 127.0.0.1 "${where[0]}"
	wait_lines lis.err '^Connection received' 1
	echo hello | sockcat -q 0 127.0.0.1 "${where[1]}"
	wait_line a.out '^hello$'
	stop lis
	activate lis tcp tcp -- "$SOCKCAT" -lk -c \
	    'echo "${LISTEN_FDS-none} ${LISTEN_PID-none}"; ls /proc/$$/fd; :'
	sockcat -d 127.0.0.1 "${where[1]}" >"$T/text"
	[ "$(cat "$T/text")" = $'none none\n0\n1\n2' ]
}

@test "LISTEN_FDS without -k: one client, then others may accept" {
	activate lis --accept tcp -- "$SOCKCAT" -l
	echo first | sockcat 127.0.0.1 "${where[0]}"
	wait_line lis.out '^first$'
	wait_line lis.out '^ended 0$'
	echo second | sockcat 127.0.0.1 "${where[0]}"
	wait_line lis.out '^accepted second$'
	ended lis 0
	activate lis --accept "unix:$T/sock" -- "$SOCKCAT" -le
	echoes -U "$T/sock"
	wait_line lis.out '^ended 0$'
	echo second | sockcat -U "$T/sock"
	wait_line lis.out '^accepted second$'
	ended lis 0
}

@test "LISTEN_FDS: a signal, a limit, --count: the socket is as it was" {
	for end in TERM 'max-time 300ms' 'count 1' 'drain 5'; do
		args=()
		[ "$end" = TERM ] || args=("--${end% *}" "${end#* }")
		activate lis --accept tcp -- "$SOCKCAT" -v -lke "${args[@]}"
		case $end in
		TERM | drain*)
			wait_line lis.err '^Listening'
			kill "$pid_lis"
			;;
		count*)
			echoes 127.0.0.1 "${where[0]}"
			;;
		esac
		wait_line lis.out '^ended'
		echo second | sockcat 127.0.0.1 "${where[0]}"
		wait_line lis.out '^accepted second$'
		wait_exit lis
		case $end in
		TERM) grep -qx 'ended 143' "$T/lis.out" ;;
		max*) grep -qx 'ended 124' "$T/lis.out" ;;
		*) grep -qx 'ended 0' "$T/lis.out" ;;
		esac
	done
}

@test "LISTEN_FDS: sockets for somebody else are not used" {
	activated 2 'needs a port' --pid 1 tcp -- "$SOCKCAT" -lke
	activated 2 'needs a port' --pid '' tcp -- bash -c \
	    'LISTEN_PID=x$$ exec "$SOCKCAT" -lke'
	activated 2 'needs a port' tcp -- bash -c \
	    'LISTEN_FDS=0 exec "$SOCKCAT" -lke'
	activated 2 'needs a port' tcp -- env -u LISTEN_FDS "$SOCKCAT" -lke
	activated 2 'needs a port' tcp -- env -u LISTEN_PID "$SOCKCAT" -lke
	fails 2 'needs a port' -lke
}

@test "LISTEN_FDS: what cannot be listened on is a usage error" {
	activated 2 . tcp -- "$SOCKCAT" -lkeu
	activated 2 . udp -- "$SOCKCAT" -lke
	activated 2 . tcp udp -- "$SOCKCAT" -lke
	activated 2 . idle -- "$SOCKCAT" -lke
	activated 2 . "file:$T/file" -- "$SOCKCAT" -lke
	activated 2 . "file:$T/file" -- "$SOCKCAT" -lkeu
	# One that is not open.
	activated 2 . tcp -- bash -c 'LISTEN_FDS=2 exec "$SOCKCAT" -lke'
}

@test "LISTEN_FDS: what shapes new sockets is refused" {
	local words

	for words in -4 --reuseport '--backlog 5' '--mode 600'; do
		# shellcheck disable=SC2086
		activated 2 "${words% *} makes no sense" "unix:$T/sock" -- \
		    "$SOCKCAT" -lkeU $words
		rm "$T/sock"
	done
}

@test "LISTEN_FDS: a port that was given wins" {
	activate lis tcp -- "$SOCKCAT" -v -lke 127.0.0.1 0
	_announced lis
	[ "$PORT" -ne "${where[0]}" ]
	echoes 127.0.0.1 "$PORT"
	stop lis
	activate lis tcp -- "$SOCKCAT" -v -lke -p 0
	_announced lis
	[ "$PORT" -ne "${where[0]}" ]
	stop lis
	activate lis tcp -- "$SOCKCAT" -v -lkeU "$T/sock"
	wait_line lis.err "^Listening on $T/sock\$"
	echoes -U "$T/sock"
}

# sleeps NAME: it has nothing to do: whenever one looks, all its threads sleep.
sleeps() {
	wait_for 10 _sleeps "$1"
}

_sleeps() {
	local line file n

	for ((n = 0; n < 10; n++)); do
		for file in "/proc/$(pid_of "$1")/task/"*/stat; do
			{ read -r line <"$file"; } 2>/dev/null || continue
			[[ ${line##*) } == S* ]] || return 1
		done
		_pause
	done
}

@test "LISTEN_FDS: sockets that do not block: served, and nothing spins" {
	need_linux
	for kind in tcp udp; do
		u=()
		[ $kind = tcp ] || u=(-u)
		activate lis --nonblock $kind $kind -- "$SOCKCAT" -lke "${u[@]}"
		echoes "${u[@]}" 127.0.0.1 "${where[0]}"
		sleeps lis
		echoes "${u[@]}" 127.0.0.1 "${where[1]}"
		stop lis
	done
	activate lis --nonblock tcp -- "$SOCKCAT" -l
	rest 0.2
	echo hello | sockcat 127.0.0.1 "${where[0]}"
	ended lis 0
	[ "$(cat "$T/lis.out")" = hello ]
}

@test "LISTEN_FDS: two sockcats share a socket, which does not block" {
	for flag in '' --nonblock; do
		# shellcheck disable=SC2086
		activate lis --copies 2 $flag tcp -- "$SOCKCAT" -v -lk -m 5 \
		    -c 'read -r x; echo "$x $PPID"; cat'
		wait_lines lis.err '^Listening' 2
		# Ten at once: each of the two has five.
		"${python[@]}" -c 'import socket, sys
s = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
     for _ in range(10)]
for c in s:
    c.sendall(b"hello\n")
for c in s:
    print(c.recv(100).decode().strip())' "${where[0]}" >"$T/who"
		[ "$(grep -c '^hello ' "$T/who")" -eq 10 ]
		[ "$(sort "$T/who" | uniq -c | awk '{ print $1 }')" = $'5\n5' ]
		kill "$pid_lis"
		wait_lines lis.out '^ended 143$' 2
		wait_exit lis
	done
}

@test "LISTEN_FDS: the options of sockets count there, too" {
	need strace
	need_linux
	# -D: the process that is started is sockcat itself.
	activate lis tcp -- strace -D -f -qq -o "$T/trace" -e trace=setsockopt \
	    "$SOCKCAT" -lke --ttl 7
	echoes 127.0.0.1 "${where[0]}"
	for what in 'TCP_NODELAY, \[1\]' 'SO_KEEPALIVE, \[1\]' 'IP_TTL, \[7\]'; do
		wait_line trace "$what"
	done
}

@test "LISTEN_FDS with -f" {
	[ -e /proc/self/environ ] || skip "no /proc"
	activate sh tcp -- env DETACHED="$T" "$SOCKCAT" -lkef
	ended sh 0
	echoes 127.0.0.1 "${where[0]}"
	end_child
	refused 127.0.0.1 "${where[0]}"
}

#
# --retry
#

@test "--retry: the receiver comes later" {
	random_file "$T/data" 1M
	free_port
	start_with "$T/data" cat sockcat --retry 60 127.0.0.1 "$PORT"
	rest 0.4
	alive cat
	listen lis 127.0.0.1 "$PORT"
	ended cat 0
	ended lis 0
	same lis.out data
	[ ! -s "$T/cat.err" ]
}

@test "--retry: a Unix socket comes later, also where an old one lies" {
	for how in none stale; do
		rm -f "$T/sock"
		[ $how = none ] || "${python[@]}" -c 'import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$T/sock"
		echo hello >"$T/in"
		start_with "$T/in" cat sockcat --retry 60 -U "$T/sock"
		rest 0.3
		alive cat
		listen lis -U "$T/sock"
		ended cat 0
		ended lis 0
		[ "$(cat "$T/lis.out")" = hello ]
	done
}

@test "--retry with -z, -e and -c" {
	free_port
	start zero sockcat -z -v --retry 60 127.0.0.1 "$PORT"
	rest 0.3
	alive zero
	listen lis 127.0.0.1 "$PORT"
	ended zero 0
	grep -q 'succeeded' "$T/zero.err"
	ended lis 0
	for args in -e '-c cat'; do
		free_port
		# shellcheck disable=SC2086
		start back sockcat --retry 60 $args 127.0.0.1 "$PORT"
		rest 0.3
		alive back
		peer_py src source.py --bytes 5000 --end half --port "$PORT"
		wait_line src.out '^received 5000 .* end'
		ended back 0
	done
}

@test "--retry with --forward: the target comes later" {
	free_port
	to=$PORT
	listen lis -k --retry 60 --forward "127.0.0.1:$to" 127.0.0.1 0
	feed cat
	start_with - cat sockcat 127.0.0.1 "$PORT"
	send_to cat hello
	rest 0.3
	alive cat
	listen srv -e 127.0.0.1 "$to"
	wait_size cat.out 5
	end_of cat
	ended cat 0
}

@test "--retry: nobody comes: 124, one line with the last reason" {
	free_port
	for args in '' -z -e '-c cat'; do
		# shellcheck disable=SC2086
		fails 124 'Connection refused' --retry 600ms $args 127.0.0.1 "$PORT"
	done
	fails 124 'No such file' --retry 300ms -U "$T/sock"
	fails 124 no-such-host.invalid --retry 300ms no-such-host.invalid 80
}

@test "--retry: nobody answers: 124" {
	full_backlog
	fails 124 "$PORT" --retry 700ms 127.0.0.1 "$PORT"
	fails 124 "$PORT" -z --retry 700ms 127.0.0.1 "$PORT"
}

@test "--retry: a name comes later" {
	hosts '127.0.0.1 other'
	listen lis -ke 127.0.0.1 0
	echo hello >"$T/in"
	start_with "$T/in" cat "${named[@]}" "$SOCKCAT" --retry 60 late.invalid \
	    "$PORT"
	rest 0.5
	alive cat
	echo '127.0.0.1 late.invalid' >>"$T/hosts"
	wait_exit cat 30
	[ "$status" -eq 0 ]
	[ "$(cat "$T/cat.out")" = hello ]
}

# attempts ARGS...: set count to how often sockcat tried to connect to PORT.
attempts() {
	need strace
	need_linux
	strace -f -qq -o "$T/trace" -e trace=connect timeout -s KILL 30 \
	    "$SOCKCAT" "$@" 127.0.0.1 "$PORT" </dev/null 2>"$T/err" || :
	count=$(grep -c "sin_port=htons($PORT)" "$T/trace") || :
}

@test "--retry pauses between the attempts" {
	free_port
	attempts --retry 2
	# 50 ms, 100, 200, 400, 800: seven or so.
	((count >= 2 && count <= 12)) || fail "$count attempts"
	attempts -z --retry 2
	((count >= 2 && count <= 12)) || fail "-z: $count attempts"
}

@test "-w bounds each attempt of --retry, not all of them" {
	free_port
	echo hello >"$T/in"
	start_with "$T/in" cat sockcat -w 300ms --retry 60 127.0.0.1 "$PORT"
	rest 1
	alive cat
	listen lis 127.0.0.1 "$PORT"
	wait_line lis.out hello
	full_backlog
	attempts -w 300ms --retry 2
	((count >= 2)) || fail "$count attempts"
	grep -q '^sockcat: ' "$T/err"
}

@test "--retry: --max-time and signals end it" {
	free_port
	fails 124 max-time --retry 60 --max-time 300ms 127.0.0.1 "$PORT"
	start cat sockcat --retry 60 127.0.0.1 "$PORT"
	rest 0.3
	stop cat
	[ "$status" -eq 143 ]
	[ ! -s "$T/cat.err" ]
}

@test "--retry is for what may change: other failures end at once" {
	free_port
	fails 1 "$NO_ADDRESS" --retry 5 -s 198.51.100.7 127.0.0.1 "$PORT"
	fails 2 . --retry 5 127.0.0.1 no-such-service
}

@test "--retry does not connect again once it was connected" {
	peer_py peer rst.py --mode read --bytes 5
	feed cat
	start_with - cat sockcat --retry 60 127.0.0.1 "$PORT"
	send_to cat hello
	ended cat 1
	peer_py peer2 source.py --bytes 10
	sockcat -d --retry 60 127.0.0.1 "$PORT" >"$T/got"
	[ "$(wc -c <"$T/got")" -eq 10 ]
}
