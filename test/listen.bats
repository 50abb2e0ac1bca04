#!/usr/bin/env bats
#
# Listening and connecting: which addresses, in which order, who is let in,
# what is said about it; and -lk, the relay of many peers.

# shellcheck disable=SC2030,SC2031,SC2153,SC2154
load helpers

# refused ARGS...: sockcat cannot connect; output is its one line.
refused() {
	run sockcat "$@" </dev/null
	[ "$status" -eq 1 ] || fail "status $status: $output"
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *'Connection refused' ]]
}

@test "without a host: both families on one port, announced in two lines" {
	need_ipv6
	listen lis -k 0
	[ "$(cat "$T/lis.err")" = "Listening on :: $PORT
Listening on 0.0.0.0 $PORT" ]
	echo four | sockcat 127.0.0.1 "$PORT" >/dev/null
	echo six | sockcat ::1 "$PORT" >/dev/null
	wait_size lis.out 9
	wait_line lis.err '^Connection received on 127\.0\.0\.1 [0-9]+$'
	wait_line lis.err '^Connection received on ::1 [0-9]+$'
}

@test "without a host, datagrams: two lines, IPv4 peers are IPv4" {
	need_ipv6
	listen lis -u -k 0
	[ "$(cat "$T/lis.err")" = "Bound on :: $PORT
Bound on 0.0.0.0 $PORT" ]
	echo four | sockcat -u -q 0 127.0.0.1 "$PORT"
	echo six | sockcat -u -q 0 ::1 "$PORT"
	wait_size lis.out 9
	wait_line lis.err '^Connection received on 127\.0\.0\.1 [0-9]+$'
	wait_line lis.err '^Connection received on ::1 [0-9]+$'
}

@test "-4 and -6 listen on one family only" {
	need_ipv6
	listen lis -4 0
	[ "$(cat "$T/lis.err")" = "Listening on 0.0.0.0 $PORT" ]
	refused ::1 "$PORT"
	sockcat -z 127.0.0.1 "$PORT"
	ended lis 0
	listen six -6 0
	[ "$(cat "$T/six.err")" = "Listening on :: $PORT" ]
	refused 127.0.0.1 "$PORT"
	sockcat -z ::1 "$PORT"
	ended six 0
}

@test "-4 and -6 with datagrams" {
	need_ipv6
	listen lis -u -4 0
	[ "$(cat "$T/lis.err")" = "Bound on 0.0.0.0 $PORT" ]
	listen six -u -6 0
	[ "$(cat "$T/six.err")" = "Bound on :: $PORT" ]
}

@test "every way to write the address and the port" {
	need_ipv6
	free_port
	for args in '127.0.0.1 0' '127.0.0.1:0' '127.0.0.1 -p 0' \
	    '-p 0 127.0.0.1' '::1 0' '[::1]:0' '-p 0' "-p $PORT" "$PORT"; do
		# shellcheck disable=SC2086
		listen lis $args
		echo "$args: $ADDR $PORT"
		[ "$PORT" -gt 0 ]
		host=127.0.0.1
		[[ $args != *::1* ]] || host=::1
		sockcat -z "$host" "$PORT"
		ended lis 0
		rm "$T/lis.err"
	done
}

@test "a name: every address it has, on the same port" {
	need_ipv6
	hosts '127.0.0.1 localhost' '::1 localhost'
	for kind in '' -u; do
		# shellcheck disable=SC2086
		start lis "${named[@]}" "$SOCKCAT" -v -l -k $kind localhost 0
		wait_lines lis.err '^(Listening|Bound) on ' 2
		PORT=$(sed -n 's/.* on ::1 //p' "$T/lis.err")
		[ "$PORT" -gt 0 ]
		grep -qE " on 127\.0\.0\.1 $PORT\$" "$T/lis.err"
		# shellcheck disable=SC2086
		echo four | sockcat $kind 127.0.0.1 "$PORT" -q 0
		# shellcheck disable=SC2086
		echo six | sockcat $kind ::1 "$PORT" -q 0
		wait_size lis.out 9
		stop lis
		rm "$T/lis.err" "$T/lis.out"
	done
}

@test "a name without -k: one client, on whichever address" {
	need_ipv6
	hosts '127.0.0.1 localhost' '::1 localhost'
	for addr in 127.0.0.1 ::1; do
		start lis "${named[@]}" "$SOCKCAT" -v -l localhost 0
		wait_lines lis.err '^Listening on ' 2
		PORT=$(sed -n 's/.* on ::1 //p' "$T/lis.err")
		echo one | sockcat "$addr" "$PORT"
		ended lis 0
		[ "$(cat "$T/lis.out")" = one ]
		refused 127.0.0.1 "$PORT"
		refused ::1 "$PORT"
		rm "$T/lis.err"
	done
}

@test "a name with an address that is in use: a failure" {
	need_ipv6
	hosts '127.0.0.1 localhost' '::1 localhost'
	listen lis -k 127.0.0.1 0
	run_named -l localhost "$PORT"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	# That port of ::1 may be in use, too, by another test.
	[[ $output =~ (127.0.0.1|::1).*$PORT.*$IN_USE$ ]]
}

@test "port 0 of several addresses: another one when one of them is taken" {
	need_linux
	need_ipv6
	need strace
	start srv env strace -f -qq -o "$T/trace" -e trace=bind \
	    -e inject=bind:error=EADDRINUSE:when=2 "$SOCKCAT" -v -lkc cat 0
	wait_lines srv.err '^Listening on ' 2
	[ "$(sed 's/.* //' "$T/srv.err" | sort -u | wc -l)" -eq 1 ]
	[ "$(grep -c 'sin6_port=htons(0)' "$T/trace")" -ge 2 ]
	free_port
	given=$PORT
	listen other -kc cat "$given"
	[ "$PORT" -eq "$given" ]
}

@test "a second sockcat on the same port fails with one line" {
	listen lis -k 127.0.0.1 0
	run sockcat -l 127.0.0.1 "$PORT"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output =~ ^sockcat:\ .*127.0.0.1.*$PORT.*$IN_USE$ ]]
	run sockcat -l "$PORT"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output =~ $PORT.*$IN_USE$ ]]
}

@test "a second sockcat where the first has every address fails" {
	listen lis -k 0
	for args in "$PORT" "127.0.0.1 $PORT" "-4 $PORT"; do
		# shellcheck disable=SC2086
		run sockcat -l $args
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output =~ $IN_USE$ ]]
	done
}

@test "a second sockcat on the same port fails, datagrams" {
	listen lis -u -k 127.0.0.1 0
	run sockcat -u -l 127.0.0.1 "$PORT"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output =~ $PORT.*$IN_USE$ ]]
}

@test "the port can be had again at once" {
	listen lis 127.0.0.1 0
	# The listener's side closes first and keeps TIME_WAIT.
	client_py peer stall.py --connect --send hello "$PORT"
	wait_size lis.out 5
	stop lis
	listen lis 127.0.0.1 "$PORT"
}

@test "without -k: closed once the client is there, others are refused" {
	listen lis 127.0.0.1 0
	client_py peer stall.py --connect "$PORT"
	wait_line lis.err '^Connection received on '
	refused 127.0.0.1 "$PORT"
	refused -z 127.0.0.1 "$PORT"
	alive lis
}

@test "with -k: it stays, and is announced once" {
	listen lis -k 127.0.0.1 0
	for i in 1 2 3; do
		echo "client $i" | sockcat 127.0.0.1 "$PORT"
	done
	wait_lines lis.out '^client' 3
	alive lis
	[ "$(grep -c '^Listening' "$T/lis.err")" -eq 1 ]
	[ "$(grep -c '^Connection received' "$T/lis.err")" -eq 3 ]
}

@test "an address that the machine lacks: one line, exit 1" {
	for args in '' -u -k; do
		# shellcheck disable=SC2086
		run sockcat -l $args 198.51.100.7 0
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output =~ 198.51.100.7.*$NO_ADDRESS$ ]]
	done
}

@test "a name with an address that the machine lacks: passed over, said at -v" {
	hosts '198.51.100.7 here' '127.0.0.1 here'
	start lis "${named[@]}" "$SOCKCAT" -v -l here 0
	wait_line lis.err '^Listening on 127\.0\.0\.1 [0-9]+$'
	grep -qE "198.51.100.7.*$NO_ADDRESS" "$T/lis.err"
	PORT=$(sed -n 's/^Listening on .* //p' "$T/lis.err")
	sockcat -z 127.0.0.1 "$PORT"
	ended lis 0
	start quiet "${named[@]}" "$SOCKCAT" -l here "$PORT"
	wait_port "$PORT"
	sockcat -z 127.0.0.1 "$PORT"
	ended quiet 0
	[ ! -s "$T/quiet.err" ]
}

@test "a name all of whose addresses the machine lacks: exit 1" {
	hosts '198.51.100.7 away' '198.51.100.8 away'
	run_named -l away 0
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output =~ $NO_ADDRESS$ ]]
}

@test "a name that does not resolve: exit 3" {
	hosts '127.0.0.1 localhost'
	for args in -l -4 -u -z; do
		run_named $args no.such.name.invalid 80
		[ "$status" -eq 3 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output == 'sockcat: '*no.such.name.invalid* ]]
	done
}

# How many of 300 connect to a listener that does not accept.
crowd='
import select, socket, sys, time
a = (sys.argv[1], int(sys.argv[2]))
all, ready = [], set()
for i in range(int(sys.argv[3])):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(a)
    all.append(s)
end = time.monotonic() + 0.5
while time.monotonic() < end and len(ready) < len(all):
    rest = [s for s in all if s not in ready]
    ready |= set(select.select([], rest, [], 0.1)[1])
print(len(ready))
'

@test "--backlog: so many wait; without it, hundreds" {
	need_linux
	listen few -k --backlog 3 127.0.0.1 0
	kill -STOP "$pid_few"
	run "${python[@]}" -c "$crowd" 127.0.0.1 "$PORT" 20
	echo "$output wait"
	((output >= 3 && output <= 5))
	listen many -k 127.0.0.1 0
	kill -STOP "$pid_many"
	run "${python[@]}" -c "$crowd" 127.0.0.1 "$PORT" 300
	echo "$output wait"
	((output == 300 || output >= $(cat /proc/sys/net/core/somaxconn)))
	kill -CONT "$pid_few" "$pid_many"
}

@test "nothing is said without -v" {
	free_port
	start lis sockcat -l 127.0.0.1 "$PORT"
	wait_port "$PORT"
	echo hello | sockcat 127.0.0.1 "$PORT" 2>"$T/client.err"
	ended lis 0
	[ ! -s "$T/lis.err" ]
	[ ! -s "$T/client.err" ]
}

@test "-v: the sentences of a listener and a client" {
	free_port
	local=$PORT
	listen lis 127.0.0.1 0
	run sockcat -v -p "$local" 127.0.0.1 "$PORT" </dev/null
	[ "$status" -eq 0 ]
	[ "$output" = "Connection to 127.0.0.1 $PORT port [tcp/*] succeeded!" ]
	ended lis 0
	[ "$(cat "$T/lis.err")" = "Listening on 127.0.0.1 $PORT
Connection received on 127.0.0.1 $local" ]
	[ ! -s "$T/lis.out" ]
}

@test "-v over IPv6" {
	need_ipv6
	listen lis ::1 0
	run sockcat -v -z ::1 "$PORT"
	[ "$status" -eq 0 ]
	[ "$output" = "Connection to ::1 $PORT port [tcp/*] succeeded!" ]
	ended lis 0
	[ "$(sed 1q "$T/lis.err")" = "Listening on ::1 $PORT" ]
	grep -qE '^Connection received on ::1 [0-9]+$' "$T/lis.err"
}

@test "-v by name" {
	hosts '127.0.0.1 some.host'
	listen lis 127.0.0.1 0
	run_named -v -z some.host "$PORT"
	[ "$status" -eq 0 ]
	[ "$output" = "Connection to some.host (127.0.0.1) $PORT port [tcp/*] succeeded!" ]
}

@test "-v names a known service" {
	need_linux
	name=$(awk '$2 == "5432/tcp" { print $1 }' /etc/services) || :
	[ -n "$name" ] || skip "5432 has no name here"
	# An address of the loopback network that nobody else uses.
	addr=127.$((RANDOM % 100 + 100)).$((RANDOM % 256)).7
	listen lis "$addr" 5432
	run sockcat -v -z "$addr" "$name"
	[ "$status" -eq 0 ]
	[ "$output" = "Connection to $addr 5432 port [tcp/$name] succeeded!" ]
}

@test "a refusal names address, port and kind, with the name if one was given" {
	free_port
	run sockcat 127.0.0.1 "$PORT" </dev/null
	[ "$status" -eq 1 ]
	[ "$output" = "sockcat: connect to 127.0.0.1 port $PORT (tcp) failed: Connection refused" ]
	run sockcat -v 127.0.0.1 "$PORT" </dev/null
	[ "$status" -eq 1 ]
	[ "$output" = "sockcat: connect to 127.0.0.1 port $PORT (tcp) failed: Connection refused" ]
	need_ipv6
	free_port -6
	run sockcat ::1 "$PORT" </dev/null
	[ "$output" = "sockcat: connect to ::1 port $PORT (tcp) failed: Connection refused" ]
	hosts '::1 some.host'
	run_named some.host "$PORT"
	[ "$status" -eq 1 ]
	[ "$output" = "sockcat: connect to some.host (::1) port $PORT (tcp) failed: Connection refused" ]
}

@test "--quiet: not even that" {
	free_port
	run sockcat --quiet 127.0.0.1 "$PORT" </dev/null
	[ "$status" -eq 1 ]
	[ -z "$output" ]
}

@test "each line of standard error is one write" {
	need strace
	hosts '127.0.0.1 some.host'
	listen lis 127.0.0.1 0
	start tr "${named[@]}" strace -f -qq -e trace=write -s 300 \
	    -o "$T/trace" "$SOCKCAT" -v some.host "$PORT"
	ended tr 0
	free_port
	start tr2 strace -f -qq -e trace=write -s 300 -o "$T/trace2" \
	    "$SOCKCAT" -v 127.0.0.1 "$PORT"
	ended tr2 1
	for i in '' 2; do
		[ "$(grep -c 'write(2, ' "$T/trace$i")" -eq 1 ]
		grep -qE 'write\(2, "[^"]*\\n",' "$T/trace$i"
	done
}

@test "bytes of a name that a terminal would obey are made visible" {
	run sockcat $'no\033such\nhost.invalid' 80 </dev/null
	[ "$status" -ne 0 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output != *$'\033'* ]]
	[[ $output == *'\x1B'* ]]
}

@test "the next address is tried at once after a refusal" {
	need_ipv6
	hosts '::1 two' '127.0.0.1 two'
	peer_py peer source.py --bytes 10 --clients 3
	for args in '' '-s 127.0.0.1' "-p 0"; do
		# shellcheck disable=SC2086
		[ "$args" = '-p 0' ] || run_named -v $args two "$PORT"
		[ "$status" -eq 0 ]
		[[ $output == *"Connection to two (127.0.0.1) $PORT port [tcp/*] succeeded!"* ]]
	done
}

@test "the next address is tried 250 ms after a silent one" {
	need_ipv6
	hosts '::1 two' '127.0.0.2 two'
	free_port -6
	full_backlog -6 --port "$PORT"
	peer_py peer source.py --bytes 10 --bind 127.0.0.2 --port "$PORT"
	_now
	began=$now
	run_named -v two "$PORT"
	_now
	echo "$((now - began)) ms: $output"
	[ "$status" -eq 0 ]
	[[ $output == *"Connection to two (127.0.0.2) $PORT port [tcp/*] succeeded!"* ]]
	((now - began >= 240 && now - began < 1500 * TIME_FACTOR))
}

@test "families alternate: one dead family costs one delay" {
	need_ipv6
	hosts '::1 two' '::2 two' '::3 two' '127.0.0.2 two'
	free_port -6
	full_backlog -6 --port "$PORT"
	peer_py peer source.py --bytes 10 --bind 127.0.0.2 --port "$PORT"
	run_named -v two "$PORT"
	[ "$status" -eq 0 ]
	[[ $output == *"Connection to two (127.0.0.2) $PORT port [tcp/*] succeeded!"* ]]
}

@test "a silent address that answers later than the others is not waited for" {
	need_ipv6
	hosts '::1 two' '127.0.0.2 two'
	full_backlog -6
	# Nobody at the other: what failed last is what -w ended.
	run_named -w 0.6 two "$PORT"
	[ "$status" -eq 124 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *'two (::1) port'* ]]
}

@test "all addresses refuse: one line with the last of them" {
	need_ipv6
	hosts '::1 two' '127.0.0.1 two'
	free_port
	for args in '' -v -n -z "-p 0"; do
		[ "$args" != -n ] || continue
		[ "$args" != '-p 0' ] || { free_port; args="-p $PORT"; free_port; }
		# shellcheck disable=SC2086
		run_named $args two "$PORT"
		[ "$status" -eq 1 ]
		[ "$output" = "sockcat: connect to two (127.0.0.1) port $PORT (tcp) failed: Connection refused" ]
	done
}

@test "-4 and -6 choose among the addresses of a name" {
	need_ipv6
	hosts '::1 two' '127.0.0.1 two'
	listen lis -k 0
	run_named -v -4 two "$PORT"
	[[ $output == *"Connection to two (127.0.0.1) $PORT"* ]]
	run_named -v -6 two "$PORT"
	[[ $output == *"Connection to two (::1) $PORT"* ]]
	run_named -v two "$PORT"
	[[ $output == *"Connection to two (::1) $PORT"* ]]
}

@test "-s fixes the family" {
	need_ipv6
	hosts '::1 two' '127.0.0.1 two'
	listen lis -k 0
	run_named -v -s 127.0.0.1 two "$PORT"
	[ "$status" -eq 0 ]
	[[ $output == *"Connection to two (127.0.0.1) $PORT"* ]]
	run_named -v -s 127.0.0.3 two "$PORT"
	wait_line lis.err '^Connection received on 127\.0\.0\.3 [0-9]+$'
	run sockcat -s 127.0.0.1 ::1 "$PORT" </dev/null
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	# What was tried is the reason, not what could not be.
	free_port
	run_named -s ::1 two "$PORT"
	[ "$output" = "sockcat: connect to two (::1) port $PORT (tcp) failed:\
 Connection refused" ]
}

@test "a fixed -p: addresses are tried one after another" {
	need_ipv6
	hosts '::1 two' '127.0.0.1 two'
	free_port
	local=$PORT
	peer_py peer source.py --bytes 10
	run_named -v -p "$local" two "$PORT"
	[ "$status" -eq 0 ]
	[[ $output == *"Connection to two (127.0.0.1) $PORT"* ]]
}

@test "a local end that cannot be bound is a failure" {
	listen lis -k 127.0.0.1 0
	for args in '-s 198.51.100.7' "-p $PORT" "-s 127.0.0.1 -p $PORT" \
	    "-z -p $PORT"; do
		# shellcheck disable=SC2086
		run sockcat $args 127.0.0.1 "$PORT" </dev/null
		echo "$args: $status $output"
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output =~ ^sockcat:.*($IN_USE|$NO_ADDRESS) ]]
	done
	listen dgram -u -k 127.0.0.1 0
	for args in '-s 198.51.100.7' "-p $PORT"; do
		# shellcheck disable=SC2086
		run sockcat -u $args 127.0.0.1 "$PORT" </dev/null
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		[[ $output =~ ^sockcat:.*($IN_USE|$NO_ADDRESS) ]]
	done
}

@test "a local end that cannot be bound ends it, whatever else a name has" {
	need_ipv6
	hosts '::1 two' '127.0.0.1 two'
	listen lis -k 127.0.0.1 0
	listen other -4 -k 0
	run_named -p "${PORT}" two "$PORT"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
}

@test "a socket that meets itself has met nobody" {
	free_port
	refused -p "$PORT" 127.0.0.1 "$PORT"
	refused -v -z -p "$PORT" 127.0.0.1 "$PORT"
	refused -s 127.0.0.1 -p "$PORT" 127.0.0.1 "$PORT"
	need_ipv6
	free_port -6
	refused -p "$PORT" ::1 "$PORT"
}

@test "-lk: every peer's bytes go to standard output" {
	for at in '127.0.0.1 0' "-U $T/sock"; do
		# shellcheck disable=SC2086
		listen lis -k $at
		to=(127.0.0.1 "$PORT")
		[ "$at" = '127.0.0.1 0' ] || to=(-U "$PORT")
		for i in 1 2 3 4 5; do
			head -c 200000 /dev/zero | tr '\0' "$i" >"$T/in$i"
			start_with "$T/in$i" c$i sockcat "${to[@]}"
		done
		for i in 1 2 3 4 5; do
			ended c$i 0
		done
		wait_size lis.out 1000000
		for i in 1 2 3 4 5; do
			[ "$(tr -cd $i <"$T/lis.out" | wc -c)" -eq 200000 ]
			[ ! -s "$T/c$i.out" ]
		done
		said lis 0
		stop lis
		[ ! -e "$T/sock" ]
	done
}

@test "-lk -d: who has ended gets an end" {
	listen srv -k -d 127.0.0.1 0
	run -0 sockcat 127.0.0.1 "$PORT" <<<hello
	wait_line srv.out hello
}

@test "-lk: input goes to every peer, from when it joined" {
	feed lis
	listen_with - lis -k 127.0.0.1 0
	feed a
	feed b
	start_with - a sockcat 127.0.0.1 "$PORT"
	wait_lines lis.err '^Connection received' 1
	send_to a $'from a\n'
	wait_line lis.out '^from a'
	send_to lis $'one\n'
	wait_line a.out '^one'
	start_with - b sockcat 127.0.0.1 "$PORT"
	send_to b $'from b\n'
	wait_line lis.out '^from b'
	send_to lis $'two\n'
	wait_line a.out '^two'
	wait_line b.out '^two'
	[ "$(cat "$T/a.out")" = $'one\ntwo' ]
	[ "$(cat "$T/b.out")" = two ]
	[ "$(cat "$T/lis.out")" = $'from a\nfrom b' ]
}

@test "-lk: input is not read while nobody is connected" {
	feed lis
	listen_with - lis -k 127.0.0.1 0
	send_to lis $'early\n'
	stays lis 0.3
	feed a
	start_with - a "${python[@]}" "$PEERS/rst.py" --connect --mode read \
	    --bytes 6 "$PORT"
	wait_line a.out '^reset 6'
	# It may be waiting in a read that began when there was somebody.
	wait_for 10 nobody
	send_to lis $'later\n'
	send_to lis $'and later\n'
	stays lis 0.3
	feed b
	start_with - b sockcat 127.0.0.1 "$PORT"
	wait_line b.out '^and later'
	[ "$(cat "$T/b.out")" = $'later\nand later' ]
}

# nobody: no connection to PORT is left.
nobody() {
	local hex

	printf -v hex %04X "$PORT"
	! grep -qE "^ *[0-9]+: [0-9A-F]+:$hex [0-9A-F]+:[0-9A-F]+ 0[1458B] " \
	    /proc/net/tcp
}

@test "-lk: a large input is not read before somebody is connected" {
	need_linux
	random_file "$T/in" 3M
	listen_with "$T/in" lis -k 127.0.0.1 0
	stays lis 0.2
	grep -qE '^pos:[[:space:]]*0$' "/proc/$pid_lis/fdinfo/0"
	sockcat 127.0.0.1 "$PORT" >"$T/got" </dev/null
	same got in
}

@test "-lk: at the end of input FINs, later ones at once; it listens on" {
	feed lis
	listen_with - lis -k 127.0.0.1 0
	client_py a half_close.py --connect --send early "$PORT"
	client_py b source.py --connect --bytes 10 --end hold "$PORT"
	wait_lines lis.err '^Connection received' 2
	send_to lis 'the end'
	end_of lis
	hash=$(printf 'the end' | sha256sum)
	wait_line a.out "^received 7 ${hash%% *} end"
	wait_line b.out "^received 7 ${hash%% *} end"
	printf 'late' >"$T/late"
	client_py c source.py --connect --file "$T/late" --end hold "$PORT"
	wait_line c.out '^received 0 .* end$'
	wait_size lis.out 19
	grep -q late "$T/lis.out"
	alive lis
	said lis 0
}

@test "-lk: a peer that half-closed goes on hearing" {
	feed lis
	listen_with - lis -k 127.0.0.1 0
	client_py a half_close.py --connect --send over "$PORT"
	wait_size lis.out 4
	send_to lis one
	send_to lis two
	end_of lis
	wait_line a.out '^received 6 .* end$'
}

@test "-lk without input: the FIN comes after the peer's, or 1 s of silence" {
	listen lis -k 127.0.0.1 0
	_now
	began=$now
	client_py a half_close.py --connect --send over "$PORT"
	wait_line a.out '^received 0 .* end$'
	_now
	((now - began < 900 * TIME_FACTOR)) || fail "$((now - began)) ms"
	began=$now
	client_py b source.py --connect --bytes 4 --end hold "$PORT"
	wait_line b.out '^received 0 .* end$'
	_now
	((now - began >= 900)) || fail "$((now - began)) ms"
}

@test "-lk: 5 MB of input reach three peers, one of them slow" {
	need_bulk
	random_file "$T/in" 5M
	feed lis
	listen_with - lis -k 127.0.0.1 0
	client_py a sink.py --connect "$PORT"
	client_py b sink.py --connect "$PORT"
	client_py c sink.py --connect --slow 65536,0.01 "$PORT"
	wait_lines lis.err '^Connection received' 3
	send_file lis "$T/in"
	end_of lis
	for i in a b c; do
		wait_line $i.out "^received 5242880 $(sha256 in) end"
	done
	said lis 0
}

@test "-lk: a peer that resets ends nobody else" {
	need_bulk
	feed lis
	listen_with - lis -k 127.0.0.1 0
	client_py a sink.py --connect "$PORT"
	wait_lines lis.err '^Connection received' 1
	client_py b rst.py --connect --mode send --bytes 5 --settle "$PORT"
	wait_line b.out '^reset'
	wait_size lis.out 5
	send_to lis more
	end_of lis
	wait_line a.out '^received 4 .* end$'
	alive lis
}

@test "-lk: a full disk: exit 1 with the reason" {
	[ -e /dev/full ] || skip "no /dev/full"
	# shellcheck disable=SC2016
	start lis bash -c 'exec "$0" -v -l -k 127.0.0.1 0 >/dev/full' \
	    "$SOCKCAT"
	_announced lis
	client_py a source.py --connect --bytes 4 --end hold "$PORT"
	ended lis 1
	said lis 1 'standard output.*No space left on device'
}

@test "-lk: a closed pipe ends it quietly by SIGPIPE" {
	# shellcheck disable=SC2016
	start lis bash -c '"$0" -v -l -k 127.0.0.1 0 | head -n 1
		exit "${PIPESTATUS[0]}"' "$SOCKCAT"
	_announced lis
	{ echo 1; head -c 30000000 /dev/zero; } >"$T/data"
	client_py a source.py --connect --file "$T/data" --end hold "$PORT"
	ended lis 141
	[ "$(cat "$T/lis.out")" = 1 ]
	said lis 0
}

@test "-lk: a full standard output stops nobody from hearing" {
	mkfifo "$T/fifo"
	exec {hold}<>"$T/fifo"
	feed lis
	# shellcheck disable=SC2016
	start_with - lis bash -c 'exec "$0" -v -l -k 127.0.0.1 0 >"$1"' \
	    "$SOCKCAT" "$T/fifo"
	_announced lis
	random_file "$T/data" 16M
	client_py a source.py --connect --file "$T/data" --end hold "$PORT"
	client_py b sink.py --connect "$PORT"
	wait_lines lis.err '^Connection received' 2
	send_to lis hello
	end_of lis
	wait_line b.out '^received 5 .* end$'
	exec {reader}<"$T/fifo"
	exec {hold}>&-
	# It goes on for ever; what the peer sent has an end.
	head -c 16777216 <&"$reader" | cmp - "$T/data"
	exec {reader}<&-
	wait_line a.out '^received 5 .* end$'
}

@test "-lk -m: the rest wait in the backlog" {
	feed lis
	listen_with - lis -k -m 1 127.0.0.1 0
	feed a
	start_with - a "${python[@]}" "$PEERS/rst.py" --connect --mode line \
	    --send one "$PORT"
	wait_size lis.out 3
	echo two | sockcat 127.0.0.1 "$PORT" >"$T/b.out" &
	stays lis 0.3
	[ "$(cat "$T/lis.out")" = one ]
	[ "$(grep -c '^Connection received' "$T/lis.err")" -eq 1 ]
	send_to a $'now\n'
	wait_line lis.out '^onetwo'
}
