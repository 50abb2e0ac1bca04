#!/bin/sh
#
# demo.sh SOCKCAT: what sockcat is for, in two commands: an echo server on a
# port the system picks, and a client that sends a line through it.  Ends
# nothing but the server it started.

set -eu

sockcat=${1:?usage: demo.sh SOCKCAT}
dir=$(mktemp -d)
server=

finish() {
	status=$?
	trap - EXIT HUP INT TERM
	if [ -n "$server" ]; then
		kill "$server" 2>/dev/null || :
		wait "$server" 2>/dev/null || :
	fi
	rm -rf "$dir"
	exit "$status"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

echo "\$ sockcat -lke -v 127.0.0.1 0 &"
: >"$dir/said" # for sed, which may come before the server
"$sockcat" -lke -v 127.0.0.1 0 </dev/null 2>"$dir/said" &
server=$!

# At most 5 s for the line `Listening on 127.0.0.1 PORT'.
port=
tries=0
while [ -z "$port" ]; do
	port=$(sed -n 's/^Listening on [^ ]* \([0-9][0-9]*\)$/\1/p' \
		"$dir/said")
	tries=$((tries + 1))
	if [ "$tries" -gt 250 ] || ! kill -0 "$server" 2>/dev/null; then
		cat "$dir/said" >&2
		echo "demo: the server does not listen" >&2
		exit 1
	fi
	[ -n "$port" ] || sleep 0.02
done
cat "$dir/said"

line="hello from sockcat"
echo "\$ echo '$line' | sockcat 127.0.0.1 $port"
answer=$(echo "$line" | "$sockcat" -w 5 127.0.0.1 "$port")
echo "$answer"
if [ "$answer" != "$line" ]; then
	echo "demo: that is not what was sent" >&2
	exit 1
fi
