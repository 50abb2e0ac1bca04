#!/usr/bin/env bats
#
# hub.bats: -lb, where every member hears all others, and -lk, where the
# peers hear only the console and the console hears all peers.

load helpers

# room ARGS...: play a scene; what it said is in $T/said, too.
room() {
	local ms

	_ms 90
	timeout -s KILL $((ms / 1000)) "${python[@]}" "$PEERS/room.py" "$@" \
		>"$T/said" || {
		tail -n 20 "$T/said"
		return 1
	}
}

@test "every member hears all others, never itself" {
	feed srv
	listen_with - srv -b 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	join b 127.0.0.1 "$PORT"
	join c 127.0.0.1 "$PORT"
	send_to a $'from a\n'
	wait_line b.out '^from a$'
	wait_line c.out '^from a$'
	wait_line srv.out '^from a$'
	send_to b $'from b\n'
	wait_line a.out '^from b$'
	wait_line c.out '^from b$'
	send_to srv $'from the console\n'
	for n in a b c; do
		wait_line "$n.out" '^from the console$'
	done
	[ "$(cat "$T/a.out")" = $'from b\nfrom the console' ]
	[ "$(cat "$T/b.out")" = $'from a\nfrom the console' ]
	[ "$(cat "$T/c.out")" = $'from a\nfrom b\nfrom the console' ]
	[ "$(cat "$T/srv.out")" = $'from a\nfrom b' ]
}

@test "the same over IPv6, IPv4 and a name at once" {
	need_ipv6
	feed srv
	listen_with - srv --broker 0
	join a 127.0.0.1 "$PORT"
	join b ::1 "$PORT"
	send_to a $'from a\n'
	wait_line b.out '^from a$'
	send_to b $'from b\n'
	wait_line a.out '^from b$'
}

@test "the same over a Unix socket" {
	feed srv
	listen_with - srv -bU "$T/sock"
	join a -U "$T/sock"
	join b -U "$T/sock"
	send_to a $'from a\n'
	wait_line b.out '^from a$'
	wait_line srv.out '^from a$'
	send_to srv $'console\n'
	wait_line a.out '^console$'
	wait_line b.out '^console$'
	[ "$(cat "$T/a.out")" = console ]
	stop srv
	[ ! -e "$T/sock" ]
}

@test "the console's end changes nothing for the others" {
	listen srv -b 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	join b 127.0.0.1 "$PORT"
	rest 1.5
	send_to a $'still here\n'
	wait_line b.out '^still here$'
	wait_line srv.out '^still here$'
	alive a
	alive b
	run ! grep 'peer has ended' "$T/a.err" "$T/b.err"
}

@test "console input waits until somebody is there" {
	seq 1 1000 >"$T/in"
	listen_with "$T/in" srv -b 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	wait_size a.out "$(wc -c <"$T/in")"
	same in a.out
}

@test "-d: the console does not speak but hears" {
	echo secret >"$T/in"
	listen_with "$T/in" srv -bd 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	send_to a $'hello\n'
	wait_line srv.out '^hello$'
	[ ! -s "$T/a.out" ]
}

@test "one order for all: 10 members, 4 posters" {
	listen srv -b 127.0.0.1 0
	room order 4 6 400 "$PORT"
}

@test "one order for all: 20 members, who all talk at once" {
	listen srv -b 127.0.0.1 0
	room order 20 1 100 "$PORT"
	run ! grep 'not delivered' "$T/srv.err"
}

@test "... with small buffers, so that all lag and messages are sent in parts" {
	listen srv -b -O 8k 127.0.0.1 0
	room --rcvbuf 5000 order 20 1 100 "$PORT"
	run ! grep 'not delivered' "$T/srv.err"
	listen usrv -bU "$T/sock"
	room -U "$T/sock" order 20 1 100
	run ! grep 'not delivered' "$T/usrv.err"
}

@test "one order for all over a Unix socket, and the console hears all" {
	need_bulk
	listen srv -bU "$T/sock"
	room -U "$T/sock" order 4 2 300
	for range in '\200-\217' '\220-\237' '\240-\257' '\260-\277'; do
		tr -cd "$range" <"$T/srv.out" | wc -c >"$T/got"
		(($(<"$T/got") > 300))
	done
}

@test "a message larger than the buffers and the ring" {
	need_bulk
	listen srv -b 127.0.0.1 0
	room big 9000000 "$PORT"
}

@test "a message larger than the buffers over a Unix socket" {
	need_bulk
	listen srv -bU "$T/sock"
	room -U "$T/sock" big 9000000
}

@test "members come and go, in every way, and others miss nothing" {
	listen srv -b 127.0.0.1 0
	room changes 30 "$PORT"
}

@test "a half-closed member goes on hearing" {
	listen srv -b 127.0.0.1 0
	room half "$PORT"
	listen usrv -bU "$T/sock"
	room -U "$T/sock" half
}

# evicts COUNT SCENE...: COUNT members that do not read are put out, named,
# with what they lost; the others are held up by a second at most.
evicts() {
	local count=$1 pause
	shift

	room --limit 60 "$@"
	cat "$T/said"
	pause=$(sed -n 's/^pause //p' "$T/said")
	# A second, and what a busy machine adds.
	((pause < 2500 * TIME_FACTOR))
	wait_lines srv.err 'evicted; [1-9][0-9]* bytes not delivered$' "$count"
	[ "$(grep -c "evicted;" "$T/srv.err")" -eq "$count" ]
	wait_lines srv.err ' closed: .* bytes sent, evicted$' "$count"
}

@test "a member that stops reading is evicted with a reset" {
	need_bulk
	listen srv -b 127.0.0.1 0
	evicts 1 --rcvbuf 20000 stall 1 30000000 none "$PORT"
	grep -qx reset "$T/said"
	grep -qE '^sockcat: 127.0.0.1 port [0-9]+ \(tcp\): does not read, evicted; [0-9]+ bytes not delivered$' \
		"$T/srv.err"
}

@test "three that stop reading hold up the others no longer than one" {
	need_bulk
	listen srv -b 127.0.0.1 0
	evicts 3 --rcvbuf 20000 stall 3 30000000 none "$PORT"
	grep -qx 'reset reset reset' "$T/said"
}

@test "a member that reads a little at a time is evicted too" {
	need_bulk
	listen srv -b -O 64k 127.0.0.1 0
	evicts 1 --rcvbuf 20000 stall 1 30000000 trickle \
		"$PORT"
}

@test "a member on a Unix socket that stops reading is evicted" {
	need_bulk
	listen srv -bU "$T/sock"
	evicts 1 -U "$T/sock" stall 1 30000000 none
}

@test "console input waits for a slow reader: all of it arrives" {
	need_bulk
	random_file "$T/data" 12M
	feed srv
	listen_with - srv -b 127.0.0.1 0
	# Two MB a second; the ring holds four, the sockets a few.
	start slow timeout 300 "${python[@]}" "$PEERS/room.py" --limit 50 \
		--rcvbuf 200000 slow 12582912 200000 "$PORT"
	start fast timeout 300 "${python[@]}" "$PEERS/room.py" --limit 50 \
		slow 12582912 9000000 "$PORT"
	wait_lines srv.err 'Connection received' 2
	rest 0.2
	start feeder cp "$T/data" "$T/srv.in"
	wait_line slow.out . 50
	grep -qx "$(sha256 data)" "$T/slow.out"
	wait_line fast.out .
	grep -qx "$(sha256 data)" "$T/fast.out"
	run ! grep evicted "$T/srv.err"
}

@test "console input waits for one that reads very slowly but goes on" {
	random_file "$T/data" 12M
	listen_with "$T/data" srv -b 127.0.0.1 0
	# 20 kB a second, seen by the hub only now and then.
	start slow "${python[@]}" "$PEERS/sink.py" --connect \
		--slow 2000,0.1 "$PORT"
	wait_line srv.err 'Connection received'
	rest 9
	run ! grep evicted "$T/srv.err"
	alive slow
}

@test "console input does not wait for one that does not read at all" {
	need_bulk
	random_file "$T/data" 12M
	listen srv0 -b 127.0.0.1 0
	stop srv0
	feed srv
	listen_with - srv -b 127.0.0.1 0
	client_py deaf stall.py --connect --rcvbuf 20000 "$PORT"
	wait_line srv.err 'Connection received'
	start a sockcat -d 127.0.0.1 "$PORT"
	wait_lines srv.err 'Connection received' 2
	send_file srv "$T/data"
	wait_size a.out "$(wc -c <"$T/data")" 20
	same data a.out
	wait_lines srv.err 'evicted; [1-9][0-9]* bytes not delivered$' 1
}

@test "a full standard output: the room waits, the console is never evicted" {
	random_file "$T/data" 9M
	mkfifo "$T/slow"
	exec {hold}<>"$T/slow"
	start srv bash -c 'exec "$SOCKCAT" -v -lb 127.0.0.1 0 >"$1"' - "$T/slow"
	_announced srv
	start_with "$T/data" a sockcat 127.0.0.1 "$PORT"
	wait_line srv.err 'Connection received'
	rest 3
	alive srv
	alive a
	run ! grep evicted "$T/srv.err"
	head -c 9437184 <&"$hold" >"$T/out"
	same data out
	exec {hold}>&-
}

@test "a closed standard output ends the hub quietly" {
	mkfifo "$T/pipe"
	start reader head -n 1 "$T/pipe"
	start srv bash -c 'exec "$SOCKCAT" -v -lb 127.0.0.1 0 >"$1"' - "$T/pipe"
	_announced srv
	join a 127.0.0.1 "$PORT"
	send_to a $'one\n'
	wait_exit reader
	for ((i = 0; i < 100; i++)); do
		send_to a $'more\n' 2>/dev/null || :
		alive srv || break
		rest 0.05
	done
	wait_exit srv
	[ "$status" -eq 141 ]
	run ! grep '^sockcat:' "$T/srv.err"
}

@test "a full disk ends the hub with 1 and the reason" {
	[ -e /dev/full ] || skip "no /dev/full"
	start srv bash -c 'exec "$SOCKCAT" -v -lb 127.0.0.1 0 >/dev/full'
	_announced srv
	echo hello | sockcat -q 1 127.0.0.1 "$PORT" || :
	wait_exit srv
	[ "$status" -eq 1 ]
	grep -q '^sockcat: write to standard output failed: No space' \
		"$T/srv.err"
}

@test "--idle-timeout puts out only silent members" {
	listen srv -b --idle-timeout 1500ms 127.0.0.1 0
	join idle --idle-timeout 30 127.0.0.1 "$PORT"
	wait_line idle.err 'peer has ended' 15
	alive srv
	join a 127.0.0.1 "$PORT"
	send_to a $'x\n'
	wait_line srv.out '^x$'
}

@test "a hub does not exceed -m members; who waits gets in later" {
	listen srv -b -m 2 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	join b 127.0.0.1 "$PORT"
	feed c
	start_with - c sockcat 127.0.0.1 "$PORT"
	send_to c $'from c\n'
	send_to a $'from a\n'
	wait_line b.out '^from a$'
	rest 0.3
	run ! grep 'from c' "$T/b.out"
	stop a
	# Somebody has to speak for the room to notice.
	for ((i = 0; i < 20; i++)); do
		send_to b $'anybody?\n'
		grep -q 'from c' "$T/b.out" && break
		rest 0.1
	done
	wait_line b.out '^from c$'
}

@test "members' resets lose what they had not heard, and each is said" {
	need_bulk
	head -c 3900000 /dev/zero >"$T/data"
	# Those who had ended their side lose nothing.
	for lost in 4 0; do
		feed srv
		listen_with - srv -b --count 5 127.0.0.1 0
		feed stays
		start_with - stays sockcat 127.0.0.1 "$PORT"
		feed resets
		start_with - resets "${python[@]}" -c 'import socket, struct, sys
s = []
for _ in range(4):
    c = socket.socket()
    c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 5000)
    c.connect(("127.0.0.1", int(sys.argv[1])))
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if sys.argv[2] == "0":
        c.shutdown(socket.SHUT_WR)
    s.append(c)
sys.stdin.readline()' "$PORT" $lost
		wait_lines srv.err 'Connection received' 5
		rest 0.2
		send_file srv "$T/data"
		rest 0.3
		send_to resets $'\n'
		wait_exit resets
		wait_lines srv.err '^Connection from .* closed' 4
		wait_lines srv.err 'bytes not delivered$' $lost
		said srv $lost
		end_of stays
		wait_exit srv
		[ "$status" -eq $((lost > 0)) ]
		end_of srv
		end_of resets
		rm "$T"/*.in
	done
}

# -lub

@test "UDP: members are the addresses heard from" {
	feed srv
	listen_with - srv -bu 127.0.0.1 0
	for n in a b c; do
		feed "$n"
		start_with - "$n" sockcat -u 127.0.0.1 "$PORT"
		send_to "$n" "hello $n"$'\n'
		wait_line srv.out "hello $n"
	done
	send_to a $'from a\n'
	wait_line b.out '^from a$'
	wait_line c.out '^from a$'
	send_to srv $'console\n'
	for n in a b c; do
		wait_line "$n.out" '^console$'
	done
	run ! grep 'from a' "$T/a.out"
}

@test "UDP: empty and large datagrams are heard whole" {
	listen srv -bu 127.0.0.1 0
	start ear "${python[@]}" "$PEERS/udp_client.py" --message hello \
		--no-wait --listen 3 --show-size --timeout 15 "$PORT"
	wait_line srv.out hello
	start big "${python[@]}" "$PEERS/udp_client.py" --size 65507 \
		--no-wait "$PORT"
	wait_lines ear.out '^65507$' 1
	start empty "${python[@]}" "$PEERS/udp_client.py" --message '' \
		--message x --no-wait "$PORT"
	wait_exit ear
	[ "$(cat "$T/ear.out")" = $'65507\n0\n1' ]
}

@test "UDP: both families in one hub" {
	need_ipv6
	listen srv -bu 0
	start four "${python[@]}" "$PEERS/udp_client.py" --message four \
		--no-wait --listen 1 --timeout 15 127.0.0.1 "$PORT"
	wait_line srv.out four
	start six "${python[@]}" "$PEERS/udp_client.py" --message six \
		--no-wait ::1 "$PORT"
	wait_exit four
	[ "$(cat "$T/four.out")" = six ]
}

@test "UDP: a silent member is forgotten after --idle-timeout" {
	listen srv -bu --idle-timeout 400ms 127.0.0.1 0
	start ear "${python[@]}" "$PEERS/udp_client.py" --message hello \
		--no-wait --listen 1 --timeout 60 "$PORT"
	wait_line srv.out hello
	rest 0.8
	start c "${python[@]}" "$PEERS/udp_client.py" --message again \
		--no-wait "$PORT"
	wait_line srv.out again
	rest 0.5
	alive ear
	[ ! -s "$T/ear.out" ]
}

@test "UDP: -m members; a new one takes the longest silent one's place" {
	listen srv -bu -m 2 127.0.0.1 0
	start a "${python[@]}" "$PEERS/udp_client.py" --message a --no-wait \
		--listen 2 --timeout 60 "$PORT"
	wait_line srv.out a
	start b "${python[@]}" "$PEERS/udp_client.py" --message b --no-wait \
		--listen 2 --timeout 60 "$PORT"
	wait_line a.out b
	start c "${python[@]}" "$PEERS/udp_client.py" --message c --no-wait \
		"$PORT"
	wait_line b.out c
	start d "${python[@]}" "$PEERS/udp_client.py" --message d --no-wait \
		"$PORT"
	wait_line srv.out d
	rest 0.5
	alive a
	[ "$(cat "$T/a.out")" = b ]
	[ "$(cat "$T/b.out")" = c ]
}

@test "UDP: console input waits while everybody is forgotten" {
	feed srv
	listen_with - srv -bu --idle-timeout 300ms 127.0.0.1 0
	start a "${python[@]}" "$PEERS/udp_client.py" --message a --no-wait \
		"$PORT"
	wait_line srv.out a
	rest 0.7
	send_to srv $'news\n'
	rest 0.3
	start b "${python[@]}" "$PEERS/udp_client.py" --message b --no-wait \
		--listen 1 --timeout 20 "$PORT"
	wait_exit b 20
	[ "$(cat "$T/b.out")" = news ]
}

@test "Unix datagrams: a hub; one that never reads is forgotten" {
	listen srv -buU "$T/sock"
	start deaf "${python[@]}" -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("")
s.sendto(b"deaf\n", sys.argv[1])
time.sleep(60)' "$T/sock"
	wait_line srv.out deaf
	start ear "${python[@]}" "$PEERS/udp_client.py" -U "$T/sock" \
		--message $'ear\n' --no-wait --listen 100 --timeout 10
	wait_line srv.out ear
	feed c
	start_with - c sockcat -uU "$T/sock"
	for ((i = 0; i < 100; i++)); do
		send_to c "$i"$'\n'
		((i % 20)) || wait_line srv.out "^$i\$"
	done
	wait_line ear.out '^99$'
	wait_line srv.err 'failed: .*; forgotten'
	[ "$(grep -c forgotten "$T/srv.err")" -eq 1 ]
	alive srv
}

# -lk

@test "-lk: two receivers each get all of standard input" {
	random_file "$T/data" 3M
	feed srv
	listen_with - srv -k 127.0.0.1 0
	start a sockcat -d 127.0.0.1 "$PORT"
	start b sockcat -d 127.0.0.1 "$PORT"
	wait_lines srv.err 'Connection received' 2
	rest 0.2
	send_file srv "$T/data"
	end_of srv
	wait_exit a 20
	wait_exit b 20
	same data a.out
	same data b.out
	alive srv
}

@test "-lk: peers' output is all on standard output, they do not hear it" {
	feed srv
	listen_with - srv -k 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	join b 127.0.0.1 "$PORT"
	send_to a $'from a\n'
	send_to b $'from b\n'
	wait_line srv.out '^from a$'
	wait_line srv.out '^from b$'
	send_to srv $'to all\n'
	wait_line a.out '^to all$'
	wait_line b.out '^to all$'
	[ "$(cat "$T/a.out")" = 'to all' ]
	[ "$(cat "$T/b.out")" = 'to all' ]
}

@test "-lk over a Unix socket" {
	feed srv
	listen_with - srv -kU "$T/sock"
	join a -U "$T/sock"
	send_to a $'from a\n'
	wait_line srv.out '^from a$'
	send_to srv $'to all\n'
	wait_line a.out '^to all$'
}

@test "-lk: at the end of input a FIN for those present, and for later ones" {
	feed srv
	listen_with - srv -k 127.0.0.1 0
	start a sockcat -d 127.0.0.1 "$PORT"
	wait_line srv.err 'Connection received'
	rest 0.2
	send_to srv $'last words\n'
	end_of srv
	wait_exit a
	[ "$status" -eq 0 ]
	[ "$(cat "$T/a.out")" = 'last words' ]
	sockcat -d 127.0.0.1 "$PORT" >"$T/late"
	[ ! -s "$T/late" ]
	alive srv
	echo more | sockcat 127.0.0.1 "$PORT"
	wait_line srv.out '^more$'
}

@test "-lk </dev/null takes 20 MB from each of three at once" {
	need_bulk
	random_file "$T/data" 20M
	listen srv -k 127.0.0.1 0
	for n in a b c; do
		start_with "$T/data" "$n" sockcat 127.0.0.1 "$PORT"
	done
	for n in a b c; do
		wait_exit "$n" 30
		[ "$status" -eq 0 ]
	done
	wait_size srv.out 62914560
	[ "$(wc -c <"$T/srv.out")" -eq 62914560 ]
}

@test "-lk: a peer that does not read is evicted, the other gets it all" {
	need_bulk
	random_file "$T/data" 12M
	feed srv
	listen_with - srv -k 127.0.0.1 0
	client_py deaf stall.py --connect --rcvbuf 20000 "$PORT"
	start a sockcat -d 127.0.0.1 "$PORT"
	wait_lines srv.err 'Connection received' 2
	rest 0.2
	send_file srv "$T/data"
	end_of srv
	wait_exit a 20
	same data a.out
	wait_line srv.err 'evicted; [1-9][0-9]* bytes not delivered$'
}

@test "-luk: every sender's datagrams are written, input goes to all" {
	feed srv
	listen_with - srv -uk 127.0.0.1 0
	for n in a b; do
		feed "$n"
		start_with - "$n" sockcat -u 127.0.0.1 "$PORT"
		send_to "$n" "from $n"$'\n'
		wait_line srv.out "^from $n\$"
	done
	send_to srv $'to all\n'
	wait_line a.out '^to all$'
	wait_line b.out '^to all$'
	[ "$(cat "$T/a.out")" = 'to all' ]
}

@test "-b without -l or -u is refused" {
	run -2 --separate-stderr sockcat -b 127.0.0.1 9
	[[ ${stderr_lines[0]} == *"-b"* ]]
}
