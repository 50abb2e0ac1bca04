#!/usr/bin/env bats
#
# --json: each event, error and statistic is one object a line, and valid,
# whatever the bytes in it.

# shellcheck disable=SC2016,SC2154 # jq's variables; status
load helpers

setup() {
	need jq
	helpers_setup
}

# jlisten NAME ARGS...: as listen, with --json: PORT is that of the first
# object about listening.
jlisten() {
	local name=$1
	shift

	start "$name" sockcat --json -l "$@"
	wait_line "$name.err" '"event":"listening"'
	PORT=$(jq -r 'select(.event == "listening") | .port // .address' \
		"$T/$name.err" | head -n 1)
}

# objects FILE FILTER WANTED: what jq makes of all of its lines, each of which
# is an object with an event and a time.
objects() {
	local got

	jq -e -s -R 'rtrimstr("\n") | split("\n") | map(fromjson) | all(
		(.event | type == "string") and (.time | test(
		"^2[0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\\.[0-9]{6}Z$")))' \
		"$1" >/dev/null || fail "not all objects: $(cat -v "$1")"
	got=$(jq -r "$2" "$1") || fail "jq: $(cat -v "$1")"
	[ "$got" = "$3" ] || fail "$2: '$got', not '$3': $(cat -v "$1")"
}

# event FILE EVENT FILTER: it is there, once, and that is true of it.
event() {
	objects "$1" "select(.event == \"$2\") | $3" true
}

@test "a connection: listening, accepted, connected, closed, statistics" {
	jlisten srv 127.0.0.1 0
	printf 12345 | sockcat --json 127.0.0.1 "$PORT" 2>"$T/err"
	ended srv 0
	objects "$T/srv.err" .event $'listening\naccepted\nclosed\nstatistics'
	objects "$T/err" .event $'connected\nclosed\nstatistics'
	event "$T/srv.err" listening ".address == \"127.0.0.1\" and
		.port == $PORT and .family == \"ipv4\" and .protocol == \"tcp\""
	event "$T/err" connected ".address == \"127.0.0.1\" and
		.host == \"127.0.0.1\" and .port == $PORT and
		.protocol == \"tcp\" and (.seconds | type == \"number\")"
	event "$T/srv.err" accepted '.address == "127.0.0.1" and .port > 0 and
		.family == "ipv4"'
	event "$T/srv.err" closed '.bytes_received == 5 and .bytes_sent == 0 and
		.reason == "ended" and .seconds >= 0 and .port > 0'
	event "$T/err" closed ".bytes_received == 0 and .bytes_sent == 5 and
		.port == $PORT"
	event "$T/err" statistics '.bytes_sent == 5 and .status == 0 and
		.peers == 1 and .peers_now == 0 and .connect_seconds >= 0'
	[ "$(cat "$T/srv.out")" = 12345 ]
}

@test "what the kernel knows of a TCP connection" {
	need_acks
	jlisten srv -k -e 127.0.0.1 0
	echo | sockcat --json 127.0.0.1 "$PORT" 2>"$T/err" >/dev/null
	event "$T/err" closed '.retransmits >= 0 and .rtt_seconds > 0'
	stop srv
	event "$T/srv.err" statistics '.retransmits >= 0 and
		(has("rtt_seconds") | not)'
}

@test "every address that is listened on is an object" {
	need_ipv6
	jlisten srv -k 0
	objects "$T/srv.err" '"\(.address) \(.port) \(.family)"' \
		":: $PORT ipv6
0.0.0.0 $PORT ipv4"
}

@test "Unix sockets have an address if they have a name, and no port" {
	jlisten srv -k -e -U "$T/a \"b\""
	echo | sockcat --json -U "$T/a \"b\"" 2>"$T/err" >/dev/null
	objects "$T/srv.err" 'select(.event == "listening") | .address' \
		"$T/a \"b\""
	event "$T/srv.err" accepted '.family == "unix" and (has("port") | not)'
	objects "$T/err" 'select(.event == "connected") | .address' "$T/a \"b\""
	event "$T/err" connected '.protocol == "unix" and (has("port") | not)'
}

@test "errors: the message and the exit status that belongs to it" {
	free_port
	run sockcat --json 127.0.0.1 "$PORT"
	[ "$status" -eq 1 ]
	echo "$output" >"$T/err"
	objects "$T/err" .event $'error\nstatistics'
	objects "$T/err" .status $'1\n1'
	objects "$T/err" 'select(.event == "error") | .message' \
		"connect to 127.0.0.1 port $PORT (tcp) failed: Connection refused"
	# A wrong command line is one object, too.
	run sockcat --json -l
	[ "$status" -eq 2 ]
	echo "$output" >"$T/err"
	objects "$T/err" '.event, .message, .status' \
		$'error\n-l needs a port; write -l [HOST] PORT\n2'
	run sockcat --json -n no.number 1
	[ "$status" -eq 2 ]
	echo "$output" >"$T/err"
	event "$T/err" error '.status == 2'
}

@test "the error of one of many peers ends nothing: no status" {
	jlisten srv -k --exec /nonexistent/x 127.0.0.1 0
	sockcat 127.0.0.1 "$PORT" </dev/null || :
	wait_line srv.err '"event":"error"'
	wait_line srv.err '"event":"closed"'
	event "$T/srv.err" error 'has("status") | not'
	event "$T/srv.err" closed '.reason == "failed"'
	stop srv
	event "$T/srv.err" statistics '.status == 143 and .peers == 1'
}

@test "strings are valid whatever bytes there are" {
	name=$'/none/q"b\\ \t\x01\x7f \xc3\xa9 \xff\xc3 \xe2\x82\xac\xed\xa0\x80 \xc2\x85'
	run sockcat --json -U "$name"
	[ "$status" -eq 1 ]
	echo "$output" >"$T/err"
	# Unicode stays, what is none and C1 are \xHH, controls are escaped.
	objects "$T/err" 'select(.event == "error") | .message' \
		"connect to $(printf '/none/q"b\\ \t\001\177 \303\251 \\xFF\\xC3 \342\202\254\\xED\\xA0\\x80 \\xC2\\x85') (unix) failed: No such file or directory"
	# No byte alone breaks it, nor a long text that is cut.
	for ((i = 1; i < 256; i += 15)); do
		printf -v bytes '\\x%02x' $(seq "$i" $((i + 14)))
		run sockcat --json -U "$(printf '/none/%b.' "$bytes")"
		echo "$output"
	done >"$T/err"
	objects "$T/err" 'select(.event == "error") | .status' \
		"$(printf '1\n%.0s' {1..17})"
	run sockcat --json "$(printf '\001%.0s' {1..1500})" 1
	echo "$output" >"$T/err"
	objects "$T/err" '.event' $'error\nstatistics'
}

@test "who is refused" {
	jlisten srv -k --deny 127.0.0.1 127.0.0.1 0
	sockcat 127.0.0.1 "$PORT" </dev/null || :
	wait_line srv.err '"event":"refused"'
	event "$T/srv.err" refused '.reason == "denied" and .port > 0 and
		.address == "127.0.0.1" and .family == "ipv4"'
	stop srv
	jlisten srv -k --allow 127.0.0.2 127.0.0.1 0
	sockcat 127.0.0.1 "$PORT" </dev/null || :
	wait_line srv.err '"reason":"not allowed"'
}

@test "-v: other messages are objects as well, and no line is anything else" {
	listen tgt -k -e 127.0.0.1 0
	to=$PORT
	jlisten srv -v -k --max-conns 1 --forward "127.0.0.1:$to" 127.0.0.1 0
	echo hello | sockcat 127.0.0.1 "$PORT" >/dev/null
	wait_line srv.err '"event":"closed"'
	objects "$T/srv.err" 'select(.event == "info") | .message' \
		'The house is full (-m 1); others wait'
	event "$T/srv.err" connected ".port == $to"
	event "$T/srv.err" closed '.bytes_received == 6 and .bytes_sent == 6'
}

@test "--quiet silences errors, not what was asked for" {
	free_port
	run sockcat --json --quiet 127.0.0.1 "$PORT"
	[ "$status" -eq 1 ]
	echo "$output" >"$T/err"
	objects "$T/err" .event statistics
}

@test "SIGUSR1, and a signal that ends it: who is there has stopped" {
	jlisten srv -k -e 127.0.0.1 0
	printf 123 | sockcat 127.0.0.1 "$PORT" >/dev/null
	wait_line srv.err '"event":"closed"'
	feed cl
	start_with - cl sockcat 127.0.0.1 "$PORT"
	send_to cl 12345
	wait_size cl.out 5
	kill -USR1 "$(pid_of srv)"
	wait_line srv.err '"event":"statistics"'
	event "$T/srv.err" statistics '.peers_now == 1 and .peers == 2 and
		.bytes_sent == 8 and (has("status") | not)'
	stop srv
	[ "$status" -eq 143 ]
	grep '"reason":"stopped"' "$T/srv.err" >"$T/stopped"
	event "$T/stopped" closed '.bytes_received == 5'
	tail -n 1 "$T/srv.err" >"$T/last"
	objects "$T/last" '.event, .status' $'statistics\n143'
}

@test "reasons: reset, silent, failed, and an early end" {
	jlisten srv -k -e --idle-timeout 0.5 127.0.0.1 0
	"${python[@]}" "$PEERS/rst.py" --connect "$PORT"
	wait_line srv.err '"reason":"reset"'
	sockcat -d 127.0.0.1 "$PORT" || :
	wait_line srv.err '"reason":"silent"'
	free_port
	to=$PORT
	jlisten fwd -k --forward "127.0.0.1:$to" 127.0.0.1 0
	sockcat 127.0.0.1 "$PORT" </dev/null || :
	wait_line fwd.err '"reason":"failed"'
	event "$T/fwd.err" closed 'has("bytes_sent") | not'
	event "$T/fwd.err" error 'has("status") | not'
	jlisten early --recv-bytes 10 127.0.0.1 0
	sockcat 127.0.0.1 "$PORT" <<<123 || :
	ended early 1
	event "$T/early.err" closed '.reason == "ended"'
}

@test "a command that has the socket itself: no counts, but with --stats" {
	jlisten srv -k --exec cat 127.0.0.1 0
	sockcat 127.0.0.1 "$PORT" <<<hello
	wait_line srv.err '"closed"'
	stop srv
	event "$T/srv.err" statistics '(has("bytes_sent") | not) and .peers == 1'
	jlisten counted -k --stats --exec cat 127.0.0.1 0
	sockcat 127.0.0.1 "$PORT" <<<hello
	wait_line counted.err '"closed"'
	stop counted
	event "$T/counted.err" statistics '.bytes_sent == 6'
}

@test "datagrams" {
	jlisten srv -u -k -e 127.0.0.1 0
	printf 12345 | sockcat --json -u -q 0.3 127.0.0.1 "$PORT" \
		2>"$T/err" >/dev/null
	event "$T/srv.err" listening '.protocol == "udp"'
	event "$T/err" closed '.datagrams_received == 1 and
		.datagrams_sent == 1 and .bytes_received == 5'
	stop srv
	event "$T/srv.err" statistics '.datagrams_received == 1 and
		.datagrams_sent == 1 and .bytes_sent == 5'
	jlisten many -u -k 127.0.0.1 0
	sockcat -u -q 0 127.0.0.1 "$PORT" <<<a
	sockcat -u -q 0 127.0.0.1 "$PORT" <<<b
	wait_size many.out 4
	stop many
	event "$T/many.err" statistics '.peers == 2'
}

@test "a scan: an object on standard output for each open port" {
	listen one -k -e 127.0.0.1 0
	a=$PORT
	listen two -k -e 127.0.0.1 0
	b=$PORT
	free_port
	sockcat -z --json 127.0.0.1 "$a,$b,$PORT" >"$T/out" 2>"$T/err"
	[ ! -s "$T/err" ]
	objects "$T/out" '.event, .state, .protocol, .address, .host' \
		"$(printf 'scan\nopen\ntcp\n127.0.0.1\n127.0.0.1\n%.0s' 1 2)"
	objects "$T/out" .port "$(printf '%s\n' "$a" "$b" | sort -n)"
	# One port alone is a connection.
	sockcat -z --json 127.0.0.1 "$a" >"$T/out" 2>"$T/err"
	[ ! -s "$T/out" ]
	objects "$T/err" '.event, .port' $'connected\n'"$a"
}

@test "one write an object" {
	need strace
	need_linux
	listen srv -k -e 127.0.0.1 0
	strace -f -o "$T/trace" -s 4000 -e trace=write,writev "$SOCKCAT" \
		--json -v 127.0.0.1 "$PORT" </dev/null 2>"$T/err"
	[ "$(grep -c 'write(2, "{.*}\\n"' "$T/trace")" -eq "$(wc -l <"$T/err")" ]
	[ "$(wc -l <"$T/err")" -eq 3 ]
}
