#!/usr/bin/env bats
#
# Who may connect: --allow, --deny, and the files, for streams and datagrams;
# the lists read again on SIGHUP.

# shellcheck disable=SC2030,SC2031,SC2153,SC2154
load helpers

# calls ARGS... ADDRESS=in|out...: what the echo on PORT does with them.
calls() {
	local flags=()

	while [[ $1 == -* ]]; do
		flags+=("$1")
		shift
	done
	_ms 20
	timeout -s KILL "$((ms / 1000 + 10))" "${python[@]}" \
	    "$PEERS/caller.py" --limit "$((ms / 1000))" "${flags[@]}" "$PORT" \
	    "$@" >"$T/calls" 2>&1 || fail "$*: $(cat -v "$T/calls")"
}

# echo_with ARGS...: an echo, lis, with these lists.
echo_with() {
	listen lis -k -e "$@" 127.0.0.1 0
}

# over: lis shall end, and make room for the next.
over() {
	stop lis
	[ "$status" -eq 143 ] || fail "$status: $(cat -v "$T/lis.err")"
}

# fails STATUS ARGS...: nothing is listened on; output is what it says.
fails() {
	local want=$1
	shift

	run sockcat -v -l "$@" 127.0.0.1 0
	[ "$status" -eq "$want" ] || fail "$*: status $status: $output"
	if [[ $output == *[Ll]istening* || ${lines[0]} != sockcat:* ]]; then
		fail "$*: $output"
	fi
	[ "${#lines[@]}" -eq $((1 + (want == 2))) ] || fail "$*: $output"
}

# reload [REGEX]: SIGHUP, and wait until it has said what came of it.
reload() {
	local n regex=${1:-^The lists of who may connect have been read again}

	n=$(grep -cE "$regex" "$T/lis.err") || :
	kill -HUP "$pid_lis"
	wait_lines lis.err "$regex" $((n + 1))
}

# gone_at_last: whether lis has ended; if not, out sends it one more datagram.
gone_at_last() {
	alive lis || return 0
	send_to out x || :
	return 1
}

# member NAME ADDRESS: a client that stays, from this address.
member() {
	feed "$1"
	start_with - "$1" sockcat -s "$2" 127.0.0.1 "$PORT"
}

# answered NAME TEXT: what it says comes back to it.
answered() {
	send_to "$1" "$2"$'\n'
	wait_line "$1.out" "^$2\$"
}

@test "IPv4 blocks, from /0 to /32" {
	need_linux
	while read -r list calls; do
		echo_with --allow "$list"
		# shellcheck disable=SC2086
		calls $calls
		over
	done <<-EOD
		127.0.0.2 127.0.0.2=in 127.0.0.1=out 127.0.0.3=out
		127.0.0.2/32 127.0.0.2=in 127.0.0.1=out 127.0.0.3=out
		127.0.0.3/31 127.0.0.2=in 127.0.0.3=in 127.0.0.1=out 127.0.0.4=out
		127.1.255.7/15 127.0.0.1=in 127.1.0.1=in 127.2.0.1=out
		126.0.0.0/7 127.0.0.1=in
		128.0.0.0/8 127.0.0.1=out
		127.9.9.9/8 127.0.0.1=in 127.255.0.1=in
		128.0.0.0/1 127.0.0.1=out
		0.0.0.0/0 127.0.0.1=in
	EOD
}

@test "IPv6 blocks, from /0 to /128" {
	need_ipv6
	while read -r list call; do
		listen lis -k -e --allow "$list" ::1 0
		calls "::1=$call"
		over
		listen lis -k -e --deny "$list" ::1 0
		if [ "$call" = in ]; then
			calls ::1=out
		else
			calls ::1=in
		fi
		over
	done <<-EOD
		::1 in
		0:0:0::1/128 in
		::2 out
		::/127 in
		::2/127 out
		8000::/1 out
		::/0 in
		0.0.0.0/0 out
	EOD
}

@test "on a listener for both families IPv4 peers match IPv4 entries" {
	need_linux
	need_ipv6
	while read -r lists; do
		read -ra words <<<"$lists"
		listen lis -k -e "${words[@]:0:2}" 0
		calls "${words[@]:2}"
		over
	done <<-EOD
		--allow 127.0.0.2 127.0.0.2=in ::ffff:127.0.0.2=in 127.0.0.1=out ::1=out
		--allow ::1 ::1=in 127.0.0.1=out ::ffff:127.0.0.1=out
		--allow ::/0 ::1=in 127.0.0.1=out
		--allow 0.0.0.0/0 ::1=out 127.0.0.1=in ::ffff:127.0.0.1=in
		--allow ::ffff:127.0.0.2 127.0.0.2=in ::ffff:127.0.0.2=in 127.0.0.1=out
		--allow ::ffff:127.0.0.0/127 127.0.0.1=in 127.0.0.2=out ::1=out
		--deny 127.0.0.2 127.0.0.2=out ::ffff:127.0.0.2=out 127.0.0.1=in ::1=in
		--deny ::/0 ::1=out 127.0.0.1=in
	EOD
}

@test "lists and files add up; what is denied stays so" {
	need_linux
	printf '127.0.0.5\n' >"$T/more"
	printf '127.0.0.6\n' >"$T/less"
	echo_with --deny 127.0.0.3 --allow '127.0.0.2 , 127.0.0.3' \
	    --allowfile "$T/more" --allow 127.0.0.6/31,::1 \
	    --denyfile "$T/less" --deny=127.0.0.8
	calls 127.0.0.1=out 127.0.0.2=in 127.0.0.3=out 127.0.0.4=out \
	    127.0.0.5=in 127.0.0.6=out 127.0.0.7=in 127.0.0.8=out
	over
	# The narrower one does not matter, nor which comes first.
	echo_with --allow 127.0.0.2 --deny 127.0.0.0/8
	calls 127.0.0.1=out 127.0.0.2=out
	over
	echo_with --deny 127.0.0.2 --allow 127.0.0.0/8
	calls 127.0.0.1=in 127.0.0.2=out
}

@test "a name means all its addresses" {
	need_ipv6
	need_linux
	hosts '127.0.0.2 crew' '127.0.0.3 crew' '::1 crew' '127.0.0.4 other'
	start lis "${named[@]}" "$SOCKCAT" -v -k -e -l --allow crew 0
	wait_line lis.err '^Listening on 0.0.0.0'
	PORT=$(sed -n 's/^Listening on 0.0.0.0 //p' "$T/lis.err")
	calls 127.0.0.2=in 127.0.0.3=in ::1=in 127.0.0.1=out 127.0.0.4=out
	# On SIGHUP names are looked up again ...
	cp "$T/hosts" "$T/first"
	printf '127.0.0.4 crew\n' >"$T/hosts"
	reload
	calls 127.0.0.4=in 127.0.0.2=out 127.0.0.3=out ::1=out
	# ... one that has gone changes nothing.
	printf '127.0.0.4 other\n' >"$T/hosts"
	reload '^sockcat: --allow: cannot resolve crew: .*; the old lists stay$'
	calls 127.0.0.4=in 127.0.0.2=out
	cat "$T/first" >"$T/hosts"
	reload
	calls 127.0.0.2=in 127.0.0.4=out
}

@test "a name that needs no other hosts" {
	echo_with --deny localhost
	calls 127.0.0.1=out
	over
	echo_with --allow localhost
	calls 127.0.0.1=in
}

@test "one who may not connect is sent nothing, and heard by nobody" {
	need_linux
	for mode in '' -b; do
		feed lis
		# shellcheck disable=SC2086
		listen_with - lis -k $mode --deny 127.0.0.2 127.0.0.1 0
		member in 127.0.0.1
		wait_line lis.err '^Connection received on 127\.0\.0\.1 '
		send_to lis $'before\n'
		wait_line in.out '^before$'
		echo spy | sockcat -s 127.0.0.2 127.0.0.1 "$PORT" \
		    >"$T/spy" 2>/dev/null || :
		start out sockcat -d -s 127.0.0.2 127.0.0.1 "$PORT"
		wait_exit out
		send_to lis $'after\n'
		wait_line in.out '^after$'
		answer=mine
		send_to in "$answer"$'\n'
		wait_line lis.out "^$answer\$"
		[ "$(cat "$T/lis.out")" = mine ]
		[ "$(cat "$T/in.out")" = "before"$'\n'"after" ]
		[ ! -s "$T/spy" ]
		[ ! -s "$T/out.out" ]
		over
		end_of in
		wait_exit in
		end_of lis
		rm "$T/lis.in" "$T/in.in"
	done
}

@test "without -k they are not the first client" {
	need_linux
	for args in '' -e; do
		# shellcheck disable=SC2086
		listen lis $args --allow 127.0.0.9 127.0.0.1 0
		for from in 127.0.0.1 127.0.0.2 127.0.0.1; do
			echo no | sockcat -s "$from" 127.0.0.1 "$PORT" \
			    >"$T/no" 2>/dev/null || :
			[ ! -s "$T/no" ]
		done
		wait_lines lis.err '^Connection refused from ' 3
		alive lis
		if grep '^Connection received' "$T/lis.err"; then
			fail "one was received"
		fi
		echo yes | sockcat -s 127.0.0.9 127.0.0.1 "$PORT" >"$T/yes"
		wait_exit lis
		[ "$status" -eq 0 ]
		grep -q '^Connection received on 127\.0\.0\.9 ' "$T/lis.err"
		[ "$(cat "$T/yes" "$T/lis.out")" = yes ]
	done
}

@test "-w ends while only those call who may not" {
	for args in '' '-k -e' '-k' '-m 1 -k -e'; do
		# shellcheck disable=SC2086
		listen lis $args -w 1 --deny 127.0.0.1 127.0.0.1 0
		calls --flood 127.0.0.1
		wait_exit lis
		[ "$status" -eq 124 ]
		grep -q '^sockcat: no client came within the time of -w$' \
		    "$T/lis.err"
	done
}

@test "under -m they take no place" {
	need_linux
	echo_with -m 1 --deny 127.0.0.2
	calls 127.0.0.2=out 127.0.0.2=out 127.0.0.2=out 127.0.0.1=in
	for _ in 1 2 3; do
		calls 127.0.0.2=out 127.0.0.1=in 127.0.0.2=out
	done
	# With the house full others wait in front of it, whoever they are.
	member in 127.0.0.1
	answered in one
	start out sockcat -v -d -s 127.0.0.2 127.0.0.1 "$PORT"
	wait_line out.err succeeded
	member next 127.0.0.3
	send_to next $'two\n'
	answered in three
	end_of in
	wait_line next.out '^two$'
	wait_exit out
	[ ! -s "$T/out.out" ]
}

@test "they do not count for --count, nor under --drain" {
	need_linux
	listen lis -k -e --count 2 --drain 10 --deny 127.0.0.2 127.0.0.1 0
	calls 127.0.0.2=out 127.0.0.1=in 127.0.0.2=out 127.0.0.3=in
	wait_exit lis
	[ "$status" -eq 0 ]
}

@test "commands and forwards: nothing is started for them" {
	need_linux
	listen lis -k --deny 127.0.0.2 -c "echo >>'$T/ran'; exec cat" \
	    127.0.0.1 0
	calls 127.0.0.2=out 127.0.0.1=in 127.0.0.2=out
	# SIGHUP reads the lists, and is not for the commands.
	member stays 127.0.0.3
	answered stays one
	reload
	answered stays two
	[ "$(wc -l <"$T/ran")" -eq 2 ]
	end_of stays
	wait_exit stays
	over
	listen to -k -e 127.0.0.1 0
	listen lis -k --allow 127.0.0.1 --forward "127.0.0.1:$PORT" 127.0.0.1 0
	calls 127.0.0.2=out 127.0.0.1=in 127.0.0.3=out
	[ "$(grep -c '^Connection received' "$T/to.err")" -eq 1 ]
}

@test "-v says who was refused, and why" {
	need_linux
	need_ipv6
	listen lis -k -e --allow 127.0.0.1,127.0.0.3 --deny 127.0.0.2/31 0
	calls 127.0.0.2=out 127.0.0.3=out ::1=out 127.0.0.4=out 127.0.0.1=in
	for line in '127\.0\.0\.2 [0-9]+ \(denied\)' \
	    '127\.0\.0\.3 [0-9]+ \(denied\)' '::1 [0-9]+ \(not allowed\)' \
	    '127\.0\.0\.4 [0-9]+ \(not allowed\)'; do
		wait_lines lis.err "^Connection refused from $line\$" 1
	done
	[ "$(grep -c '^Connection refused' "$T/lis.err")" -eq 4 ]
	[ "$(grep -c '^Connection received' "$T/lis.err")" -eq 1 ]
	calls 127.0.0.2=out
	wait_lines lis.err '^Connection refused' 5
}

@test "without -v nothing is said" {
	need_linux
	free_port
	start lis sockcat -k -e -l --deny 127.0.0.2 127.0.0.1 "$PORT"
	wait_port "$PORT"
	calls 127.0.0.2=out 127.0.0.1=in
	over
	[ ! -s "$T/lis.err" ]
}

@test "files: one or several a line, comments, CRLF, no last newline" {
	need_linux
	printf '# who may connect\r\n\r\n\n   \t\n127.0.0.2\r\n' >"$T/list"
	printf '127.0.0.3,127.0.0.4\t127.0.0.5 # ours\n#127.0.0.7\n' >>"$T/list"
	printf '127.0.0.6#no blank\n , ::2,\n  127.0.0.8/31' >>"$T/list"
	echo_with --allowfile "$T/list"
	calls 127.0.0.1=out 127.0.0.2=in 127.0.0.3=in 127.0.0.4=in \
	    127.0.0.5=in 127.0.0.6=in 127.0.0.7=out 127.0.0.8=in 127.0.0.9=in
	over
	echo_with --denyfile "$T/list"
	calls 127.0.0.1=in 127.0.0.2=out 127.0.0.5=out 127.0.0.9=out
}

@test "an empty file of who is allowed allows nobody" {
	printf '# nobody yet\n' >"$T/list"
	echo_with --allowfile "$T/list"
	calls 127.0.0.1=out
	over
	echo_with --denyfile /dev/null
	calls 127.0.0.1=in
}

@test "a wrong list is a usage error that names option and entry" {
	for entry in 127.0.0.300 127.1 0x7f.1 127.0.0.1/33 127.0.0.1/ /8 \
	    ::1/129 ::1::1 '[::1]' 127.0.0.1:80 ::1%lo fe80::1%no-such-if \
	    ::ffff:127.0.0.1/8 localhost/8 'a;b' '10.0.0.1#x'; do
		fails 2 --allow "$entry"
		[[ ${lines[0]} == "sockcat: --allow: \"$entry\" is not "* ]]
		fails 2 --deny "127.0.0.1,$entry"
		[[ ${lines[0]} == "sockcat: --deny: \"$entry\" is not "* ]]
	done
	for entry in '' ',' ' '; do
		fails 2 --allow "$entry"
		[[ ${lines[0]} == 'sockcat: --allow: "'*'" is empty' ]]
	done
	fails 2 --allowfile ''
	# It is found before anything else is.
	fails 2 --allowfile "$T/none" --deny 1.2.3.4.5
}

@test "names: 3 when there is none, a usage error under -n" {
	fails 3 --allow no-such-name.invalid
	[[ $output == 'sockcat: --allow: cannot resolve no-such-name.invalid: '* ]]
	printf '\n::1\nno-such-name.invalid # x\n' >"$T/list"
	fails 3 --denyfile "$T/list"
	[[ $output == "sockcat: $T/list line 3: cannot resolve no-such-name.invalid: "* ]]
	for args in '-n --allow localhost' '--allow ::1,localhost -n'; do
		# shellcheck disable=SC2086
		fails 2 $args
		[[ $output == *'--allow: localhost '*'-n '* ]]
	done
	echo ::1,localhost >"$T/list"
	fails 2 -n --allowfile "$T/list"
	[[ $output == *"$T/list line 1: localhost "*'-n '* ]]
	echo_with -n --allow 127.0.0.1
	calls 127.0.0.1=in
}

@test "a wrong file is an error that names it and the line" {
	while read -r line text; do
		printf '%b' "$text" >"$T/list"
		fails 2 --denyfile "$T/list"
		[[ ${lines[0]} == "sockcat: $T/list line $line: "* ]] ||
			fail "$text: $output"
	done <<-'EOD'
		1 127.0.0.300
		3 ::1\n\n127.0.0.1/33\n::2\n
		2 # one\r\n::1\r \r\n
		2 ::1\n::2\0::3\n
		1 # \0\n
		2 ::1\n[::2]
	EOD
	[[ ${lines[0]} == *'"[::2]"'* ]]
	{ echo ::1; head -c 5000 /dev/zero | tr '\0' a; } >"$T/list"
	fails 2 --allowfile "$T/list"
	[[ ${lines[0]} == "sockcat: $T/list line 2: "*'too long' ]]
	head -c 1048577 /dev/zero | tr '\0' '\n' >"$T/list"
	fails 2 --allowfile "$T/list"
	[[ ${lines[0]} == "sockcat: $T/list: more than 1048576 bytes" ]]
	fails 2 --allowfile /dev/zero
}

@test "a file that cannot be read is a failure" {
	fails 1 --allowfile "$T/none"
	[ "$output" = "sockcat: cannot read $T/none: No such file or directory" ]
	fails 1 --denyfile "$T"
	[ "$output" = "sockcat: cannot read $T: Is a directory" ]
}

@test "a long list: the first, one within, and the last count" {
	need_linux
	awk 'BEGIN {
		for (i = 0; i < 255; i++)
			for (k = 0; i != 1 && k < 256; k++)
				print "127." k "." i ".9"
	}' >"$T/list"
	echo_with --allowfile "$T/list"
	calls 127.0.0.9=in 127.255.254.9=in 127.99.111.9=in 127.0.0.8=out \
	    127.0.1.9=out 127.255.254.10=out
}

@test "SIGHUP: who is added may come, who is taken out may not" {
	need_linux
	echo 127.0.0.2 >"$T/list"
	echo_with --allowfile "$T/list"
	member stays 127.0.0.2
	answered stays one
	calls 127.0.0.2=in 127.0.0.3=out
	echo 127.0.0.3 >"$T/new"
	mv "$T/new" "$T/list"
	reload
	calls 127.0.0.2=out 127.0.0.3=in
	# Nobody is dropped.
	answered stays two
	echo 127.0.0.2 >>"$T/list"
	reload
	calls 127.0.0.2=in 127.0.0.3=in 127.0.0.4=out
	answered stays three
	end_of stays
	wait_exit stays
	[ "$status" -eq 0 ]
	over
}

@test "SIGHUP with a file that is wrong: the old lists stay" {
	need_linux
	echo 127.0.0.2 >"$T/allow"
	echo 127.0.0.4 >"$T/deny"
	echo_with --allowfile "$T/allow" --denyfile "$T/deny"
	# Not even the good file, or the good lines before the bad one.
	printf '127.0.0.3\n' >"$T/allow"
	printf '127.0.0.2\n\n127.0.0.1/64\n' >"$T/deny"
	reload "^sockcat: $T/deny line 3: \"127.0.0.1/64\" is not .*; the old lists stay\$"
	calls 127.0.0.2=in 127.0.0.3=out 127.0.0.4=out
	rm "$T/deny"
	reload "^sockcat: cannot read $T/deny: No such file or directory; the old lists stay\$"
	calls 127.0.0.2=in 127.0.0.3=out
	printf 'no-such-name.invalid\n' >"$T/deny"
	reload "^sockcat: $T/deny line 1: cannot resolve no-such-name.invalid: .*; the old lists stay\$"
	calls 127.0.0.2=in 127.0.0.3=out
	: >"$T/deny"
	reload
	calls 127.0.0.2=out 127.0.0.3=in
	run ! grep -q 'sockcat --help' "$T/lis.err"
}

@test "SIGHUP when a list came from a pipe: it stays" {
	mkfifo "$T/list"
	start writer sh -c 'echo 127.0.0.1 >"$0"' "$T/list"
	echo_with --denyfile "$T/list"
	wait_exit writer
	calls 127.0.0.1=out
	reload "^sockcat: cannot read $T/list: .*; the old lists stay\$"
	calls 127.0.0.1=out
}

@test "SIGHUP under load: everybody gets the answer that is due" {
	need_linux
	need_ipv6
	echo 127.0.0.2 >"$T/list"
	listen lis -k -e --allowfile "$T/list" --deny 127.0.0.3 0
	client_py load caller.py --rounds 250 --limit 200 "$PORT" \
	    127.0.0.2=in 127.0.0.3=out ::ffff:127.0.0.2=in ::1=out
	for n in {1..40}; do
		if ((n % 3)); then
			seq -f "127.0.$n.%g" 250 >"$T/new"
			echo 127.0.0.2 >>"$T/new"
		else
			echo "127.0.0.3, 127.0.0.2/31 127.0.0.300" >"$T/new"
		fi
		mv "$T/new" "$T/list"
		kill -HUP "$pid_lis"
		_pause
	done
	wait_exit load 60
	cat "$T/load.out"
	[ "$status" -eq 0 ]
	grep -q '^as wanted$' "$T/load.out"
	wait_line lis.err 'have been read again$'
	wait_line lis.err 'the old lists stay$'
}

@test "SIGHUP ends a listener without lists, and reloads with any" {
	listen lis -k -e 127.0.0.1 0
	stop lis HUP
	[ "$status" -eq 129 ]
	echo_with --allow 127.0.0.1
	reload
	calls 127.0.0.1=in
	over
	echo_with --deny ::1
	reload
	calls 127.0.0.1=in
	stop lis INT
	[ "$status" -eq 130 ]
}

@test "UDP echo: others have no answer" {
	need_linux
	need_ipv6
	listen lis -u -k -e --allow 127.0.0.0/30 --deny 127.0.0.2 0
	calls -u 127.0.0.2=out 127.0.0.4=out ::1=out 127.0.0.1=in \
	    ::ffff:127.0.0.3=in
	calls -u --rounds=50 127.0.0.2=out ::1=out 127.0.0.1=in
}

@test "UDP: -v says it once of each peer, and again after SIGHUP" {
	need_linux
	listen lis -u -k -e --deny 127.0.0.2 127.0.0.1 0
	regex='^Connection refused from 127\.0\.0\.2 [0-9]+ \(denied\)$'
	feed peer
	start_with - peer sockcat -u -s 127.0.0.2 127.0.0.1 "$PORT"
	send_to peer one
	wait_lines lis.err "$regex" 1
	send_to peer two
	calls -u --times=5 127.0.0.2=out 127.0.0.1=in
	wait_lines lis.err "$regex" 2
	calls -u --times=5 127.0.0.2=out 127.0.0.1=in
	wait_lines lis.err "$regex" 3
	[ "$(grep -c '^Connection refused' "$T/lis.err")" -eq 3 ]
	reload
	send_to peer three
	wait_lines lis.err "$regex" 4
	[ ! -s "$T/peer.out" ]
}

@test "UDP hub: others hear nothing and are not heard" {
	need_linux
	for mode in '-b' '-k'; do
		feed lis
		# shellcheck disable=SC2086
		listen_with - lis -u $mode --allow 127.0.0.1,127.0.0.3 \
		    127.0.0.1 0
		feed out
		start_with - out sockcat -u -s 127.0.0.2 127.0.0.1 "$PORT"
		send_to out spy
		wait_line lis.err \
		    '^Connection refused from 127\.0\.0\.2 .*not allowed'
		feed in
		start_with - in sockcat -u -s 127.0.0.1 127.0.0.1 "$PORT"
		send_to in here
		wait_line lis.err '^Connection received on 127\.0\.0\.1 '
		send_to lis $'all\n'
		wait_line in.out '^all$'
		wait_line lis.out '^here$'
		[ "$(cat "$T/lis.out")" = here ]
		[ ! -s "$T/out.out" ]
		[ "$(grep -c '^Connection received' "$T/lis.err")" -eq 1 ]
		over
		for name in in out; do
			end_of "$name"
			wait_exit "$name"
			rm "$T/$name.in"
		done
		end_of lis
		rm "$T/lis.in"
	done
}

@test "UDP without -k: the first peer is the first that may" {
	need_linux
	feed lis
	listen_with - lis -u --deny 127.0.0.2 127.0.0.1 0
	feed out
	start_with - out sockcat -u -s 127.0.0.2 127.0.0.1 "$PORT"
	send_to out one
	wait_line lis.err '^Connection refused from 127\.0\.0\.2 .*denied'
	send_to out two
	feed in
	start_with - in sockcat -u -s 127.0.0.1 127.0.0.1 "$PORT"
	send_to in $'here\n'
	wait_line lis.out '^here$'
	send_to out three
	send_to lis $'hello\n'
	wait_line in.out '^hello$'
	send_to in $'there\n'
	wait_line lis.out '^there$'
	[ "$(cat "$T/lis.out")" = here$'\n'there ]
	[ ! -s "$T/out.out" ]
	[ "$(grep -c '^Connection refused' "$T/lis.err")" -eq 1 ]
	[ "$(grep -c '^Connection received' "$T/lis.err")" -eq 1 ]
}

@test "UDP: -w ends while only those send who may not" {
	need_linux
	for args in '' '-k' '-k -e' '-e'; do
		# shellcheck disable=SC2086
		listen lis -u $args -w 1 --deny 127.0.0.2 127.0.0.1 0
		feed out
		start_with - out sockcat -u -s 127.0.0.2 127.0.0.1 "$PORT"
		wait_for 20 gone_at_last
		wait_exit lis
		[ "$status" -eq 124 ]
		grep -q '^sockcat: no client came within the time of -w$' \
		    "$T/lis.err"
		end_of out
		wait_exit out
		rm "$T/out.in"
	done
}

@test "UDP without -k: what others send is silence" {
	need_linux
	listen lis -u -e -w $((4 * TIME_FACTOR)) --deny 127.0.0.2 127.0.0.1 0
	printf hello >"/dev/udp/127.0.0.1/$PORT"	# at once, in time for -w
	feed out
	start_with - out sockcat -u -s 127.0.0.2 127.0.0.1 "$PORT"
	wait_for 30 gone_at_last
	wait_exit lis
	[ "$status" -eq 124 ]
	grep -q '^sockcat: nothing came for the time of -w$' "$T/lis.err"
}

@test "the options are refused where nobody connects by address" {
	for option in '--allow ::1' '--deny ::1' '--allowfile /dev/null' \
	    '--denyfile /dev/null'; do
		name=${option% *}
		for args in "127.0.0.1 9" "-u 127.0.0.1 9" "-z 127.0.0.1 9"; do
			# shellcheck disable=SC2086
			run sockcat $option $args
			[ "$status" -eq 2 ]
			[[ ${lines[0]} == "sockcat: $name makes no sense with"* ]]
		done
		for args in -lU -lkU '-luU' '-lkeU'; do
			# shellcheck disable=SC2086
			run sockcat $option $args "$T/sock"
			[ "$status" -eq 2 ]
			[[ ${lines[0]} == "sockcat: $name makes no sense with -U" ]]
		done
	done
	[ ! -e "$T/sock" ]
}
