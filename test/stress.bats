#!/usr/bin/env bats
#
# stress.bats: many peers at once or one after the other, and too few
# descriptors or threads: everybody is served in the end, nothing spins and
# nothing is left over.
#
# bats file_tags=slow

load helpers

# leftovers ARGS...: 300 connections one after the other leave srv with as
# many descriptors and threads as a few left it with.
leftovers() {
	local files tasks

	crowd --one-by-one --clients 3 --bytes 100 "$@"
	rest 0.2
	files=$(open_files srv)
	tasks=$(threads srv)
	crowd --one-by-one --clients 300 --bytes 100 "$@" >"$T/crowd"
	grep -qx 'served 300 of 300 30000' "$T/crowd"
	wait_for 10 no_more open_files "$files"
	wait_for 10 no_more threads "$tasks"
}

@test "2,000 echo clients at once, over TCP" {
	(($(ulimit -Hn) >= 2100)) || skip "too few descriptors"
	listen srv -ke 127.0.0.1 0
	crowd --clients 2000 --bytes 2000 --rounds 2 --limit 90 "$PORT" \
		>"$T/crowd"
	grep -qx 'served 2000 of 2000 8000000' "$T/crowd"
	# They are gone, and their threads with them.
	wait_for 10 no_more threads 12
	wait_for 10 no_more open_files 12
}

@test "2,000 echo clients stay at once, over a Unix socket" {
	(($(ulimit -Hn) >= 2100)) || skip "too few descriptors"
	listen srv -keU "$T/sock"
	mkfifo "$T/go"
	exec {go}<>"$T/go"
	start_with "$T/go" all "${python[@]}" "$PEERS/crowd.py" --clients 2000 \
		--hold --bytes 500 --limit 90 -U "$T/sock"
	wait_line all.out '^holding 2000$' 60
	(($(threads srv) > 2000))
	rests srv
	echo >&"$go"
	wait_line all.out '^served 2000 of 2000 1000000$' 30
	exec {go}>&-
	wait_for 10 no_more threads 12
}

@test "50 echo clients at once, TCP, each 1 MB" {
	listen srv -ke 127.0.0.1 0
	crowd --clients 50 --bytes 1000000 "$PORT" >"$T/crowd"
	grep -qx 'served 50 of 50 50000000' "$T/crowd"
}

@test "300 connections one after the other leave nothing: echo" {
	need_proc
	listen srv -ke 127.0.0.1 0
	leftovers "$PORT"
}

@test "300 connections one after the other leave nothing: echo -U, -m" {
	need_proc
	listen srv -keU -m 3 "$T/sock"
	leftovers -U "$T/sock"
}

# A hub notices that a half-closed member is gone when it next sends to it.
@test "300 connections one after the other leave nothing: hub" {
	need_proc
	local files tasks

	feed srv
	listen_with - srv -b 127.0.0.1 0
	files=$(open_files srv)
	tasks=$(threads srv)
	crowd --one-by-one --clients 300 --quiet-close "$PORT" >"$T/crowd"
	grep -qx 'served 300 of 300 0' "$T/crowd"
	wait_lines srv.err 'Connection received' 300
	_speaks_out() {
		send_to srv $'anybody?\n'
		no_more open_files "$files" && no_more threads "$tasks"
	}
	wait_for 10 _speaks_out
	rests srv
}

@test "300 connections one after the other leave nothing: hub -U" {
	need_proc
	local files tasks

	listen srv -bU "$T/sock"
	files=$(open_files srv)
	tasks=$(threads srv)
	crowd --one-by-one --clients 300 --quiet-close -U "$T/sock" >"$T/crowd"
	wait_lines srv.err 'Connection received' 300
	wait_for 10 no_more open_files "$files"
	wait_for 10 no_more threads "$tasks"
}

@test "300 connections one after the other leave nothing: -lk </dev/null" {
	need_proc
	local files tasks

	listen srv -k 127.0.0.1 0
	files=$(open_files srv)
	tasks=$(threads srv)
	crowd --one-by-one --clients 300 --quiet-close "$PORT" >"$T/crowd"
	wait_lines srv.err 'Connection received' 300
	wait_for 10 no_more open_files "$files"
	wait_for 10 no_more threads "$tasks"
	rests srv
}

# short_of_files ARGS...: 70 clients that stay and 100 that pass are too many.
short_of_files() {
	need prlimit
	few 64 srv -ke "$@" 127.0.0.1 0
	feed some
	start_with - some "${python[@]}" "$PEERS/crowd.py" --clients 40 \
		--hold --bytes 100 "$PORT"
	wait_line some.out '^holding 40$'
	echo >"$T/go"
	start_with "$T/go" more "${python[@]}" "$PEERS/crowd.py" \
		--clients 30 --hold --bytes 100 "$PORT"
	start tail "${python[@]}" "$PEERS/crowd.py" --clients 100 \
		--bytes 100 "$PORT"
	wait_line srv.err '^sockcat: cannot accept: .*; peers wait$'
	rests srv
	send_to some $'\n'
	wait_line some.out '^served 40 of 40 4000$' 20
	wait_line tail.out '^served 100 of 100 10000$' 20
	wait_line more.out '^served 30 of 30 3000$' 20
	[ "$(grep -c '^sockcat:' "$T/srv.err")" -eq 1 ]
	wait_for 10 no_more open_files 16
}

@test "RLIMIT_NOFILE 64: one line, peers wait, nothing spins, all are served" {
	short_of_files
}

@test "RLIMIT_NOFILE 64 with -m 1000: the same" {
	short_of_files -m 1000
}

@test "no descriptor for any of four workers: they do not wake each other" {
	need prlimit
	few 4 srv -ke 127.0.0.1 0
	start one "${python[@]}" "$PEERS/crowd.py" --clients 5 --bytes 10 \
		"$PORT"
	wait_line srv.err '^sockcat: cannot accept: .*; peers wait$'
	rests srv
	[ "$(grep -c '^sockcat:' "$T/srv.err")" -eq 1 ]
}

@test "RLIMIT_NOFILE 64: a hub waits as well" {
	need prlimit
	few 64 srv -b 127.0.0.1 0
	start_with /dev/zero silent "${python[@]}" -c 'import socket, sys, time
s = []
for _ in range(100):
    s.append(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
    s[-1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0" + bytes(4))
print("connected", flush=True)
time.sleep(60)' "$PORT"
	wait_line silent.out connected
	wait_line srv.err '^sockcat: cannot accept: .*; peers wait$'
	rests srv
	# They leave with a reset: the room sees it at once.
	stop silent
	echo hello >"$T/in"
	start_with "$T/in" one sockcat 127.0.0.1 "$PORT"
	wait_line srv.out '^hello$' 20
	alive srv
	[ "$(grep -c 'peers wait' "$T/srv.err")" -eq 1 ]
}

@test "-m 5 of 60 clients at once: all are served, five at a time" {
	listen srv -ke -m 5 127.0.0.1 0
	start all "${python[@]}" "$PEERS/crowd.py" --clients 60 \
		--bytes 50000 --rounds 4 "$PORT"
	wait_line all.out '^served 60 of 60 12000000$' 30
	run ! grep '^sockcat:' "$T/srv.err"
	(($(threads srv) <= 12))
}

@test "-m at its limit does not spin" {
	listen srv -ke -m 2 127.0.0.1 0
	start all "${python[@]}" "$PEERS/crowd.py" --clients 20 --hold \
		--bytes 100 "$PORT"
	wait_lines srv.err 'Connection received' 2
	rests srv
	[ "$(grep -c 'Connection received' "$T/srv.err")" -eq 2 ]
}

@test "-m 2, several clients that come one after the other: no false alarm" {
	listen srv -ke -m 2 127.0.0.1 0
	for i in 1 2 3 4; do
		start "c$i" "${python[@]}" "$PEERS/crowd.py" --one-by-one \
			--clients 250 --bytes 10 "$PORT"
	done
	for i in 1 2 3 4; do
		wait_line "c$i.out" '^served 250 of 250 2500$' 30
	done
	run ! grep '^sockcat:' "$T/srv.err"
}

@test "too few threads: one line, peers wait, all are served in the end" {
	starved 9 -ke 127.0.0.1 0
	mkfifo "$T/go"
	exec {go}<>"$T/go"
	start_with "$T/go" some "${python[@]}" "$PEERS/crowd.py" \
		--clients 6 --hold --bytes 100 "$PORT"
	wait_line some.out '^holding 6$'
	start more "${python[@]}" "$PEERS/crowd.py" --clients 100 \
		--bytes 100 "$PORT"
	rests srv
	echo >&"$go"
	exec {go}>&-
	wait_line some.out '^served 6 of 6 600$'
	wait_line more.out '^served 100 of 100 10000$' 20
	(($(grep -c '^sockcat:' "$T/srv.err") <= 1))
}

@test "a thread that becomes free elsewhere serves a peer that waits" {
	starved 9 -ke 127.0.0.1 0
	start some "${python[@]}" "$PEERS/crowd.py" --clients 30 --hold \
		--bytes 100 "$PORT"
	wait_line srv.err '^sockcat: cannot start a thread: .*; peers wait$'
	# Nobody leaves, but now there may be more.
	more_threads
	wait_line some.out '^holding 30$'
	[ "$(grep -c '^sockcat:' "$T/srv.err")" -eq 1 ]
}

@test "no thread at all to begin with: peers wait, then are served" {
	starved 1 -ke 127.0.0.1 0
	wait_line srv.err '^sockcat: cannot start a thread: .*; peers wait$'
	start some "${python[@]}" "$PEERS/crowd.py" --clients 3 \
		--bytes 100 "$PORT"
	rests srv
	more_threads
	wait_line some.out '^served 3 of 3 300$'
}

@test "500 UDP peers, each gets its own answer" {
	listen srv -keu 127.0.0.1 0
	run -0 timeout 60 "${python[@]}" -c 'import socket, sys
port = int(sys.argv[1])
socks = []
for i in range(500):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("127.0.0.1", port))
    s.settimeout(5)
    socks.append(s)
for turn in range(2):
    for k in range(0, 500, 50):
        for i in range(k, k + 50):
            socks[i].send(b"%d %d" % (turn, i))
        for i in range(k, k + 50):
            assert socks[i].recv(100) == b"%d %d" % (turn, i)
print("well")' "$PORT"
	[ "$output" = well ]
}

@test "an idle listener of each mode rests" {
	for mode in -ke -b -k; do
		listen srv $mode 127.0.0.1 0
		rests srv
		stop srv
	done
	listen srv -keu 127.0.0.1 0
	rests srv
}
