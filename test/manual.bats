#!/usr/bin/env bats
#
# What is written about the program: the manual, README.md and the shells'
# completions say what the program does, and their examples run.
#
# An example is a line that begins with `$ ' in a display of the section
# EXAMPLES or in a `console' block of README.md, with the lines below it as
# its output.  It is run as printed but for these: port 4000 becomes a free
# one, and so does 514, the host `server' localhost, 192.0.2.255 the
# loopback's broadcast address, `proxy:1080' a proxy that the test has
# started.  The table `examples' says how each is driven.

# shellcheck disable=SC2154 # python, status: the helpers set them
load helpers

top=$BATS_TEST_DIRNAME/..
manual=$top/sockcat.1
completions=$top/completions

setup_file() {
	unit_program
	"$UNIT" matrix >"$BATS_FILE_TMPDIR/matrix"
	"$SOCKCAT" --help >"$BATS_FILE_TMPDIR/help"
	page >"$BATS_FILE_TMPDIR/page"
}

setup() {
	helpers_setup
	prepared=$BATS_FILE_TMPDIR
	mkdir "$T/bin" "$T/work"
	ln -s "$(cd "${SOCKCAT%/*}" && pwd)/${SOCKCAT##*/}" "$T/bin/sockcat"
	PATH=$T/bin:$PATH
	cd "$T/work" || return
}

# page: the source of the manual without the escapes of roff.
page() {
	sed -e 's/\\-/-/g' -e 's/\\e/\\/g' -e 's/\\&//g' "$manual"
}

# section NAME: the lines of that section of the manual.
section() {
	awk -v name=".Sh $1" '/^\.Sh / { on = $0 == name; next } on' \
		"$BATS_FILE_TMPDIR/page"
}

# options_of_help: NAME LETTER ARGUMENT, `-' for none, of every option.
options_of_help() {
	sed '/^Times/,$d' "$prepared/help" |
		grep -oE -- '(-[A-Za-z0-9] )?--[a-z0-9-]+([[ ][][,|:A-Z=]+)?' |
		sed -E 's/^(-(.) )?--([a-z0-9-]+) ?([^ ]*)$/\3 \2- \4-/' |
		awk '{
			letter = substr($2, 1, 1)
			gsub(/[^A-Z]/, "", $3)
			print $1, letter, $3 == "" ? "-" : $3
		}' | sort
}

# equal WHAT: the files `want' and `got' of T are the same.
equal() {
	diff -u "$T/want" "$T/got" >"$T/diff" || {
		echo "$1, wanted (-) and found (+):" >&2
		cat "$T/diff" >&2
		return 1
	}
}

#
# The manual
#

@test "manual: mandoc has nothing to say about its form" {
	need mandoc
	run mandoc -Tlint -Wstyle "$manual"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "manual: no line is wider than 80 columns" {
	need mandoc
	mandoc -Tascii -O width=80 "$manual" | sed 's/.\x08//g' >"$T/text"
	[ -s "$T/text" ]
	run awk 'length > 80' "$T/text"
	[ -z "$output" ]
}

# matrix_text: the matrix as the manual has it: the marks of the modes below
# headings in three lines, each mark below the middle of its own.
matrix_text() {
	options_of_help | awk '
	# put(line, at, text): text from column "at" on, filled with blanks.
	function put(line, at, text) {
		return sprintf("%-*s%s", at, line, text)
	}
	BEGIN {
		modes = split("connect,-l,-lk,-e,-le,-lke,-lb,--chat,-c,-lc," \
			"-lkc,--forward,-k --forward,-z", head, ",")
		split("tcp udp unix -uU", sock, " ")
		split("59 63 67 72", column, " ")
		for (i = 1; i <= modes; i++)
			row[(i - 1) % 3] = put(row[(i - 1) % 3], 16 + 3 * i - \
				int((length(head[i]) + 1) / 2), head[i])
		for (i = 1; i <= 4; i++)
			row[2] = put(row[2], column[i], sock[i])
		for (i = 0; i < 3; i++)
			print row[i]
	}
	NR == FNR {
		if ($2 != "-")
			letter[$1] = "-" $2 " "
		next
	}
	{
		split($0, part, "\t")
		line = letter[part[1]] "--" part[1]
		for (i = 1; i <= modes; i++)
			line = put(line, 15 + 3 * i, substr(part[2], i, 1))
		for (i = 1; i <= 4; i++)
			line = put(line, column[i] + 1, \
				substr(part[3], i, 1))
		sub(/ +$/, "", line)
		print line
	}' - "$prepared/matrix"
}

@test "manual: the matrix is the option table of the program" {
	matrix_text >"$T/want"
	section MATRIX | awk '
		/^\.Bd -literal/ { on = 1; next }
		/^\.Ed/ { on = 0 }
		on' >"$T/got"
	[ "$(wc -l <"$T/want")" -gt 30 ]
	equal "the matrix"
}

@test "manual: has every option of --help, with its letter and argument" {
	options_of_help >"$T/want"
	[ "$(wc -l <"$T/want")" -gt 30 ]
	# --broker stands beside --broadcast, whose letter is not its own.
	section OPTIONS | sed -n 's/^\.It Fl //p' | awk '{
		letter = "-"
		if (length($1) == 1) {
			letter = $1
			sub(/^. , Fl /, "")
		}
		sub(/^-/, "")
		name = $1
		sub(/^[^ ]+ ?/, "")
		other = ""
		if (match($0, /^, Fl -[a-z-]+$/)) {
			other = substr($0, 7)
			$0 = ""
		}
		gsub(/(^| )(Ns|Op|Ar)/, "")
		gsub(/[^a-z]/, "")
		print name, letter, $0 == "" ? "-" : toupper($0)
		if (other != "")
			print other, "-", "-"
	}' | sort >"$T/got"
	equal "options"
}

@test "manual: names no option that there is not" {
	# Other programs' options: only where it says what to write instead.
	awk '/^\.Sh / { other = /COMPATIBILITY/ } !other || !/^\.It/' \
		"$prepared/page" >"$T/page"
	grep -oE '(Fl -|--)[a-z][a-z0-9-]+' "$T/page" "$top/README.md" |
		sed -E 's/.*(Fl -|--)//' | sort -u >"$T/said"
	options_of_help | cut -d ' ' -f 1 | sort >"$T/there"
	run comm -23 "$T/said" "$T/there"
	[ -z "$output" ]
}

@test "manual: -h and the manual tell the same limits" {
	local option row text

	# What the program says of a number out of range stands in the manual.
	while read -r option text; do
		run sockcat "$option" 99999999999 -h
		[ "$status" -eq 2 ]
		[[ $output == *"$text"* ]]
	done <<-END
		-m 1 to 1000000
		--count 1 to 1000000
		--backlog 1 to 1000000
		-T 0 to 255
		-M 1 to 255
		--mode 0 to 777
		-I 1 to 1G
		-O 1 to 1G
	END
	row=$(section OPTIONS | tr '\n' ' ')
	for text in 'Fl -max-conns .*1 to 1000000.*Fl -count' \
	    'Fl -count .*1 to 1000000.*Fl d' \
	    'Fl -backlog .*1 to 1000000.*Fl T' \
	    'Fl -tos .*0 to 255.*Fl M' 'Fl -ttl .*1 to 255.*Fl -reset' \
	    'Fl -mode .*0 to 777' 'Fl -sndbuf .*1 to 1G.*keepalive'; do
		[[ $row =~ $text ]] || fail "not in OPTIONS: $text"
	done
}

#
# Completions
#

# ask_bash LINE...: what bash offers at the end of each LINE, below `## LINE'.
ask_bash() {
	# shellcheck disable=SC2016 # the shell asked expands it
	timeout 60 bash --norc -c '
		source "$1"
		shift
		[[ $(complete -p sockcat) == *"-F _sockcat "* ]] || exit
		for line; do
			echo "## $line"
			read -ra COMP_WORDS <<<"$line"
			[[ $line != *" " ]] || COMP_WORDS+=("")
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			COMPREPLY=()
			_sockcat
			printf "%s\n" "${COMPREPLY[@]}"
		done' ask "$completions/sockcat.bash" "$@"
}

ask_fish() {
	need fish
	# shellcheck disable=SC2016 # fish expands it
	HOME=$T timeout 60 fish --no-config -c '
		source $argv[1]
		for line in $argv[2..-1]
			echo "## $line"
			complete -C $line
		end' "$completions/sockcat.fish" "$@" </dev/null
}

# ask_zsh: in a terminal of its own; there compadd, through which all goes,
# also writes down what it adds.
ask_zsh() {
	need zsh
	cat >"$T/ask.zsh" <<-'END'
		zmodload zsh/zpty || exit
		dir=$1 out=$2
		shift 2
		send() { zpty -w z "$1" }
		: >$out
		zpty z TERM=dumb zsh -f -i || exit
		send "PS1=; fpath=(${(q)dir} \$fpath)"
		send "autoload -Uz compinit; compinit -u -D; LISTMAX=9999"
		send "compadd() {
			if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then
				builtin compadd \"\$@\"
				return
			fi
			local -a __hits
			builtin compadd -A __hits \"\$@\"
			(( ! \$#__hits )) || print -rl -- \$__hits >>${(q)out}
			builtin compadd \"\$@\"
		}"
		send "ask() {
			zle list-choices
			print :END: >>${(q)out}
			zle kill-whole-line
		}; zle -N ask; bindkey '^I' ask"
		for line; do
			: >$out
			zpty -w -n z "$line"$'\t'
			for i in {1..2000}; do
				while zpty -r -t z junk; do :; done
				grep -q '^:END:' $out && break
				sleep 0.01
			done
			print -r -- "## $line"
			grep -v '^:END:' $out || :
		done
		zpty -d z
	END
	HOME=$T timeout 60 zsh -f "$T/ask.zsh" "$completions" "$T/hits" "$@" </dev/null
}

# answer LINE: of $T/answers what was offered for LINE, sorted.
answer() {
	awk -v line="## $1" '/^## / { on = $0 == line; next } on' \
		"$T/answers" | sed '/^$/d; s/\t.*//' | sort -u
}

# all_options: every letter and name as it is written.
all_options() {
	options_of_help |
		awk '{ print "--" $1 } $2 != "-" { print "-" $2 }' | sort -u
}

# same_offer WHAT LINE: `want' is what is offered for LINE.
same_offer() {
	answer "$2" >"$T/got"
	equal "$1"
}

# spelt: `-L' and `--NAME' of every option whose NAME is a line of the input.
spelt() {
	awk 'NR == FNR { named[$0]; next }
		$1 in named { print "--" $1 }
		$1 in named && $2 != "-" { print "-" $2 }' - <(options_of_help)
}

# takes_values SHELL: after an option that needs a value no host is offered,
# after any other one is.
takes_values() {
	local option lines=()

	# After these comes a path, or nothing; or a host all the same.
	all_options | grep -vxE -e '-[UhV]|--(unixsock|help|version)' \
		-e '-x|--(forward|allow|deny|proxy)' >"$T/these"
	while read -r option; do
		lines+=("sockcat $option localhos")
	done <"$T/these"
	"ask_$1" "${lines[@]}" >"$T/answers"
	options_of_help | awk '$3 == "-" || $1 == "keepalive" { print $1 }' |
		spelt | grep -xFf "$T/these" | sort >"$T/want"
	while read -r option; do
		[ "$(answer "sockcat $option localhos")" != localhost ] ||
			printf "%s\n" "$option"
	done <"$T/these" | sort >"$T/got"
	equal "options without a value"
}

# offers SHELL: its completion offers what it should.
offers() {
	local lines

	need python3
	: >"$T/work/socket"
	options_of_help | ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 \
		"${python[@]}" "$PEERS/offered.py" "$UNIT" >"$T/offered"
	mapfile -t lines < <(cut -f 1 "$T/offered" | uniq)
	[ ${#lines[@]} -gt 60 ]
	"ask_$1" 'sockcat --lis' 'sockcat -z --lis' \
		'sockcat -vnz --lis' 'sockcat -T cs0 -z --lis' \
		'sockcat -Tlowdelay --z' 'sockcat --send-only --recv' \
		'sockcat -T ' 'sockcat --tos l' 'sockcat -U so' \
		'sockcat -lkeU so' 'sockcat localhos' 'sockcat -w ' \
		'sockcat -c sockca' 'sockcat --exec sockca' \
		'sockcat --allowfile so' 'sockcat --denyfile so' \
		'sockcat --port-file so' 'sockcat --forward localhos' \
		'sockcat --forward u' 'sockcat --allow localhos' \
		'sockcat --deny localhos' 'sockcat --ready-fd ' \
		'sockcat -x localhos' 'sockcat -X ' 'sockcat --proxy-type c' \
		'sockcat --proxy-auth-file so' 'sockcat -o so' \
		'sockcat --hex-dump so' 'sockcat --interface l' \
		"${lines[@]}" >"$T/answers" || return

	all_options >"$T/want"
	same_offer "all options" 'sockcat -'
	# In every mode and on every socket what the program does not refuse.
	sed -n 's/\t?$//p' "$T/offered" >"$T/given"
	grep -v '?$' "$T/offered" | sort >"$T/want"
	awk -F '\t' 'NR == FNR { asked[$1]; next }
		/^## / { line = substr($0, 4); next }
		line in asked && $1 != "" { print line "\t" $1 }' \
		"$T/offered" "$T/answers" | grep -vxFf "$T/given" | sort -u >"$T/got"
	equal "what makes sense"

	echo --listen >"$T/want"
	same_offer "--lis" 'sockcat --lis'
	echo --zero >"$T/want"
	same_offer "the letters of a value" 'sockcat -Tlowdelay --z'
	: >"$T/want"
	same_offer "with -z" 'sockcat -z --lis'
	same_offer "with a cluster" 'sockcat -vnz --lis'
	same_offer "after a value" 'sockcat -T cs0 -z --lis'
	same_offer "with --send-only" 'sockcat --send-only --recv'
	same_offer "after -w" 'sockcat -w '

	grep -oE '\{ "[a-z0-9]+", 0x[0-9a-f]+ \}' "$top/sockcat.c" |
		cut -d '"' -f 2 | sort >"$T/want"
	[ "$(wc -l <"$T/want")" -gt 20 ]
	same_offer "names of -T" 'sockcat -T '
	grep '^l' "$T/got" >"$T/want"
	same_offer "names of --tos" 'sockcat --tos l'
	echo socket >"$T/want"
	same_offer paths 'sockcat -U so'
	same_offer "paths of a listener" 'sockcat -lkeU so'
	same_offer files 'sockcat --allowfile so'
	same_offer files 'sockcat --denyfile so'
	same_offer files 'sockcat --port-file so'
	same_offer files 'sockcat --proxy-auth-file so'
	same_offer files 'sockcat -o so'
	same_offer files 'sockcat --hex-dump so'
	echo localhost >"$T/want"
	same_offer hosts 'sockcat localhos'
	same_offer "hosts to forward to" 'sockcat --forward localhos'
	same_offer "hosts of a list" 'sockcat --allow localhos'
	same_offer "hosts of a list" 'sockcat --deny localhos'
	same_offer "hosts of proxies" 'sockcat -x localhos'
	if [ -e /sys/class/net/lo ]; then
		answer 'sockcat --interface l' | grep -qx lo ||
			fail "no interface"
	fi
	printf '%s\n' 4 5 connect http socks4 socks5 >"$T/want"
	same_offer "types of proxies" 'sockcat -X '
	echo connect >"$T/want"
	same_offer "types of proxies" 'sockcat --proxy-type c'
	echo sockcat >"$T/want"
	same_offer commands 'sockcat -c sockca'
	same_offer commands 'sockcat --exec sockca'
	printf '%s\n' udp: unix: >"$T/want"
	same_offer "kinds of addresses" 'sockcat --forward u'
	: >"$T/want"
	same_offer "after --ready-fd" 'sockcat --ready-fd '
}

@test "completion: bash offers the options that make sense, and values" {
	offers bash
	takes_values bash
	# The shell splits words at colons.
	ask_bash 'sockcat --forward unix : so' \
		'sockcat localhost : 80 -lk --lis' \
		'sockcat -lU --forward unix : so --to' >"$T/answers"
	echo socket >"$T/want"
	same_offer "paths to forward to" 'sockcat --forward unix : so'
	echo --listen >"$T/want"
	same_offer "after a port" 'sockcat localhost : 80 -lk --lis'
	: >"$T/want"
	same_offer "for the other side" 'sockcat -lU --forward unix : so --to'
}

@test "completion: fish offers the options that make sense, and values" {
	offers fish
	# Each with a description.
	run grep -E '^-[^	]*$' "$T/answers"
	[ -z "$output" ]
	takes_values fish
	ask_fish 'sockcat --forward unix:so' >"$T/answers"
	echo unix:socket >"$T/want"
	same_offer "paths to forward to" 'sockcat --forward unix:so'
}

@test "completion: zsh offers the options that make sense, and values" {
	local name

	offers zsh
	takes_values zsh
	ask_zsh 'sockcat --forward unix:so' >"$T/answers"
	echo socket >"$T/want"
	same_offer "paths to forward to" 'sockcat --forward unix:so'
	while read -r name _; do
		grep -qE -e "--${name}[=-]*[}']*\[[^]]+\]" \
			"$completions/_sockcat" ||
			fail "--$name has no description"
	done < <(options_of_help)
}

#
# Examples
#

# Driver, role, command.
examples='
copy	receive	sockcat -l 4000 > copy
copy	send	sockcat server 4000 < file
tree	receive	sockcat -l 4000 | tar xf -
tree	send	tar cf - directory | sockcat server 4000
script	receive	sockcat -d -w 1m -l 4000 > copy &
people	listen	sockcat -l 4000
people	hub	sockcat -lb 4000
people	connect	sockcat server 4000
chat	listen	sockcat -l --chat 4000
chat	connect	sockcat server 4000
answer	serve	sockcat -lkc '\''printf "HTTP/1.0 200 OK\r\n\r\nhello\n"'\'' 4000
answer	ask	curl -s localhost:4000
whole	serve	sockcat -lkc '\''cat file'\'' 0.0.0.0 4000
whole	receive	sockcat -d server 4000 > copy
database	serve	sockcat -lk --forward unix:redis.sock localhost 4000
database	ask	redis-cli -p 4000 ping
own	start	port=$(sockcat -lkef --max-time 1m localhost 0)
own	ask	echo hello | sockcat localhost $port
log	serve	tail -f log | sockcat -lk 4000
log	follow	sockcat -d server 4000
early	send	sockcat --retry 1m server 4000 < file
early	receive	sockcat -l 4000 > copy
service	tcp	sockcat -lke localhost 4000
service	tcp&	sockcat -lke localhost 4000 &
service	udp	sockcat -luke localhost 4000
service	ask_tcp	echo hello | sockcat localhost 4000
scan	ask	sockcat -z 127.0.0.1 1-1023,http-alt,4000
ready	start	sockcat -z --retry 30 server 4000 && start
health	redis	sockcat -w 5 --send '\''PING\r\n'\'' --expect +PONG server 4000
health	web	sockcat -w 5 --send '\''GET / HTTP/1.0\r\n\r\n'\'' --expect 200 server 4000
watch	serve	sockcat -lk --forward unix:redis.sock --hex-dump - localhost 4000
watch	ask	redis-cli -p 4000 ping
slow	serve	sockcat -lk --forward unix:redis.sock --rate 4k localhost 4000
syslog	line	sockcat -u -q 0 --send '\''<13>backup: done'\'' server 514
syslog	lines	tail -f log | sockcat -u --lines server 514
behind	ssh	ssh -o ProxyCommand='\''sockcat -x proxy:1080 %h %p'\'' server
service	ask_udp	echo hello | sockcat -u localhost 4000
web	ask	printf '\''GET / HTTP/1.0\r\n\r\n'\'' | sockcat -w 10 server 4000
open	quiet	sockcat -z server 4000 && echo open
open	say	sockcat -zv localhost 4000
collect	receive	sockcat -lkd --idle-timeout 1h 4000 >> log
collect	send	date | sockcat --send-only server 4000
datagram	receive	sockcat -luk 4000
datagram	send	echo hello | sockcat -u -q 0 server 4000
datagram	all	echo hello | sockcat -ub -q 0 192.0.2.255 4000
unix	serve	sockcat -lkeU --mode 600 ./socket
unix	ask	echo hello | sockcat -U ./socket
picked	listen	sockcat -lv localhost 0
patient	ask	sockcat --no-shutdown -w 10 server 4000 < file
late	ask	sockcat --max-time 5 server 4000 < request > answer || echo "failed: $?"
house	demo	make demo
house	check	make check
house	install	make install
house	uninstall	make uninstall
house	some	make check TESTS=test/relay.bats
house	all	make check-all
house	lint	make lint
house	bench	make bench ROWS=echo-100
'

# displays: the displays with examples of both pages, an empty line between.
displays() {
	section EXAMPLES | awk '
		/^\.Bd -literal/ { on = 1; next }
		/^\.Ed/ { on = 0; print "" }
		on'
	awk '
		/^```/ { on = $0 == "```console"; print ""; next }
		on' "$top/README.md"
}

# cmd ROLE: the command of the driver `driver' in that role, ready to run.
cmd() {
	local command

	command=$(awk -F '\t' -v d="$driver" -v r="$1" \
		'$1 == d && $2 == r { print $3 }' <<<"$examples")
	[ -n "$command" ] || fail "$driver has no example for $1"
	command=${command//4000/$PORT}
	command=${command/% 514/ $PORT}
	command=${command// server / localhost }
	command=${command//proxy:1080/localhost:$proxy_port}
	echo "${command//192.0.2.255/127.255.255.255}"
}

# shown ROLE: what the page prints below that command, ready to compare.
shown() {
	local command

	command=$(awk -F '\t' -v d="$driver" -v r="$1" \
		'$1 == d && $2 == r { print $3 }' <<<"$examples")
	displays | want="\$ $command" awk '
		/^\$ / || /^$/ { on = !done && $0 == ENVIRON["want"]; done += on; next }
		on' | sed "s/4000/$PORT/g"
}

# limited COMMAND: run it, within a minute.
limited() (
	_close_fds
	exec timeout -k 1 60 bash -c "$1"
)

# here ROLE: run it; its output is what the page prints.
here() {
	local out

	out=$(limited "$(cmd "$1")" 2>&1)
	[ "$out" = "$(shown "$1")" ] ||
		fail "$(cmd "$1"): $out instead of $(shown "$1")"
}

# serve NAME ROLE [udp]: start it on a free port, wait until it listens.
serve() {
	free_port ${3:+-u}
	start "$1" bash -c "exec $(cmd "$2")"
	wait_port "$PORT" ${3:+udp}
}

@test "examples: every one has a driver, and every driver its example" {
	local drivers

	displays | sed -n 's/^\$ //p' | sort -u >"$T/got"
	awk -F '\t' 'NF { print $3 }' <<<"$examples" | sort -u >"$T/want"
	[ "$(wc -l <"$T/got")" -gt 20 ]
	equal "examples"
	# What two displays have in common they show alike.
	displays | awk '
		function put() { if (command != "") print command, output }
		/^\$ / || /^$/ { put(); command = $0; output = ""; next }
		{ output = output "\\n" $0 }
		END { put() }' | sort -u | awk -F ' \\\\n' '{ print $1 }' |
		sed 's/ *$//' | uniq -d >"$T/got"
	: >"$T/want"
	equal "examples shown in two ways"
	drivers=$(awk -F '\t' 'NF && !($1 in d) { d[$1]; print $1 }' \
		<<<"$examples")
	for driver in $drivers; do
		grep -q "^	driver=$driver$" "$BATS_TEST_FILENAME" ||
			fail "no test drives $driver"
	done
}

@test "examples: copy a file" {
	driver=copy
	random_file file 3M
	serve srv receive
	here send
	wait_exit srv
	[ "$status" -eq 0 ]
	cmp file copy
}

@test "examples: copy a directory" {
	driver=tree
	mkdir directory
	random_file directory/file 1M
	free_port
	mkdir there
	start srv bash -c "cd there && $(cmd receive)"
	wait_port "$PORT"
	here send
	wait_exit srv
	[ "$status" -eq 0 ]
	cmp directory/file there/directory/file
}

@test "examples: receive in the background of a script" {
	driver=script
	random_file file 3M
	free_port
	start srv bash -c "$(cmd receive)
		wait \$!"
	wait_port "$PORT"
	sockcat localhost "$PORT" <file
	wait_exit srv
	[ "$status" -eq 0 ]
	cmp file copy
}

@test "examples: talk to each other, and in a hub" {
	driver=people
	feed srv
	feed one
	free_port
	start_with - srv bash -c "exec $(cmd listen)"
	wait_port "$PORT"
	start_with - one bash -c "exec $(cmd connect)"
	send_to one $'hello\n'
	wait_line srv.out '^hello$'
	send_to srv $'hi\n'
	wait_line one.out '^hi$'
	end_of one
	end_of srv
	wait_exit srv
	[ "$status" -eq 0 ]
	wait_exit one
	[ "$status" -eq 0 ]

	feed hub
	feed two
	feed three
	free_port
	start_with - hub bash -c "exec $(cmd hub)"
	wait_port "$PORT"
	start_with - two bash -c "exec $(cmd connect)"
	send_to two $'two\n'
	wait_line hub.out '^two$'
	start_with - three bash -c "exec $(cmd connect)"
	send_to three $'three\n'
	wait_line hub.out '^three$'
	wait_line two.out '^three$'
	send_to hub $'hub\n'
	wait_line two.out '^hub$'
	wait_line three.out '^hub$'
}

@test "examples: a chat room" {
	driver=chat
	feed srv
	feed one
	feed two
	free_port
	start_with - srv bash -c "exec $(cmd listen)"
	wait_port "$PORT"
	start_with - one bash -c "exec $(cmd connect)"
	wait_lines srv.out '^\* [^ ]+:[0-9]+ joined$' 1
	send_to one $'hello\n'
	wait_line srv.out '^<[^ ]+:[0-9]+> hello$'
	start_with - two bash -c "exec $(cmd connect)"
	wait_lines srv.out '^\* [^ ]+:[0-9]+ joined$' 2
	send_to two $'good morning\n'
	wait_line srv.out '^<[^ ]+:[0-9]+> good morning$'
	wait_line one.out '^<[^ ]+:[0-9]+> good morning$'
	send_to srv $'hi\n'
	wait_line one.out '^<server> hi$'
	wait_line two.out '^<server> hi$'
	if grep -q hello "$T/one.out"; then
		fail "what one said came back"
	fi
	end_of one
	wait_line two.out '^\* [^ ]+:[0-9]+ left$'
}

@test "examples: answer as a web server" {
	driver=answer
	need curl
	unset http_proxy all_proxy ALL_PROXY
	serve srv serve
	here ask
	here ask
}

@test "examples: serve a whole file to several" {
	driver=whole
	random_file file 3M
	serve srv serve
	mkdir one two
	start one bash -c "cd one && $(cmd receive)"
	start two bash -c "cd two && $(cmd receive)"
	wait_exit one
	[ "$status" -eq 0 ]
	wait_exit two
	[ "$status" -eq 0 ]
	cmp file one/copy
	cmp file two/copy
}

# in_background: the ids of the processes that this test has left there.
in_background() {
	local dir

	for dir in /proc/[0-9]*; do
		grep -qzxF "LEFT_BY=$T" "$dir/environ" 2>/dev/null || continue
		[[ $(tr '\0' ' ' <"$dir/cmdline") != sockcat\ -lkef* ]] ||
			echo "${dir##*/}"
	done
}

@test "examples: an echo service on a port of its own" {
	local pid

	driver=own
	PORT=
	run limited "export LEFT_BY='$T'
		$(cmd start)
		$(cmd ask)
		echo \"port \$port\""
	for pid in $(in_background); do
		kill "$pid"
	done
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "$(shown ask)" ]
	[[ ${lines[1]} =~ ^port\ [1-9][0-9]*$ ]]
	[ "${#lines[@]}" -eq 2 ]
}

# both_follow: one line more in the log; both who follow it have had some.
both_follow() {
	echo line >>log
	[ -s "$T/one.out" ] && [ -s "$T/two.out" ]
}

@test "examples: follow a log" {
	driver=log
	: >log
	free_port
	start srv bash -c "$(cmd serve)"
	wait_port "$PORT"
	start one bash -c "exec $(cmd follow)"
	start two bash -c "exec $(cmd follow)"
	wait_for 20 both_follow
	echo 'the last' >>log
	wait_line one.out '^the last$'
	wait_line two.out '^the last$'
}

@test "examples: send to a receiver that is not there yet" {
	driver=early
	random_file file 3M
	free_port
	start cl bash -c "$(cmd send)"
	if wait_exit cl 0.3 2>/dev/null; then
		fail "it does not wait: $status"
	fi
	start srv bash -c "$(cmd receive)"
	wait_exit cl
	[ "$status" -eq 0 ]
	wait_exit srv
	[ "$status" -eq 0 ]
	cmp file copy
}

@test "examples: an echo service over TCP and UDP" {
	driver=service
	serve tcp tcp
	here ask_tcp
	serve udp udp udp
	here ask_udp

	free_port
	start both bash -c "$(cmd 'tcp&')
		wait \$!"
	wait_port "$PORT"
	here ask_tcp
}

@test "examples: ask a web server" {
	driver=web
	printf 'HTTP/1.0 200 OK\r\n\r\npage\n' >page
	listen_with page srv 0
	run limited "$(cmd ask)"
	[ "$status" -eq 0 ]
	[ "$output" = $'HTTP/1.0 200 OK\r\n\r\npage' ]
	wait_exit srv
	printf 'GET / HTTP/1.0\r\n\r\n' | cmp - "$T/srv.out"
}

@test "examples: see whether a port is open" {
	driver=open
	# IPv4 alone, so that localhost is 127.0.0.1 for everybody.
	listen srv -4 -k 0
	here quiet
	here say
	stop srv
	run limited "$(cmd quiet)"
	[ "$status" -eq 1 ]
	[[ $output == *refused ]]
}

@test "examples: see which ports are open" {
	driver=scan
	getent services http-alt/tcp >/dev/null || skip "no /etc/services"
	listen srv -4 -k 127.0.0.1 0
	run limited "$(cmd ask)"
	[ "$status" -eq 0 ]
	# Others may be open on this machine, and the port may have a name.
	[ "$(shown ask)" = "127.0.0.1 $PORT open tcp" ]
	[[ ${lines[-1]} =~ ^127\.0\.0\.1\ $PORT\ open\ tcp(/.*)?$ ]]
}

@test "examples: start when a port is open" {
	driver=ready
	printf '#!/bin/sh\necho up\n' >"$T/bin/start"
	chmod +x "$T/bin/start"
	free_port
	start cl bash -c "$(cmd start)"
	if wait_exit cl 0.3 2>/dev/null; then
		fail "it does not wait: $status"
	fi
	start srv sockcat -lk 127.0.0.1 "$PORT"
	wait_exit cl
	[ "$status" -eq 0 ]
	[ "$(<"$T/cl.out")" = up ]
}

@test "examples: servers that answer as they should" {
	need_bulk
	driver=health
	need redis-server
	printf 'HTTP/1.0 200 OK\r\n\r\n' >page
	listen_with page srv 0
	run limited "$(cmd web)"
	[ "$status" -eq 0 ]
	[ "${lines[0]%$'\r'}" = "$(shown web)" ]

	free_port
	start db redis-server --port "$PORT" --bind 127.0.0.1 --save ''
	wait_line db.out 'eady to accept connections' 20
	run limited "$(cmd redis)"
	[ "$status" -eq 0 ]
	[ "${output%$'\r'}" = "$(shown redis)" ]
}

@test "examples: a database behind a forward, watched, and slowed down" {
	need_bulk
	need redis-server redis-cli
	start db redis-server --port 0 --unixsocket redis.sock --save ''
	wait_line db.out 'eady to accept connections' 20
	driver=database
	serve plain serve
	here ask
	here ask

	driver=watch
	serve srv serve
	here ask
	wait_line srv.err '^< [0-9:.]+ [^ ]+:[0-9]+ 00000000 .*\|'
	wait_line srv.err '^> [0-9:.]+ [^ ]+:[0-9]+ .*\|\+PONG\.\.\|$'

	driver=slow
	serve slow serve
	[ "$(limited "redis-cli -p $PORT ping")" = PONG ]
}

@test "examples: lines for a syslog server" {
	driver=syslog
	free_port -u
	start srv sockcat -luk 127.0.0.1 "$PORT"
	wait_port "$PORT" udp
	here line
	wait_line srv.out '^<13>backup: done'
	: >log
	start follow bash -c "$(cmd lines)"
	more() {
		echo 'one more' >>log
		grep -q 'one more$' "$T/srv.out"
	}
	wait_for 20 more
}

@test "examples: ssh through a proxy" {
	driver=behind
	cat >"$T/bin/ssh" <<-'END'
		#!/bin/sh
		# Of ssh -o ProxyCommand=COMMAND HOST only that.
		command=$(echo "${2#*=}" | sed 's/%h/192.0.2.7/; s/%p/22/')
		echo hello | sh -c "$command"
	END
	chmod +x "$T/bin/ssh"
	peer_py srv proxy.py
	proxy_port=$PORT
	run limited "$(cmd ssh)"
	[ "$status" -eq 0 ]
	[ "$output" = hello ]
	grep -q '^request ipv4 192.0.2.7 22' "$T/srv.out"
}

@test "examples: collect what many machines send" {
	driver=collect
	echo before >log
	serve srv receive
	here send
	here send
	wait_lines "$T/work/log" 20 2
	[ "$(head -n 1 log)" = before ]
	[ "$(wc -l <log)" -eq 3 ]
}

@test "examples: send datagrams" {
	driver=datagram
	serve srv receive udp
	here send
	wait_lines srv.out '^hello$' 1
	here all
	wait_lines srv.out '^hello$' 2
}

@test "examples: a Unix-domain socket of its owner" {
	driver=unix
	PORT=
	start srv bash -c "exec $(cmd serve)"
	wait_for 10 test -S socket
	[ "$(find socket -perm 600)" = socket ]
	here ask
}

@test "examples: a port that the system picks" {
	driver=picked
	PORT=
	start srv bash -c "exec $(cmd listen)"
	# The second line, if localhost is ::1 as well, is like the first.
	wait_line srv.err '^Listening on 127\.0\.0\.1 [0-9]+$'
	[[ $(shown listen) =~ ^Listening\ on\ 127\.0\.0\.1\ [0-9]+$ ]]
	run grep -vE '^Listening on (127\.0\.0\.1|::1) [0-9]+$' "$T/srv.err"
	[ -z "$output" ]
}

@test "examples: a listener that gives up at an end" {
	driver=patient
	echo question >file
	cat >drop.py <<-'END'
		import socket
		s = socket.socket()
		s.bind(("127.0.0.1", 0))
		s.listen()
		print(s.getsockname()[1], "127.0.0.1", flush=True)
		c = s.accept()[0]
		while not c.recv(100).endswith(b"\n"):
		    pass
		c.settimeout(0.3)
		try:
		    c.recv(100)         # an end: no answer
		except socket.timeout:
		    c.sendall(b"answer\n")
	END
	start drop "${python[@]}" drop.py
	wait_line drop.out .
	read -r PORT _ <"$T/drop.out"
	run limited "$(cmd ask)"
	[ "$status" -eq 0 ]
	[ "$output" = answer ]
}

@test "examples: give up in time" {
	driver=late
	echo question >request
	full_backlog
	run limited "$(cmd ask)"
	[ "$status" -eq 0 ]
	[ "${lines[-1]}" = "failed: 124" ]
	[ ! -s answer ]

	peer_py half stall.py --send half
	run limited "$(cmd ask)"
	[ "${lines[-1]}" = "failed: 124" ]
	[ "$(<answer)" = half ]

	echo reply >page
	listen_with page srv 0
	run limited "$(cmd ask)"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$(<answer)" = reply ]
}

@test "examples: make" {
	driver=house
	PORT=
	mkdir tree
	cp -R "$top/Makefile" "$top/sockcat.c" "$top/sockcat.1" \
		"$completions" tree
	mkdir tree/test
	cp -R "$top"/test/{demo.sh,deps,fuzz,run,unit.c} tree/test
	cd tree
	export CFLAGS=-O0
	run limited "$(cmd demo)"
	[ "$status" -eq 0 ]
	[ "${lines[-1]}" = "hello from sockcat" ]

	# The tests are what is running already, and installing has tests of
	# its own; that make knows how is all.
	for role in check some all lint bench install uninstall; do
		run limited "MAKEFLAGS=-n $(cmd $role)"
		[ "$status" -eq 0 ] || fail "$(cmd $role): $output"
		case $role in
		all) [[ $output == *run-portable* ]] ;;
		lint) [[ $output == *test/lint* ]] ;;
		bench) [[ $output == *test/bench/run* ]] ;;
		*install) [[ $output == */usr/local/bin/sockcat* ]] ;;
		*) [[ $output == *test/run* ]] ;;
		esac
	done
	run limited "MAKEFLAGS=-n $(cmd some)"
	[[ $output == *"test/run test/relay.bats"* ]]
}
