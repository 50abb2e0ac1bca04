#!/usr/bin/env bats
#
# chat.bats: --chat, a hub of whole lines with names before them.

# shellcheck disable=SC2154 # python, stderr_lines: others set them
load helpers

# chat SCENE ARGS...: play a scene in the chat srv; what it said is in
# $T/said, too.
chat() {
	timeout -s KILL "$((90 * TIME_FACTOR))" "${python[@]}" \
	    "$PEERS/chat.py" --limit "$((40 * TIME_FACTOR))" \
	    --console "$T/srv.out" "$@" >"$T/said" || {
		tail -n 20 "$T/said"
		return 1
	}
}

# enter NAME ARGS...: a sockcat with an open input that is in the chat srv: set
# who to the name it has there.
enter() {
	come_in srv.out '^\* .* joined$' "$@"
	who=$(sed -n 's/^\* \(.*\) joined$/\1/p' "$T/srv.out" | tail -n 1)
}

# shows TEXT LINE...: one member that says TEXT and leaves is heard by another
# one, and by the console, to say the LINEs; C escapes in both.
shows() {
	local text=$1 name file line
	shift

	listen srv --chat 127.0.0.1 0
	enter ear 127.0.0.1 "$PORT"
	chat say "$text" "$PORT"
	name=$(head -n 1 "$T/said")
	wait_line ear.out ' left$'
	wait_lines srv.out ' left$' 1
	for line; do
		printf '<%s> %b\n' "$name" "$line"
	done >"$T/wanted"
	for file in ear srv; do
		grep -a '^<' "$T/$file.out" >"$T/$file.heard"
		cmp "$T/wanted" "$T/$file.heard" || {
			cat -v "$T/$file.heard"
			return 1
		}
	done
}

# Names, arrivals and departures

@test "lines have the name of who says them; nobody hears its own" {
	listen srv --chat 127.0.0.1 0
	enter a 127.0.0.1 "$PORT"
	a=$who
	enter b 127.0.0.1 "$PORT"
	b=$who
	[ "$a" = "$(sed -n 's/Connection received on \([^ ]*\) /\1:/p' \
		"$T/srv.err" | head -n 1)" ]
	send_to a $'hello\n'
	wait_line b.out "^<$a> hello\$"
	wait_line srv.out "^<$a> hello\$"
	send_to b $'hi there\n'
	wait_line a.out "^<$b> hi there\$"
	wait_line srv.out "^<$b> hi there\$"
	[ "$(cat "$T/a.out")" = "* $b joined"$'\n'"<$b> hi there" ]
	[ "$(cat "$T/b.out")" = "<$a> hello" ]
}

@test "IPv6 addresses stand in brackets" {
	need_ipv6
	listen srv --chat ::1 0
	enter a ::1 "$PORT"
	[[ $who =~ ^\[::1\]:[0-9]+$ ]]
	chat -6 say 'hello\n' "$PORT"
	wait_line a.out '^\* \[::1\]:[0-9]+ joined$'
	wait_line a.out '^<\[::1\]:[0-9]+> hello$'
	wait_line a.out '^\* \[::1\]:[0-9]+ left$'
}

@test "both families in one chat; IPv4 is shown as IPv4" {
	need_ipv6
	listen srv --chat 0
	enter a ::1 "$PORT"
	enter b 127.0.0.1 "$PORT"
	[[ $who =~ ^127\.0\.0\.1:[0-9]+$ ]]
	send_to b $'from four\n'
	wait_line a.out "^<$who> from four\$"
	send_to a $'from six\n'
	wait_line b.out '^<\[::1\]:[0-9]+> from six$'
}

@test "members on a Unix socket have numbers" {
	listen srv --chat -U "$T/sock"
	enter a -U "$T/sock"
	enter b -U "$T/sock"
	send_to a $'one\n'
	wait_line b.out '^<unix-1> one$'
	send_to b $'two\n'
	wait_line a.out '^<unix-2> two$'
	end_of b
	stop b
	wait_line a.out '^\* unix-2 left$'
	enter c -U "$T/sock"
	wait_line a.out '^\* unix-3 joined$'
	[ "$(cat "$T/a.out")" = $'* unix-2 joined\n<unix-2> two
* unix-2 left\n* unix-3 joined' ]
	stop srv
	[ ! -e "$T/sock" ]
}

@test "who ends its side has left, but hears on" {
	listen srv --chat 127.0.0.1 0
	enter a 127.0.0.1 "$PORT"
	a=$who
	enter b 127.0.0.1 "$PORT"
	end_of a
	wait_line b.out "^\* $a left\$"
	wait_line srv.out "^\* $a left\$"
	send_to b $'are you there\n'
	wait_line a.out "^<$who> are you there\$"
	run ! grep left "$T/a.out"
	stop a
	send_to b $'and now\n'
	wait_line srv.out '> and now$'
	[ "$(grep -c left "$T/srv.out")" -eq 1 ]
}

@test "a reset and a killed client have left as well" {
	listen srv --chat 127.0.0.1 0
	enter ear 127.0.0.1 "$PORT"
	chat reset 'bye\n' "$PORT"
	wait_lines ear.out '^\* 127.0.0.1:[0-9]+ left$' 1
	grep -q '> bye$' "$T/ear.out"
	enter a 127.0.0.1 "$PORT"
	stop a KILL
	wait_line ear.out "^\* $who left\$"
	[ "$(grep -c ' left$' "$T/srv.out")" -eq 2 ]
}

@test "a crowd of 50 comes, talks, and leaves in every way" {
	listen srv --chat 127.0.0.1 0
	chat crowd 50 "$PORT"
}

# Lines

@test "half lines of two members never mix" {
	listen srv --chat 127.0.0.1 0
	chat halves "$PORT"
}

@test "10 members whose lines come in pieces are heard whole, in one order" {
	listen srv --chat 127.0.0.1 0
	chat torn 10 50 "$PORT"
}

@test "the same on a Unix socket" {
	listen srv --chat -U "$T/sock"
	chat -U "$T/sock" torn 6 50
}

@test "several lines in one write, and empty ones" {
	shows 'one\ntwo\n\n\nthree\n' one two '' '' three
}

@test "the last line needs no LF" {
	shows 'first\nlast' first last
}

@test "what was said before a reset is heard, also half a line" {
	listen srv --chat 127.0.0.1 0
	enter ear 127.0.0.1 "$PORT"
	chat reset 'half a line' "$PORT"
	wait_line ear.out ' left$'
	grep -qE '^<127.0.0.1:[0-9]+> half a line$' "$T/ear.out"
}

@test "CRLF ends a line like LF; any other CR is shown" {
	shows 'one\r\ntwo\r\r\nth\rree\n\r\nlast\r' \
		one 'two\\x0D' 'th\\x0Dree' '' 'last\\x0D'
}

@test "CR and LF in two pieces" {
	listen srv --chat 127.0.0.1 0
	chat say 'one\r' '\ntwo\r' 'x\n' "$PORT"
	wait_line srv.out ' left$'
	[ "$(sed -n 's/^<[^>]*> //p' "$T/srv.out")" = $'one\ntwo\\x0Dx' ]
}

@test "tabs stay; other control bytes are shown, NUL too" {
	shows 'a\tb\x00c\x01\x07\x08\x0B\x0C\x1B[31m\x1F\x7F.\n' \
		'a\tb\\x00c\\x01\\x07\\x08\\x0B\\x0C\\x1B[31m\\x1F\\x7F.'
}

@test "C1 control characters are shown" {
	shows 'a\xC2\x80\xC2\x85\xC2\x9B31m\xC2\x9F\xC2\xA0.\n' \
		'a\\xC2\\x80\\xC2\\x85\\xC2\\x9B31m\\xC2\\x9F\xC2\xA0.'
}

@test "UTF-8 stays as it is, from the first to the last character" {
	text='\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF \xF0\x90\x80\x80 \xF4\x8F\xBF\xBF'
	shows "$text\\n" "$text"
}

@test "bytes that are no UTF-8 are shown" {
	# A stray byte, overlong forms, surrogates, beyond the last, cut off.
	shows '\x80 \xC0\x80 \xC1\xBF \xE0\x9F\xBF \xF0\x8F\xBF\xBF \xED\xA0\x80 \xED\xBF\xBF \xF4\x90\x80\x80 \xF8\x88\x80\x80\x80 \xFE\xFF \xE2\x82 \xC3\xC3\xA9 \xF0\x9F\x98\n' \
		'\\x80 \\xC0\\x80 \\xC1\\xBF \\xE0\\x9F\\xBF \\xF0\\x8F\\xBF\\xBF \\xED\\xA0\\x80 \\xED\\xBF\\xBF \\xF4\\x90\\x80\\x80 \\xF8\\x88\\x80\\x80\\x80 \\xFE\\xFF \\xE2\\x82 \\xC3\xC3\xA9 \\xF0\\x9F\\x98'
}

@test "characters and invalid ones that come in pieces" {
	listen srv --chat 127.0.0.1 0
	chat say 'e \xE2' '\x82' '\xAC g \xF0\x9F' '\x98\x80 \xE2\x82' 'x \xC3' \
		'\n' "$PORT"
	wait_line srv.out ' left$'
	sed -n 's/^<[^>]*> //p' "$T/srv.out" >"$T/heard"
	printf 'e \xE2\x82\xAC g \xF0\x9F\x98\x80 \\xE2\\x82x \\xC3\n' |
		cmp - "$T/heard"
}

# Long lines

# xs N: so many of the letter.
xs() {
	printf "%$1s" '' | tr ' ' x
}

@test "a line of 4096 bytes is whole, one more and it is cut" {
	x=$(xs 4096)
	shows "$x\\n$x\\r\\n${x}y\\n${x}yyyyyyyyy\\nnext\\n$x" \
		"$x" "$x" "$x [cut]" "$x [cut]" next "$x"
}

@test "the last line is cut as well" {
	x=$(xs 4096)
	shows "${x}yy" "$x [cut]"
}

@test "no line is cut inside a character" {
	e='\xC3\xA9' euro='\xE2\x82\xAC' smile='\xF0\x9F\x98\x80'
	shows "$(xs 4094)$e\\n$(xs 4095)$e\\n$(xs 4094)$euro.\\n$(xs 4093)$smile$smile\\n$(xs 4092)$smile.\\n" \
		"$(xs 4094)$e" "$(xs 4095) [cut]" "$(xs 4094) [cut]" \
		"$(xs 4093) [cut]" "$(xs 4092)$smile [cut]"
}

@test "4096 control bytes are all shown" {
	shows "$(xs 4096 | sed 's/x/\\x1B/g')\\n" \
		"$(xs 4096 | sed 's/x/\\\\x1B/g')"
}

@test "a line without end is heard once, cut, before its end" {
	listen srv --chat 127.0.0.1 0
	chat huge 5000000 "$PORT"
}

# The console

@test "the console takes part as the server, with whole lines" {
	feed srv
	listen_with - srv --chat 127.0.0.1 0
	enter a 127.0.0.1 "$PORT"
	enter b 127.0.0.1 "$PORT"
	send_to srv $'hello\nhalf'
	wait_line a.out '^<server> hello$'
	wait_line b.out '^<server> hello$'
	send_to a $'from a\n'
	wait_line b.out '> from a$'
	send_to srv $' a line \033\n'
	wait_line a.out '^<server> half a line \\x1B$'
	wait_line b.out '^<server> half a line \\x1B$'
	run ! grep server "$T/srv.out"
}

@test "the console's end posts its last line, and changes nothing else" {
	feed srv
	listen_with - srv --chat 127.0.0.1 0
	enter a 127.0.0.1 "$PORT"
	enter b 127.0.0.1 "$PORT"
	send_to srv $'good\nbye'
	end_of srv
	wait_line a.out '^<server> bye$'
	send_to a $'still here\n'
	wait_line b.out '> still here$'
	wait_line srv.out '> still here$'
	run ! grep 'peer has ended' "$T/a.err" "$T/b.err"
	enter c 127.0.0.1 "$PORT"
	wait_line b.out "^\* $who joined\$"
}

@test "console input waits until somebody is there" {
	seq 1 500 >"$T/in"
	listen_with "$T/in" srv --chat 127.0.0.1 0
	enter a 127.0.0.1 "$PORT"
	wait_line a.out '^<server> 500$'
	sed 's/^/<server> /' "$T/in" | cmp - "$T/a.out"
}

@test "-d: the console hears and does not speak" {
	echo secret >"$T/in"
	listen_with "$T/in" srv --chat -d 127.0.0.1 0
	enter a 127.0.0.1 "$PORT"
	enter b 127.0.0.1 "$PORT"
	send_to a $'hello\n'
	wait_line b.out '> hello$'
	wait_line srv.out '> hello$'
	run ! grep secret "$T/a.out"
}

# Limits

@test "a member that does not read is evicted and left; others hear it all" {
	listen srv --chat 127.0.0.1 0
	chat --rcvbuf 5000 deaf 12000000 "$PORT"
	wait_line srv.err 'does not read, evicted; [1-9][0-9]* bytes not delivered$'
	[ "$(grep -c "evicted;" "$T/srv.err")" -eq 1 ]
}

@test "-m: who waits joins when somebody has left" {
	listen srv --chat -m 2 127.0.0.1 0
	enter a 127.0.0.1 "$PORT"
	a=$who
	enter b 127.0.0.1 "$PORT"
	feed c
	start_with - c sockcat 127.0.0.1 "$PORT"
	send_to c $'from c\n'
	send_to a $'from a\n'
	wait_line b.out '> from a$'
	rest 0.3
	run ! grep 'from c' "$T/b.out"
	[ "$(grep -c joined "$T/srv.out")" -eq 2 ]
	stop a
	wait_line b.out "^\* $a left\$"
	# Somebody has to speak for the room to notice that a hears no more.
	for ((i = 0; i < 100; i++)); do
		send_to b $'anybody?\n'
		grep -q 'from c' "$T/b.out" && break
		rest 0.1
	done
	wait_line b.out '> from c$'
	[ "$(sed -n 's/^\* \(127.0.0.1:[0-9]*\) left$/\1/p' "$T/b.out")" = "$a" ]
}

@test "--idle-timeout: who is silent and hears nothing has left" {
	listen srv --chat --idle-timeout 1500ms 127.0.0.1 0
	enter a 127.0.0.1 "$PORT"
	wait_line srv.out "^\* $who left\$" 20
	alive srv
}

@test "--count: a chat ends when all have ended" {
	listen srv --chat --count 2 127.0.0.1 0
	enter a 127.0.0.1 "$PORT"
	a=$who
	enter b 127.0.0.1 "$PORT"
	send_to a $'last words'
	end_of a
	wait_line b.out "^<$a> last words\$"
	alive srv
	send_to b $'bye\n'
	end_of b
	wait_line a.out '> bye$'
	wait_exit a
	wait_exit b
	wait_exit srv
	[ "$status" -eq 0 ]
	[ "$(grep -c ' left$' "$T/srv.out")" -eq 2 ]
}

# Others, and the command line

@test "ncat clients take part" {
	need ncat
	listen srv --chat 127.0.0.1 0
	for n in a b; do
		feed "$n"
		start_with - "$n" ncat 127.0.0.1 "$PORT"
	done
	wait_lines srv.out ' joined$' 2
	send_to a $'from a\n'
	wait_line b.out '^<127.0.0.1:[0-9]+> from a$'
	send_to b $'from b\n'
	wait_line a.out '^<127.0.0.1:[0-9]+> from b$'
}

@test "--chat without -l, for datagrams, or with --send-only is refused" {
	for args in '--chat' '--chat -lu' '--chat -l --send-only'; do
		read -ra words <<<"$args"
		run -2 --separate-stderr sockcat "${words[@]}" 127.0.0.1 9
		[[ ${stderr_lines[0]} == "sockcat: "*chat* ]]
	done
}
