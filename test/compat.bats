#!/usr/bin/env bats
#
# Scripts written for nc.openbsd, nc.traditional and ncat: the tables of
# COMPATIBILITY in the manual.  Where a row says `the same' the other program
# and sockcat are run side by side; where it says what to write instead, the
# message of sockcat says so, too.
#
# A test says with `rows PROGRAM OPTION...' which rows of the tables it is
# about; the first one looks whether none is left out.
#
# bats file_tags=slow

# shellcheck disable=SC2154 # python, status: the helpers set them
load helpers

programs=(nc.openbsd nc.traditional ncat)

setup() {
	helpers_setup
	cd "$T" || return
}

# rows PROGRAM OPTION...: what this test is about.
rows() {
	:
}

# tool PROGRAM ARGS...: run it, or sockcat if that is its name, as the helper
# of that name does.
tool() (
	_ms 30
	_close_fds
	[ "$1" != sockcat ] || set -- "$(path_of sockcat)" "${@:2}"
	exec timeout -s KILL "$((ms / 1000))" "$@"
)

# path_of PROGRAM: what to start.
path_of() {
	if [ "$1" = sockcat ]; then echo "$SOCKCAT"; else type -P "$1"; fi
}

# beside PROGRAM FUNCTION ARGS...: FUNCTION says the same about the program
# and about sockcat, each time called with its name in front of ARGS.
beside() {
	local program=$1 call=$2
	shift 2

	need "$program"
	"$call" "$program" "$@" >"$T/theirs"
	"$call" sockcat "$@" >"$T/ours"
	[ -s "$T/theirs" ]
	diff -u "$T/theirs" "$T/ours" >&2 ||
		fail "$program (-) and sockcat (+) differ: $call $*"
}

# client PROGRAM INPUT WITNESS... -- ARGS...: what a witness and its client
# tell, which is PROGRAM with ARGS, `{}' being host and port, `@own' a port
# to come from.
client() {
	local program=$1 input=$2 words=() witness=() arg code own
	shift 2

	while [ "$1" != -- ]; do
		witness+=("$1")
		shift
	done
	shift
	own=none
	[[ $* != *@own* ]] || { free_port && own=$PORT; }
	peer_py srv witness.py "${witness[@]}"
	for arg; do
		case $arg in
		@own) words+=("$own") ;;
		\{\}) words+=("$ADDR" "$PORT") ;;
		*) words+=("$arg") ;;
		esac
	done
	printf '%b' "$input" >"$T/input"
	code=0
	tool "$program" "${words[@]}" <"$T/input" >"$T/out" 2>"$T/err" ||
		code=$?
	wait_exit srv 20
	sed -E "1d; /^from/{s/ $own$/ own/; s/ [0-9]+$//}" "$T/srv.out"
	echo "status $code"
	cat "$T/out"
}

# held PROGRAM INPUT ARGS...: the same with a witness that says hi and never
# ends; what the client sends ends when it has heard that.
held() {
	local own

	rm -f "$T/cl.in"
	printf '%b' "$2" >"$T/input"
	feed cl
	own=none
	[[ $* != *@own* ]] || { free_port && own=$PORT; }
	peer_py srv witness.py --hello 'hi\n' --hold
	set -- "$(path_of "$1")" "${@:3}" "$ADDR" "$PORT"
	start_with - cl "${@/#@own/$own}"
	send_file cl "$T/input"
	wait_line cl.out '^hi$'
	end_of cl
	wait_exit cl 20
	echo "status $status"
	wait_exit srv
	sed -E "1d; /^from/{s/ $own$/ own/; s/ [0-9]+$//}" "$T/srv.out"
	cat "$T/cl.out"
}

#
# The tables
#

# table PROGRAM: the options of its table in the manual, a line each.
table() {
	sed 's/\\-/-/g' "$BATS_TEST_DIRNAME/../sockcat.1" |
		awk -v name="$1" '/^\.S[sh] / { on = $2 == "Coming" && $4 == name }
		on && /^\.It Fl/' |
		sed -E 's/^\.It //; s/ Ta .*//; s/Fl (-?)/-\1/g; s/ , / /g' |
		tr ' ' '\n' | grep '^-'
}

@test "every option of the others has a row, and every row its test" {
	local program

	for program in "${programs[@]}"; do
		table "$program" | sort >"$T/rows"
		[ "$(wc -l <"$T/rows")" -gt 20 ]
		sort -u "$T/rows" | cmp - "$T/rows"
		sed -nE "s/^\trows $program //p" "$BATS_TEST_FILENAME" |
			tr ' ' '\n' | sort -u >"$T/tried"
		diff -u "$T/rows" "$T/tried" >&2 ||
			fail "rows of $program (-) and tests (+)"
		type -P "$program" >/dev/null || continue
		# Letters and names that its own help knows.
		"$program" -h 2>&1 | grep -E '^\s+(-|\[v)' |
			grep -oE '^\s+-[A-Za-z0-9]\b|--[a-z-]+' |
			tr -d ' \t' | sed 's/^--ssl-.*/--ssl/' |
			grep -vx -- '--' | sort -u >"$T/known"
		[ "$(wc -l <"$T/known")" -gt 15 ]
		run comm -23 "$T/known" "$T/rows"
		[ -z "$output" ] || fail "$program has no row for $output"
	done
}

# advises WORD... -- ARGS...: a usage error; the message has all the words.
advises() {
	local words=()

	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	shift
	run tool sockcat "$@"
	[ "$status" -eq 2 ] || wrong "$*: status $status: $output"
	[ "${#lines[@]}" -eq 2 ] || wrong "$*: $output"
	for word in "${words[@]}"; do
		[[ ${lines[0]} == *"$word"* ]] ||
			wrong "$*: no $word: ${lines[0]}"
	done
}

@test "what is missing here: the message says what to write" {
	rows nc.openbsd -D -m -P -r -S -V -Z
	rows nc.traditional -e -G -g -k -r
	rows ncat -d -e -G -g --lua-exec --proxy-auth --proxy-dns --sctp --ssl --vsock
	advises SO_DEBUG 'leave it out' -- -D localhost 1
	advises -m TTL -- -m 3 localhost 1
	advises -P SOCKCAT_PROXY_AUTH -- -X 5 -x localhost -P me localhost 1
	advises -r random 'leave it out' -- -rz localhost 1
	advises MD5 -- -S localhost 1
	advises -V 'no routing table' -- -V 3 localhost 1
	advises DCCP -- -Z localhost 1
	advises 'takes no command' -c -- -e /bin/sh localhost 1
	advises 'takes no command' -c -- -e sh localhost 1
	advises 'source routes' -- -g 192.0.2.1 localhost 1
	advises 'source routes' -- -G 4 localhost 1
	advises -- --keepalive -- -k localhost 1
	advises --delay -- -d 1 localhost 1
	advises "--exec 'lua FILE'" -- --lua-exec x.lua -l 1
	advises SOCKCAT_PROXY_AUTH --proxy-auth-file -- \
		--proxy-auth me:secret --proxy localhost localhost 1
	advises SOCKCAT_PROXY_AUTH -- --proxy-auth=me:secret localhost 1
	[[ ${lines[0]} != *secret* ]]
	advises 'leave it out' -- --proxy-dns remote localhost 1
	advises SCTP socat -- --sctp localhost 1
	advises 'VM sockets' socat -- --vsock 2 1
	for option in --ssl --ssl-verify --ssl-alpn=x; do
		advises "${option%=*};" TLS openssl -- $option localhost 1
	done
	advises -W --recv-bytes -- -W 3 localhost 1
	advises -s 'operand host' -- -l -s localhost 1
	advises '22,80' -- -z localhost 22 80
	none_wrong
}

#
# Clients
#

@test "nc.openbsd: what a client sends, and when it ends" {
	rows nc.openbsd -4 -6 -C -i -N -n -p -q -s -w
	beside nc.openbsd client 'a\nb' --answer hello -- -N -4 {}
	beside nc.openbsd client 'a\nb\r\nc\n' --answer hello -- -N -C {}
	beside nc.openbsd client 'a\nb\nc' --answer hello -- -N -i 1 {}
	grep -q slowly "$T/ours"
	beside nc.openbsd client 'a\n' --answer hello -- -N -n {}
	beside nc.openbsd client 'a\n' --answer hello -- -N -w 20 {}
	beside nc.openbsd client 'a\n' --answer hello -- -N -s 127.0.0.3 {}
	grep -q 127.0.0.3 "$T/ours"
	beside nc.openbsd client 'a\n' --answer hello -- -N -p @own {}
	grep -q '^from 127.0.0.1 own$' "$T/ours"
	beside nc.openbsd held 'a\n' -q 1
	beside nc.openbsd held 'a\n' -q 0
	need_ipv6
	beside nc.openbsd client 'a\n' --answer hello -6 -- -N -6 {}
}

@test "nc.openbsd: no input, datagrams, Unix sockets" {
	rows nc.openbsd -d -u -U -W
	beside nc.openbsd client 'a\n' --hello hi --first -- -d {}
	beside nc.openbsd client 'a\n' -u --answer hello -- -u -W 1 {}
	beside nc.openbsd unix_client -N -U
	beside nc.openbsd unix_client -N -U -w 20
}

@test "nc.traditional: what a client sends, and when it ends" {
	rows nc.traditional -C -i -n -p -q -s -u -w
	beside nc.traditional held 'a\nb\nc\n' -q 1
	beside nc.traditional held 'a\n' -q 1 -C
	beside nc.traditional held 'a\nb\nc\n' -q 1 -i 1
	grep -q slowly "$T/ours"
	beside nc.traditional held 'a\n' -nq 1 -w 20
	beside nc.traditional held 'a\n' -q 1 -s 127.0.0.3
	beside nc.traditional held 'a\n' -q 1 -p @own
	grep -q '^from 127.0.0.1 own$' "$T/ours"
	beside nc.traditional udp_client -u -q 1
}

@test "ncat: what a client sends, and when it ends" {
	rows ncat -4 -6 -C --crlf -n --nodns -s --source -w --wait --delay
	local option

	for option in -4 -n --nodns '-w 20' '--wait 20s' '-s 127.0.0.3' \
	    '--source 127.0.0.3' '--delay 10ms' -C --crlf; do
		# shellcheck disable=SC2086 # words
		beside ncat client 'a\nb\n' --answer hello -- $option {}
	done
	need_ipv6
	beside ncat client 'a\n' --answer hello -6 -- -6 {}
}

@test "ncat: where a client comes from, and one direction alone" {
	rows ncat --no-shutdown -p --recv-only --send-only --source-port
	rows ncat -U -u --udp --unixsock
	local option

	for option in -p --source-port; do
		beside ncat client 'a\n' --answer hello -- $option @own {}
		grep -q '^from 127.0.0.1 own$' "$T/ours"
	done
	beside ncat client 'a\n' --hello hi --first -- --recv-only {}
	# ncat itself fails now and then where its peer ends first.
	client sockcat 'a\n' --hello hi --first -- --no-shutdown {} >"$T/ours"
	[[ $(cat "$T/ours") == *$'\nstatus 0\nhi' ]]
	beside ncat client 'a\n' --hello hi -- --send-only {}
	for option in -u --udp; do
		beside ncat udp_client $option --idle-timeout 1s
	done
	beside ncat unix_client -U
	beside ncat unix_client --unixsock
}

# udp_client PROGRAM ARGS...: the same with datagrams, whatever the status.
udp_client() {
	client "$1" 'a\n' -u --answer hello -- "${@:2}" {} | grep -E '^(from|got)'
}

# unix_client PROGRAM ARGS...: the same over a Unix-domain socket.
unix_client() {
	rm -f "$T/socket"
	client "$1" 'a\n' -U "$T/socket" --answer hello -- "${@:2}" "$T/socket"
}

# telnet PROGRAM ARGS...: what it answers to requests and offers.
telnet() {
	rm -f "$T/cl.in"
	feed cl
	peer_py srv witness.py --hello '\xff\xfd\x01\xff\xfb\x03hi\n'
	start_with - cl "$(path_of "$1")" "${@:2}" "$ADDR" "$PORT"
	# Not before it has answered, or the end would come first.
	wait_line cl.out 'hi$'
	end_of cl
	wait_exit srv
	grep '^got' "$T/srv.out"
}

@test "telnet: the same answers, and nothing of it in the output" {
	rows nc.openbsd -t
	rows nc.traditional -t
	rows ncat -t --telnet
	beside nc.openbsd telnet -N -t
	grep -q xfc "$T/ours"
	[ "$(<"$T/cl.out")" = hi ]
	beside nc.traditional telnet -q 0 -t
	beside ncat telnet -t
	beside ncat telnet --telnet
}

# test_ports PROGRAM ARGS...: the status for an open and a closed port, and
# what nc.openbsd and sockcat say, but for the number.
test_ports() {
	local program=$1
	shift

	free_port
	status=0
	tool "$program" -z "$@" 127.0.0.1 "$PORT" >"$T/out" 2>"$T/err" ||
		status=$?
	[ "$status" -eq 0 ] || echo closed
	[ ! -s "$T/out" ] || echo "output: $(<"$T/out")"
	[ "$program" = ncat ] || sed "s/^[^ ]*: //; s/ $PORT / PORT /" "$T/err"
	peer_py srv witness.py
	tool "$program" -z "$@" 127.0.0.1 "$PORT" >"$T/out" 2>"$T/err" &&
		echo open
	[ ! -s "$T/out" ] || echo "output: $(<"$T/out")"
	[ "$program" = ncat ] || sed "s/ $PORT / PORT /" "$T/err"
	stop srv
}

# quietly PROGRAM ARGS...: the status alone.
quietly() {
	test_ports "$@" 2>&1 | grep -E '^(open|closed|output)'
}

# tested PROGRAM ARGS...: the status of a test of two ports, one of them open.
tested() {
	peer_py srv witness.py
	run --separate-stderr tool "$1" "${@:2}" -z 127.0.0.1 \
		"$PORT-$((PORT + 1))"
	echo "$output" >"$T/output"
	[ "$status" -ne 0 ] || echo open
	stop srv
}

@test "-z: the status, and what nc.openbsd says" {
	rows nc.openbsd -z
	rows nc.traditional -z
	rows ncat -z
	beside nc.openbsd test_ports -v
	grep -q succeeded "$T/ours"
	# Without -v only sockcat says why, and of the others each in its way.
	beside nc.openbsd quietly
	beside nc.traditional quietly
	beside ncat quietly
	# A range: the others write nothing to standard output.
	beside nc.openbsd tested
	grep -qE '^127.0.0.1 [0-9]+ open tcp' "$T/output"
	tested nc.openbsd
	[ -z "$(<"$T/output")" ]
	beside nc.traditional tested
	tested nc.traditional
	[ -z "$(<"$T/output")" ]
}

# options_set PROGRAM ARGS...: the socket options that are set.
options_set() {
	local program=$1
	shift

	[ "$program" != sockcat ] || program=$SOCKCAT
	peer_py srv witness.py "${witness[@]}"
	_ms 30
	printf x | strace -f -e trace=setsockopt -o "$T/trace" \
		timeout -s KILL $((ms / 1000)) "$program" "$@" \
		"$ADDR" "$PORT" >/dev/null 2>&1 || :
	stop srv
	grep -oE 'SO_(RCVBUF|SNDBUF|BROADCAST), \[[^]]*\]|IP_T[OT][SL], .*[0-9]' \
		"$T/trace" | sort -u
}

names_set() {
	options_set "$@" | grep -oE '^[A-Z_]+'
}

@test "buffers, TTL, type of service, broadcast: the same socket options" {
	rows nc.openbsd -b -I -M -O -T
	rows nc.traditional -b -T
	local witness=() option

	need strace
	for option in '-I 9000' '-O 9000' '-M 9' '-T 0x20' '-T lowdelay' \
	    '-T af11' '-T critical'; do
		# shellcheck disable=SC2086 # words
		beside nc.openbsd options_set -N $option
	done
	# nc.traditional sets it with another length.
	beside nc.traditional names_set -q 0 -T 16
	witness=(-u --bind 127.255.255.255)
	beside nc.openbsd options_set -q 0 -ub
	beside nc.traditional options_set -q 0 -ub
}

# passed PROGRAM: what comes over the connection that it has passed on.
passed() {
	peer_py srv witness.py --answer hello
	[ "$1" != sockcat ] || set -- "$SOCKCAT"
	tool "${python[@]}" "$PEERS/recv_fd.py" --send hi "$1" -F "$ADDR" "$PORT" |
		grep -v bytes
	wait_exit srv
	grep got "$T/srv.out"
}

@test "nc.openbsd: the connection passed on" {
	rows nc.openbsd -F
	beside nc.openbsd passed
}

# proxied PROGRAM TYPE ARGS...: what a proxy of that type and the client say;
# `{}' is the address of the proxy.
proxied() {
	local program=$1 type=$2
	shift 2

	peer_py srv proxy.py --old --type "$type"
	printf 'hello\n' | tool "$program" "${@//\{\}/127.0.0.1:$PORT}" \
		192.0.2.1 80
	echo "status $?"
	stop srv
	sed '1d; s/ from .*//' "$T/srv.out"
}

@test "proxies: the same request" {
	rows nc.openbsd -X -x
	rows ncat --proxy --proxy-type -x
	local type

	for type in 4 5 connect; do
		beside nc.openbsd proxied $type -N -X $type -x {}
	done
	beside nc.openbsd proxied 5 -N -x {}
	beside ncat proxied 4 --proxy-type socks4 --proxy {}
	beside ncat proxied 5 --proxy-type socks5 --proxy {}
	beside ncat proxied connect --proxy-type http --proxy {}
	# ncat's -x is no proxy, but a file, which is no host.
	run tool sockcat -n -x dump.hex 127.0.0.1 1
	[ "$status" -eq 2 ]
	[[ $output == *dump.hex* ]]
}

#
# Listeners
#

# listener PROGRAM INPUT CLIENT... -- ARGS...: what a client, a script of
# test/peers, and its listener tell; `{}' is the port.  One with `k' among its
# letters, or -u, is ended then.
listener() {
	local program=$1 input=$2 ask=() arg
	shift 2

	while [ "$1" != -- ]; do
		ask+=("$1")
		shift
	done
	shift
	free_port ${udp:+-u}
	printf '%b' "$input" >"$T/input"
	start_with "$T/input" srv "$(path_of "$program")" "${@//\{\}/$PORT}"
	wait_port "$PORT" ${udp:+udp}
	tool "${python[@]}" "$PEERS/${ask[0]}" "${ask[@]:1}" "$PORT" 2>&1
	if [ -n "$udp" ] || [[ " $* " == *" -"*k* ]]; then
		[ -z "$until" ] || wait_line srv.out "$until"
		stop srv
	else
		wait_exit srv
		echo "status $status"
	fi
	cat "$T/srv.out"
	sed -nE 's/ (on|port) [0-9]+$//; s/ [0-9]+$//p' "$T/srv.err"
}

@test "nc.openbsd: listeners" {
	rows nc.openbsd -k -l -v
	local udp='' until=''

	beside nc.openbsd listener 'x\n' ask.py --send a --half -- -N -l {}
	beside nc.openbsd listener 'x\n' ask.py --send a --half -- \
		-N -l -p {}
	beside nc.openbsd listener 'x\n' ask.py --send a --half -- \
		-Nlnv 127.0.0.1 {}
	grep -q '^Connection received on 127.0.0.1' "$T/ours"
	beside nc.openbsd listener '' ask.py --send a --half --times 2 -- \
		-lkd {}
	grep -qx aa "$T/ours"
	udp=udp
	until='^a'
	beside nc.openbsd listener 'x\n' udp_client.py --message a -- -lu {}
}

@test "nc.traditional: listeners" {
	rows nc.traditional -c -l -v
	local udp='' until=''

	beside nc.traditional listener 'x\n' ask.py --send a --half -- \
		-q 1 -l -p {}
	beside nc.traditional listener '' ask.py --send a --half -- \
		-l -p {} -c 'tr a b'
	grep -q "'b'" "$T/ours"
	run tool sockcat -v -w 10ms -l 127.0.0.1 0
	[[ $output == *"Listening on 127.0.0.1 "* ]]
}

@test "ncat: listeners and commands" {
	rows ncat -c --exec -k --keep-open -l --listen --sh-exec -m --max-conns
	rows ncat --allow --allowfile --deny --denyfile -v --verbose
	local udp='' until='' option

	for option in -l --listen; do
		beside ncat listener 'x\n' ask.py --send a --half -- \
			$option {}
	done
	# One that ends by itself: ncat ends it at the end of its input.
	for option in -c --sh-exec; do
		beside ncat listener '' ask.py --send ab -- \
			-l $option 'head -c 1; true' {}
		grep -q "'a'" "$T/ours"
	done
	beside ncat listener '' ask.py --send ab -- \
		-l --exec '/usr/bin/head -c 1' {}
	grep -q "'a'" "$T/ours"
	echo 127.0.0.2 >list
	for option in '--allow 127.0.0.2' '--allowfile list' \
	    '--deny 127.0.0.1' '--denyfile deny' '--allow 127.0.0.0/30 -m 3' \
	    '--max-conns 3'; do
		echo 127.0.0.1 >deny
		case $option in
		*m*3) set -- 127.0.0.1=in 127.0.0.2=in ;;
		*) set -- 127.0.0.1=out 127.0.0.2=in ;;
		esac
		# shellcheck disable=SC2086 # words
		beside ncat calls "$*" -l -k -c cat $option
		# shellcheck disable=SC2086
		beside ncat calls "$*" -l --keep-open --verbose -c cat $option
	done
}

# calls PROGRAM WANTED ARGS...: whom a listener serves.
calls() {
	free_port
	start srv "$(path_of "$1")" "${@:3}" 127.0.0.1 "$PORT"
	wait_port "$PORT"
	# shellcheck disable=SC2086 # words
	tool "${python[@]}" "$PEERS/caller.py" "$PORT" $2
	stop srv
}

# says TEXT: one member says it, and another one has heard it, or what was
# said before.
says() {
	echo "$1" | sockcat --send-only 127.0.0.1 "$PORT" &&
		grep -q "$1" "$T/hears.out"
}

# hub PROGRAM ARGS...: what one of two members hears.
hub() {
	free_port
	start srv "$(path_of "$1")" "${@:2}" 127.0.0.1 "$PORT"
	wait_port "$PORT"
	start hears sockcat -d 127.0.0.1 "$PORT"
	wait_for 20 says 'well met'
	grep -oE '^<|well met' "$T/hears.out" | sort -u
	stop srv
	wait_exit hears
}

@test "ncat: hubs" {
	rows ncat --broker --chat
	beside ncat hub -l --broker
	beside ncat hub -l --chat
	grep -qx '<' "$T/ours"
}

@test "ncat: limits" {
	rows ncat -i --idle-timeout
	need ncat
	local program

	for program in ncat sockcat; do
		client $program 'a\n' --hello hi --hold -- \
			--no-shutdown --idle-timeout 300ms {} >"$T/got"
		grep -q "^got 'a.n'" "$T/got"
		not grep -q '^status 0$' "$T/got"
	done
}

#
# Copies of the traffic, help
#

# copies PROGRAM ARGS...: what is in the file `copy' after two runs.
copies() {
	local i

	rm -f copy
	for i in 1 2; do
		client "$1" 'a\n' --answer 'hello\n' -- "${@:2}" {} >/dev/null
	done
	cat copy
}

# hex PROGRAM ARGS...: the bytes in two columns that all have.
hex() {
	copies "$@" | grep -oE '61 0a|68 65 6c 6c 6f 0a' | sort
}

@test "copies: raw, in hexadecimal, and behind what is there" {
	need_bulk
	rows nc.traditional -o
	rows ncat --append-output --hex-dump -o --output
	local option

	for option in '-o' '--output' '--append-output -o'; do
		# shellcheck disable=SC2086 # words
		beside ncat copies $option copy
	done
	[ "$(wc -l <"$T/ours")" -eq 4 ]
	beside ncat hex --hex-dump copy
	beside ncat hex --append-output --hex-dump copy
	[ "$(wc -l <"$T/ours")" -eq 4 ]
	need nc.traditional
	held nc.traditional 'a\n' -q 1 -o copy >/dev/null
	grep -q '68 69 0a' copy
}

@test "help and version" {
	rows nc.openbsd -h
	rows nc.traditional -h
	rows ncat -h --help --version
	for option in -h --help --version; do
		run --separate-stderr tool sockcat $option
		[ "$status" -eq 0 ]
		[ -n "$output" ]
		[ -z "$stderr" ]
	done
}
