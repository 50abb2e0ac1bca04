#!/usr/bin/env bats
#
# The command line: what is refused and how that is said, the operands, help
# and version, exit statuses, messages, and the standard descriptors.

# shellcheck disable=SC2154 # python, status: the helpers set them
load helpers

# try ARGS...: the program with no input; sets status, and leaves what it
# wrote in $T/out and $T/err.
try() {
	status=0
	sockcat "$@" >"$T/out" 2>"$T/err" </dev/null || status=$?
}

# oops TEXT...: note that a row of a table failed; none_wrong ends the test.
oops() {
	echo "$*: status $status" >>"$T/wrong"
	sed 's/^/	/' "$T/err" | cat -v >>"$T/wrong"
}

# misuse NAME TEXT ARGS...: ARGS are a usage error that names the option and
# the text, in one line, and points to the help in a second one.
misuse() {
	local name=$1 text=$2 lines
	shift 2

	try "$@"
	mapfile -t lines <"$T/err"
	if [ "$status" -ne 2 ] || [ -s "$T/out" ] || [ ${#lines[@]} -ne 2 ] ||
	    [[ ${lines[0]} != "sockcat: "* ]] ||
	    [[ ${lines[0]} != *"$name"* ]] || [[ ${lines[0]} != *"$text"* ]] ||
	    [ "${lines[1]}" != "sockcat: try 'sockcat --help'" ]; then
		oops "not a usage error naming $name and $text:" \
			"$(printf "'%s' " "$@")"
	fi
}

# accepted ARGS...: ARGS are no usage error.
accepted() {
	try "$@"
	[ "$status" -ne 2 ] || oops "not accepted: $*"
}

# says STATUS LINE ARGS...: exit STATUS, with this one line on standard error
# (empty: with none) and nothing on standard output.
says() {
	local want=$1 line=$2
	shift 2

	try "$@"
	[ -z "$line" ] || line+=$'\n'
	if [ "$status" -ne "$want" ] || [ -s "$T/out" ] ||
	    [ "$(cat "$T/err"; echo .)" != "$line." ]; then
		oops "wanted status $want and '${line%?}': $*"
	fi
}

# closed_pipe CMD...: run CMD with a standard output that nobody reads.
closed_pipe() {
	local r

	mkfifo "$T/closed"
	exec {r}<>"$T/closed"
	exec >"$T/closed"
	exec {r}<&-
	exec "$@"
}

# full CMD...: run CMD with a full disk as its standard output.
full() {
	exec "$@" >/dev/full
}

# lonely: in a network of its own, where every port is free.
lonely() {
	unshare -n "${python[@]}" -c '
import fcntl, os, socket, struct, sys
s = socket.socket()
fcntl.ioctl(s, 0x8914, struct.pack("16sh22x", b"lo", 1))
s.close()
listener = socket.socket()
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
listener.set_inheritable(True)
os.execv(sys.argv[2], sys.argv[2:])' "$@"
}

@test "numbers are parsed whole and checked: ports" {
	local text

	for text in 80x 65536 -1 1e9 '' 0x50 '1 ' 99999999999999999999; do
		misuse port "\"$text\"" 127.0.0.1 -- "$text"
		misuse port "\"$text\"" -l -- "$text"
		misuse port "\"$text\"" -l 127.0.0.1 -- "$text"
		misuse port "\"$text\"" "127.0.0.1:$text"
		misuse port "\"$text\"" -l "[::1]:$text"
		misuse -p "\"$text\"" -p "$text" 127.0.0.1 1
		misuse -p "\"$text\"" -l -p "$text"
		misuse --source-port "\"$text\"" --source-port "$text" h 1
		misuse --source-port "\"$text\"" "--source-port=$text" h 1
	done
	misuse port '"0"' 127.0.0.1 0
	misuse port '"0"' -z 127.0.0.1 0
	misuse port '"0"' -e 127.0.0.1 0
	none_wrong
}

@test "numbers are parsed whole and checked: counts" {
	local text

	for text in 80x -1 1e9 '' 0 0x5 99999999999999999999; do
		misuse -m "\"$text\"" -lk -m "$text" 0
		misuse --max-conns "\"$text\"" -lk "--max-conns=$text" 0
		misuse --backlog "\"$text\"" -l --backlog "$text" 0
		misuse --count "\"$text\"" -lk --count "$text" 0
	done
	for text in 80x -1 1e9 '' 99999999999; do
		misuse --ready-fd "\"$text\"" -l --ready-fd "$text" 0
	done
	for text in 80x 65536 -1 1e9 '' 0 256; do
		misuse -M "\"$text\"" -M "$text" 127.0.0.1 1
		misuse --ttl "\"$text\"" --ttl "$text" 127.0.0.1 1
	done
	for text in 80x 65536 -1 1e9 '' 256 af99; do
		misuse -T "\"$text\"" -T "$text" 127.0.0.1 1
		misuse --tos "\"$text\"" "--tos=$text" 127.0.0.1 1
	done
	for text in 80x 65536 -1 1e9 '' 8 1000; do
		misuse --mode "\"$text\"" -lU --mode "$text" "$T/s"
	done
	for text in 80x 65536 -1 1e9 '' 0 1,0 1,2,0 1,2,3,4 '1,' ',1'; do
		misuse --keepalive "\"$text\"" "--keepalive=$text" 127.0.0.1 1
	done
	none_wrong
}

@test "numbers are parsed whole and checked: sizes" {
	local text

	for text in 80x -1 1e9 '' 0 1K 1kk k 2G 1.5k; do
		misuse -I "\"$text\"" -I "$text" 127.0.0.1 1
		misuse --rcvbuf "\"$text\"" "--rcvbuf=$text" 127.0.0.1 1
		misuse -O "\"$text\"" -O "$text" 127.0.0.1 1
		misuse --sndbuf "\"$text\"" --sndbuf "$text" 127.0.0.1 1
	done
	none_wrong
}

@test "numbers are parsed whole and checked: times" {
	local text

	for text in 80x -1 1e9 '' 0 0ms 0.0 .0 . 5d '1 s' 1us; do
		misuse -w "\"$text\"" -w "$text" 127.0.0.1 1
		misuse --wait "\"$text\"" "--wait=$text" 127.0.0.1 1
		misuse --idle-timeout "\"$text\"" --idle-timeout "$text" h 1
		misuse --max-time "\"$text\"" --max-time "$text" h 1
		misuse --drain "\"$text\"" -l --drain "$text" 0
		misuse --retry "\"$text\"" --retry "$text" h 1
	done
	for text in 80x 1e9 '' -x - --1 1d; do
		misuse -q "\"$text\"" -q "$text" 127.0.0.1 1
		misuse --quit "\"$text\"" "--quit=$text" 127.0.0.1 1
	done
	for text in 0 -1 -0.5 0.1 .1 1.s 5ms 1s 1m 1h; do
		accepted -q "$text" 127.0.0.1 1
		accepted "--quit=$text" 127.0.0.1 1
	done
	none_wrong
}

@test "an option without its argument" {
	local name

	for name in -s -p -c -m -q -w -I -O -T -M -W -i -o -x -X; do
		misuse "$name" argument 127.0.0.1 1 "$name"
		misuse "$name" argument 127.0.0.1 1 "-v${name#-}"
	done
	for name in --source --source-port --sh-exec --exec --forward \
	    --max-conns --count --quit --drain --retry --wait \
	    --idle-timeout --max-time --rcvbuf --sndbuf --backlog --tos --ttl \
	    --mode --allow --deny --allowfile --denyfile --port-file \
	    --ready-fd --parallel --send --expect --recvlimit --recv-bytes \
	    --interval --delay --rate --output --hex-dump --interface \
	    --proxy --proxy-type --proxy-auth-file; do
		misuse "$name" argument 127.0.0.1 1 "$name"
	done
	misuse -s empty -s '' 127.0.0.1 1
	misuse -c empty -lc '' 0
	misuse -c empty -lc '  ' 0
	misuse --exec empty -l --exec '' 0
	misuse --forward empty -l --forward '' 0
	misuse --allow empty -l --allow '' 0
	misuse --denyfile empty -l --denyfile '' 0
	misuse --port-file empty -l --port-file '' 0
	misuse --udp 5 --udp=5 127.0.0.1 1
	misuse --help 3 --help=3
	misuse --fd-pass 3 --fd-pass=3 127.0.0.1 1
	misuse --crlf 3 --crlf=3 127.0.0.1 1
	misuse --expect empty --expect '' 127.0.0.1 1
	misuse --send twice --send a --send b 127.0.0.1 1
	misuse --expect twice --expect a --expect b 127.0.0.1 1
	misuse --no-keepalive 3 --no-keepalive=3 127.0.0.1 1
	none_wrong
}

@test "abbreviations are refused" {
	local name

	for name in --lis --liste --ud --verb --hel --ver --ipv --no-no \
	    --keepali --keep --no; do
		misuse "unknown option $name" "$name" -v "$name" 127.0.0.1 1
	done
	for name in --wai --max-t --idle --back --rcv --tt; do
		misuse "unknown option $name" mean "$name" 5 127.0.0.1 1
		misuse "unknown option $name" mean "$name=5" 127.0.0.1 1
		misuse "unknown option $name" mean 127.0.0.1 1 "$name"
	done
	none_wrong
}

@test "a misspelt option names the nearest" {
	local row

	while read -r -a row; do
		misuse "${row[0]}" "did you mean ${row[1]}?" "${row[0]}" h 1
		misuse "${row[0]}" "did you mean ${row[1]}?" "${row[0]}=5" h 1
	done <<-'END'
	--lisen --listen
	--lsiten --listen
	--keepopen --keep-open
	--keep_open --keep-open
	--brodcast --broadcast
	--brocker --broker
	--idletimeout --idle-timeout
	--recvonly --recv-only
	--sendonly --send-only
	--ipv5 --ipv4
	--noshutdown --no-shutdown
	--no-delay --nodelay
	--unix-sock --unixsock
	--verbosse --verbose
	--shexec --sh-exec
	--forwrd --forward
	--allow-file --allowfile
	--portfile --port-file
	--backgroud --background
	END
	misuse 'unknown option' --xyzzyplugh --xyzzyplugh h 1
	not grep -q 'did you mean' "$T/err"
	misuse 'unknown option' -Y -Y h 1
	misuse 'unknown option' -Y -lvY 1
	misuse 'unknown option' '-?' '-?' h 1
	misuse 'unknown option' '-:' '-:' h 1
	none_wrong
}

@test "operands that are missing or too many" {
	misuse host port -v
	misuse localhost 'port; write HOST PORT,' localhost
	misuse ::1 port ::1
	misuse ::1 port '[::1]'
	misuse -l 'port; write -l [HOST] PORT' -l
	misuse 127.0.0.1 'write -l [HOST] PORT' -l 127.0.0.1
	misuse b 'write -z HOST PORT, several as 22,80' -z b
	misuse -l port -lk
	misuse -l port -lu
	misuse -U path -U
	misuse -U 'write -lU PATH' -lU
	misuse -U '/b" is one too many; write -U PATH' -U /a /b
	misuse path empty -U ''
	misuse c 'many; write HOST PORT,' a b c
	misuse c 'many; write -l [HOST] PORT' -l a 1 c
	misuse b 'many; write -l -p PORT [HOST]' -l -p 1 a b
	misuse 9 many -l -p 1 -- a 9
	misuse host '""' '' 80
	misuse host '""' :80
	misuse host '""' '[]:80'
	misuse host a:80 a:80 80
	misuse host 'http://a/' http://a/ 80
	misuse host me@a me@a 80
	misuse host '"80"' 80 localhost
	misuse host 'needs -U' /a 80
	misuse host '"-"' - TCP:a:80
	misuse 1-5 'only -z' 127.0.0.1 1-5
	misuse 80,81 'only -z' -l 80,81
	misuse -help '--help?' -help
	misuse -listen '--listen?' -listen 4000
	misuse -v many 127.0.0.1 80 -- -v
	none_wrong
}

@test "-e takes no command" {
	misuse -e /bin/sh -e /bin/sh 127.0.0.1 1
	misuse -e /bin/cat -l -p 1 -e /bin/cat
	misuse -e 'cat -n' -l 80 -e 'cat -n'
	misuse -e /bin/sh -lke /bin/sh 80
	misuse -e /bin/sh --echo /bin/sh 127.0.0.1 1
	none_wrong
	grep -qw -- -c "$T/err"
	grep -q echo "$T/err"
}

@test "options that contradict each other" {
	misuse -4 -6 -4 -6 127.0.0.1 1
	misuse --ipv6 -4 -4 --ipv6 127.0.0.1 1
	misuse -d --send-only -d --send-only 127.0.0.1 1
	misuse --recv-only --send-only -l --send-only --recv-only 1
	misuse -k -l -k 127.0.0.1 1
	misuse --keep-open -l --keep-open 127.0.0.1 1
	misuse -b -l -b 127.0.0.1 1
	misuse -l -z -lz 1
	misuse -e -b -le -b 1
	misuse -e -c -le -c true 1
	misuse -e --chat -le --chat 1
	misuse -c --forward -lc true --forward 127.0.0.1:1 1
	misuse -c -b -lbc true 1
	misuse --exec -c -l -c true --exec true 1
	misuse --broker --chat -l --chat --broker 1
	misuse --forward -l --forward 127.0.0.1:1 127.0.0.1 1
	misuse --chat -l --chat 127.0.0.1 1
	misuse --chat -u -lu --chat 1
	misuse -f -lk -lkf 1
	misuse --allow -U -lU --allow 127.0.0.1 "$T/s"
	misuse --retry 'with -l' -lk --retry 1 1
	misuse --retry 'with -l' -l --retry 1 1
	misuse --count -k -l --count 3 1
	misuse --count 'in the mode -lk' --count 3 127.0.0.1 1
	misuse -m -k -l -m 3 1
	misuse --send 'with -c' -lc true --send a 1
	misuse --mode -U -l --mode 600 1
	misuse --append-output -o --append-output 127.0.0.1 1
	misuse --proxy-type -x --proxy-type 5 127.0.0.1 1
	misuse --send-only --expect --send-only --expect a 127.0.0.1 1
	misuse -W --expect -uW 3 --expect a 127.0.0.1 1
	misuse -F -o -F -o file 127.0.0.1 1
	misuse -k --send -lk --send a 127.0.0.1 0
	misuse --no-reuseaddr -p --no-reuseaddr 127.0.0.1 1
	none_wrong
}

@test "usage errors that show only at the first use" {
	local long

	printf -v long '/%0200d' 1
	misuse -n localhost -n localhost 1
	misuse -n localhost -nz localhost 1
	misuse -n localhost -ne localhost 1
	misuse -n localhost -nu localhost 1
	misuse -n localhost -nl localhost 0
	misuse -n localhost -nlk localhost 0
	misuse -n localhost -nlb localhost 0
	misuse -n localhost -nle localhost 0
	misuse -n localhost -nlke localhost 0
	misuse -n localhost -n -s localhost 127.0.0.1 1
	misuse -n ::1 -n -4 ::1 1
	misuse -n http -n 127.0.0.1 http
	misuse -n http -n -l http
	misuse -n http -n -p http 127.0.0.1 1
	misuse '' 'too long' -U "$long"
	misuse '' 'too long' -lU "$long"
	misuse '' 'too long' -uU "$long"
	misuse '' 'too long' -U "@$long"
	misuse '' 'too long' -uU -s "$long" "$T/s"
	none_wrong
}

@test "the longest path that fits" {
	local path=$T/

	while [ ${#path} -lt 107 ]; do path+=p; done
	[ ${#path} -eq 107 ] || skip "the directory of the test is too deep"
	listen srv -U -e "$path"
	echo hello | sockcat -U "$path" >"$T/got"
	[ "$(cat "$T/got")" = hello ]
	misuse "${path:0:40}" 'too long' -lU "${path}p"
	none_wrong
}

@test "services by name" {
	misuse port no-such-service 127.0.0.1 no-such-service
	misuse -p no-such-service -p no-such-service 127.0.0.1 1
	none_wrong
	getent services http/tcp >/dev/null || skip "no /etc/services"
	need unshare strace
	strace -f -o "$T/st" -e trace=connect "$SOCKCAT" -w 5 127.0.0.1 tcpmux \
		2>/dev/null </dev/null || :
	grep -q 'htons(1), .*127.0.0.1' "$T/st"
}

@test "help and version" {
	local arg

	for arg in -h --help; do
		sockcat $arg >"$T/out" 2>"$T/err"
		[ ! -s "$T/err" ]
		head -n 1 "$T/out" | grep -q '^usage: sockcat '
		grep -q -- '--idle-timeout' "$T/out"
		grep -q -- '-k --keep-open,' "$T/out"
		# It fits a screen.
		[ "$(wc -l <"$T/out")" -le 40 ]
		[ "$(wc -L <"$T/out")" -le 80 ]
		[ "$(grep -c '^  sockcat ' "$T/out")" -ge 3 ]
	done
	for arg in -V --version; do
		sockcat $arg >"$T/out" 2>"$T/err"
		[ ! -s "$T/err" ]
		grep -qE '^sockcat [0-9]+(\.[0-9]+)+$' "$T/out"
		[ "$(wc -l <"$T/out")" -eq 1 ]
	done
	# They win over what would be missing.
	accepted -l -h
	accepted -h 1 2 3
	none_wrong
}

@test "without anything it shows the help, as the error that it is" {
	sockcat --help >"$T/help"
	status=0
	sockcat >"$T/out" 2>"$T/err" || status=$?
	[ "$status" -eq 2 ]
	[ ! -s "$T/out" ]
	cmp "$T/help" "$T/err"
}

@test "help on a full disk, on a closed descriptor, into a closed pipe" {
	local arg

	[ -e /dev/full ] || skip "no /dev/full"
	for arg in -h --help -V --version; do
		status=0
		sockcat $arg >/dev/full 2>"$T/err" || status=$?
		[ "$status" -eq 1 ] || oops "$arg on a full disk"
		[ "$(cat "$T/err")" = "sockcat: write to standard output\
 failed: No space left on device" ] || oops "$arg on a full disk"
		status=0
		(exec "$SOCKCAT" $arg >&- 2>"$T/err") || status=$?
		[ "$status" -eq 1 ] || oops "$arg with 1 closed"
		[ "$(wc -l <"$T/err")" -eq 1 ] || oops "$arg with 1 closed"
	done
	none_wrong
	start cl closed_pipe "$SOCKCAT" --help
	wait_exit cl
	[ "$status" -eq 141 ]
	[ ! -s "$T/cl.err" ]
}

@test "options after operands, and --" {
	peer_py srv sink.py --clients 0
	echo 1 >"$T/in"
	sockcat 127.0.0.1 "$PORT" -v 2>"$T/err" <"$T/in"
	grep -q succeeded "$T/err"
	sockcat 127.0.0.1 -v "$PORT" 2>"$T/err" <"$T/in"
	grep -q succeeded "$T/err"
	POSIXLY_CORRECT=1 sockcat 127.0.0.1 "$PORT" -v 2>"$T/err" <"$T/in"
	grep -q succeeded "$T/err"
	sockcat -v -- 127.0.0.1 "$PORT" 2>"$T/err" <"$T/in"
	grep -q succeeded "$T/err"
	sockcat 127.0.0.1 -v -- "$PORT" 2>"$T/err" <"$T/in"
	grep -q succeeded "$T/err"
	misuse -v many 127.0.0.1 "$PORT" -- -v
	none_wrong
}

@test "operands that look like options, after --" {
	cd "$T"
	listen srv -U -e -- -v
	[ -S "$T/-v" ]
	echo hello | sockcat -U -- -v >"$T/got"
	[ "$(cat "$T/got")" = hello ]
}

@test "host:port, [v6]:port" {
	local form

	listen srv -ke 0
	for form in "127.0.0.1:$PORT" "localhost:$PORT" \
	    "[127.0.0.1]:$PORT"; do
		echo hello | sockcat "$form" >"$T/got"
		[ "$(cat "$T/got")" = hello ]
	done
	need_ipv6
	echo hello | sockcat "[::1]:$PORT" >"$T/got"
	[ "$(cat "$T/got")" = hello ]
	echo hello | sockcat '[::1]' "$PORT" >"$T/got"
	[ "$(cat "$T/got")" = hello ]
	echo hello | sockcat ::1 "$PORT" >"$T/got"
	[ "$(cat "$T/got")" = hello ]
}

@test "-l :port, -l host:port, -l -p port" {
	listen srv1 :0
	grep -q "^Listening on 0.0.0.0 $PORT\$" "$T/srv1.err"
	listen srv2 127.0.0.1:0
	[ "$ADDR" = 127.0.0.1 ]
	[ "$(grep -c Listening "$T/srv2.err")" -eq 1 ]
	listen srv3 -p 0
	grep -q "^Listening on 0.0.0.0 $PORT\$" "$T/srv3.err"
	listen srv4 -p 0 127.0.0.1
	[ "$ADDR" = 127.0.0.1 ]
	free_port
	local port=$PORT
	listen srv5 -p "$port"
	[ "$PORT" -eq "$port" ]
	free_port
	port=$PORT
	listen srv6 127.0.0.1 "$port"
	[ "$PORT" -eq "$port" ]
	need_ipv6
	listen srv7 '[::1]:0'
	[ "$ADDR" = ::1 ]
	listen srv8 ::1 0
	[ "$ADDR" = ::1 ]
}

@test "exit 0: done" {
	peer_py srv sink.py --answer bye
	echo hello | sockcat 127.0.0.1 "$PORT" >"$T/got"
	[ "$(cat "$T/got")" = bye ]
}

@test "exit 1: refused, and how that is said" {
	says 1 'sockcat: connect to 127.0.0.1 port 1 (tcp) failed:'\
' Connection refused' 127.0.0.1 1
	says 1 'sockcat: connect to 127.0.0.1 port 1 (tcp) failed:'\
' Connection refused' -v 127.0.0.1:1
	says 1 'sockcat: connect to 127.0.0.1 port 1 (tcp) failed:'\
' Connection refused' -z 127.0.0.1 1
	says 1 'sockcat: connect to 127.0.0.1 port 1 (tcp) failed:'\
' Connection refused' -e 127.0.0.1 1
	says 1 'sockcat: connect to localhost (127.0.0.1) port 1 (tcp) failed:'\
' Connection refused' -4 localhost 1
	says 1 "sockcat: connect to $T/none (unix) failed:"\
' No such file or directory' -U "$T/none"
	none_wrong
	need_ipv6
	says 1 'sockcat: connect to ::1 port 1 (tcp) failed:'\
' Connection refused' ::1 1
	says 1 'sockcat: connect to ::1 port 1 (tcp) failed:'\
' Connection refused' '[::1]:1'
	none_wrong
}

@test "exit 1: refused, an abstract name" {
	need_abstract
	says 1 'sockcat: connect to @none of us (unix) failed:'\
' Connection refused' -U '@none of us'
	none_wrong
}

@test "exit 1: refused datagrams" {
	free_port -u
	echo hello >"$T/in"
	status=0
	sockcat -u 127.0.0.1 "$PORT" <"$T/in" 2>"$T/err" || status=$?
	[ "$status" -eq 1 ]
	[ "$(wc -l <"$T/err")" -eq 1 ]
	grep -qE "^sockcat: .*127.0.0.1 port $PORT \(udp\).*: Connection refused" \
		"$T/err"
	try -zu 127.0.0.1 "$PORT"
	[ "$status" -eq 1 ]
	grep -qE "127.0.0.1 port $PORT \(udp\) failed: Connection refused" \
		"$T/err"
}

@test "exit 1: the local end cannot be had" {
	try -s 192.0.2.99 127.0.0.1 1
	[ "$status" -eq 1 ]
	[ "$(wc -l <"$T/err")" -eq 1 ]
	grep -qE "192.0.2.99.*$NO_ADDRESS" "$T/err"
	try -l 192.0.2.99 0
	[ "$status" -eq 1 ]
	[ "$(wc -l <"$T/err")" -eq 1 ]
	grep -qE "192.0.2.99.*$NO_ADDRESS" "$T/err"
	listen srv 127.0.0.1 0
	try -l 127.0.0.1 "$PORT"
	[ "$status" -eq 1 ]
	[ "$(wc -l <"$T/err")" -eq 1 ]
	grep -qE "127.0.0.1 $PORT.*$IN_USE" "$T/err"
	try -p "$PORT" 127.0.0.1 1
	[ "$status" -eq 1 ]
	[ "$(wc -l <"$T/err")" -eq 1 ]
	grep -qE "$IN_USE" "$T/err"
}

@test "exit 3: a name that does not resolve" {
	local args

	for args in '' -z -e -u -l -lk -lb -le -lke; do
		# shellcheck disable=SC2086 # no or one word
		try $args no-such-host.invalid 80
		[ "$status" -eq 3 ] || oops "$args"
		[ "$(wc -l <"$T/err")" -eq 1 ] || oops "$args"
		grep -q '^sockcat: cannot resolve no-such-host.invalid: ' \
			"$T/err" || oops "$args"
	done
	try -s no-such-host.invalid 127.0.0.1 80
	[ "$status" -eq 3 ] || oops "-s"
	grep -q no-such-host.invalid "$T/err" || oops "-s"
	none_wrong
}

@test "what -v says: a listener" {
	listen srv 127.0.0.1 0
	sockcat 127.0.0.1 "$PORT" </dev/null
	wait_exit srv
	[ "$status" -eq 0 ]
	[ "$(wc -l <"$T/srv.err")" -eq 2 ]
	[ "$(head -n 1 "$T/srv.err")" = "Listening on 127.0.0.1 $PORT" ]
	tail -n 1 "$T/srv.err" |
		grep -qE '^Connection received on 127\.0\.0\.1 [0-9]+$'
}

@test "what -v says: every address" {
	need_ipv6
	listen srv 0
	sockcat 127.0.0.1 "$PORT" </dev/null
	wait_exit srv
	[ "$(wc -l <"$T/srv.err")" -eq 3 ]
	[ "$(sed -n 1,2p "$T/srv.err")" = "Listening on :: $PORT
Listening on 0.0.0.0 $PORT" ]
	# An IPv4 peer is shown as IPv4.
	tail -n 1 "$T/srv.err" |
		grep -qE '^Connection received on 127\.0\.0\.1 [0-9]+$'
}

@test "what -v says: datagrams" {
	listen srv -u 127.0.0.1 0
	[ "$(cat "$T/srv.err")" = "Bound on 127.0.0.1 $PORT" ]
	echo hello | sockcat -vu 127.0.0.1 "$PORT" 2>"$T/cl.err"
	wait_line srv.err '^Connection received on 127\.0\.0\.1 [0-9]+$'
	[ "$(wc -l <"$T/srv.err")" -eq 2 ]
	# A client that sends no probe knows nothing.
	not grep -q succeeded "$T/cl.err"
	need_ipv6
	listen srv2 -u 0
	[ "$(cat "$T/srv2.err")" = "Bound on :: $PORT
Bound on 0.0.0.0 $PORT" ]
}

@test "what -v says: Unix sockets" {
	listen srv -U "$T/s"
	sockcat -vU "$T/s" </dev/null 2>"$T/cl.err"
	[ "$(sed -n 1,2p "$T/srv.err")" = "Bound on $T/s
Listening on $T/s" ]
	[ "$(wc -l <"$T/cl.err")" -eq 1 ]
	grep -qF "Connection to $T/s" "$T/cl.err"
	grep -q 'succeeded!$' "$T/cl.err"
	listen dgram -uU "$T/d"
	[ "$(cat "$T/dgram.err")" = "Bound on $T/d" ]
}

@test "what -v says: a client" {
	peer_py srv sink.py --clients 0
	sockcat -v 127.0.0.1 "$PORT" </dev/null 2>"$T/err"
	[ "$(cat "$T/err")" = "Connection to 127.0.0.1 $PORT port [tcp/*]\
 succeeded!" ]
	sockcat -v4 localhost "$PORT" </dev/null 2>"$T/err"
	[ "$(cat "$T/err")" = "Connection to localhost (127.0.0.1) $PORT port\
 [tcp/*] succeeded!" ]
	sockcat -zv 127.0.0.1 "$PORT" </dev/null 2>"$T/err"
	[ "$(cat "$T/err")" = "Connection to 127.0.0.1 $PORT port [tcp/*]\
 succeeded!" ]
	sockcat -z 127.0.0.1 "$PORT" </dev/null >"$T/out" 2>"$T/err"
	[ ! -s "$T/err" ]
	[ ! -s "$T/out" ]
	peer_py udp udp_answer.py
	sockcat -zuv 127.0.0.1 "$PORT" </dev/null 2>"$T/err"
	[ "$(cat "$T/err")" = "Connection to 127.0.0.1 $PORT port [udp/*]\
 succeeded!" ]
}

@test "what -v says: a known service" {
	need unshare
	getent services ssh/tcp >/dev/null || skip "no /etc/services"
	unshare -n true 2>/dev/null || skip "no network of its own"
	lonely 22 "$SOCKCAT" -zv4 localhost 22 2>"$T/err" </dev/null
	[ "$(cat "$T/err")" = "Connection to localhost (127.0.0.1) 22 port\
 [tcp/ssh] succeeded!" ]
	lonely 22 "$SOCKCAT" -zv 127.0.0.1 ssh 2>"$T/err" </dev/null
	[ "$(cat "$T/err")" = "Connection to 127.0.0.1 22 port [tcp/ssh]\
 succeeded!" ]
	lonely 22 "$SOCKCAT" -nzv 127.0.0.1 22 2>"$T/err" </dev/null
	[ "$(cat "$T/err")" = "Connection to 127.0.0.1 22 port [tcp/*]\
 succeeded!" ]
}

@test "without -v nothing is said" {
	start srv sockcat -lk 127.0.0.1 0
	peer_py sink sink.py
	echo hello | sockcat 127.0.0.1 "$PORT" >"$T/out" 2>"$T/err"
	[ ! -s "$T/out" ]
	[ ! -s "$T/err" ]
	[ ! -s "$T/srv.err" ]
}

@test "--quiet: not even errors" {
	says 1 '' --quiet 127.0.0.1 1
	says 1 '' -v --quiet 127.0.0.1 1
	says 3 '' --quiet no-such-host.invalid 1
	says 1 '' --quiet -U "$T/none"
	says 1 '' --quiet -l 192.0.2.99 0
	says 2 '' --quiet -n localhost 1
	says 124 '' --quiet --max-time 0.05 -l 127.0.0.1 0
	says 124 '' --quiet -w 0.05 -l 127.0.0.1 0
	says 124 '' --quiet -w 0.05 -lke 127.0.0.1 0
	none_wrong
	# It is the last that counts.
	try --quiet -v 127.0.0.1 1
	[ -s "$T/err" ]
}

@test "bytes from the command line are made printable" {
	local evil=$'a\e[31m\xffb\nc\x7f' shown='a\x1B[31m\xFFb\x0Ac\x7F'

	misuse port "$shown" 127.0.0.1 "$evil"
	misuse -w "$shown" -w "$evil" 127.0.0.1 1
	misuse 'unknown option' "--$shown" "--$evil" 127.0.0.1 1
	misuse 'unknown option' '-\xFF' $'-\xff' 127.0.0.1 1
	misuse "$shown" many 1 2 "$evil"
	misuse "$shown" host "$evil"
	misuse -U "$shown" -U /x "$evil"
	none_wrong
	says 1 "sockcat: connect to $T/$shown (unix) failed:"\
' No such file or directory' -U "$T/$evil"
	none_wrong
	try "${evil/\[/}" 80
	[ "$status" -eq 3 ]
	[ "$(wc -l <"$T/err")" -eq 1 ]
	grep -qF "${shown/\[/}" "$T/err"
	# A very long text is cut, not spread over lines.
	printf -v evil 'x%05000d' 1
	try 127.0.0.1 "$evil"
	[ "$status" -eq 2 ]
	[ "$(wc -l <"$T/err")" -eq 2 ]
	try "$evil" 80
	[ "$(wc -l <"$T/err")" -eq 1 ]
}

@test "bytes in names of peers are made printable" {
	local path=$T/$'\e[2Jx\n'

	listen srv -k -U "$T/s"
	start cl "${python[@]}" -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.connect(sys.argv[2])
s.recv(1)' "$path" "$T/s"
	wait_line srv.err '^Connection received on '
	grep -qF 'Connection received on '"$T/"'\x1B[2Jx\x0A' "$T/srv.err"
	not grep -q $'\e' "$T/srv.err"
	listen evil -U "$path"
	not grep -q $'\e' "$T/evil.err"
	[ "$(wc -l <"$T/evil.err")" -eq 2 ]
}

@test "one write a line" {
	need strace
	need_linux
	strace -f -o "$T/1" -s 4000 -e trace=write "$SOCKCAT" --bogus 2>"$T/err" || :
	strace -f -o "$T/2" -s 4000 -e trace=write "$SOCKCAT" -v 127.0.0.1 1 \
		2>>"$T/err" </dev/null || :
	strace -f -o "$T/3" -s 4000 -e trace=write "$SOCKCAT" -v --max-time 0.2 \
		-l 0 2>>"$T/err" </dev/null || :
	strace -f -o "$T/4" -s 4000 -e trace=write "$SOCKCAT" no-such-host.invalid 1 \
		2>>"$T/err" </dev/null || :
	cat "$T"/[1234] | grep -c 'write(2,' >"$T/n"
	[ "$(cat "$T/n")" -eq "$(wc -l <"$T/err")" ]
	[ "$(cat "$T/n")" -ge 7 ]
	[ "$(grep 'write(2,' "$T"/[1234] | grep -vcF '\n"')" -eq 0 ]
}

@test "standard output carries data only" {
	listen srv 127.0.0.1 0
	printf data | sockcat -vv 127.0.0.1 "$PORT" >"$T/out"
	wait_exit srv
	[ ! -s "$T/out" ]
	[ "$(cat "$T/srv.out")" = data ]
}

@test "standard descriptors closed: no socket becomes one of them" {
	local which

	# Nothing to read or to write: done. And no message of sockcat's goes
	# to the peer.
	peer_py srv sink.py --clients 0
	for which in '0<&-' '1>&-' '2>&-' '0<&- 1>&-' '0<&- 2>&-' '1>&- 2>&-' \
	    '0<&- 1>&- 2>&-'; do
		status=0
		(
			exec </dev/null >"$T/out" 2>"$T/err"
			eval "exec $which"
			exec timeout -s KILL 30 "$SOCKCAT" -v 127.0.0.1 "$PORT"
		) || status=$?
		[ "$status" -eq 0 ] || oops "$which"
	done
	wait_lines srv.out '^received ' 7
	[ "$(grep -c '^received 0 ' "$T/srv.out")" -eq 7 ]
	none_wrong
}

@test "standard output closed: output with nowhere to go is a failure" {
	local which n=0

	for which in '1>&-' '0<&- 1>&-' '1>&- 2>&-' '0<&- 1>&- 2>&-'; do
		n=$((n + 1))
		peer_py "srv$n" source.py --bytes 5 --end half
		: >"$T/err"
		status=0
		(
			exec </dev/null >"$T/out" 2>"$T/err"
			eval "exec $which"
			exec timeout -s KILL 30 "$SOCKCAT" -v 127.0.0.1 "$PORT"
		) || status=$?
		[ "$status" -eq 1 ] || oops "$which"
		wait_line "srv$n.out" '^received 0 ' ||
			oops "$which: the peer got something"
		[[ $which == *2* ]] ||
			grep -q '^sockcat: write to standard output failed: ' \
			"$T/err" || oops "$which: no reason"
	done
	none_wrong
}

@test "standard descriptors closed: listeners" {
	local which

	for which in '0<&-' '2>&-' '0<&- 2>&-'; do
		free_port
		# shellcheck disable=SC2317 # called by start
		without() {
			eval "exec $which"
			exec "$SOCKCAT" -v -l 127.0.0.1 "$PORT"
		}
		start "l${#which}" without
		wait_port "$PORT"
		printf hello | sockcat 127.0.0.1 "$PORT" >"$T/back"
		wait_exit "l${#which}"
		[ "$status" -eq 0 ]
		[ ! -s "$T/back" ]
		[ "$(cat "$T/l${#which}.out")" = hello ]
	done
	free_port
	which='0<&- 1>&- 2>&-'
	start all without
	wait_port "$PORT"
	printf hello | sockcat 127.0.0.1 "$PORT" >"$T/back" || :
	wait_exit all
	[ "$status" -eq 1 ]
	[ ! -s "$T/back" ]
}

# on_output WRAPPER STATUS REGEX: the modes that write, each into the
# standard output that WRAPPER makes.
on_output() {
	local wrapper=$1 want=$2 regex=$3 mode host said=0

	[ -z "$regex" ] || said=1

	for mode in -l -lk -lb -lu -luk -lub -lU -lUk -lUb -luU -luUk; do
		host=(127.0.0.1 0)
		[[ $mode != *U* ]] || host=("$T/s")
		rm -f "$T/closed" "$T/s"
		start "srv" "$wrapper" "$SOCKCAT" -v $mode "${host[@]}"
		_announced srv $mode
		host=(127.0.0.1 "$PORT")
		[[ $mode != *U* ]] || host=("$PORT")
		[[ $mode != *u* ]] || host+=(-q 0)
		printf hello | sockcat "$(tr -d lkb <<<"$mode")v" "${host[@]}" \
			>"$T/back" 2>"$T/cl.err" || :
		wait_exit srv
		cp "$T/srv.err" "$T/err"
		[ "$status" -eq "$want" ] || oops "$mode"
		[ "$(grep -c '^sockcat:' "$T/err")" -eq "$said" ] ||
			oops "$mode: lines"
		[ -z "$regex" ] || grep -qE "$regex" "$T/err" || oops "$mode"
	done
	none_wrong
}

@test "standard output on a full disk: client" {
	[ -e /dev/full ] || skip "no /dev/full"
	peer_py srv source.py --bytes 5
	status=0
	sockcat 127.0.0.1 "$PORT" </dev/null >/dev/full 2>"$T/err" || status=$?
	[ "$status" -eq 1 ]
	[ "$(cat "$T/err")" = "sockcat: write to standard output failed:\
 No space left on device" ]
	peer_py udp udp_answer.py
	echo hello >"$T/in"
	status=0
	sockcat -u 127.0.0.1 "$PORT" <"$T/in" >/dev/full 2>"$T/err" || status=$?
	[ "$status" -eq 1 ]
	[ "$(cat "$T/err")" = "sockcat: write to standard output failed:\
 No space left on device" ]
	# What cannot be said costs no status.
	peer_py srv2 source.py --bytes 5
	status=0
	sockcat 127.0.0.1 "$PORT" </dev/null >/dev/full 2>/dev/full || status=$?
	[ "$status" -eq 1 ]
}

@test "standard output on a full disk: listeners" {
	[ -e /dev/full ] || skip "no /dev/full"
	on_output full 1 \
		'write to standard output failed: No space left on device'
}

@test "standard output a closed pipe: client" {
	peer_py srv source.py --bytes 100000
	start cl closed_pipe "$SOCKCAT" 127.0.0.1 "$PORT"
	wait_exit cl
	[ "$status" -eq 141 ]
	[ ! -s "$T/cl.err" ]
	peer_py srv2 source.py --bytes 10000000
	sockcat 127.0.0.1 "$PORT" </dev/null 2>"$T/err" | head -c 1 >"$T/one"
	[ "${PIPESTATUS[0]}" -eq 141 ]
	[ ! -s "$T/err" ]
	[ "$(wc -c <"$T/one")" -eq 1 ]
}

@test "standard output a closed pipe: SIGPIPE ignored by the parent" {
	peer_py srv source.py --bytes 100000
	# shellcheck disable=SC2317 # called by start
	ignoring() {
		trap '' PIPE
		closed_pipe "$@"
	}
	start cl ignoring "$SOCKCAT" 127.0.0.1 "$PORT"
	wait_exit cl
	[ "$status" -eq 141 ]
	[ ! -s "$T/cl.err" ]
}

@test "standard output a closed pipe: listeners" {
	on_output closed_pipe 141 ''
}

@test "standard input a terminal: the peer's end is the end" {
	peer_py srv source.py --bytes 5
	status=0
	in_pty "$SOCKCAT" 127.0.0.1 "$PORT" >"$T/out" 2>"$T/err" || status=$?
	[ "$status" -eq 0 ]
	[ "$(wc -c <"$T/out")" -eq 5 ]
	[ ! -s "$T/err" ]
}

@test "standard input a terminal: typing and ^D" {
	listen srv -e 127.0.0.1 0
	status=0
	# shellcheck disable=SC2094 # the helper watches what the other writes
	in_pty --type 'hello\n' --until "$T/out" hello --eof "$SOCKCAT" \
		127.0.0.1 "$PORT" >"$T/out" 2>"$T/err" || status=$?
	[ "$status" -eq 0 ]
	[ "$(cat "$T/out")" = hello ]
	[ ! -s "$T/err" ]
}

@test "standard input a terminal: listener" {
	start srv in_pty "$SOCKCAT" -v -l 127.0.0.1 0
	_announced srv -l
	printf hello | sockcat 127.0.0.1 "$PORT"
	wait_exit srv
	[ "$status" -eq 0 ]
	[ "$(cat "$T/srv.out")" = hello ]
}

@test "standard input a terminal of another job: nothing stops" {
	peer_py srv source.py --bytes 5
	status=0
	in_pty --background "$SOCKCAT" 127.0.0.1 "$PORT" >"$T/out" 2>"$T/err" ||
		status=$?
	[ "$status" -eq 0 ]
	[ "$(wc -c <"$T/out")" -eq 5 ]
	not grep -q stopped "$T/err"
}

@test "standard input /dev/null" {
	peer_py srv source.py --bytes 5000 --end half
	sockcat 127.0.0.1 "$PORT" </dev/null >"$T/out"
	[ "$(wc -c <"$T/out")" -eq 5000 ]
	wait_line srv.out '^received 0 .* end$'
	listen lis 127.0.0.1 0
	client_py src source.py --connect --bytes 5000 --end half "$PORT"
	wait_exit lis
	[ "$status" -eq 0 ]
	[ "$(wc -c <"$T/lis.out")" -eq 5000 ]
	wait_line src.out '^received 0 .* end$'
}

@test "standard input a directory: an error of its own" {
	peer_py srv sink.py
	status=0
	sockcat 127.0.0.1 "$PORT" <"$T" 2>"$T/err" || status=$?
	[ "$status" -eq 1 ]
	[ "$(cat "$T/err")" = "sockcat: read from standard input failed:\
 Is a directory" ]
}
