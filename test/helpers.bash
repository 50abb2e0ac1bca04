# shellcheck shell=bash
#
# helpers.bash: what every suite shares; a .bats file begins with
# `load helpers`.
#
# The rules it keeps: no fixed ports (0, and read back), no fixed sleeps
# (every wait polls and has a deadline), and only processes that a test
# started are ended, by their process id.
#
# A .bats file with a setup or teardown of its own calls helpers_setup first
# in the one and helpers_teardown last in the other.
#
# What the helpers set, for use in tests:
#	SOCKCAT     the program under test, an absolute path
#	T           a directory of this test alone, gone afterwards
#	PORT ADDR   of the last listener started (a Unix path in both)
#	status      of the last process waited for (and of bats' run)
#	pid_NAME    process id of the process started as NAME
# TIME_FACTOR (1) stretches every deadline, for slow builds.

bats_require_minimum_version 1.5.0

export LC_ALL=C
here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd)
PEERS=$here/peers
: "${SOCKCAT:=$here/../sockcat}"
: "${TIME_FACTOR:=1}"
: "${PYTHON:=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null || :)}"
: "${PYTHON:=python3}"
export SOCKCAT TIME_FACTOR PYTHON
T=${BATS_TEST_TMPDIR:-}
PORT=
ADDR=
# What the C libraries say, as extended regular expressions.
IN_USE='Address (already )?in use'
NO_ADDRESS='(Cannot assign requested address|Address not available)'
# What is a lot, for tests that can do with less in a slow build.
bulk=20M
[ "${VARIANT:-plain}" != torture ] || bulk=500k
started=()	# the names of processes started, in order
feeds=()	# the names of inputs held open

# A sanitizer that found something ends the program with a status that no
# test expects.
san=exitcode=99:abort_on_error=0:strict_string_checks=1
export ASAN_OPTIONS=${ASAN_OPTIONS:-$san:detect_stack_use_after_return=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-exitcode=99:second_deadlock_stack=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-exitcode=99:print_stacktrace=1}

# A shell without job control may start its background jobs with SIGINT
# ignored, and a test may itself run with other signals ignored.  The prefix
# puts that right, where it is so, and makes each process the leader of its own
# group and session, away from the terminal of whoever runs the tests.
if [ -z "${START:-}" ]; then
	START=$(
		ignored=$( (exec grep SigIgn /proc/self/status) & wait)
		[[ $ignored =~ ^SigIgn:[[:blank:]]*0+$ ]] ||
			! env --default-signal true || echo env --default-signal
		! command -v setsid >/dev/null || echo setsid
	) 2>/dev/null
	export START
fi
read -rd '' -a prefix <<<"$START" || :
# What the tests of a run share: a fifo for pauses, that nobody writes to; what
# is found out once.
shared=${RUN_TMPDIR:-${BATS_RUN_TMPDIR:-/nonexistent}}
quiet=$shared/quiet
# Nothing is loaded that no peer needs, and nothing is compiled twice.
python=("$PYTHON" -S -E -u -X pycache_prefix="$shared/python")

setup() {
	helpers_setup
}

teardown() {
	helpers_teardown
}

# helpers_setup: prepare the directory T; the test's own input is empty.  The
# trap that bats sets on every command, to tell where a test failed, takes up to
# three quarters of the time of a helper.  Without it the line of a simple
# command of the test is told, not of others; TRACE=1 keeps it.
helpers_setup() {
	[ -n "${TRACE:-}" ] || set +T
	T=$BATS_TEST_TMPDIR
	exec </dev/null
	[ -p "$quiet" ] || mkfifo "$quiet" 2>/dev/null || [ -p "$quiet" ]
}

# helpers_teardown: end and reap what the test started, newest first. Fail
# if a sanitizer has said something. After a failure show what the processes
# wrote on standard error.
helpers_teardown() {
	local i name file text found=0

	for name in "${feeds[@]}"; do
		end_of "$name"
	done
	for ((i = ${#started[@]} - 1; i >= 0; i--)); do
		_end "${started[i]}"
	done
	for file in "$T"/*.err; do
		[ -s "$file" ] || continue
		{ text=$(<"$file"); } 2>/dev/null
		if [[ $text == *Sanitizer* || $text == *"runtime error:"* ]]; then
			found=1
		elif [ -n "${BATS_TEST_COMPLETED:-}" ]; then
			continue
		fi
		echo "--- ${file##*/}"
		tail -n 40 "$file" | cat -v
	done
	rm -rf "${T:?}"/*
	return "$found"
}

# _end NAME: TERM, then KILL, the group of a process that still runs.
_end() {
	local var=pid_$1 pid over
	pid=${!var}
	over=over_$pid
	[ -z "${!over:-}" ] || return 0

	kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid" 2>/dev/null || :
	kill -CONT -- "-$pid" 2>/dev/null || :
	if ! wait_for 2 _gone "$pid" 2>/dev/null; then
		kill -KILL -- "-$pid" 2>/dev/null || :
		kill -KILL "$pid" 2>/dev/null || :
	fi
	wait "$pid" 2>/dev/null || :
	kill -KILL -- "-$pid" 2>/dev/null || :
}

# _gone PID: the process has ended.  Where bash has not noticed yet that its
# child has (it may miss one SIGCHLD of several) only /proc tells.
_gone() {
	local stat

	kill -0 "$1" 2>/dev/null || return 0
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	[[ ${stat##*) } == Z* ]]
}

# _now: set now to the time in milliseconds.
_now() {
	if [ -n "${EPOCHREALTIME:-}" ]; then
		now=$((${EPOCHREALTIME/./} / 1000))
	else
		now=$(($(date +%s%N) / 1000000))
	fi
}

# _ms SECONDS: set ms to SECONDS (fractions allowed) in milliseconds,
# stretched by TIME_FACTOR.
_ms() {
	local whole=${1%%.*} part=

	[[ $1 != *.* ]] || part=${1#*.}
	part=${part}000
	ms=$((((10#0${whole}) * 1000 + 10#${part:0:3}) * TIME_FACTOR))
}

# _pause [SECONDS]: wait for some 15 ms without starting a process.
_pause() {
	read -rt "${1:-0.015}" _ <>"$quiet" || :
}

# fail TEXT...: end the test with a message.
fail() {
	echo "$*" >&2
	return 1
}

# not CMD...: it fails.
not() {
	! "$@"
}

# wrong TEXT...: note that a row of a table failed; none_wrong ends the test.
wrong() {
	echo "$*" >>"$T/wrong"
}

none_wrong() {
	[ ! -e "$T/wrong" ] || {
		cat -v "$T/wrong" >&2
		return 1
	}
}

# need CMD...: skip the test if one of the commands is not installed.
need() {
	local cmd

	for cmd; do
		type -P "$cmd" >/dev/null || skip "$cmd missing"
	done
}

# unit_program: for setup_file: set UNIT to the unit program, which is made if
# there is none yet.
unit_program() {
	[ ! -x "${UNIT:-}" ] || return 0
	export UNIT=$BATS_FILE_TMPDIR/unit
	! command -v "${CC:-cc}" >/dev/null ||
		"${CC:-cc}" -std=c11 -w -pthread -o "$UNIT" "$here/unit.c"
}

need_unit() {
	[ -x "${UNIT:-}" ] || skip "${CC:-cc} missing"
}

# need_ipv6: skip the test on a machine whose loopback has no ::1.
need_ipv6() {
	local known=$shared/ipv6

	if [ ! -e "$known" ]; then
		"${python[@]}" "$PEERS/free_port.py" -6 >/dev/null 2>&1 ||
			skip "no IPv6 loopback"
		: >"$known"
	fi
}

# need_linux: skip the test elsewhere.
need_linux() {
	[[ $OSTYPE == linux* ]] || skip "not Linux"
}

# acks: whether this build can ask what the peer's kernel has not confirmed.
acks() {
	[[ $OSTYPE == linux* ]] && [ "${VARIANT:-plain}" != portable ]
}

# need_acks: skip the test where it cannot.
need_acks() {
	acks || skip "cannot tell what is unacknowledged"
}

# need_bulk: skip the test in a build that moves single bytes.
need_bulk() {
	[ "${VARIANT:-plain}" != torture ] || skip "moves one byte at a time"
}

# need_whole: skip the test in a build whose system calls do less than they are
# asked to.
need_whole() {
	[ "${VARIANT:-plain}" != rough ] || skip "cuts system calls short"
}

# need_abstract: skip the test where a build knows no abstract Unix names.
need_abstract() {
	[[ $("$SOCKCAT" -lU -w 10ms "@sockcat-$BASHPID" 2>&1 </dev/null) != \
	    *"no abstract names"* ]] || skip "no abstract names here"
}

# sockcat ARGS...: the program in the foreground. After 30 s it is killed
# (status 137, never mistaken for its own 124).
sockcat() (
	_ms 30
	_close_fds
	exec timeout -s KILL "$((ms / 1000))" "$SOCKCAT" "$@"
)

# _close_fds: in a child, close all that belongs to the test alone: what bats
# has open and the write ends of feeds.
_close_fds() {
	local fd

	for fd in /dev/fd/*; do
		fd=${fd##*/}
		[[ ! $fd =~ ^[0-9]+$ ]] || ((fd < 3)) || eval "exec $fd>&-"
	done
	for fd in 3 4; do
		eval "exec $fd>&-"
	done
}

# _traceable: the search for leaks cannot be done to a process that is traced
# already.
_traceable() {
	export ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0
}

# strace ARGS...: the same as ever, also for a build with sanitizers.
strace() (
	_traceable
	_close_fds
	exec strace "$@"
)

# start NAME CMD...: run CMD in the background, its standard input from
# /dev/null, its output in $T/NAME.out and $T/NAME.err. NAME is a word
# like srv1. CMD may be `sockcat` or `in_pty`, then the process is sockcat
# or the terminal's helper itself, without a time limit; another function
# runs in a subshell.
start() {
	start_with /dev/null "$@"
}

# start_with FILE NAME CMD...: the same, standard input from FILE, which may
# be a fifo, or `-` for the input held open by `feed NAME`.
start_with() {
	local file=$1 name=$2 in var
	shift 2

	[ "$file" != - ] || file=$T/$name.in
	var=pid_$name
	[ -z "${!var:-}" ] || ! alive "$name" || fail "$name runs already"
	exec {in}<"$file"
	: >"$T/$name.out"	# or an old one of that name could be read
	: >"$T/$name.err"
	(
		exec <&"$in" >"$T/$name.out" 2>"$T/$name.err"
		trap - ERR DEBUG EXIT
		set +eET
		_close_fds
		[[ " $* " != *" strace "* ]] || _traceable
		case $1 in
		sockcat)
			shift
			exec "${prefix[@]}" "$SOCKCAT" "$@"
			;;
		in_pty)
			shift
			exec "${prefix[@]}" "${python[@]}" \
			    "$PEERS/pty_run.py" "$@"
			;;
		esac
		if declare -F "$1" >/dev/null; then
			"$@"
			exit
		fi
		exec "${prefix[@]}" "$@"
	) &
	printf -v "pid_$name" %s "$!"
	exec {in}<&-
	started+=("$name")
	[ "$file" != "$T/$name.in" ] || _narrow "$name"
}

# listen NAME ARGS...: start `sockcat -v -l ARGS...` and wait until it says
# where it listens: set PORT and ADDR. For a Unix socket both are the path.
listen() {
	listen_with /dev/null "$@"
}

# listen_with FILE NAME ARGS...: the same with standard input from FILE (or
# `-`, see start_with).
listen_with() {
	local file=$1 name=$2
	shift 2

	start_with "$file" "$name" "$SOCKCAT" -v -l "$@"
	_announced "$name" "$@"
}

# _words ARGS...: set announcement to what the arguments ask for.
_words() {
	local arg unix=0 udp=0

	for arg; do
		case $arg in
		--) break ;;
		--unixsock) unix=1 ;;
		--udp) udp=1 ;;
		--*) ;;
		-*)
			[[ $arg != *U* ]] || unix=1
			[[ $arg != *u* ]] || udp=1
			;;
		esac
	done
	case $unix$udp in
	00) announcement='^Listening on [^ ]+ [0-9]+$' ;;
	01) announcement='^Bound on [^ ]+ [0-9]+$' ;;
	10) announcement='^Listening on .' ;;
	11) announcement='^Bound on .' ;;
	esac
}

# _announced NAME [ARGS...]: wait until NAME, that was started with ARGS, says
# where it listens; set PORT and ADDR from the last line that does.
_announced() {
	local name=$1 announcement found
	shift

	_words "$@"
	if ! wait_for 10 _line_or_dead "$name" "$T/$name.err" \
	    "$announcement" ||
	    ! _has_lines "$T/$name.err" "$announcement" 1; then
		fail "$name does not listen: $(cat -v "$T/$name.err")"
		return 1
	fi
	ADDR=${found#* on }
	PORT=$ADDR
	if [[ $announcement == *0-9* ]]; then
		PORT=${ADDR##* }
		ADDR=${ADDR% *}
	fi
}

_line_or_dead() {
	_has_lines "$2" "$3" 1 || ! alive "$1"
}

# come_in FILE REGEX NAME ARGS...: a sockcat with an open input, until the
# listener has written one more line of that sort.
come_in() {
	local n file=$1 regex=$2 name=$3
	shift 3

	n=$(grep -c "$regex" "$T/$file") || :
	feed "$name"
	start_with - "$name" sockcat "$@"
	wait_lines "$file" "$regex" "$((n + 1))"
}

# join NAME ARGS...: ... that the listener srv, which runs with -v, has let in.
join() {
	come_in srv.err '^Connection received' "$@"
}

# pid_of NAME: print the process id.
pid_of() {
	local var=pid_$1

	echo "${!var}"
}

# alive NAME: whether the process still runs.
alive() {
	local var=pid_$1

	! _gone "${!var}"
}

# wait_for SECONDS CMD...: repeat CMD until it succeeds; fail with a message
# at the deadline. Fractions are allowed.
wait_for() {
	local ms now end seconds=$1 tries=0
	shift

	_ms "$seconds"
	_now
	end=$((now + ms))
	until "$@"; do
		_now
		if ((now >= end)); then
			fail "not within $seconds s: $*"
			return 1
		fi
		# What takes long is not asked so often.
		_pause "0.0$((++tries < 20 ? 15 : 60))"
	done
}

# _path FILE: set path: a name without a slash stands in T.
_path() {
	path=$1
	[[ $1 == */* ]] || path=$T/$1
}

# wait_line FILE REGEX [SECONDS]: wait until a line of FILE matches the
# extended REGEX. A FILE without a slash is taken from T: `wait_line srv.err
# received`.
wait_line() {
	wait_lines "$1" "$2" 1 "${3:-10}"
}

# wait_lines FILE REGEX COUNT [SECONDS]: wait until at least COUNT lines do.
wait_lines() {
	local path found

	_path "$1"
	wait_for "${4:-10}" _has_lines "$path" "$2" "$3" || {
		echo "--- ${path##*/}" >&2
		tail -n 20 "$path" 2>/dev/null | cat -v >&2
		return 1
	}
}

# _has_lines FILE REGEX COUNT: so many match; found is the last of them.  A
# file of a few lines is not worth a process, but no variable holds a NUL.
_has_lines() {
	local line lines=() n=0

	{ mapfile -t -n 101 lines <"$1"; } 2>/dev/null || return 1
	if ((${#lines[@]} > 100)) || IFS= read -rd '' line <"$1"; then
		n=$(grep -caE -e "$2" "$1") || :
		found=$(grep -aE -e "$2" "$1" | tail -n 1)
	else
		for line in "${lines[@]}"; do
			[[ $line =~ $2 ]] || continue
			found=$line
			n=$((n + 1))
		done
	fi
	((n >= $3))
}

# wait_size FILE BYTES [SECONDS]: wait until FILE holds at least BYTES.
wait_size() {
	local path

	_path "$1"
	wait_for "${3:-10}" _has_size "$path" "$2"
}

_has_size() {
	local n

	[ -s "$1" ] || (($2 == 0)) || return
	n=$(wc -c <"$1" 2>/dev/null) || n=0
	((n >= $2))
}

# wait_exit NAME [SECONDS]: wait for the end of a process that this test
# started, and set status to its exit status, 128+n for signal n.
wait_exit() {
	local var=pid_$1

	wait_for "${2:-10}" _gone "${!var}" || {
		fail "$1 still runs"
		return 1
	}
	status=0
	# shellcheck disable=SC2034 # the test reads it
	wait "${!var}" 2>/dev/null || status=$?
	# Its id may be somebody else's soon: nothing is sent there any more.
	printf -v "over_${!var}" %s yes
}

# ended NAME STATUS [SECONDS]: it ends, and like that.
ended() {
	wait_exit "$1" "${3:-30}"
	[ "$status" -eq "$2" ] ||
		fail "status $status, not $2: $(cat -v "$T/$1.err")"
}

# stays NAME SECONDS: it does not end meanwhile.
stays() {
	local ms now end

	_ms "$2"
	_now
	end=$((now + ms / TIME_FACTOR))
	while ((now < end)); do
		alive "$1" || fail "$1 is gone: $(cat -v "$T/$1.err")"
		_pause 0.05
		_now
	done
}

# said NAME NUMBER [REGEX]: it said so many lines, -v aside, and they match.
said() {
	local n

	n=$(grep -c '^sockcat: ' "$T/$1.err") || :
	[ "$n" -eq "$2" ] || fail "$n lines, not $2: $(cat -v "$T/$1.err")"
	[ $# -lt 3 ] || grep -qE "$3" "$T/$1.err" ||
		fail "not '$3': $(cat -v "$T/$1.err")"
}

# stop NAME [SIGNAL]: SIGTERM (or SIGNAL), then as wait_exit.
stop() {
	local var=pid_$1

	kill -"${2:-TERM}" "${!var}" 2>/dev/null || :
	wait_exit "$1"
}

# feed NAME: make the fifo $T/NAME.in and hold its write end, so that the
# standard input of a process started with `start_with - NAME` (or
# `listen_with - NAME`) stays open until end_of.
feed() {
	local fd

	mkfifo "$T/$1.in"
	exec {fd}<>"$T/$1.in"
	printf -v "fd_$1" %s "$fd"
	feeds+=("$1")
}

# _narrow NAME: once the process has its end, hold no read end any more, so
# that writing to a process that is gone fails instead of blocking.
_narrow() {
	local var=fd_$1 fd

	[ -n "${!var:-}" ] || return 0
	exec {fd}>"$T/$1.in"
	eval "exec ${!var}>&-"
	printf -v "fd_$1" %s "$fd"
}

# send_to NAME TEXT: write TEXT, as it is, to the input held by feed.
send_to() {
	local var=fd_$1

	printf %s "$2" | timeout -s KILL 30 cat >&"${!var}"
}

# send_file NAME FILE: the same with the bytes of FILE.
send_file() {
	local var=fd_$1

	timeout -s KILL 30 cat -- "$2" >&"${!var}"
}

# end_of NAME: the input of NAME ends.
end_of() {
	local var=fd_$1

	[ -n "${!var:-}" ] || return 0
	eval "exec ${!var}>&-"
	printf -v "fd_$1" %s ''
}

# random_file FILE BYTES[k|M|G]: bytes of every value, always the same for
# the same FILE name and length.
random_file() {
	local name i key="" bytes=$2

	case $bytes in
	*k) bytes=$((${bytes%k} << 10)) ;;
	*M) bytes=$((${bytes%M} << 20)) ;;
	*G) bytes=$((${bytes%G} << 30)) ;;
	esac
	name=$bytes${1##*/}
	for ((i = 0; i < 16; i++)); do
		printf -v key '%s%02x' "$key" "'${name:i:1}"
	done
	if command -v openssl >/dev/null; then
		head -c "$bytes" /dev/zero | openssl enc -aes-128-ctr \
			-nosalt -K "$key" -iv "$key" >"$1"
	else
		head -c "$bytes" /dev/urandom >"$1"
	fi
	_has_size "$1" "$bytes"
}

# same FILE1 FILE2: the files hold the same bytes. A name without a slash is
# taken from T.
same() {
	local path a

	_path "$1"
	a=$path
	_path "$2"
	cmp -- "$a" "$path" || fail "$1: $(wc -c <"$a") bytes," \
		"$2: $(wc -c <"$path") bytes"
}

# sha256 FILE: print the hash alone. A name without a slash is taken from T.
sha256() {
	local path sum

	_path "$1"
	sum=$(sha256sum <"$path")
	echo "${sum%% *}"
}

# peer_py NAME SCRIPT ARGS...: start a server of test/peers and wait for its
# first line of output, its port (or Unix path): set PORT and ADDR.
peer_py() {
	local name=$1 script=$2
	shift 2

	start "$name" "${python[@]}" "$PEERS/$script" "$@"
	if ! wait_for 10 _line_or_dead "$name" "$T/$name.out" . ||
	    ! [ -s "$T/$name.out" ]; then
		fail "$name does not start: $(cat -v "$T/$name.err")"
		return 1
	fi
	{ read -r PORT ADDR; } <"$T/$name.out"
	ADDR=${ADDR:-$PORT}
}

# play NAME ARGS...: a server that plays these steps, in place of the last one
# of that name: set PORT and ADDR.
play() {
	local name=$1 var=pid_$1 over
	shift

	over=over_${!var:-}
	if [ -n "${!var:-}" ] && [ -z "${!over:-}" ]; then
		stop "$name"
	fi
	peer_py "$name" play.py "$@"
}

# client_py NAME SCRIPT ARGS...: start a client of test/peers, wait for
# nothing.
client_py() {
	local name=$1 script=$2
	shift 2

	start "$name" "${python[@]}" "$PEERS/$script" "$@"
}

# full_backlog [ARGS...]: start a listener (NAME silent) that nobody can
# connect to any more and that refuses nobody: set PORT.
full_backlog() {
	peer_py silent silent.py "$@"
}

# free_port [-u] [-6]: set PORT to one that nobody uses, for peers that
# cannot choose one themselves. It lies outside the range the system picks
# from, and no other test of this run gets it meanwhile.
free_port() {
	local dir=$shared/ports i

	mkdir -p "$dir"
	for ((i = 0; i < 200; i++)); do
		PORT=$((20000 + RANDOM % 12000))
		(set -C && : >"$dir/$PORT") 2>/dev/null || continue
		if "${python[@]}" "$PEERS/free_port.py" "$@" "$PORT" \
		    >/dev/null 2>&1; then
			return 0
		fi
	done
	fail "no free port"
}

# wait_port PORT [udp] [SECONDS]: wait until somebody listens on PORT (is
# bound to it, with udp), without connecting to it.
wait_port() {
	local hex kind=tcp state=0A

	printf -v hex %04X "$1"
	if [ "${2:-}" = udp ]; then
		kind=udp
		state=07
		shift
	fi
	wait_for "${2:-10}" grep -qE \
		"^ *[0-9]+: [0-9A-F]+:$hex [0-9A-F]+:[0-9A-F]+ $state " \
		"/proc/net/$kind" "/proc/net/${kind}6"
}

# rest SECONDS: for what has to be left alone for a while.
rest() {
	read -rt "$1" _ <>"$quiet" || :
}

# crowd ARGS...: many peers at once, see test/peers/crowd.py.
crowd() {
	local ms

	_ms 100
	timeout -s KILL $((ms / 1000)) "${python[@]}" "$PEERS/crowd.py" "$@"
}

# open_files NAME, threads NAME: print how many the process has now.
open_files() {
	local list

	need_proc
	list=("/proc/$(pid_of "$1")/fd/"*)
	echo "${#list[@]}"
}

threads() {
	local list

	list=("/proc/$(pid_of "$1")/task/"*)
	echo "${#list[@]}"
}

# cpu NAME: set ticks (100 a second) to its processor time so far.
cpu() {
	local line var=pid_$1

	read -r line <"/proc/${!var}/stat"
	line=${line##*) }
	# shellcheck disable=SC2086
	set -- $line
	ticks=$((${12} + ${13}))
}

# need_proc: skip the test where nothing tells what a process has open.
need_proc() {
	[ -e "/proc/$$/fd" ] || skip "no /proc"
}

# no_more WHAT N: open_files or threads of srv are at most so many.
no_more() {
	(($("$1" srv) <= $2))
}

# switches NAME: set count to how often its threads have gone to sleep.
switches() {
	local n

	count=0
	while read -r _ n; do
		count=$((count + n))
	done < <(grep -h '^voluntary_ctxt' "/proc/$(pid_of "$1")/task/"*/status)
}

# rests NAME: the process does next to nothing now.
rests() {
	local before rested

	cpu "$1"
	switches "$1"
	before=$ticks rested=$count
	rest 1
	cpu "$1"
	switches "$1"
	echo "$((ticks - before)) ticks, $((count - rested)) switches"
	((ticks - before <= 10 && count - rested <= 2000))
}

# few LIMIT NAME ARGS...: a listener that may have LIMIT descriptors.
few() {
	local limit=$1 name=$2
	shift 2

	start "$name" prlimit --nofile="$limit:$limit" "$SOCKCAT" -v -l "$@"
	_announced "$name" "$@"
}

# starved LIMIT ARGS...: a listener of a user of its own that may have LIMIT
# threads.
starved() {
	local limit=$1 user=$((200000 + BASHPID))
	shift

	need_linux
	need prlimit setpriv
	[ "$(id -u)" -eq 0 ] || skip "only root can become another user"
	setpriv --reuid "$user" --regid "$user" --clear-groups "$SOCKCAT" \
		-V >/dev/null 2>&1 || skip "another user cannot run sockcat"
	start srv prlimit --nproc="$limit:1000" setpriv --reuid "$user" \
		--regid "$user" --clear-groups "$SOCKCAT" -v -l "$@"
	_announced srv "$@"
}

# more_threads: srv may have 1,000 from now on.
more_threads() {
	local user

	user=$(stat -c %u "/proc/$(pid_of srv)")
	setpriv --reuid "$user" --regid "$user" --clear-groups \
		prlimit --pid "$(pid_of srv)" --nproc=1000:
}

# hosts LINE...: what /etc/hosts says to commands that are run by `named`.
hosts() {
	if [ "$(id -u)" -ne 0 ] || ! unshare -m true 2>/dev/null; then
		skip "names need root and unshare"
	fi
	printf '%s\n' "$@" >"$T/hosts"
	# shellcheck disable=SC2016
	named=(unshare -m sh -c 'mount --bind "$0" /etc/hosts && exec "$@"'
	    "$T/hosts")
}

# run_named ARGS...: sockcat among these names.
run_named() {
	run timeout -s KILL 30 "${named[@]}" "$SOCKCAT" "$@" </dev/null
}

# in_pty [STEP...] [--] CMD...: run CMD with a terminal as its standard
# input; its other output is left alone. Its status is CMD's. The terminal
# stays open and idle after the steps, which are done in order:
#	--type TEXT          type it (C escapes understood: 'hi\n', '\003')
#	--type-file FILE     type the bytes of FILE
#	--until FILE REGEX   go on when FILE matches
#	--eof                type ^D
#	--hangup             close the terminal
# Other options: --all (standard output and error are the terminal too,
# copied to in_pty's output), --raw (no echo, no line editing), --background
# (CMD does not own the terminal), --limit SECONDS (30; then killed, 137).
in_pty() {
	"${python[@]}" "$PEERS/pty_run.py" "$@" 3>&-
}
