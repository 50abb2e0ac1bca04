#!/usr/bin/env bats
#
# What is done to bytes on their way: -C, -t, --lines, -i and --rate.

# shellcheck disable=SC2030,SC2031,SC2153,SC2154
load helpers

# player ARGS...: a client that does.
player() {
	"${python[@]}" "$PEERS/play.py" "$@" 3>&-
}

# undump FILE ARGS...: check what --hex-dump wrote there, and sum it up.
undump() {
	"${python[@]}" "$PEERS/undump.py" "$@" 3>&-
}

# reported NAME TEXT: the last that it said, when it has ended.
reported() {
	ended "$1" 0
	[ "$(tail -n +2 "$T/$1.out")" = "$2" ] ||
		fail "$(tail -n +2 "$T/$1.out")"
}

@test "-C: LF becomes CRLF, where there was no CR, also across reads" {
	while read -r text want; do
		play srv rest
		feed cli
		start_with - cli sockcat -C 127.0.0.1 "$PORT"
		for ((n = 0; n < ${#text}; n++)); do
			case ${text:n:1} in
			r) send_to cli $'\r' ;;
			n) send_to cli $'\n' ;;
			*) send_to cli "${text:n:1}" ;;
			esac
			# Let it be read before the next.
			rest 0.01
		done
		end_of cli
		reported srv "got b'$want'"
		ended cli 0
		rm "$T/cli.in"
	done <<-'EOF'
	anb a\r\nb
	arnb a\r\nb
	rn \r\n
	nn \r\n\r\n
	rrn \r\r\n
	rnn \r\n\r\n
	ranr \ra\r\n\r
	EOF
}

@test "-C: much of it at once, and what comes is left alone" {
	need_bulk
	"${python[@]}" - "$T" <<-'EOF'
	import random, re, sys
	r = random.Random(1)
	data = bytes(r.choice(b"\r\n\nab\0\xff") for _ in range(1000000))
	open(sys.argv[1] + "/in", "wb").write(data)
	open(sys.argv[1] + "/want", "wb").write(
	    re.sub(rb"(?<!\r)\n", b"\r\n", data))
	EOF
	listen lis -N 127.0.0.1 0
	sockcat -C 127.0.0.1 "$PORT" <"$T/in"
	ended lis 0
	same want lis.out
	peer_py srv source.py --file "$T/in"
	sockcat -d -C 127.0.0.1 "$PORT" >"$T/out"
	same in out
}

@test "-C: datagrams, --send, a listener, -lk" {
	play srv -u get=2
	sockcat -u -C -q 0 --send 'a\nb\r\n' 127.0.0.1 "$PORT"
	player -u --connect "$PORT" say=end
	reported srv "got b'a\\r\\nb\\r\\n'
got b'end'"
	listen lis -C --send 'a\nb\n' 127.0.0.1 0
	[ "$(player --connect "$PORT" rest)" = "got b'a\\r\\nb\\r\\n'" ]
	feed lk
	listen_with - lk -k -C 127.0.0.1 0
	start one "${python[@]}" "$PEERS/play.py" --connect "$PORT" get=6
	wait_line lk.err 'Connection received'
	send_to lk $'a\nb\n'
	ended one 0
	[ "$(cat "$T/one.out")" = "got b'a\\r\\nb\\r\\n'" ]
}

@test "-t: options are refused, once each, and left out of the output" {
	play srv 'drip=a\xff\xfb\x01b\xff\xfd\x18c\xff\xfc\x03d\xff\xfe\x05e' \
	    'say=\xff\xff\xff\xf1f\xff\xfa\x18\x01\xff\xff\xff\xf0g' get=6 \
	    half rest
	sockcat -d -t 127.0.0.1 "$PORT" >"$T/out"
	[ "$(od -An -tx1 <"$T/out")" = ' 61 62 63 64 65 ff 66 67' ]
	reported srv "got b'\\xff\\xfe\\x01\\xff\\xfc\\x18'"
}

@test "-t: with its input at the end it still refuses" {
	play srv until=end_of_my_input pause=0.2 'say=\xff\xfd\x03ok' get=3
	sockcat -t 127.0.0.1 "$PORT" --send end_of_my_input >"$T/out"
	[ "$(cat "$T/out")" = ok ]
	wait_exit srv
	grep -qF "got b'end_of_my_input\xff\xfc\x03'" "$T/srv.out"
}

@test "-t: the same bytes, split everywhere" {
	text='1\xff\xfa\x1f\xff\xff\xff\xf02\xff\xfd\xff3\xff\xfb\x004\xff\xff5'
	bytes=$(printf %b "$text" | od -An -v -tx1 | tr -d '\n')
	read -ra list <<<"$bytes"
	for ((at = 1; at < ${#list[@]}; at++)); do
		one="" two=""
		for ((n = 0; n < ${#list[@]}; n++)); do
			if ((n < at)); then
				one+="\\x${list[n]}"
			else
				two+="\\x${list[n]}"
			fi
		done
		play srv "say=$one" pause=0.02 "say=$two" half rest
		sockcat -d -t 127.0.0.1 "$PORT" >"$T/out"
		[ "$(od -An -tx1 <"$T/out")" = ' 31 32 33 34 ff 35' ] ||
			wrong "$at: $(cat -v "$T/out")"
		wait_exit srv
		[ "$(tail -n 1 "$T/srv.out")" = \
		    "got b'\\xff\\xfc\\xff\\xff\\xfe\\x00'" ] ||
			wrong "$at: $(cat "$T/srv.out")"
	done
	none_wrong
}

@test "-t: a negotiation that never ends, and 0xFF on the way out" {
	play srv 'say=ab\xff\xfa\x18no data any more' half rest
	sockcat -t 127.0.0.1 "$PORT" >"$T/out" </dev/null
	[ "$(cat "$T/out")" = ab ]
	for end in '\xff' '\xff\xfd' '\xff\xfa\x01\xff'; do
		play srv "say=ab$end" half rest
		sockcat -t 127.0.0.1 "$PORT" >"$T/out" </dev/null
		[ "$(cat "$T/out")" = ab ]
	done
	play srv rest
	sockcat -t --send 'a\xffb\xff\xff\n' 127.0.0.1 "$PORT"
	reported srv "got b'a\\xff\\xffb\\xff\\xff\\xff\\xff\\n'"
	play srv rest
	sockcat -t -C --send 'a\xff\nb' 127.0.0.1 "$PORT"
	reported srv "got b'a\\xff\\xff\\r\\nb'"
	# What it lets through is what is waited for.
	play srv 'say=log\xff\xfb\x01in: ' rest
	run sockcat -t --expect 'login: ' 127.0.0.1 "$PORT" </dev/null
	[ "$status" -eq 0 ]
	listen lis -t --send 'x\xff' 127.0.0.1 0
	[ "$(player --connect "$PORT" 'say=a\xff\xffb' half rest)" = \
	    "got b'x\\xff\\xff'" ]
	ended lis 0
	[ "$(od -An -tx1 <"$T/lis.out")" = ' 61 ff 62' ]
}

@test "-t: much of it, both ways" {
	need_bulk
	random_file "$T/in" 2M
	"${python[@]}" - "$T" <<-'EOF'
	import sys
	data = open(sys.argv[1] + "/in", "rb").read()
	open(sys.argv[1] + "/doubled", "wb").write(
	    data.replace(b"\xff", b"\xff\xff"))
	EOF
	listen lis 127.0.0.1 0
	sockcat -t 127.0.0.1 "$PORT" <"$T/in" >"$T/out"
	ended lis 0
	same doubled lis.out
	peer_py srv source.py --file "$T/doubled"
	sockcat -t 127.0.0.1 "$PORT" </dev/null >"$T/out"
	same in out
}

@test "--lines -u: a line is a datagram, whatever pieces it is read in" {
	play srv -u get=5
	feed cli
	start_with - cli sockcat -u --lines 127.0.0.1 "$PORT"
	for piece in on $'e\ntw' o $'\n\n' $'three\nfo' ur; do
		send_to cli "$piece"
		rest 0.02
	done
	end_of cli
	reported srv "got b'one\\n'
got b'two\\n'
got b'\\n'
got b'three\\n'
got b'four'"
	ended cli 0
}

@test "--lines -u: long lines are whole, one that does not fit is an error" {
	head -c 20000 /dev/zero | tr '\0' x >"$T/long"
	printf '\nshort\n' >>"$T/long"
	play srv -u --sum get=2
	sockcat -u --lines -q 0 127.0.0.1 "$PORT" <"$T/long"
	reported srv "received 20007 $(sha256 long)"
	for size in 65600 70000 300000; do
		{
			echo first
			head -c "$size" /dev/zero | tr '\0' x
			echo
			echo last
		} >"$T/long"
		play srv -u get=1 quiet=0.2
		run sockcat -u --lines 127.0.0.1 "$PORT" <"$T/long"
		[ "$status" -eq 1 ]
		[[ $output =~ 'Message too l'(ong|arge) ]]
		reported srv "got b'first\\n'"
	done
	# Without it, one read is one datagram.
	play srv -u get=1
	printf 'a\nb\n' | sockcat -u -q 0 127.0.0.1 "$PORT"
	reported srv "got b'a\\nb\\n'"
	listen lis -u --lines --send 'a\nb\n' -W 2 127.0.0.1 0
	[ "$(player -u --connect "$PORT" say=x get=2 say=y)" = "got b'a\\n'
got b'b\\n'" ]
	ended lis 0
}

@test "--lines -luk: a datagram each, to every peer" {
	feed lis
	listen_with - lis -u -k --lines 127.0.0.1 0
	for name in a b; do
		start "$name" "${python[@]}" "$PEERS/play.py" -u \
		    --connect "$PORT" "say=$name" get=2
	done
	wait_lines lis.err 'Connection received' 2
	send_to lis $'one\ntw'
	rest 0.05
	send_to lis $'o\n'
	for name in a b; do
		ended "$name" 0
		[ "$(cat "$T/$name.out")" = "got b'one\\n'
got b'two\\n'" ]
	done
}

@test "--lines on a stream: a line goes when it is whole, or at the end" {
	play srv get=4 quiet=0.3 rest
	feed cli
	start_with - cli sockcat --lines 127.0.0.1 "$PORT"
	send_to cli $'one\ntw'
	rest 0.5
	send_to cli o
	end_of cli
	reported srv "got b'one\\ntwo'"
	ended cli 0
}

@test "--lines in a hub: no line is ever torn" {
	listen hub -b --lines -d 127.0.0.1 0
	run "${python[@]}" "$PEERS/line_crowd.py" --members 8 --lines 60 \
	    --hear 2 "$PORT"
	[[ $output == well* ]] || fail "$output"
}

@test "--lines in -lk: none on standard output is torn" {
	listen hub -k -d --lines 127.0.0.1 0
	run "${python[@]}" "$PEERS/line_crowd.py" --members 8 --lines 60 \
	    --hear 0 "$PORT"
	[[ $output == well* ]] || fail "$output"
	wait_size hub.out "${output#well }"
	run "${python[@]}" "$PEERS/line_crowd.py" --members 8 --lines 60 \
	    --check "$T/hub.out"
	[[ $output == well* ]] || fail "$output"
}

@test "--lines in a hub: one of more than 64 KiB goes in pieces, said once" {
	head -c 65535 /dev/zero | tr '\0' x >"$T/most"
	head -c 200000 /dev/zero | tr '\0' x >"$T/long"
	echo >>"$T/most"
	echo >>"$T/long"
	listen hub -k -d --lines 127.0.0.1 0
	player --connect "$PORT" "file=$T/most" half rest
	wait_size hub.out 65536
	said hub 0
	for ((n = 1; n <= 2; n++)); do
		player --connect "$PORT" "file=$T/long" half rest
		wait_size hub.out $((65536 + n * 200001))
	done
	cat "$T/most" "$T/long" "$T/long" >"$T/all"
	same all hub.out
	run grep -c 'more than 65536 bytes goes in pieces' "$T/hub.err"
	[ "$output" -eq 1 ]
}

@test "--lines: what a peer left of a line is heard, however it went" {
	listen hub -k -d --lines --idle-timeout 30 127.0.0.1 0
	for end in half reset; do
		feed "$end"
		start_with - "$end" "${python[@]}" "$PEERS/play.py" \
		    --connect "$PORT" 'say=one\npart' line "$end" pause=0
		wait_line hub.out one
		# The rest of that read is with it.
		send_to "$end" $'\n'
		ended "$end" 0
		wait_line hub.out part
		stop hub
		listen hub -k -d --lines 127.0.0.1 0
	done
}

@test "-i: so much time between the lines sent" {
	need_bulk
	play srv rest
	printf 'one\ntwo\nthree\nfour' |
		sockcat -i 0.25 --hex-dump "$T/hex" 127.0.0.1 "$PORT"
	reported srv "got b'one\\ntwo\\nthree\\nfour'"
	undump --grams --gap 0.25 "$T/hex"
	[ "$(wc -l <"$T/hex")" -eq 4 ]
	# Datagrams: a line each.
	play srv -u get=3
	printf 'one\ntwo\nthree\n' |
		sockcat -u -i 250ms --hex-dump "$T/hex" -q 0 127.0.0.1 "$PORT"
	reported srv "got b'one\\n'
got b'two\\n'
got b'three\\n'"
	undump --grams --gap 0.25 "$T/hex"
	[ "$(wc -l <"$T/hex")" -eq 3 ]
}

@test "-i: none before the first, none after the last, a part at once" {
	play srv rest
	echo one | sockcat -i 1000 127.0.0.1 "$PORT"
	reported srv "got b'one\\n'"
	play srv get=3 say=ok get=3 rest
	feed cli
	start_with - cli sockcat -i 1000 127.0.0.1 "$PORT"
	send_to cli one
	wait_size cli.out 2
	send_to cli $'en\n'
	end_of cli
	reported srv "got b'oneen\\n'"
	ended cli 0
	# A pause is no silence.
	play srv rest
	printf 'one\ntwo\nthree\n' |
		sockcat -w 200ms -i 0.5 127.0.0.1 "$PORT" || :
	reported srv "got b'one\\ntwo\\nthree\\n'"
}

# 45,000 bytes at 30,000 a second take a second and a half.
rate=30000
least=1.35

# slow NAME: play's report says that it took the time it has to.
slow() {
	ended "$1" 0
	awk -v least="$least" '$1 == "took" { n++; if ($2 < least) exit 1 }
	    END { if (n != 1) exit 1 }' "$T/$1.out" ||
		fail "$1: $(cat "$T/$1.out")"
	grep -q "^received 45000 $(sha256 in)\$" "$T/$1.out" ||
		fail "$1: $(cat "$T/$1.out")"
}

@test "--rate: connecting and listening, each way" {
	need_whole
	random_file "$T/in" 45000
	peer_py srv play.py --time --sum "file=$T/in" half rest
	start_with "$T/in" cli sockcat --rate "$rate" --hex-dump "$T/hex1" \
	    127.0.0.1 "$PORT"
	listen_with "$T/in" lis --rate "$rate" --hex-dump "$T/hex2" 127.0.0.1 0
	start peer "${python[@]}" "$PEERS/play.py" --time --sum --connect \
	    "$PORT" "file=$T/in" half rest
	slow srv
	slow peer
	ended cli 0
	ended lis 0
	same in cli.out
	same in lis.out
	for n in 1 2; do
		undump --rate "$rate" "$T/hex$n" >"$T/sums"
		[ "$(wc -l <"$T/sums")" -eq 2 ]
		[ "$(grep -c " 45000 $(sha256 in)" "$T/sums")" -eq 2 ]
	done
}

@test "--rate: an echo, a forward, a command" {
	need_whole
	random_file "$T/in" 45000
	play=("${python[@]}" "$PEERS/play.py" --time --sum --connect)
	listen echo -k -e --rate "$rate" 127.0.0.1 0
	start one "${play[@]}" "$PORT" "file=$T/in" half rest
	start two "${play[@]}" "$PORT" "file=$T/in" half rest
	listen cmd -c cat --rate "$rate" 127.0.0.1 0
	start three "${play[@]}" "$PORT" "file=$T/in" half rest
	peer_py srv play.py --time --sum "file=$T/in" half rest
	listen fwd --forward "127.0.0.1:$PORT" --rate "$rate" 127.0.0.1 0
	start four "${play[@]}" "$PORT" "file=$T/in" half rest
	listen lk -k -d --rate "$rate" --hex-dump "$T/hex" 127.0.0.1 0
	player --connect "$PORT" "file=$T/in" half rest
	for name in one two three four srv; do
		slow "$name"
	done
	undump --named --rate "$rate" "$T/hex"
	wait_size lk.out 45000
	same in lk.out
}

@test "--rate: datagrams" {
	random_file "$T/in" 45000
	play srv -u --time --sum get=6
	sockcat -u --rate "$rate" -q 0 127.0.0.1 "$PORT" <"$T/in"
	ended srv 0
	# The last one need not wait for itself.
	awk '$1 == "took" && $2 < 1.1 { exit 1 }' "$T/srv.out" ||
		fail "$(cat "$T/srv.out")"
	grep -q "^received 45000 $(sha256 in)\$" "$T/srv.out"
}

@test "--rate: slower than a limit of silence is not silent" {
	play srv rest
	sockcat -w 200ms --rate 2 --send abcd 127.0.0.1 "$PORT" || :
	reported srv "got b'abcd'"
	listen echo -k -e --idle-timeout 200ms --rate 2 127.0.0.1 0
	run player --connect "$PORT" say=abcd get=4
	[ "$output" = "got b'abcd'" ]
	play srv get=4 say=abcd
	listen fwd -k --forward "127.0.0.1:$PORT" --idle-timeout 200ms \
	    --rate 2 127.0.0.1 0
	run player --connect "$PORT" say=abcd get=4
	[ "$output" = "got b'abcd'" ]
}

@test "--rate and --lines: the lines stay whole" {
	play srv -u get=3
	_now
	begin=$now
	printf 'one\ntwo\nthree\n' |
		sockcat -u --lines --rate 20 -q 0 127.0.0.1 "$PORT"
	_now
	((now - begin >= 300)) || fail "took $((now - begin)) ms"
	reported srv "got b'one\\n'
got b'two\\n'
got b'three\\n'"
}
