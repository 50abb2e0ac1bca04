#!/usr/bin/env bats
#
# Giving up rights: what sockcat can still do once it is set up, tried from
# inside by a build with a hook (hook.c), and that all it has to do still works.

# shellcheck disable=SC2030,SC2031,SC2034,SC2153,SC2154
load helpers

setup_file() {
	type -P cc >/dev/null || return 0
	cc -std=c11 -w -pthread -o "$BATS_FILE_TMPDIR/hook" \
	    "${BATS_TEST_DIRNAME:?}/hook.c"
}

setup() {
	helpers_setup
	hook=$BATS_FILE_TMPDIR/hook
	export HOOK_READ=$T/read HOOK_WRITE=$T/written \
	    HOOK_REMOVE=$T/removed HOOK_PORT=1
	echo secret >"$T/read"
	: >"$T/removed"
	mkdir "$T/dir"
}

# What every attempt gets: no right to it; all are there.
none='read 13 write 13 remove 13 run 13 connect 13 bind 13 kill 1$'
all='read 0 write 0 remove (0|2) run 0 connect (0|111) bind 0 kill 0$'

need_hook() {
	need cc
	need_linux
	(($("$hook" landlock) > 5)) || skip "no Landlock"
}

# here_too: this build gives up rights.
here_too() {
	need_linux
	[ "${VARIANT:-plain}" != portable ] || skip "this build is portable"
}

# hooked NAME ARGS...: as listen, of the build with the hook.
hooked() {
	SOCKCAT=$hook listen "$@"
}

# tries NAME REGEX: what the main thread gets.
tries() {
	local n var=pid_$1

	n=$(grep -c '^hook: main' "$T/$1.err") || :
	kill -USR2 "${!var}"
	wait_lines "$1.err" '^hook: main: ' $((n + 1))
	grep '^hook: main' "$T/$1.err" | tail -n 1 | grep -qE "$2" ||
		fail "$1: not '$2': $(cat -v "$T/$1.err")"
}

# threads_try NAME COUNT REGEX: at least so many threads have started, and
# each got that.
threads_try() {
	wait_lines "$1.err" '^hook: thread: ' "$2"
	if grep '^hook: thread' "$T/$1.err" | grep -vE "$3"; then
		fail "$1: not '$3'"
	fi
}

# call [ARGS...]: somebody comes to the listener, says a line and goes; the
# answer is in $T/answer.
call() {
	echo hello | timeout -s KILL 30 "$SOCKCAT" -q 1 "$@" >"$T/answer" \
	    2>"$T/call.err" || :
}

# privileges NAME WANTED: no_new_privs of each thread.
privileges() {
	local file value

	for file in "/proc/$(pid_of "$1")/task/"*/status; do
		value=$(grep '^NoNewPrivs' "$file") || continue
		[ "${value//[!01]/}" = "$2" ] ||
			wrong "$1: ${value} of $(grep ^Name "$file")"
	done
	none_wrong
}

@test "the hook itself: without a sandbox all can be done" {
	need_hook
	hooked lis -ke --no-sandbox 127.0.0.1 0
	tries lis "$all"
	[ -e "$T/written" ]
	call 127.0.0.1 "$PORT"
	threads_try lis 1 "$all"
	stop lis
}

@test "an echo can do nothing, in no thread" {
	need_hook
	hooked lis -ke 127.0.0.1 0
	# Another port than any that could be its own.
	tries lis "${none/bind 13/bind 0}"
	call 127.0.0.1 "$PORT"
	[ "$(cat "$T/answer")" = hello ]
	threads_try lis 1 "${none/bind 13/bind 0}"
	stop lis
	[ -e "$T/removed" ] && [ ! -e "$T/written" ]
}

@test "a port that is known is the only one" {
	need_hook
	free_port
	hooked lis -ke 127.0.0.1 "$PORT"
	tries lis "$none"
	call 127.0.0.1 "$PORT"
	[ "$(cat "$T/answer")" = hello ]
	threads_try lis 1 "$none"
	stop lis
}

@test "threads for signals, times and lists are confined, too" {
	need_hook
	hooked lis -ke -U --max-time 100 --drain 5 "$T/dir/sock"
	call -U "$T/dir/sock"
	[ "$(cat "$T/answer")" = hello ]
	threads_try lis 3 "$none"
	tries lis "$none"
	stop lis
	hooked lis -ke --max-time 100 --drain 5 --allow 127.0.0.0/8 \
	    --port-file "$T/dir/port" 127.0.0.1 0
	# The lists may be read again, with names in them.
	call 127.0.0.1 "$PORT"
	[ "$(cat "$T/answer")" = hello ]
	threads_try lis 4 \
	    'read 0 write 13 remove 13 run 13 connect (0|111) bind 0 kill 1$'
	stop lis
}

@test "no mode keeps more than it needs" {
	local args

	need_hook
	free_port
	for args in '-l -d' '-lk -d' '-le' '-lb -d' '--chat -d -l' \
	    '-luk -d' '-lue' '-lukb -d' '-lu -d'; do
		# shellcheck disable=SC2086
		SOCKCAT=$hook listen lis $args -v 127.0.0.1 "$PORT"
		tries lis "$none"
		if grep -a '^hook: thread' "$T/lis.err" | grep -vE "$none"; then
			wrong "$args: a thread can do more"
		fi
		stop lis
	done
	none_wrong
}

@test "a client reaches its own port, and no other" {
	need_hook
	listen srv -ke 127.0.0.1 0
	HOOK_PORT=$PORT
	feed cl
	start_with - cl "$hook" 127.0.0.1 "$PORT"
	send_to cl $'x\n'
	wait_line cl.out '^x$'
	tries cl "${none/connect 13/connect 0}"
	HOOK_PORT=1
	feed other
	start_with - other "$hook" --keepalive 127.0.0.1 "$PORT"
	send_to other $'x\n'
	wait_line other.out '^x$'
	tries other "$none"
	threads_try other 1 "$none"
	end_of cl
	ended cl 0
}

@test "-s and -p: that port of our own" {
	need_hook
	listen srv -ke 127.0.0.1 0
	server=$PORT
	free_port
	feed cl
	start_with - cl "$hook" -s 127.0.0.1 -p "$PORT" 127.0.0.1 "$server"
	send_to cl $'x\n'
	wait_line cl.out '^x$'
	tries cl "$none"
	feed any
	start_with - any "$hook" -s 127.0.0.1 127.0.0.1 "$server"
	send_to any $'x\n'
	wait_line any.out '^x$'
	tries any "${none/bind 13/bind 0}"
}

@test "a client by name may read, and connect; nothing else" {
	need_hook
	listen srv -ke 127.0.0.1 0
	feed cl
	start_with - cl "$hook" -4 localhost "$PORT"
	send_to cl $'x\n'
	wait_line cl.out '^x$'
	tries cl \
	    'read 0 write 13 remove 13 run 13 connect (0|111) bind 13 kill 1$'
}

@test "--forward: the way on, and no other" {
	need_hook
	listen srv -ke 127.0.0.1 0
	server=$PORT
	free_port
	hooked fwd -k --forward "127.0.0.1:$server" 127.0.0.1 "$PORT"
	call 127.0.0.1 "$PORT"
	[ "$(cat "$T/answer")" = hello ]
	threads_try fwd 1 "$none"
	export HOOK_PORT=$server
	free_port
	hooked same -k --forward "127.0.0.1:$server" 127.0.0.1 "$PORT"
	tries same "${none/connect 13/connect 0}"
}

@test "--forward by name may read, and connect" {
	need_hook
	listen srv -ke 127.0.0.1 0
	server=$PORT
	free_port
	hooked fwd -k -4 --forward "localhost:$server" 127.0.0.1 "$PORT"
	call 127.0.0.1 "$PORT"
	[ "$(cat "$T/answer")" = hello ]
	threads_try fwd 1 \
	    'read 0 write 13 remove 13 run 13 connect (0|111) bind 13 kill 1$'
}

@test "a Unix socket: its directory, to remove and make, not to write" {
	need_hook
	export HOOK_WRITE=$T/dir/written HOOK_REMOVE=$T/dir/removed
	: >"$T/dir/removed"
	hooked lis -ke -U "$T/dir/sock"
	threads_try lis 1 "${none/remove 13/remove (0|2)}"
	tries lis "${none/remove 13/remove (0|2)}"
	stop lis
	[ ! -e "$T/dir/sock" ] && [ ! -e "$T/dir/removed" ]
}

@test "-c keeps all, and so does its command" {
	need_hook
	hooked lis -kc cat 127.0.0.1 0
	tries lis "$all"
	call 127.0.0.1 "$PORT"
	[ "$(cat "$T/answer")" = hello ]
	privileges lis 0
}

@test "no_new_privs is set in every thread of every mode" {
	local args

	here_too
	listen srv -ke 127.0.0.1 0
	server=$PORT
	privileges srv 1
	for args in '-lk -d' '-lb' '--chat -l' '-luk' '-lue' \
	    "-lk --forward localhost:$server" \
	    '-lke --max-time 100 --drain 1 --allow localhost'; do
		# shellcheck disable=SC2086
		listen lis $args 127.0.0.1 0
		[[ $args == *u* ]] || call 127.0.0.1 "$PORT"
		privileges lis 1
		stop lis
	done
	feed cl
	start_with - cl sockcat -4 localhost "$server"
	send_to cl $'x\n'
	wait_line cl.out '^x$'
	privileges cl 1
}

@test "--no-sandbox and -c: it is not" {
	here_too
	listen srv -ke --no-sandbox 127.0.0.1 0
	privileges srv 0
	listen cmd -kc cat 127.0.0.1 0
	privileges cmd 0
}

@test "--no-sandbox makes no sense with a command" {
	run sockcat -lc cat --no-sandbox 0
	[ "$status" -eq 2 ]
	[[ $output == *--no-sandbox* ]]
}

@test "the port file is written whole, replaced, and removed" {
	echo old >"$T/dir/port"
	listen lis -ke --port-file "$T/dir/port" 127.0.0.1 0
	wait_line "$T/dir/port" "^127.0.0.1 $PORT\$"
	[ "$(echo "$T/dir/"*)" = "$T/dir/port" ]
	stop lis
	[ "$(echo "$T/dir/"*)" = "$T/dir/*" ]
}

@test "no half of a port file stays when nobody could listen" {
	listen lis -ke 127.0.0.1 0
	run sockcat -l --port-file "$T/dir/port" 127.0.0.1 "$PORT"
	[ "$status" -eq 1 ]
	[ "$(echo "$T/dir/"*)" = "$T/dir/*" ]
	run sockcat -l -w 50ms --port-file "$T/dir/port" 127.0.0.1 0
	[ "$status" -eq 124 ]
	[ "$(echo "$T/dir/"*)" = "$T/dir/*" ]
}

@test "Unix sockets are replaced when stale, and removed" {
	listen lis -ke -U "$T/dir/sock"
	kill -KILL "$pid_lis"
	wait_exit lis
	[ -S "$T/dir/sock" ]
	listen again -ke -U "$T/dir/sock"
	call -U -s "$T/dir/local" -u "$T/dir/sock"
	call -U "$T/dir/sock"
	[ "$(cat "$T/answer")" = hello ]
	stop again
	[ ! -e "$T/dir/sock" ]
	# The same where the path has no directory.
	cd "$T/dir"
	listen near -ke -U sock --port-file port
	wait_for 5 test -e port
	stop near
	[ "$(echo "$T/dir/"*)" = "$T/dir/*" ]
	listen dgram -lukU -d "$T/dir/dgram"
	call -uU -s "$T/dir/local" "$T/dir/dgram"
	wait_line dgram.out hello
	[ ! -e "$T/dir/local" ]
}

@test "what is looked up and read later still can be" {
	echo 127.0.0.2 >"$T/list"
	listen lis -ke --allowfile "$T/list" --allow localhost 127.0.0.1 0
	call 127.0.0.1 "$PORT"
	[ "$(cat "$T/answer")" = hello ]
	echo 127.0.0.3 >"$T/list"
	kill -HUP "$pid_lis"
	wait_line lis.err 'have been read again'
	call -s 127.0.0.3 127.0.0.1 "$PORT"
	[ "$(cat "$T/answer")" = hello ]
	call -s 127.0.0.2 127.0.0.1 "$PORT"
	[ ! -s "$T/answer" ]
}

@test "the names of services are known" {
	grep -qE '^http[[:space:]]+80/tcp' /etc/services ||
		skip "no /etc/services"
	need ip unshare
	unshare -n true 2>/dev/null || skip "no network of its own"
	run unshare -n sh -c 'ip link set lo up; "$0" -lk -d 127.0.0.1 80 &
	    pid=$!
	    "$0" -v -z --retry 20 127.0.0.1 80
	    "$0" -z 127.0.0.1 79,80; kill $pid' "$SOCKCAT"
	[[ $output == *"80 port [tcp/http] succeeded!"* ]]
	[[ $output == *"127.0.0.1 80 open tcp/http"* ]]
}

@test "the local time is the same inside" {
	local hour

	listen lis -ke 127.0.0.1 0
	for zone in XYZ-5:45 ''; do
		export TZ=$zone
		[ -n "$zone" ] || unset TZ
		hour=$(date +%H)
		echo hello | "$SOCKCAT" -q 1 --hex-dump "$T/dump" \
		    127.0.0.1 "$PORT" >"$T/out"
		grep -q "^> $hour:" "$T/dump" || grep -q "^> $(date +%H):" \
		    "$T/dump" || fail "not at $hour: $(cat "$T/dump")"
	done
}

@test "-f detaches, and -o goes on" {
	run sockcat -f -lk -d -o "$T/copy" --port-file "$T/dir/port" \
	    --max-time 60 127.0.0.1 0
	[ "$status" -eq 0 ]
	PORT=$output
	call -N 127.0.0.1 "$PORT"
	wait_line copy hello
	pid=$(detached_pid)
	kill "$pid"
	wait_for 10 not test -e "$T/dir/port"
}

# detached_pid: who listens on PORT.
detached_pid() {
	local dir hex inode

	printf -v hex %04X "$PORT"
	inode=$(awk -v at=":$hex\$" '$2 ~ at && $4 == "0A" { print $10 }' \
	    /proc/net/tcp)
	for dir in /proc/[0-9]*; do
		if find "$dir/fd" -lname "socket:\\[$inode\\]" 2>/dev/null |
		    grep -q .; then
			echo "${dir#/proc/}"
			return
		fi
	done
}

@test "a kernel without Landlock is no reason for a word" {
	here_too
	need strace
	listen srv -ke 127.0.0.1 0
	echo hello | strace -f -qq -o "$T/trace" -e trace=landlock_create_ruleset \
	    -e inject=landlock_create_ruleset:error=ENOSYS \
	    "$SOCKCAT" -N 127.0.0.1 "$PORT" >"$T/out" 2>"$T/err" ||
		fail "$(cat "$T/err")"
	[ "$(cat "$T/out")" = hello ]
	[ ! -s "$T/err" ]
}

@test "each version of Landlock is told of the rights that it knows" {
	here_too
	need strace
	for version in 1:1fff 2:3fff 3:7fff 4:7fff 5:ffff; do
		start lis strace -f -qq -X raw -o "$T/trace$version" \
		    -e trace=landlock_create_ruleset \
		    -e "inject=landlock_create_ruleset:retval=${version%:*}:when=1" \
		    "$SOCKCAT" -v -lke 127.0.0.1 0
		wait_line lis.err '^Listening on'
		grep -q 'handled_access_fs=' "$T/trace$version" ||
			skip "strace missing"
		rights=$((0x${version#*:}))
		case ${VARIANT:-} in
		asan | tsan) rights=$((rights & ~0x10e)) ;;	# has files
		esac
		printf -v rights %x $rights
		grep -q "handled_access_fs=0x${rights}[,}]" "$T/trace$version"
		read -r pid _ <"$T/trace$version"
		kill "$pid"
		wait_exit lis
	done
}

@test "of an older Landlock what it has is used" {
	need_hook
	need strace
	free_port
	start lis env strace -f -qq -o "$T/trace" -e trace=landlock_create_ruleset \
	    -e inject=landlock_create_ruleset:retval=1:when=1 \
	    "$hook" -v -lke 127.0.0.1 "$PORT"
	wait_line lis.err '^Listening on'
	call 127.0.0.1 "$PORT"
	[ "$(cat "$T/answer")" = hello ]
	threads_try lis 1 \
	    'read 13 write 13 remove 13 run 13 connect (0|111) bind 0 kill 0$'
}
