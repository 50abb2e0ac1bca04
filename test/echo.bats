#!/usr/bin/env bats
#
# echo.bats: -e, every byte back where it came from.

load helpers

# same_echo FILE ARGS...: FILE through an echo comes back as it was.
same_echo() {
	local file=$1
	shift

	sockcat "$@" <"$file" >"$T/back" || return
	same "$file" "$T/back"
}

@test "-lke over IPv4, 20 MB each way, checksums equal" {
	random_file "$T/data" "$bulk"
	listen srv -ke 127.0.0.1 0
	same_echo "$T/data" 127.0.0.1 "$PORT"
	[ "$(sha256 data)" = "$(sha256 back)" ]
	same_echo "$T/data" 127.0.0.1 "$PORT"
}

@test "-lke over IPv6" {
	need_ipv6
	random_file "$T/data" 1M
	listen srv -ke ::1 0
	same_echo "$T/data" ::1 "$PORT"
}

@test "-lke on every address serves both families" {
	need_ipv6
	random_file "$T/data" 100k
	listen srv -ke 0
	same_echo "$T/data" 127.0.0.1 "$PORT"
	same_echo "$T/data" ::1 "$PORT"
	grep -q 'Connection received on 127.0.0.1 ' "$T/srv.err"
}

@test "-lke over a Unix socket, 20 MB" {
	random_file "$T/data" "$bulk"
	listen srv -keU "$T/sock"
	same_echo "$T/data" -U "$T/sock"
	same_echo "$T/data" -U "$T/sock"
	stop srv
	[ ! -e "$T/sock" ]
}

@test "-lke over an abstract Unix name" {
	need_linux
	run --separate-stderr sockcat -leU -w 10ms "@sockcat-$BASHPID"
	[[ $stderr != *"no abstract names"* ]] || skip "no abstract names"
	random_file "$T/data" 100k
	listen srv -keU "@sockcat-$BASHPID"
	same_echo "$T/data" -U "$ADDR"
}

@test "-le serves one client, to the end, and exits 0" {
	random_file "$T/data" "$bulk"
	listen srv -e 127.0.0.1 0
	same_echo "$T/data" 127.0.0.1 "$PORT"
	wait_exit srv
	[ "$status" -eq 0 ]
}

@test "-le over Unix serves one client and exits 0" {
	random_file "$T/data" 5M
	listen srv -eU "$T/sock"
	same_echo "$T/data" -U "$T/sock"
	wait_exit srv
	[ "$status" -eq 0 ]
	[ ! -e "$T/sock" ]
}

@test "-le refuses a second client at once" {
	feed one
	listen srv -e 127.0.0.1 0
	start_with - one sockcat 127.0.0.1 "$PORT"
	wait_line srv.err 'Connection received'
	run -1 --separate-stderr sockcat 127.0.0.1 "$PORT"
	[[ $stderr == *"Connection refused"* ]]
	send_to one "still here"
	end_of one
	wait_exit one
	[ "$(cat "$T/one.out")" = "still here" ]
}

@test "-e as a client echoes what the listener sends" {
	random_file "$T/data" "$bulk"
	start_with "$T/data" lis sockcat -v -l 127.0.0.1 0
	_announced lis
	sockcat -e 127.0.0.1 "$PORT"
	wait_exit lis
	[ "$status" -eq 0 ]
	same data lis.out
}

@test "-e as a client over IPv6 and Unix" {
	need_ipv6
	random_file "$T/data" 1M
	start_with "$T/data" lis sockcat -v -l ::1 0
	_announced lis
	sockcat -e ::1 "$PORT"
	wait_exit lis
	[ "$status" -eq 0 ]
	same data lis.out
	start_with "$T/data" lis2 sockcat -v -lU "$T/sock"
	_announced lis2 -U
	sockcat -eU "$T/sock"
	wait_exit lis2
	[ "$status" -eq 0 ]
	same data lis2.out
}

@test "-e reads nothing from standard input, writes nothing to output" {
	peer_py src source.py --bytes 5000 --end half
	echo unwanted >"$T/in"
	sockcat -e 127.0.0.1 "$PORT" <"$T/in" >"$T/out"
	wait_exit src
	wait_line src.out "^received 5000 .* end"
	[ ! -s "$T/out" ]
}

@test "-e with a full standard output ends well: nothing is written" {
	[ -e /dev/full ] || skip "no /dev/full"
	peer_py src source.py --bytes 5000 --end half
	sockcat -e 127.0.0.1 "$PORT" >/dev/full
	wait_line src.out "^received 5000 .* end"
}

@test "-e to nobody: refused, exit 1, one line" {
	free_port
	run -1 --separate-stderr sockcat -e 127.0.0.1 "$PORT"
	[ "$stderr" = "sockcat: connect to 127.0.0.1 port $PORT (tcp) failed: Connection refused" ]
}

@test "an echo sends its FIN only after the last byte is back" {
	random_file "$T/data" 60000
	listen srv -ke 127.0.0.1 0
	# The source half-closes and only then begins to read.
	client_py src source.py --connect --file "$T/data" --end half "$PORT"
	wait_exit src
	grep -q "^received 60000 $(sha256 data) end" "$T/src.out"
}

@test "a peer that half-closes without a byte gets a FIN at once" {
	listen srv -ke 127.0.0.1 0
	client_py c half_close.py --connect "$PORT"
	wait_exit c
	grep -q '^received 0 .* end' "$T/c.out"
}

@test "bytes of every value and sizes around the buffers come back" {
	listen srv -ke 127.0.0.1 0
	for n in 0 1 255 256 4095 4096 4097 16384 16385 65536 262143 262145; do
		random_file "$T/data" "$n"
		same_echo "$T/data" 127.0.0.1 "$PORT"
	done
}

@test "one byte comes back at once, while the connection stays open" {
	feed cli
	listen srv -ke 127.0.0.1 0
	start_with - cli sockcat 127.0.0.1 "$PORT"
	for c in a b c d; do
		send_to cli "$c"
		wait_line cli.out "$c"
	done
	alive cli
}

@test "a peer that never reads only waits: others are served meanwhile" {
	listen srv -ke 127.0.0.1 0
	client_py deaf source.py --connect --bytes 30000000 --end hold \
		--sndbuf 20000 --rcvbuf 5000 "$PORT"
	client_py deaf2 stall.py --connect --send "$(head -c 99999 /dev/zero |
		tr '\0' x)" "$PORT"
	wait_line deaf2.out connected
	random_file "$T/data" 1M
	same_echo "$T/data" 127.0.0.1 "$PORT"
	alive srv
}

@test "a peer that never reads, then does: it has waited, nothing is lost" {
	need_bulk
	random_file "$T/data" 8M
	listen srv -ke 127.0.0.1 0
	# 8 MB do not fit in the sockets' buffers; a slow reader gets them all.
	sockcat 127.0.0.1 "$PORT" <"$T/data" | {
		rest 1
		cat >"$T/back"
	}
	same data back
	cpu srv
	((ticks < 300))
}

@test "-le with a peer that never reads waits, without spinning" {
	need_bulk
	listen srv -e 127.0.0.1 0
	client_py deaf source.py --connect --bytes 30000000 --end hold "$PORT"
	wait_line srv.err 'Connection received'
	kill -STOP "$(pid_of deaf)"
	cpu srv
	local before=$ticks
	rest 1
	cpu srv
	alive srv
	((ticks - before < 40))
	kill -CONT "$(pid_of deaf)"
}

@test "50 clients at once" {
	listen srv -ke 127.0.0.1 0
	crowd --clients 50 --bytes 20000 --rounds 5 "$PORT" >"$T/crowd"
	grep -qx "served 50 of 50 5000000" "$T/crowd"
}

@test "50 clients at once over a Unix socket" {
	listen srv -keU "$T/sock"
	crowd --clients 50 --bytes 20000 --rounds 5 -U "$T/sock" >"$T/crowd"
	grep -qx "served 50 of 50 5000000" "$T/crowd"
}

@test "50 sockcats at once, each its own bytes" {
	listen srv -ke 127.0.0.1 0
	for ((i = 0; i < 50; i++)); do
		seq "$i" "$((i + 2000))" >"$T/in$i"
		start_with "$T/in$i" "c$i" sockcat 127.0.0.1 "$PORT"
	done
	for ((i = 0; i < 50; i++)); do
		wait_exit "c$i" 30
		[ "$status" -eq 0 ]
		same "in$i" "c$i.out"
	done
}

@test "a peer that resets is only its own failure" {
	listen srv -ke 127.0.0.1 0
	for mode in accept send; do
		start rst "${python[@]}" "$PEERS/rst.py" --connect \
			--mode "$mode" --bytes 100000 "$PORT"
		wait_exit rst
	done
	echo alive >"$T/data"
	same_echo "$T/data" 127.0.0.1 "$PORT"
	alive srv
}

@test "-le: a reset ends it with status 1 and one line" {
	listen srv -e 127.0.0.1 0
	start rst "${python[@]}" "$PEERS/rst.py" --connect --mode read \
		--send hello --bytes 5 "$PORT"
	wait_exit srv
	[ "$status" -eq 1 ]
	grep -c '^sockcat: ' "$T/srv.err" | grep -qx 1
	grep -qE 'reset by peer|Broken pipe' "$T/srv.err"
}

@test "--idle-timeout with -k ends only the silent connection" {
	listen srv -ke --idle-timeout "$((1500 * TIME_FACTOR))ms" 127.0.0.1 0
	feed busy
	feed idle
	start_with - idle sockcat --idle-timeout 60 127.0.0.1 "$PORT"
	send_to idle hello
	wait_size idle.out 5
	start_with - busy sockcat 127.0.0.1 "$PORT"
	# Until the echo has said goodbye to the idle one: its client notices.
	for ((i = 0; i < 400 * TIME_FACTOR; i++)); do
		grep -q 'peer has ended' "$T/idle.err" && break
		send_to busy x
		wait_size busy.out "$((i + 1))"
		rest 0.1
	done
	grep -q 'peer has ended' "$T/idle.err"
	alive srv
	send_to busy y
	wait_size busy.out "$((i + 1))"
}

@test "--idle-timeout without -k: 124" {
	feed cli
	listen srv -e --idle-timeout 300ms 127.0.0.1 0
	start_with - cli sockcat 127.0.0.1 "$PORT"
	wait_exit srv
	[ "$status" -eq 124 ]
	grep -q 'idle-timeout' "$T/srv.err"
}

@test "-w with -le: 124 when no client comes, and when one is silent" {
	run -124 --separate-stderr sockcat -le -w 200ms 127.0.0.1 0
	[[ $stderr == *"no client came"* ]]
	feed cli
	listen srv -e -w 1 127.0.0.1 0
	start_with - cli sockcat 127.0.0.1 "$PORT"
	wait_exit srv
	[ "$status" -eq 124 ]
}

@test "-w with -lke bounds only the wait for the first client" {
	run -124 sockcat -lke -w 200ms 127.0.0.1 0
	listen srv -ke -w 5 127.0.0.1 0
	echo one | sockcat 127.0.0.1 "$PORT"
	alive srv
}

@test "--max-time ends an echo with 124" {
	run -124 --separate-stderr sockcat -lke --max-time 200ms 127.0.0.1 0
	[[ $stderr == *"--max-time"* ]]
}

@test "--reset: what comes back is whole before it" {
	need_acks
	listen srv -ke --reset 127.0.0.1 0
	client_py cl both.py --connect --bytes 300000 --slow 16384,0.01 \
	    --rcvbuf 8192 "$PORT"
	wait_line cl.out '^received 300000 .* reset$' 30
}

@test "-m 2 lets two peers in, the others wait and are served" {
	listen srv -ke -m 2 127.0.0.1 0
	feed a
	feed b
	start_with - a sockcat 127.0.0.1 "$PORT"
	start_with - b sockcat 127.0.0.1 "$PORT"
	wait_lines srv.err 'Connection received' 2
	echo third >"$T/in"
	start_with "$T/in" c sockcat 127.0.0.1 "$PORT"
	rest 0.3
	[ ! -s "$T/c.out" ]
	[ "$(grep -c 'Connection received' "$T/srv.err")" -eq 2 ]
	end_of a
	wait_exit c
	[ "$(cat "$T/c.out")" = third ]
}

@test "-m over both families: no place is lost" {
	need_ipv6
	listen srv -ke -m 1 localhost 0
	for ((i = 0; i < 5; i++)); do
		[ "$(echo four | sockcat 127.0.0.1 "$PORT")" = four ]
		[ "$(echo six | sockcat ::1 "$PORT")" = six ] ||
			[[ $(cat "$T/srv.err") != *"::1"* ]]
	done
}

@test "UDP: every peer gets its own datagrams back" {
	listen srv -keu 127.0.0.1 0
	for ((i = 0; i < 20; i++)); do
		client_py "c$i" udp_client.py --message "one $i" \
			--message "two $i" "$PORT"
	done
	for ((i = 0; i < 20; i++)); do
		wait_exit "c$i"
		[ "$status" -eq 0 ]
		[ "$(cat "$T/c$i.out")" = "one $i"$'\n'"two $i" ]
	done
}

@test "UDP without -k echoes many peers too" {
	listen srv -eu 127.0.0.1 0
	for ((i = 0; i < 3; i++)); do
		start "c$i" "${python[@]}" "$PEERS/udp_client.py" \
			--message "hello $i" "$PORT"
		wait_exit "c$i"
		[ "$(cat "$T/c$i.out")" = "hello $i" ]
	done
}

@test "UDP: dual-stack, and the answer has the address written to" {
	need_ipv6
	listen srv -keu 0
	start four "${python[@]}" "$PEERS/udp_client.py" --message four \
		127.0.0.2 "$PORT"
	start six "${python[@]}" "$PEERS/udp_client.py" --message six \
		::1 "$PORT"
	wait_exit four
	wait_exit six
	[ "$(cat "$T/four.out" "$T/six.out")" = four$'\n'six ]
}

@test "UDP: 65,507 bytes and empty datagrams come back" {
	listen srv -keu 127.0.0.1 0
	start big "${python[@]}" "$PEERS/udp_client.py" --size 65507 \
		--show-size "$PORT"
	start empty "${python[@]}" "$PEERS/udp_client.py" --message '' \
		--message '' --message x --show-size "$PORT"
	wait_exit big
	[ "$(cat "$T/big.out")" = 65507 ]
	wait_exit empty
	[ "$(cat "$T/empty.out")" = $'0\n0\n1' ]
	alive srv
}

@test "UDP: -e as a client is heard of by nobody and waits" {
	free_port -u
	run -124 sockcat -eu -w 300ms 127.0.0.1 "$PORT"
}

# asks DEVICE COUNT [PAUSE]: so many questions of one byte are answered.  No
# process has to start for it, which may take longer than a limit.
asks() {
	local fd i answer

	exec {fd}<>"$1"
	for ((i = 0; i < $2; i++)); do
		printf %s "$i" >&"$fd"
		read -r -n 1 -t $((10 * TIME_FACTOR)) -u "$fd" answer
		[ "$answer" = "$i" ]
		rest "${3:-0.01}"
	done
	exec {fd}>&-
}

@test "UDP: -w without -k ends with 124 after silence, not before" {
	run -124 sockcat -leu -w 200ms 127.0.0.1 0
	listen srv -eu -w 1 127.0.0.1 0
	asks "/dev/udp/127.0.0.1/$PORT" 1
	wait_exit srv
	[ "$status" -eq 124 ]
}

@test "UDP: silence on one of two addresses is not silence" {
	need_ipv6
	getent ahosts localhost | grep -q '^::1' || {
		listen probe -eu localhost 0
		grep -q '^Bound on ::1' "$T/probe.err" ||
			skip "localhost is only 127.0.0.1"
	}
	listen srv -eu -w 1.5 localhost 0
	asks "/dev/udp/127.0.0.1/$PORT" 10 0.3
	alive srv
	wait_exit srv
	[ "$status" -eq 124 ]
}

@test "Unix datagrams: many peers, empty and large ones" {
	listen srv -keuU "$T/sock"
	for ((i = 0; i < 5; i++)); do
		client_py "c$i" udp_client.py -U "$T/sock" \
			--message "one $i" --message '' --message "two $i"
	done
	for ((i = 0; i < 5; i++)); do
		wait_exit "c$i"
		[ "$status" -eq 0 ]
		[ "$(cat "$T/c$i.out")" = "one $i"$'\n\n'"two $i" ]
	done
	start big "${python[@]}" "$PEERS/udp_client.py" -U "$T/sock" \
		--size 60000 --show-size
	wait_exit big
	[ "$(cat "$T/big.out")" = 60000 ]
	stop srv
	[ ! -e "$T/sock" ]
}

@test "Unix datagrams: sockcat is its own client" {
	listen srv -keuU "$T/sock"
	run -0 sockcat -uU "$T/sock" <<<hello
	[ "$output" = hello ]
}

# The peer is not connected: it has a queue of its own that fills.
@test "Unix datagrams: a peer that never reads does not keep the others" {
	listen srv -keuU "$T/sock"
	start flood "${python[@]}" -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("")
s.settimeout(0.5)
try:
    for i in range(1000):
        s.sendto(b"x", sys.argv[1])
except OSError:
    pass
print("flooded", flush=True)
time.sleep(60)' "$T/sock"
	wait_line flood.out flooded 20
	start c "${python[@]}" "$PEERS/udp_client.py" -U "$T/sock" \
		--message hello --timeout 8
	wait_exit c 15
	[ "$(cat "$T/c.out")" = hello ]
}

@test "a datagram without a return address is left alone" {
	listen srv -keuU "$T/sock"
	"${python[@]}" -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(b"x", sys.argv[1])' "$T/sock"
	run -0 sockcat -uU "$T/sock" <<<hello
	[ "$output" = hello ]
}

@test "-e with an operand that looks like a command names -c" {
	run -2 --separate-stderr sockcat -le /bin/sh 0
	[[ ${stderr_lines[0]} == *"-c"* ]]
	run -2 --separate-stderr sockcat -e 'cat -n' 127.0.0.1 9
	[[ ${stderr_lines[0]} == *"-c"* ]]
}
