#!/usr/bin/env bats
#
# How a relay ends, and that nothing is lost: standard input and output on
# one side, a stream on the other, as client and as listener.
#
# bats file_tags=slow

# shellcheck disable=SC2154
load helpers

# A peer that sends and reads at the same time: sends FILE, half-closes,
# and meanwhile, with `hold` only once a line came on standard input, reads
# to the end; `slow` reads 64 KiB every 10 ms.  `linger` keeps the write side
# open until it has read all.
both='
import sys, threading, time, lean_socket as socket
p = peer.args("", client=True)
p.add_argument("--connect", action="store_true")
p.add_argument("--file", default="/dev/null")
p.add_argument("--hold", action="store_true")
p.add_argument("--slow", action="store_true")
p.add_argument("--linger", action="store_true")
a = p.parse_args()
c = peer.client(a) if a.connect else peer.server(a).accept()[0]
def send():
    try:
        with open(a.file, "rb") as f:
            c.sendall(f.read())
        if not a.linger:
            c.shutdown(socket.SHUT_WR)
        peer.say("sent")
    except OSError as e:
        peer.say("send", e.strerror)
t = threading.Thread(target=send, daemon=True)
t.start()
class Slow:
    def recv(self, n):
        time.sleep(0.01)
        return c.recv(65536)
if a.hold:
    sys.stdin.readline()
peer.sink(Slow() if a.slow else c)
t.join()
c.close()
'

setup() {
	helpers_setup
	opts=()
	meetings=0
	kinds=(4 unix)
	if "${python[@]}" "$PEERS/free_port.py" -6 >/dev/null 2>&1; then
		kinds=(4 6 unix)
	fi
}

# meet ROLE KIND INPUT SCRIPT ARGS...: start sockcat as `cat` in that role
# (client or listener), with the options in opts and standard input from
# INPUT, and as `peer` one of test/peers, or of the scripts here, on the other
# side.  KIND is 4, 6 or unix.
meet() {
	local role=$1 kind=$2 input=$3 script=$4 path there=()
	shift 4

	path=$T/s$((++meetings))
	# The one of the turn before may still be about to end.
	[ -z "${pid_peer:-}" ] || wait_for 10 _gone "$pid_peer"
	rm -f "$T"/cat.out "$T"/cat.err "$T"/peer.out "$T"/peer.err
	if [ "$role" = client ]; then
		there=("-$kind")
		[ "$kind" != unix ] || there=(-U "$path")
		peer_or_script "$script" "${there[@]}" "$@"
		wait_line peer.out .
		read -r PORT ADDR <"$T/peer.out"
		there=("$ADDR" "$PORT")
		[ "$kind" != unix ] || there=(-U "$path")
		start_with "$input" cat "${via[@]}" "$SOCKCAT" "${opts[@]}" \
		    "${there[@]}"
		return
	fi
	case $kind in
	4) there=(127.0.0.1 0) ;;
	6) there=(::1 0) ;;
	*) there=(-U "$path") ;;
	esac
	start_with "$input" cat "${via[@]}" "$SOCKCAT" -v -l "${opts[@]}" \
	    "${there[@]}"
	wait_line cat.err '^Listening on '
	PORT=$(sed -n 's/^Listening on .* //p' "$T/cat.err")
	there=("-$kind" "$PORT")
	[ "$kind" != unix ] || there=(-U "$path")
	peer_or_script "$script" --connect "$@" "${there[@]}"
}

via=()	# what sockcat is started by

# peer_or_script SCRIPT ARGS...: start it as `peer`; its input is held open
# if `feed peer` was called before.
peer_or_script() {
	local input=/dev/null cmd=("$PEERS/$1")

	[ -z "${fd_peer:-}" ] || input=-
	[ "$1" != both ] || cmd=(-c "import sys; sys.path.insert(0, '$PEERS')
import peer
$both")
	shift
	start_with "$input" peer "${python[@]}" "${cmd[@]}" "$@"
}

# each FUNCTION: call it with each role and each kind of socket.
each() {
	local role kind

	for role in client listener; do
		for kind in "${kinds[@]}"; do
			echo "as $role, $kind"
			"$1" "$role" "$kind"
		done
	done
}

# each_ip FUNCTION: the same, without Unix sockets.
each_ip() {
	local all=("${kinds[@]}")

	kinds=("${kinds[@]/unix/}")
	[ -n "${kinds[-1]}" ] || unset 'kinds[-1]'
	each "$1"
	kinds=("${all[@]}")
}

# ended STATUS [SECONDS]: sockcat ends like that.
ended() {
	wait_exit cat "${2:-10}" || {
		ps -o pid,stat,wchan,args -Lp "$pid_cat" || :
		return 1
	}
	[ "$status" -eq "$1" ] ||
		fail "status $status, not $1: $(cat -v "$T/cat.err")"
}

# said NUMBER [REGEX]: sockcat said so many lines, -v aside, and they match.
said() {
	local n

	n=$(grep -c '^sockcat: ' "$T/cat.err") || :
	[ "$n" -eq "$1" ] || fail "$n lines, not $1: $(cat -v "$T/cat.err")"
	[ $# -lt 2 ] || grep -qE "$2" "$T/cat.err" ||
		fail "not '$2': $(cat -v "$T/cat.err")"
}

# got FILE: the peer received the bytes of FILE and then the end.
got() {
	wait_line peer.out '^received '
	grep -qxF "received $(wc -c <"$1") $(sha256 "$1") end" "$T/peer.out" ||
		fail "the peer: $(cat "$T/peer.out"), not $(wc -c <"$1")"
}

input_first() {
	meet "$1" "$2" "$T/in" sink.py --answer 'all of it'
	ended 0
	got "$T/in"
	[ "$(cat "$T/cat.out")" = 'all of it' ]
	said 0
}

@test "standard input ends first: its bytes, then a FIN, then the answer" {
	random_file "$T/in" 3M
	each input_first
}

nothing_sent() {
	[ "$1" = client ] || return 0
	meet "$1" "$2" /dev/null sink.py --answer fine
	ended 0
	got /dev/null
	[ "$(cat "$T/cat.out")" = fine ]
}

@test "a client without input sends its FIN at once" {
	each nothing_sent
}

peer_first() {
	meet "$1" "$2" "$T/in" half_close.py --send 'short answer'
	ended 0
	got "$T/in"
	[ "$(cat "$T/cat.out")" = 'short answer' ]
	said 0
}

@test "the peer half-closes first: 20 MB of input arrive whole" {
	need_bulk
	random_file "$T/in" 20M
	each peer_first
}

peer_first_slowly() {
	feed cat
	meet "$1" "$2" - half_close.py --send 'short answer'
	wait_size cat.out 12
	send_file cat "$T/in"
	send_to cat 'and a last word'
	end_of cat
	ended 0
	cat "$T/in" - <<<'and a last word' | head -c -1 >"$T/all"
	got "$T/all"
	rm "$T/cat.in"
}

@test "the peer half-closes first: what is written later arrives as well" {
	random_file "$T/in" 2M
	each peer_first_slowly
}

peer_sends() {
	meet "$1" "$2" "$T/in" source.py --file "$T/data" --end half
	ended 0
	got "$T/in"
	same cat.out data
}

@test "what the peer sends arrives whole, and its half-close ends nothing" {
	random_file "$T/in" 100k
	random_file "$T/data" 5M
	each peer_sends
}

nuls() {
	meet "$1" "$2" "$T/in" source.py --file "$T/in" --end half
	ended 0
	got "$T/in"
	same cat.out in
}

@test "NULs, line ends and every other byte pass as they are" {
	printf '\0\0\n\r\n\r\0\377\376\0\n' >"$T/in"
	printf '%b' "$(printf '\\0%03o' {0..255})" >>"$T/in"
	head -c 70000 /dev/zero >>"$T/in"
	[ "$(wc -c <"$T/in")" -eq 70267 ]
	each nuls
}

full_output() {
	rm -f "$T/fifo"
	mkfifo "$T/fifo"
	exec {hold}<>"$T/fifo"
	meet "$1" "$2" "$T/in" both --file "$T/data"
	got "$T/in"
	alive cat
	exec {reader}<"$T/fifo"
	exec {hold}>&-
	cat <&"$reader" >"$T/read"
	exec {reader}<&-
	ended 0
	same read data
}

@test "a full standard output does not stop sending" {
	need_bulk
	random_file "$T/in" 8M
	random_file "$T/data" 16M
	# shellcheck disable=SC2016
	via=(bash -c 'exec "$@" >"$0"' "$T/fifo")
	each full_output
}

deaf_peer() {
	feed peer
	meet "$1" "$2" "$T/in" both --file "$T/data" --hold
	wait_size cat.out "$(wc -c <"$T/data")"
	alive cat
	same cat.out data
	send_to peer $'go on\n'
	ended 0
	got "$T/in"
	end_of peer
	rm "$T/peer.in"
}

@test "a peer that does not read does not stop receiving" {
	need_bulk
	random_file "$T/in" 16M
	random_file "$T/data" 4M
	each deaf_peer
}

reset_idle() {
	feed cat
	meet "$1" "$2" - rst.py --mode accept
	ended 1
	said 1 'failed: Connection reset by peer'
	end_of cat
	rm "$T/cat.in"
}

@test "a reset while nothing moves: exit 1, one line" {
	each_ip reset_idle
}

reset_sending() {
	local count='[1-9][0-9]*'

	acks || count='[0-9]+'
	meet "$1" "$2" "$T/in" rst.py --mode read --bytes 10 --send hello \
	    --settle
	ended 1
	said 1 "(Connection reset by peer|Broken pipe); $count bytes not delivered\$"
	[ "$(cat "$T/cat.out")" = hello ]
	lost=$(sed -n 's/.* \([0-9]*\) bytes not delivered$/\1/p' "$T/cat.err")
	((lost <= 20 << 20)) || fail "$lost lost"
}

@test "a reset while sending: exit 1, the count, and what came is written" {
	need_bulk
	random_file "$T/in" 20M
	each_ip reset_sending
}

gone_sending() {
	meet "$1" unix "$T/in" rst.py --mode read --bytes 10 --send hello
	ended 1
	said 1 '(Connection reset by peer|Broken pipe)'
	[ "$(cat "$T/cat.out")" = hello ]
}

@test "a Unix peer that closes while we send: exit 1 with the reason" {
	random_file "$T/in" 20M
	# Which of the two directions hears of it first is left to chance.
	for n in 1 2 3 4 5; do
		gone_sending client
	done
	gone_sending listener
}

reset_receiving() {
	feed cat
	meet "$1" "$2" - rst.py --mode send --bytes 50000 --settle
	ended 1
	said 1 'failed: Connection reset by peer'
	[ "$(wc -c <"$T/cat.out")" -eq 50000 ]
	end_of cat
	rm "$T/cat.in"
}

@test "a reset after the peer has sent: all that came is written" {
	need_linux
	each_ip reset_receiving
}

reset_full() {
	rm -f "$T/fifo"
	mkfifo "$T/fifo"
	exec {hold}<>"$T/fifo"
	feed cat
	meet "$1" "$2" - rst.py --mode send --bytes 120000 --settle
	wait_line peer.out '^reset'
	exec {reader}<"$T/fifo"
	exec {hold}>&-
	cat <&"$reader" >"$T/read"
	exec {reader}<&-
	ended 1
	said 1 'connection to .* failed: Connection reset by peer'
	[ "$(wc -c <"$T/read")" -eq $(((1 << 20) + 120000)) ]
	end_of cat
	rm "$T/cat.in"
}

@test "a reset while standard output is full: all that came is written" {
	need_linux
	# A pipe that will not grow, and is full.
	via=("${python[@]}" -c 'import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_WRONLY)
os.write(fd, bytes(fcntl.fcntl(fd, 1031, 1 << 20)))
os.dup2(fd, 1)
os.execv(sys.argv[2], sys.argv[2:])' "$T/fifo")
	each_ip reset_full
}

reset_half() {
	meet "$1" "$2" "$T/in" rst.py --mode half --bytes 10 --send hello \
	    --settle
	ended 1
	said 1 '(Connection reset by peer|Broken pipe); [1-9][0-9]* bytes not delivered$'
	[ "$(cat "$T/cat.out")" = hello ]
}

@test "a reset after the peer's half-close while sending: exit 1, the count" {
	random_file "$T/in" 20M
	each_ip reset_half
}

reset_half_idle() {
	feed cat
	meet "$1" "$2" - rst.py --mode half --bytes 4
	send_to cat word
	ended 1 1.8
	said 1 '(Connection reset by peer|Broken pipe)'
	end_of cat
	rm "$T/cat.in"
}

@test "a reset after the peer's half-close while input idles ends at once" {
	each_ip reset_half_idle
}

reset_after_fin() {
	feed peer
	meet "$1" "$2" "$T/in" rst.py --mode line --send hello
	wait_line peer.out '^ready'
	wait_size cat.out 5
	stays cat 0.2
	send_to peer $'now\n'
	ended 1
	said 1 'Connection reset by peer'
	[ "$(cat "$T/cat.out")" = hello ]
	end_of peer
	rm "$T/peer.in"
}

@test "a reset after our FIN: exit 1" {
	echo 'all that there is' >"$T/in"
	each_ip reset_after_fin
}

unix_close() {
	feed cat
	meet "$1" unix - source.py --bytes 1000
	ended 0 1.8
	said 0
	[ "$(wc -c <"$T/cat.out")" -eq 1000 ]
	end_of cat
	rm "$T/cat.in"
}

@test "a Unix peer that closes ends the session while input idles" {
	unix_close client
	unix_close listener
}

full_disk() {
	feed cat
	meet "$1" "$2" - source.py --bytes 5 --end hold
	ended 1
	said 1 'standard output.*No space left on device'
	end_of cat
	rm "$T/cat.in"
}

@test "a full disk: exit 1 with the reason" {
	[ -e /dev/full ] || skip "no /dev/full"
	via=(bash -c 'exec "$@" >/dev/full' -)
	each full_disk
}

@test "a full disk: sending fails no less for it" {
	[ -e /dev/full ] || skip "no /dev/full"
	via=(bash -c 'exec "$@" >/dev/full' -)
	feed cat
	meet client 4 - source.py --bytes 300000 --end half
	ended 1
	said 1 'No space left on device'
}

closed_pipe() {
	# shellcheck disable=SC2016
	via=(bash -c '"$@" | head -n 1 >"$0"; exit "${PIPESTATUS[0]}"' \
	    "$T/line")
	feed cat
	meet "$1" "$2" - source.py --file "$T/data" --end hold
	ended 141
	[ "$(cat "$T/line")" = 'line 1' ]
	said 0
	end_of cat
	rm "$T/cat.in"
}

@test "a closed pipe ends it quietly by SIGPIPE" {
	# More than a pipe can be made to hold.
	{ echo 'line 1'; head -c 30000000 /dev/zero; } >"$T/data"
	each closed_pipe
}

nonblocking() {
	rm -f "$T/fifo"
	mkfifo "$T/fifo"
	exec {hold}<>"$T/fifo"
	feed cat
	meet "$1" "$2" - both --file "$T/data"
	wait_for 10 test -e "/proc/$pid_cat/fdinfo/0"
	stays cat 0.1
	send_file cat "$T/in"
	end_of cat
	got "$T/in"
	exec {reader}<"$T/fifo"
	exec {hold}>&-
	cat <&"$reader" >"$T/read"
	exec {reader}<&-
	ended 0
	same read data
	rm "$T/cat.in"
}

@test "descriptors 0 and 1 that do not block lose nothing" {
	need_linux
	random_file "$T/in" 3M
	random_file "$T/data" 5M
	via=("${python[@]}" -c 'import os, sys
os.dup2(os.open(sys.argv[1], os.O_WRONLY), 1)
os.set_blocking(0, False)
os.set_blocking(1, False)
os.execv(sys.argv[2], sys.argv[2:])' "$T/fifo")
	each nonblocking
}

@test "descriptors 0, 1 and 2 are never made non-blocking" {
	need_linux
	feed cat
	meet client 4 - stall.py --send hello
	wait_size cat.out 5
	# The file positions are shared, so are the flags.
	for fd in 0 1 2; do
		flags=$(sed -n 's/^flags:[[:space:]]*//p' \
			"/proc/$pid_cat/fdinfo/$fd")
		(((8#$flags & 8#4000) == 0)) || fail "$fd: $flags"
	done
}

@test "the peer has ended, standard input idles: said once after 2 s" {
	feed cat
	meet client 4 - half_close.py
	feed lis
	listen_with - lis 127.0.0.1 0
	client_py peer2 half_close.py --connect "$PORT"
	line='^sockcat: peer has ended; waiting for the end of standard input \(-q bounds it\)$'
	wait_line cat.err "$line" 5
	wait_line lis.err "$line" 5
	stays cat 0.5
	send_to cat 'the end'
	end_of cat
	ended 0
	end_of lis
	wait_exit lis
	[ "$status" -eq 0 ]
	wait_line peer.out '^received 7 .* end$'
	said 1
	[ "$(grep -c '^sockcat: ' "$T/lis.err")" -eq 1 ]
}

@test "the peer has ended, standard input goes on: nothing is said for 2 s" {
	feed cat
	meet client 4 - half_close.py --send x
	wait_size cat.out 1
	for ((i = 0; i < 6; i++)); do
		stays cat 0.4
		said 0
		send_to cat x
	done
	end_of cat
	ended 0
	said 0
}

terminal_over() {
	meet "$1" "$2" /dev/null source.py --bytes 100
	ended 0 5
	[ "$(wc -c <"$T/cat.out")" -eq 100 ]
	said 0
}

@test "standard input is a terminal: over when the peer ends" {
	via=("${python[@]}" "$PEERS/pty_run.py")
	each terminal_over
}

terminal_half() {
	meet "$1" "$2" /dev/null half_close.py --send answer
	ended 0 5
	[ "$(cat "$T/cat.out")" = answer ]
	wait_line peer.out '^received 0 .* end$'
}

@test "standard input is a terminal: over at the peer's half-close" {
	via=("${python[@]}" "$PEERS/pty_run.py")
	each terminal_half
}

@test "a terminal: what was typed arrives, ^D is a half-close" {
	via=("${python[@]}" "$PEERS/pty_run.py" --type 'typed\n' --eof)
	meet client 4 /dev/null sink.py --answer 'thank you'
	ended 0
	printf 'typed\n' >"$T/typed"
	got "$T/typed"
	[ "$(cat "$T/cat.out")" = 'thank you' ]
}

recv_only() {
	feed cat
	meet "$1" "$2" - source.py --bytes 100000
	ended 0 5
	[ "$(wc -c <"$T/cat.out")" -eq 100000 ]
	said 0
	end_of cat
	rm "$T/cat.in"
}

@test "-d: over when the peer ends" {
	opts=(-d)
	each recv_only
}

recv_only_half() {
	meet "$1" "$2" "$T/in" half_close.py --send answer
	ended 0 5
	got /dev/null
	[ "$(cat "$T/cat.out")" = answer ]
}

@test "-d: input is not read, the peer's FIN is answered" {
	echo unread >"$T/in"
	opts=(-d)
	each recv_only_half
}

# Say when the other side ended; with PIECES send so many pieces before,
# 0.3 s apart.
fin_time='
import sys, time
p = peer.args("", client=True)
p.add_argument("--connect", action="store_true")
p.add_argument("--pieces", type=int, default=0)
p.add_argument("--limit", type=float, default=10)
a = p.parse_args()
c = peer.client(a) if a.connect else peer.server(a).accept()[0]
c.settimeout(0.3)
start = last = time.monotonic()
while time.monotonic() - start < a.limit:
    if a.pieces:
        c.sendall(b"piece\n")
        a.pieces -= 1
        last = time.monotonic()
    try:
        if c.recv(100) == b"":
            peer.say("end %.2f after %d" % (time.monotonic() - last, a.pieces))
            sys.exit()
    except OSError:
        pass
peer.say("none")
'

# fin NAME ARGS...: start that as a client.
fin() {
	local name=$1
	shift

	start "$name" "${python[@]}" -c "import sys
sys.path.insert(0, '$PEERS')
import peer
$fin_time" --connect "$@"
}

@test "-d sends no FIN before the peer's" {
	listen lis -d 127.0.0.1 0
	fin fin1 --limit 1.5 "$PORT"
	wait_line fin1.out '^none'
	wait_exit lis
	[ "$status" -eq 0 ]
}

@test "a listener without input holds its FIN until 1 s of silence" {
	listen a 127.0.0.1 0
	fin fin1 "$PORT"
	listen b -U "$T/sock"
	fin fin2 -U "$PORT"
	listen c 127.0.0.1 0
	fin fin3 --pieces 6 "$PORT"
	for name in fin1 fin2 fin3; do
		wait_line "$name.out" '^end (0\.[89]|[1-9])[.0-9]* after 0$'
		wait_exit "$name"
	done
	for name in a b c; do
		wait_exit "$name"
		[ "$status" -eq 0 ]
	done
}

@test "a listener without input answers the peer's FIN at once" {
	for at in '127.0.0.1 0' "-U $T/sock"; do
		# shellcheck disable=SC2086
		listen lis $at
		to=(-4 "$PORT")
		[ "$at" = '127.0.0.1 0' ] || to=(-U "$PORT")
		client_py peer half_close.py --connect --send hello "${to[@]}"
		_now
		began=$now
		wait_exit lis
		_now
		[ "$status" -eq 0 ]
		((now - began < 900 * TIME_FACTOR)) ||
			fail "$((now - began)) ms"
		[ "$(cat "$T/lis.out")" = hello ]
		wait_exit peer
	done
}

@test "a listener with some input sends its FIN at once" {
	echo some >"$T/in"
	listen_with "$T/in" lis 127.0.0.1 0
	fin fin1 "$PORT"
	wait_line fin1.out '^end 0\.[0-6]'
}

unacknowledged() {
	feed peer
	meet "$1" "$2" "$T/in" both --hold --rcvbuf 4096
	wait_line peer.out '^sent'
	stays cat 0.4
	send_to peer $'read\n'
	ended 0
	got "$T/in"
	end_of peer
	rm "$T/peer.in"
}

@test "exit 0 only once the peer's kernel has everything" {
	random_file "$T/in" 1M
	each_ip unacknowledged
}

unacknowledged_reset() {
	feed peer
	meet "$1" "$2" "$T/in" both --hold --rcvbuf 4096
	wait_line peer.out '^sent'
	stays cat 0.2
	kill -KILL "$pid_peer"
	ended 1
	said 1 '[1-9][0-9]* bytes not delivered$'
	end_of peer
	rm "$T/peer.in"
}

@test "a reset before everything is acknowledged: exit 1 and the count" {
	need_acks
	random_file "$T/in" 1M
	each_ip unacknowledged_reset
}

# How much is on its way, and how many bytes the peer's kernel holds: port,
# column of /proc/net/tcp.
queues='
import sys
out, rows = [], {}
for line in open("/proc/net/tcp"):
    f = line.split()
    rows[f[1], f[2]] = f            # one may come twice, where others go
for f in rows.values():
    if f[3] == "01" and f[int(sys.argv[2])].endswith(":%04X" %
                                                     int(sys.argv[1])):
        out.append(int(f[4].split(":")[1], 16))
    elif f[3] in ("01", "04") and f[3 - int(sys.argv[2])].endswith(":%04X" %
                                                     int(sys.argv[1])):
        out.insert(0, int(f[4].split(":")[0], 16))
print(*out)
'

# rests COLUMN: nothing has moved for a while; queued and held say where
# everything is.
rests() {
	local before=${queued:-} now

	stays cat 0.3
	read -r queued held < <("${python[@]}" -c "$queues" "$PORT" "$1")
	((queued > 0)) && [ "$queued" = "$before" ]
}

exact_count() {
	local pos queued='' held=''

	feed peer
	meet "$1" 4 "$T/in" both --hold --linger --rcvbuf 4096
	wait_line peer.out '^sent'
	wait_for 10 rests "$2"
	kill -KILL "$pid_peer"
	ended 1
	said 1 ' [1-9][0-9]* bytes not delivered$'
	lost=$(sed -n 's/.* \([0-9]*\) bytes not delivered$/\1/p' "$T/cat.err")
	pos=$(cat "$T/pos")
	((lost == pos - held)) ||
		fail "lost $lost, read $pos, queued $queued, held $held"
	end_of peer
	rm "$T/peer.in"
}

@test "the count is what was read and the peer's kernel did not get" {
	need_bulk
	need_acks
	random_file "$T/in" 30M
	# Says how far standard input was read.
	via=("${python[@]}" -c 'import os, subprocess, sys
status = subprocess.call(sys.argv[2:])
open(sys.argv[1], "w").write(str(os.lseek(0, 0, os.SEEK_CUR)))
sys.exit(status)' "$T/pos")
	exact_count client 1
	exact_count listener 2
	# All of it was read, and a FIN, which is no byte, waits behind it.
	random_file "$T/in" 150k
	opts=(-O 200k)
	exact_count client 1
}

slow_reader() {
	meet "$1" "$2" "$T/in" both --slow --linger --file "$T/data"
	ended 0 20
	got "$T/in"
}

@test "closing does not reset what a slow peer has yet to read" {
	need_bulk
	random_file "$T/in" 3M
	random_file "$T/data" 400k
	opts=(-q 0)
	each slow_reader
}

@test "--send-only: what comes is discarded, all that is sent arrives" {
	need_bulk
	random_file "$T/in" 3M
	random_file "$T/data" 8M
	opts=(--send-only)
	each slow_reader
	[ ! -s "$T/cat.out" ]
}

send_only_reset() {
	local queued='' held='' column=1

	[ "$1" = client ] || column=2
	feed peer
	meet "$1" 4 "$T/in" both --hold --linger --rcvbuf 4096
	wait_for 10 rests $column
	kill -KILL "$pid_peer"
	ended 1
	said 1 ' [1-9][0-9]* bytes not delivered$'
	end_of peer
	rm "$T/peer.in"
}

@test "--send-only: a reset before everything is acknowledged: exit 1" {
	need_acks
	random_file "$T/in" 200k
	opts=(--send-only)
	send_only_reset client
	send_only_reset listener
}

@test "256 MiB from a file through two sockcats into a file" {
	need_bulk
	random_file "$T/in" 256M
	listen lis 127.0.0.1 0
	sockcat 127.0.0.1 "$PORT" <"$T/in"
	wait_exit lis 60
	[ "$status" -eq 0 ]
	same lis.out in
}

@test "256 MiB from pipe to pipe, both directions at once" {
	need_bulk
	random_file "$T/in" 256M
	# The other direction is the same but for its first 4096 bytes.
	# shellcheck disable=SC2016
	start lis bash -c 'cat "$1" | "$2" -v -l 127.0.0.1 0 |
		cmp - <(tail -c +4097 "$1")
		exit $((PIPESTATUS[1] * 2 + PIPESTATUS[2]))' - "$T/in" \
		"$SOCKCAT"
	_announced lis
	# shellcheck disable=SC2016
	start cat bash -c 'tail -c +4097 "$1" | "$2" 127.0.0.1 "$3" |
		cmp - "$1"
		exit $((PIPESTATUS[1] * 2 + PIPESTATUS[2]))' - "$T/in" \
		"$SOCKCAT" "$PORT"
	ended 0 120
	wait_exit lis 60
	[ "$status" -eq 0 ] || fail "$(cat "$T/lis.err" "$T/lis.out")"
}

unix_both() {
	meet "$1" unix "$T/in" both --file "$T/data"
	ended 0 30
	got "$T/in"
	same cat.out data
}

@test "both directions at once over a Unix socket" {
	need_bulk
	random_file "$T/in" 50M
	random_file "$T/data" 40M
	unix_both client
	unix_both listener
}

at_once() {
	rm -f "$T/next"
	feed cat
	# shellcheck disable=SC2016
	via=(bash -c '"$@" | head -c 1 >"$0"' "$T/next")
	meet "$1" "$2" - stall.py --send x
	wait_size "$T/next" 1 2
	end_of cat
	rm "$T/cat.in"
	stop peer
	wait_exit cat
}

@test "a byte and then silence reaches the next of a pipeline at once" {
	each at_once
}

byte_sent() {
	feed cat
	feed peer
	meet "$1" "$2" - rst.py --mode read --bytes 1
	send_to cat x
	wait_line peer.out '^reset 1' 2
	end_of cat
	end_of peer
	rm "$T/cat.in" "$T/peer.in"
	wait_exit cat
}

@test "a byte written into standard input is sent at once" {
	each byte_sent
}

@test "a peer that does not read only blocks the writer as a pipe does" {
	meet_stalled
	# Every write returns at once, also the one that finds it full.
	run "${python[@]}" -c '
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK)
full = 0
sent = 0
while full < 40:
    t = time.monotonic()
    try:
        sent += os.write(fd, b"x" * 4096)
        full = 0
    except BlockingIOError:
        full += 1
        time.sleep(0.01)
    if time.monotonic() - t > 2 * float(sys.argv[2]):
        sys.exit("write took %.1f s" % (time.monotonic() - t))
print(sent)' "$T/cat.in" "$TIME_FACTOR"
	[ "$status" -eq 0 ]
	sent=$output
	((sent >= 65536))
	send_to peer $'read\n'
	end_of cat
	ended 0
	wait_line peer.out "^received $sent .* end"
}

# meet_stalled: a peer that does not read before it is told.
meet_stalled() {
	feed cat
	feed peer
	meet client 4 - both --hold --rcvbuf 4096
}

@test "a reader of the output that polls is never held up" {
	mkfifo "$T/fifo"
	exec {hold}<>"$T/fifo"
	# shellcheck disable=SC2016
	via=(bash -c 'exec "$@" >"$0"' "$T/fifo")
	feed cat
	meet client 4 - stall.py --send hello
	run "${python[@]}" -c '
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_NONBLOCK)
data, n = b"", 0
while n < 30:
    t = time.monotonic()
    try:
        data += os.read(fd, 100)
    except BlockingIOError:
        n += data != b""
        time.sleep(0.01)
    if time.monotonic() - t > 2 * float(sys.argv[2]):
        sys.exit("read took %.1f s" % (time.monotonic() - t))
print(data.decode())' "$T/fifo" "$TIME_FACTOR"
	[ "$status" -eq 0 ]
	[ "$output" = hello ]
}

@test "stopped and continued in the middle of a transfer" {
	need_bulk
	random_file "$T/in" 16M
	random_file "$T/data" 16M
	meet client 4 "$T/in" both --file "$T/data" --slow
	wait_size cat.out 1
	for ((i = 0; i < 5; i++)); do
		kill -STOP "$pid_cat"
		stays cat 0.05
		kill -CONT "$pid_cat"
		stays peer 0.02
	done
	ended 0 60
	got "$T/in"
	same cat.out data
}

closed_start() {
	meet "$1" "$2" /dev/null half_close.py --send answer
	ended "$expect"
	wait_line peer.out '^received 0 '
}

@test "standard input closed at start is like /dev/null" {
	via=(bash -c 'exec "$@" <&-' -)
	expect=0
	each closed_start
	[ "$(cat "$T/cat.out")" = answer ]
}

@test "standard output closed at start: exit 1 when there is output" {
	via=(bash -c 'exec "$@" >&-' -)
	expect=1
	each closed_start
	said 1 'standard output'
	via=(bash -c 'exec "$@" >&-' -)
	meet client 4 /dev/null sink.py
	ended 0
}

@test "all of 0, 1 and 2 closed at start" {
	via=(bash -c 'exec "$@" <&- >&- 2>&-' -)
	meet client 4 /dev/null half_close.py --send answer
	ended 1
	[ ! -s "$T/cat.err" ]
	meet client 4 /dev/null sink.py
	ended 0
}

unreadable() {
	meet "$1" "$2" "$T" sink.py --answer over
	ended 1
	said 1 'standard input.*Is a directory'
	[ "$(cat "$T/cat.out")" = over ]
}

@test "standard input that cannot be read: exit 1, after the answer" {
	need_linux
	each unreadable
}

# splice(2) into a file takes no lock on the position that they share.
@test "two that write to one file do not overwrite each other" {
	random_file "$T/in" 5M
	feed srv
	listen_with - srv -k 127.0.0.1 0
	# shellcheck disable=SC2016
	start pair bash -c '"$SOCKCAT" -d 127.0.0.1 "$0" &
		"$SOCKCAT" -d 127.0.0.1 "$0"
		wait' "$PORT"
	wait_lines srv.err '^Connection received' 2
	send_file srv "$T/in"
	end_of srv
	wait_exit pair
	[ "$(wc -c <"$T/pair.out")" -eq $((2 * 5 << 20)) ]
}
