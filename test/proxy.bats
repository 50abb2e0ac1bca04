#!/usr/bin/env bats
#
# Through a proxy: SOCKS4a, SOCKS5 and HTTP's CONNECT, against real ones and
# one that says whatever it likes; and -F, which passes the connection on.

# shellcheck disable=SC2030,SC2031,SC2153,SC2154
load helpers

SECRET=pa:ss-W0rd

setup() {
	helpers_setup
	unset SOCKCAT_PROXY_AUTH
}

# proxy TYPE ARGS...: the proxy of test/peers, called px, in place of an
# earlier one; via: the options that lead through it.
proxy() {
	local type=$1 at
	shift

	[ -z "${pid_px:-}" ] || ! alive px || stop px
	peer_py px proxy.py --type "$type" "$@"
	at=$ADDR
	[[ $at != *:* ]] || at="[$at]"
	via=(-X "$type" -x "$at:$PORT")
	place="through proxy $ADDR port $PORT failed:"
}

# through ARGS...: what comes back through the proxy, which echoes.
through() {
	sockcat -N "${via[@]}" "$@" 2>"$T/through.err" ||
		fail "status $?: $(cat -v "$T/through.err")"
	[ ! -s "$T/through.err" ]
}

# fails STATUS REASON ARGS...: sockcat cannot reach some.host by way of the
# proxy, and says so in one line, without the password.
fails() {
	local wanted=$1 reason=$2
	shift 2

	run sockcat "${via[@]}" "$@" some.host 80 </dev/null
	[ "$status" -eq "$wanted" ] || fail "status $status: $output"
	[ "${#lines[@]}" -eq 1 ]
	[ "$output" = "sockcat: connect to some.host port 80 (tcp) $place $reason" ] ||
		fail "not '$reason': $output"
	[[ $output != *W0rd* ]]
}

# misused REASON ARGS...: a mistake on the command line.
misused() {
	local reason=$1
	shift

	run sockcat "$@" </dev/null
	[ "$status" -eq 2 ] || fail "status $status: $output"
	[[ ${lines[0]} == "sockcat: "*"$reason"* ]] ||
		fail "not '$reason': $output"
	[ "${lines[1]}" = "sockcat: try 'sockcat --help'" ]
	[[ $output != *W0rd* ]]
}

@test "the name arrives at the proxy as it was written" {
	for type in 4 5 connect; do
		proxy $type
		[ "$(echo hello | through Some.Name-1.invalid 4711)" = hello ]
		kind=name
		[ $type != connect ] || kind=connect
		[ "$(sed -n 2p "$T/px.out")" = \
			"request $kind Some.Name-1.invalid 4711 - from 127.0.0.1" ]
	done
}

@test "addresses arrive as addresses" {
	for type in 4 5 connect; do
		proxy $type
		[ "$(echo hello | through -n 192.0.2.7 80)" = hello ]
		[ $type = 4 ] ||
			[ "$(echo six | through -n 2001:db8::7 80)" = six ]
	done
	wait_line px.out '^request connect 192.0.2.7 80 - '
	wait_line px.out '^request connect \[2001:db8::7\] 80 - '
	proxy 5
	echo | through 192.0.2.7 80
	echo | through '[2001:db8::7]:65535'
	wait_line px.out '^request ipv4 192.0.2.7 80 - '
	wait_line px.out '^request ipv6 2001:db8::7 65535 - '
	proxy 4
	echo | through 192.0.2.7 80
	wait_line px.out '^request ipv4 192.0.2.7 80 - '
}

@test "the longest name, and one that is too long" {
	printf -v name '%0255d' 7
	for type in 4 5 connect; do
		proxy $type
		[ "$(echo hello | through "$name" 80)" = hello ]
		wait_line px.out " $name 80 "
		misused 'too long for a proxy' "${via[@]}" "${name}8" 80
	done
}

@test "a proxy over IPv6, by name, on its usual port" {
	need_ipv6
	proxy 5 -6
	[ "$(echo hello | through some.host 80)" = hello ]
	hosts '127.0.0.1 px'
	proxy 5
	run_named -X 5 -x "px:$PORT" -v -z some.host 80
	[ "$status" -eq 0 ]
	[ "$output" = 'Connection to some.host 80 port [tcp/http] succeeded!' ] ||
		[ "$output" = 'Connection to some.host 80 port [tcp/*] succeeded!' ]
	# An address of the loopback network where hardly anybody listens.
	for args in '1080' '1080 -X 4' '3128 -X connect'; do
		# shellcheck disable=SC2086
		set -- $args
		run sockcat -z -x 127.91.7.3 "${@:2}" some.host 80
		[ "$status" -ne 0 ]
		[[ $output == "sockcat: connect to some.host port 80 (tcp) through proxy 127.91.7.3 port $1 failed: "* ]]
	done
}

@test "what the target says with the reply is kept, wherever it is torn" {
	for type in 4 5 connect; do
		for split in '' --split; do
			# shellcheck disable=SC2086
			proxy $type --early 'first words; ' $split
			[ "$(echo hello | through some.host 80)" = \
				'first words; hello' ] || wrong "$type $split"
		done
	done
	# The other lengths of a reply.
	for reply in '\x05\x00\x00\x03\x05there\x00\x50' \
	    '\x05\x00\x00\x03\x00\x00\x00' \
	    '\x05\x00\x00\x04aaaabbbbccccdddd\x00\x50'; do
		proxy 5 --reply "${reply}more; " --then echo
		[ "$(echo hello | through some.host 80)" = 'more; hello' ] ||
			wrong "$reply"
	done
	for reply in 'HTTP/1.0 200\r\n\r\n' 'HTTP/1.1 299 Fine\n\n' \
	    'HTTP/1.1 200 \r\nA: b\r\n\n'; do
		proxy connect --reply "${reply}more; " --then echo
		[ "$(echo hello | through some.host 80)" = 'more; hello' ] ||
			wrong "$reply"
	done
	none_wrong
}

@test "megabytes both ways" {
	size=3M
	[ "${VARIANT:-plain}" != torture ] || size=100k
	random_file "$T/in" $size
	for type in 4 5 connect; do
		proxy $type
		through some.host 80 <"$T/in" >"$T/got"
		same got in
	done
}

@test "user and password: SOCKCAT_PROXY_AUTH, and a file that outdoes it" {
	export SOCKCAT_PROXY_AUTH=ann:$SECRET
	printf 'bob:%s\r\nthe second line\n' "$SECRET" >"$T/auth"
	for type in 5 connect; do
		for split in '' --split; do
			# shellcheck disable=SC2086
			proxy $type --auth "ann:$SECRET" $split
			[ "$(echo hello | through some.host 80)" = hello ]
			wait_line px.out "^request .* ann:$SECRET from "
		done
		proxy $type --auth "bob:$SECRET"
		[ "$(echo hello | through --proxy-auth-file "$T/auth" \
			some.host 80)" = hello ]
		# A proxy that asks for nothing.
		proxy $type
		[ "$(echo hello | through some.host 80)" = hello ]
	done
	# SOCKS4 knows users only.
	proxy 4
	[ "$(echo hello | through some.host 80)" = hello ]
	wait_line px.out '^request name some.host 80 ann from '
	# The longest, and every padding of Base64.
	printf -v name '%0255d' 7
	for name in "$name" a ab abc; do
		for type in 5 connect; do
			proxy $type --auth "$name:$name"
			[ "$(echo hello | SOCKCAT_PROXY_AUTH=$name:$name \
				through some.host 80)" = hello ]
		done
	done
}

@test "credentials that are wrong, or missing" {
	proxy 5 --auth "ann:$SECRET"
	fails 1 'the proxy says: no acceptable way to log in (255)'
	export SOCKCAT_PROXY_AUTH=bob:$SECRET
	fails 1 'the proxy says: wrong user or password (1)' -vv
	proxy connect --auth "ann:$SECRET"
	fails 1 'the proxy says: 407 Proxy Authentication Required' -vv
	unset SOCKCAT_PROXY_AUTH
	fails 1 'the proxy says: 407 Proxy Authentication Required'
	proxy 5 --method '\x05\x02'
	fails 1 'the proxy wants a user and a password'
}

@test "credentials that cannot be" {
	to=(-x 127.0.0.1 some.host 80)
	printf -v long '%0256d' 7
	for bad in W0rd :W0rd; do
		SOCKCAT_PROXY_AUTH=$bad misused \
			'SOCKCAT_PROXY_AUTH is not USER:PASSWORD' "${to[@]}"
	done
	SOCKCAT_PROXY_AUTH=$long:W0rd \
		misused 'the user is longer than 255 bytes' "${to[@]}"
	SOCKCAT_PROXY_AUTH=ann:W0rd$long \
		misused 'the password is longer than 255 bytes' "${to[@]}"
	printf 'W0rd\nann:W0rd\n' >"$T/auth"
	misused "$T/auth is not USER:PASSWORD" --proxy-auth-file "$T/auth" \
		"${to[@]}"
	run sockcat --proxy-auth-file "$T/none" "${to[@]}"
	[ "$status" -eq 1 ]
	[ "$output" = "sockcat: cannot read $T/none: No such file or directory" ]
	run sockcat --proxy-auth-file "$T" "${to[@]}"
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
}

@test "SOCKS5: every refusal in words" {
	i=1
	for words in 'general failure' 'not allowed by the rules' \
	    'network unreachable' 'host unreachable' 'connection refused' \
	    'TTL expired' 'command not supported' \
	    'address type not supported' no; do
		proxy 5 --reply "\\x05\\x0$i\\x00\\x01aaaabb"
		fails 1 "the proxy says: $words ($i)"
		i=$((i + 1))
	done
	# Without an address, as some do.
	proxy 5 --reply '\x05\x05\x00\x00\x00'
	fails 1 'the proxy says: connection refused (5)'
}

@test "SOCKS4: every refusal in words" {
	i=91
	for words in 'request rejected or failed' 'no identd on this host' \
	    'identd names another user' no; do
		printf -v code '\\x00\\x%02xaabbbb' "$i"
		proxy 4 --reply "$code"
		fails 1 "the proxy says: $words ($i)"
		i=$((i + 1))
	done
	proxy 4 --reply '\x00\x00aabbbb'
	fails 1 'the proxy says: no (0)'
}

@test "HTTP: its status line, made printable" {
	proxy connect --reply 'HTTP/1.1 403 Not you\r\nA: b\r\n\r\n<html>'
	fails 1 'the proxy says: 403 Not you'
	proxy connect --reply 'HTTP/1.0 100 \x1b[2J\x07\r\n\r\n'
	fails 1 'the proxy says: 100 \x1B[2J\x07'
	proxy connect --reply 'HTTP/1.1 301\r\n\r\n'
	fails 1 'the proxy says: 301'
	printf -v long '%0400d' 7
	proxy connect --reply "HTTP/1.1 500 $long\r\n\r\n"
	run sockcat "${via[@]}" some.host 80
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"$place the proxy says: 500 0000"* ]]
}

# senseless TYPE ARGS...: its answer is none; it ends at once, though the
# proxy holds the connection.
senseless() {
	proxy "$@"
	fails 1 "the proxy's reply makes no sense"
}

@test "what is no reply is refused at once" {
	senseless 5 --method 'HTTP/1.1 400 Bad Request\r\n\r\n' --stop login
	senseless 5 --method '\x04'
	senseless 5 --reply '\x04'
	senseless 5 --reply '\x05\x00\x00\x02a'
	senseless 5 --reply '\x05\x00\x00\x00a'
	senseless 4 --reply '\x05'
	senseless 4 --reply 'SSH-2.0-x\r\n'
	senseless connect --reply '\x05\x00'
	senseless connect --reply 'SSH-2.0-x\r\n'
	senseless connect --reply 'HTTP/2 200\r\n\r\n'
	senseless connect --reply 'HTTP/1.1 2x0\r\n\r\n'
	senseless connect --reply 'HTTP/1.1\r\n\r\n\r\n\r\n'
	senseless connect --reply 'HTTP/1.1 20\r\n\r\n'
	export SOCKCAT_PROXY_AUTH=ann:$SECRET
	senseless 5 --auth "ann:$SECRET" --login '\x05\x00'
}

@test "a reply without an end is not read for ever" {
	proxy connect --reply 'HTTP/1.1 200 OK\r\nA: ' --fill 100000
	fails 1 "the proxy's reply is too long"
	proxy connect --reply 'HTTP/1.1 200 ' --fill 100000
	fails 1 "the proxy's reply is too long"
}

@test "a proxy that ends in the middle" {
	gone='the proxy ended the connection'
	export SOCKCAT_PROXY_AUTH=ann:$SECRET
	for step in method login reply; do
		proxy 5 --auth "ann:$SECRET" --stop $step --then close
		fails 1 "$gone"
	done
	proxy 5 --method '\x05' --stop reply --then close
	for reply in '\x05' '\x05\x00\x00\x03\xffabc' '\x05\x00\x00\x04abc' \
	    '\x05\x01\x00\x01aaaa'; do
		proxy 5 --reply "$reply" --then close
		fails 1 "$gone"
	done
	proxy 4 --reply '\x00\x5aaaaaa' --then close
	fails 1 "$gone"
	proxy connect --reply 'HTTP/1.1 200 OK\r\nA: b\r\n' --then close
	fails 1 "$gone"
	proxy connect --stop reply --then reset
	fails 1 'Connection reset by peer'
}

# late ARGS...: it takes too long for -w.
late() {
	run sockcat "${via[@]}" -w 0.5 "$@" some.host 80 </dev/null
	[ "$status" -eq 124 ] || fail "status $status: $output"
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == "sockcat: connect to some.host port 80 (tcp) $place "*'no answer '*'in time (-w)' ]]
}

@test "a silent proxy: -w bounds all of it" {
	export SOCKCAT_PROXY_AUTH=ann:$SECRET
	for step in method login reply; do
		proxy 5 --auth "ann:$SECRET" --stop $step
		late
	done
	for type in 4 connect; do
		proxy $type --stop reply
		late
		late -z
	done
	# Not even a trickle makes it longer: it would be too long in the end.
	proxy connect --reply 'HTTP/1.1 200 OK\r\n' --fill 9000 --split
	late
	run sockcat --max-time 0.4 "${via[@]}" some.host 80
	[ "$status" -eq 124 ]
	[ "$output" = 'sockcat: the time of --max-time passed' ]
}

@test "nobody at the proxy's door, or no such proxy" {
	free_port
	via=(-x "127.0.0.1:$PORT")
	place="through proxy 127.0.0.1 port $PORT failed: the proxy is not reached:"
	fails 1 'Connection refused'
	full_backlog
	via=(-x "127.0.0.1:$PORT")
	place="through proxy 127.0.0.1 port $PORT failed: the proxy is not reached:"
	late
	hosts '127.0.0.1 localhost'
	run_named -x no.such.name.invalid some.host 80
	[ "$status" -eq 3 ]
	[[ $output == 'sockcat: connect to some.host port 80 (tcp) through proxy no.such.name.invalid port 1080 failed: the proxy is not reached: cannot resolve no.such.name.invalid: '* ]]
}

@test "-s and -p are for the way to the proxy" {
	proxy 5
	echo | through -s 127.0.0.5 some.host 80
	wait_line px.out '^request name some.host 80 - from 127.0.0.5$'
	run sockcat "${via[@]}" -s 127.0.0.1 -p "$PORT" some.host 80
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"$place the proxy is not reached: cannot bind the local end to 127.0.0.1 $PORT: "* ]]
	[[ $output =~ $IN_USE$ ]]
}

@test "-z: open, refused, and --retry until it is open" {
	for type in 4 5 connect; do
		proxy $type --refuse 2
		run sockcat -z -w 20 "${via[@]}" some.host 80
		[ "$status" -eq 1 ]
		[ "${#lines[@]}" -eq 1 ]
		run sockcat -v -z -n -w 20 --retry 20 "${via[@]}" 192.0.2.1 80
		[ "$status" -eq 0 ]
		[ "$output" = 'Connection to 192.0.2.1 80 port [tcp/*] succeeded!' ]
		[ "$(grep -c '^request' "$T/px.out")" -eq 3 ]
	done
	proxy 5 --refuse 100
	run sockcat -z "${via[@]}" -w 20 --retry 1 some.host 80
	[ "$status" -eq 124 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *" $place "* ]]
}

@test "-z: several ports, each asked of the proxy" {
	for type in 4 5 connect; do
		proxy $type --refuse 1
		run sockcat -z -w 20 --parallel 1 "${via[@]}" some.host 4001-4003
		[ "$status" -eq 0 ]
		[ "$output" = 'some.host 4002 open tcp
some.host 4003 open tcp' ]
	done
}

@test "-c: the command talks through the proxy" {
	for type in 4 5 connect; do
		proxy $type --early $'early\n'
		export said=$T/said
		sockcat "${via[@]}" -c 'read -r a; echo hello; read -r b
			echo "$a $b $TCPREMOTEIP $TCPREMOTEPORT" >"$said"' \
			some.host 80
		[ "$(cat "$T/said")" = "early hello 127.0.0.1 $PORT" ]
	done
}

@test "-e: an echo for somebody behind the proxy" {
	proxy 5 --early 'say this' --hear 8
	start echo sockcat -e "${via[@]}" some.host 80
	wait_line px.out '^heard say this$'
	ended echo 0
}

@test "--forward: each peer through the proxy" {
	for type in 4 5 connect; do
		proxy $type --early 'hi; '
		listen fwd$type --forward some.host:77 "${via[@]}" 127.0.0.1 0
		[ "$(echo hello | sockcat 127.0.0.1 "$PORT")" = 'hi; hello' ]
		ended fwd$type 0
		wait_line px.out ' some.host 77 - '
		wait_line fwd$type.err '^Connection to some.host 77 port \[tcp/.*\] succeeded!$'
	done
	proxy 5 --refuse 1
	listen fwd -k --forward some.host:77 "${via[@]}" 127.0.0.1 0
	sockcat 127.0.0.1 "$PORT" </dev/null || :
	wait_line fwd.err "^sockcat: connect to some.host port 77 \\(tcp\\) $place the proxy says: connection refused \\(5\\)$"
	for i in 1 2 3 4; do
		echo "$i" >"$T/in$i"
		start_with "$T/in$i" c$i sockcat 127.0.0.1 "$PORT"
	done
	for i in 1 2 3 4; do
		ended c$i 0
		[ "$(cat "$T/c$i.out")" = "$i" ]
	done
}

# answers ARGS...: sockcat ARGS to some server that answers a line and ends.
# A FIN that is early would end both ways in these proxies.
answers() {
	local got

	got=$(echo hello | sockcat --no-shutdown -w 20 "$@" 2>"$T/answers.err") ||
		wrong "$*: status $?: $(cat "$T/answers.err")"
	[ "$got" = 'you said hello' ] || wrong "$*: $got"
}

# real TYPE: a proxy of some other make at PORT: questions and answers, bytes
# both ways, a target that is not there.
real() {
	local at=127.0.0.1:$PORT size=2M host

	[ "${VARIANT:-plain}" != torture ] || size=50k
	via=(-X "$1" -x "$at")
	listen srv -k -c 'read -r a; echo "you said $a"' 127.0.0.1 0
	for host in 127.0.0.1 localhost; do
		answers "${via[@]}" $host "$PORT"
	done
	run sockcat -v -z -w 20 "${via[@]}" 127.0.0.1 "$PORT"
	[ "$status" -eq 0 ]
	[ "$output" = "Connection to 127.0.0.1 $PORT port [tcp/*] succeeded!" ]
	random_file "$T/in" $size
	n=$(wc -c <"$T/in") up=$T/up listen up \
		-c 'head -c "$n" >"$up"' 127.0.0.1 0
	sockcat --no-shutdown "${via[@]}" 127.0.0.1 "$PORT" <"$T/in"
	ended up 0
	same up in
	peer_py down source.py --file "$T/in"
	sockcat -d --no-shutdown "${via[@]}" 127.0.0.1 "$PORT" >"$T/got"
	same got in
	ended down 0
	free_port
	run sockcat -w 20 "${via[@]}" 127.0.0.1 "$PORT" </dev/null
	[ "$status" -eq 1 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == "sockcat: connect to 127.0.0.1 port $PORT (tcp) through proxy ${at/:/ port } failed: the proxy says: "* ]]
	none_wrong
}

# login TYPE WORDS: it wants SOCKCAT_PROXY_AUTH, else it says WORDS.
login() {
	local type=$1 words=$2

	via=(-X "$type" -x "127.0.0.1:$PORT")
	place="through proxy 127.0.0.1 port $PORT failed:"
	SOCKCAT_PROXY_AUTH=ann:wrongW0rd fails 1 "the proxy says: $words" -w 20
	export SOCKCAT_PROXY_AUTH=ann:$SECRET
	real "$type"
}

@test "microsocks" {
	need_whole
	need microsocks
	free_port
	start ms microsocks -i 127.0.0.1 -p "$PORT"
	wait_port "$PORT"
	real 5
}

@test "microsocks with user and password" {
	need_whole
	need microsocks
	free_port
	start ms microsocks -i 127.0.0.1 -p "$PORT" -u ann -P "$SECRET"
	wait_port "$PORT"
	login 5 'wrong user or password (2)'
}

@test "ncat's proxy, with user and password" {
	need ncat
	free_port
	start nc ncat -l -k --proxy-type http --proxy-auth "ann:$SECRET" \
		127.0.0.1 "$PORT"
	wait_port "$PORT"
	login connect '407 Proxy Authentication Required'
}

@test "tinyproxy, with and without user and password" {
	need tinyproxy
	free_port
	cat >"$T/conf" <<-end
		Port $PORT
		Listen 127.0.0.1
		Timeout 60
		MaxClients 20
	end
	start tp tinyproxy -d -c "$T/conf"
	wait_port "$PORT"
	real connect
	free_port
	sed "s/^Port.*/Port $PORT/" "$T/conf" >"$T/conf2"
	echo "BasicAuth ann ${SECRET//:/}" >>"$T/conf2"
	start tp2 tinyproxy -d -c "$T/conf2"
	wait_port "$PORT"
	SECRET=${SECRET//:/}
	stop srv
	login connect '401 Unauthorized'
}

@test "the FIN waits for a second of silence" {
	# For as many proxies a FIN ends both ways.
	proxy 5
	_now
	began=$now
	[ "$(echo hello | sockcat "${via[@]}" some.host 80)" = hello ]
	_now
	((now - began >= 900)) || fail "$((now - began)) ms"
}

@test "-F: the connection goes to whoever reads standard output" {
	listen echo -k -e 127.0.0.1 0
	proxy 5 --early 'first; '
	echo_port=$(sed -n 's/^Listening on [^ ]* //p' "$T/echo.err")
	for args in "127.0.0.1 $echo_port" "${via[*]} some.host 80"; do
		# shellcheck disable=SC2086
		client_py fd recv_fd.py --send hello "$SOCKCAT" -F $args
		ended fd 0
		wanted=hello
		[[ $args != *host* ]] || wanted='first; hello'
		[ "$(cat "$T/fd.out")" = "status 0
bytes 1
answer '$wanted'" ]
	done
	listen unix -k -e -U "$T/s"
	client_py fd recv_fd.py --send hello "$SOCKCAT" -F -U "$T/s"
	ended fd 0
	wait_line fd.out "^answer 'hello'$"
	free_port
	client_py fd recv_fd.py "$SOCKCAT" -F 127.0.0.1 "$PORT"
	ended fd 0
	[ "$(cat "$T/fd.out")" = "status 1
bytes 0
nothing" ]
}

@test "-F as ssh wants it" {
	need ssh
	listen lis 127.0.0.1 0
	start ssh ssh -F none -T -o BatchMode=yes -o ProxyUseFdpass=yes \
		-o "ProxyCommand=$SOCKCAT -F %h %p" -p "$PORT" 127.0.0.1 true
	wait_line lis.out '^SSH-2.0'
	wait_exit ssh 20
}

@test "-F: standard output has to be a Unix socket, and nothing else is done" {
	listen lis -k 127.0.0.1 0
	run sockcat -F 127.0.0.1 "$PORT"
	[ "$status" -eq 1 ]
	[ "$output" = 'sockcat: -F: standard output is no Unix-domain socket' ]
	run "${python[@]}" "$PEERS/socket_run.py" --out "$T/out" "$SOCKCAT" \
		-F 127.0.0.1 "$PORT"
	[ "$status" -eq 1 ]
	[[ $output == *'no Unix-domain socket'* ]]
	for args in '--send a' '--expect a' -C '-i 1' '--rate 1k' "-o $T/o" \
	    --no-shutdown --send-only '--recv-bytes 3' --reset; do
		# shellcheck disable=SC2086
		misused 'makes no sense with' -F $args 127.0.0.1 "$PORT"
	done
	not grep -q 'Connection received' "$T/lis.err"
}

@test "mistakes on the command line" {
	misused '-X makes no sense without -x' -X 5 some.host 80
	misused '--proxy-auth-file makes no sense without -x' \
		--proxy-auth-file "$T/x" some.host 80
	misused '"6" is not 4, 5 or connect' -X 6 -x 127.0.0.1 some.host 80
	misused 'there is no IPv6 in SOCKS4' -X 4 -x 127.0.0.1 ::1 80
	misused 'takes no user and no password' \
		-x ann:W0rd@127.0.0.1:1080 some.host 80
	misused 'is no numeric address' -n -x 127.0.0.1 some.host 80
	misused 'is no numeric address' -n -x some.host 127.0.0.1 80
	for bad in 127.0.0.1: :80 '' '[]' '[]:80'; do
		misused -x -x "$bad" some.host 80
	done
	for port in 0 65536 80x no-such-service; do
		misused 'is not a port' -x "127.0.0.1:$port" some.host 80
	done
	for host in 'a b' $'a\r\nX y' $'a\tb'; do
		misused 'could name' -X connect -x 127.0.0.1 "$host" 80
	done
	misused 'makes no sense with -u' -u -x 127.0.0.1 some.host 80
	misused 'makes no sense with -U' -U -x 127.0.0.1 "$T/s"
	misused 'makes no sense with -l' -l -x 127.0.0.1 0
	misused '-x makes no sense' -l --forward "unix:$T/s" -x 127.0.0.1 0
	misused '-x makes no sense' -u -l --forward 127.0.0.1:9 -x 127.0.0.1 0
	misused 'there is no IPv6 in SOCKS4' -l --forward '[::1]:9' -X 4 \
		-x 127.0.0.1 0
}

@test "-x: what is no host is told what to write" {
	local text

	for text in http://127.0.0.1:3128 /tmp/dump.hex; do
		run -2 "$SOCKCAT" -x "$text" 127.0.0.1 80
		[[ ${lines[0]} == *"is not HOST[:PORT]; the type is -X, a hex dump --hex-dump" ]]
	done
}
