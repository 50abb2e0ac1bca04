#!/usr/bin/env bats
#
# Unix-domain sockets: the life of their files, abstract names, datagrams.

# shellcheck disable=SC2030,SC2031,SC2154
load helpers

# stale PATH [dgram]: a socket's file that nobody serves.
stale() {
	"${python[@]}" -c 'import socket, sys
kind = socket.SOCK_DGRAM if len(sys.argv) > 2 else socket.SOCK_STREAM
socket.socket(socket.AF_UNIX, kind).bind(sys.argv[1])' "$@"
	[ -S "$1" ]
}

# fails STATUS REGEX ARGS...: sockcat ends like that, with one line that
# matches (two for a usage error).
fails() {
	local expect=$1 regex=$2

	shift 2
	run sockcat "$@" </dev/null
	[ "$status" -eq "$expect" ] || fail "status $status: $output"
	[ "${#lines[@]}" -eq $((1 + (expect == 2))) ] || fail "$output"
	[[ ${lines[0]} =~ ^sockcat:.*$regex ]] || fail "$output"
}

# An abstract name that no other test uses.
abstract() {
	name=@sockcat-test-$$-$BATS_TEST_NUMBER-$RANDOM
	need_abstract
}

@test "-v says Bound on and Listening on, the path in both" {
	listen lis -U "$T/sock"
	[ "$(cat "$T/lis.err")" = "Bound on $T/sock
Listening on $T/sock" ]
	[ -S "$T/sock" ]
	echo hello | sockcat -U "$T/sock"
	ended lis 0
	[ "$(cat "$T/lis.out")" = hello ]
	listen dgram -u -U "$T/sock"
	[ "$(cat "$T/dgram.err")" = "Bound on $T/sock" ]
}

@test "a file that nobody serves is replaced" {
	for args in '' -k -u; do
		for kind in '' dgram; do
			echo "listening with '$args' where a '$kind' was"
			# shellcheck disable=SC2086
			stale "$T/sock" $kind
			# shellcheck disable=SC2086
			listen lis $args -U "$T/sock"
			# shellcheck disable=SC2086
			echo hello | sockcat ${args/-k/} -q 0 -U "$T/sock"
			wait_line lis.out hello
			stop lis
			[ ! -e "$T/sock" ]
			rm "$T/lis.err" "$T/lis.out"
		done
	done
}

@test "a file that somebody serves is an error and left alone" {
	listen lis -k -U "$T/sock"
	before=$(stat -c %i "$T/sock")
	for args in '' -k -u -e -b; do
		# shellcheck disable=SC2086
		fails 1 "$T/sock.*$IN_USE" -l $args -U "$T/sock"
	done
	[ "$(stat -c %i "$T/sock")" = "$before" ]
	echo hello | sockcat -U "$T/sock"
	wait_line lis.out hello
	[ "$(grep -c '^Connection received' "$T/lis.err")" -le 6 ]
}

@test "so is a datagram socket's" {
	listen lis -u -k -U "$T/sock"
	for args in '' -u; do
		# shellcheck disable=SC2086
		fails 1 "$T/sock.*$IN_USE" -l $args -U "$T/sock"
	done
	echo hello | sockcat -u -q 0 -U "$T/sock"
	wait_line lis.out hello
}

@test "so is one whose backlog is full" {
	full_backlog -U "$T/sock"
	fails 1 "$T/sock.*$IN_USE" -w 5 -l -U "$T/sock"
	[ -S "$T/sock" ]
}

@test "any other kind of file is an error and left alone" {
	echo precious >"$T/file"
	mkdir "$T/dir"
	mkfifo "$T/pipe"
	ln -s "$T/nowhere" "$T/dangling"
	ln -s "$T/file" "$T/link"
	stale "$T/stale"
	ln -s "$T/stale" "$T/tosocket"
	for kind in file dir pipe dangling link tosocket; do
		for args in '' -u -k; do
			# shellcheck disable=SC2086
			fails 1 "$T/$kind" -l $args -U "$T/$kind"
		done
	done
	[ "$(cat "$T/file")" = precious ]
	[ -d "$T/dir" ]
	[ -p "$T/pipe" ]
	[ -L "$T/dangling" ]
	[ -L "$T/link" ]
	[ -L "$T/tosocket" ]
	[ -S "$T/stale" ]
	[ ! -e "$T/nowhere" ]
}

@test "a directory that is not there" {
	fails 1 'No such file or directory' -l -U "$T/no/sock"
	fails 1 'No such file or directory' -U "$T/no/sock"
}

@test "the file is removed at the end" {
	for args in '' -e -u; do
		# shellcheck disable=SC2086
		listen lis $args -w 3 -U "$T/sock"
		# shellcheck disable=SC2086
		echo hello | sockcat ${args/-e/} -U "$T/sock"
		wait_exit lis
		[ ! -e "$T/sock" ]
		rm "$T/lis.err"
	done
	sockcat -l -w 0.1 -U "$T/sock" || :
	[ ! -e "$T/sock" ]
	sockcat -l --max-time 0.1 -U "$T/sock" || :
	[ ! -e "$T/sock" ]
}

@test "the file is removed at a failure" {
	[ -e /dev/full ] || skip "no /dev/full"
	for args in '' -k; do
		# shellcheck disable=SC2016
		start lis bash -c 'exec "$@" >/dev/full' - "$SOCKCAT" -v -l \
		    $args -U "$T/sock"
		_announced lis -U
		client_py peer source.py --connect --bytes 10 -U "$T/sock"
		ended lis 1
		[ ! -e "$T/sock" ]
		rm "$T/lis.err"
	done
}

@test "the file is removed by SIGTERM, SIGINT and SIGHUP" {
	sigs=(TERM INT HUP)
	for args in '' '' '' -k -u -uk -e -b; do
		# shellcheck disable=SC2086
		listen lis $args -U "$T/sock"
		stop lis "${sigs[0]}"
		[ "$status" -eq $((128 + $(kill -l "${sigs[0]}"))) ]
		[ ! -e "$T/sock" ]
		rm "$T/lis.err"
		sigs=("${sigs[@]:1}" "${sigs[0]}")
	done
}

@test "... and in the middle of a session" {
	listen lis -U "$T/sock"
	client_py peer stall.py --connect --send hello -U "$T/sock"
	wait_size lis.out 5
	[ -S "$T/sock" ]
	stop lis
	[ "$status" -eq 143 ]
	[ ! -e "$T/sock" ]
}

@test "the file is removed when standard output is a closed pipe" {
	# shellcheck disable=SC2016
	start lis bash -c '"$@" | head -n 1; exit "${PIPESTATUS[0]}"' - \
	    "$SOCKCAT" -v -l -U "$T/sock"
	_announced lis -U
	{ echo 1; head -c 30000000 /dev/zero; } >"$T/data"
	client_py peer source.py --connect --file "$T/data" --end hold \
	    -U "$T/sock"
	ended lis 141
	[ ! -e "$T/sock" ]
}

@test "the file is removed only if it is still ours" {
	listen lis -k -U "$T/sock"
	rm "$T/sock"
	echo precious >"$T/sock"
	stop lis
	[ "$(cat "$T/sock")" = precious ]
	rm "$T/sock"
	listen one -k -U "$T/sock"
	rm "$T/sock"
	listen two -k -U "$T/sock"
	stop one
	[ -S "$T/sock" ]
	echo hello | sockcat -U "$T/sock"
	wait_line two.out hello
	stop two
	[ ! -e "$T/sock" ]
}

@test "a path that is too long, and the longest that is not" {
	need_linux
	dir=$T
	cd "$dir"
	long=$(printf '%0107d' 0)
	listen lis -U "$long"
	echo hello | sockcat -U "$long"
	ended lis 0
	[ "$(cat "$T/lis.out")" = hello ]
	fails 2 'too long' -l -U "${long}0"
	fails 2 'too long' -U "${long}0"
	fails 2 'too long' -u -U "${long}0"
	[ -z "$(find . -name '0*')" ]
}

@test "an empty path" {
	fails 2 'path' -U ''
	fails 2 'path' -l -U ''
}

@test "nobody serves the path: one line, exit 1" {
	stale "$T/sock"
	fails 1 "connect to $T/sock \(unix\) failed: Connection refused" \
	    -U "$T/sock"
	fails 1 'Connection refused' -u -U "$T/sock"
	fails 1 "connect to $T/none \(unix\) failed: No such file or directory" \
	    -U "$T/none"
	[ -S "$T/sock" ]
	[ ! -e "$T/none" ]
}

@test "a full backlog is waited for as long as -w says" {
	full_backlog -U "$T/sock"
	fails 124 "$T/sock" -w 0.3 -U "$T/sock"
}

@test "a full backlog is waited for" {
	need_linux
	listen lis -k --backlog 1 -U "$T/sock"
	kill -STOP "$pid_lis"
	for i in 1 2 3 4 5 6; do
		echo "client $i" >"$T/in$i"
		start_with "$T/in$i" c$i sockcat -U "$T/sock"
	done
	wait_for 10 in_connect
	kill -CONT "$pid_lis"
	wait_lines lis.out '^client' 6
	for i in 1 2 3 4 5 6; do
		ended c$i 0
	done
}

# in_connect: one of the clients waits in connect(2).
in_connect() {
	local i n=0

	for i in 1 2 3 4 5 6; do
		! grep -q '^ *42 ' "/proc/$(pid_of c$i)/syscall" || n=1
		[ "$(uname -m)" = x86_64 ] || n=1
	done
	((n))
}

@test "an abstract name, both roles" {
	abstract
	cd "$T"
	listen lis -U "$name"
	grep -qF "Listening on $name" "$T/lis.err"
	echo hello | sockcat -U "$name"
	ended lis 0
	[ "$(cat "$T/lis.out")" = hello ]
	[ ! -e "$name" ]
	fails 1 "$name.*refused" -U "$name"
	peer_py peer source.py --bytes 10 -U "$name"
	sockcat -U "$name" </dev/null >"$T/got"
	wait_exit peer
	[ "$(wc -c <"$T/got")" -eq 10 ]
	listen two -U "$name"
	client_py peer2 source.py --connect --bytes 20 -U "$name"
	ended two 0
	[ "$(wc -c <"$T/two.out")" -eq 20 ]
}

@test "an abstract name that somebody has, and the longest" {
	abstract
	listen lis -k -U "$name"
	fails 1 "$IN_USE" -l -U "$name"
	while [ ${#name} -lt 108 ]; do
		name+=x
	done
	listen long -U "$name"
	echo hello | sockcat -U "$name"
	ended long 0
	fails 2 'too long' -l -U "${name}x"
}

@test "an abstract name, datagrams" {
	abstract
	listen lis -u -e -k -U "$name"
	[ "$(printf hello | sockcat -u -U "$name")" = hello ]
}

@test "datagrams: both roles, with an answer" {
	feed lis
	listen_with - lis -u -U "$T/sock"
	feed cat
	start_with - cat sockcat -u -w 10 -U "$T/sock"
	send_to cat 'a question'
	wait_size lis.out 10
	send_to lis 'an answer'
	wait_size cat.out 9
	[ "$(cat "$T/lis.out")" = 'a question' ]
	[ "$(cat "$T/cat.out")" = 'an answer' ]
}

@test "datagrams: a server that answers, and a client" {
	need_linux
	peer_py peer udp_answer.py -u -U "$T/sock" --prefix 'you said '
	[ "$(printf hello | sockcat -u -U "$T/sock")" = 'you said hello' ]
	wait_line peer.out '^got 5 '
	listen lis -u -e -k -U "$T/echo"
	client_py client udp_client.py -u -U "$T/echo" --message one \
	    --message two
	wait_line client.out '^two'
	[ "$(cat "$T/client.out")" = $'one\ntwo' ]
}

@test "datagrams: a large one arrives whole, an empty one is no end" {
	random_file "$T/in" 8192
	listen lis -u -k -U "$T/sock"
	sockcat -u -q 0 -U "$T/sock" <"$T/in"
	wait_size lis.out 8192
	same lis.out in
	client_py client udp_client.py -u -U "$T/sock" --message '' \
	    --no-wait
	wait_exit client
	client_py big udp_client.py -u -U "$T/sock" --size 65507 --no-wait
	wait_exit big
	wait_size lis.out $((8192 + 65507))
}

@test "datagrams: -s names the local end, whose file is removed" {
	listen lis -u -e -k -U "$T/sock"
	[ "$(printf hello | sockcat -u -s "$T/mine" -U "$T/sock")" = hello ]
	[ ! -e "$T/mine" ]
	echo precious >"$T/mine"
	fails 1 "$T/mine" -u -s "$T/mine" -U "$T/sock"
	[ "$(cat "$T/mine")" = precious ]
}

@test "datagrams: the server goes away: exit 1" {
	feed cat
	listen lis -u -k -U "$T/sock"
	start_with - cat sockcat -u -U "$T/sock"
	send_to cat one
	wait_size lis.out 3
	stop lis
	# The next one finds nobody.
	send_to cat two
	ended cat 1
	grep -q 'Connection refused' "$T/cat.err"
}

@test "--mode: permissions of the socket, whatever the umask" {
	for args in '--mode 600' '-k --mode 660' '-u --mode 777' \
	    '-u -k --mode 000' '--mode 666'; do
		umask 027
		# shellcheck disable=SC2086
		listen lis $args -U "$T/sock"
		[ "$(stat -c %a "$T/sock")" = "$((10#${args##* }))" ]
		stop lis
		rm "$T/lis.err"
	done
	umask 027
	listen lis -U "$T/sock"
	[ "$(stat -c %a "$T/sock")" = 750 ]
}

@test "nc.openbsd as client and as server" {
	need nc.openbsd
	listen lis -U "$T/sock"
	printf hello | timeout 20 nc.openbsd -N -U "$T/sock"
	ended lis 0
	[ "$(cat "$T/lis.out")" = hello ]
	start nc nc.openbsd -l -U "$T/nc"
	wait_for 10 test -S "$T/nc"
	printf hello | sockcat -U "$T/nc"
	wait_exit nc
	[ "$(cat "$T/nc.out")" = hello ]
}

@test "nc.openbsd and datagrams" {
	need nc.openbsd
	listen lis -u -e -k -U "$T/sock"
	feed nc
	start_with - nc nc.openbsd -u -U "$T/sock"
	send_to nc hello
	wait_size nc.out 5
	start srv nc.openbsd -l -u -U "$T/nc"
	wait_for 10 test -S "$T/nc"
	feed cat
	start_with - cat sockcat -u -U "$T/nc"
	send_to cat hello
	wait_size srv.out 5
}

@test "socat as client and as server" {
	need socat
	listen lis -U "$T/sock"
	printf hello | timeout 20 socat -u - "UNIX-CONNECT:$T/sock"
	ended lis 0
	[ "$(cat "$T/lis.out")" = hello ]
	start srv socat "UNIX-LISTEN:$T/socat" EXEC:cat
	wait_for 10 test -S "$T/socat"
	[ "$(printf hello | sockcat -U "$T/socat")" = hello ]
}

@test "socat and datagrams" {
	need socat
	start srv socat "UNIX-RECVFROM:$T/socat" EXEC:cat
	wait_for 10 test -S "$T/socat"
	[ "$(printf hello | sockcat -u -U "$T/socat")" = hello ]
	listen lis -u -e -k -U "$T/sock"
	run timeout 20 socat -t 1 - \
	    "UNIX-SENDTO:$T/sock,bind=$T/client" <<<hello
	[ "$output" = hello ]
}
