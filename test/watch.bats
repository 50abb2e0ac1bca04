#!/usr/bin/env bats
#
# Copies of the traffic: -o, --hex-dump and --append-output, in every mode that
# moves data.

# shellcheck disable=SC2030,SC2031,SC2153,SC2154
load helpers

# player ARGS...: a client that plays these steps.
player() {
	"${python[@]}" "$PEERS/play.py" "$@" 3>&-
}

# undump FILE ARGS...: check what --hex-dump wrote there, and sum it up.
undump() {
	"${python[@]}" "$PEERS/undump.py" "$@" 3>&-
}

# seen FILE ARGS...: the bytes of each direction, without the ports.
seen() {
	undump --bytes "$@" | sed 's/:[0-9]* / /'
}

# watched ARGS... -- STEPS...: a listener with these options, its standard
# input held open, and a client that plays the steps; $T/raw and $T/hex are the
# copies.  The listener is stopped if it does not end.
watched() {
	local args=()

	while [ "$1" != -- ]; do
		args+=("$1")
		shift
	done
	shift
	rm -f "$T/raw" "$T/hex" "$T/lis.in"
	feed lis
	listen_with - lis -o "$T/raw" --hex-dump "$T/hex" "${args[@]}" \
	    127.0.0.1 0
	case " ${args[*]} " in
	*' -u '*) set -- -u "$@" ;;
	esac
	run player --connect "$PORT" "$@"
	end_of lis
}

# copies RAW [LINE...]: what the copies are, at the end.
copies() {
	local raw=$1
	shift

	wait_size raw "${#raw}"
	wait_for 5 _sums "$@" || {
		seen "$T/hex" "${form[@]}"
		printf 'not %s\n' "$@"
		cat "$T/hex"
		return 1
	}
	[ "$(_order <"$T/raw")" = "$(printf %s "$raw" | _order)" ] || fail "raw: $(cat -v "$T/raw")"
	! alive lis || stop lis
}

# _order: byte by byte; where single bytes are moved the two ways mix.
_order() {
	if [ "${VARIANT:-plain}" = torture ]; then
		od -An -v -tx1 -w1 | sort
	else
		od -An -v -tx1 -w1
	fi
}

_sums() {
	[ "$(seen "$T/hex" "${form[@]}" | sort)" = \
	    "$(printf '%s\n' "$@" | sort)" ]
}

@test "the form of --hex-dump" {
	need_bulk
	peer_py srv play.py get=20 'say=Hello.\n\x00\x7f\x80\xff' rest
	export TZ=XYZ-7:30
	sockcat --send '0123456789abcdef0123' --hex-dump "$T/hex" \
	    127.0.0.1 "$PORT" >"$T/out"
	sed -E 's/^(.) [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6} /\1 TIME /' \
	    "$T/hex" >"$T/got"
	cat >"$T/want" <<-'EOF'
	> TIME 00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|
	> TIME 00000010  30 31 32 33                                       |0123|
	< TIME 00000000  48 65 6c 6c 6f 2e 0a 00  7f 80 ff                 |Hello......|
	EOF
	same want got
	undump "$T/hex"
	# The time is the local one, and may be before midnight.
	read -r _ when _ <"$T/hex"
	age=$(($(date +%s) - $(date -d "$when" +%s)))
	((age >= -1 && age < 600 || age < -80000))
}

@test "-o: what went over the wire, before -t and behind -C" {
	need_bulk
	peer_py srv play.py get=5 'say=a\xff\xfb\x01b' get=3 half rest
	sockcat --no-shutdown -t -C --send 'x\xff\n' -o "$T/raw" \
	    --hex-dump "$T/hex" 127.0.0.1 "$PORT" >"$T/out"
	[ "$(cat "$T/out")" = ab ]
	[ "$(od -An -tx1 "$T/raw")" = \
	    ' 78 ff ff 0d 0a 61 ff fb 01 62 ff fe 01' ]
	[ "$(undump --bytes "$T/hex")" = \
	    "> - 8 b'x\\xff\\xff\\r\\n\\xff\\xfe\\x01'
< - 5 b'a\\xff\\xfb\\x01b'" ]
}

@test "a question stands before its answer, however fast that is" {
	need_whole
	need_bulk
	need strace
	strace -o /dev/null true 2>/dev/null || skip "strace missing"
	# The answer is there before the call that asks for it is over.
	peer_py srv play.py get=4 say=pong rest
	strace -f -qq -o "$T/trace" -e trace=sendto \
	    -e inject=sendto:delay_exit=300000 \
	    "$SOCKCAT" --send ping -o "$T/raw" --expect pong \
	    127.0.0.1 "$PORT"
	grep -q 'sendto.*ping.*DELAYED' "$T/trace"
	[ "$(cat "$T/raw")" = pingpong ]
}

@test "a bulk is copied whole, both ways" {
	random_file "$T/in" "$bulk"
	random_file "$T/back" "$bulk"
	peer_py srv source.py --file "$T/back" --end half
	sockcat -o "$T/raw" 127.0.0.1 "$PORT" <"$T/in" >"$T/out"
	same back out
	ended srv 0
	grep -q "$(sha256 in)" "$T/srv.out"
	[ "$(wc -c <"$T/raw")" -eq \
	    $(($(wc -c <"$T/in") + $(wc -c <"$T/back"))) ]
	# One way at a time the copy is the file.
	peer_py sink sink.py
	sockcat -o "$T/raw" 127.0.0.1 "$PORT" <"$T/in"
	same in raw
}

@test "under load no line mixes the directions, or the peers" {
	random_file "$T/in" 300k
	listen echo -k -e --hex-dump "$T/hex" 127.0.0.1 0
	peer_py srv play.py --sum "file=$T/in" half rest
	sockcat --hex-dump "$T/one" 127.0.0.1 "$PORT" <"$T/in" >"$T/out"
	same in out
	undump "$T/one" | sort >"$T/sums"
	sum=$(sha256 in)
	[ "$(cat "$T/sums")" = "< - 307200 $sum
> - 307200 $sum" ]
	PORT=$(sed -n 's/^Listening on [^ ]* //p' "$T/echo.err")
	run crowd --clients 30 --bytes 3000 --rounds 5 "$PORT"
	[ "$status" -eq 0 ] || fail "$output"
	stop echo
	undump --named "$T/hex" >"$T/sums"
	# As many peers as there were, each with its own bytes twice.
	[ "$(wc -l <"$T/sums")" -eq 60 ]
	[ "$(cut -d ' ' -f 2- "$T/sums" | sort | uniq -c |
	    awk '$1 == 2 && $3 == 15000' | wc -l)" -eq 30 ]
}

@test "a client: streams, datagrams, Unix sockets, an echo, a command" {
	form=()
	copy=(-o "$T/raw" --hex-dump "$T/hex")
	want=("> - 4 b'ping'" "< - 4 b'pong'")
	peer_py one play.py get=4 say=pong
	sockcat "${copy[@]}" --send ping 127.0.0.1 "$PORT"
	start lis true
	copies pingpong "${want[@]}"

	peer_py two play.py -u get=1 say=po say=ng
	sockcat -u -W 2 "${copy[@]}" --send ping 127.0.0.1 "$PORT"
	form=(--grams)
	copies pingpong "${want[@]}"
	[ "$(grep -c '^< .* 00000000  ' "$T/hex")" -eq 2 ]
	form=()
	peer_py lines play.py -u get=1 get=1
	printf '1\n2\n' | sockcat -u --lines -q 0 "${copy[@]}" 127.0.0.1 \
	    "$PORT"
	[ "$(grep -c '^> .* 00000000  ' "$T/hex")" -eq 2 ]

	peer_py three play.py -U "$T/s" get=4 say=pong
	sockcat -U "${copy[@]}" --send ping "$T/s"
	copies pingpong "${want[@]}"

	peer_py four play.py say=ping get=4
	sockcat -e "${copy[@]}" 127.0.0.1 "$PORT"
	copies pingping "> - 4 b'ping'" "< - 4 b'ping'"

	peer_py five play.py say=ping get=4
	sockcat "${copy[@]}" -c 'head -c 4' 127.0.0.1 "$PORT"
	copies pingping "> - 4 b'ping'" "< - 4 b'ping'"
}

# both_ways: the copies of a ping and a pong, whichever was first.
both_ways() {
	wait_size raw 8
	if [[ $(cat "$T/raw") == po* ]]; then
		copies pongping "> - 4 b'pong'" "< - 4 b'ping'"
	else
		copies pingpong "> - 4 b'pong'" "< - 4 b'ping'"
	fi
}

@test "listeners for one peer" {
	form=()
	both=("> - 4 b'ping'" "< - 4 b'ping'")
	watched --send pong -- say=ping get=4
	both_ways
	watched -e -- say=ping get=4
	copies pingping "${both[@]}"
	watched -c cat -- say=ping get=4
	copies pingping "${both[@]}"
	watched -u -W 1 --send pong -- say=ping get=1
	form=(--grams)
	both_ways
	watched -u -e -- say=ping get=1
	form=(--grams)
	copies pingping "${both[@]}"
	watched -u -c 'head -c 4' -- say=ping get=1
	copies pingping "${both[@]}"
	listen echo -k -e 127.0.0.1 0
	form=()
	watched --forward "127.0.0.1:$PORT" -- say=ping get=4
	copies pingping "${both[@]}"
	listen gram -u -k -e 127.0.0.1 0
	form=(--grams)
	watched -u --forward "127.0.0.1:$PORT" -- say=ping get=1
	copies pingping "${both[@]}"
}

@test "listeners for many name the peer in each line" {
	form=(--named)
	both=("> 127.0.0.1 4 b'ping'" "< 127.0.0.1 4 b'ping'")
	watched -k -e -- say=ping get=4
	copies pingping "${both[@]}"
	watched -k -c cat -- say=ping get=4
	copies pingping "${both[@]}"
	watched -b -- say=ping
	copies ping "< 127.0.0.1 4 b'ping'"
	watched --chat -- 'say=ping\n' half
	copies $'ping\n' "< 127.0.0.1 5 b'ping\\n'"
	listen echo -k -e 127.0.0.1 0
	watched -k --forward "127.0.0.1:$PORT" -- say=ping get=4
	copies pingping "${both[@]}"
	form+=(--grams)
	watched -u -k -e -- say=ping get=1
	copies pingping "${both[@]}"
	watched -u -k -c cat -- say=ping get=1
	copies pingping "${both[@]}"
	watched -u -b -- say=ping
	copies ping "< 127.0.0.1 4 b'ping'"
	listen gram -u -k -e 127.0.0.1 0
	watched -u -k --forward "127.0.0.1:$PORT" -- say=ping get=1
	copies pingping "${both[@]}"
}

@test "what the console says to many is in the copies, too" {
	for args in -k -b; do
		rm -f "$T/lis.in"
		feed lis
		listen_with - lis "$args" -o "$T/raw" --hex-dump "$T/hex" \
		    127.0.0.1 0
		start one "${python[@]}" "$PEERS/play.py" --connect "$PORT" \
		    get=4 say=ping
		wait_line lis.err 'Connection received'
		send_to lis pong
		ended one 0
		form=(--named)
		copies pongping "> * 4 b'pong'" "< 127.0.0.1 4 b'ping'"
	done
	rm -f "$T/lis.in"
	feed lis
	listen_with - lis -u -k -o "$T/raw" --hex-dump "$T/hex" 127.0.0.1 0
	start one "${python[@]}" "$PEERS/play.py" -u --connect "$PORT" \
	    say=ping get=1
	wait_line lis.err 'Connection received'
	send_to lis pong
	ended one 0
	form=(--named --grams)
	copies pingpong "> * 4 b'pong'" "< 127.0.0.1 4 b'ping'"
}

@test "the name of an IPv6 peer, of an IPv4 one there, and of a Unix one" {
	need_ipv6
	listen lis -k -e --hex-dump "$T/hex" 0
	echo six | sockcat ::1 "$PORT"
	echo four | sockcat 127.0.0.1 "$PORT"
	stop lis
	undump --named "$T/hex" | cut -d ' ' -f 1,2 >"$T/names"
	[ "$(sed 's/[0-9]*$//' "$T/names")" = '< [::1]:
> [::1]:
< 127.0.0.1:
> 127.0.0.1:' ]
	listen lis -u -k -e --hex-dump "$T/hex" 0
	echo six | sockcat -u -W 1 ::1 "$PORT"
	echo four | sockcat -u -W 1 127.0.0.1 "$PORT"
	stop lis
	undump --named --grams "$T/hex" | cut -d ' ' -f 1,2 >"$T/names"
	[ "$(sed 's/[0-9]*$//' "$T/names")" = '< [::1]:
> [::1]:
< 127.0.0.1:
> 127.0.0.1:' ]
	listen lis -U -k -e --hex-dump "$T/hex" "$T/s"
	echo unix | sockcat -U "$T/s"
	stop lis
	[ "$(undump --named "$T/hex" | cut -d ' ' -f 1,2)" = '< unix
> unix' ]
}

@test "an empty datagram has a line" {
	peer_py srv play.py -u get=1 say= say=x
	sockcat -u -W 2 --send hi --hex-dump "$T/hex" 127.0.0.1 "$PORT"
	[ "$(grep -c '^< .* 00000000  *||$' "$T/hex")" -eq 1 ]
	[ "$(wc -l <"$T/hex")" -eq 3 ]
	undump --grams "$T/hex"
}

@test "files are emptied, unless --append-output is given" {
	need_bulk
	peer_py srv sink.py --clients 4
	echo old >"$T/raw"
	echo old >"$T/hex"
	echo one | sockcat -o "$T/raw" --hex-dump "$T/hex" 127.0.0.1 "$PORT"
	[ "$(cat "$T/raw")" = one ]
	[ "$(wc -l <"$T/hex")" -eq 1 ]
	echo two | sockcat -o "$T/raw" --hex-dump "$T/hex" --append-output \
	    127.0.0.1 "$PORT"
	[ "$(cat "$T/raw")" = "one
two" ]
	[ "$(wc -l <"$T/hex")" -eq 2 ]
	# A new one is made, and nobody else's bytes are in the way.
	echo three | sockcat -o "$T/new" --append-output 127.0.0.1 "$PORT"
	[ "$(cat "$T/new")" = three ]
	echo four | sockcat -o "$T/both" --hex-dump "$T/both" \
	    127.0.0.1 "$PORT"
	[ "$(head -n 1 "$T/both")" = four ]
	tail -n +2 "$T/both" >"$T/hex"
	[ "$(undump --bytes "$T/hex")" = "> - 5 b'four\\n'" ]
	run sockcat --append-output 127.0.0.1 "$PORT" </dev/null
	[ "$status" -eq 2 ]
}

@test "- is standard error, also one that does not block" {
	peer_py srv play.py get=4 say=pong
	sockcat --send ping -o - 127.0.0.1 "$PORT" >"$T/out" 2>"$T/err"
	[ "$(cat "$T/err")" = pingpong ]
	[ "$(cat "$T/out")" = pong ]
	stop srv
	peer_py srv play.py get=4 say=pong
	sockcat --send ping --hex-dump - 127.0.0.1 "$PORT" 2>"$T/err"
	[ "$(undump --bytes "$T/err")" = "> - 4 b'ping'
< - 4 b'pong'" ]
	random_file "$T/in" 1M
	peer_py sink sink.py
	"${python[@]}" - "$SOCKCAT" "$PORT" "$T" <<-'EOF'
	import array, fcntl, os, subprocess, sys, termios, time
	program, port, t = sys.argv[1:]
	r, w = os.pipe()
	os.set_blocking(w, False)
	with open(t + "/in", "rb") as f:
	    p = subprocess.Popen([program, "-o", "-", "127.0.0.1", port],
	                         stdin=f, stderr=w)
	os.close(w)
	held, end = array.array("i", [0]), time.monotonic() + 20
	while held[0] < 60000 and time.monotonic() < end: # until it is full
	    fcntl.ioctl(r, termios.FIONREAD, held)
	with open(t + "/err", "wb") as f:
	    while True:
	        b = os.read(r, 65536)
	        if not b:
	            break
	        f.write(b)
	sys.exit(p.wait())
	EOF
	same in err
}

@test "a copy that cannot be written ends every kind of run" {
	[ -e /dev/full ] || skip "no /dev/full"
	local count=0 what=()

	listen echo -k -e 127.0.0.1 0
	tcp=$PORT
	listen gram -u -k -e 127.0.0.1 0
	udp=$PORT
	while read -r args; do
		for opt in -o --hex-dump; do
			name=lis$((++count))
			# shellcheck disable=SC2086
			listen "$name" "$opt" /dev/full -d $args 127.0.0.1 0
			steps=(say=ping rest)
			[[ $args != *-u* ]] || steps=(-u say=ping)
			start "cli$count" "${python[@]}" "$PEERS/play.py" \
			    --connect "$PORT" "${steps[@]}"
			what[count]="$opt $args"
		done
	done <<-EOF
	-k
	-e
	-k -e
	-b
	--chat
	-c cat
	-k -c cat
	--forward 127.0.0.1:$tcp
	-k --forward 127.0.0.1:$tcp
	-u
	-u -k
	-u -e
	-u -k -e
	-u -b
	-u -k -c cat
	-u -k --forward 127.0.0.1:$udp
	EOF
	for ((; count > 0; count--)); do
		name=lis$count
		wait_exit "$name" || wrong "${what[count]}: no end"
		[ "$status" -eq 1 ] || wrong "${what[count]}: $status"
		said "$name" 1 '/dev/full failed: No space left' ||
			wrong "${what[count]}: $(cat "$T/$name.err")"
	done
	none_wrong
	run sockcat --send ping -o /dev/full 127.0.0.1 "$tcp"
	[ "$status" -eq 1 ]
	[ "$output" = "sockcat: write to /dev/full failed: No space left on \
device" ]
}

@test "a copy that cannot be opened: nothing begins" {
	run sockcat -o "$T/none/raw" 127.0.0.1 9
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"$T/none/raw: No such file or directory" ]]
	run sockcat -l --hex-dump "$T/none/hex" 127.0.0.1 0
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
}

@test "-f: a listener in the background keeps what comes with -d and -o" {
	for args in '' -k -b --chat; do
		rm -f "$T/raw"
		# shellcheck disable=SC2086
		PORT=$(sockcat -l -f -d -w 20 --max-time 20 $args \
		    -o "$T/raw" 127.0.0.1 0)
		player --connect "$PORT" 'say=hello\n' half pause=0
		wait_size raw 6
		[ "$(cat "$T/raw")" = hello ]
	done
	for args in '' -d '-o raw' '-d -o -' '-d --hex-dump -'; do
		# shellcheck disable=SC2086
		run sockcat -l -f $args 127.0.0.1 0
		[ "$status" -eq 2 ] || wrong "$args: $status $output"
	done
	none_wrong
}
