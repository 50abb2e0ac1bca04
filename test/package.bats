#!/usr/bin/env bats
#
# What is made for others: the tarball, what is installed, the static binary,
# one version everywhere, and what README.md claims.
#
# bats file_tags=slow

# shellcheck disable=SC2154 # status, output: bats sets them
load helpers

top=$BATS_TEST_DIRNAME/..

setup_file() {
	[ "${VARIANT:-plain}" = plain ] || return 0
	make -s -C "$top" dist DISTDIR="$BATS_FILE_TMPDIR"
}

setup() {
	helpers_setup
	[ "${VARIANT:-plain}" = plain ] ||
		skip "the package is the same for every build"
	version=$(sed -n 's/^#define VERSION "\(.*\)"$/\1/p' "$top/sockcat.c")
	name=sockcat-$version
	tarball=$BATS_FILE_TMPDIR/$name.tar.gz
	[ -s "$tarball" ]
}

# made TARGET...: make it in the unpacked tarball, quickly built.  Nothing of
# this run gets there, or the bats of this one would meddle with that one.
made() {
	local tools=:$PATH:

	tools=${tools//:"${BATS_LIBEXEC:-}":/:}
	tools=${tools#:}
	run env -i HOME="$HOME" PATH="${tools%:}" TMPDIR="$T" \
		TIME_FACTOR="$TIME_FACTOR" timeout -k 5 400 \
		make -C "$T/$name" CFLAGS=-O0 "$@" </dev/null 3>&-
	[ "$status" -eq 0 ] || fail "make $*: $output"
}

unpack() {
	(umask 022 && tar -xzf "$tarball" -C "$T")
}

# files DIR: all that is below it.
files() {
	(cd "$1" && find . ! -type d | sort)
}

@test "dist: twice the same bytes, and from its own tarball again" {
	mkdir "$T/again" "$T/own"
	make -s -C "$top" dist DISTDIR="$T/again" >/dev/null
	cmp "$tarball" "$T/again/$name.tar.gz"
	unpack
	# What comes and goes in a tree is left out.
	mkdir -p "$T/$name/test/.build/asan" "$T/$name/test/peers/__pycache__"
	touch "$T/$name"/{sockcat,core,test/.build/asan/unit} \
		"$T/$name/test/peers/__pycache__/peer.pyc"
	chmod -R go+w "$T/$name"
	[ ! -e "$T/$name/.git" ]
	made dist DISTDIR="$T/own"
	cmp "$tarball" "$T/own/$name.tar.gz"
}

@test "dist: one directory, sorted, owned by root, of the commit's time" {
	tar -tzf "$tarball" >"$T/list"
	not grep -v "^$name/" "$T/list"
	LC_ALL=C sort -c "$T/list"
	for file in sockcat.c sockcat.1 Makefile README.md LICENSE \
	    completions/_sockcat test/run test/package.bats .ci/run; do
		grep -qxF "$name/$file" "$T/list" || fail "$file is missing"
	done
	tar --numeric-owner --full-time -tvzf "$tarball" |
		awk '{ print substr($1, 5), $2, $4, $5 }' | sort -u >"$T/kinds"
	# rw- or rwx, one time.
	run grep -vE '^(r-xr-x|r--r--) 0/0 ' "$T/kinds"
	[ -z "$output" ]
	[ "$(cut -d ' ' -f 3- "$T/kinds" | sort -u | wc -l)" -eq 1 ]
	SOURCE_DATE_EPOCH=1000000000 make -s -C "$top" dist DISTDIR="$T" \
		>/dev/null
	TZ=UTC tar --full-time -tvzf "$T/$name.tar.gz" | head -n 1 |
		grep -q ' 2001-09-09 01:46:40 '
}

@test "dist: unpacked elsewhere it builds and its tests run" {
	unpack
	made check JOBS=2 TESTS=test/fuzz.bats UNIT_plain=
	[[ $output =~ [1-9][0-9]*\ passed,\ 0\ failed, ]] || fail "$output"
	[ "$("$T/$name/sockcat" -V)" = "sockcat $version" ]
}

@test "install: where distributions look, and uninstall leaves no file" {
	cat >"$T/want" <<-'END'
		./bin/sockcat
		./share/bash-completion/completions/sockcat
		./share/fish/vendor_completions.d/sockcat.fish
		./share/man/man1/sockcat.1
		./share/zsh/site-functions/_sockcat
	END
	unpack
	install -m 755 "$SOCKCAT" "$T/$name/sockcat"
	for prefix in /usr /usr/local "/opt/two words"; do
		root="$T/a root"
		(umask 077 && made install DESTDIR="$root" PREFIX="$prefix")
		files "$root$prefix" >"$T/got"
		diff -u "$T/want" "$T/got"
		[ "$(files "$root" | wc -l)" -eq 5 ]
		"$root$prefix/bin/sockcat" --version
		[ -z "$(find "$root" -type f -path '*share*' ! -perm 644)" ]
		[ -n "$(find "$root" -type f -path '*bin*' -perm 755)" ]
		made uninstall DESTDIR="$root" PREFIX="$prefix"
		[ -z "$(files "$root")" ]
	done
	# Each is found under the name that its shell looks for.
	made install DESTDIR="$root" PREFIX=/usr ZSHDIR=/elsewhere
	[ -e "$root/elsewhere/_sockcat" ]
	grep -q '^#compdef sockcat$' "$root/elsewhere/_sockcat"
	made uninstall DESTDIR="$root" PREFIX=/usr ZSHDIR=/elsewhere
	[ -z "$(files "$root")" ]
}

@test "static: a program that needs no library" {
	need musl-gcc
	unpack
	made static
	LD_TRACE_LOADED_OBJECTS=1 "$T/$name/sockcat-static" -V >"$T/out"
	[ "$(cat "$T/out")" = "sockcat $version" ]
	# It is a whole one.
	SOCKCAT=$T/$name/sockcat-static
	listen srv -e localhost 0
	[ "$(echo hello | sockcat localhost "$PORT")" = hello ]
	made clean
	[ ! -e "$T/$name/sockcat-static" ]
}

@test "static: says what is missing" {
	unpack
	run make -C "$T/$name" static STATIC_CC=no-such-cc
	[ "$status" -eq 2 ]
	[[ $output == *"no no-such-cc here"* ]]
}

@test "version: the same for the program, its tarball and its pages" {
	[[ $version =~ ^[0-9]+(\.[0-9]+)+$ ]]
	[ "$(sockcat --version)" = "sockcat $version" ]
	# The newest of the changelog stands first.
	[ "$(grep -m 1 '^### ' "$top/README.md")" = "### $version" ]
	# The manual need not name one.
	run sed -n 's/^\.Os sockcat //p' "$top/sockcat.1"
	[ -z "$output" ] || [ "$output" = "$version" ]
	# Nobody else writes it down.
	run grep -lF "sockcat $version" -r "$top/Makefile" "$top/completions" \
		"$top/test" --include='*.bats' --include=Makefile
	[ -z "$output" ]
}

@test "README: the comparison is what the tools do here" {
	need_linux
	need python3 openssl
	run timeout 300 "$PYTHON" "$top/test/compare" "$top/README.md"
	[ "$status" -eq 0 ] || fail "$output"
	[[ $output =~ cells\ of\ sockcat ]]
}

@test "README: the bars are the table's, for which there is \`make chart'" {
	need python3
	"$PYTHON" "$top/test/bench/run" --chart <"$top/README.md" >"$T/chart"
	[ "$(grep -c 'class="sockcat"' "$T/chart")" -ge 8 ]
	[ "$(grep -c 'class="peer"' "$T/chart")" -ge 8 ]
	cmp "$T/chart" "$top/test/bench/speed.svg"
	"$PYTHON" -c 'import sys, xml.dom.minidom as x; x.parse(sys.argv[1])' \
		"$T/chart"
	grep -qF '(test/bench/speed.svg)' "$top/README.md"
}

@test "README: the sections and functions it names are the source's" {
	sed -nE 's/^ \* ---- ([a-z ]+) -+$/\1/p' "$top/sockcat.c" >"$T/want"
	awk '/^## / { on = $0 == "## Read it" } on' "$top/README.md" |
		tr '\n' ' ' >"$T/text"
	grep -oE 'to bottom: [^.]*' "$T/text" | sed 's/^to bottom: //' |
		sed 's/, */\n/g' >"$T/got"
	diff -u "$T/want" "$T/got"
	for name in $(grep -oE '`[a-z_]+`' "$T/text" | tr -d '`'); do
		grep -qE "^(static )?[a-z].*[ *]$name\(" "$top/sockcat.c" ||
			fail "there is no $name"
	done
}
