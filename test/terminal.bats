#!/usr/bin/env bats
#
# A person at a terminal: the shell of one in tmux, which types, reads the
# screen, and has jobs.  What needs no shell is in cli.bats and signals.bats.

# shellcheck disable=SC2154 # python, status: the helpers set them
load helpers

completions=$BATS_TEST_DIRNAME/../completions

setup() {
	helpers_setup
	need tmux
	tmux="$T/tmux"
}

teardown() {
	if [ -S "$T/tmux" ]; then
		if [ -z "${BATS_TEST_COMPLETED:-}" ]; then
			echo "--- the screen"
			screen
		fi
		tmux -S "$T/tmux" kill-server 2>/dev/null || :
	fi
	helpers_teardown
}

# terminal [SHELL]: one (bash) in a terminal of 100 by 40, with the program as
# `sockcat' and its completions.
terminal() {
	local run

	mkdir -p "$T/bin"
	ln -sf "$SOCKCAT" "$T/bin/sockcat"
	case ${1:-bash} in
	bash)
		cat >"$T/rc" <<-END
			PS1='ready\$ '
			set +o history
			bind 'set enable-bracketed-paste off'
			source '$completions/sockcat.bash'
		END
		run="bash --noprofile --rcfile '$T/rc' -i"
		;;
	zsh)
		cat >"$T/.zshrc" <<-END
			PROMPT='ready\$ '
			unsetopt promptsp
			unset zle_bracketed_paste
			fpath=('$completions' \$fpath)
			autoload -Uz compinit
			compinit -u -D
		END
		run="zsh -d -i"
		;;
	fish)
		cat >"$T/rc" <<-END
			set -g fish_greeting
			function fish_prompt; echo -n 'ready\$ '; end
			source '$completions/sockcat.fish'
		END
		run="fish --no-config -C 'source $T/rc'"
		;;
	esac
	(
		unset TMUX
		_close_fds
		cd "$T" || exit
		exec "${prefix[@]}" env TERM=screen HOME="$T" ZDOTDIR="$T" \
		    PATH="$T/bin:$PATH" tmux -S "$tmux" -f /dev/null \
		    new-session -d -x 100 -y 40 "exec $run"
	)
	prompt
}

# enter TEXT: as it is, then Enter; keys NAME...: by tmux's names.
enter() {
	tmux -S "$tmux" send-keys -l -- "$1" 3>&-
	keys Enter
}

keys() {
	tmux -S "$tmux" send-keys "$@" 3>&-
}

screen() {
	tmux -S "$tmux" capture-pane -p 3>&-
}

# shows REGEX [COUNT]: wait until so many (1) lines of the screen match.
shows() {
	wait_for 20 _on_screen "$1" "${2:-1}"
}

_on_screen() {
	local n

	n=$(screen | grep -cE -e "$1") || :
	((n >= $2))
}

# prompt: wait until the shell has the terminal again; what is typed before
# may still be read by what it has run.
prompt() {
	wait_for 20 _prompt
}

_prompt() {
	[ "$(screen | sed '/^$/d' | tail -n 1)" = 'ready$' ]
}

# runs: wait until the program has the terminal: a line typed before is the
# shell's, which has no end for anybody else.
runs() {
	wait_for 20 _runs
}

_runs() {
	[ "$(tmux -S "$tmux" display-message -p \
	    '#{pane_current_command}' 3>&-)" = sockcat ]
}

# at_prompt STATUS: the last command ended with that status.
at_prompt() {
	prompt
	enter 'echo "status=$?"'
	shows "^status=$1\$"
}

@test "lines go out when they are ended, edited as the terminal does" {
	feed srv
	listen_with - srv 127.0.0.1 0
	terminal
	tmux -S "$tmux" send-keys -l "sockcat 127.0.0.1 $PORT"
	keys Enter
	wait_line srv.err '^Connection received'
	keys -l 'helb'
	shows '^helb$'
	keys BSpace
	keys -l 'lo, you'
	keys C-w
	shows '^hello,$'
	# Nothing has left yet.
	[ ! -s "$T/srv.out" ]
	enter 'there'
	wait_line srv.out '^hello, there$'
	send_to srv $'and you\n'
	shows '^and you$'
	# ^D in a line sends what stands there, alone it is the end.
	keys -l 'par'
	keys C-d
	wait_size srv.out 16
	keys -l 't'
	keys Enter
	wait_line srv.out '^part$'
	keys C-d
	send_to srv $'more\n'
	shows '^more$'
	end_of srv
	at_prompt 0
	ended srv 0
}

@test "^C ends a session, a wait and a listener, and the shell goes on" {
	listen srv -ke 127.0.0.1 0
	full_backlog
	closed=$PORT
	PORT=$(sed -n '1s/.* //p' "$T/srv.err")
	terminal
	for args in "127.0.0.1 $PORT" "127.0.0.1 $closed" \
	    '-l 127.7.7.7 0' '-lk 127.7.7.7 0' '-lke 127.7.7.7 0' \
	    '-l --chat 127.7.7.7 0' '-l -u 127.7.7.7 0' \
	    "-lc 'cat' 127.7.7.7 0"; do
		enter "sockcat $args"
		runs
		keys -l 'half a line'
		shows '^half a line$'
		keys C-c
		prompt
		at_prompt 130
		keys C-l
		wait_for 10 not _on_screen status 1
	done
	# So does the terminal.
	enter 'echo still $((40 + 2))'
	shows '^still 42$'
}

@test "^Z stops it, fg and bg go on, nothing is lost" {
	feed srv
	listen_with - srv 127.0.0.1 0
	terminal
	enter "sockcat 127.0.0.1 $PORT"
	wait_line srv.err '^Connection received'
	enter before
	wait_line srv.out '^before$'
	keys C-z
	shows 'Stopped.* sockcat'
	send_to srv $'meanwhile\n'
	enter 'echo a shell'
	shows '^a shell$'
	not _on_screen '^meanwhile$' 1
	enter fg
	shows '^meanwhile$'
	enter 'after fg'
	wait_line srv.out '^after fg$'

	keys C-z
	shows 'Stopped.* sockcat' 2
	enter bg
	send_to srv $'while in the background\n'
	shows 'while in the background$'
	# What is typed now is the shell's.
	enter 'echo not $((1 + 1))'
	shows '^not 2$'
	enter 'jobs -r | grep -c sockcat'
	shows '^1$'
	enter fg
	shows '^sockcat 127' 2
	enter 'after bg'
	wait_line srv.out '^after bg$' 20
	[ "$(cat "$T/srv.out")" = $'before\nafter fg\nafter bg' ]
	keys C-d
	end_of srv
	ended srv 0
	at_prompt 0
}

@test "a job in the background does not stop" {
	feed srv
	listen_with - srv -k 127.0.0.1 0
	terminal
	enter "sockcat 127.0.0.1 $PORT & sockcat -v -lk 127.0.0.1 0 2>lis.err &"
	wait_line srv.err '^Connection received'
	wait_line lis.err '^Listening on '
	send_to srv $'said meanwhile\n'
	shows 'said meanwhile$'
	PORT=$(sed -n '1s/.* //p' "$T/lis.err")
	printf 'and heard\n' | sockcat 127.0.0.1 "$PORT"
	shows 'and heard$'
	enter 'echo typed for the shell'
	shows '^typed for the shell$'
	enter 'jobs -s | grep -c sockcat; jobs -r | grep -c sockcat'
	shows '^2$'
	shows '^0$'
	[ ! -s "$T/srv.out" ]
	# In front it is typed to again.
	enter 'fg %1'
	shows '^sockcat 127'
	enter 'typed for it'
	wait_line srv.out '^typed for it$' 20
	keys C-c
	at_prompt 130
	enter 'kill %2; wait %2; echo "status=$?"'
	shows '^status=143$'
}

@test "a peer that ends ends the session of who sits there" {
	terminal
	for kind in client listener unix; do
		case $kind in
		client)
			feed srv
			listen_with - srv 127.0.0.1 0
			enter "sockcat 127.0.0.1 $PORT"
			wait_line srv.err '^Connection received'
			;;
		listener)
			rm "$T/srv.in"
			enter 'sockcat -v -l 127.0.0.1 0 2>lis.err'
			wait_line lis.err '^Listening on '
			PORT=$(sed -n 's/^Listening.* //p' "$T/lis.err")
			feed srv
			start_with - srv sockcat 127.0.0.1 "$PORT"
			wait_line lis.err '^Connection received'
			;;
		unix)
			rm "$T/srv.in"
			feed srv
			listen_with - srv -U "$T/socket"
			enter 'sockcat -U socket'
			wait_line srv.err '^Connection received'
			;;
		esac
		enter "from $kind"
		wait_line srv.out "^from $kind\$"
		keys -l 'never ended'
		send_to srv $'and over\n'
		end_of srv
		shows 'and over'
		ended srv 0
		# What was being typed is the shell's now.
		keys C-u
		at_prompt 0
		keys C-l
		wait_for 10 not _on_screen status 1
	done
}

@test "its settings are what they were" {
	listen srv -k -e 127.0.0.1 0
	terminal
	enter 'stty -a >before'
	for end in C-c C-d C-z; do
		enter "sockcat 127.0.0.1 $PORT"
		runs
		enter "hear $end"
		shows "^hear $end\$" 2
		keys $end
		prompt
		enter 'stty -a >after; echo over-$((1 + 1))'
		shows '^over-2$'
		[ $end != C-z ] || enter 'kill -9 %1'
		same before after
		keys C-l
		wait_for 10 not _on_screen over-2 1
	done
}

@test "made raw by its owner, every key goes out at once as a byte" {
	feed srv
	listen_with - srv 127.0.0.1 0
	terminal
	enter "stty raw -echo; sockcat 127.0.0.1 $PORT; s=\$?; stty sane; echo over-\$s"
	wait_line srv.err '^Connection received'
	keys -l 'k'
	wait_size srv.out 1
	for key in C-c C-d C-z Escape Enter; do
		n=$(wc -c <"$T/srv.out")
		keys $key
		wait_size srv.out $((n + 1))
	done
	printf 'k\003\004\032\033\r' | cmp - "$T/srv.out"
	# The other end is what ends it.
	send_to srv 'bye'
	end_of srv
	ended srv 0
	shows 'bye'
	shows 'over-0$'
}

@test "-C and --chat for people who type" {
	feed srv
	listen_with - srv 127.0.0.1 0
	terminal
	enter "sockcat -C 127.0.0.1 $PORT"
	wait_line srv.err '^Connection received'
	enter 'EHLO me'
	wait_size srv.out 9
	printf 'EHLO me\r\n' | cmp - "$T/srv.out"
	keys C-c
	prompt
	end_of srv
	wait_exit srv

	enter "sockcat -v -l --chat 127.0.0.1 0 2>chat.err"
	wait_line chat.err '^Listening on '
	PORT=$(sed -n '1s/.* //p' "$T/chat.err")
	feed one
	start_with - one sockcat 127.0.0.1 "$PORT"
	wait_line chat.err '^Connection received'
	send_to one $'hello \033[31mall\n'
	shows '^<127.0.0.1:[0-9]+> hello .*\[31mall$'
	tmux -S "$tmux" capture-pane -e -p 3>&- >"$T/colours"
	not grep -q $'\033\\[31m' "$T/colours"
	enter 'welcome'
	wait_line one.out 'welcome$'
	keys C-c
	at_prompt 130
}

@test "what a peer sends is data, also to a terminal" {
	printf 'a\033[31mred\033[0m\033]2;title\007\177\200\377\r\0z\n' >"$T/bytes"
	peer_py srv source.py --file "$T/bytes"
	in_pty --all "$SOCKCAT" 127.0.0.1 "$PORT" >"$T/out" 3>&-
	# The terminal alone adds a CR before each LF.
	sed 's/$/\r/' "$T/bytes" | cmp - "$T/out"
	terminal
	peer_py srv source.py --file "$T/bytes"
	enter "sockcat 127.0.0.1 $PORT; echo"
	shows 'zred'
	tmux -S "$tmux" capture-pane -e -p 3>&- >"$T/colours"
	grep -q $'\033\\[31mred' "$T/colours"
}

@test "messages are printable whatever they name" {
	evil=$'\033]2;owned\007\033[31m\r\xff'
	in_pty --all "$SOCKCAT" -w 5 "host$evil" 80 >"$T/out" 3>&- || :
	in_pty --all "$SOCKCAT" 127.0.0.1 "80$evil" >>"$T/out" 3>&- || :
	in_pty --all "$SOCKCAT" "--opt$evil" >>"$T/out" 3>&- || :
	in_pty --all "$SOCKCAT" -U "$T/no$evil" >>"$T/out" 3>&- || :
	# What a proxy answers is the network's.
	printf 'HTTP/1.1 403 %s\r\n\r\n' "No$evil" >"$T/answer"
	peer_py proxy source.py --file "$T/answer"
	in_pty --all "$SOCKCAT" -X connect -x "127.0.0.1:$PORT" example.org \
		80 >>"$T/out" 3>&- || :
	[ "$(grep -c '^sockcat: ' "$T/out")" -ge 5 ] || fail "$(cat -v "$T/out")"
	LC_ALL=C run grep -nP '[^\x20-\x7e\r\n\t]' "$T/out"
	[ "$status" -eq 1 ] || fail "$(cat -v "$T/out")"
	# The terminal puts a CR before each LF; there is no other.
	LC_ALL=C not grep -qP '\r.' "$T/out"
}

# completes TYPED SHOWN: after a tab the line that was typed is the other one.
completes() {
	keys -l "sockcat $1"
	shows "^ready\\$ sockcat $1\$"
	keys Tab
	# What is typed next stands behind what was completed.
	keys -l X
	shows "^ready\\$ sockcat $2X\$"
	keys C-e C-u
	prompt
}

# completes_in SHELL: what a tab does in it.  What is offered at all is asked
# of its completion in manual.bats.
completes_in() {
	: >"$T/socket.one"
	: >"$T/capture"
	terminal "$1"
	completes '--forw' "--forward[ =]?"
	completes '-l --keep-o' '-l --keep-open ?'
	completes '-z --lis' '-z --lis'
	completes '-T lowc' '-T lowcost ?'
	completes '--tos=throu' '--tos=throughput ?'
	completes '--output=capt' '--output=capture ?'
	completes '-U sock' '-U socket\.one ?'
	completes '--hex-dump capt' '--hex-dump capture ?'
	completes '--forward unix:sock' '--forward unix:socket\.one ?'
	completes '-X conn' '-X connect ?'
}

@test "a tab in bash" {
	completes_in bash
}

@test "a tab in zsh" {
	need zsh
	completes_in zsh
}

@test "a tab in fish" {
	need fish
	completes_in fish
}
