# make soak for a few seconds.

load helpers

@test "a mixed load loses no byte, no descriptor, no thread, no memory" {
	local args=(6)

	need python3
	need_linux
	need_bulk
	# What a sanitizer keeps of freed memory is not the program's.
	case ${VARIANT:-plain} in
	asan | tsan) args+=(--no-memory) ;;
	esac
	start soak "${python[@]}" "$here/soak" "${args[@]}"
	wait_exit soak 100
	[ "$status" -eq 0 ] || fail "$(cat "$T/soak.out" "$T/soak.err")"
	[ "$(grep -c 'no bytes lost' "$T/soak.out")" -eq 5 ]
}
