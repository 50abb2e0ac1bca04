#!/usr/bin/env bats
#
# faults.bats: what goes wrong outside sockcat: resets at bad moments, calls
# that fail, disks that are full, too little memory, too few descriptors and
# threads, clocks that jump, and bytes that nobody expects.

# shellcheck disable=SC2154
load helpers

sanitized() {
	[[ ${VARIANT:-plain} == @(asan|tsan) ]]
}

need_bare() {
	not sanitized || skip "a sanitizer does not go along with that"
}

# --- resets ----------------------------------------------------------------

# waiting_resets: 20 connections that are reset before anybody accepts them,
# while srv is stopped.
waiting_resets() {
	kill -STOP "$pid_srv"
	"${python[@]}" -c 'import socket, struct, sys
for i in range(20):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if i & 1:
        s.send(b"x")
    s.close()' "$PORT"
	kill -CONT "$pid_srv"
}

@test "connections that are reset before they are accepted" {
	listen target -ke 127.0.0.1 0
	for mode in -e '-c cat' "--forward 127.0.0.1:$PORT"; do
		# shellcheck disable=SC2086 # words
		listen srv -k $mode 127.0.0.1 0
		waiting_resets
		[ "$(echo hello | sockcat 127.0.0.1 "$PORT")" = hello ]
		stop srv
	done
	for mode in -b -k; do
		listen srv $mode 127.0.0.1 0
		waiting_resets
		echo hello | sockcat -q 0 127.0.0.1 "$PORT"
		wait_line srv.out hello
		stop srv
	done
	listen srv 127.0.0.1 0
	waiting_resets
	ended srv 1
	said srv 1 '(reset by peer|not connected)'
}

@test "a listener that goes while the connection is being made: refused" {
	full_backlog
	start cl sockcat -w 60 127.0.0.1 "$PORT"
	rest 0.3
	stop silent
	ended cl 1 30
	said cl 1 'failed: Connection refused$'
}

# Whatever moves the bytes: sendfile, splice, or copying; also while standard
# output is stuck, too.
@test "a peer that resets while sockcat is stuck in writing to it" {
	local how stuck

	need_bulk
	random_file "$T/data" 30M
	mkfifo "$T/stuck"
	exec {stuck}<>"$T/stuck"
	for how in file pipe copy both; do
		peer_py "peer_$how" stall.py --rcvbuf 4096 \
			--send "$(printf %0100000d 1)"
		case $how in
		file) start_with "$T/data" file "$SOCKCAT" 127.0.0.1 "$PORT" ;;
		copy) start_with "$T/data" copy "$SOCKCAT" -C 127.0.0.1 \
			"$PORT" ;;
		pipe) start pipe bash -c 'cat "$1" | "$2" 127.0.0.1 "$3"
			exit "${PIPESTATUS[1]}"' - "$T/data" "$SOCKCAT" "$PORT" ;;
		both) start_with "$T/data" both bash -c 'exec "$@" >"$0"' \
			"$T/stuck" "$SOCKCAT" 127.0.0.1 "$PORT" ;;
		esac
		wait_line "peer_$how.out" accepted
	done
	rest 0.3
	for how in file pipe copy both; do
		stop "peer_$how" KILL
	done
	# All that came is written before the end.
	start_with "$T/stuck" freed cat
	exec {stuck}>&-
	for how in file pipe copy both; do
		ended "$how" 1 30
		said "$how" 1 '(Broken pipe|reset by peer); [1-9][0-9]* bytes not delivered$'
		[ $how = both ] || [ "$(wc -c <"$T/$how.out")" -eq 100000 ]
	done
	wait_size freed.out 100000
}

# --- disks -----------------------------------------------------------------

# small_disk CMD...: run it in a file system of 256 KiB, with its output in a
# file there, all of which is copied away.
small_disk() {
	mkdir -p "$T/disk"
	exec unshare -m bash -c 'mount -t tmpfs -o size=256k none "$0" &&
		cd "$0" && "$@" >out; s=$?; cp -r . ..; exit $s' "$T/disk" "$@"
}

# filled NAME FILE: it ended with 1 and the reason; FILE, which is full, has
# the first of the data.
filled() {
	local n

	ended "$1" 1 30
	said "$1" 1 'No space left on device'
	n=$(wc -c <"$T/$2")
	((n >= 150000))
	cmp -n "$n" "$T/$2" "$T/data"
}

@test "a disk that becomes full: status 1, and all that fits is there" {
	local mode n=0

	need unshare mount
	unshare -m true 2>/dev/null || skip "no name space of its own"
	random_file "$T/data" 1M
	for mode in -v -N -d; do
		n=$((n + 1))
		peer_py "peer$n" source.py --file "$T/data"
		start cl small_disk "$SOCKCAT" $mode 127.0.0.1 "$PORT"
		filled cl out
	done
	for mode in -v -k; do
		start srv small_disk "$SOCKCAT" -v -l $mode 127.0.0.1 0
		_announced srv
		n=$((n + 1))
		client_py "peer$n" source.py --connect --file "$T/data" "$PORT"
		filled srv out
	done
}

@test "a disk that becomes full: copies of the traffic" {
	need unshare mount
	unshare -m true 2>/dev/null || skip "no name space of its own"
	random_file "$T/data" 1M
	peer_py peer source.py --file "$T/data"
	start cl small_disk bash -c 'exec "$@" >/dev/null' - "$SOCKCAT" \
		-o copy 127.0.0.1 "$PORT"
	filled cl copy
	peer_py another source.py --file "$T/data"
	start cl small_disk bash -c 'exec "$@" >/dev/null' - "$SOCKCAT" \
		--hex-dump copy 127.0.0.1 "$PORT"
	ended cl 1 30
	said cl 1 'copy.*No space left on device'
}

# --- calls that fail -------------------------------------------------------

# What the kernel may say to accept(2); strace counts for each thread.
@test "accept that fails, in every way: peers wait and are served" {
	local error n=0 most

	need_linux
	need strace
	for error in ENFILE EMFILE ENOBUFS ENOMEM ECONNABORTED EPROTO \
	    ENETDOWN EHOSTUNREACH ETIMEDOUT EPERM EINTR EAGAIN; do
		n=$((n + 1))
		most=()
		[ $error != EMFILE ] || most=(-m 2)	# no place is lost
		start "srv$n" env strace -f -qq -o "$T/trace$n" \
			-e trace=accept,accept4 \
			-e "inject=accept,accept4:error=$error:when=1" \
			"$SOCKCAT" -v -l -ke "${most[@]}" 127.0.0.1 0
		_announced "srv$n"
		crowd --clients 20 --bytes 100 "$PORT" >"$T/crowd"
		grep -qx 'served 20 of 20 2000' "$T/crowd"
		grep -q INJECTED "$T/trace$n" || wrong "$error was not injected"
		case $error in
		E*FILE | ENO[BM]* | ETIMEDOUT) want=1 ;;
		*) want=0 ;;	# that of one peer
		esac
		[ "$(grep -c '^sockcat: ' "$T/srv$n.err")" -eq $want ] ||
			wrong "$error: $(cat "$T/srv$n.err")"
	done
	none_wrong
}

# Whatever call fails: the client says so, or all its data has come back.  It
# does not hang, nor end with 0 without them, nor crash.
@test "calls that fail in the middle: no loss without a word" {
	need_linux
	need_bare
	need_bulk
	need strace
	random_file "$T/data" 1M
	listen srv -ke 127.0.0.1 0
	run -0 timeout $((100 * TIME_FACTOR)) "${python[@]}" -c '
import concurrent.futures, os, re, subprocess, sys
prog, port, dir = sys.argv[1:]
data = open(dir + "/data", "rb").read()
calls = ("socket connect getsockname getsockopt ioctl poll recvfrom sendto "
         "shutdown pipe2 splice sendfile clone3 write").split()
errors = {"poll": ["ENOMEM"], "clone3": ["EAGAIN", "ENOMEM"],
          "pipe2": ["EMFILE"], "socket": ["EMFILE"],
          "recvfrom": ["ETIMEDOUT", "EHOSTUNREACH"],
          "write": ["EIO", "EDQUOT"]}
def one(job):
    call, error, nth, how = job
    name = "%s/%s" % (dir, "-".join(map(str, job)))
    with open(dir + "/data", "rb") as f, open(name + ".out", "wb") as out:
        src = f
        if how == "pipe":
            feed = subprocess.Popen(["cat"], stdin=f, stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL)
            src = feed.stdout
        r = subprocess.run(
            ["strace", "-f", "-qq", "-o", name + ".trace", "-e",
             "trace=" + call, "-e",
             "inject=%s:error=%s:when=%d" % (call, error, nth), prog,
             "127.0.0.1", port] + (["-C"] if how == "copy" else []),
            stdin=src, stdout=out, stderr=subprocess.PIPE, timeout=60)
        if how == "pipe":
            src.close()
            feed.wait()
    if b"INJECTED" not in open(name + ".trace", "rb").read():
        return 0
    want = data
    if how == "copy":
        want = re.sub(rb"(?<!\r)\n", b"\r\n", data)
    whole = open(name + ".out", "rb").read() == want
    os.remove(name + ".out")
    if r.returncode == 0 and whole and not r.stderr:
        return 1
    if r.returncode == 1 and r.stderr.startswith(b"sockcat: ") and \
            r.stderr.count(b"\n") == 1:
        return 1
    print("%s: status %d, whole %s: %r" % (job, r.returncode, whole, r.stderr))
    return 1000000
jobs = [(c, e, n, how) for c in calls for e in errors.get(c, ["ENOBUFS"])
        for n in (1, 2, 3) for how in ("file", "pipe", "copy")]
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    tried = sum(pool.map(one, jobs))
print("tried", tried)
sys.exit(tried > len(jobs) or tried < 20)' "$SOCKCAT" "$PORT" "$T"
}

@test "a file that cannot be read is not the peer's failure" {
	need_linux
	need_bare
	need strace
	echo hello >"$T/f"
	listen srv 127.0.0.1 0
	start_with "$T/f" cl strace -f -o "$T/trace" -P "$T/f" \
		-e inject=sendfile,read:error=EIO "$SOCKCAT" 127.0.0.1 "$PORT"
	ended cl 1
	said cl 1 'read from standard input failed: (Input/output|I/O) error$'
}

# --- too little ------------------------------------------------------------

@test "1,000 clients and RLIMIT_NOFILE 64: echo and forward" {
	need prlimit
	few 64 srv -ke 127.0.0.1 0
	few 64 fwd -k --forward "127.0.0.1:$PORT" 127.0.0.1 0
	crowd --clients 1000 --bytes 100 --limit 90 "$PORT" >"$T/crowd"
	grep -qx 'served 1000 of 1000 100000' "$T/crowd"
	rests fwd
	rests srv
	(($(grep -c '^sockcat: ' "$T/fwd.err") <= 1))
}

@test "500 clients and too few threads" {
	starved 12 -ke 127.0.0.1 0
	start some "${python[@]}" "$PEERS/crowd.py" --clients 7 --hold \
		--bytes 100 "$PORT"
	crowd --clients 500 --bytes 100 --limit 90 "$PORT" >"$T/crowd"
	grep -qx 'served 500 of 500 50000' "$T/crowd"
	(($(grep -c '^sockcat: ' "$T/srv.err") <= 1))
}

# scarce LIMIT CROWD... -- ARGS...: a listener with these arguments that may
# have LIMIT threads and processes serves 500 clients, or as the arguments for
# the crowd say; afterwards it has no more than before.
scarce() {
	local limit=$1 crowd=()
	shift

	while [ "$1" != -- ]; do
		crowd+=("$1")
		shift
	done
	shift
	starved "$limit" "$@" 127.0.0.1 0
	crowd --clients 500 --bytes 100 --limit 90 "${crowd[@]}" "$PORT" \
		>"$T/crowd" || wrong "$*: $(<"$T/crowd")"
	(($(grep -c '^sockcat: ' "$T/srv.err") <= 1)) ||
		wrong "$*: $(grep '^sockcat: ' "$T/srv.err")"
	wait_for 10 no_more threads 10 || wrong "$*: $(threads srv) threads"
	wait_for 10 no_more open_files 16 ||
		wrong "$*: $(open_files srv) descriptors"
	stop srv
}

@test "500 clients that find no process for their command, or no thread" {
	need_proc
	need_bulk
	listen target -ke 127.0.0.1 0
	set -- --forward "127.0.0.1:$PORT"
	scarce 11 -- -k --exec cat
	scarce 11 -- -k --idle-timeout 60 --exec cat
	scarce 11 -- -k "$@"
	scarce 10 --clients 100 --bytes 1000000 -- -k "$@"
	scarce 11 -- -k --idle-timeout 60 "$@"
	scarce 11 --unanswered -- -k
	wait_size srv.out 50000
	none_wrong
}

# size NAME WHAT: a line of /proc/PID/status, in KiB.
size() {
	sed -n "s/^$2:[[:space:]]*\([0-9]*\) kB/\1/p" \
		"/proc/$(pid_of "$1")/status"
}

@test "too little memory: peers wait, and are served when there is more" {
	need_proc
	need_bare
	need prlimit
	listen srv -ke 127.0.0.1 0
	crowd --clients 5 --bytes 100 "$PORT" >"$T/crowd"
	prlimit --pid "$pid_srv" --as=$((($(size srv VmSize) + 4000) * 1024)):
	start all "${python[@]}" "$PEERS/crowd.py" --clients 500 --hold \
		--bytes 100 "$PORT"
	wait_line srv.err '^sockcat: cannot .*; peers wait$'
	rests srv
	prlimit --pid "$pid_srv" --as=unlimited:
	wait_line all.out '^holding 500$' 30
	said srv 1
}

@test "0, 1 and 2 closed: no connection gets their place, in any mode" {
	local n=0 fd

	need_proc
	listen target -ke 127.0.0.1 0
	for mode in -ke -k -b '-k -c cat' "-k --forward 127.0.0.1:$PORT" \
	    -ku -kue -ub; do
		n=$((n + 1))
		# shellcheck disable=SC2086 # words
		start "srv$n" bash -c 'exec "$@" <&- >&- 2>&-' - "$SOCKCAT" -l \
			$mode --port-file "$T/port$n" 127.0.0.1 0
		wait_for 10 test -s "$T/port$n"
		PORT=$(cut -d ' ' -f 2 "$T/port$n")
		case $mode in
		-ke | *cat | *forward*)
			[ "$(echo hello | sockcat 127.0.0.1 "$PORT")" = hello ]
			;;
		esac
		for fd in 0 1 2; do
			[ "$(readlink "/proc/$(pid_of "srv$n")/fd/$fd")" = \
				/dev/null ] || wrong "$mode: $fd"
		done
	done
	none_wrong
}

# --- many ------------------------------------------------------------------

@test "10,000 connections that come and go leave nothing" {
	local mode n ways files memory target

	need_proc
	need_bulk
	listen target -ke 127.0.0.1 0
	target=$PORT
	while read -r n ways mode; do
		not sanitized || n=$((n / 10))
		# shellcheck disable=SC2086 # words
		listen srv -k ${mode/TARGET/$target} 127.0.0.1 0
		pass() {
			local p

			for p in 1 2 3 4; do
				client_py "p$p" passing.py --clients $(($1 / 4)) \
					--ways "$ways" "$PORT"
			done
			for p in 1 2 3 4; do
				ended "p$p" 0 90
			done
		}
		files=$(open_files srv)
		pass $((n / 8))
		wait_for 20 no_more open_files $((files + 12))
		wait_for 20 no_more threads 12
		memory=$(size srv VmRSS)
		pass "$n"
		wait_for 20 no_more open_files $((files + 12))
		wait_for 20 no_more threads 12
		# A hub's ring fills by and by.
		[ "$mode" != -b ] || memory=$((memory + 5000))
		sanitized || (($(size srv VmRSS) <= memory + 3000)) ||
			wrong "$mode: from $memory to $(size srv VmRSS) kB"
		stop srv
	done <<-END
		4000 close,half,reset,say,lose,echo -e
		2000 close,half,reset,say,lose,echo --forward 127.0.0.1:TARGET
		2000 reset,say,lose -b
		1500 close,reset,say,lose -v
		500 close,half,reset,say,lose,echo -c cat
	END
	none_wrong
}

@test "5,000 clients that send nothing, all at once" {
	local n=5000

	not sanitized || n=500
	(($(ulimit -Hn) >= n + 100)) || skip "too few descriptors"
	listen srv -ke --idle-timeout 2s 127.0.0.1 0
	run -0 timeout $((90 * TIME_FACTOR)) "${python[@]}" -c 'import resource
import socket, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
where = "127.0.0.1", int(sys.argv[1])
all = [socket.create_connection(where) for _ in range(int(sys.argv[2]))]
print(sum(s.recv(1) == b"" for s in all))' "$PORT" "$n"
	[ "$output" = "$n" ]
	wait_for 20 no_more threads 12
	wait_for 10 no_more open_files 12
	[ "$(echo hello | sockcat 127.0.0.1 "$PORT")" = hello ]
	(($(grep -c '^sockcat: ' "$T/srv.err") <= 1))
}

@test "a hub of 100: one that stalls holds nobody up" {
	need_bulk
	listen srv -b -O 64k 127.0.0.1 0
	run -0 timeout $((60 * TIME_FACTOR)) "${python[@]}" -c 'import select
import socket, sys, threading
port, total = int(sys.argv[1]), 6 << 20
def join(rcvbuf=0):
    s = socket.socket()
    if rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    s.connect(("127.0.0.1", port))
    return s
stalled = join(4096)
members = {}
for _ in range(98):
    s = join()
    members[s.fileno()] = [s, 0]
poster = join()
poll = select.poll()
for fd in members:
    poll.register(fd, select.POLLIN)
def post():
    for _ in range(total >> 16):
        poster.sendall(bytes(1 << 16))
thread = None
left = len(members)
while left:
    if not thread: # who has not joined yet does not hear it
        poster.sendall(b"x")
    for fd, _ in poll.poll(None if thread else 50):
        m = members[fd]
        n = len(m[0].recv(1 << 18))
        if n == 0:
            sys.exit("a member was sent away after %d" % m[1])
        m[1] += n
        if n > 0 and m[1] - n <= total < m[1]:
            left -= 1
    if not thread and all(m[1] for m in members.values()):
        thread = threading.Thread(target=post)
        thread.start()
thread.join()
try:
    while stalled.recv(1 << 16):
        pass
except ConnectionResetError:
    print("well")' "$PORT"
	[ "$output" = well ]
	said srv 1 'does not read, evicted; [1-9][0-9]* bytes not delivered$'
}

# --- clocks ----------------------------------------------------------------

@test "a clock that jumps back and forth changes no limit" {
	local name

	need_linux
	need cc
	need_bare
	[ "${VARIANT:-plain}" != musl ] || skip "a static program has no shim"
	cat >"$T/shim.c" <<-'END'
		#define _GNU_SOURCE
		#include <stdio.h>
		#include <stdlib.h>
		#include <sys/syscall.h>
		#include <sys/time.h>
		#include <time.h>
		#include <unistd.h>

		static long jump(void)
		{
			static long n;

			return ++n & 1 ? 7200 : -7200;
		}

		int clock_gettime(clockid_t clock, struct timespec *t)
		{
			long r = syscall(SYS_clock_gettime, clock, t);

			if (clock == CLOCK_REALTIME)
				t->tv_sec += jump();
			return (int)r;
		}

		time_t time(time_t *t)
		{
			struct timespec now;

			clock_gettime(CLOCK_REALTIME, &now);
			return t ? *t = now.tv_sec : now.tv_sec;
		}

		int gettimeofday(struct timeval *t, void *zone)
		{
			struct timespec now;

			(void)zone;
			clock_gettime(CLOCK_REALTIME, &now);
			t->tv_sec = now.tv_sec;
			t->tv_usec = now.tv_nsec / 1000;
			return 0;
		}
	END
	cc -shared -fPIC -o "$T/shim.so" "$T/shim.c" 2>"$T/cc.err" ||
		skip "cc missing"
	shim=(env "LD_PRELOAD=$T/shim.so" "$SOCKCAT")
	# That it jumps.
	[ "$(LD_PRELOAD=$T/shim.so date +%s)" != "$(date +%s)" ]

	# timed NAME ARGS...: sockcat with such a clock, and how long it took.
	timed() {
		local name=$1 begin=${EPOCHREALTIME/./} status=0
		shift

		"${shim[@]}" "$@" || status=$?
		echo $(((${EPOCHREALTIME/./} - begin) / 1000)) >"$T/$name.ms"
		exit "$status"
	}
	free_port
	start retry timed retry --retry 1 127.0.0.1 "$PORT"
	start nobody timed nobody -l -w 1 127.0.0.1 0
	start most timed most --max-time 1 -lke 127.0.0.1 0
	peer_py stall stall.py
	feed wait
	start_with - wait timed wait -w 1 127.0.0.1 "$PORT"
	feed idle
	start_with - idle timed idle --idle-timeout 1 127.0.0.1 "$PORT"
	start quit timed quit -q 1 127.0.0.1 "$PORT"
	peer_py udp udp_answer.py
	echo hello >"$T/in"
	start_with "$T/in" dgram timed dgram -u 127.0.0.1 "$PORT"
	start many "${shim[@]}" -v -lke --idle-timeout 1 127.0.0.1 0
	_announced many
	start one timed one -d 127.0.0.1 "$PORT"
	for name in retry nobody most wait idle; do
		ended $name 124 30
	done
	for name in quit dgram one; do
		ended $name 0 30
	done
	for name in retry nobody most wait idle quit dgram one; do
		(($(cat "$T/$name.ms") >= 900)) ||
			wrong "$name: after $(cat "$T/$name.ms") ms"
	done
	none_wrong
	[ "$(cat "$T/dgram.out")" = hello ]
}

# --- bytes that nobody expects ---------------------------------------------

@test "hostile values of every option: an error, printable, nothing else" {
	cd "$T"
	run timeout $((100 * TIME_FACTOR)) "${python[@]}" -c '
import concurrent.futures, re, subprocess, sys
prog = sys.argv[1]
text = subprocess.run([prog, "--help"], capture_output=True, text=True).stdout
options = re.findall(r"(--[a-z-]+)(?:=?\[?=|\s)[A-Z0-9][A-Z0-9|]*", text)
assert len(options) > 30, options
values = [b"", b"\x1b[31m\xff\n\x7f", b"A" * 100000, b"%s%n%s%n", b"-1",
          b"9" * 40, b"0x10", b"[::1", b":::::", b"a,,b", b"1e309",
          b"1.2.3.4/33", b"\xc3\x28", b"unix:", b"udp:", b"@", b",", b"1,2",
          b"\\x", b"8000-7000", b"1-99999999999", b"-", b"\\", b" "]
bases = [["127.0.0.1", "1"], ["-z", "127.0.0.1", "1"],
         ["-l", "127.0.0.1", "0"], ["-lke", "127.0.0.1", "0"],
         ["-lu", "127.0.0.1", "0"]]
def one(job):
    option, value, base = job
    r = subprocess.run([prog.encode(), "--max-time", "50ms", "-n",
                        option.encode() + b"=" + value] + base,
                       stdin=subprocess.DEVNULL, capture_output=True,
                       timeout=60)
    bad = []
    if r.returncode not in (0, 1, 2, 3, 124):
        bad.append("status %d" % r.returncode)
    if re.search(rb"[^\n\x20-\x7e]", r.stderr):
        bad.append("raw bytes")
    if r.stderr.count(b"\n") > 3 or len(r.stderr) > 4000:
        bad.append("%d bytes, %d lines" %
                   (len(r.stderr), r.stderr.count(b"\n")))
    if r.returncode and not r.stderr.startswith(b"sockcat: "):
        bad.append("no reason")
    return bad and "%s %r %s: %s: %r" % (option, value[:40], base, bad,
                                         r.stderr[:200])
jobs = [(o, v, bases[(i + j) % len(bases)])
        for i, o in enumerate(options) for j, v in enumerate(values)]
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    found = [f for f in pool.map(one, jobs) if f]
print(len(jobs), "\n".join(found[:40]))
sys.exit(bool(found))' "$SOCKCAT"
	[ "$status" -eq 0 ] || fail "$output"
}

@test "hostile lists of who may connect: an error that names the line" {
	local n=0 bytes

	for bytes in '\0\0\0\n' '\033[31m\n' '\xff\xfe\n' '10.0.0.0/33\n' \
	    '1.2.3.4/\n' '::/129\n' "$(printf %099999d 1)" '%%s%%n\n'; do
		n=$((n + 1))
		# shellcheck disable=SC2059 # it is one
		printf "127.0.0.1\n$bytes" >"$T/list"
		run sockcat -n -l --max-time 1 --allowfile "$T/list" 127.0.0.1 0
		((status == 1 || status == 2 || status == 3)) ||
			wrong "$n: status $status"
		[[ $output == "sockcat: "* ]] || wrong "$n: no reason: $output"
		not grep -q '[^ -~]' <<<"$output" || wrong "$n: raw bytes"
		((${#output} < 2000)) || wrong "$n: ${#output} bytes"
	done
	none_wrong
}
