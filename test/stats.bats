#!/usr/bin/env bats
#
# What sockcat counts: --stats and SIGUSR1, the line of -v for each peer of a
# listener with -k, and --progress on a terminal.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154 # scripts; the helpers set them
load helpers

# statistics FILE REGEX: the one line of --stats that is there, and like that.
statistics() {
	local n

	n=$(grep -ac '^Statistics: ' "$1") || :
	[ "$n" -eq 1 ] || fail "$n lines: $(cat -v "$1")"
	grep -aqE "^Statistics: $2" "$1" || fail "not '$2': $(cat -v "$1")"
}

# closed NAME REGEX [COUNT]: so many lines of -v about peers that are gone.
closed() {
	wait_lines "$1.err" \
		"^Connection from [^ ]+( [0-9]+)? closed: [0-9]+\.[0-9]{3} s, $2\$" \
		"${3:-1}"
}

rates='[0-9.]+ ([KMG]i)?B/s in, [0-9.]+ ([KMG]i)?B/s out'
rtt='[0-9]+ retransmits?, round trip [0-9]+\.[0-9]{3} ms'

@test "--stats: a line at the end, of a client and of a listener" {
	listen srv --stats 127.0.0.1 0
	printf 'some bytes' | sockcat --stats 127.0.0.1 "$PORT" 2>"$T/err"
	ended srv 0
	statistics "$T/err" "0 bytes received, 10 bytes sent, [0-9]+\.[0-9]{3} s, $rates, connected in [0-9]+\.[0-9]{3} ms"
	statistics "$T/srv.err" '10 bytes received, 0 bytes sent, '
	[ "$(cat "$T/srv.out")" = "some bytes" ]
	[ "$(tail -n 1 "$T/srv.err" | cut -c 1-10)" = Statistics ]
	run ! grep connected "$T/srv.err"
}

@test "--stats: what only the kernel knows of a TCP connection" {
	need_acks
	listen srv -k -e --stats 127.0.0.1 0
	echo | sockcat --stats 127.0.0.1 "$PORT" 2>"$T/err"
	statistics "$T/err" "1 byte received, 1 byte sent, .*, $rtt\$"
	stop srv
	# Of many peers the mean would tell nothing.
	statistics "$T/srv.err" '1 peer, .*, [0-9]+ retransmits?$'
}

@test "--stats: on a Unix socket" {
	listen srv -U --stats "$T/sock"
	echo | sockcat -U --stats "$T/sock" 2>"$T/err"
	ended srv 0
	statistics "$T/err" "0 bytes received, 1 byte sent, .* ms\$"
}

@test "--stats: a bulk that is not copied is counted whole" {
	need_bulk
	random_file "$T/f" 20M
	listen srv -k -e 127.0.0.1 0
	sockcat --stats 127.0.0.1 "$PORT" <"$T/f" 2>"$T/err" | cat >"$T/back"
	same f back
	statistics "$T/err" '20971520 bytes received, 20971520 bytes sent, '
}

@test "--stats: what goes over the wire: CRLF, telnet, --recv-bytes" {
	listen srv -d 127.0.0.1 0
	printf 'a\nb\n' | sockcat -C --stats 127.0.0.1 "$PORT" 2>"$T/err"
	ended srv 0
	statistics "$T/err" '0 bytes received, 6 bytes sent, '
	listen srv --send '0123456789' 127.0.0.1 0
	sockcat --recv-bytes 4 --stats 127.0.0.1 "$PORT" 2>"$T/err" </dev/null
	statistics "$T/err" '4 bytes received, '
}

@test "--stats: after a failure, a limit, a signal, a closed pipe" {
	free_port
	run sockcat --stats 127.0.0.1 "$PORT"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[0]} == *refused ]]
	[[ ${lines[1]} == "Statistics: 0 bytes received, 0 bytes sent, "* ]]

	run sockcat --stats --max-time 0.3 -l 127.0.0.1 0
	[ "$status" -eq 124 ]
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[1]} == "Statistics: 0 bytes received, 0 bytes sent, "* ]]

	listen srv -k -e --stats 127.0.0.1 0
	echo | sockcat 127.0.0.1 "$PORT" >/dev/null
	stop srv
	[ "$status" -eq 143 ]
	statistics "$T/srv.err" '1 peer, 1 byte received, 1 byte sent, '

	listen srv -k -e 127.0.0.1 0
	start cl sh -c '{ echo; cat; } <"$1" |
		{ "$0" --stats 127.0.0.1 "$2"; echo "$?" >"$3"; } | :' \
		"$SOCKCAT" /dev/zero "$PORT" "$T/status"
	wait_exit cl
	[ "$(cat "$T/status")" -eq 141 ]
	statistics "$T/cl.err" '[0-9]+ bytes received, '
}

@test "--stats: --quiet does not silence what was asked for" {
	free_port
	run sockcat --stats --quiet 127.0.0.1 "$PORT"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ ${lines[0]} == "Statistics: "* ]]
}

@test "SIGUSR1: the statistics so far, as often as it comes" {
	listen srv -k -e 127.0.0.1 0
	feed cl
	start_with - cl sockcat --stats 127.0.0.1 "$PORT"
	send_to cl 12345
	wait_size cl.out 5
	kill -USR1 "$(pid_of cl)"
	wait_lines cl.err '^Statistics: 5 bytes received, 5 bytes sent, ' 1
	send_to cl 67890
	wait_size cl.out 10
	kill -USR1 "$(pid_of cl)"
	wait_lines cl.err '^Statistics: 10 bytes received, 10 bytes sent, ' 1
	end_of cl
	ended cl 0
	[ "$(grep -c '^Statistics: ' "$T/cl.err")" -eq 3 ]
	[ "$(cat "$T/cl.out")" = 1234567890 ]
}

@test "SIGUSR1: of those who are there and those who are gone" {
	listen srv -k -e --stats 127.0.0.1 0
	echo | sockcat 127.0.0.1 "$PORT" >/dev/null
	feed cl
	start_with - cl sockcat 127.0.0.1 "$PORT"
	send_to cl 12345
	wait_size cl.out 5
	kill -USR1 "$(pid_of srv)"
	wait_line srv.err '^Statistics: 2 peers, 6 bytes received, 6 bytes sent, '
}

@test "SIGUSR1 ends a run that was asked for nothing" {
	listen srv -k -e 127.0.0.1 0
	stop srv USR1
	[ "$status" -gt 128 ]
	[ ! -s "$T/srv.out" ]
	run ! grep Statistics "$T/srv.err"
}

@test "SIGUSR1 reaches a command as ever" {
	listen srv -c 'kill -USR1 $$; echo not here' --stats 127.0.0.1 0
	run sockcat 127.0.0.1 "$PORT" </dev/null
	[ "$output" = "" ]
	wait_exit srv
	[ "$status" -gt 128 ]
}

@test "--stats with -z, --progress where there is no relay: refused" {
	run sockcat -z --stats 127.0.0.1 1
	[ "$status" -eq 2 ]
	[[ $output == *"--stats makes no sense with -z"* ]]
	run sockcat -lk --progress 127.0.0.1 0
	[ "$status" -eq 2 ]
	[[ $output == *"--progress makes no sense with -k"* ]]
}

@test "-v -k: a line for each peer: echo" {
	listen srv -k -e --idle-timeout 0.5 127.0.0.1 0
	printf 12345 | sockcat 127.0.0.1 "$PORT" >/dev/null
	closed srv '5 bytes received, 5 bytes sent, ended'
	sockcat -d 127.0.0.1 "$PORT" </dev/null || :
	closed srv '0 bytes received, 0 bytes sent, silent'
}

@test "-v -k: a reset" {
	listen srv -k -e 127.0.0.1 0
	start cl sockcat --reset -q 0 127.0.0.1 "$PORT"
	wait_exit cl
	closed srv '0 bytes received, 0 bytes sent, reset'
}

@test "-v -k: a relay of many, a hub, a chat" {
	listen srv -k 127.0.0.1 0
	printf 12345 | sockcat 127.0.0.1 "$PORT"
	closed srv '5 bytes received, 0 bytes sent, ended'
	stop srv
	for kind in -b --chat; do
		# A Unix peer is gone as soon as it has closed.
		listen srv "$kind" -d -U "$T/sock"
		feed one
		start_with - one sockcat -U "$T/sock"
		wait_line srv.err '^Connection received'
		printf '12345\n' | sockcat -U -q 0 "$T/sock" >/dev/null
		closed srv '6 bytes received, [0-9]+ bytes sent, ended'
		wait_line one.out 12345
		end_of one
		stop one
		stop srv
		rm "$T/one.in"
	done
}

@test "-v -k: a forward, as its peer sees it; one whose target is down" {
	listen tgt -k -e 127.0.0.1 0
	listen srv -k --forward "127.0.0.1:$PORT" 127.0.0.1 0
	printf 12345 | sockcat 127.0.0.1 "$PORT" >/dev/null
	closed srv '5 bytes received, 5 bytes sent, ended'
	stop tgt
	sockcat 127.0.0.1 "$PORT" </dev/null || :
	closed srv failed
}

@test "-v -k: commands: counted with --stats only" {
	listen srv -k -c cat 127.0.0.1 0
	printf 12345 | sockcat 127.0.0.1 "$PORT" >/dev/null
	closed srv ended
	stop srv
	listen srv -k -c cat --stats 127.0.0.1 0
	printf 12345 | sockcat 127.0.0.1 "$PORT" >/dev/null
	closed srv '5 bytes received, 5 bytes sent, ended'
	stop srv
	statistics "$T/srv.err" '1 peer, 5 bytes received, 5 bytes sent, '
}

@test "without -k there is no such line, nor without -v" {
	listen srv -e 127.0.0.1 0
	echo | sockcat -v 127.0.0.1 "$PORT" >/dev/null 2>"$T/err"
	ended srv 0
	run ! grep closed "$T/srv.err" "$T/err"
	free_port
	start quiet sockcat -l -k -e 127.0.0.1 "$PORT"
	wait_port "$PORT"
	echo | sockcat 127.0.0.1 "$PORT" >/dev/null
	stop quiet
	[ ! -s "$T/quiet.err" ]
}

@test "datagrams are counted: an echo and its client" {
	listen srv -u -k -e --stats 127.0.0.1 0
	printf 12345 | sockcat -u --stats -q 0.3 127.0.0.1 "$PORT" \
		>"$T/out" 2>"$T/err"
	statistics "$T/err" '5 bytes received, 5 bytes sent, 1 datagram received, 1 datagram sent, '
	stop srv
	statistics "$T/srv.err" '5 bytes received, 5 bytes sent, 1 datagram received, 1 datagram sent, '
}

@test "datagrams are counted: lines, an empty one" {
	listen srv -u -k --stats 127.0.0.1 0
	printf '1\n22\n333\n' |
		sockcat -u --lines --stats -q 0 127.0.0.1 "$PORT" 2>"$T/err"
	statistics "$T/err" '0 bytes received, 9 bytes sent, 0 datagrams received, 3 datagrams sent, '
	wait_size srv.out 9
	stop srv
	statistics "$T/srv.err" '1 peer, 9 bytes received, 0 bytes sent, 3 datagrams received, 0 datagrams sent, '
}

@test "datagrams are counted: hubs send to each" {
	listen srv -u -b --stats 127.0.0.1 0
	for i in 1 2; do
		feed "c$i"
		start_with - "c$i" sockcat -u 127.0.0.1 "$PORT"
		send_to "c$i" "peer$i"
		wait_lines srv.err '^Connection received' "$i"
	done
	wait_line c1.out peer2
	stop srv
	statistics "$T/srv.err" '2 peers, 10 bytes received, 5 bytes sent, 2 datagrams received, 1 datagram sent, '
}

@test "datagrams are counted: a forward, a command" {
	listen tgt -u -k -e 127.0.0.1 0
	for how in --forward -c; do
		if [ "$how" = -c ]; then
			what="cat"
		else
			what=127.0.0.1:$PORT
		fi
		listen srv -u -k --stats --idle-timeout 1 "$how" "$what" \
			127.0.0.1 0
		printf 12345 | sockcat -u -q 0.5 127.0.0.1 "$PORT" >"$T/out"
		closed srv '5 bytes received, 5 bytes sent, 1 datagram received, 1 datagram sent, (silent|ended)'
		stop srv
		statistics "$T/srv.err" '1 peer, 5 bytes received, 5 bytes sent, 1 datagram received, 1 datagram sent, '
		rm "$T/srv.err"
		PORT=$(sed -n 's/^Bound on 127.0.0.1 //p' "$T/tgt.err")
	done
}

# bar NAME: what the line of --progress said, one a line.
bar() {
	tr '\r' '\n' <"$T/$1.out" | grep -aE '/s, [0-9]+:[0-9]{2}'
}

# on_terminal NAME FILE ARGS...: sockcat --progress with its standard error a
# terminal, input from FILE, output into NAME.data.
on_terminal() {
	local name=$1 file=$2
	shift 2

	start "$name" in_pty --all sh -c 'file=$1 data=$2 cols=$3; shift 3
		stty cols "$cols" onlcr
		exec "$@" <"$file" >"$data"' sh "$file" "$T/$name.data" \
		"${cols:-80}" "$SOCKCAT" --progress "$@"
}

erased=$'\r\033[K'

@test "--progress: size, percentage and the rest of a file; gone at the end" {
	head -c 10000 /dev/zero >"$T/f"
	feed srv
	listen_with - srv 127.0.0.1 0
	on_terminal cl "$T/f" 127.0.0.1 "$PORT"
	wait_line cl.out 'sent 9\.8 KiB of 9\.8 KiB \(100%\), .*/s, [0-9]+:[0-9]{2}'
	end_of srv
	ended cl 0
	ended srv 0
	same f srv.out
	[ ! -s "$T/cl.data" ]
	# Its last word is that the line is empty.
	[ "$(tail -c 4 "$T/cl.out")" = "$erased" ]
	[ "$(wc -l <"$T/cl.out")" -eq 0 ]
}

@test "--progress: the rest of a file, and how long it takes" {
	head -c 1000000 /dev/zero >"$T/f"
	listen srv -d 127.0.0.1 0
	on_terminal cl "$T/f" --rate 40k 127.0.0.1 "$PORT"
	wait_line cl.out 'sent .* KiB of 976\.6 KiB \([0-9]+%\), [0-9.]+ (KiB|B)/s, [0-9]+:[0-9]{2}, [0-9]+:[0-9]{2} left' 20
	# The rate is there from the first line on.
	run ! grep -aq ', 0 B/s' "$T/cl.out"
	stop cl
	[ "$(tail -c 4 "$T/cl.out")" = "$erased" ]
	stop srv
}

@test "--progress: what is received; no total of a pipe" {
	feed srv
	listen_with - srv 127.0.0.1 0
	on_terminal cl /dev/null 127.0.0.1 "$PORT"
	send_to srv 12345
	wait_line cl.out 'received 5 B, [0-9.]+ B/s, [0-9]+:[0-9]{2}'
	end_of srv
	ended cl 0
	[ "$(cat "$T/cl.data")" = 12345 ]
	run ! grep -qE '%| of | left' "$T/cl.out"
}

@test "--progress: fits the terminal, whatever its width" {
	head -c 10000 /dev/zero >"$T/f"
	feed srv
	listen_with - srv 127.0.0.1 0
	cols=15
	on_terminal cl "$T/f" 127.0.0.1 "$PORT"
	wait_line cl.out 'sent 9\.8 KiB o'
	end_of srv
	ended cl 0
	tr '\r' '\n' <"$T/cl.out" | sed 's/\x1b\[K//g' >"$T/lines"
	run ! grep -aE '.{15}' "$T/lines"
}

@test "--progress: a message stands above it; stopped, it goes on" {
	feed cl srv
	mkfifo "$T/srv.in"
	exec {hold}<>"$T/srv.in"
	listen_with "$T/srv.in" srv 127.0.0.1 0
	on_terminal cl "$T/cl.in" --stats 127.0.0.1 "$PORT"
	send_to cl 12345
	wait_line cl.out 'sent 5 B, '
	kill -USR1 "$(pid_of cl)"
	wait_line cl.out $'\r\033\\[KStatistics: 0 bytes received, 5 bytes sent, '
	# The bar is drawn again, below.
	wait_for 10 drawn_below
	kill -STOP -- "-$(pid_of cl)"
	kill -CONT -- "-$(pid_of cl)"
	send_to cl 67890
	wait_line cl.out 'sent 10 B, '
	exec {hold}>&-
	end_of cl
	ended cl 0
}

drawn_below() {
	tail -n 1 "$T/cl.out" | grep -aqE '^.?sent 5 B, '
}

@test "--progress: gone for good once data comes to the same terminal" {
	feed srv
	listen_with - srv 127.0.0.1 0
	start cl in_pty --all --type 'hi\n' -- "$SOCKCAT" --progress \
		127.0.0.1 "$PORT"
	wait_line cl.out 'sent 3 B, '
	send_to srv $'hello\n'
	wait_line cl.out hello
	end_of srv
	ended cl 0
	grep -aqF "${erased}hello" "$T/cl.out"
	run ! grep -aE 'hello.*/s' <(tr '\r\n' '  ' <"$T/cl.out")
}

@test "--progress: a forward, all its peers together" {
	listen tgt -k -e 127.0.0.1 0
	start fwd in_pty --all "$SOCKCAT" -v --progress -l -k --forward \
		"127.0.0.1:$PORT" 127.0.0.1 0
	wait_line fwd.out '^Listening on '
	PORT=$(tr -d '\r' <"$T/fwd.out" | sed -n 's/^Listening on 127.0.0.1 //p')
	feed one
	start_with - one sockcat 127.0.0.1 "$PORT"
	wait_line fwd.out '^Connection received'
	run ! grep -a '/s, ' "$T/fwd.out"
	send_to one 12345
	printf 12345 | sockcat 127.0.0.1 "$PORT" >/dev/null
	wait_line fwd.out 'sent 10 B, received 10 B, '
	# Nothing more moves.
	end_of one
	ended one 0
	wait_for 10 is_erased
	stop fwd
	is_erased
}

is_erased() {
	[ "$(tail -c 4 "$T/fwd.out")" = "$erased" ]
}

@test "--progress: nothing where standard error is no terminal" {
	listen srv -k -e 127.0.0.1 0
	echo hello | sockcat --progress -q 0.6 127.0.0.1 "$PORT" 2>"$T/err"
	[ ! -s "$T/err" ]
}
