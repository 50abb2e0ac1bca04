#!/usr/bin/env bats
#
# How a listener comes to its end, and how many it lets in: -m, --count,
# --drain and signals, over every service.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154
load helpers

# refused ARGS...: nobody listens there; wait for that.
refused() {
	wait_for 10 _refused "$@"
}

_refused() {
	local status=0

	sockcat -z -w 20 "$@" 2>/dev/null || status=$?
	[ "$status" -eq 1 ]
}

# received N: srv says that it has accepted N peers.
received() {
	wait_lines srv.err '^Connection received' "$1"
}

# leaves NAME: the client's input ends, and all is well.
leaves() {
	end_of "$1"
	ended "$1" 0
}

# hears NAME TEXT: NAME says TEXT in a line and gets it back.
hears() {
	send_to "$1" "$2"$'\n'
	wait_line "$1.out" "^$2\$"
}

# usage REGEX ARGS...: a usage error.
usage() {
	local regex=$1

	shift
	run sockcat "$@" </dev/null
	[ "$status" -eq 2 ] || fail "$*: status $status: $output"
	[ "${#lines[@]}" -eq 2 ] || fail "$*: $output"
	[[ ${lines[0]} =~ $regex ]] || fail "$*: $output"
}

# rush ARGS...: many clients at once; what came of it is in $T/rush.
rush() {
	timeout -s KILL $((60 * TIME_FACTOR)) "${python[@]}" "$PEERS/rush.py" \
	    --limit $((25 * TIME_FACTOR)) "$@" >"$T/rush"
	cat "$T/rush"
}

#
# --count
#

@test "--count: peers one after the other, then the end" {
	listen srv -ke --count 3 127.0.0.1 0
	for n in 1 2 3; do
		alive srv
		[ "$(echo "hello $n" | sockcat 127.0.0.1 "$PORT")" = "hello $n" ]
	done
	ended srv 0
	refused 127.0.0.1 "$PORT"
	run ! grep '^sockcat: ' "$T/srv.err"
}

@test "--count: the last ones are served to their end, others are refused" {
	listen srv -ke --count 2 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	join b 127.0.0.1 "$PORT"
	refused 127.0.0.1 "$PORT"
	hears a one
	hears b two
	leaves a
	hears b three
	alive srv
	leaves b
	ended srv 0
}

@test "--count: both families together" {
	need_ipv6
	listen srv -ke --count 2 0
	join a 127.0.0.1 "$PORT"
	join b ::1 "$PORT"
	refused 127.0.0.1 "$PORT"
	refused ::1 "$PORT"
	hears a one
	hears b two
	leaves a
	leaves b
	ended srv 0
}

@test "--count: 100 come at once, 60 are served" {
	listen srv -ke --count 60 127.0.0.1 0
	rush --clients 100 "$PORT"
	grep -q '^served 60 refused 40 wrong 0 ' "$T/rush"
	ended srv 0
	[ "$(grep -c '^Connection received' "$T/srv.err")" -eq 60 ]
}

@test "--count: 60 of 100 at the same time" {
	listen srv -ke --count 60 127.0.0.1 0
	rush --clients 100 --hold "$PORT"
	grep -qx 'served 60 refused 40 wrong 0 peak 60' "$T/rush"
	ended srv 0
}

@test "--count over a Unix socket: 30 of 50" {
	listen srv -keU --count 30 "$T/sock"
	rush --clients 50 -U "$T/sock"
	grep -q '^served 30 refused 20 wrong 0 ' "$T/rush"
	ended srv 0
	[ ! -e "$T/sock" ]
}

@test "--count over several sockets: exactly so many in all" {
	for n in 1 2 7; do
		start srv "${python[@]}" "$PEERS/activate.py" \
		    --where "$T/where" tcp tcp tcp -- "$SOCKCAT" -v -lke \
		    --count "$n"
		wait_lines srv.err '^Listening on ' 3
		mapfile -t where <"$T/where"
		# These sockets are not sockcat's to close: those who were
		# not let in wait until the last holder is gone.
		rush --clients 24 "${where[@]}"
		grep -q "^served $n refused $((24 - n)) wrong 0 " "$T/rush"
		ended srv 0
		rm "$T/where"
	done
}

@test "--count with -m: never more at once, all in the end" {
	listen srv -ke --count 6 -m 2 127.0.0.1 0
	rush --clients 10 --rest 0.05 "$PORT"
	grep -qE '^served 6 refused 4 wrong 0 peak [12]$' "$T/rush"
	ended srv 0
}

@test "--count with -m, the one who waits is the last" {
	listen srv -ke --count 3 -m 2 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	join b 127.0.0.1 "$PORT"
	feed c
	start_with - c sockcat 127.0.0.1 "$PORT"
	send_to c $'three\n'
	rest 0.2
	[ ! -s "$T/c.out" ]
	leaves a
	wait_line c.out three
	refused 127.0.0.1 "$PORT"
	leaves b
	leaves c
	ended srv 0
}

@test "--count with a relay of many: all is on standard output" {
	random_file "$T/data" 3M
	listen srv -k --count 2 127.0.0.1 0
	for n in a b; do
		alive srv
		start_with "$T/data" $n sockcat 127.0.0.1 "$PORT"
		ended $n 0
	done
	ended srv 0
	cat "$T/data" "$T/data" >"$T/twice"
	same srv.out twice
}

@test "--count with a relay of many: input reaches those who came" {
	random_file "$T/data" 3M
	feed srv
	listen_with - srv -k --count 2 127.0.0.1 0
	start a sockcat -d 127.0.0.1 "$PORT"
	start b sockcat -d 127.0.0.1 "$PORT"
	received 2
	refused 127.0.0.1 "$PORT"
	send_file srv "$T/data"
	end_of srv
	ended a 0
	ended b 0
	ended srv 0
	same data a.out
	same data b.out
}

@test "--count with a hub: it ends when all who came have ended" {
	listen srv -b --count 3 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	join b 127.0.0.1 "$PORT"
	join c 127.0.0.1 "$PORT"
	refused 127.0.0.1 "$PORT"
	send_to a $'hello\n'
	wait_line b.out '^hello$'
	wait_line c.out '^hello$'
	stop a
	send_to b $'more\n'
	wait_line c.out '^more$'
	wait_line srv.out '^more$'
	alive srv
	stop b
	stop c
	wait_exit srv
	[ "$status" -le 1 ]
}

@test "--count with a hub: it ends with a reset, too, once nobody speaks" {
	listen srv -b --count 2 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	feed b
	start_with - b "${python[@]}" "$PEERS/rst.py" --connect --mode line \
	    "$PORT"
	received 2
	wait_line b.out ready
	end_of a
	rest 0.3
	alive srv
	send_to b $'\n'
	wait_exit srv
	[ "$status" -le 1 ]
	ended a 0
}

@test "--count with a hub on a Unix socket: it ends, the path is removed" {
	listen srv -bU --count 1 "$T/sock"
	echo hello | sockcat -q 0 -U "$T/sock"
	ended srv 0
	[ "$(cat "$T/srv.out")" = hello ]
	[ ! -e "$T/sock" ]
}

@test "--count with --chat" {
	listen srv --chat --count 2 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	join b 127.0.0.1 "$PORT"
	refused 127.0.0.1 "$PORT"
	send_to a $'hello\n'
	wait_line b.out '^<127\.0\.0\.1:[0-9]+> hello$'
	stop a
	wait_line b.out 'left$'
	alive srv
	stop b
	wait_exit srv
	[ "$status" -le 1 ]
	[ "$(grep -c 'left$' "$T/srv.out")" -eq 2 ]
}

@test "--count with commands: they finish, their status does not matter" {
	listen srv -k --count 2 -c 'read -r x; echo "got $x"; exit 3' \
	    127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	join b 127.0.0.1 "$PORT"
	refused 127.0.0.1 "$PORT"
	send_to b $'two\n'
	wait_line b.out '^got two$'
	send_to a $'one\n'
	wait_line a.out '^got one$'
	end_of a
	end_of b
	ended srv 0
}

@test "--count with --forward" {
	peer_py to threaded.py
	listen srv -k --count 2 --forward "127.0.0.1:$PORT" 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	join b 127.0.0.1 "$PORT"
	refused 127.0.0.1 "$PORT"
	send_to a $'one\n'
	wait_line a.out '^ONE$'
	send_to b $'two\n'
	wait_line b.out '^TWO$'
	leaves a
	alive srv
	leaves b
	ended srv 0
}

@test "--count: status 1 if bytes were lost" {
	need_bulk
	random_file "$T/data" 2M
	feed srv
	listen_with - srv -k -O 50000 --count 1 127.0.0.1 0
	feed deaf
	start_with - deaf "${python[@]}" "$PEERS/rst.py" --connect --mode line \
	    --rcvbuf 5000 "$PORT"
	received 1
	wait_line deaf.out ready
	send_file srv "$T/data"
	send_to deaf $'\n'
	wait_exit deaf
	# Its own input, which goes on, does not matter then.
	ended srv 1
	grep -qE '[1-9][0-9]* bytes not delivered$' "$T/srv.err"
}

@test "--count: what was sent but not acknowledged is lost, too" {
	need_acks
	head -c 1M /dev/zero >"$T/data"
	feed srv
	listen_with - srv -k -O 3M --count 1 127.0.0.1 0
	feed deaf
	start_with - deaf "${python[@]}" "$PEERS/rst.py" --connect --mode line \
	    --rcvbuf 5000 "$PORT"
	received 1
	wait_line deaf.out ready
	send_file srv "$T/data"
	send_to deaf $'\n'
	wait_exit deaf
	ended srv 1
	grep -qE '^sockcat: 127\.0\.0\.1 port ' "$T/srv.err"
}

@test "--count: a signal ends it at once all the same" {
	listen srv -keU --count 1 "$T/sock"
	join a -U "$T/sock"
	refused -U "$T/sock"
	hears a one
	stop srv
	[ "$status" -eq 143 ]
	[ ! -e "$T/sock" ]
}

@test "--count and a standard output that fails: status 1" {
	[ -e /dev/full ] || skip "no /dev/full"
	start srv bash -c 'exec "$SOCKCAT" -v -lk --count 1 127.0.0.1 0 \
		>/dev/full'
	_announced srv
	echo hello | sockcat 127.0.0.1 "$PORT" || :
	ended srv 1
}

@test "--count and --drain where they make no sense, and a count of 0" {
	for option in '--count 2' '--drain 2'; do
		name=${option% *}
		# shellcheck disable=SC2086
		usage "$name makes no sense" -lku $option 127.0.0.1 0
		# shellcheck disable=SC2086
		usage "$name makes no sense" -lkeu $option 127.0.0.1 0
		# shellcheck disable=SC2086
		usage "$name makes no sense" -lbu $option 127.0.0.1 0
		# shellcheck disable=SC2086
		usage "$name makes no sense" -lkeuU $option "$T/sock"
		# shellcheck disable=SC2086
		usage "$name makes no sense" $option 127.0.0.1 9
		# shellcheck disable=SC2086
		usage "$name makes no sense" -z $option 127.0.0.1 9
	done
	usage '--count makes no sense' -l --count 2 127.0.0.1 0
	usage '--count makes no sense' -le --count 2 127.0.0.1 0
	usage '--count makes no sense' -l --count 2 -c cat 127.0.0.1 0
	usage '--count.*"0"' -lke --count 0 127.0.0.1 0
	usage '--count.*"-1"' -lke --count -1 127.0.0.1 0
	usage '--drain.*"0"' -lke --drain 0 127.0.0.1 0
	[ ! -e "$T/sock" ]
}

#
# -m
#

@test "-m: -v says once that the house is full, and again the next time" {
	for mode in '-ke' '-k' '-k -c cat'; do
		# shellcheck disable=SC2206
		words=($mode)
		[ "$mode" != '-k -c cat' ] || words=(-k -c cat)
		listen srv "${words[@]}" -m 2 127.0.0.1 0
		join a 127.0.0.1 "$PORT"
		join b 127.0.0.1 "$PORT"
		for n in c d e; do
			feed $n
			start_with - $n sockcat 127.0.0.1 "$PORT"
			send_to $n "$n"$'\n'
		done
		wait_line srv.err '^The house is full \(-m 2\); others wait$'
		rest 0.2
		[ "$(grep -c 'is full' "$T/srv.err")" -eq 1 ]
		[ "$(grep -c '^Connection received' "$T/srv.err")" -eq 2 ]
		leaves a
		received 3
		# Two still wait, and the house is full once more.
		wait_lines srv.err 'is full' 2
		leaves b
		received 4
		for n in c d e; do
			end_of $n
		done
		received 5
		for n in c d e; do
			ended $n 0
		done
		stop srv
		rm "$T"/?.in "$T/srv.err"
	done
}

@test "-m: nothing is said without -v, nor while there is room" {
	start srv sockcat -lke -m 1 --port-file "$T/port" 127.0.0.1 0
	wait_for 10 test -e "$T/port"
	read -r _ PORT <"$T/port"
	feed a
	start_with - a sockcat 127.0.0.1 "$PORT"
	hears a one
	echo two >"$T/in"
	start_with "$T/in" b sockcat 127.0.0.1 "$PORT"
	rest 0.2
	[ ! -s "$T/b.out" ]
	leaves a
	ended b 0
	[ "$(cat "$T/b.out")" = two ]
	[ ! -s "$T/srv.err" ]
	listen more -ke -m 3 127.0.0.1 0
	for n in 1 2 3 4; do
		echo hello | sockcat 127.0.0.1 "$PORT"
	done
	run ! grep 'full' "$T/more.err"
}

@test "-m: a forward, and a Unix socket" {
	peer_py to threaded.py
	to=$PORT
	listen srv -kU -m 1 --forward "127.0.0.1:$to" "$T/sock"
	join a -U "$T/sock"
	echo two >"$T/in"
	start_with "$T/in" b sockcat -U "$T/sock"
	wait_line srv.err '^The house is full \(-m 1\); others wait$'
	rest 0.2
	[ ! -s "$T/b.out" ]
	leaves a
	ended b 0
	[ "$(cat "$T/b.out")" = TWO ]
}

@test "-m: a crowd, never more than so many at once" {
	listen srv -k -m 4 -c 'read -r x; echo "$x"; read -r x' 127.0.0.1 0
	rush --clients 40 --rest 0.02 "$PORT"
	grep -qE '^served 40 refused 0 wrong 0 peak [1-4]$' "$T/rush"
}

#
# --drain
#

@test "--drain: a session goes on to its end, new ones are refused" {
	for mode in -e -ke; do
		listen srv "$mode" --drain 60 127.0.0.1 0
		join a 127.0.0.1 "$PORT"
		hears a before
		kill "$pid_srv"
		refused 127.0.0.1 "$PORT"
		hears a after
		alive srv
		leaves a
		ended srv 0
		[ "$(cat "$T/a.out")" = before$'\n'after ]
		run ! grep '^sockcat: ' "$T/srv.err"
		rm "$T/a.in" "$T/srv.err"
	done
}

@test "--drain: an echo of 20 MB arrives whole" {
	need_bulk
	random_file "$T/data" 20M
	listen srv -ke --drain 60 127.0.0.1 0
	mkfifo "$T/slow"
	exec {slow}<>"$T/slow"
	start a bash -c 'exec "$SOCKCAT" 127.0.0.1 "$1" <"$2" >"$3"' - "$PORT" \
	    "$T/data" "$T/slow"
	received 1
	head -c 100000 <&"$slow" >"$T/back"
	kill "$pid_srv"
	refused 127.0.0.1 "$PORT"
	timeout 100 head -c 20871520 <&"$slow" >>"$T/back"
	ended a 0
	ended srv 0
	same data back
	exec {slow}>&-
}

@test "--drain: nobody there: the end at once, exit 0" {
	for args in '-ke 127.0.0.1 0' '-k 127.0.0.1 0' '-b 127.0.0.1 0' \
	    '-e 127.0.0.1 0' '127.0.0.1 0' '--chat 127.0.0.1 0' \
	    "-keU $T/sock" '-kc cat 127.0.0.1 0' \
	    '-k --forward 127.0.0.1:9 127.0.0.1 0'; do
		feed srv
		# shellcheck disable=SC2086
		listen_with - srv --drain 60 $args
		stop srv
		[ "$status" -eq 0 ] || fail "$args: $status"
		run ! grep '^sockcat: ' "$T/srv.err"
		[ ! -e "$T/sock" ]
		end_of srv
		rm "$T/srv.in" "$T/srv.err"
	done
	# Somebody was there before.
	listen srv -ke --drain 60 127.0.0.1 0
	[ "$(echo hello | sockcat 127.0.0.1 "$PORT")" = hello ]
	stop srv
	[ "$status" -eq 0 ]
}

@test "--drain: a session that does not end: exit 0 after the time" {
	for args in '-ke 127.0.0.1' '-k 127.0.0.1' '-b 127.0.0.1' \
	    '-e 127.0.0.1' '127.0.0.1' '-kc cat 127.0.0.1'; do
		feed srv
		# shellcheck disable=SC2086
		listen_with - srv --drain 500ms $args 0
		join a 127.0.0.1 "$PORT"
		kill "$pid_srv"
		ended srv 0
		end_of a
		end_of srv
		wait_exit a
		rm "$T"/*.in "$T/srv.err"
	done
	listen srv -ke --drain 30 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	kill "$pid_srv"
	rest 1
	alive srv
}

@test "--drain: a second SIGTERM, or SIGINT, ends at once by that signal" {
	for sig in TERM INT HUP; do
		listen srv -keU --drain 60 --port-file "$T/port" "$T/sock"
		join a -U "$T/sock"
		kill "$pid_srv"
		wait_for 10 test ! -e "$T/sock"
		refused -U "$T/sock"
		hears a hello
		stop srv $sig
		[ "$status" -eq $((128 + $(kill -l $sig))) ]
		[ ! -e "$T/port" ]
		[ ! -e "$T/sock" ]
		end_of a
		wait_exit a
		rm "$T/a.in" "$T/srv.err"
	done
}

@test "--drain: SIGINT and SIGHUP alone end at once" {
	for sig in INT HUP; do
		listen srv -ke --drain 60 127.0.0.1 0
		join a 127.0.0.1 "$PORT"
		hears a hello
		stop srv $sig
		[ "$status" -eq $((128 + $(kill -l $sig))) ]
		end_of a
		wait_exit a
		rm "$T/a.in" "$T/srv.err"
	done
}

@test "--drain: the Unix path goes at once, another can take it" {
	listen srv -keU --drain 60 --port-file "$T/port" "$T/sock"
	join a -U "$T/sock"
	kill "$pid_srv"
	wait_for 10 test ! -e "$T/sock"
	listen new -keU "$T/sock"
	[ "$(echo new | sockcat -U "$T/sock")" = new ]
	hears a old
	leaves a
	ended srv 0
	[ -S "$T/sock" ]
	[ ! -e "$T/port" ]
	[ "$(echo new | sockcat -U "$T/sock")" = new ]
}

@test "--drain: the port can be had at once by another" {
	listen srv -ke --drain 60 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	kill "$pid_srv"
	refused 127.0.0.1 "$PORT"
	listen new -ke 127.0.0.1 "$PORT"
	[ "$(echo new | sockcat 127.0.0.1 "$PORT")" = new ]
	hears a old
	leaves a
	ended srv 0
}

@test "--drain: commands finish" {
	for k in -k ''; do
		# shellcheck disable=SC2086
		listen srv $k --drain 60 \
		    -c 'read -r x; echo "got $x"; cat; echo bye' 127.0.0.1 0
		join a 127.0.0.1 "$PORT"
		kill "$pid_srv"
		refused 127.0.0.1 "$PORT"
		send_to a $'one\n'
		wait_line a.out '^got one$'
		end_of a
		ended a 0
		ended srv 0
		[ "$(cat "$T/a.out")" = 'got one
bye' ]
		rm "$T/a.in" "$T/srv.err"
	done
}

@test "--drain: commands that do not finish are ended after the time" {
	listen srv -k --drain 500ms -c 'echo $$; exec sleep 1000' 127.0.0.1 0
	start a sockcat -d 127.0.0.1 "$PORT"
	wait_line a.out '^[0-9]+$'
	pid=$(cat "$T/a.out")
	kill -0 "$pid"
	kill "$pid_srv"
	ended srv 0
	wait_for 10 _gone "$pid"
}

@test "--drain: a relay of many, with the console" {
	feed srv
	listen_with - srv -k --drain 60 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	join b 127.0.0.1 "$PORT"
	kill "$pid_srv"
	refused 127.0.0.1 "$PORT"
	send_to a $'from a\n'
	wait_line srv.out '^from a$'
	send_to srv $'to all\n'
	wait_line a.out '^to all$'
	wait_line b.out '^to all$'
	stop a
	send_to b $'from b\n'
	wait_line srv.out '^from b$'
	alive srv
	end_of srv
	leaves b
	wait_exit srv
	[ "$status" -le 1 ]
}

@test "--drain: a relay with one client" {
	feed srv
	listen_with - srv --drain 60 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	kill "$pid_srv"
	rest 0.2
	send_to a $'from a\n'
	wait_line srv.out '^from a$'
	send_to srv $'to a\n'
	wait_line a.out '^to a$'
	alive srv
	end_of srv
	leaves a
	ended srv 0
}

@test "--drain: a hub and a chat go on until the last has left" {
	for mode in -b --chat; do
		listen srv "$mode" --drain 60 127.0.0.1 0
		join a 127.0.0.1 "$PORT"
		join b 127.0.0.1 "$PORT"
		kill "$pid_srv"
		refused 127.0.0.1 "$PORT"
		send_to a $'hello\n'
		wait_line b.out 'hello$'
		wait_line srv.out 'hello$'
		stop a
		send_to b $'alone\n'
		wait_line srv.out 'alone$'
		alive srv
		stop b
		wait_exit srv
		[ "$status" -le 1 ]
		end_of a
		end_of b
		rm "$T"/*.in "$T/srv.err"
	done
}

@test "--drain: a forward" {
	peer_py to threaded.py
	to=$PORT
	for k in -k ''; do
		# shellcheck disable=SC2086
		listen srv $k --drain 60 --forward "127.0.0.1:$to" 127.0.0.1 0
		join a 127.0.0.1 "$PORT"
		kill "$pid_srv"
		refused 127.0.0.1 "$PORT"
		send_to a $'one\n'
		wait_line a.out '^ONE$'
		leaves a
		ended srv 0
		rm "$T/a.in" "$T/srv.err"
	done
}

@test "--drain: nobody who waited is let in afterwards" {
	listen srv -ke -m 1 --drain 60 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	echo waited >"$T/in"
	start_with "$T/in" b sockcat 127.0.0.1 "$PORT"
	wait_line srv.err 'house is full'
	kill "$pid_srv"
	ended b 1
	[ ! -s "$T/b.out" ]
	hears a hello
	leaves a
	ended srv 0
	[ "$(grep -c '^Connection received' "$T/srv.err")" -eq 1 ]
}

@test "--drain: 50 sessions" {
	listen srv -ke --drain 60 127.0.0.1 0
	feed crowd
	start_with - crowd "${python[@]}" "$PEERS/crowd.py" --clients 50 \
	    --hold "$PORT"
	wait_line crowd.out '^holding 50$' 20
	kill "$pid_srv"
	refused 127.0.0.1 "$PORT"
	alive srv
	send_to crowd $'\n'
	ended crowd 0
	ended srv 0
}

@test "--drain with --count" {
	listen srv -ke --drain 60 --count 5 127.0.0.1 0
	join a 127.0.0.1 "$PORT"
	kill "$pid_srv"
	refused 127.0.0.1 "$PORT"
	hears a hello
	leaves a
	ended srv 0
	# The listener is closed already.
	listen srv -ke --drain 60 --count 1 127.0.0.1 0
	join b 127.0.0.1 "$PORT"
	refused 127.0.0.1 "$PORT"
	kill "$pid_srv"
	rest 0.2
	hears b hello
	leaves b
	ended srv 0
}

@test "--drain: the second of two signals that come together counts" {
	for n in 1 2 3 4 5; do
		listen srv -ke --drain 60 127.0.0.1 0
		join a 127.0.0.1 "$PORT"
		kill "$pid_srv"
		kill -INT "$pid_srv"
		ended srv 130
		end_of a
		wait_exit a
		rm "$T/a.in" "$T/srv.err"
	done
}

#
# Signals
#

@test "SIGTERM and SIGINT end at once, with sessions, and clean up" {
	for sig in TERM INT; do
		for args in -ke -k -b '-k -c cat' '--chat'; do
			# shellcheck disable=SC2086
			listen srv $args --port-file "$T/port" -U "$T/sock"
			wait_for 10 test -e "$T/port"
			join a -U "$T/sock"
			stop srv $sig
			[ "$status" -eq $((128 + $(kill -l $sig))) ] ||
				fail "$args: status $status"
			[ ! -e "$T/sock" ]
			[ ! -e "$T/port" ]
			run ! grep '^sockcat: ' "$T/srv.err"
			end_of a
			wait_exit a
			rm "$T/a.in" "$T/srv.err"
		done
	done
}

@test "signals end the commands, too" {
	for sig in TERM INT HUP; do
		listen srv -k -c 'echo $$; exec sleep 1000' 127.0.0.1 0
		start a sockcat -d 127.0.0.1 "$PORT"
		wait_line a.out '^[0-9]+$'
		pid=$(cat "$T/a.out")
		stop srv $sig
		[ "$status" -eq $((128 + $(kill -l $sig))) ]
		wait_for 10 _gone "$pid"
		wait_exit a
		rm "$T/srv.err"
	done
}

@test "an ignored SIGINT stays ignored, with files to remove and --drain" {
	for args in '' '--drain 60'; do
		# shellcheck disable=SC2086
		start srv bash -c 'trap "" INT; exec "$@"' - "$SOCKCAT" -v \
		    -lkeU --port-file "$T/port" $args "$T/sock"
		wait_line srv.err '^Listening'
		wait_for 10 test -e "$T/port"
		join a -U "$T/sock"
		kill -INT "$pid_srv"
		rest 0.2
		hears a hello
		[ -e "$T/port" ]
		leaves a
		stop srv
		[ "$status" -eq 143 ] || [ "$args$status" = '--drain 600' ]
		[ ! -e "$T/sock" ]
		[ ! -e "$T/port" ]
		rm "$T/a.in"
	done
}

@test "in a terminal's background nothing stops" {
	for args in '-ke --drain 60' '-k' '-b' '--chat' '-k -c cat'; do
		rm -f "$T/port"
		# shellcheck disable=SC2086
		start srv in_pty --background --type 'typed\n' "$SOCKCAT" -v -l \
		    $args --port-file "$T/port" 127.0.0.1 0
		wait_for 10 test -e "$T/port"
		read -r _ PORT <"$T/port"
		join a 127.0.0.1 "$PORT"
		send_to a $'hello\n'
		if [[ $args == -ke* || $args == *' -c '* ]]; then
			wait_line a.out '^hello$'
		else
			wait_line srv.out 'hello$'
		fi
		rest 0.3
		run ! grep 'stopped by signal' "$T/srv.err"
		run ! grep typed "$T/a.out"
		stop a
		end_of a
		stop srv
		[ ! -e "$T/port" ]
		rm "$T/a.in" "$T/srv.err"
	done
}
