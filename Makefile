# Makefile of sockcat.
#
#	make            build sockcat
#	make demo       build it and show an echo server and a client at work
#	make check      install bats if it is missing, run the tests
#	make check-asan the same against a build with ASan and UBSan
#	make check-all  the tests against every build: asan, tsan, portable,
#	                musl, torture (reads of one byte), rough (short reads and
#	                writes, EINTR)
#	make check-valgrind a few suites under valgrind
#	make fuzz       the parsers, fed with anything: TIME (60) seconds for
#	                each of TARGETS; what is found stays with the seeds
#	make soak       everything at once for TIME (600) seconds: no byte
#	                is lost, nothing grows
#	make bench      how fast, beside the peers found here and the kernel's
#	                limit; ROWS, ROUNDS, SECS, CHART: see test/bench/run
#	                --help
#	make chart      draw the table of README.md again
#	make bench-deps install those peers
#	make lint       compilers, analyzers and the form of the source
#	make install    into $(DESTDIR)$(PREFIX); uninstall takes it away again
#	make static     sockcat-static, which needs no library, by musl-gcc or
#	                what STATIC_CC names
#	make dist       sockcat-VERSION.tar.gz in DISTDIR, the same bytes for the
#	                same commit
#	make clean
#
# CC, CFLAGS, CPPFLAGS, LDFLAGS, PREFIX and DESTDIR are yours, so are the
# directories below PREFIX.  TESTS names the suites to run (test/relay.bats
# ...), JOBS how much runs at once.

CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
BINDIR = $(PREFIX)/bin
DATADIR = $(PREFIX)/share
MANDIR = $(DATADIR)/man/man1
BASHDIR = $(DATADIR)/bash-completion/completions
ZSHDIR = $(DATADIR)/zsh/site-functions
FISHDIR = $(DATADIR)/fish/vendor_completions.d
INSTALL = install
STATIC_CC = musl-gcc
DISTDIR = .
# GNU tar, for make dist.
TAR = tar
BUILD = test/.build
TESTS ?=
TARGETS ?=

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wstrict-prototypes \
	-Wwrite-strings
# What sockcat.c needs, whatever the user's CFLAGS are; tables to unwind the
# stack by are for languages with exceptions.
NEEDED = -std=c11 $(WARNINGS) -pthread -fno-asynchronous-unwind-tables
COMPILE = $(CC) $(NEEDED) $(CPPFLAGS) $(CFLAGS)
UNIT = -Wno-unused-function

all: sockcat

sockcat: sockcat.c
	$(COMPILE) $(LDFLAGS) -o $@ sockcat.c

demo: sockcat
	@test/demo.sh ./sockcat

# Every build the tests know: its compiler and its flags, and how much more
# time its tests get.  The first is the one `make' makes.
SAN = -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all
CC_plain = $(CC)
CFLAGS_plain = $(CFLAGS)
# Its unit program and fuzzer run for a second, and take several to optimize.
QUICK_plain = -O0
CC_asan = $(CC)
CFLAGS_asan = $(SAN) -fsanitize=address,undefined
TIME_asan = 3
CC_tsan = $(CC)
CFLAGS_tsan = $(SAN) -fsanitize=thread
TIME_tsan = 4
CC_portable = $(CC)
CFLAGS_portable = $(CFLAGS) -DPORTABLE
CC_musl = musl-gcc
CFLAGS_musl = $(CFLAGS) -static
CC_torture = $(CC)
CFLAGS_torture = $(CFLAGS) -DCHUNK=1 -DMOVE_CHUNK=1
TIME_torture = 8
# System calls that do less than they were asked to, or are interrupted; those
# of sockcat alone.
ROUGH = read write recv send sendmsg recvmsg writev splice sendfile accept4 poll
CC_rough = $(CC)
CFLAGS_rough = $(CFLAGS)
WRAP_rough = $(ROUGH:%=-Wl,--wrap=%) test/torture.c
TIME_rough = 2

VARIANTS = asan tsan portable musl torture rough

test-deps:
	@test/deps check

check: test-deps sockcat
	@$(MAKE) -j2 --no-print-directory $(UNIT_plain) $(BUILD)/plain/fuzz
	@SOCKCAT="$(CURDIR)/sockcat" UNIT="$(UNIT_plain:%=$(CURDIR)/%)" \
		FUZZ="$(CURDIR)/$(BUILD)/plain/fuzz" test/run $(TESTS)

# $(1) is the name of a build.
define variant
UNIT_$(1) = $$(if $$(wildcard test/unit.c),$(BUILD)/$(1)/unit)

$(BUILD)/$(1)/sockcat: sockcat.c Makefile
	@mkdir -p $$(@D)
	$$(CC_$(1)) $(NEEDED) $$(CPPFLAGS) $$(CFLAGS_$(1)) $$(LDFLAGS) \
		-o $$@ sockcat.c $$(WRAP_$(1))

$(BUILD)/$(1)/unit: test/unit.c sockcat.c Makefile
	@mkdir -p $$(@D)
	$$(CC_$(1)) $(NEEDED) $(UNIT) $$(CPPFLAGS) $$(CFLAGS_$(1)) \
		$$(QUICK_$(1)) $$(LDFLAGS) -o $$@ test/unit.c

$(BUILD)/$(1)/fuzz: test/fuzz/fuzz.c sockcat.c Makefile
	@mkdir -p $$(@D)
	$$(CC_$(1)) $(NEEDED) $(UNIT) $$(CPPFLAGS) $$(CFLAGS_$(1)) \
		$$(QUICK_$(1)) $$(LDFLAGS) -o $$@ test/fuzz/fuzz.c
endef

# A build whose compiler or run-time library is missing is passed over, and
# said to be.
define check_variant
check-$(1): test-deps
	@if echo 'int main(void) { return 0; }' | $$(CC_$(1)) -x c - \
	    $$(CFLAGS_$(1)) -o /dev/null 2>/dev/null; then \
		$(MAKE) --no-print-directory run-$(1); \
	else \
		echo "check-$(1): skipped," \
			"$$(CC_$(1)) cannot build with $$(CFLAGS_$(1))"; \
	fi

run-$(1): $(BUILD)/$(1)/sockcat $$(UNIT_$(1)) $(BUILD)/$(1)/fuzz
	@echo "== the tests against the build '$(1)'"
	@SOCKCAT="$$(CURDIR)/$(BUILD)/$(1)/sockcat" VARIANT=$(1) \
		UNIT="$$(UNIT_$(1):%=$$(CURDIR)/%)" \
		FUZZ="$$(CURDIR)/$(BUILD)/$(1)/fuzz" \
		TIME_FACTOR=$$(or $$(TIME_$(1)),1) test/run $$(TESTS)

.PHONY: check-$(1) run-$(1)
endef

$(foreach v,plain $(VARIANTS),$(eval $(call variant,$(v))))
$(foreach v,$(VARIANTS),$(eval $(call check_variant,$(v))))

# valgrind finds what ASan does not: values that were never set.  It is too
# slow for more than a few suites.  What it says goes to a file for each
# process: it also says which system calls it does not know.
VALGRIND = valgrind -q --vgdb=no --error-exitcode=99
VALGRIND_TESTS = test/echo.bats test/chat.bats test/fuzz.bats

check-valgrind: test-deps sockcat $(BUILD)/plain/fuzz
	@rm -rf $(BUILD)/valgrind
	@mkdir -p $(BUILD)/valgrind
	@for name in sockcat $(BUILD)/plain/fuzz; do \
		wrapper=$(BUILD)/valgrind/$${name##*/}; \
		printf '#!/bin/sh\nexec %s --log-file="%s" "%s" "$$@"\n' \
			"$(VALGRIND)" "$(CURDIR)/$(BUILD)/valgrind/%p.log" \
			"$(CURDIR)/$$name" >"$$wrapper"; \
		chmod +x "$$wrapper"; \
	done
	@SOCKCAT="$(CURDIR)/$(BUILD)/valgrind/sockcat" VARIANT=valgrind \
		FUZZ="$(CURDIR)/$(BUILD)/valgrind/fuzz" TIME_FACTOR=8 \
		test/run $(or $(TESTS),$(VALGRIND_TESTS))
	@! grep -h '^==' $(BUILD)/valgrind/*.log

# One after the other, all of them, also when one fails.
check-all:
	@failed=; \
	for v in $(VARIANTS); do \
		$(MAKE) --no-print-directory "check-$$v" || \
			failed="$$failed $$v"; \
	done; \
	[ -z "$$failed" ] || { echo "check-all: failed:$$failed"; exit 1; }

# The fuzzer of clang; without it the seeds are what there is.
CC_fuzzer = clang
CFLAGS_fuzzer = $(SAN) -fsanitize=fuzzer,address,undefined -DFUZZER
$(eval $(call variant,fuzzer))

fuzz: $(BUILD)/fuzzer/fuzz $(BUILD)/plain/fuzz
	@test/fuzz/run "$(BUILD)/fuzzer/fuzz" "$(BUILD)/plain/fuzz" $(TARGETS)

soak: sockcat
	@SOCKCAT="$(CURDIR)/sockcat" test/soak $(or $(TIME),600)

bench: sockcat
	@SOCKCAT="$(CURDIR)/sockcat" CC="$(CC)" CHART="$(CHART)" test/bench/run

chart:
	test/bench/run --chart <README.md >test/bench/speed.svg

bench-deps:
	@test/bench/run --deps

lint:
	@test/deps lint
	@WARNINGS="$(WARNINGS)" test/lint

install: sockcat
	$(INSTALL) -d "$(DESTDIR)$(BINDIR)" "$(DESTDIR)$(MANDIR)" \
		"$(DESTDIR)$(BASHDIR)" "$(DESTDIR)$(ZSHDIR)" \
		"$(DESTDIR)$(FISHDIR)"
	$(INSTALL) -m 755 sockcat "$(DESTDIR)$(BINDIR)/sockcat"
	$(INSTALL) -m 644 sockcat.1 "$(DESTDIR)$(MANDIR)/sockcat.1"
	$(INSTALL) -m 644 completions/sockcat.bash \
		"$(DESTDIR)$(BASHDIR)/sockcat"
	$(INSTALL) -m 644 completions/_sockcat "$(DESTDIR)$(ZSHDIR)/_sockcat"
	$(INSTALL) -m 644 completions/sockcat.fish \
		"$(DESTDIR)$(FISHDIR)/sockcat.fish"

# The directories stay, they are the system's.
uninstall:
	rm -f "$(DESTDIR)$(BINDIR)/sockcat" "$(DESTDIR)$(MANDIR)/sockcat.1" \
		"$(DESTDIR)$(BASHDIR)/sockcat" \
		"$(DESTDIR)$(ZSHDIR)/_sockcat" \
		"$(DESTDIR)$(FISHDIR)/sockcat.fish"

static: sockcat-static

sockcat-static: sockcat.c
	@command -v $(STATIC_CC) >/dev/null || { \
		echo "make static: no $(STATIC_CC) here; STATIC_CC names" \
			"another compiler (apt-get install musl-tools)" >&2; \
		exit 1; }
	$(STATIC_CC) $(NEEDED) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -static -s \
		-o $@ sockcat.c

# What git knows, as it is in this directory; in a tree without git, which
# was a tarball once, what a tarball has.  The time is the commit's, which the
# files of such a tree still have.
VERSION = $(shell sed -n 's/^\#define VERSION "\(.*\)"/\1/p' sockcat.c)
GIT = git -c safe.directory='*'
FILES = LICENSE Makefile README.md completions sockcat.1 sockcat.c test \
	.ci .clang-format .clang-tidy .gitignore

dist:
	@set -e; name=sockcat-$(VERSION); \
	list=$$(mktemp); trap 'rm -f "$$list"' EXIT; \
	if [ -e .git ] && \
	    time=$$($(GIT) log -1 --format=%ct 2>/dev/null); then \
		$(GIT) ls-files | while read -r file; do \
			[ ! -e "$$file" ] || echo "$$file"; \
		done >"$$list"; \
	else \
		find $(FILES) -path test/.build -prune -o \
			-name __pycache__ -prune -o -type f -print >"$$list"; \
		time=$$(stat -c %Y sockcat.c); \
	fi; \
	LC_ALL=C sort -o "$$list" "$$list"; \
	$(TAR) --format=ustar --no-recursion \
		--mtime="@$${SOURCE_DATE_EPOCH:-$$time}" \
		--owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX \
		--transform="s,^,$$name/," -cf "$(DISTDIR)/$$name.tar" \
		-T "$$list"; \
	gzip -9nf "$(DISTDIR)/$$name.tar"; \
	echo "$(DISTDIR)/$$name.tar.gz"

clean:
	rm -rf sockcat sockcat-static sockcat-*.tar* $(BUILD)

.PHONY: all demo test-deps check check-valgrind check-all fuzz soak bench bench-deps chart \
	lint install uninstall static dist clean
