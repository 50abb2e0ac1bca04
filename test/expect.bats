#!/usr/bin/env bats
#
# Conversations of a script: --send and --expect, and what ends a session once
# enough has come: -W and --recv-bytes.

# shellcheck disable=SC2030,SC2031,SC2153,SC2154
load helpers

# ends STATUS REGEX ARGS...: sockcat ends like that, with one line that
# matches; an empty REGEX: with none.  Its output is in $T/out.
ends() {
	local want=$1 regex=$2
	shift 2

	status=0
	sockcat "$@" >"$T/out" 2>"$T/said.err" || status=$?
	[ "$status" -eq "$want" ] ||
		fail "$*: status $status: $(cat -v "$T/said.err")"
	if [ -z "$regex" ]; then
		[ ! -s "$T/said.err" ] || fail "$*: $(cat -v "$T/said.err")"
	else
		said said 1 "$regex"
		[ "$(wc -l <"$T/said.err")" -eq 1 ]
	fi
}

@test "redis: PING, +PONG" {
	need redis-server
	free_port
	start redis redis-server --port "$PORT" --bind 127.0.0.1 --save '' \
	    --appendonly no --dir "$T"
	wait_port "$PORT"
	run sockcat --send 'PING\r\n' --expect '+PONG\r\n' 127.0.0.1 "$PORT"
	[ "$status" -eq 0 ]
	[ "$output" = $'+PONG\r' ]
	run sockcat -w 1 --send 'PING\r\n' --expect '+PANG' 127.0.0.1 "$PORT"
	[ "$status" -eq 124 ]
	[[ $output == *'the time of -w passed before "+PANG" came' ]]
}

@test "an SMTP banner, and the status line of an HTTP server" {
	play smtp 'drip=220 mail.example.org ESMTP\r\n' until=QUIT \
	    'say=221 Bye\r\n' rest
	run sockcat -d --expect '220 ' 127.0.0.1 "$PORT"
	[ "$status" -eq 0 ]
	[[ $output == '220 '* ]]
	play smtp 'drip=220 mail.example.org ESMTP\r\n' until=QUIT \
	    'say=221 Bye\r\n' rest
	run sockcat --send 'QUIT\r\n' --expect '\n221' 127.0.0.1 "$PORT"
	[ "$status" -eq 0 ]
	[[ $output == '220 '*$'\n221'* ]]
	start http "${python[@]}" -m http.server --bind 127.0.0.1 \
	    --directory "$T" 0
	wait_line http.out 'port [0-9]+'
	PORT=$(sed -n 's/.* port \([0-9]*\).*/\1/p' "$T/http.out")
	run sockcat --send 'HEAD / HTTP/1.0\r\n\r\n' --expect ' 200 OK' \
	    127.0.0.1 "$PORT"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == HTTP/1.0' 200 OK'* ]]
	run sockcat --send 'HEAD /none HTTP/1.0\r\n\r\n' --expect ' 200 OK' \
	    127.0.0.1 "$PORT"
	[ "$status" -eq 1 ]
	[[ $output == *'ended before " 200 OK" came' ]]
}

@test "--expect: across reads, and where a start of it proves false" {
	# What is sent a byte at a time, what is waited for, whether it comes.
	while read -r text needle yes; do
		play srv "drip=$text" half rest
		status=0
		sockcat -d --expect "$needle" 127.0.0.1 "$PORT" >"$T/out" \
		    2>"$T/err" || status=$?
		[ "$status" -eq "$yes" ] ||
			wrong "$text $needle: $status $(cat "$T/err")"
		[ "$yes" -eq 0 ] ||
			[ "$(od -An -tx1 <"$T/out")" = \
			    "$(printf %b "$text" | od -An -tx1)" ] ||
			wrong "$text: $(cat -v "$T/out")"
		wait_exit srv
	done <<-'EOF'
	aaab aab 0
	aabaabaaab aabaaa 0
	ababac abac 0
	ababa aba\0 1
	x\x00y\x00z \0y\0 0
	\xff\xfe\xff \xff\xff 1
	\xfe\xff\xff\xff \xFF\xff 0
	abcabcabd abcabd 0
	abcabcab abcabd 1
	a a 0
	EOF
	none_wrong
}

@test "--expect: what came with it is written, to a file and to a pipe" {
	need_bulk
	play srv 'say=before needle and after' rest
	ends 0 '' -d --expect needle 127.0.0.1 "$PORT"
	[ "$(cat "$T/out")" = 'before needle and after' ]
	play srv 'say=before needle and after' rest
	sockcat -d --expect needle 127.0.0.1 "$PORT" | cat >"$T/out"
	[ "$(cat "$T/out")" = 'before needle and after' ]
}

@test "--expect: deep in a bulk, in one of a million places" {
	need_bulk
	{
		yes 'needl' | head -c 3M
		echo needle
		echo more
	} >"$T/hay"
	play srv "file=$T/hay" rest
	ends 0 '' -d --expect needle 127.0.0.1 "$PORT"
	[ "$(wc -c <"$T/out")" -ge $(((3 << 20) + 6)) ]
	cmp -n "$(wc -c <"$T/out")" "$T/hay" "$T/out"
}

@test "--expect: the peer ends first" {
	play srv 'say=nearly PON' half rest
	ends 1 "^sockcat: connection to 127\.0\.0\.1 port $PORT \(tcp\): ended \
before \"PO\\\\x4e\\\\r\" came\$" --send hi --expect 'PO\x4e\r' \
	    127.0.0.1 "$PORT"
	[ "$(cat "$T/out")" = 'nearly PON' ]
	ended srv 0
	[ "$(tail -n 1 "$T/srv.out")" = "got b'hi'" ]
	play srv say=abc get=1 reset
	ends 1 'Connection reset by peer' --send x --expect abcd 127.0.0.1 \
	    "$PORT"
}

@test "--expect: the limits" {
	play srv say=abc rest
	ends 124 'the time of -w passed before "x" came' -d -w 300ms \
	    --expect x 127.0.0.1 "$PORT"
	[ "$(cat "$T/out")" = abc ]
	play srv say=abc rest
	ends 124 'the time of -q passed before "x" came' -q 300ms --expect x \
	    127.0.0.1 "$PORT" </dev/null
	play srv say=abc rest
	ends 124 'the time of --max-time passed before "x" came' \
	    --max-time 300ms --expect x \
	    127.0.0.1 "$PORT"
	play srv say=abc rest
	ends 124 'the time of --idle-timeout passed before "x" came' \
	    --idle-timeout 300ms \
	    --expect x 127.0.0.1 "$PORT"
	full_backlog
	ends 124 'no answer in time \(-w\)$' -w 300ms --expect x 127.0.0.1 \
	    "$PORT"
	ends 124 'no answer in time \(--retry\)$' --retry 300ms --expect x \
	    127.0.0.1 "$PORT"
}

@test "--expect: input that has ended sends no FIN, unless -N is given" {
	play srv get=5 quiet=0.4 'say=yes' rest
	ends 0 '' --send hello --expect yes 127.0.0.1 "$PORT"
	ended srv 0
	[ "$(tail -n +2 "$T/srv.out")" = "got b'hello'" ]
	play srv quiet=0.4 'say=yes' rest
	ends 0 '' --expect yes 127.0.0.1 "$PORT" </dev/null
	ended srv 0
	[ "$(tail -n +2 "$T/srv.out")" = "got b''" ]
	play srv rest 'say=yes'
	ends 0 '' -N --send hello --expect yes 127.0.0.1 "$PORT"
	play srv rest 'say=yes'
	ends 0 '' --send hello 127.0.0.1 "$PORT"
	[ "$(cat "$T/out")" = yes ]
}

@test "--expect: input that stays open, and input that was not read yet" {
	play srv get=6 'say=well done' rest
	feed cli
	start_with - cli sockcat --expect "done" 127.0.0.1 "$PORT"
	send_to cli 'hello '
	ended cli 0
	[ "$(cat "$T/cli.out")" = 'well done' ]
	ended srv 0
	[ "$(tail -n +2 "$T/srv.out")" = "got b'hello '" ]
}

@test "--expect: what is written elsewhere cannot be: that is a failure" {
	[ -e /dev/full ] || skip "no /dev/full"
	play srv 'say=a needle' rest
	status=0
	sockcat -d --expect needle 127.0.0.1 "$PORT" >/dev/full \
	    2>"$T/err" || status=$?
	[ "$status" -eq 1 ]
	grep -q 'No space left on device' "$T/err"
}

@test "--expect: a listener, a Unix socket, datagrams" {
	listen lis --send 'hello\n' --expect bye 127.0.0.1 0
	run "${python[@]}" "$PEERS/play.py" --connect "$PORT" get=6 \
	    'drip=goodbye' rest
	[ "$output" = "got b'hello\\n'" ]
	ended lis 0
	[ "$(cat "$T/lis.out")" = goodbye ]

	play srv -U "$T/s" get=2 'drip=abcd' rest
	ends 0 '' -U --send hi --expect bc "$T/s"
	ended srv 0

	play srv -u get=1 say=ab say=cd say=ef
	ends 0 '' -u --send hi --expect bcd 127.0.0.1 "$PORT"
	[ "$(cat "$T/out")" = abcd ]
	ended srv 0

	play srv -u -U "$T/d" get=1 say=ab say=cd say=ef
	ends 0 '' -uU --send hi --expect bcd "$T/d"
	[ "$(cat "$T/out")" = abcd ]

	listen lis -u --expect bcd 127.0.0.1 0
	start cli "${python[@]}" "$PEERS/play.py" -u --connect "$PORT" \
	    say=ab say=cd
	ended lis 0
	[ "$(cat "$T/lis.out")" = abcd ]
}

@test "datagrams: who waits for something is more patient than a second" {
	for args in '--expect late' '-W 1' '--recv-bytes 4'; do
		play srv -u get=1 pause=1.6 say=late
		# shellcheck disable=SC2086
		ends 0 '' -u --send hi $args 127.0.0.1 "$PORT"
		[ "$(cat "$T/out")" = late ]
		ended srv 0
	done
	# Without them it is not; and a limit that was given holds.
	play srv -u get=1
	ends 0 '' -u --send hi 127.0.0.1 "$PORT"
	play srv -u get=1 rest
	ends 124 'before "late" came' -u --send hi -w 300ms --expect late \
	    127.0.0.1 "$PORT"
	play srv -u get=1 rest
	ends 124 '2 datagrams before -W' -u --send hi -q 300ms -W 2 \
	    127.0.0.1 "$PORT"
	free_port -u
	ends 1 'Connection refused' -u --send hi --expect late \
	    127.0.0.1 "$PORT"
}

@test "--send: escapes, what a sender cannot say in one piece, what is not read" {
	play srv rest
	ends 0 '' --send 'a\x00\xff\r\n\t\\\0z' 127.0.0.1 "$PORT"
	ended srv 0
	[ "$(tail -n 1 "$T/srv.out")" = \
	    "got b'a\\x00\\xff\\r\\n\\t\\\\\\x00z'" ]

	head -c 100000 /dev/zero | tr '\0' x >"$T/much"
	play srv --sum rest
	ends 0 '' --send "$(cat "$T/much")" 127.0.0.1 "$PORT"
	ended srv 0
	[ "$(tail -n 1 "$T/srv.out")" = \
	    "received 100000 $(sha256 much)" ]

	play srv get=2 quiet=0.2
	echo 'not for you' >"$T/in"
	# shellcheck disable=SC2094 # nobody writes to it
	{
		"$SOCKCAT" -d --send hi 127.0.0.1 "$PORT"
		cat
	} <"$T/in" >"$T/out"
	same in out
	ended srv 0
	[ "$(tail -n 1 "$T/srv.out")" = "got b'hi'" ]
}

@test "--send: a listener says it to its peer" {
	listen lis --send 'welcome\r\n' 127.0.0.1 0
	run "${python[@]}" "$PEERS/play.py" --connect "$PORT" say=hi rest
	[ "$output" = "got b'welcome\\r\\n'" ]
	ended lis 0
	[ "$(cat "$T/lis.out")" = hi ]
	listen lis -u --send 'welcome' -W 2 127.0.0.1 0
	run "${python[@]}" "$PEERS/play.py" -u --connect "$PORT" say=hi get=1 \
	    say=ho
	[ "$output" = "got b'welcome'" ]
	ended lis 0
	[ "$(cat "$T/lis.out")" = hiho ]
}

@test "--recv-bytes: exactly, however much comes" {
	play srv 'say=0123456789' rest
	ends 0 '' -d --recv-bytes 4 127.0.0.1 "$PORT"
	[ "$(cat "$T/out")" = 0123 ]
	play srv 'drip=0123456789' rest
	sockcat -d --recv-bytes 4 127.0.0.1 "$PORT" | cat >"$T/out"
	[ "$(cat "$T/out")" = 0123 ]
	listen lis --recv-bytes 4 127.0.0.1 0
	run "${python[@]}" "$PEERS/play.py" --connect "$PORT" say=0123456 \
	    pause=0
	ended lis 0
	[ "$(cat "$T/lis.out")" = 0123 ]
	play srv -u get=1 say=012 say= say=3456
	ends 0 '' -u --send hi --recv-bytes 4 127.0.0.1 "$PORT"
	[ "$(cat "$T/out")" = 0123 ]
	play srv -U "$T/s" say=0123456 rest
	ends 0 '' -dU --recv-bytes 4 "$T/s"
	[ "$(cat "$T/out")" = 0123 ]
}

@test "--recv-bytes: of a bulk, to a file and to a pipe" {
	need_bulk
	random_file "$T/bulk" 20M
	head -c 5000001 "$T/bulk" >"$T/part"
	play srv "file=$T/bulk" rest
	ends 0 '' -d --recv-bytes 5000001 127.0.0.1 "$PORT"
	same part out
	play srv "file=$T/bulk" rest
	sockcat -d --recv-bytes 5000001 127.0.0.1 "$PORT" | cat >"$T/out"
	same part out
	play srv "file=$T/bulk" rest
	ends 0 '' -d --recv-bytes 20M 127.0.0.1 "$PORT"
	same bulk out
}

@test "--recv-bytes: the peer ends earlier" {
	play srv say=0123456 half rest
	ends 1 "connection to 127\.0\.0\.1 port $PORT \(tcp\): ended 1 byte \
before --recv-bytes\$" -d --recv-bytes 8 127.0.0.1 "$PORT"
	[ "$(cat "$T/out")" = 0123456 ]
	play srv half rest
	ends 1 'ended 1024 bytes before --recv-bytes' -d --recv-bytes 1k \
	    127.0.0.1 "$PORT"
	play srv half rest
	ends 1 'ended 1 byte before --recv-bytes' -d --recv-bytes 1 127.0.0.1 \
	    "$PORT"
	# The last byte, then the end: that is enough.
	play srv say=0123456789
	ends 0 '' --recv-bytes 10 127.0.0.1 "$PORT"
	play srv say=0123456 rest
	ends 124 'the time of -w passed 3 bytes before --recv-bytes' -d \
	    -w 300ms --recv-bytes 10 127.0.0.1 "$PORT"
}

@test "-W: so many datagrams, empty ones too" {
	play srv -u get=1 say=one say= say=three say=four
	ends 0 '' -u --send hi -W 3 127.0.0.1 "$PORT"
	[ "$(cat "$T/out")" = onethree ]
	play srv -u -U "$T/d" get=1 say=one say=two say=three
	ends 0 '' -uU --send hi --recvlimit 2 "$T/d"
	[ "$(cat "$T/out")" = onetwo ]
	listen lis -u -W 2 127.0.0.1 0
	start cli "${python[@]}" "$PEERS/play.py" -u --connect "$PORT" \
	    say=one say=two say=three
	ended lis 0
	[ "$(cat "$T/lis.out")" = onetwo ]
	listen lis -u -U -W 2 "$T/l"
	start cli "${python[@]}" "$PEERS/play.py" -u -U "$T/l" --connect 0 \
	    say=one say=two
	ended lis 0
	[ "$(cat "$T/lis.out")" = onetwo ]
	listen lis -u -d -W 1 127.0.0.1 0
	start cli "${python[@]}" "$PEERS/play.py" -u --connect "$PORT" say=
	ended lis 0
	[ ! -s "$T/lis.out" ]
}

@test "what makes no sense is refused" {
	while read -r args; do
		# shellcheck disable=SC2086
		run sockcat $args 127.0.0.1 9
		[ "$status" -eq 2 ] || wrong "$args: $status $output"
	done <<-'EOF'
	-W 1
	-u -W 0
	-u -W x
	--recv-bytes 0
	--recv-bytes 1x
	--send a --send b
	--expect a --expect b
	--expect a --recv-bytes 1
	-u --expect a -W 1
	--send-only --expect a
	--send-only --recv-bytes 1
	-lk --expect a
	-l -e --expect a
	--expect a\
	--expect \x4
	--send \q
	EOF
	for opt in --send --expect; do
		run sockcat "$opt" '' 127.0.0.1 9
		[ "$status" -eq 2 ] || wrong "$opt: $status $output"
	done
	none_wrong
}
