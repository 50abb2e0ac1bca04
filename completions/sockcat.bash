# shellcheck shell=bash
#
# Completion of sockcat for bash.  It needs no other file: source it, or put
# it where bash-completion looks for a command named sockcat.

# A row an option: whether it acts (+), is accepted (.) or refused (-) in each
# mode, then with TCP, UDP, Unix streams and Unix datagrams, both as the table
# in sockcat.c has them; its letter, and its name, with = if it takes a value.
# What an option makes another mode or kind of is refused here.
_sockcat_table=(
	'+++++++++++bb+ ++-- -4 --ipv4'
	'+++++++++++bb+ ++-- -6 --ipv6'
	'++++++++++++++ --++ -U --unixsock'
	'+++++++-++++++ -+-+ -u --udp'
	'+++++++++++bb+ ++.. -n --nodns'
	'+--+----+--oo+ ++-+ -s --source='
	'++++++++++++++ ++-- -p --source-port='
	'-++-++++-++++- ++++ -l --listen'
	'---+++-------- ++++ -e --echo'
	'd--d--+-d----- ++++ -b --broadcast'
	'd--d--+-d----- ++++ --broker'
	'-------+------ +-+- --chat'
	'--------+++--- ++++ -c --sh-exec='
	'--------+++--- ++++ --exec='
	'-----------++- ++++ --forward='
	'-------------+ ++++ -z --zero'
	'-------------+ ++-- --parallel='
	'--+--+..--+-+- ++++ -k --keep-open'
	'--+--s++--+-+- ++++ -m --max-conns='
	'--s--ss+--s-s- ++++ --count='
	'+++...++...... ++++ -d --recv-only'
	'+++----------- ++++ --send-only'
	'+++........... +.+. -N --shutdown'
	'+++----------- +-+- --no-shutdown'
	'++............ ++++ -q --quit='
	'-ss-sss+-ssss- ++++ --drain='
	'+--+----+--+++ ++++ --retry='
	'++-----------u ++++ --send='
	'++------------ ++++ --expect='
	'++------------ -+-+ -W --recvlimit='
	'++------------ ++++ --recv-bytes='
	'+------------- ++++ -F --fd-pass'
	'++++++++++++++ ++++ -w --wait='
	'+++++s+++++++- ++++ --idle-timeout='
	'++++++++++++++ ++++ --max-time='
	'+++----------- ++++ -C --crlf'
	'+++---+.------ ++++ --lines'
	'+++----------+ ++++ -i --interval='
	'+++----------+ ++++ --delay='
	'++s+ss--sssss- ++++ --rate='
	'++------------ +-+- -t --telnet'
	'+++++++++++++- ++++ -o --output='
	'+++++++++++++- ++++ --hex-dump='
	'+++++++++++++- ++++ --append-output'
	'++---------++- ++++ --progress'
	'+++++++++++++- ++++ --stats'
	'++++++++++++++ ++++ --json'
	'++++++++++++++ ++++ -v --verbose'
	'++++++++++++++ ++++ --quiet'
	'++++++++---+++ ++++ --no-sandbox'
	'++++++++++++++ ++++ -h --help'
	'++++++++++++++ ++++ -V --version'
	'++++++++++++++ ++++ -I --rcvbuf='
	'++++++++++++++ ++++ -O --sndbuf='
	'+++++++++++bb- +--- --keepalive'
	'+++++++++++bb- +--- --no-keepalive'
	'++++++++++++++ ++-- --no-reuseaddr'
	'-++-++++-++++- ++-- --reuseport'
	'+++++++++++bb- +--- --nodelay'
	'+++++++++++bb- +--- --no-nodelay'
	'-++-++++-++++- +-+- --backlog='
	'+++++++++++bb+ ++-- -T --tos='
	'+++++++++++bb+ ++-- -M --ttl='
	'+++++++++++--+ +--- --reset'
	'-++-++++-++++- --++ --mode='
	'+++++++++++oo+ ++-- --interface='
	'+++++++++++bb+ +--- --mptcp'
	'+--+----+--oo+ +--- -x --proxy='
	'+--+----+--oo+ +--- -X --proxy-type='
	'+--+----+--oo+ +--- --proxy-auth-file='
	'-++-++++-++++- ++-- --allow='
	'-++-++++-++++- ++-- --deny='
	'-++-++++-++++- ++-- --allowfile='
	'-++-++++-++++- ++-- --denyfile='
	'-++-++++-++++- ++++ --port-file='
	'-++-++++-++++- ++++ --ready-fd='
	'-++-++++-++++- ++++ -f --background'
)

# What makes no sense with the first of a row.
_sockcat_clashes=(
	'--ipv4 --ipv6'
	'--recv-only --send-only'
	'--sh-exec --exec'
	'--send-only --expect --recvlimit --recv-bytes --fd-pass'
	'--expect --recvlimit --recv-bytes'
	'--fd-pass --no-shutdown --send --expect --recvlimit --recv-bytes
		--idle-timeout --crlf --lines --interval --delay --rate
		--telnet --output --hex-dump --append-output --progress
		--stats --reset'
)

# _sockcat_note OPTION: add its row to `given', and leave in `value' the name
# of an option whose value comes next.
_sockcat_note() {
	local row

	value=
	for row in "${_sockcat_table[@]}"; do
		if [[ "${row%=} " == *" $1 "* ]]; then
			given+=("$row")
			[[ $row != *= ]] || value=--${row##* --}
			value=${value%=}
			return
		fi
	done
}

# _sockcat_word WORD: note what an option word before the cursor means.
_sockcat_word() {
	local word=$1

	if [[ $word == --* ]]; then
		_sockcat_note "${word%%=*}"
		[[ $word != *=* ]] || value=
		return
	fi
	while word=${word#?}; [ -n "$word" ]; do
		_sockcat_note "-${word:0:1}"
		if [ -n "$value" ]; then
			[ -z "${word:1}" ] || value=
			return
		fi
	done
}

# _sockcat_given OPTION: it stands before the cursor.
_sockcat_given() {
	[[ " ${given[*]//=/} " == *" $1 "* ]]
}

# _sockcat_options: set `options' to all that make sense with what is given,
# maybe only once one of -l, -k, -u, -U and -z follows.
_sockcat_options() {
	local any='??????????????' marks=(sb udb sb ub) mode kind row rest
	# What makes a mode, each as the table has it.
	local makers=('' '' '' ' --echo' ' --echo' ' --echo' ' --bro' ' --chat'
		exec exec exec ' --forward' ' --forward' '')
	local fits=() fit own onward clash not=' '

	for mode in "${!makers[@]}"; do
		for kind in "${!marks[@]}"; do
			rest=${any:mode + 1}
			own="${any:0:mode}[+.${marks[kind]}]$rest"
			own+=" ${any:0:kind}[+.]*"
			# The other side of a forward.
			onward="${any:0:mode}[ob]$rest"
			onward+=" ${any:0:other_side + kind % 2}[+.]*"
			for row in "${given[@]}"; do
				# shellcheck disable=SC2053 # patterns
				[[ $row == $own || $row == $onward ]] ||
					continue 2
			done
			rest=${makers[mode]}
			[[ ${given[*]} != *"$rest"* ]] || rest=
			fits+=("$own$rest*" "$onward$rest*")
		done
	done
	for clash in "${_sockcat_clashes[@]}"; do
		for row in ${clash#* }; do
			! _sockcat_given "${clash%% *}" || not+="$row "
			! _sockcat_given "$row" || not+="${clash%% *} "
		done
	done
	options=
	for row in "${_sockcat_table[@]}"; do
		for fit in "${fits[@]}"; do
			# shellcheck disable=SC2053 # a pattern
			[[ $row == $fit ]] || continue
			row=${row%=}
			[[ $not == *" --${row##* --} "* ]] ||
				options+=" ${row:20}"
			break
		done
	done
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
	--tos)
		words='af11 af12 af13 af21 af22 af23 af31 af32 af33 af41
			af42 af43 critical cs0 cs1 cs2 cs3 cs4 cs5 cs6 cs7
			ef inetcontrol le lowcost lowdelay netcontrol
			reliability throughput'
		;;
	--mode)
		words='600 660 666'
		;;
	--proxy-type)
		words='4 5 connect http socks4 socks5'
		;;
	--interface)
		words=$(_sockcat_interfaces)
		;;
	--source)
		! _sockcat_given --unixsock || _sockcat_files
		return
		;;
	--sh-exec | --exec)
		_sockcat_reply < <(compgen -c -- "$cur" | sort -u)
		return
		;;
	--allowfile | --denyfile | --port-file | --proxy-auth-file | \
	--output | --hex-dump | unix:)
		_sockcat_files
		return
		;;
	--forward | --allow | --deny | --proxy)
		_sockcat_reply < <(compgen -A hostname -- "$cur")
		[ "$1" != --forward ] || words='udp: unix:'
		;;
	--source-port | *:)
		_sockcat_reply < <(compgen -A service -- "$cur")
		return
		;;
	esac
	_sockcat_reply < <(compgen -W "$words" -- "$cur")
}

# _sockcat_operand N: a path, or the N-th of host and port.
_sockcat_operand() {
	if _sockcat_given --unixsock; then
		[ "$1" -gt 1 ] || _sockcat_files
		return
	fi
	if [ "$1" -eq 1 ]; then
		_sockcat_reply < <(compgen -A hostname -- "$cur")
	fi
	if [ "$1" -eq 2 ] ||
	    { [ "$1" -eq 1 ] && _sockcat_given --listen; }; then
		_sockcat_reply < <(compgen -A service -- "$cur")
	fi
}

_sockcat() {
	local cur=${COMP_WORDS[COMP_CWORD]} given=() value='' options=''
	local i word operands=0 only_operands='' other_side=0

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
			case $value$word in
			--forwardunix | --forwardunix:* | --forward@*)
				other_side=2 ;;
			esac
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
