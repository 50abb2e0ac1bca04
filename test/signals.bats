#!/usr/bin/env bats
#
# Signals: which end it, and how; which do not; jobs in the background.

# shellcheck disable=SC2030,SC2031,SC2154
load helpers

# number SIGNAL: the exit status of who is killed by it.
number() {
	echo $((128 + $(kill -l "$1")))
}

@test "SIGTERM, SIGINT and SIGHUP end a waiting listener by that signal" {
	sigs=(TERM INT HUP)
	for args in '127.0.0.1 0' '127.0.0.1 0' '127.0.0.1 0' \
	    '-k 127.0.0.1 0' '-u 127.0.0.1 0' '-u -k 127.0.0.1 0' '-e -k 127.0.0.1 0' '-b 127.0.0.1 0' \
	    '-e -u 127.0.0.1 0' "-U $T/sock" "-k -U $T/sock"; do
		# shellcheck disable=SC2086
		listen lis $args
		stop lis "${sigs[0]}"
		[ "$status" -eq "$(number "${sigs[0]}")" ]
		run ! grep -q '^sockcat: ' "$T/lis.err"
		rm "$T/lis.err"
		sigs=("${sigs[@]:1}" "${sigs[0]}")
	done
}

@test "... a session" {
	sigs=(TERM INT HUP)
	for args in '127.0.0.1 0' '127.0.0.1 0' '127.0.0.1 0' \
	    '-k 127.0.0.1 0' '-e -k 127.0.0.1 0' '-b 127.0.0.1 0'; do
		sig=${sigs[0]}
		feed lis
		feed cat
		# shellcheck disable=SC2086
		listen_with - lis $args
		start_with - cat sockcat 127.0.0.1 "$PORT"
		wait_line lis.err '^Connection received'
		# The listener first: without -k it ends with the client.
		stop lis "$sig"
		[ "$status" -eq "$(number "$sig")" ]
		stop cat "$sig"
		[ "$status" -eq "$(number "$sig")" ]
		run ! grep -q failed "$T/cat.err"
		end_of lis
		end_of cat
		rm "$T"/*.in "$T"/*.err
		sigs=("${sigs[@]:1}" "$sig")
	done
}

@test "... a client that waits for a connection" {
	need_linux
	full_backlog
	printf -v hex ':%04X 02 ' "$PORT"
	for sig in TERM INT HUP; do
		before=$(grep -c "$hex" /proc/net/tcp) || :
		start cat sockcat 127.0.0.1 "$PORT"
		wait_for 10 connecting
		stop cat $sig
		[ "$status" -eq "$(number $sig)" ]
	done
}

# connecting: somebody's connection to PORT is still being made.
connecting() {
	local hex

	printf -v hex ':%04X 02 ' "$PORT"
	[ "$(grep -c "$hex" /proc/net/tcp)" -gt "${before:-0}" ]
}

@test "standard output is whole when a signal comes afterwards" {
	random_file "$T/data" 3M
	listen lis 127.0.0.1 0
	client_py peer source.py --connect --file "$T/data" --end hold "$PORT"
	wait_size lis.out 3145728
	stop lis
	[ "$status" -eq 143 ]
	same lis.out data
}

@test "an ignored SIGHUP stays ignored" {
	for args in '127.0.0.1 0' "-U $T/sock" "-k -U $T/sock"; do
		# shellcheck disable=SC2016,SC2086
		start lis bash -c 'trap "" HUP; exec "$@"' - "$SOCKCAT" -v -l \
		    $args
		wait_line lis.err '^Listening'
		kill -HUP "$pid_lis"
		stays lis 0.2
		stop lis
		[ "$status" -eq 143 ]
		rm "$T/lis.err"
	done
}

@test "nohup" {
	need nohup
	start lis nohup "$SOCKCAT" -v -l -U "$T/sock"
	wait_line lis.err '^Listening'
	kill -HUP "$pid_lis"
	stays lis 0.2
	echo hello | sockcat -U "$T/sock"
	ended lis 0
	[ "$(cat "$T/lis.out")" = hello ]
}

@test "an ignored SIGINT stays ignored, as in a script's background" {
	# shellcheck disable=SC2016
	start lis bash -c 'trap "" INT; exec "$@"' - "$SOCKCAT" -v -l -k \
	    -U "$T/sock"
	wait_line lis.err '^Listening'
	kill -INT "$pid_lis"
	stays lis 0.2
	stop lis
	[ "$status" -eq 143 ]
}

@test "an inherited ignored SIGPIPE: a closed pipe still ends it quietly" {
	peer_py peer source.py --bytes 30000000 --end hold
	# shellcheck disable=SC2016
	start cat bash -c 'trap "" PIPE; "$@" | (trap - PIPE; head -c 1)
		exit "${PIPESTATUS[0]}"' - "$SOCKCAT" 127.0.0.1 "$PORT"
	ended cat 141
	[ ! -s "$T/cat.err" ]
}

@test "SIGPIPE from a socket never kills" {
	random_file "$T/in" 5M
	peer_py peer rst.py --mode read --bytes 10
	start_with "$T/in" cat sockcat 127.0.0.1 "$PORT"
	ended cat 1
	listen lis -e -k 127.0.0.1 0
	for i in 1 2 3; do
		client_py c$i rst.py --connect --mode send --bytes 500000 \
		    "$PORT"
		wait_line c$i.out '^reset'
	done
	[ "$(printf hello | sockcat 127.0.0.1 "$PORT")" = hello ]
}

# Storms: signals every few milliseconds while data moves.
storm() {
	local pid=$1 i

	shift
	for ((i = 0; i < 80; i++)); do
		kill -"$1" "$pid" 2>/dev/null || break
		set -- "${@:2}" "$1"
		rest 0.003
	done
}

@test "a storm of signals that mean nothing loses nothing" {
	need_bulk
	random_file "$T/in" 20M
	random_file "$T/data" 20M
	for at in '127.0.0.1 0' "-U $T/sock"; do
		# shellcheck disable=SC2086
		listen_with "$T/data" lis $at
		to=(127.0.0.1 "$PORT")
		[[ $at != -U* ]] || to=(-U "$PORT")
		start_with "$T/in" cat sockcat "${to[@]}"
		storm "$pid_cat" WINCH CONT URG &
		storm "$pid_lis" WINCH CONT URG CHLD
		ended cat 0 30
		ended lis 0 30
		same cat.out data
		same lis.out in
		rm "$T/lis.err"
	done
}

@test "a storm of SIGUSR1 with --stats loses no byte" {
	need_bulk
	random_file "$T/in" 20M
	listen echo -ke --stats 127.0.0.1 0
	listen fwd -k --forward "127.0.0.1:$PORT" --stats 127.0.0.1 0
	storm "$pid_echo" USR1 &
	storm "$pid_fwd" USR1 &
	start_with "$T/in" cat sockcat --stats 127.0.0.1 "$PORT"
	wait_size cat.out 1
	storm "$pid_cat" USR1
	ended cat 0 30
	same cat.out in
	for name in echo fwd cat; do
		grep -q '^Statistics: ' "$T/$name.err" || wrong "$name"
	done

	listen hub -b --stats 127.0.0.1 0
	start out sockcat --recv-bytes 20M 127.0.0.1 "$PORT"
	wait_line hub.err '^Connection received'
	storm "$pid_hub" USR1 &
	start_with "$T/in" cat sockcat 127.0.0.1 "$PORT"
	ended out 0 30
	same out.out in

	listen udp -kue --stats 127.0.0.1 0
	seq 50 >"$T/lines"
	storm "$pid_udp" USR1 &
	start_with "$T/lines" say sockcat -u --stats --lines -i 5ms -W 50 \
		127.0.0.1 "$PORT"
	wait_size say.out 1
	storm "$pid_say" USR1
	ended say 0
	same say.out lines
	none_wrong
}

@test "stopped and continued again and again loses nothing" {
	random_file "$T/in" 8M
	listen lis -e 127.0.0.1 0
	start_with "$T/in" cat sockcat 127.0.0.1 "$PORT"
	storm "$pid_cat" STOP CONT
	kill -CONT "$pid_cat" 2>/dev/null || :
	ended cat 0 30
	same cat.out in
}

@test "stopped and continued while everything waits" {
	feed lis
	feed cat
	listen_with - lis 127.0.0.1 0
	start_with - cat sockcat 127.0.0.1 "$PORT"
	send_to cat one
	wait_size lis.out 3
	for ((i = 0; i < 20; i++)); do
		kill -STOP "$pid_cat" "$pid_lis"
		kill -CONT "$pid_cat" "$pid_lis"
	done
	send_to cat two
	wait_size lis.out 6
	send_to lis answer
	wait_size cat.out 6
	end_of cat
	end_of lis
	ended cat 0
	ended lis 0
}

@test "a storm while it waits for a client, for the peer's end, for its limits" {
	listen lis -w 1 127.0.0.1 0
	storm "$pid_lis" WINCH CONT URG
	ended lis 124
	listen udp -u -w 1 127.0.0.1 0
	storm "$pid_udp" WINCH CONT URG
	ended udp 124
	listen keep -k 127.0.0.1 0
	storm "$pid_keep" WINCH CONT URG
	echo hello | sockcat 127.0.0.1 "$PORT"
	wait_line keep.out hello
	feed cat
	peer_py peer half_close.py
	start_with - cat sockcat 127.0.0.1 "$PORT"
	storm "$pid_cat" WINCH CONT URG
	send_to cat hello
	end_of cat
	ended cat 0
	wait_line peer.out '^received 5 .* end$'
}

@test "in a terminal's background nothing stops, input is not read" {
	peer_py srv threaded.py
	start cat in_pty --background --type 'typed\n' "$SOCKCAT" -v \
	    127.0.0.1 "$PORT"
	wait_line srv.out '^\+'
	stays cat 1.5
	run ! grep -q 'stopped by signal' "$T/cat.err"
	[ ! -s "$T/cat.out" ]
	stop cat
}

@test "in a terminal's background what the peer sends is written" {
	for args in connect listen; do
		if [ $args = connect ]; then
			peer_py srv source.py --bytes 300000
			start cat in_pty --background "$SOCKCAT" 127.0.0.1 \
			    "$PORT"
		else
			start cat in_pty --background "$SOCKCAT" -v -l \
			    127.0.0.1 0
			wait_line cat.err '^Listening on '
			PORT=$(sed -n 's/^Listening on .* //p' "$T/cat.err")
			client_py c source.py --connect --bytes 300000 "$PORT"
		fi
		ended cat 0
		[ "$(wc -c <"$T/cat.out")" -eq 300000 ]
		run ! grep -q 'stopped by signal' "$T/cat.err"
	done
}

@test "^C at the terminal ends it by SIGINT" {
	peer_py srv stall.py --send hello
	start cat in_pty --until "$T/cat.out" hello --type '\003' "$SOCKCAT" \
	    127.0.0.1 "$PORT"
	ended cat 130
}

@test "a terminal that is hung up ends it by SIGHUP" {
	peer_py srv stall.py --send hello
	start cat in_pty --until "$T/cat.out" hello --hangup "$SOCKCAT" \
	    127.0.0.1 "$PORT"
	wait_exit cat
	[ "$status" -eq 129 ]
}
