# What the fuzzer of test/fuzz began with and has found, once more: in every
# build, so under the sanitizers too.

load helpers

: "${FUZZ:=$here/.build/plain/fuzz}"
seeds=$here/fuzz/seeds

# fed TARGET...: it takes all its seeds.
fed() {
	local target count

	[ -x "$FUZZ" ] || fail "no $FUZZ: make check builds it"
	for target; do
		count=$(find "$seeds/$target" -type f | wc -l)
		timeout -s KILL "$((60 * TIME_FACTOR))" "$FUZZ" "$target" \
			"$seeds/$target" >"$T/out" 2>"$T/err" ||
			wrong "$target: status $?: $(tail -n 20 "$T/err")"
		grep -qx "$target: $((count)) inputs" "$T/out" ||
			wrong "$target: $(cat "$T/out")"
		((count > 0)) || wrong "$target has no seeds"
		rm -f "$T/err"
	done
	none_wrong
}

@test "every target of the fuzzer has seeds, and all seeds a target" {
	diff <("$FUZZ" | sort) <(cd "$seeds" && printf '%s\n' * | sort)
}

@test "the parsers of texts take what the fuzzer began with and found" {
	fed messages json numbers times sizes escapes words options
}

@test "addresses, ports and lists: what the fuzzer began with and found" {
	fed addresses ports lists
}

@test "what peers and proxies send: what the fuzzer began with and found" {
	fed replies requests telnet needles dumps chats
}
