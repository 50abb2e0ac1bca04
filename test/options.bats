#!/usr/bin/env bats
#
# The option table: every mode with every option does what the table says,
# and an option that acts is seen to act.
#
# bats file_tags=slow

# shellcheck disable=SC2154 # python, status: the helpers set them
load helpers

clients=(connect -e -c -z)
listeners=(-l -lk -le -lke -lb --chat -lc -lkc --forward "-k --forward")
modes=("${clients[@]}" "${listeners[@]}")
kinds=(tcp udp unix unix-datagram)

setup_file() {
	unit_program
	[ ! -x "$UNIT" ] || "$UNIT" marks >"$BATS_FILE_TMPDIR/marks"
}

# is_client MODE: it connects, and does not listen.
is_client() {
	[[ " ${clients[*]} " == *" $1 "* ]]
}

# exists MODE KIND: that mode can be had over that kind of socket.
exists() {
	[[ $1 != --chat || $2 != u*d* ]]
}

# command_of MODE KIND: set flags and operands to what asks for that mode,
# letters to all option letters in it. Clients go where nobody listens.
command_of() {
	flags=()
	operands=(127.0.0.1 1)
	letters=
	case $1 in
	connect) ;;
	--chat) flags=(-l --chat) ;;
	--forward) flags=(-l --forward 127.0.0.1:1) ;;
	"-k --forward") flags=(-lk --forward 127.0.0.1:1) ;;
	-c) flags=(-c true) ;;
	-l*c) flags=("${1%c}" -c true) ;;
	*) flags=("$1") ;;
	esac
	is_client "$1" || operands=(127.0.0.1 0)
	case $2 in
	udp) flags+=(-u) ;;
	unix) flags+=(-U) ;;
	unix-datagram) flags+=(-u -U) ;;
	tcp6 | udp6)
		operands[0]=::1
		[ "$2" = tcp6 ] || flags+=(-u)
		;;
	esac
	case $2 in
	unix*)
		operands=("$T/s")
		[ ! -e "$T/s" ] || rm -f "$T/s"
		;;
	esac
	for flag in "${flags[@]}"; do
		[[ $flag != -[!-]* ]] || letters+=${flag#-}
	done
}

# value_of OPTION KIND: set words to the option, written in full, with a
# value that it takes.
value_of() {
	words=("--$1")
	case $1 in
	source)
		words+=(127.0.0.2)
		if [ "$2" = unix-datagram ]; then
			words[1]=$T/local
			[ ! -e "$T/local" ] || rm -f "$T/local"
		fi
		;;
	source-port) words+=(0) ;;
	max-conns | count | backlog | parallel) words+=(5) ;;
	quit | wait | idle-timeout | max-time | drain | retry) words+=(9) ;;
	interval | delay | recvlimit | recv-bytes) words+=(9) ;;
	send | expect) words+=('x\n') ;;
	rate) words+=(9k) ;;
	output | hex-dump) words+=("$T/copy") ;;
	interface) words+=(lo) ;;
	sh-exec | exec) words+=(true) ;;
	forward) words+=(127.0.0.1:1) ;;
	allow | deny) words+=(127.0.0.1) ;;
	allowfile | denyfile)
		words+=("$T/list")
		echo 127.0.0.1 >"$T/list"
		;;
	port-file) words+=("$T/port") ;;
	ready-fd) words+=(1) ;;
	rcvbuf) words+=(8000) ;;
	sndbuf) words+=(9000) ;;
	tos) words+=(0x20) ;;
	ttl) words+=(77) ;;
	mode) words+=(604) ;;
	keepalive) words=("--keepalive=7,8,9") ;;
	proxy) words+=(127.0.0.1:1) ;;
	proxy-type) words+=(5) ;;
	proxy-auth-file)
		words+=("$T/auth")
		echo a:b >"$T/auth"
		;;
	esac
}

# mark_of OPTION MODE KIND: set mark.
mark_of() {
	mark=$(awk -F '\t' -v o="$1" -v m="$2" -v k="${3%6}" \
		'$1 == o && $2 == m && $3 == k { print $4 }' \
		"$BATS_FILE_TMPDIR/marks")
}

# names_option OPTION LINE: the line refuses the option; one that changes the
# mode may as well be what another one clashes with.
names_option() {
	local letter subject=${2#sockcat: }

	[[ $2 == "sockcat: "*" makes no sense with"* ]] || return 1
	subject=${subject%% *}
	[ "$subject" != "--$1" ] || return 0
	if [[ $subject == -? ]]; then
		[[ $letters == *"${subject#-}"* ]] || return 1
	else
		[[ " ${flags[*]} " == *" $subject "* ]] || return 1
	fi
	case $1 in
	chat | forward)
		[[ "${2#*sense} " == *" --$1 "* ]]
		return
		;;
	broker) letter=b ;;
	sh-exec | exec) letter=c ;;
	zero | broadcast | echo | listen) letter=${1:0:1} ;;
	*) return 1 ;;
	esac
	letters+=$letter
	[[ ${2#*sense} == *" -"*"$letter"* ]]
}

# clash_is_real TEXT: what the refusal names is there (after `with') or is
# missing (after `without').
clash_is_real() {
	local word there=1 i

	for word in $1; do
		case $word in
		with) there=1 ;;
		without) there=0 ;;
		--*)
			[[ " ${flags[*]} ${words[0]} " == *" $word "* ]] ||
				return 1
			;;
		-*)
			for ((i = 1; i < ${#word}; i++)); do
				if [[ $letters == *"${word:i:1}"* ]]; then
					((there)) || return 1
				else
					((!there)) || return 1
				fi
			done
			;;
		esac
	done
}

# line_of OPTION MODE KIND MARK: set line to a command that gives the option
# to that mode, and words, flags, operands and letters to what is in it.
line_of() {
	local option=$1 mode=$2 kind=$3 mark=$4

	command_of "$mode" "$kind"
	value_of "$option" "$kind"
	case $option$mode in
	no-reuseaddr*)
		[ "$mark" = - ] || ! is_client "$mode" || words+=(-p 0)
		;;
	append-output*) [ "$mark" = - ] || words+=(-o "$T/copy") ;;
	background-l | background-lk | background-lb | background--chat)
		[ "$mark" = - ] || words+=(-d -o "$T/copy")
		;;
	proxy-*) [ "$mark" = - ] || words+=(-x 127.0.0.1:1) ;;
	unixsock*) operands=("$T/s") ;;
	exec-*c) flags=("${flags[@]/#-c/--exec}") ;;
	source-port*) is_client "$mode" || operands=("${operands[@]:0:1}") ;;
	esac
	line="${flags[*]} ${words[*]} -- ${operands[*]}"
}

# all_rows: every option in every mode and on every socket, as the table says.
all_rows() {
	local option mode kind mark status said clash line more
	local flags operands letters words

	while IFS=$'\t' read -r option mode kind mark; do
		[ "$mark" != = ] || continue
		exists "$mode" "$kind" || continue
		line_of "$option" "$mode" "$kind" "$mark"
		echo "$option $mark ${words[0]} ,$letters ${flags[*]}" >&7
		echo "$line"
	done <"$BATS_FILE_TMPDIR/marks" >"$T/lines" 7>"$T/rows"
	# How the program reads them, without a process for each.
	ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 "$UNIT" parse <"$T/lines" \
		>"$T/results"
	[ "$(wc -l <"$T/results")" -gt 3000 ]
	while read -ru 7 option mark words letters more &&
	    IFS=$'\t' read -ru 8 status said && read -ru 9 line; do
		read -ra flags <<<"$more"
		clash=${said#*no sense }
		if [ "$mark" != - ]; then
			[ "$status" -eq 0 ]
		else
			# Without the advice behind it.
			[ "$status" -eq 2 ] &&
				names_option "$option" "sockcat: $said" &&
				clash_is_real "${clash%%;*}"
		fi || wrong "$line: $mark, but status $status, $said"
	done 7<"$T/rows" 8<"$T/results" 9<"$T/lines"
	none_wrong
}

# some_rows: for every mode, in the program itself, all options that act
# together, and one that is refused.
some_rows() {
	local mode kind option mark given flags operands letters words line
	local lines

	# But for those that exclude others.
	for mode in "${modes[@]}"; do
		for kind in tcp unix; do
			given=()
			while read -r option; do
				line_of "$option" "$mode" "$kind" +
				given+=("${words[@]}")
			done < <(awk -F '\t' -v m="$mode" -v k="$kind" '
				$2 == m && $3 == k && $4 ~ /[+.]/ &&
				$1 !~ /^(ipv6|udp|unixsock|send-only|expect)$/ &&
				$1 !~ /^(fd-pass|recv-bytes|help|version|quiet)$/ &&
				$1 !~ /^(exec|background|max-time|json|source-port|proxy.*)$/ {
					print $1
				}' "$BATS_FILE_TMPDIR/marks")
			command_of "$mode" "$kind"
			status=0
			sockcat "${flags[@]}" "${given[@]}" --max-time 1ms \
				-- "${operands[@]}" >/dev/null 2>"$T/err" \
				</dev/null || status=$?
			case $status in
			2 | 137) wrong "$mode $kind ${given[*]}:" \
				"$status $(cat "$T/err")" ;;
			esac
		done
		option=parallel
		[ "$mode" != -z ] || option=lines
		line_of $option "$mode" tcp -
		status=0
		sockcat "${flags[@]}" "${words[@]}" "${operands[@]}" \
			2>"$T/err" || status=$?
		mapfile -t lines <"$T/err"
		if [ "$status" -ne 2 ] || [ ${#lines[@]} -ne 2 ] ||
		    ! names_option $option "${lines[0]}" ||
		    [ "${lines[1]}" != "sockcat: try 'sockcat --help'" ]; then
			wrong "$line: $status $(cat "$T/err")"
		fi
	done
	none_wrong
}

@test "the table: every option in every mode and on every socket" {
	need_unit
	all_rows
}

@test "the table: options that act, all together, and some that are refused" {
	need_unit
	some_rows
}

@test "the table: the other side of a forward" {
	local mark kind to words option i

	# Where an option acts on the other side, that side's mark counts; one
	# that acts on both is refused if neither side has it.
	while read -r mark kind to words; do
		rm -f "$T/s"
		i=(127.0.0.1 0)
		[[ $kind != *U* ]] || i=("$T/s")
		[ "$kind" != - ] || kind=-v
		status=0
		# shellcheck disable=SC2086 # words
		sockcat -l $kind --forward "${to/@T/$T}" $words \
			--max-time 1ms "${i[@]}" 2>"$T/err" || status=$?
		option=${words%% *}
		if [ "$mark" = + ]; then
			[ $status -ne 2 ]
		else
			[ $status -eq 2 ] && grep -qE -e \
				"^sockcat: ${option%=*} makes no sense with" \
				"$T/err"
		fi || wrong "$kind $to $words: $status $(cat "$T/err")"
	done <<-'END'
	+ -   127.0.0.1:1     -s 127.0.0.2
	- -   unix:@T/o       -s 127.0.0.2
	+ -U  127.0.0.1:1     -s 127.0.0.2
	- -U  unix:@T/o       -s 127.0.0.2
	+ -u  udp:127.0.0.1:1 -s 127.0.0.2
	+ -uU udp:127.0.0.1:1 -s 127.0.0.2
	+ -   unix:@T/o       --tos 0x20
	+ -U  127.0.0.1:1     --tos 0x20
	- -U  unix:@T/o       --tos 0x20
	+ -uU udp:127.0.0.1:1 --ttl 9
	- -uU unix:@T/o       --ttl 9
	+ -   unix:@T/o       --no-nodelay
	+ -U  127.0.0.1:1     --no-nodelay
	- -U  unix:@T/o       --no-nodelay
	- -u  udp:127.0.0.1:1 --nodelay
	+ -U  127.0.0.1:1     --keepalive=7
	- -U  unix:@T/o       --keepalive=7
	- -uU udp:127.0.0.1:1 --keepalive=7
	- -   127.0.0.1:1     --reset
	END
	none_wrong
}

# traced ARGS...: the calls on sockets that the command makes before it is
# connected or listens, in $T/calls.
traced() {
	local try

	# A busy machine may have no process for it at the moment.
	rm -f "$T/all"
	for try in 1 2 3; do
		[ ! -s "$T/all" ] || break
		rm -f "$T/s"
		strace -f -o "$T/all" \
			-e trace=socket,setsockopt,bind,connect,listen \
			timeout -s KILL 30 "$SOCKCAT" "$@" </dev/null \
			>/dev/null 2>"$T/err" || :
	done
	sed -E '/ (connect|listen)\(/q' "$T/all" >"$T/calls"
}

# effect OPTION KIND: set regexes to what its value (see value_of) does.
effect() {
	regexes=()
	case $1 in
	rcvbuf) regexes=('SO_RCVBUF, \[8000\]') ;;
	sndbuf) regexes=('SO_SNDBUF, \[9000\]') ;;
	no-nodelay) regexes=('TCP_NODELAY, \[0\]') ;;
	reuseport) regexes=('SO_REUSEPORT, \[1\]') ;;
	backlog) regexes=('listen\([0-9]+, 5\)') ;;
	keepalive)
		regexes=('SO_KEEPALIVE, \[1\]' 'TCP_KEEPIDLE, \[7\]'
			'TCP_KEEPINTVL, \[8\]' 'TCP_KEEPCNT, \[9\]')
		;;
	tos)
		regexes=('IP_TOS, \[32\]')
		[[ $2 != *6 ]] || regexes=('IPV6_TCLASS, \[32\]')
		;;
	ttl)
		regexes=('IP_TTL, \[77\]')
		[[ $2 != *6 ]] || regexes=('IPV6_UNICAST_HOPS, \[77\]')
		;;
	source)
		regexes=('bind\(.*127\.0\.0\.2')
		[ "$2" != unix-datagram ] || regexes=("bind\\(.*$T/local")
		;;
	esac
}

# socket_calls MODE OPTION...: what the options set on sockets in this mode is
# set before the socket is used, and not without them.
socket_calls() {
	local mode=$1 kind option words flags operands letters regexes regex
	local given acting mark
	shift

	need strace
	need_unit
	need_linux
	for kind in "${kinds[@]}" tcp6 udp6; do
		given=()
		acting=()
		exists "$mode" "$kind" || continue
		# There what is for IP acts on the other side alone.
		[[ $mode$kind != *--forwardunix* ]] || continue
		command_of "$mode" "$kind"
		for option; do
			[[ $option$kind != source*6 ]] || continue
			mark_of "$option" "$mode" "$kind"
			[ "$mark" = + ] || continue
			value_of "$option" "$kind"
			given+=("${words[@]}")
			acting+=("$option")
		done
		[ ${#acting[@]} -gt 0 ] || continue
		traced "${flags[@]}" -w 0.05 "${operands[@]}"
		cp "$T/calls" "$T/calls.without"
		rm -f "$T/local"
		traced "${flags[@]}" -w 0.05 "${given[@]}" "${operands[@]}"
		for option in "${acting[@]}"; do
			effect "$option" "$kind"
			for regex in "${regexes[@]}"; do
				grep -qE "$regex" "$T/calls" ||
					wrong "$mode $kind --$option: no" \
					"$regex: $(cat "$T/err")"
				! grep -qE "$regex" "$T/calls.without" ||
					wrong "$mode $kind: $regex without" \
					"--$option"
			done
		done
		! grep -E 'setsockopt.* = -1' "$T/calls" >>"$T/wrong" ||
			wrong "... with $mode $kind ${given[*]}"
		[ -s "$T/wrong" ] || rm -f "$T/wrong"
	done
	none_wrong
}

on_sockets=(rcvbuf sndbuf no-nodelay reuseport backlog keepalive tos ttl
	source)

@test "socket options: connect" {
	socket_calls connect "${on_sockets[@]}"
}

@test "socket options: -l" {
	socket_calls -l "${on_sockets[@]}"
}

@test "socket options: -lk" {
	# Its keepalive is on by default, with other times.
	socket_calls -lk rcvbuf sndbuf no-nodelay reuseport backlog tos ttl source
}

@test "socket options: -e" {
	socket_calls -e "${on_sockets[@]}"
}

@test "socket options: -le" {
	socket_calls -le "${on_sockets[@]}"
}

@test "socket options: -lke" {
	socket_calls -lke rcvbuf sndbuf no-nodelay reuseport backlog tos ttl source
}

@test "socket options: -lb" {
	socket_calls -lb rcvbuf sndbuf no-nodelay reuseport backlog tos ttl source
}

@test "socket options: --chat" {
	socket_calls --chat rcvbuf sndbuf no-nodelay reuseport backlog tos ttl
}

@test "socket options: -c" {
	socket_calls -c "${on_sockets[@]}"
}

@test "socket options: -lc" {
	socket_calls -lc "${on_sockets[@]}"
}

@test "socket options: -lkc" {
	socket_calls -lkc rcvbuf sndbuf no-nodelay reuseport backlog tos ttl
}

@test "socket options: --forward" {
	# The address of source is that of the other side.
	socket_calls --forward rcvbuf sndbuf no-nodelay reuseport backlog tos ttl
	socket_calls "-k --forward" rcvbuf sndbuf no-nodelay reuseport \
		backlog tos ttl
}

@test "socket options: the other side of a forward" {
	local option words given=() regexes regex

	need strace
	need_linux
	peer_py peer sink.py
	for option in rcvbuf sndbuf no-nodelay keepalive tos ttl source; do
		value_of $option tcp
		given+=("${words[@]}")
	done
	start srv strace -f -o "$T/all" \
		-e trace=accept,accept4,socket,setsockopt,bind,connect \
		"$SOCKCAT" -v -l --forward "127.0.0.1:$PORT" "${given[@]}" \
		127.0.0.1 0
	_announced srv
	sockcat 127.0.0.1 "$PORT" </dev/null
	wait_line peer.out '^received 0 '
	wait_exit srv
	sed -nE '/accept4?\(/,/ connect\(/p' "$T/all" |
		sed -n '/ socket(/,$p' >"$T/calls"
	for option in rcvbuf sndbuf no-nodelay keepalive tos ttl source; do
		effect $option tcp
		for regex in "${regexes[@]}"; do
			grep -qE "$regex" "$T/calls" || wrong "$option: $regex"
		done
	done
	none_wrong
}

@test "socket options: -z" {
	socket_calls -z "${on_sockets[@]}"
}

@test "--ttl and --tos do not keep anybody from connecting" {
	listen srv -ke -M 9 -T lowdelay 0
	echo hello >"$T/in"
	sockcat -M 7 -T af21 127.0.0.1 "$PORT" <"$T/in" >"$T/out"
	[ "$(cat "$T/out")" = hello ]
	need_ipv6
	sockcat -M 7 -T af21 ::1 "$PORT" <"$T/in" >"$T/out"
	[ "$(cat "$T/out")" = hello ]
}

# traced_mode MODE KIND ARGS...: the calls of that mode with ARGS.
traced_mode() {
	local mode=$1 kind=$2 flags operands letters
	shift 2

	command_of "$mode" "$kind"
	traced "${flags[@]}" -w 0.05 "$@" "${operands[@]}"
}

@test "--nodelay, --no-nodelay: the default, and the last one counts" {
	local mode

	need strace
	need_linux
	for mode in connect -e -c "${listeners[@]}"; do
		traced_mode "$mode" tcp
		grep -q 'TCP_NODELAY, \[1\]' "$T/calls" || wrong "$mode"
		traced_mode "$mode" tcp --no-nodelay --nodelay
		grep -q 'TCP_NODELAY, \[1\]' "$T/calls" || wrong "$mode on"
		traced_mode "$mode" tcp --nodelay --no-nodelay
		! grep -q 'TCP_NODELAY, \[1\]' "$T/calls" || wrong "$mode off"
	done
	none_wrong
}

@test "--keepalive, --no-keepalive: the default, and the last one counts" {
	local mode n

	need strace
	need_linux
	for mode in connect -e -c "${listeners[@]}"; do
		n=0
		case $mode in -l[kb]* | --chat | *--forward) n=1 ;; esac
		traced_mode "$mode" tcp
		[ "$(grep -c 'SO_KEEPALIVE, \[1\]' "$T/calls")" -eq $n ] ||
			wrong "$mode"
		traced_mode "$mode" tcp --keepalive --no-keepalive
		! grep -q SO_KEEPALIVE "$T/calls" || wrong "$mode off"
		traced_mode "$mode" tcp --no-keepalive
		! grep -q SO_KEEPALIVE "$T/calls" || wrong "$mode only off"
		traced_mode "$mode" tcp --no-keepalive --keepalive
		if ! grep -q 'SO_KEEPALIVE, \[1\]' "$T/calls" ||
		    ! grep -q 'TCP_KEEPIDLE, \[60\]' "$T/calls" ||
		    ! grep -q 'TCP_KEEPINTVL, \[15\]' "$T/calls" ||
		    ! grep -q 'TCP_KEEPCNT, \[4\]' "$T/calls"; then
			wrong "$mode on"
		fi
		traced_mode "$mode" tcp --keepalive=7,8,9
		if ! grep -q 'TCP_KEEPIDLE, \[7\]' "$T/calls" ||
		    ! grep -q 'TCP_KEEPINTVL, \[8\]' "$T/calls" ||
		    ! grep -q 'TCP_KEEPCNT, \[9\]' "$T/calls"; then
			wrong "$mode times"
		fi
	done
	none_wrong
}

@test "--no-reuseaddr: stream listeners and a client's fixed port" {
	local mode

	need strace
	need_linux
	for mode in "${listeners[@]}"; do
		traced_mode "$mode" tcp
		grep -q 'SO_REUSEADDR, \[1\]' "$T/calls" || wrong "$mode"
		traced_mode "$mode" tcp --no-reuseaddr
		! grep -q 'SO_REUSEADDR, \[1\]' "$T/calls" || wrong "$mode no"
		exists "$mode" udp || continue
		traced_mode "$mode" udp
		! grep -q 'SO_REUSEADDR, \[1\]' "$T/calls" || wrong "$mode -u"
	done
	for mode in "${clients[@]}"; do
		free_port
		traced_mode "$mode" tcp
		! grep -q 'SO_REUSEADDR' "$T/calls" || wrong "$mode"
		traced_mode "$mode" tcp -p "$PORT"
		grep -q 'SO_REUSEADDR, \[1\]' "$T/calls" || wrong "$mode -p"
		grep -q "bind(.*htons($PORT)" "$T/calls" || wrong "$mode bind"
		traced_mode "$mode" tcp -p "$PORT" --no-reuseaddr
		! grep -q 'SO_REUSEADDR, \[1\]' "$T/calls" || wrong "$mode no"
		traced_mode "$mode" udp -p "$PORT"
		! grep -q 'SO_REUSEADDR, \[1\]' "$T/calls" || wrong "$mode -u"
		grep -q "bind(.*htons($PORT)" "$T/calls" || wrong "$mode -u bind"
	done
	none_wrong
}

@test "-p and -l: the port to listen on" {
	local mode kind port flags operands letters

	for mode in "${listeners[@]}"; do
		for kind in tcp udp; do
			exists "$mode" $kind || continue
			command_of "$mode" $kind
			case $kind in
			tcp) free_port ;;
			udp) free_port -u ;;
			esac
			port=$PORT
			listen srv "${flags[@]}" -p "$port" 127.0.0.1
			[ "$PORT" = "$port" ] || wrong "$mode $kind: $PORT"
			stop srv
		done
	done
	none_wrong
}

@test "-u, -U, -l: the kind of socket" {
	local mode kind regex

	need strace
	need_linux
	for mode in "${modes[@]}"; do
		for kind in "${kinds[@]}"; do
			case $kind in
			tcp) regex='socket\(AF_INET, SOCK_STREAM' ;;
			udp) regex='socket\(AF_INET, SOCK_DGRAM' ;;
			unix) regex='socket\(AF_UNIX, SOCK_STREAM' ;;
			*) regex='socket\(AF_UNIX, SOCK_DGRAM' ;;
			esac
			exists "$mode" "$kind" || continue
			traced_mode "$mode" "$kind"
			grep -qE "$regex" "$T/calls" || wrong "$mode $kind"
			if is_client "$mode"; then
				grep -q 'connect(' "$T/calls"
			elif [[ $kind == u*d* ]]; then
				grep -q 'bind(' "$T/calls"
			else
				grep -q 'listen(' "$T/calls"
			fi || wrong "$mode $kind: $(cat "$T/calls")"
		done
	done
	none_wrong
}

@test "-4 and -6: one family only" {
	local mode kind flags operands letters any

	need_ipv6
	for mode in "${modes[@]}"; do
		for kind in tcp udp; do
			exists "$mode" $kind || continue
			command_of "$mode" $kind
			# The other family has no such address.
			status=0
			sockcat "${flags[@]}" -w 20 -4 ::1 "${operands[1]}" \
				2>"$T/err" </dev/null || status=$?
			[ $status -eq 3 ] || wrong "$mode $kind -4: $status"
			status=0
			sockcat "${flags[@]}" -w 20 -6 127.0.0.1 \
				"${operands[1]}" 2>"$T/err" </dev/null ||
				status=$?
			[ $status -eq 3 ] || wrong "$mode $kind -6: $status"
			! is_client "$mode" || continue
			# A command is for this machine alone.
			any=('0\.0\.0\.0' ::)
			[[ $mode != -l*c ]] || any=('127\.0\.0\.1' ::1)
			listen srv "${flags[@]}" -4 0
			grep -qE "^(Listening|Bound) on ${any[0]} [0-9]+\$" \
				"$T/srv.err" || wrong "$mode $kind -4"
			[ "$(wc -l <"$T/srv.err")" -eq 1 ] ||
				wrong "$mode $kind -4: $(cat "$T/srv.err")"
			stop srv
			listen srv "${flags[@]}" -6 0
			grep -qE "^(Listening|Bound) on ${any[1]} [0-9]+\$" \
				"$T/srv.err" || wrong "$mode $kind -6"
			[ "$(wc -l <"$T/srv.err")" -eq 1 ] ||
				wrong "$mode $kind -6: $(cat "$T/srv.err")"
			# That port may be somebody else's in the other family.
			if [ $kind = tcp ] &&
			    sockcat -z 127.0.0.1 "$PORT" 2>"$T/err" &&
			    wait_for 2 _has_lines "$T/srv.err" \
				'^Connection received' 1; then
				wrong "$mode -6 takes IPv4"
			fi
			stop srv
		done
	done
	none_wrong
}

@test "-s: where a client comes from" {
	listen srv -k 127.0.0.1 0
	sockcat -s 127.0.0.2 127.0.0.1 "$PORT" </dev/null
	wait_line srv.err '^Connection received on 127\.0\.0\.2 [0-9]+$'
	sockcat -s 127.0.0.3 -z 127.0.0.1 "$PORT" </dev/null
	wait_line srv.err '^Connection received on 127\.0\.0\.3 [0-9]+$'
	start cl sockcat -s 127.0.0.4 -e 127.0.0.1 "$PORT"
	wait_line srv.err '^Connection received on 127\.0\.0\.4 [0-9]+$'
	listen udp -uk 127.0.0.1 0
	echo hello | sockcat -q 0 -u -s 127.0.0.5 127.0.0.1 "$PORT"
	wait_line udp.err '^Connection received on 127\.0\.0\.5 [0-9]+$'
	listen dgram -uUk "$T/d"
	echo hello | sockcat -q 0 -uU -s "$T/mine" "$T/d"
	wait_line dgram.err "^Connection received on $T/mine\$"
	[ ! -e "$T/mine" ]
}

@test "-b: a client may send to broadcast addresses" {
	need strace
	need_linux
	echo hello >"$T/in"
	status=0
	sockcat -u 127.255.255.255 9 <"$T/in" 2>"$T/err" || status=$?
	[ "$status" -eq 1 ]
	grep -q 'Permission denied' "$T/err"
	traced -u -b -q 0 127.255.255.255 9
	grep -q 'SO_BROADCAST, \[1\]' "$T/all"
	traced -u -b -e -w 0.05 127.255.255.255 9
	grep -q 'SO_BROADCAST, \[1\]' "$T/all"
	traced -u --broker -q 0 127.255.255.255 9
	grep -q 'SO_BROADCAST, \[1\]' "$T/all"
	listen srv -u 0
	sockcat -u -b -q 0 -4 127.255.255.255 "$PORT" <"$T/in"
	wait_line srv.out '^hello$'
}

@test "--mode: permissions of the socket" {
	local mode kind bits flags operands letters

	for mode in "${listeners[@]}"; do
		for kind in unix unix-datagram; do
			exists "$mode" $kind || continue
			command_of "$mode" $kind
			for bits in 600 666 0 777; do
				listen srv "${flags[@]}" --mode $bits "$T/s"
				[ "$(stat -c %a "$T/s")" = $bits ] ||
					wrong "$mode $kind $bits"
				stop srv
			done
		done
	done
	none_wrong
}

@test "--reset: what the peer sees, connect" {
	local option want

	echo hello >"$T/in"
	for option in '' --reset; do
		want=${option#--}
		peer_py "srv$want" sink.py
		# shellcheck disable=SC2086 # no or one word
		sockcat -q 0 $option 127.0.0.1 "$PORT" <"$T/in"
		wait_line "srv$want.out" "^received 6 .* ${want:-end}\$"
	done
}

@test "--reset: what the peer sees, -z" {
	peer_py srv1 sink.py
	sockcat -z 127.0.0.1 "$PORT"
	wait_line srv1.out '^received 0 .* end$'
	peer_py srv2 sink.py
	sockcat -z --reset 127.0.0.1 "$PORT"
	wait_line srv2.out '^received 0 .* reset$'
}

@test "--reset: what the peer sees, -l" {
	local option want

	echo hello >"$T/in"
	for option in '' --reset; do
		want=${option#--}
		# shellcheck disable=SC2086 # no or one word
		listen_with "$T/in" "srv$want" -q 0 $option 127.0.0.1 0
		client_py "cl$want" sink.py --connect "$PORT"
		wait_line "cl$want.out" "^received 6 .* ${want:-end}\$"
	done
}

@test "--reset: what the peer sees, -e" {
	local option want

	for option in '' --reset; do
		want=${option#--}
		peer_py "srv$want" half_close.py --send hello
		# shellcheck disable=SC2086 # no or one word
		sockcat -e $option 127.0.0.1 "$PORT"
		wait_line "srv$want.out" "^received 5 .* ${want:-end}\$"
	done
}

@test "--reset: what the peer sees, -le and -lke" {
	local option want mode

	for mode in -e -ke; do
		for option in '' --reset; do
			want=${option#--}
			# shellcheck disable=SC2086 # no or one word
			listen "srv" $mode $option 127.0.0.1 0
			client_py cl half_close.py --connect --send hello \
				"$PORT"
			wait_line cl.out "^received 5 .* ${want:-end}\$"
			wait_exit cl
			stop srv
		done
	done
}

@test "--reset: what the peer sees, -lk and -lb" {
	local option want mode

	for mode in -k -b; do
		for option in '' --reset; do
			want=${option#--}
			# shellcheck disable=SC2086 # no or one word
			listen srv $mode -d --idle-timeout 0.1 $option \
				127.0.0.1 0
			client_py cl sink.py --connect "$PORT"
			wait_line cl.out "^received 0 .* ${want:-end}\$"
			wait_exit cl
			stop srv
		done
	done
}

@test "-d: standard input is not read" {
	local option mode n

	echo hello >"$T/in"
	for option in '' -d --recv-only; do
		n=6
		[ -z "$option" ] || n=0
		peer_py srv source.py --bytes 5 --end half
		# shellcheck disable=SC2086 # no or one word
		sockcat $option 127.0.0.1 "$PORT" <"$T/in" >"$T/out"
		[ "$(wc -c <"$T/out")" -eq 5 ] || wrong "connect $option"
		wait_line srv.out "^received $n .* end\$" ||
			wrong "connect $option"
		wait_exit srv
		for mode in -l -lk; do
			# shellcheck disable=SC2086 # no or one word
			listen_with "$T/in" srv $mode $option 127.0.0.1 0
			client_py cl source.py --connect --bytes 5 --end half \
				"$PORT"
			wait_line cl.out "^received $n .* end\$" ||
				wrong "$mode $option"
			wait_exit cl
			# The console of -lk may still be writing.
			wait_size srv.out 5 || wrong "$mode $option"
			[ $mode = -l ] || stop srv
			[ $mode != -l ] || wait_exit srv
			[ "$(wc -c <"$T/srv.out")" -eq 5 ] ||
				wrong "$mode $option"
		done
	done
	none_wrong
}

@test "-d: a hub's standard input is not read" {
	feed srv
	listen_with - srv -b 127.0.0.1 0
	start cl1 sockcat -d 127.0.0.1 "$PORT"
	wait_line srv.err '^Connection received'
	send_to srv hello
	wait_size cl1.out 5
	end_of srv
	stop srv
	echo hello >"$T/in"
	listen_with "$T/in" srv2 -b -d 127.0.0.1 0
	start cl2 sockcat -d 127.0.0.1 "$PORT"
	wait_line srv2.err '^Connection received'
	# What another member says goes through, what the console would, not.
	printf word | sockcat -q 0 127.0.0.1 "$PORT"
	wait_lines srv2.err '^Connection received' 2
	wait_size srv2.out 4
	wait_size cl2.out 4
	stop srv2
	[ "$(cat "$T/cl2.out")" = word ]
}

@test "-d: datagrams" {
	echo hello >"$T/in"
	peer_py srv udp_answer.py
	sockcat -u -d -w 0.3 127.0.0.1 "$PORT" <"$T/in" || :
	[ "$(wc -l <"$T/srv.out")" -eq 1 ]
	sockcat -u -w 0.3 127.0.0.1 "$PORT" <"$T/in" >"$T/out"
	wait_line srv.out '^got 6'
	[ "$(cat "$T/out")" = hello ]
}

@test "--send-only: what comes is discarded, the end is when all is sent" {
	echo hello >"$T/in"
	# A peer that has much to say, and does not end.
	peer_py srv source.py --bytes 1000 --end hold
	sockcat --send-only 127.0.0.1 "$PORT" <"$T/in" >"$T/out"
	[ ! -s "$T/out" ]
	wait_line srv.out '^received 6 '
	peer_py srv2 source.py --bytes 5 --end half
	sockcat 127.0.0.1 "$PORT" <"$T/in" >"$T/out"
	[ "$(wc -c <"$T/out")" -eq 5 ]
	listen_with "$T/in" lis --send-only 127.0.0.1 0
	client_py cl source.py --connect --bytes 5 --end hold "$PORT"
	wait_exit lis
	[ "$status" -eq 0 ]
	[ ! -s "$T/lis.out" ]
	wait_line cl.out '^received 6 '
	listen_with "$T/in" lk -k --send-only 127.0.0.1 0
	client_py cl2 source.py --connect --bytes 5 --end half "$PORT"
	wait_line cl2.out '^received 6 '
	[ ! -s "$T/lk.out" ]
}

@test "--send-only: Unix sockets" {
	echo hello >"$T/in"
	peer_py srv stall.py -U "$T/s" --send noise --on-line
	sockcat --send-only -U "$T/s" <"$T/in" >"$T/out"
	[ ! -s "$T/out" ]
}

@test "--no-shutdown, -N: the FIN after the end of input" {
	local option want quit

	echo hello >"$T/in"
	for option in '' -N '--no-shutdown -N' --no-shutdown \
	    '-N --no-shutdown'; do
		want=bye
		quit=30
		if [[ $option == *--no-shutdown ]]; then
			want=
			quit=0.3
		fi
		peer_py srv sink.py --answer bye
		# shellcheck disable=SC2086 # words
		sockcat $option -q $quit 127.0.0.1 \
			"$PORT" <"$T/in" >"$T/out" 2>"$T/err" || :
		[ "$(cat "$T/out")" = "$want" ] || wrong "connect '$option'"
		wait_exit srv
		# shellcheck disable=SC2086 # words
		listen_with "$T/in" lis $option -q $quit \
			127.0.0.1 0
		client_py cl sink.py --connect --answer bye "$PORT"
		wait_exit lis
		[ "$(cat "$T/lis.out")" = "$want" ] || wrong "-l '$option'"
		wait_exit cl
	done
	none_wrong
}

@test "--no-shutdown, -N: -lk" {
	echo hello >"$T/in"
	listen_with "$T/in" srv1 -k -N 127.0.0.1 0
	client_py cl1 sink.py --connect --answer bye "$PORT"
	wait_line cl1.out '^received 6 .* end$'
	wait_size srv1.out 3
	listen_with "$T/in" srv2 -k --no-shutdown 127.0.0.1 0
	client_py cl2 sink.py --connect --answer bye "$PORT"
	printf word | sockcat -q 0 127.0.0.1 "$PORT"
	wait_size srv2.out 4
	not wait_line cl2.out received 0.5 2>/dev/null
	[ "$(cat "$T/srv2.out")" = word ]
}

@test "-q ends when the other direction rests" {
	peer_py srv stall.py
	sockcat -q 0.1 127.0.0.1 "$PORT" </dev/null
	listen lis -q 0.1 127.0.0.1 0
	client_py cl stall.py --connect "$PORT"
	wait_exit lis
	[ "$status" -eq 0 ]
}

@test "-k: one after the other, and at once" {
	local mode

	for mode in -k -ke -b; do
		listen srv $mode 127.0.0.1 0
		start cl1 sockcat 127.0.0.1 "$PORT"
		wait_lines srv.err '^Connection received' 1
		start cl2 sockcat 127.0.0.1 "$PORT"
		wait_lines srv.err '^Connection received' 2
		alive srv
		stop srv
		wait_exit cl1
		wait_exit cl2
	done
	for mode in -v -e; do
		listen srv $mode 127.0.0.1 0
		start_with /dev/zero cl1 sockcat 127.0.0.1 "$PORT"
		wait_lines srv.err '^Connection received' 1
		status=0
		sockcat -z 127.0.0.1 "$PORT" 2>"$T/err" || status=$?
		[ "$status" -eq 1 ]
		grep -q 'Connection refused' "$T/err"
		stop cl1 KILL
		stop srv
	done
}

# holds_back ARGS...: a listener with -m 2 takes a third peer only when one of
# the first two is gone.
holds_back() {
	local client=(127.0.0.1) i

	listen srv -m 2 "$@"
	if [[ $* == *U* ]]; then
		client=(-U)
	fi
	for i in 1 2 3; do
		feed "cl$i"
		start_with - "cl$i" sockcat "${client[@]}" "$PORT"
		wait_lines srv.err '^Connection received' $((i < 3 ? i : 2))
	done
	# The third is connected, in the backlog, and waits.
	not wait_lines srv.err '^Connection received' 3 0.3 2>/dev/null
	alive cl3
	stop cl1 KILL
	# A hub takes an end for a half-close until it has something to say.
	[[ $1 != -b ]] || send_to cl2 word
	wait_lines srv.err '^Connection received' 3
	stop cl2 KILL
	stop cl3 KILL
	stop srv
	end_of cl1
	end_of cl2
	end_of cl3
	rm -f "$T"/cl?.in
}

@test "-m: at most N peers at once, -lk" {
	holds_back -k 127.0.0.1 0
	holds_back -k 0
}

@test "-m: at most N peers at once, -lke" {
	holds_back -ke 127.0.0.1 0
	holds_back -ke -U "$T/s"
}

@test "-m: at most N peers at once, -lb" {
	holds_back -b 127.0.0.1 0
	holds_back -b localhost 0
}

@test "-m: datagram peers remembered" {
	local mode n

	for mode in -k -b; do
		for n in 1 2; do
			feed srv
			listen_with - srv -u $mode -m $n 127.0.0.1 0
			start cl1 "${python[@]}" "$PEERS/udp_client.py" \
				--message one --no-wait --listen 1 "$PORT"
			wait_size srv.out 3
			start cl2 "${python[@]}" "$PEERS/udp_client.py" \
				--message two --no-wait --listen 1 "$PORT"
			wait_size srv.out 6
			send_to srv word
			wait_line cl2.out '^word$'
			if [ $n -eq 2 ]; then
				wait_line cl1.out '^(word|two)$'
			else
				not grep -q word "$T/cl1.out"
			fi
			stop srv
			stop cl1
			wait_exit cl2
			end_of srv
			rm -f "$T/srv.in"
		done
	done
}

@test "-v: each mode says something, nothing without" {
	local mode option n flags operands letters

	for mode in "${modes[@]}"; do
		command_of "$mode" tcp
		if is_client "$mode"; then
			peer_py peer sink.py --clients 0
			operands=(127.0.0.1 "$PORT")
		fi
		for option in '' -v; do
			start one sockcat "${flags[@]}" -w 0.2 \
				${option:+$option} "${operands[@]}"
			wait_exit one
			n=$(grep -cE '^(Listening on|Connection to) 127' \
				"$T/one.err") || :
			[ "$n" -eq $((${#option} / 2)) ] ||
				wrong "$mode '$option': $n"
		done
		! is_client "$mode" || stop peer
	done
	none_wrong
}

@test "--quiet: no mode says what failed" {
	local mode flags operands letters

	for mode in "${modes[@]}"; do
		command_of "$mode" tcp
		is_client "$mode" || operands=(192.0.2.99 0)
		status=0
		sockcat "${flags[@]}" "${operands[@]}" 2>"$T/err" </dev/null ||
			status=$?
		[ "$status" -eq 1 ] && [ "$(wc -l <"$T/err")" -eq 1 ] ||
			wrong "$mode: $status $(cat "$T/err")"
		status=0
		sockcat "${flags[@]}" --quiet "${operands[@]}" 2>"$T/err" \
			</dev/null || status=$?
		[ "$status" -eq 1 ] && [ ! -s "$T/err" ] ||
			wrong "$mode --quiet: $status $(cat "$T/err")"
	done
	none_wrong
}

@test "--nodns is -n, and --shutdown is -N" {
	run -2 --separate-stderr sockcat --nodns localhost 1
	peer_py srv sink.py
	start cl sockcat --no-shutdown --shutdown 127.0.0.1 "$PORT"
	wait_line srv.out '^received 0 .* end$'
	wait_exit cl
	[ "$status" -eq 0 ]
}
