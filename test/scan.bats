#!/usr/bin/env bats
#
# -z with several ports: what is open, in which order it is said, the exit
# status; -zu; --retry of one port and of many.

# shellcheck disable=SC2030,SC2031,SC2153,SC2154
load helpers

# doors KIND...: ports that somebody is behind, or nobody: see
# test/peers/doors.py.  Sets ports, ascending, and list, all of them.
doors() {
	[[ " $* " != *mute* ]] || need_linux
	peer_py doors doors.py "$@"
	read -ra ports <<<"$PORT $ADDR"
	[ $# -gt 1 ] || ports=("$PORT")
	listed "${ports[@]}"
}

# listed PORT...: set list.
listed() {
	local IFS=,

	list="$*"
}

# scan ARGS...: sockcat -z ARGS; status, $T/out, $T/err.
scan() {
	status=0
	sockcat -z "$@" >"$T/out" 2>"$T/err" </dev/null || status=$?
}

# found STATUS [LINE...]: what the last scan ended with and wrote.
found() {
	local want=$1
	shift

	[ "$status" -eq "$want" ] ||
		fail "status $status, not $want: $(cat -v "$T/err")"
	[ $# -eq 0 ] || printf '%s\n' "$@" >"$T/want"
	[ $# -gt 0 ] || : >"$T/want"
	# Even a port that the system picks may have a name, like 60179.
	sed -E 's, ((3[2-9]|[4-6].)[0-9]{3} open[|a-z]* (tcp|udp))/.*, \1,' \
	    "$T/out" | diff "$T/want" -
}

# errors [LINE...]: exactly that stands on standard error.
errors() {
	[ $# -eq 0 ] || printf '%s\n' "$@" >"$T/want"
	[ $# -gt 0 ] || : >"$T/want"
	diff "$T/want" "$T/err"
}

# apart KIND... -- CMD...: CMD in a network of its own, where all other ports
# are closed.
apart() {
	need unshare
	unshare -n true 2>/dev/null || skip "no network of its own"
	status=0
	(
		_close_fds
		_ms 60
		exec timeout -s KILL "$((ms / 1000))" unshare -n \
		    "${python[@]}" "$PEERS/doors.py" --lo "$@"
	) >"$T/all" 2>"$T/err" </dev/null || status=$?
	tail -n +2 "$T/all" >"$T/out"
}

# lasts MS CMD...: it takes at least that long.
lasts() {
	local now begun least=$1
	shift

	_now
	begun=$now
	"$@"
	_now
	((now - begun >= least)) || fail "only $((now - begun)) ms"
}

@test "open and closed ports: one line an open one, ascending, each once" {
	doors tcp4 shut tcp4 shut tcp4
	scan 127.0.0.1 "$list"
	found 0 "127.0.0.1 ${ports[0]} open tcp" \
	    "127.0.0.1 ${ports[2]} open tcp" "127.0.0.1 ${ports[4]} open tcp"
	errors
	listed "${ports[4]}" "${ports[1]}" "${ports[0]}" "${ports[4]}" \
	    "0${ports[0]}" "${ports[0]}-${ports[0]}"
	scan "127.0.0.1:$list"
	found 0 "127.0.0.1 ${ports[0]} open tcp" \
	    "127.0.0.1 ${ports[4]} open tcp"
	errors
	scan --parallel 1 -n 127.0.0.1 "$list"
	found 0 "127.0.0.1 ${ports[0]} open tcp" \
	    "127.0.0.1 ${ports[4]} open tcp"
	scan 127.0.0.1 "${ports[2]}"
	found 0
	scan 127.0.0.1 "${ports[2]}-${ports[2]}"
	found 0 "127.0.0.1 ${ports[2]} open tcp"
}

@test "no open port: one line says how many were what, and the status" {
	doors mute4 shut mute4 shut shut
	scan 127.0.0.1 "${ports[1]},${ports[3]},${ports[4]}"
	found 1
	errors "sockcat: no port of 127.0.0.1 is open: 3 refused"
	scan -w 0.3 127.0.0.1 "${ports[0]},${ports[2]}"
	found 124
	errors "sockcat: no port of 127.0.0.1 is open: 2 silent"
	scan -w 0.3 127.0.0.1 "$list"
	found 1
	errors "sockcat: no port of 127.0.0.1 is open: 3 refused, 2 silent"
	scan --quiet -w 0.3 127.0.0.1 "$list"
	found 1
	errors
}

@test "an open port counts, whatever the others are" {
	doors mute4 tcp4 shut
	scan -w 0.3 127.0.0.1 "$list"
	found 0 "127.0.0.1 ${ports[1]} open tcp"
	errors
}

@test "-v says of each port what became of it, in the same order" {
	doors mute4 tcp4 shut
	scan -v -w 0.3 127.0.0.1 "${ports[2]},${ports[0]},${ports[1]}"
	found 0 "127.0.0.1 ${ports[1]} open tcp"
	errors "sockcat: connect to 127.0.0.1 port ${ports[0]} (tcp) failed:\
 no answer in time (-w)" \
	    "Connection to 127.0.0.1 ${ports[1]} port [tcp/*] succeeded!" \
	    "sockcat: connect to 127.0.0.1 port ${ports[2]} (tcp) failed:\
 Connection refused"
}

@test "ranges, names, and services by name" {
	getent services ssh/tcp >/dev/null || skip "no /etc/services"
	getent services http/tcp >/dev/null || skip "no /etc/services"
	doors=(tcp4=22 tcp4=80 tcp4=4001 tcp4=65535)
	apart "${doors[@]}" -- "$SOCKCAT" -z 127.0.0.1 \
	    65530-65535,20-30,http,4000-4002
	found 0 '127.0.0.1 22 open tcp/ssh' '127.0.0.1 80 open tcp/http' \
	    '127.0.0.1 4001 open tcp' '127.0.0.1 65535 open tcp'
	errors
	apart "${doors[@]}" -- "$SOCKCAT" -znv 127.0.0.1 1-22,4001
	found 0 '127.0.0.1 22 open tcp' '127.0.0.1 4001 open tcp'
	grep -qxF 'Connection to 127.0.0.1 22 port [tcp/*] succeeded!' \
	    "$T/err"
	[ "$(grep -c 'Connection refused$' "$T/err")" -eq 21 ]
	apart "${doors[@]}" -- "$SOCKCAT" -z 127.0.0.1 ssh,21
	found 0 '127.0.0.1 22 open tcp/ssh'
}

@test "all ports there are" {
	apart tcp4=1 mute4=2 tcp4=7777 tcp4=65535 -- "$SOCKCAT" -zn -w 1 \
	    127.0.0.1 1-65535
	found 0 '127.0.0.1 1 open tcp' '127.0.0.1 7777 open tcp' \
	    '127.0.0.1 65535 open tcp'
	errors
	apart shut=9 -- "$SOCKCAT" -zn 127.0.0.1 1-65535
	found 1
	errors "sockcat: no port of 127.0.0.1 is open: 65535 refused"
}

@test "few descriptors suffice for many ports" {
	local kinds want=()

	mapfile -t kinds < <(yes 'tcp4 mute4' | head -n 30 | tr ' ' '\n')
	doors "${kinds[@]}"
	for ((i = 0; i < ${#ports[@]}; i += 2)); do
		want+=("127.0.0.1 ${ports[i]} open tcp")
	done
	status=0
	(ulimit -n 24 && sockcat -z -v -w 0.3 127.0.0.1 "$list") \
	    >"$T/out" 2>"$T/err" </dev/null || status=$?
	found 0 "${want[@]}"
	[ "$(grep -c 'no answer in time (-w)$' "$T/err")" -eq 30 ]
	[ "$(grep -c 'succeeded!$' "$T/err")" -eq 30 ]
	[ "$(wc -l <"$T/err")" -eq 60 ]
}

@test "a port that meets itself is not open" {
	# Where so few ports are there to connect from, it often happens.
	local port
	# shellcheck disable=SC2016 # for the inner shell
	local narrow='echo 40000 40010 \
	    >/proc/sys/net/ipv4/ip_local_port_range 2>/dev/null || exit 77
	for i in 1 2 3 4 5 6 7 8; do
		"$0" -zn $1 --parallel 1 127.0.0.1 39999-40011
	done'

	for udp in '' -u; do
		apart shut=9 -- sh -c "$narrow" "$SOCKCAT" $udp
		[ "$status" -ne 77 ] || skip "no network of its own"
		found 1
		[ "$(sort -u "$T/err")" = "sockcat: no port of 127.0.0.1 is\
 open: 13 refused" ]
	done
}

@test "IPv6" {
	need_ipv6
	doors tcp6 tcp4 shut
	scan ::1 "$list"
	found 0 "::1 ${ports[0]} open tcp"
	scan "[::1]:$list"
	found 0 "::1 ${ports[0]} open tcp"
	scan -4 ::1 "$list"
	found 3
}

@test "a name with addresses of both families: either counts" {
	need_ipv6
	hosts '127.0.0.1 two.test' '::1 two.test'
	doors tcp4 tcp6 shut tcp4+tcp6
	run_named -z -v two.test "$list"
	[ "$status" -eq 0 ]
	printf '%s\n' "${lines[@]}" >"$T/lines"
	grep -E '^[0-9:]' "$T/lines" >"$T/out"
	grep -qxF "127.0.0.1 ${ports[0]} open tcp" "$T/out"
	grep -qxF "::1 ${ports[1]} open tcp" "$T/out"
	grep -qxE "(::1|127\.0\.0\.1) ${ports[3]} open tcp" "$T/out"
	[ "$(wc -l <"$T/out")" -eq 3 ]
	grep -qxF "Connection to two.test (::1) ${ports[1]} port [tcp/*]\
 succeeded!" "$T/lines"
	grep -qE "^sockcat: connect to two\.test \(.*\) port ${ports[2]}\
 \(tcp\) failed: Connection refused$" "$T/lines"
	run_named -z -4 two.test "${ports[1]},${ports[2]}"
	[ "$status" -eq 1 ]
	[ "$output" = "sockcat: no port of two.test is open: 2 refused" ]
}

@test "-zu: open on an answer, closed when refused, else open|filtered" {
	doors echo4 shut deaf4
	scan -u -w 4 127.0.0.1 "$list"
	found 0 "127.0.0.1 ${ports[0]} open udp" \
	    "127.0.0.1 ${ports[2]} open|filtered udp"
	errors
	scan -uv -w 0.5 127.0.0.1 "${ports[1]},${ports[2]}"
	found 1 "127.0.0.1 ${ports[2]} open|filtered udp"
	errors "sockcat: probe of 127.0.0.1 port ${ports[1]} (udp) failed:\
 Connection refused" "sockcat: probe of 127.0.0.1 port ${ports[2]} (udp):\
 no answer: open or filtered" \
	    "sockcat: no port of 127.0.0.1 is open: 1 refused, 1 silent"
	scan -u -w 0.3 127.0.0.1 "${ports[2]}-${ports[2]}"
	found 124 "127.0.0.1 ${ports[2]} open|filtered udp"
	errors "sockcat: no port of 127.0.0.1 is open: 1 silent"
}

@test "-zu with one port" {
	doors echo4 shut deaf4
	scan -uv -w 20 127.0.0.1 "${ports[0]}"
	found 0
	errors "Connection to 127.0.0.1 ${ports[0]} port [udp/*] succeeded!"
	scan -u 127.0.0.1 "${ports[1]}"
	found 1
	errors "sockcat: probe of 127.0.0.1 port ${ports[1]} (udp) failed:\
 Connection refused"
	scan -u -w 0.3 127.0.0.1 "${ports[2]}"
	found 124
	errors "sockcat: probe of 127.0.0.1 port ${ports[2]} (udp): no\
 answer: open or filtered"
}

@test "-zu: an empty answer is one, too" {
	peer_py udp udp_answer.py --empty
	scan -u -w 20 127.0.0.1 "$PORT-$PORT"
	found 0 "127.0.0.1 $PORT open udp"
	wait_line udp.out "^got 0 .* b''$"
}

@test "-zu --send: what is asked" {
	doors ping4 ping4
	scan -u -w 20 --send 'p\x69ng' 127.0.0.1 "$list"
	found 0 "127.0.0.1 ${ports[0]} open udp" \
	    "127.0.0.1 ${ports[1]} open udp"
	scan -u -w 20 --send ping 127.0.0.1 "${ports[1]}"
	found 0
	scan -u --send 'ping\n' -w 0.3 127.0.0.1 "${ports[0]}"
	found 124
	scan --send ping 127.0.0.1 "$list"
	found 2
}

@test "-zu of a name: each of its addresses is asked" {
	need_ipv6
	hosts '127.0.0.1 two.test' '::1 two.test'
	doors echo4 echo6 shut
	run_named -zu -w 20 two.test "$list"
	[ "$status" -eq 0 ]
	[ "$output" = "127.0.0.1 ${ports[0]} open udp
::1 ${ports[1]} open udp" ]
	run_named -zu -w 20 two.test "${ports[0]}"
	[ "$status" -eq 0 ]
	run_named -zu -w 20 two.test "${ports[1]}"
	[ "$status" -eq 0 ]
	run_named -zu -w 20 two.test "${ports[2]}"
	[ "$status" -eq 1 ]
}

@test "-zu over a Unix socket" {
	peer_py udp udp_answer.py -U "$T/sock" --empty
	scan -uU -w 20 "$T/sock"
	found 0
	scan -uU "$T/none"
	found 1
}

@test "-i: a pause between the ports" {
	doors tcp4 shut shut tcp4 shut
	lasts 400 scan -i 0.1 127.0.0.1 "$list"
	found 0 "127.0.0.1 ${ports[0]} open tcp" \
	    "127.0.0.1 ${ports[3]} open tcp"
	lasts 400 scan --delay 100ms --parallel 2 127.0.0.1 "$list"
	found 0 "127.0.0.1 ${ports[0]} open tcp" \
	    "127.0.0.1 ${ports[3]} open tcp"
}

@test "--parallel: one after the other" {
	doors mute4 mute4 mute4
	lasts 900 scan --parallel 1 -w 0.3 127.0.0.1 "$list"
	found 124
}

@test "many silent ports are tested at once" {
	(($(ulimit -Hn) >= 2100)) || skip "too few descriptors"
	mapfile -t kinds < <(yes mute4 | head -n 256)
	doors "${kinds[@]}"
	# One after the other is more than four minutes: killed after 30 s.
	scan -w 1 127.0.0.1 "$list"
	found 124
	errors "sockcat: no port of 127.0.0.1 is open: 256 silent"
}

@test "--max-time: what is known by then is said" {
	doors mute4 tcp4 shut
	scan -w 30 --max-time 3 127.0.0.1 "$list"
	found 124 "127.0.0.1 ${ports[1]} open tcp"
	errors "sockcat: the time of --max-time passed"
}

@test "an open port is said as soon as all before it are known" {
	doors shut tcp4 mute4
	start scan sockcat -z -w 30 127.0.0.1 "$list"
	wait_line scan.out "^127.0.0.1 ${ports[1]} open tcp$"
	alive scan
	stop scan
	[ "$status" -eq 143 ]
}

@test "-s and -p" {
	doors tcp4 shut tcp4
	scan -s 127.0.0.9 127.0.0.1 "$list"
	found 0 "127.0.0.1 ${ports[0]} open tcp" \
	    "127.0.0.1 ${ports[2]} open tcp"
	free_port
	scan -p "$PORT" 127.0.0.1 "$list"
	found 0 "127.0.0.1 ${ports[0]} open tcp" \
	    "127.0.0.1 ${ports[2]} open tcp"
	scan -s 198.51.100.7 127.0.0.1 "$list"
	found 1
	grep -qE "^sockcat: cannot bind .*$NO_ADDRESS$" "$T/err"
	[ "$(wc -l <"$T/err")" -eq 1 ]
}

@test "-p with -u: one after the other" {
	doors echo4 shut echo4
	free_port -u
	scan -u -w 20 -p "$PORT" 127.0.0.1 "$list"
	found 0 "127.0.0.1 ${ports[0]} open udp" \
	    "127.0.0.1 ${ports[2]} open udp"
}

@test "a name that does not resolve: 3 and one line" {
	scan no-such-host.invalid 1-9
	found 3
	[ "$(wc -l <"$T/err")" -eq 1 ]
	grep -q '^sockcat: cannot resolve no-such-host.invalid: ' "$T/err"
}

# nobody_reads ARGS...: what sockcat writes.
nobody_reads() {
	local fd

	exec {fd}<>"$T/closed"
	exec >"$T/closed"
	exec {fd}<&-
	sockcat "$@"
}

@test "standard output that fails" {
	doors tcp4 tcp4
	if [ -e /dev/full ]; then
		status=0
		sockcat -z 127.0.0.1 "$list" >/dev/full 2>"$T/err" || status=$?
		[ "$status" -eq 1 ]
		errors "sockcat: write to standard output failed: No space\
 left on device"
	fi
	mkfifo "$T/closed"
	status=0
	(nobody_reads -z 127.0.0.1 "$list") 2>"$T/err" || status=$?
	[ "$status" -eq 141 ]
	errors
}

# bad TEXT LIST ARGS...: the list is a usage error that names TEXT.
bad() {
	local text=$1 list=$2
	shift 2

	scan "$@" 127.0.0.1 "$list"
	[ "$status" -eq 2 ] || wrong "$list: status $status"
	[ ! -s "$T/out" ] || wrong "$list: output"
	grep -qF "sockcat: port: \"$text\" " "$T/err" ||
		wrong "$list: $(cat "$T/err")"
	[ "$(wc -l <"$T/err")" -eq 2 ] || wrong "$list: $(cat "$T/err")"
}

@test "lists that are wrong" {
	local each list

	for each in 80-70 0-5 5-65536 65536-65537 1-2-3 1- 1-x 1-ssh 1--2 \
	    999999999999-9999999999999 '1 -2'; do
		bad "$each" "$each"
		bad "$each" "22,$each"
		bad "$each" "$each,22" -u
	done
	for each in 0 65536 80x no-such-service ' 80' 1e4; do
		bad "$each" "22,$each,23"
	done
	for each in ',' ',22' '22,' '22,,23'; do
		bad "$each" "$each"
	done
	bad ssh 22,ssh -n
	none_wrong
}

@test "only -z takes a list" {
	local list

	for list in 1-2 1,2 22,ssh; do
		for args in "127.0.0.1 $list" "-l $list" "-l -p $list" \
		    "-lk 127.0.0.1:$list" "-e 127.0.0.1 $list" \
		    "-l --forward 127.0.0.1:$list 0" \
		    "-z -p $list 127.0.0.1 9"; do
			# shellcheck disable=SC2086 # words
			run sockcat $args
			[ "$status" -eq 2 ] || wrong "$args: $status $output"
			[[ $output == *"\"$list\" is not a port"* ]] ||
				wrong "$args: $output"
		done
	done
	none_wrong
}

@test "--retry with a list waits for all of it" {
	doors tcp4
	open=$PORT
	free_port
	start scan sockcat -z --retry 60 127.0.0.1 "$open,$PORT"
	rest 0.5
	alive scan
	listen lis 127.0.0.1 "$PORT"
	ended scan 0 20
	sort "$T/scan.out" >"$T/out"
	printf '127.0.0.1 %d open tcp\n' "$open" "$PORT" | sort |
		diff - "$T/out"
	[ ! -s "$T/scan.err" ]
}

@test "--retry: a port that was open is not tested again" {
	peer_py once accept_once.py
	open=$PORT
	free_port
	start scan sockcat -z --retry 60 127.0.0.1 "$open,$PORT"
	wait_exit once
	not sockcat -z 127.0.0.1 "$open" 2>/dev/null
	listen lis 127.0.0.1 "$PORT"
	ended scan 0 20
	[ "$(wc -l <"$T/scan.out")" -eq 2 ]
}

@test "--retry that runs out: what is open, the last reason, 124" {
	doors tcp4 shut tcp4
	scan --retry 0.6 127.0.0.1 "$list"
	found 124 "127.0.0.1 ${ports[0]} open tcp" \
	    "127.0.0.1 ${ports[2]} open tcp"
	errors "sockcat: connect to 127.0.0.1 port ${ports[1]} (tcp) failed:\
 Connection refused"
	scan --retry 0.3 no-such-host.invalid 1-9
	found 124
	[ "$(wc -l <"$T/err")" -eq 1 ]
	grep -q '^sockcat: cannot resolve no-such-host.invalid: ' "$T/err"
	scan --retry 60 --max-time 1 127.0.0.1 "$list"
	found 124 "127.0.0.1 ${ports[0]} open tcp" \
	    "127.0.0.1 ${ports[2]} open tcp"
}

@test "--retry: a silent port is tried again" {
	doors mute4
	scan -v --retry 1 -w 0.2 127.0.0.1 "$PORT-$PORT"
	found 124
	grep -qF 'no answer in time (-w)' "$T/err"
	need strace
	strace -f -qq -o "$T/trace" -e trace=connect timeout -s KILL 30 \
	    "$SOCKCAT" -z -w 0.2 --retry 3 127.0.0.1 "$PORT-$PORT" \
	    </dev/null 2>"$T/err" || :
	(($(grep -c "sin_port=htons($PORT)" "$T/trace") >= 2))
}

@test "--retry with -zu: until somebody answers" {
	free_port -u
	start one sockcat -zu -w 1 --retry 60 127.0.0.1 "$PORT"
	start all sockcat -zu -w 1 --retry 60 127.0.0.1 "$PORT-$PORT"
	rest 0.5
	alive one
	alive all
	peer_py udp udp_answer.py --port "$PORT"
	ended one 0 20
	ended all 0 20
	[ "$(cat "$T/all.out")" = "127.0.0.1 $PORT open udp" ]
}
