# shellcheck shell=bash
#
# Completion of sockcat for bash.  It needs no other file: source it, or put
# it where bash-completion looks for a command named sockcat.

# _sockcat_word WORD: note what an option word before the cursor means: add
# it to `given', and leave in `value' the letter or name of an option whose
# value comes next.
_sockcat_word() {
	local word=$1 letter

	value=
	case $word in
	--source | --source-port | --sh-exec | --exec | --forward | \
	--parallel | --max-conns | --count | --quit | --drain | --retry | \
	--send | --expect | --recvlimit | --recv-bytes | --wait | \
	--idle-timeout | --max-time | --interval | --delay | --rate | \
	--output | --hex-dump | --rcvbuf | --sndbuf | --backlog | --tos | \
	--ttl | --mode | --interface | --proxy | --proxy-type | \
	--proxy-auth-file | --allow | --deny | --allowfile | --denyfile | \
	--port-file | --ready-fd)
		value=$word
		given+=" $word"
		;;
	--*)
		given+=" ${word%%=*}"
		;;
	-?*)
		while word=${word#?}; [ -n "$word" ]; do
			letter=${word:0:1}
			given+=" -$letter"
			case $letter in
			[spcmqWwioIOTMxX])
				[ -n "${word:1}" ] || value=-$letter
				break
				;;
			esac
		done
		;;
	esac
}

# _sockcat_hide OPTION...: these make no sense with what is given.
_sockcat_hide() {
	local option

	for option; do
		options=${options// $option / }
	done
}

# _sockcat_options: set `options' to all that still make sense.
_sockcat_options() {
	options=' -4 --ipv4 -6 --ipv6 -U --unixsock -u --udp -n --nodns
		-s --source -p --source-port -l --listen -e --echo
		-b --broadcast --broker --chat -c --sh-exec --exec --forward
		-z --zero --parallel -k --keep-open -m --max-conns --count
		-d --recv-only --send-only -N --shutdown --no-shutdown
		-q --quit --drain --retry --send --expect -W --recvlimit
		--recv-bytes -F --fd-pass -w --wait --idle-timeout --max-time
		-C --crlf --lines -i --interval --delay --rate -t --telnet
		-o --output --hex-dump --append-output
		--progress --stats --json -v --verbose --quiet --no-sandbox
		-h --help -V --version -I --rcvbuf -O --sndbuf --keepalive
		--no-keepalive --no-reuseaddr --reuseport --nodelay
		--no-nodelay --backlog -T --tos -M --ttl --reset --mode
		--interface --mptcp -x --proxy -X --proxy-type
		--proxy-auth-file --allow --deny --allowfile --denyfile
		--port-file --ready-fd -f --background '
	# A blank before and after each, for _sockcat_hide.
	options=${options//[$'\n\t']/ }

	# What only a session has, only a relay, only a listener, only a test,
	# only a client.
	local -a session relay listener test proxy
	session=(--expect -W --recvlimit --recv-bytes -C --crlf --lines --rate
		-t --telnet -o --output --hex-dump --append-output
		--progress --stats --idle-timeout --send-only --no-shutdown)
	listener=(-l --listen -k --keep-open -e --echo --chat -c --sh-exec
		--exec --forward -m --max-conns --count --drain --reuseport
		--backlog --mode --allow --deny --allowfile --denyfile
		--port-file --ready-fd -f --background)
	relay=(--send --expect -W --recvlimit --recv-bytes -F --fd-pass
		-C --crlf -i --interval --delay -t --telnet)
	test=(-z --zero --parallel)
	proxy=(-x --proxy -X --proxy-type --proxy-auth-file)

	case " $given " in *' -4 '* | *' --ipv4 '*)
		_sockcat_hide -6 --ipv6 ;;
	esac
	case " $given " in *' -6 '* | *' --ipv6 '*)
		_sockcat_hide -4 --ipv4 ;;
	esac
	case " $given " in *' -d '* | *' --recv-only '*)
		_sockcat_hide --send-only ;;
	esac
	case " $given " in *' --send-only '*)
		_sockcat_hide -d --recv-only --expect -W --recvlimit \
			--recv-bytes -F --fd-pass ;;
	esac
	case " $given " in *' -F '* | *' --fd-pass '*)
		_sockcat_hide "${test[@]}" "${session[@]}" "${listener[@]}" \
			--send -i --interval --delay --reset ;;
	esac
	case " $given " in
	*' --expect '* | *' -W '* | *' --recvlimit '* | *' --recv-bytes '*)
		_sockcat_hide --send-only ;;
	esac
	case " $given " in
	*' --forward '*)
		_sockcat_hide -e --echo -b --broadcast --broker --chat \
			-c --sh-exec --exec --send-only --no-shutdown \
			--lines --reset "${test[@]}" "${relay[@]}" ;;
	*' -l '* | *' --listen '* | *' -k '* | *' --keep-open '*)
		_sockcat_hide -s --source --retry "${proxy[@]}" ;;
	esac
	case " $given " in
	*' -l '* | *' --listen '* | *' -k '* | *' --keep-open '*)
		_sockcat_hide "${test[@]}" -F --fd-pass ;;
	esac
	case " $given " in *' -k '* | *' --keep-open '*)
		_sockcat_hide --send --expect -W --recvlimit --recv-bytes \
			-t --telnet ;;
	esac
	case " $given " in
	*' --forward '*) ;;
	*' -k '* | *' --keep-open '* | *' -e '* | *' --echo '* | *' --chat '* | \
	*' -c '* | *' --sh-exec '* | *' --exec '*)
		_sockcat_hide --progress ;;
	esac
	case " $given " in *' -e '* | *' --echo '*)
		_sockcat_hide --chat -c --sh-exec --exec --forward \
			--send-only --no-shutdown --lines \
			"${test[@]}" "${relay[@]}" ;;
	esac
	case " $given " in *' -b '* | *' --broadcast '* | *' --broker '*)
		_sockcat_hide --chat --forward "${test[@]}" --no-shutdown \
			-t --telnet "${proxy[@]}" ;;
	esac
	case " $given " in *' --chat '*)
		_sockcat_hide -u --udp -s --source -e --echo -b --broadcast \
			--broker -c --sh-exec --exec --forward "${test[@]}" \
			--send-only --no-shutdown --retry --rate "${relay[@]}" \
			"${proxy[@]}" ;;
	esac
	case " $given " in *' -c '* | *' --sh-exec '* | *' --exec '*)
		_sockcat_hide -e --echo --chat --forward "${test[@]}" \
			--send-only --no-shutdown --lines --no-sandbox \
			"${relay[@]}" ;;
	esac
	case " $given " in *' -c '* | *' --sh-exec '*)
		_sockcat_hide --exec ;;
	esac
	case " $given " in *' --exec '*)
		_sockcat_hide -c --sh-exec ;;
	esac
	case " $given " in *' -z '* | *' --zero '*)
		_sockcat_hide "${session[@]}" "${listener[@]}" \
			-b --broadcast --broker -F --fd-pass \
			--keepalive --no-keepalive --nodelay --no-nodelay ;;
	esac
	case " $given " in *' -u '* | *' --udp '*)
		_sockcat_hide --chat --count --no-shutdown --drain \
			--keepalive --no-keepalive --nodelay --no-nodelay \
			--backlog --reset -t --telnet --mptcp "${proxy[@]}" ;;
	esac
	case " $given " in *' -U '* | *' --unixsock '*)
		_sockcat_hide -4 --ipv4 -6 --ipv6 -p --source-port \
			--no-reuseaddr --reuseport --reset --allow --deny \
			--allowfile --denyfile --parallel
		# The other side of a forward may be IP.
		case " $given " in
		*' --forward '*) ;;
		*)
			_sockcat_hide --keepalive --no-keepalive --nodelay \
				--no-nodelay -T --tos -M --ttl --interface \
				--mptcp "${proxy[@]}" ;;
		esac ;;
	esac
}

# _sockcat_reply: offer the lines of standard input.
_sockcat_reply() {
	local line

	while IFS= read -r line; do
		COMPREPLY+=("$line")
	done
}

# _sockcat_files: paths.
_sockcat_files() {
	compopt -o filenames 2>/dev/null
	_sockcat_reply < <(compgen -f -- "$cur")
}

# _sockcat_interfaces: the names of the network interfaces.
_sockcat_interfaces() {
	local dir

	for dir in /sys/class/net/*; do
		[ ! -e "$dir" ] || echo "${dir##*/}"
	done
}

# _sockcat_values OPTION: what can follow it.
_sockcat_values() {
	local words=

	case $1 in
	-T | --tos)
		words='af11 af12 af13 af21 af22 af23 af31 af32 af33 af41
			af42 af43 critical cs0 cs1 cs2 cs3 cs4 cs5 cs6 cs7
			ef inetcontrol le lowcost lowdelay netcontrol
			reliability throughput'
		;;
	--mode)
		words='600 660 666'
		;;
	-X | --proxy-type)
		words='4 5 connect http socks4 socks5'
		;;
	--interface)
		words=$(_sockcat_interfaces)
		;;
	-s | --source)
		case " $given " in *' -U '* | *' --unixsock '*)
			_sockcat_files ;;
		esac
		return
		;;
	-c | --sh-exec | --exec)
		_sockcat_reply < <(compgen -c -- "$cur" | sort -u)
		return
		;;
	--allowfile | --denyfile | --port-file | --proxy-auth-file | \
	-o | --output | --hex-dump | unix:)
		_sockcat_files
		return
		;;
	--forward | --allow | --deny | -x | --proxy)
		_sockcat_reply < <(compgen -A hostname -- "$cur")
		[ "$1" != --forward ] || words='udp: unix:'
		;;
	-p | --source-port | *:)
		_sockcat_reply < <(compgen -A service -- "$cur")
		return
		;;
	esac
	_sockcat_reply < <(compgen -W "$words" -- "$cur")
}

# _sockcat_operand N: a path, or the N-th of host and port.
_sockcat_operand() {
	local listen=

	case " $given " in *' -U '* | *' --unixsock '*)
		[ "$1" -gt 1 ] || _sockcat_files
		return
		;;
	esac
	case " $given " in *' -l '* | *' --listen '*)
		listen=1 ;;
	esac
	if [ "$1" -eq 1 ]; then
		_sockcat_reply < <(compgen -A hostname -- "$cur")
	fi
	if [ "$1" -eq 2 ] || { [ "$1" -eq 1 ] && [ -n "$listen" ]; }; then
		_sockcat_reply < <(compgen -A service -- "$cur")
	fi
}

_sockcat() {
	local cur=${COMP_WORDS[COMP_CWORD]} given='' value='' options=''
	local i word operands=0 only_operands=

	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		word=${COMP_WORDS[i]}
		if [ "$word" = : ]; then
			# The shell splits a word at its colons.
			value=${COMP_WORDS[i - 1]}:
		elif [ "$word" = = ]; then
			# And at =; after --keepalive it is not known.
			value=${value:-=}
		elif [ -n "$value" ]; then
			value=
		elif [ -n "$only_operands" ]; then
			operands=$((operands + 1))
		elif [ "$word" = -- ]; then
			only_operands=1
		elif [[ $word == -?* ]]; then
			_sockcat_word "$word"
		else
			operands=$((operands + 1))
		fi
	done
	if [ "$cur" = = ]; then
		cur=
		value=${value:-=}
	fi
	if [ "$cur" = : ]; then
		return
	elif [ -n "$value" ]; then
		_sockcat_values "$value"
	elif [ -z "$only_operands" ] && [[ $cur == -* ]]; then
		_sockcat_options
		_sockcat_reply < <(compgen -W "$options" -- "$cur")
	else
		_sockcat_operand $((operands + 1))
	fi
}

complete -F _sockcat sockcat
