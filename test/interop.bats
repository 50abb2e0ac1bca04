#!/usr/bin/env bats
#
# Against the tools and programs that are out there, in both roles: every
# byte, whoever ends first.

# shellcheck disable=SC2030,SC2031,SC2154
load helpers

setup() {
	helpers_setup
	opts=()
	random_file "$T/here" 5M
	random_file "$T/there" 5M
}

# server KIND INPUT CMD...: start CMD as `peer`, where {} stands for the port
# of a TCP server, or for the path of a Unix one, that it is to listen on, and
# wait for it. to: what sockcat says for it.
server() {
	local kind=$1 input=$2 where
	shift 2

	if [ "$kind" = unix ]; then
		where=$T/peer.sock
		rm -f "$where"
		to=(-U "$where")
	else
		free_port
		where=$PORT
		to=(127.0.0.1 "$PORT")
	fi
	start_with "$input" peer "${@//\{\}/$where}"
	if [ "$kind" = unix ]; then
		wait_for 10 test -S "$where"
	else
		wait_port "$where"
	fi
}

# receives KIND CMD...: a server that receives what sockcat sends.
receives() {
	local kind=$1
	shift

	server "$kind" /dev/null "$@"
	start_with "$T/here" cat sockcat "${opts[@]}" "${to[@]}"
	ended peer 0
	same peer.out here
	ended cat 0
}

# sends KIND CMD...: a server that sends and that sockcat hears.
sends() {
	local kind=$1
	shift

	server "$kind" "$T/there" "$@"
	start cat sockcat -d "${to[@]}"
	ended cat 0
	same cat.out there
	ended peer 0
}

# exchanges KIND CMD...: a server, and both directions at once.
exchanges() {
	local kind=$1
	shift

	server "$kind" "$T/there" "$@"
	start_with "$T/here" cat sockcat "${opts[@]}" "${to[@]}"
	ended cat 0
	same cat.out there
	ended peer 0
	same peer.out here
}

# visits KIND CMD...: a client, and both directions at once.
visits() {
	local kind=$1 where
	shift

	rm -f "$T/cat.err"
	if [ "$kind" = unix ]; then
		listen_with "$T/here" cat "${opts[@]}" -U "$T/cat.sock"
	else
		listen_with "$T/here" cat "${opts[@]}" 127.0.0.1 0
	fi
	where=$PORT
	start_with "$T/there" peer "${@//\{\}/$where}"
	ended cat 0
	same cat.out there
	ended peer 0
	same peer.out here
}

# leaves KIND BYTES CMD...: a client of `sockcat -l >file </dev/null`.
leaves() {
	local kind=$1 bytes=$2 where

	shift 2
	rm -f "$T/cat.err"
	random_file "$T/much" "$bytes"
	if [ "$kind" = unix ]; then
		listen cat -U "$T/cat.sock"
	else
		listen cat 0
	fi
	where=$PORT
	start_with "$T/much" peer "${@//\{\}/$where}"
	ended cat 0
	same cat.out much
	wait_exit peer
}

# lines NAME OTHER N: feed N lines to NAME, each once the one before has come
# to OTHER.
lines() {
	local i

	for ((i = 1; i <= $3; i++)); do
		send_to "$1" "$1 says line $i"$'\n'
		wait_lines "$2.out" "^$1 says line $i\$" 1
	done
	[ "$(wc -l <"$T/$2.out")" -eq "$3" ]
}

@test "nc.openbsd as a server" {
	need nc.openbsd
	receives tcp nc.openbsd -l 127.0.0.1 {}
	sends tcp nc.openbsd -N -l 127.0.0.1 {}
	receives unix nc.openbsd -l -U {}
	sends unix nc.openbsd -N -l -U {}
}

@test "nc.openbsd as a server, both ways with --no-shutdown" {
	need nc.openbsd
	opts=(--no-shutdown)
	exchanges tcp nc.openbsd -N -l 127.0.0.1 {}
	exchanges unix nc.openbsd -N -l -U {}
}

@test "nc.openbsd as a client" {
	need nc.openbsd
	visits tcp nc.openbsd -N 127.0.0.1 {}
	visits unix nc.openbsd -N -U {}
}

@test "ncat as a server" {
	need ncat
	receives tcp ncat --recv-only -l 127.0.0.1 {}
	sends tcp ncat --send-only -l 127.0.0.1 {}
	receives unix ncat --recv-only -l -U {}
	sends unix ncat --send-only -l -U {}
}

@test "ncat as a server, both ways with --no-shutdown" {
	need ncat
	opts=(--no-shutdown)
	exchanges tcp ncat -l 127.0.0.1 {}
	exchanges unix ncat -l -U {}
}

@test "ncat as a client" {
	need ncat
	visits tcp ncat 127.0.0.1 {}
	visits unix ncat -U {}
}

@test "socat as a server" {
	need socat
	exchanges tcp socat -t 20 - TCP-LISTEN:{},bind=127.0.0.1
	exchanges unix socat -t 20 - UNIX-LISTEN:{}
}

@test "socat as a client" {
	need socat
	visits tcp socat -t 20 - TCP:127.0.0.1:{}
	visits unix socat -t 20 - UNIX-CONNECT:{}
}

# A plain Python program that sends its input in a thread and copies what it
# receives to its output.
talk='
import os, shutil, socket, sys, threading
where = sys.argv[2]
unix = not where.isdigit()
s = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
a = where if unix else ("127.0.0.1", int(where))
if sys.argv[1] == "server":
    s.bind(a)
    s.listen()
    s = s.accept()[0]
else:
    s.connect(a)
def send():
    while True:
        data = os.read(0, 65536)
        if not data:
            break
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
t = threading.Thread(target=send)
t.start()
while True:
    data = s.recv(65536)
    if not data:
        break
    os.write(1, data)
t.join()
s.close()
'

@test "a Python server" {
	exchanges tcp "${python[@]}" -c "$talk" server {}
	exchanges unix "${python[@]}" -c "$talk" server {}
}

@test "a Python client" {
	visits tcp "${python[@]}" -c "$talk" client {}
	visits unix "${python[@]}" -c "$talk" client {}
}

@test "sockcat -l >file </dev/null receives 20 MB whole from nc.openbsd" {
	need nc.openbsd
	leaves tcp "$bulk" nc.openbsd -N 127.0.0.1 {}
	leaves tcp "$bulk" nc.openbsd 127.0.0.1 {}
	leaves tcp "$bulk" nc.openbsd -N ::1 {}
	leaves unix "$bulk" nc.openbsd -N -U {}
}

@test "sockcat -l >file </dev/null receives 20 MB whole from ncat" {
	need ncat
	leaves tcp "$bulk" ncat 127.0.0.1 {}
	leaves tcp "$bulk" ncat --send-only 127.0.0.1 {}
	leaves unix "$bulk" ncat -U {}
}

@test "sockcat -l >file </dev/null receives 20 MB whole from socat" {
	need socat
	leaves tcp "$bulk" socat - TCP:127.0.0.1:{}
	leaves tcp "$bulk" socat -u - TCP:127.0.0.1:{}
	leaves unix "$bulk" socat - UNIX-CONNECT:{}
}

@test "sockcat -l >file </dev/null receives 20 MB whole from Python" {
	leaves tcp "$bulk" "${python[@]}" -c "$talk" client {}
	leaves tcp "$bulk" "${python[@]}" "$PEERS/source.py" --connect \
	    --file "$T/much" {}
	leaves tcp "$bulk" "${python[@]}" "$PEERS/source.py" --connect \
	    --file "$T/much" --end hold {}
	leaves unix "$bulk" "${python[@]}" -c "$talk" client {}
}

@test "sockcat -l >file </dev/null receives 20 MB whole from nc.traditional" {
	need nc.traditional
	leaves tcp "$bulk" nc.traditional -q 1 127.0.0.1 {}
}

@test "sockcat -l >file </dev/null receives 20 MB whole from sockcat" {
	leaves tcp "$bulk" "$SOCKCAT" 127.0.0.1 {}
	leaves unix "$bulk" "$SOCKCAT" -U {}
}

# talks CMD...: a UDP client of a sockcat that listens; lines both ways.
talks() {
	feed cat
	feed peer
	listen_with - cat -u 127.0.0.1 0
	start_with - peer "${@//\{\}/$PORT}"
	lines peer cat 8
	lines cat peer 8
	stop peer
	stop cat
}

# answers CMD...: a UDP server that a sockcat talks to; lines both ways.
answers() {
	feed cat
	feed peer
	free_port -u
	start_with - peer "${@//\{\}/$PORT}"
	wait_port "$PORT" udp
	start_with - cat sockcat -u 127.0.0.1 "$PORT"
	lines cat peer 8
	lines peer cat 8
	end_of cat
	ended cat 0
	stop peer
}

@test "nc.openbsd over UDP, client and server" {
	need nc.openbsd
	talks nc.openbsd -u 127.0.0.1 {}
	end_of cat
	end_of peer
	rm "$T/cat.in" "$T/peer.in" "$T"/*.out "$T"/*.err
	answers nc.openbsd -u -l 127.0.0.1 {}
}

@test "ncat over UDP, client and server" {
	need ncat
	talks ncat -u 127.0.0.1 {}
	end_of cat
	end_of peer
	rm "$T/cat.in" "$T/peer.in" "$T"/*.out "$T"/*.err
	answers ncat -u -l 127.0.0.1 {}
}

@test "socat over UDP, client and server" {
	need socat
	talks socat - UDP:127.0.0.1:{}
	end_of cat
	end_of peer
	rm "$T/cat.in" "$T/peer.in" "$T"/*.out "$T"/*.err
	answers socat - UDP-LISTEN:{},bind=127.0.0.1
}

@test "a server that accepts once, answers one recv and closes" {
	need_bulk
	for where in -4 -6 "-U $T/once"; do
		[ "$where" != -6 ] || need_ipv6
		# shellcheck disable=SC2086
		peer_py srv accept_once.py $where
		to=("$ADDR" "$PORT")
		[[ $where != -U* ]] || to=(-U "$PORT")
		run -0 sockcat "${to[@]}" <<<'Hello from sockcat'
		[ "$output" = 'Hello from server' ]
		ended srv 0
		grep -qx 'Hello from sockcat' "$T/srv.out"
		rm "$T/srv.out"
	done
}

@test "that server, with standard input a terminal and one left open" {
	peer_py srv accept_once.py
	start cat in_pty --type 'Hello\n' "$SOCKCAT" 127.0.0.1 "$PORT"
	ended cat 0
	[ "$(cat "$T/cat.out")" = 'Hello from server' ]
	ended srv 0
	rm "$T/srv.out"
	peer_py srv accept_once.py
	feed two
	start_with - two sockcat -q 0 127.0.0.1 "$PORT"
	send_to two Hello
	ended two 0
	[ "$(cat "$T/two.out")" = 'Hello from server' ]
}

@test "an echo server that loops over recv and sendall" {
	for where in -4 "-U $T/echo"; do
		# shellcheck disable=SC2086
		peer_py srv echo_loop.py $where
		to=("$ADDR" "$PORT")
		[[ $where != -U* ]] || to=(-U "$PORT")
		sockcat "${to[@]}" <"$T/here" >"$T/got"
		same got here
		sockcat "${to[@]}" <"$T/there" >"$T/got"
		same got there
		stop srv
		rm "$T/srv.out"
	done
}

@test "a server with a thread for each of several clients" {
	peer_py srv threaded.py
	for i in 1 2 3 4 5; do
		head -c 300000 /dev/zero | tr '\0' "\\14$i" >"$T/in$i"
		start_with "$T/in$i" c$i sockcat 127.0.0.1 "$PORT"
	done
	for i in 1 2 3 4 5; do
		ended c$i 0
		tr '[:lower:]' '[:upper:]' <"$T/in$i" | cmp - "$T/c$i.out"
	done
	wait_lines srv.out '^- ' 5
}

@test "a client that sends and reads once" {
	printf 'Hello from sockcat' >"$T/hello"
	for args in '127.0.0.1 0' '::1 0' "-U $T/sock"; do
		[[ $args != ::1* ]] || need_ipv6
		# shellcheck disable=SC2086
		listen_with "$T/hello" lis $args
		case $args in
		127*) to=(-4 "$PORT") ;;
		::1*) to=(-6 "$PORT") ;;
		*) to=(-U "$PORT") ;;
		esac
		client_py c send_read_once.py "${to[@]}"
		ended c 0
		[ "$(cat "$T/c.out")" = 'Hello from sockcat' ]
		ended lis 0
		[ "$(cat "$T/lis.out")" = 'Hello from client' ]
		rm "$T/lis.err"
	done
}

@test "that client, of a listener that answers when it has read" {
	feed lis
	listen_with - lis 127.0.0.1 0
	client_py c send_read_once.py --message question "$PORT"
	wait_size lis.out 8
	send_to lis answer
	ended c 0
	[ "$(cat "$T/c.out")" = answer ]
	end_of lis
	ended lis 0
}

@test "a UDP server that answers every sender, and its client" {
	peer_py srv udp_answer.py --prefix 'you said '
	# (run changes i.)
	for n in 1 2 3; do
		run -0 sockcat -u 127.0.0.1 "$PORT" <<<"number $n"
		[ "$output" = "you said number $n" ]
	done
	feed lis
	listen_with - lis -u 127.0.0.1 0
	client_py c udp_client.py --message hello "$PORT"
	wait_size lis.out 5
	send_to lis answer
	ended c 0
	[ "$(cat "$T/c.out")" = answer ]
	listen echo -u -e -k 127.0.0.1 0
	client_py d udp_client.py --socket-each --message one --message two \
	    "$PORT"
	ended d 0
	[ "$(cat "$T/d.out")" = $'one\ntwo' ]
}

@test "a chat server that relays to all other clients" {
	peer_py srv chat_relay.py
	for i in 1 2 3; do
		feed c$i
		start_with - c$i sockcat 127.0.0.1 "$PORT"
		wait_line srv.out "^\+ $i"
	done
	for i in 1 2 3; do
		send_to c$i "from $i;"
		for j in 1 2 3; do
			[ $i = $j ] || wait_line c$j.out "from $i;"
		done
	done
	[ "$(cat "$T/c1.out" "$T/c2.out" "$T/c3.out")" = \
	    'from 2;from 3;from 1;from 3;from 1;from 2;' ]
	for i in 1 2 3; do
		end_of c$i
	done
	for i in 1 2 3; do
		ended c$i 0
	done
}

@test "a client that reads a length and exactly that many bytes" {
	for args in '127.0.0.1 0' "-U $T/sock"; do
		{ printf '\0\120\0\0'; cat "$T/here"; } >"$T/in"
		# shellcheck disable=SC2086
		listen_with "$T/in" lis $args
		to=("$PORT")
		[[ $args != -U* ]] || to=(-U "$PORT")
		client_py c length_client.py --ack "${to[@]}"
		ended c 0
		grep -q "^received 5242880 $(sha256 here) end" "$T/c.out"
		ended lis 0
		[ "$(cat "$T/lis.out")" = ok ]
		rm "$T/lis.err"
	done
}

@test "that client, when the input is one byte short" {
	printf '\0\0\0\4abc' >"$T/in"
	listen_with "$T/in" lis 127.0.0.1 0
	client_py c length_client.py "$PORT"
	ended c 1
	[ "$(cat "$T/c.out")" = 'short body 3 of 4' ]
	ended lis 0
}
