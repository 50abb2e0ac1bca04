/*
 * unit: tests of the parts of sockcat that need no network.
 *
 *	unit            run every check: a line `ok ...' or `not ok ...' each,
 *	                1 if one failed
 *	unit matrix     the option table: NAME, its marks by mode, by socket
 *	unit marks      for every option, mode and socket the mark that counts:
 *	                OPTION MODE SOCKET MARK; `=' where the option makes
 *	                another mode; a forward goes to TCP, or to UDP
 */
#define main sockcat_main
#include "../sockcat.c"
#undef main

static int checks, failures;

static void check(bool good, int line, const char *text)
{
	checks++;
	failures += !good;
	printf("%sok %d - line %d: %s\n", good ? "" : "not ", checks, line,
		text);
}

#define CHECK(condition) check((condition), __LINE__, #condition)

static bool same_text(const char *a, const char *b)
{
	if (strcmp(a, b) == 0)
		return true;
	printf("# got:    %s\n# wanted: %s\n", a, b);
	return false;
}

#define TEXT(a, b) check(same_text(a, b), __LINE__, #a " is " #b)

/*
 * ---- messages -------------------------------------------------------------
 */
static void test_printable(void)
{
	char to[64], small[8];

	TEXT(printable(to, sizeof(to), ""), "");
	TEXT(printable(to, sizeof(to), "plain text ~"), "plain text ~");
	TEXT(printable(to, sizeof(to), "\033[2J\a"), "\\x1B[2J\\x07");
	TEXT(printable(to, sizeof(to), "a\nb\tc\r"), "a\\x0Ab\\x09c\\x0D");
	TEXT(printable(to, sizeof(to), "\177\200\377"), "\\x7F\\x80\\xFF");
	/* Never over the end, never half an escape. */
	memset(small, 'Z', sizeof(small));
	printable(small, sizeof(small) - 1, "\001\002\003\004");
	CHECK(small[sizeof(small) - 1] == 'Z');
	CHECK(strlen(small) < sizeof(small) - 1);
	CHECK(strlen(small) % 4 == 0);
	printable(small, sizeof(small) - 1, "abcdefghijkl");
	CHECK(small[sizeof(small) - 1] == 'Z');
	CHECK(strlen(small) < sizeof(small) - 1);
}

static void test_fail(void)
{
	char longest[2000];

	errno = ECONNREFUSED;
	CHECK(fail("connect to %s:", "x") == -1);
	TEXT(why.text, "connect to x: Connection refused");
	CHECK(why.status == FAILED);
	CHECK(why.error == ECONNREFUSED);
	CHECK(fail_as(MISUSED, "no colon") == -1);
	TEXT(why.text, "no colon");
	CHECK(why.status == MISUSED);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	CHECK(fail("%s:", longest) == -1);
	CHECK(strlen(why.text) < sizeof(why.text));
}

/*
 * ---- numbers --------------------------------------------------------------
 */
static void test_digits(void)
{
	const char *rest;

	CHECK(digits("0", 10, 9, &rest) == 0 && *rest == '\0');
	CHECK(digits("12x", 10, 99, &rest) == 12 && *rest == 'x');
	CHECK(digits("100", 10, 99, &rest) == -1);
	CHECK(digits("", 10, 99, &rest) == -1);
	CHECK(digits("-1", 10, 99, &rest) == -1);
	CHECK(digits("+1", 10, 99, &rest) == -1);
	CHECK(digits(" 1", 10, 99, &rest) == -1);
	CHECK(digits("0009", 10, 99, &rest) == 9 && *rest == '\0');
	CHECK(digits("778", 8, 0777, &rest) == 077 && *rest == '8');
	CHECK(digits("99999999999999999999999", 10, INT64_MAX / 16, &rest) ==
		-1);
}

static int64_t number(const char *text, int64_t min, int64_t max)
{
	int64_t n = -99;

	return parse_number("--x", text, min, max, &n) < 0 ? -1 : n;
}

static void test_parse_number(void)
{
	static const char *const bad[] = { "80x", "65536", "-1", "1e9", "",
		" 1", "1 ", "+1", "0x10", "1.0", "99999999999999999999" };

	for (size_t i = 0; i < COUNT(bad); i++) {
		CHECK(number(bad[i], 1, 65535) == -1);
		CHECK(why.status == MISUSED);
		CHECK(strstr(why.text, bad[i]) != NULL);
		CHECK(strncmp(why.text, "--x: ", 5) == 0);
	}
	CHECK(number("0", 1, 65535) == -1);
	CHECK(number("0", 0, 65535) == 0);
	CHECK(number("1", 1, 65535) == 1);
	CHECK(number("65535", 1, 65535) == 65535);
	CHECK(number("007", 1, 65535) == 7);
}

static void test_parse_octal(void)
{
	static const char *const bad[] = { "80x", "65536", "-1", "1e9", "",
		"8", "0x1ff", "1000", "u+x" };
	int64_t n = -99;

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(parse_octal("--mode", bad[i], 0777, &n) < 0 &&
			why.status == MISUSED);
	CHECK(n == -99);
	CHECK(parse_octal("--mode", "0", 0777, &n) == 0 && n == 0);
	CHECK(parse_octal("--mode", "660", 0777, &n) == 0 && n == 0660);
	CHECK(parse_octal("--mode", "0777", 0777, &n) == 0 && n == 0777);
}

static int64_t size_of(const char *text)
{
	int64_t n = -99;

	return parse_size("--x", text, 1, &n) < 0 ? -1 : n;
}

static void test_parse_size(void)
{
	static const char *const bad[] = { "80x", "-1", "1e9", "", "0", "0k",
		"k", "1kk", "1K", "1kB", "1.5k", "2G", "1025M", "1073741825",
		"99999999999999999999", "9999999999G" };

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(size_of(bad[i]) == -1 && why.status == MISUSED &&
			strstr(why.text, bad[i]));
	CHECK(size_of("1") == 1);
	CHECK(size_of("65536") == 65536);
	CHECK(size_of("1k") == 1024);
	CHECK(size_of("3M") == 3 << 20);
	CHECK(size_of("1G") == 1 << 30);
	CHECK(size_of("1024M") == 1 << 30);
}

static int64_t time_of(const char *text)
{
	int64_t n = -99;

	return parse_time("--x", text, 1, &n) < 0 ? -1 : n;
}

static void test_parse_time(void)
{
	static const char *const bad[] = { "80x", "-1", "1e9", "", "0", "0.0",
		"0ms", ".", ".s", ".0", "1 s", "1S", "1us", "1mss",
		"1.2.3", "99999999999999999999", "s", "1d" };
	int64_t n;

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(time_of(bad[i]) == -1 && why.status == MISUSED &&
			strstr(why.text, bad[i]));
	CHECK(time_of("1") == SECOND);
	CHECK(time_of("1s") == SECOND);
	CHECK(time_of("2.5") == 2500 * MS);
	CHECK(time_of("0.001") == MS);
	CHECK(time_of(".5") == 500 * MS && time_of("1.s") == SECOND);
	CHECK(time_of("250ms") == 250 * MS);
	CHECK(time_of("0.5ms") == MS / 2);
	CHECK(time_of("1.5m") == 90 * SECOND);
	CHECK(time_of("2h") == 7200 * SECOND);
	CHECK(time_of("65536") == 65536 * SECOND);
	CHECK(time_of("0.1234567890123") / 1000 == 123456);
	CHECK(time_of("1000000h") > 0);
	CHECK(time_of("1000001h") == -1);
	CHECK(parse_time("-q", "0", 0, &n) == 0 && n == 0);
	CHECK(parse_time("-q", "0ms", 0, &n) == 0 && n == 0);
}

/*
 * ---- addresses ------------------------------------------------------------
 */
static struct addr address(const char *host, int port)
{
	struct addr a;

	memset(&a, 0, sizeof(a));
	if (strchr(host, ':')) {
		a.in6.sin6_family = AF_INET6;
		a.len = sizeof(a.in6);
		inet_pton(AF_INET6, host, &a.in6.sin6_addr);
	} else {
		a.in.sin_family = AF_INET;
		a.len = sizeof(a.in);
		inet_pton(AF_INET, host, &a.in.sin_addr);
	}
	addr_set_port(&a, port);
	return a;
}

static void test_addr_text(void)
{
	struct addr a = address("127.0.0.1", 9);
	char text[ADDR_TEXT];

	TEXT(addr_host(&a, text), "127.0.0.1");
	TEXT(addr_text(&a, text), "127.0.0.1 9");
	CHECK(addr_port(&a) == 9);
	a = address("::1", 65535);
	TEXT(addr_host(&a, text), "::1");
	TEXT(addr_text(&a, text), "::1 65535");
	CHECK(addr_port(&a) == 65535);
	a = address("fe80::1", 1);
	a.in6.sin6_scope_id = 4000000000U;
	TEXT(addr_text(&a, text), "fe80::1%4000000000 1");
	CHECK(addr_unix("/tmp/a b", &a) == 0);
	TEXT(addr_text(&a, text), "/tmp/a b");
	CHECK(addr_port(&a) == 0);
	a.len = sizeof(sa_family_t);
	TEXT(addr_text(&a, text), "(unnamed)");
}

static void test_addr_unix(void)
{
	struct addr a;
	char path[200], text[ADDR_TEXT];
	const size_t room = sizeof(a.un.sun_path);

	memset(path, 'p', sizeof(path));
	path[0] = '/';
	path[room - 1] = '\0';
	CHECK(addr_unix(path, &a) == 0);
	CHECK(a.un.sun_path[room - 1] == '\0');
	TEXT(addr_host(&a, text), path);
	path[room - 1] = 'p';
	path[room] = '\0';
	CHECK(addr_unix(path, &a) < 0 && why.status == MISUSED);
	CHECK(strstr(why.text, "too long") != NULL);
	CHECK(addr_unix("", &a) < 0 && why.status == MISUSED);
	if (HAVE_ABSTRACT) {
		path[0] = '@';
		CHECK(addr_unix(path, &a) == 0);
		CHECK(a.un.sun_path[0] == '\0');
		CHECK(a.len == offsetof(struct sockaddr_un, sun_path) + room);
		TEXT(addr_host(&a, text), path);
		path[room] = 'p';
		path[room + 1] = '\0';
		CHECK(addr_unix(path, &a) < 0 && why.status == MISUSED);
		CHECK(addr_unix("@x", &a) == 0);
		CHECK(a.len == offsetof(struct sockaddr_un, sun_path) + 2);
	} else {
		CHECK(addr_unix("@x", &a) < 0 && why.status == MISUSED);
	}
}

static void test_addr_unmap(void)
{
	struct addr a = address("::ffff:192.0.2.7", 80);
	struct addr b = address("192.0.2.7", 80);

	CHECK(!addr_same(&a, &b));
	addr_unmap(&a);
	CHECK(addr_same(&a, &b));
	addr_unmap(&a);
	CHECK(addr_same(&a, &b));
	a = address("::1", 80);
	b = a;
	addr_unmap(&a);
	CHECK(addr_same(&a, &b));
	b = address("::1", 81);
	CHECK(!addr_same(&a, &b));
	CHECK(addr_unix("/x", &a) == 0);
	b = a;
	addr_unmap(&a);
	CHECK(addr_same(&a, &b));
}

static void test_addr_kinds(void)
{
	static const struct {
		const char *host;
		bool group;
	} list[] = { { "224.0.0.1", true }, { "239.255.255.255", true },
		{ "223.255.255.255", false }, { "240.0.0.1", false },
		{ "127.0.0.1", false }, { "ff02::1", true }, { "::1", false },
		{ "255.255.255.255", false } };
	struct addr a;

	for (size_t i = 0; i < COUNT(list); i++) {
		a = address(list[i].host, 1);
		CHECK(addr_is_multicast(&a) == list[i].group);
	}
	CHECK(addr_unix("/x", &a) == 0 && !addr_is_multicast(&a));
}

/* families(l): the list as a text, a letter an address: `a' is the first
 * IPv4 address, `A' the first IPv6 one. */
static const char *families(const struct addr_list *l, char *text)
{
	int i;

	for (i = 0; i < l->count; i++)
		text[i] = (char)((l->at[i].sa.sa_family == AF_INET6 ? 'A' - 1
			: 'a' - 1) + addr_port(&l->at[i]));
	text[i] = '\0';
	return text;
}

static const char *interleaved(const char *from, char *text)
{
	struct addr_list l = { .count = 0 };

	for (; *from; from++)
		l.at[l.count++] = *from < 'a'
			? address("::1", *from - 'A' + 1)
			: address("127.0.0.1", *from - 'a' + 1);
	addr_list_interleave(&l);
	return families(&l, text);
}

static void test_interleave(void)
{
	char text[ADDRESSES + 1];

	TEXT(interleaved("", text), "");
	TEXT(interleaved("a", text), "a");
	TEXT(interleaved("ab", text), "ab");
	TEXT(interleaved("Aa", text), "Aa");
	TEXT(interleaved("aA", text), "aA");
	TEXT(interleaved("ABab", text), "AaBb");
	TEXT(interleaved("abAB", text), "aAbB");
	TEXT(interleaved("ABCDa", text), "AaBCD");
	TEXT(interleaved("Aabcd", text), "Aabcd");
	TEXT(interleaved("ABabcC", text), "AaBbCc");
}

static void test_resolve(void)
{
	struct target t = { .host = "127.0.0.1", .port = 80,
		.type = SOCK_STREAM, .numeric = true };
	struct addr_list l;
	char text[ADDR_TEXT];

	CHECK(target_resolve(&t, NEVER, &l) == 0 && l.count == 1);
	TEXT(addr_text(&l.at[0], text), "127.0.0.1 80");
	t.host = "::1";
	CHECK(target_resolve(&t, NEVER, &l) == 0 && l.count == 1);
	TEXT(addr_text(&l.at[0], text), "::1 80");
	t.family = AF_INET;
	CHECK(target_resolve(&t, NEVER, &l) < 0 && why.status == MISUSED);
	t.family = AF_UNSPEC;
	t.host = "localhost";
	CHECK(target_resolve(&t, NEVER, &l) < 0 && why.status == MISUSED);
	CHECK(strstr(why.text, "localhost") && strstr(why.text, "-n"));
	t.host = "127.1";               /* as inet_aton(3) has it */
	CHECK(target_resolve(&t, NEVER, &l) == 0 && l.count == 1);
	TEXT(addr_text(&l.at[0], text), "127.0.0.1 80");
}

static void test_target_place(void)
{
	struct target t = { .host = "localhost", .type = SOCK_STREAM };
	struct addr a = address("::1", 9);
	char text[PLACE_TEXT];

	TEXT(target_place(&t, &a, text), "localhost (::1) port 9 (tcp)");
	t.host = "::1";
	TEXT(target_place(&t, &a, text), "::1 port 9 (tcp)");
	t.host = NULL;
	t.type = SOCK_DGRAM;
	TEXT(target_place(&t, &a, text), "::1 port 9 (udp)");
	t.path = "/tmp/x";
	CHECK(addr_unix(t.path, &a) == 0);
	TEXT(target_place(&t, &a, text), "/tmp/x (unix datagram)");
	t.type = SOCK_STREAM;
	TEXT(target_place(&t, &a, text), "/tmp/x (unix)");
}

static int port_of(const char *text, int min, bool numeric)
{
	struct target t = { .type = SOCK_STREAM, .numeric = numeric };
	int port = -99;

	return parse_port("port", text, &t, min, &port) < 0 ? -1 : port;
}

static void test_parse_port(void)
{
	static const char *const bad[] = { "80x", "65536", "-1", "1e9", "",
		"no-such-service", "0x50", "99999999999999999999", "1-2",
		"1,2", " 80" };

	for (size_t i = 0; i < COUNT(bad); i++) {
		CHECK(port_of(bad[i], 1, false) == -1 &&
			why.status == MISUSED && strstr(why.text, bad[i]));
		CHECK(port_of(bad[i], 1, true) == -1);
	}
	CHECK(port_of("0", 1, false) == -1);
	CHECK(port_of("0", 0, false) == 0);
	CHECK(port_of("1", 1, false) == 1);
	CHECK(port_of("65535", 1, true) == 65535);
	if (getservbyname("http", "tcp")) {
		CHECK(port_of("http", 1, false) == 80);
		CHECK(port_of("http", 1, true) == -1);
	}
}

static int ports_of(const char *text, bool numeric, struct ports *to)
{
	struct target t = { .type = SOCK_STREAM, .numeric = numeric };

	return parse_ports("port", text, &t, to);
}

static void test_parse_ports(void)
{
	/* The list, and the part of it that is named. */
	static const char *const bad[][2] = { { "", "" }, { ",", "," },
		{ "1,", "1," }, { ",1", ",1" }, { "1,,2", "1,,2" },
		{ "0", "0" }, { "1,0", "0" }, { "1,65536", "65536" },
		{ "3-2", "3-2" }, { "1,3-2,9", "3-2" }, { "0-3", "0-3" },
		{ "1-65536", "1-65536" }, { "65536-65537", "65536-65537" },
		{ "1-", "1-" }, { "-1", "-1" }, { "1-2-3", "1-2-3" },
		{ "1-x", "1-x" }, { "1- 2", "1- 2" }, { "1 ", "1 " },
		{ "1, 2", " 2" }, { "1;2", "1;2" },
		{ "1,no-such-service", "no-such-service" },
		{ "1-99999999999999999999", "1-99999999999999999999" } };
	static char longest[6 * PORTS];
	static struct ports p;
	size_t n = 0;

	for (size_t i = 0; i < COUNT(bad); i++) {
		CHECK(ports_of(bad[i][0], false, &p) == -1 &&
			why.status == MISUSED && strstr(why.text, bad[i][1]));
		CHECK(ports_of(bad[i][0], true, &p) == -1);
	}
	CHECK(ports_of("80", true, &p) == 0 && p.count == 1 && p.has[80]);
	CHECK(ports_of("3-5,1,5,4-6,00001", true, &p) == 0 && p.count == 5);
	CHECK(p.has[1] && !p.has[2] && p.has[3] && p.has[6] && !p.has[7]);
	CHECK(ports_of("1-65535", true, &p) == 0 && p.count == PORTS - 1);
	CHECK(!p.has[0] && p.has[1] && p.has[PORTS - 1]);
	CHECK(ports_of("65535,1", true, &p) == 0 && p.count == 2);
	if (getservbyname("http", "tcp")) {
		CHECK(ports_of("http,79", false, &p) == 0 && p.count == 2);
		CHECK(p.has[79] && p.has[80]);
		CHECK(ports_of("http,79", true, &p) == -1);
	}
	for (int i = PORTS - 1; i > 0; i--)
		n += (size_t)sprintf(longest + n, "%d,", i);
	longest[n - 1] = '\0';
	CHECK(ports_of(longest, true, &p) == 0 && p.count == PORTS - 1);
	memset(longest, '0', 300);
	CHECK(ports_of(longest, true, &p) == -1 && why.status == MISUSED);
	CHECK(is_port_list("1-2") && is_port_list("a,b"));
	CHECK(!is_port_list("22") && !is_port_list("http-alt"));
}

/* What a try of persist does: fail, and at the end or at a count otherwise. */
static struct tries {
	int count, enough;
	enum status status;
} tries;

static int tries_run(void *arg, int64_t end)
{
	struct tries *t = arg;

	if (++t->count == t->enough)
		return 7;
	if (t->status == TIMED_OUT && t->count > 1 &&
		now() + 80 * MS >= end) {
		while (now() < end)
			pause_for(MS);
		return fail_as(TIMED_OUT, "no time left");
	}
	return fail_as(t->status == MISUSED ? MISUSED : FAILED, "refused");
}

static int persisted(int enough, enum status status, int64_t retry)
{
	tries = (struct tries){ .enough = enough, .status = status };
	return persist(retry, tries_run, &tries);
}

static void test_persist(void)
{
	CHECK(persisted(1, FAILED, 0) == 7 && tries.count == 1);
	CHECK(persisted(0, FAILED, 0) == -1 && tries.count == 1);
	CHECK(why.status == FAILED);
	CHECK(persisted(3, FAILED, 60 * SECOND) == 7 && tries.count == 3);
	CHECK(persisted(0, MISUSED, 60 * SECOND) == -1 && tries.count == 1);
	CHECK(why.status == MISUSED);
	CHECK(persisted(0, FAILED, 30 * MS) == -1 && tries.count == 1);
	CHECK(why.status == TIMED_OUT);
	CHECK(persisted(0, FAILED, 300 * MS) == -1 && tries.count > 1);
	CHECK(why.status == TIMED_OUT);
	/* A try for which there was no time has no reason of its own. */
	CHECK(persisted(0, TIMED_OUT, 300 * MS) == -1 && tries.count > 1);
	CHECK(why.status == TIMED_OUT);
	TEXT(why.text, "refused");
}

static bool split(const char *text, const char *host, const char *port)
{
	char copy[80];
	char *h = NULL, *p = NULL;

	snprintf(copy, sizeof(copy), "%s", text);
	if (!address_split(copy, &h, &p))
		return host == NULL && strcmp(copy, text) == 0;
	return host && strcmp(h, host) == 0 && strcmp(p, port) == 0;
}

static void test_address_split(void)
{
	CHECK(split("host:80", "host", "80"));
	CHECK(split("127.0.0.1:http", "127.0.0.1", "http"));
	CHECK(split("[::1]:80", "::1", "80"));
	CHECK(split("[fe80::1%lo]:80", "fe80::1%lo", "80"));
	CHECK(split(":80", "", "80"));
	CHECK(split("host:", "host", ""));
	CHECK(split(":", "", ""));
	CHECK(split("[]:80", "", "80"));
	CHECK(split("80", NULL, NULL));
	CHECK(split("", NULL, NULL));
	CHECK(split("::1", NULL, NULL));
	CHECK(split("[::1]", NULL, NULL));
	CHECK(split("::1:80", NULL, NULL));
	CHECK(split("[::1]80", NULL, NULL));
}

/*
 * ---- who may connect ------------------------------------------------------
 */
/* lets(allow, deny, peer): 1: it may connect, 0: not, -1: a list is wrong. */
static int lets(const char *allow, const char *deny, const char *peer)
{
	struct access_sources from = { .count = 0 };
	struct access a = { .from = &from,
		.numeric = true,
		.lock = PTHREAD_MUTEX_INITIALIZER };
	char host[64];
	size_t n = strcspn(peer, "%");
	struct addr who;
	int result = 0;

	snprintf(host, sizeof(host), "%.*s", (int)n, peer);
	who = address(host, 1);
	if (peer[n])
		who.in6.sin6_scope_id = (uint32_t)atoi(peer + n + 1);

	if (allow)
		result = access_add(&from, 0, "--allow", allow);
	if (deny && result == 0)
		result = access_add(&from, ACCESS_DENY, "--deny", deny);
	if (result == 0)
		result = access_load(&a, NEVER);
	if (result == 0)
		result = access_allows(&a, &who, false);
	free(a.lists[0].at);
	free(a.lists[1].at);
	return result;
}

static void test_access(void)
{
	static const struct {
		const char *allow, *deny, *peer;
		int result;
	} cases[] = {
		{ NULL, NULL, "192.0.2.1", 1 },
		{ "192.0.2.1", NULL, "192.0.2.1", 1 },
		{ "192.0.2.1", NULL, "192.0.2.2", 0 },
		{ "192.0.2.1/32", NULL, "192.0.2.1", 1 },
		{ "192.0.2.1/32", NULL, "192.0.2.0", 0 },
		{ "192.0.2.0/31", NULL, "192.0.2.1", 1 },
		{ "192.0.2.0/31", NULL, "192.0.2.2", 0 },
		{ "192.0.2.255/25", NULL, "192.0.2.128", 1 },
		{ "192.0.2.255/25", NULL, "192.0.2.127", 0 },
		{ "10.9.8.7/8", NULL, "10.255.0.1", 1 },
		{ "10.9.8.7/8", NULL, "11.0.0.0", 0 },
		{ "128.0.0.0/1", NULL, "127.255.255.255", 0 },
		{ "128.0.0.0/1", NULL, "255.255.255.255", 1 },
		{ "1.2.3.4/0", NULL, "255.1.1.1", 1 },
		{ "0.0.0.0/0", NULL, "::1", 0 },
		{ "::/0", NULL, "2001:db8::1", 1 },
		{ "::/0", NULL, "127.0.0.1", 0 },
		{ "::/0", NULL, "::ffff:127.0.0.1", 0 },
		{ "::1/128", NULL, "::1", 1 },
		{ "::1/128", NULL, "::2", 0 },
		{ "2001:db8::/127", NULL, "2001:db8::1", 1 },
		{ "2001:db8::/127", NULL, "2001:db8::2", 0 },
		{ "2001:db8:ffff::/33", NULL, "2001:db8:8000::", 1 },
		{ "2001:db8:ffff::/33", NULL, "2001:db8:7fff::", 0 },
		/* IPv4 in IPv6 clothes, on either side. */
		{ "192.0.2.1", NULL, "::ffff:192.0.2.1", 1 },
		{ "192.0.2.0/24", NULL, "::ffff:192.0.3.1", 0 },
		{ "::ffff:192.0.2.1", NULL, "192.0.2.1", 1 },
		{ "::ffff:192.0.2.1", NULL, "::ffff:192.0.2.1", 1 },
		{ "::ffff:192.0.2.1", NULL, "192.0.2.2", 0 },
		{ "::ffff:c000:200/120", NULL, "192.0.2.77", 1 },
		{ "::ffff:c000:200/120", NULL, "192.0.3.1", 0 },
		{ "::ffff:0:0/96", NULL, "192.0.2.1", 1 },
		{ "::ffff:0:0/96", NULL, "::1", 0 },
		/* An IPv6 address that begins like the IPv4 one. */
		{ "32.1.13.184", NULL, "2001:db8::", 0 },
		{ "2001:db8::/32", NULL, "32.1.13.184", 0 },
		/* An interface, where one is named. */
		{ "fe80::1%1", NULL, "fe80::1%1", 1 },
		{ "fe80::1%1", NULL, "fe80::1%2", 0 },
		{ "fe80::1", NULL, "fe80::1%2", 1 },
		{ "fe80::%2/10", NULL, "fe80::1%2", 1 },
		{ "fe80::%2/10", NULL, "fe80::1%1", 0 },
		{ "fe80::1%2", NULL, "2001:db8::1", 0 },
		/* Denied wins, whichever is the narrower. */
		{ NULL, "192.0.2.1", "192.0.2.1", 0 },
		{ NULL, "192.0.2.1", "192.0.2.2", 1 },
		{ NULL, "192.0.2.0/24", "::1", 1 },
		{ "192.0.2.1", "192.0.2.0/24", "192.0.2.1", 0 },
		{ "192.0.2.0/24", "192.0.2.1", "192.0.2.1", 0 },
		{ "192.0.2.0/24", "192.0.2.1", "192.0.2.2", 1 },
		{ "192.0.2.0/24", "::/0", "192.0.2.2", 1 },
		/* Several, split in every way. */
		{ "::1,192.0.2.1,10.0.0.0/8", NULL, "10.1.1.1", 1 },
		{ " ::1 , ,\t192.0.2.1 ", NULL, "192.0.2.1", 1 },
		{ "::1 192.0.2.1 10.0.0.0/8", NULL, "11.1.1.1", 0 },
		{ "10.0.0.0/8,10.0.0.0/8,10.0.0.1", NULL, "10.0.0.2", 1 },
	};
	struct addr ported = address("192.0.2.1", 1);

	for (size_t i = 0; i < COUNT(cases); i++) {
		int got = lets(cases[i].allow, cases[i].deny, cases[i].peer);

		if (got != cases[i].result)
			printf("# allow %s deny %s: %s: %d %s\n",
				cases[i].allow, cases[i].deny, cases[i].peer,
				got, why.text);
		CHECK(got == cases[i].result);
	}
	CHECK(access_allows(NULL, &ported, false));
}

static void test_access_wrong(void)
{
	static const char *const bad[] = { "10.0.0.300", "10.1", "1", "0x7f.1",
		"127.0.0.0x1", "1.2.3.4.5", "10.0.0.0/33", "10.0.0.0/",
		"10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.0/8x", "/8", "::1/129",
		"::1/", "::1/+1", "::1/99999999999999999999", "::1::2", "[::1]",
		"[::1", "1.2.3.4:80", "::ffff:1.2.3.4/95", "::ffff:1.2.3.4/8",
		"::1%lo", "fe80::1%", "fe80::1%nosuchzone", "fe80::1%0",
		"fe80::1/64%1", "1.2.3.4%1", "localhost/8", "localhost%1",
		"host!", "a;b", "*", "%", "-/-", "\001", "\303\244",
		"10.0.0.1#x", "unix:x" };
	static const char *const empty[] = { "", " ", ",", ", ,\t" };
	struct access_sources from = { .count = 0 };
	char list[64], longest[2000];

	for (size_t i = 0; i < COUNT(bad); i++) {
		/* Alone, and behind good ones, of which nothing is kept. */
		snprintf(list, sizeof(list), "::1,%s", bad[i]);
		if (access_add(&from, 0, "--allow", bad[i]) == 0)
			printf("# taken: %s\n", bad[i]);
		CHECK(access_add(&from, 0, "--allow", bad[i]) == -1);
		CHECK(access_add(&from, ACCESS_DENY, "--deny", list) == -1);
		CHECK(why.status == MISUSED);
		CHECK(strncmp(why.text, "--deny: \"", 9) == 0);
		CHECK(strstr(why.text, bad[i]) != NULL);
	}
	for (size_t i = 0; i < COUNT(empty); i++)
		CHECK(access_add(&from, 0, "--allow", empty[i]) == -1 &&
			why.status == MISUSED);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	CHECK(access_add(&from, 0, "--allow", longest) == -1);
	CHECK(why.status == MISUSED && strstr(why.text, "too long") != NULL);
	CHECK(from.count == 0);
	for (int i = 0; i < ACCESS_SOURCES; i++)
		CHECK(access_add(&from, 0, "--allow", "::1") == 0);
	CHECK(access_add(&from, 0, "--allow", "::1") == -1);
	CHECK(from.count == ACCESS_SOURCES);
	/* Names are names only without -n. */
	CHECK(lets("localhost", NULL, "127.0.0.1") == -1);
	CHECK(why.status == MISUSED && strstr(why.text, "-n ") != NULL);
}

/* file_says(text, n, again): what access_load makes of a file; 1: it is good. */
static int file_says(const char *text, size_t n, struct access *a)
{
	static struct access_sources from;
	static char name[] = "/tmp/sockcat-unit-XXXXXX";
	int fd = mkstemp(name), result;

	CHECK(fd >= 0 && write(fd, text, n) == (ssize_t)n);
	close(fd);
	from.count = 0;
	CHECK(access_add(&from, ACCESS_FILE, "--allowfile", name) == 0);
	a->from = &from;
	a->numeric = true;
	result = access_load(a, NEVER);
	CHECK(result == 0 || why.status != MISUSED ||
		strncmp(why.text, name, strlen(name)) == 0);
	unlink(name);
	strcpy(name + strlen(name) - 6, "XXXXXX");
	return result == 0;
}

static bool file_lets(struct access *a, const char *peer)
{
	struct addr who = address(peer, 1);

	return access_allows(a, &who, false);
}

static bool says_line(int line)
{
	char wanted[40];

	snprintf(wanted, sizeof(wanted), " line %d: ", line);
	if (strstr(why.text, wanted))
		return true;
	printf("# got: %s\n", why.text);
	return false;
}

#define FILE_SAYS(text) file_says(text, sizeof(text) - 1, &a)

static void test_access_file(void)
{
	struct access a = { .lock = PTHREAD_MUTEX_INITIALIZER };
	size_t size = ACCESS_BYTES + 1;
	char *big = malloc(size + 1);
	char *p = big;

	if (!big)
		return;
	CHECK(FILE_SAYS("# who\r\n\r\n\n  ::1, 10.0.0.0/8 # ours\r\n"
			"192.0.2.1#this\r\n\t192.0.2.2"));
	CHECK(a.lists[0].count == 4 && a.lists[1].count == 0);
	CHECK(file_lets(&a, "::1") && file_lets(&a, "10.1.2.3"));
	CHECK(file_lets(&a, "192.0.2.1") && file_lets(&a, "192.0.2.2"));
	CHECK(!file_lets(&a, "192.0.2.3"));
	/* What is wrong keeps what there is. */
	CHECK(!FILE_SAYS("::2\n\n192.0.2.300\n") && says_line(3));
	CHECK(!FILE_SAYS("::2\n10.0.0.1 10.0.0.0/40") && says_line(2));
	CHECK(!FILE_SAYS("::2\0\n") && says_line(1));
	CHECK(!FILE_SAYS("::2\n# \0\n") && says_line(2));
	CHECK(!FILE_SAYS("::2\nlocalhost\n") && says_line(2));
	CHECK(!FILE_SAYS("::2\n::1\r::3\n") && says_line(2));
	memset(big, 'a', size);
	memcpy(big, "::2\n", 4);
	CHECK(!file_says(big, 5000, &a) && says_line(2));
	memset(big, '#', size);
	CHECK(!file_says(big, size, &a) && strstr(why.text, "more than"));
	CHECK(file_lets(&a, "::1") && !file_lets(&a, "::2"));
	/* The most that there may be; and one more. */
	CHECK(file_says(big, size - 1, &a) && a.lists[0].count == 0);
	CHECK(!file_lets(&a, "::1")); /* an empty list lets nobody in */
	for (int i = 0; i < ACCESS_BLOCKS; i++)
		p += sprintf(p, "1.%d.%d.1\n", i / 256, i % 256);
	CHECK(file_says(big, (size_t)(p - big), &a));
	CHECK(a.lists[0].count == ACCESS_BLOCKS);
	CHECK(file_lets(&a, "1.255.255.1") && !file_lets(&a, "1.255.255.2"));
	p += sprintf(p, "::1");
	CHECK(!file_says(big, (size_t)(p - big), &a));
	CHECK(says_line(ACCESS_BLOCKS + 1));
	CHECK(file_lets(&a, "1.0.0.1") && !file_lets(&a, "::1"));
	free(big);
	free(a.lists[0].at);
	free(a.lists[1].at);
}

/* in_block(a, b, bits): the plain way to say it. */
static bool in_block(
	const unsigned char *a, const unsigned char *b, unsigned int bits)
{
	for (unsigned int i = 0; i < bits; i++)
		if (((a[i / 8] ^ b[i / 8]) >> (7 - i % 8)) & 1)
			return false;
	return true;
}

/* The search against the plain way, for blocks and peers at random. */
static void test_access_search(void)
{
	enum { BLOCKS = 300, TRIES = 4000 };
	static struct {
		struct addr a;
		int bits;
	} all[BLOCKS];
	struct blocks l = { .count = 0 };
	unsigned int state = 1, right = 0, inside = 0;

	for (int i = 0; i < BLOCKS + TRIES; i++) {
		struct addr a = { .len = 0 };
		bool six = i % 2 != 0, found = false;
		size_t n = six ? 16 : 4;
		unsigned char *at = six ? a.in6.sin6_addr.s6_addr
					: (unsigned char *)&a.in.sin_addr;

		a.sa.sa_family = six ? AF_INET6 : AF_INET;
		for (size_t k = 0; k < n; k++) {
			state = state * 1103515245U + 12345U;
			at[k] = (unsigned char)(state >> 16);
		}
		if (i < BLOCKS) {
			all[i].a = a;
			all[i].bits = (int)((state >> 20) % 23) + 10;
			if (six && i % 3 == 0)
				all[i].bits += 96;
			CHECK(blocks_add(&l, "x", block_of(&a, all[i].bits)) ==
				0);
			continue;
		}
		if (i == BLOCKS)
			qsort(l.at, l.count, sizeof(*l.at), block_order);
		/* Half of them near a block. */
		if (i % 4 < 2)
			memcpy(at,
				six ? all[i % BLOCKS | 1]
						.a.in6.sin6_addr.s6_addr
				    : (unsigned char *)&all[i % BLOCKS & ~1]
						.a.in.sin_addr,
				n - 1);
		for (int k = six; k < BLOCKS && !found; k += 2)
			found = in_block(at,
				six ? all[k].a.in6.sin6_addr.s6_addr
				    : (unsigned char *)&all[k].a.in.sin_addr,
				(unsigned int)all[k].bits);
		right += found == blocks_hold(&l, &a);
		inside += found;
	}
	CHECK(right == TRIES);
	CHECK(inside > TRIES / 8 && inside < TRIES * 7 / 8);
	free(l.at);
}

/* Of a peer's datagrams it is told once, as long as it is remembered. */
static void test_access_told(void)
{
	static struct access a = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct addr one = address("192.0.2.1", 1),
		    other = address("192.0.2.2", 1);

	CHECK(!access_told(&a, &one));
	CHECK(access_told(&a, &one));
	CHECK(!access_told(&a, &other));
	addr_set_port(&one, 7);
	for (int port = 7; port < 7 + REFUSED - 2; port++) {
		addr_set_port(&one, port);
		CHECK(!access_told(&a, &one));
	}
	CHECK(access_told(&a, &other));
	addr_set_port(&one, 9999);
	CHECK(!access_told(&a, &one));
	CHECK(access_told(&a, &other));
	addr_set_port(&one, 9998);
	CHECK(!access_told(&a, &one));
	CHECK(!access_told(&a, &other));
	CHECK(access_told(&a, &other));
}
/*
 * ---- proxies --------------------------------------------------------------
 */
static int reply_of(enum reply kind, const char *r, size_t n, char *reason)
{
	unsigned char *exact = malloc(n);
	int result;

	memcpy(exact, r, n);
	result = reply_check(kind, exact, n, reason);
	free(exact);
	return result;
}

/* length_of(kind, r, n): what each beginning of r says, until that is all. */
static size_t length_of(enum reply kind, const char *r, size_t n)
{
	size_t have = 0, whole;

	while ((whole = reply_length(
			kind, (const unsigned char *)r, have)) > have) {
		if (whole > n)
			return whole;
		have++;
	}
	return have;
}

static void test_replies(void)
{
	static const char five[] = "\5\0\0\1aaaabb", name[] = "\5\0\0\3\2aabb",
			  six[] = "\5\0\0\4aaaabbbbccccddddee",
			  four[] = "\0\132aabbbb",
			  http[] = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
	char reason[PROXY_REASON];

	CHECK(length_of(SOCKS5_REPLY, five, 99) == 10);
	CHECK(length_of(SOCKS5_REPLY, name, 99) == 9);
	CHECK(length_of(SOCKS5_REPLY, six, 99) == 22);
	CHECK(length_of(SOCKS5_REPLY, "\5\0\0\5x", 99) == 5);
	CHECK(length_of(SOCKS4_REPLY, four, 99) == 8);
	CHECK(length_of(SOCKS5_METHOD, "\5\0", 99) == 2);
	CHECK(length_of(SOCKS5_METHOD, "\4\0", 99) == 1);
	CHECK(length_of(HTTP, http, 99) == sizeof(http) - 1);
	CHECK(length_of(HTTP, "HTTP/1.1 200 OK\nA: b\n\nC", 99) == 22);
	CHECK(length_of(HTTP, "HTTP/2 200", 99) == 6);

	CHECK(reply_of(SOCKS5_REPLY, five, 10, reason) == 0);
	CHECK(reply_of(SOCKS5_REPLY, five, 9, reason) == -1);
	CHECK(reply_of(SOCKS5_REPLY, name, 9, reason) == 0);
	CHECK(reply_of(SOCKS5_REPLY, "\5\0\0\5x", 5, reason) == -1);
	CHECK(reply_of(SOCKS4_REPLY, four, 8, reason) == 0);
	CHECK(reply_of(SOCKS5_METHOD, "\5\2", 2, reason) == 2);
	CHECK(reply_of(SOCKS5_LOGIN, "\1\2", 2, reason) == -1);
	CHECK(reply_of(HTTP, http, sizeof(http) - 1, reason) == 0);
	CHECK(reply_of(HTTP, http, sizeof(http) - 2, reason) == -1);
	CHECK(reply_of(HTTP, "HTTP/1.0 407\n\n", 14, reason) == -1);
	TEXT(reason, "the proxy says: 407");
	CHECK(reply_of(HTTP, "HTTP/1.0 40\n\n", 13, reason) == -1);
	TEXT(reason, "the proxy's reply makes no sense");
}

static void test_base64(void)
{
	char to[16];

	base64("", 0, to);
	TEXT(to, "");
	base64("a:", 2, to);
	TEXT(to, "YTo=");
	base64("a", 1, to);
	TEXT(to, "YQ==");
	base64("\377\376a", 3, to);
	TEXT(to, "//5h");
	base64("ab:cd", 5, to);
	TEXT(to, "YWI6Y2Q=");
}

static void test_requests(void)
{
	struct proxy p = { .user = "u", .password = "p" };
	struct target t = { .host = "::1", .port = 258 };
	unsigned char to[PROXY_REQUEST] = { 0 };

	CHECK(socks5_request(&t, to) == 22 && to[3] == 4 && to[19] == 1);
	CHECK(to[20] == 1 && to[21] == 2);
	to[http_request(&p, &t, to)] = '\0';
	TEXT((char *)to,
		"CONNECT [::1]:258 HTTP/1.1\r\nHost: [::1]:258\r\n"
		"Proxy-Authorization: Basic dTpw\r\n\r\n");
	t.host = "1.2.3.4";
	CHECK(socks5_request(&t, to) == 10 &&
		memcmp(to, "\5\1\0\1\1\2\3\4\1\2", 10) == 0);
	CHECK(socks4_request(&p, &t, to) == 10 &&
		memcmp(to, "\4\1\1\2\1\2\3\4u", 10) == 0);
	t.host = "1.2.3.x";
	CHECK(socks4_request(&p, &t, to) == 18 &&
		memcmp(to, "\4\1\1\2\0\0\0\1u\0001.2.3.x", 18) == 0);
}

/*
 * ---- clocks ---------------------------------------------------------------
 */
static void test_clock(void)
{
	struct clock c = { .limit = NEVER };
	struct clock d = { .limit = 30 * MS };

	CHECK(!clock_passed(&c, 1) && !clock_passed(&c, 1));
	CHECK(!clock_passed(&d, 1));
	CHECK(!clock_passed(&d, 2));
	pause_for(40 * MS);
	CHECK(clock_passed(&d, 2));
	CHECK(clock_passed(&d, 2));
	CHECK(!clock_passed(&d, 3));    /* progress starts it anew */
	d.since -= 29 * MS;             /* nearly there */
	CHECK(!clock_passed(&d, 1));    /* a smaller mark is a change, too */
	d.since -= 31 * MS;
	CHECK(clock_passed(&d, 1));
	d.since = 0;                    /* and so does a reset */
	CHECK(!clock_passed(&d, 1));
}

static void test_tick_span(void)
{
	CHECK(tick_span(NEVER, NEVER, NEVER) == 0);
	CHECK(tick_span(8 * SECOND, NEVER, NEVER) == SECOND + MS ||
		tick_span(8 * SECOND, NEVER, NEVER) == SECOND);
	CHECK(tick_span(NEVER, 3600 * SECOND, NEVER) == SECOND);
	CHECK(tick_span(NEVER, NEVER, 80 * MS) == 11 * MS);
	CHECK(tick_span(SECOND, 80 * MS, 2 * SECOND) == 11 * MS);
	CHECK(tick_span(1, NEVER, NEVER) > 0);
	CHECK(tick_span(0, NEVER, NEVER) > 0);
}

static void test_times(void)
{
	CHECK(after(NEVER) == NEVER);
	CHECK(after(SECOND) > now());
	CHECK(poll_time(NEVER) == -1);
	CHECK(poll_time(0) == 0);
	CHECK(poll_time(now() + SECOND) > 0);
	CHECK(poll_time(now() + SECOND) <= 1001);
	CHECK(poll_time(now() + 1) <= 1);
	CHECK(poll_time(NEVER - 1) == INT_MAX);
}

/*
 * ---- room -----------------------------------------------------------------
 */
static void test_records(void)
{
	struct room r = { .head = 0 };

	CHECK(sizeof(struct record) == 8);
	for (uint64_t size = 0; size < 64; size++) {
		CHECK(record_room(size) % 8 == 0);
		CHECK(record_room(size) >= size + sizeof(struct record));
		CHECK(record_room(size) < size + sizeof(struct record) + 8);
	}
	CHECK(room_pad(&r, RING_SIZE) == 0);
	r.head = RING_SIZE - 8;
	CHECK(room_pad(&r, 8) == 0);
	CHECK(room_pad(&r, 16) == 8);
	r.head = 3ULL * RING_SIZE + RING_SIZE - 64;
	CHECK(room_pad(&r, 64) == 0);
	CHECK(room_pad(&r, 72) == 64);
	r.head = 4ULL * RING_SIZE;
	CHECK(room_pad(&r, 72) == 0);
}

/* hear(r, m, to): the next message for m, copied; its size, 0 if none. */
static size_t hear(struct room *r, struct member *m, char *to, uint32_t *from)
{
	struct record *rec;
	size_t n;

	while (m->at < r->head) {
		rec = record_at(r, m->at);
		m->at = record_next(r, m->at);
		if (rec->from == 0)
			continue;
		n = rec->size;
		*from = rec->from;
		memcpy(to, rec + 1, n);
		return n;
	}
	return 0;
}

/* Messages of every size go around the ring many times, whole. */
static void test_ring(void)
{
	static struct room r;
	static char sent[70000], got[70000];
	struct member reader = { .hears = &r, .fd = -1 };
	struct member writer = { .tells = &r, .fd = 0, .id = 77 };
	uint64_t total = 0, random = 1;
	uint32_t from = 0;
	bool good = true, inside = true;
	size_t n;

	CHECK(room_init(&r) == 0);
	room_join(&r, &reader);
	CHECK(reader.id == 1 && r.peers == 0 && reader.at == 0);
	for (int i = 0; total < 5ULL * RING_SIZE; i++) {
		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		n = 1 + (size_t)(random >> 33) % (i % 16 ? 3000 : 65536);
		memset(sent, i & 255, n);
		sent[0] = (char)(i >> 8);
		room_post(&r, &writer, sent, n);
		total += n;
		inside = inside && r.head - reader.at <= RING_SIZE;
		good = good && hear(&r, &reader, got, &from) == n &&
			from == 77 && memcmp(sent, got, n) == 0 &&
			hear(&r, &reader, got, &from) == 0;
	}
	CHECK(good);
	CHECK(inside);
	CHECK(reader.at == r.head);
	/* A reader may be a whole ring behind and gets all of it in order. */
	memset(sent, 'x', sizeof(sent));
	total = 0;
	while (!room_is_behind(&r, &reader, record_room(sizeof(sent)) +
		room_pad(&r, record_room(sizeof(sent))))) {
		room_post(&r, &writer, sent, sizeof(sent));
		total++;
	}
	CHECK(total > RING_SIZE / record_room(sizeof(sent)) - 2);
	CHECK(room_slowest(&r, RING_SIZE) == &reader);
	CHECK(room_slowest(&r, 0) == NULL);
	while (hear(&r, &reader, got, &from) == sizeof(sent))
		total--;
	CHECK(total == 0);
	CHECK(reader.at == r.head);
	room_leave(&r, &reader);
	CHECK(r.members == NULL);
	close(r.wake[0]);
	close(r.wake[1]);
}

/* What a member has not got is counted: not its own words, not the padding. */
static void test_member_lost(void)
{
	static struct room r;
	struct member a = { .hears = &r, .fd = -1 };
	struct member w = { .tells = &r, .fd = 0, .id = 77 };
	static char block[65536];

	CHECK(room_init(&r) == 0);
	r.head = RING_SIZE - 128;
	room_join(&r, &a);
	CHECK(member_lost(&r, &a, false) == 0);
	room_post(&r, &w, block, 1000);         /* after padding */
	CHECK(r.head == RING_SIZE + record_room(1000));
	CHECK(member_lost(&r, &a, false) == 1000);
	w.id = a.id;
	room_post(&r, &w, block, 500);
	CHECK(member_lost(&r, &a, false) == 1000);
	w.id = 77;
	room_post(&r, &w, block, 1);
	CHECK(member_lost(&r, &a, false) == 1001);
	a.at = RING_SIZE;
	a.part = 600;
	CHECK(member_lost(&r, &a, false) == 401);
	close(r.wake[0]);
	close(r.wake[1]);
}

/*
 * ---- datagram peers -------------------------------------------------------
 */
static bool knows(const struct peers *ps, int fd, const struct gram *g)
{
	for (int i = 0; i < PEER_BUCKETS; i++)
		for (const struct peer *p = ps->bucket[i]; p; p = p->next)
			if (p->fd == fd && addr_same(&p->gram.peer, &g->peer))
				return true;
	return false;
}

static void age(struct peers *ps, const struct gram *g, int64_t span)
{
	for (int i = 0; i < PEER_BUCKETS; i++)
		for (struct peer *p = ps->bucket[i]; p; p = p->next)
			if (addr_same(&p->gram.peer, &g->peer))
				p->heard -= span;
}

static void test_peers(void)
{
	struct peers ps = { .most = 3, .memory = 10 * SECOND };
	static struct gram g[5];

	signal_init(&ps.came);
	for (int i = 0; i < 5; i++)
		g[i].peer = address("127.0.0.1", 1000 + i);
	peers_note(&ps, 4, &g[0]);
	peers_note(&ps, 4, &g[0]);
	CHECK(ps.count == 1 && knows(&ps, 4, &g[0]));
	peers_note(&ps, 4, &g[1]);
	peers_note(&ps, 4, &g[2]);
	CHECK(ps.count == 3);
	age(&ps, &g[1], SECOND);
	peers_note(&ps, 4, &g[3]);      /* the longest silent one goes */
	CHECK(ps.count == 3);
	CHECK(!knows(&ps, 4, &g[1]));
	CHECK(knows(&ps, 4, &g[0]) && knows(&ps, 4, &g[2]) &&
		knows(&ps, 4, &g[3]));
	age(&ps, &g[0], SECOND);
	peers_note(&ps, 4, &g[0]);      /* heard again: no longer the oldest */
	age(&ps, &g[2], SECOND);
	peers_note(&ps, 4, &g[4]);
	CHECK(knows(&ps, 4, &g[0]) && !knows(&ps, 4, &g[2]));
	age(&ps, &g[0], 11 * SECOND);
	age(&ps, &g[3], 11 * SECOND);
	peers_expire(&ps);
	CHECK(ps.count == 1 && knows(&ps, 4, &g[4]));
	peers_note(&ps, 4, &g[1]);
	peers_note(&ps, 4, &g[2]);
	CHECK(ps.count == 3);
	age(&ps, &g[1], 11 * SECOND);
	age(&ps, &g[2], 11 * SECOND);
	peers_make_room(&ps);           /* two had to go anyway */
	CHECK(ps.count == 1 && knows(&ps, 4, &g[4]));
	age(&ps, &g[4], 11 * SECOND);
	peers_expire(&ps);
	CHECK(ps.count == 0);
}

/*
 * ---- command line ---------------------------------------------------------
 */
static struct options o;
static struct given given;
static char *words[40];
static char words_text[1000];

/* parse(line): the options in line, words parted by blanks; '' is empty. */
static int parse(const char *line)
{
	static char *none[] = { words_text, NULL };
	int argc = 1;

	/* Forget what getopt_long(3) was doing. */
	optind = 0;
	(void)getopt_long(1, none, "-", NULL, NULL);
	optind = 1;
	messages.loudness = 0;
	why.text[0] = '\0';
	snprintf(words_text, sizeof(words_text), *line ? "sockcat %s"
		: "sockcat", line);
	words[0] = words_text;
	for (char *p = words_text; *p; p++)
		if (*p == ' ') {
			*p = '\0';
			words[argc++] = p + 1;
		}
	for (int i = 0; i < argc; i++)
		if (strcmp(words[i], "''") == 0)
			words[i] += 2;
	words[argc] = NULL;
	return options_parse(&o, &given, argc, words);
}

#define PARSES(line) check(parsed(line), __LINE__, "accepted: " line)
#define REFUSED(line, named, text) \
	check(refused(line, named, text), __LINE__, "refused: " line)

static bool parsed(const char *line)
{
	if (parse(line) == 0)
		return true;
	printf("# %s\n", why.text);
	return false;
}

static bool refused(const char *line, const char *named, const char *text)
{
	if (parse(line) == 0) {
		printf("# accepted\n");
		return false;
	}
	if (why.status == MISUSED && strstr(why.text, named) &&
		strstr(why.text, text))
		return true;
	printf("# status %d: %s\n", why.status, why.text);
	return false;
}

static void test_operands(void)
{
	PARSES("localhost 80");
	TEXT(o.target.host, "localhost");
	CHECK(o.target.port == 80 && o.target.type == SOCK_STREAM);
	CHECK(o.target.family == AF_UNSPEC && !o.target.path);
	PARSES("localhost:80");
	TEXT(o.target.host, "localhost");
	CHECK(o.target.port == 80);
	PARSES("[::1]:80");
	TEXT(o.target.host, "::1");
	PARSES("[::1] 80");
	TEXT(o.target.host, "::1");
	PARSES("::1 80");
	TEXT(o.target.host, "::1");
	PARSES("-l 80");
	CHECK(o.target.host == NULL && o.target.port == 80);
	PARSES("-l 0");
	CHECK(o.target.host == NULL && o.target.port == 0);
	PARSES("-l :80");
	CHECK(o.target.host == NULL && o.target.port == 80);
	PARSES("-l 127.0.0.1 80");
	TEXT(o.target.host, "127.0.0.1");
	PARSES("-l 127.0.0.1:80");
	TEXT(o.target.host, "127.0.0.1");
	PARSES("-l -p 80");
	CHECK(o.target.host == NULL && o.target.port == 80);
	PARSES("-l -p 80 127.0.0.1");
	TEXT(o.target.host, "127.0.0.1");
	CHECK(o.target.port == 80);
	PARSES("-p 1234 localhost 80");
	CHECK(o.prefs.source_port == 1234 && o.target.port == 80);
	PARSES("-U /tmp/x");
	TEXT(o.target.path, "/tmp/x");
	PARSES("localhost -v 80 -u");
	CHECK(o.udp && messages.loudness == 1 && o.target.port == 80);
	PARSES("-l -- 80");
	CHECK(o.target.port == 80);
	REFUSED("-l -- 80 -v -k", "", "one operand too many");
	PARSES("-U -- -v");
	TEXT(o.target.path, "-v");
	CHECK(messages.loudness == 0);

	REFUSED("", "host", "port");
	REFUSED("localhost", "localhost", "port");
	REFUSED("::1", "::1", "port");
	REFUSED("a b c", "c", "too many");
	REFUSED("-l", "-l", "port");
	REFUSED("-l a 1 c", "c", "too many");
	REFUSED("-l -p 1 a b", "b", "too many");
	REFUSED("-U", "-U", "path");
	REFUSED("-U /a /b", "-U", "/b");
	REFUSED("'' 80", "host", "\"\"");
	REFUSED(":80", "host", "\"\"");
	REFUSED("localhost 0", "port", "0");
	REFUSED("localhost 80x", "port", "80x");
	REFUSED("localhost 65536", "port", "65536");
	REFUSED("localhost ''", "port", "\"\"");
	REFUSED("localhost:", "port", "\"\"");
	REFUSED("-l 65536", "port", "65536");
	REFUSED("-l -p -1", "-p", "-1");
	REFUSED("-n localhost http", "port", "http");
	REFUSED("-p 80x localhost 80", "-p", "80x");
}

static void test_values(void)
{
	PARSES("h 1");
	CHECK(o.wait == NEVER && o.idle == NEVER && o.quit == NEVER &&
		o.max_time == NEVER && o.most == 0);
	CHECK(o.prefs.nodelay && o.prefs.reuseaddr && !o.prefs.reuseport);
	CHECK(o.prefs.keepalive == 0 && o.prefs.tos == -1 &&
		o.prefs.ttl == -1 && o.prefs.rcvbuf == -1 &&
		o.prefs.backlog == -1 && o.prefs.mode == -1);
	PARSES("-w 1.5 --idle-timeout=2 --max-time 3m h 1");
	CHECK(o.wait == 1500 * MS && o.idle == 2 * SECOND &&
		o.max_time == 180 * SECOND);
	PARSES("-q 0 h 1");
	CHECK(o.quit == 0 && o.quit_given);
	PARSES("-q -1 h 1");
	CHECK(o.quit == NEVER && o.quit_given);
	PARSES("-q -1 -q 2 h 1");
	CHECK(o.quit == 2 * SECOND);
	PARSES("-I 4k -O 1M h 1");
	CHECK(o.prefs.rcvbuf == 4096 && o.prefs.sndbuf == 1 << 20);
	PARSES("-w 1 -w 2 h 1");
	CHECK(o.wait == 2 * SECOND);
	PARSES("-w1 -vv h 1");
	CHECK(o.wait == SECOND && messages.loudness == 2);
	PARSES("-v --quiet h 1");
	CHECK(messages.loudness == -1);
	PARSES("-lkm 5 --backlog 7 --reuseport --no-reuseaddr 0");
	CHECK(o.most == 5 && o.prefs.backlog == 7 && o.prefs.reuseport &&
		!o.prefs.reuseaddr);
	PARSES("-z h 1");
	CHECK(o.wait == 2 * SECOND);
	PARSES("-z -w 9 h 1");
	CHECK(o.wait == 9 * SECOND);
	PARSES("-M 64 -T lowdelay h 1");
	CHECK(o.prefs.ttl == 64 && o.prefs.tos == 0x10);
	PARSES("-lU --mode 600 /x");
	CHECK(o.prefs.mode == 0600);
	PARSES("--no-nodelay h 1");
	CHECK(!o.prefs.nodelay);
	PARSES("--no-nodelay --nodelay h 1");
	CHECK(o.prefs.nodelay);
	PARSES("--no-shutdown -N h 1");
	CHECK(!o.no_shutdown);
	PARSES("-N --no-shutdown h 1");
	CHECK(o.no_shutdown);
	PARSES("-4 h 1");
	CHECK(o.target.family == AF_INET);
	PARSES("-6 h 1");
	CHECK(o.target.family == AF_INET6);
	PARSES("-ub h 1");
	CHECK(o.prefs.broadcast);
	PARSES("-lub 0");
	CHECK(!o.prefs.broadcast && o.keep && o.hub);
}

static void test_service_values(void)
{
	PARSES("h 1");
	CHECK(!o.chat && !o.command && !o.forward && !o.background);
	CHECK(o.total == 0 && o.drain == 0 && o.retry == 0 &&
		o.ready_fd == -1 && !o.port_file && o.access.count == 0);
	PARSES("-l --chat 1");
	CHECK(o.chat && o.keep && o.prefs.keepalive == 1);
	PARSES("-lc cat 1");
	TEXT(o.command, "cat");
	CHECK(!o.direct && !o.keep);
	PARSES("-l --sh-exec=cat 1");
	TEXT(o.command, "cat");
	PARSES("--exec cat h 1");
	TEXT(o.command, "cat");
	CHECK(o.direct);
	PARSES("-l --forward h:1 1");
	TEXT(o.forward, "h:1");
	PARSES("-lk --count 3 --drain 2s --port-file f --ready-fd 1 1");
	CHECK(o.total == 3 && o.drain == 2 * SECOND && o.ready_fd == 1);
	TEXT(o.port_file, "f");
	PARSES("--retry 50ms h 1");
	CHECK(o.retry == 50 * MS);
	PARSES("-lkef 0");
	CHECK(o.background);
	PARSES("-l --allow ::1 --deny 127.0.0.1 --allow 127.0.0.2 1");
	CHECK(o.access.count == 3);
	REFUSED("-lk --count 0 1", "--count", "\"0\"");
	REFUSED("-lk --count 1000001 1", "--count", "1000001");
	REFUSED("-l --drain 0 1", "--drain", "\"0\"");
	REFUSED("--retry 0 h 1", "--retry", "\"0\"");
	REFUSED("-l --ready-fd x 1", "--ready-fd", "\"x\"");
	REFUSED("-l --ready-fd -1 1", "--ready-fd", "\"-1\"");
	REFUSED("-l --port-file '' 1", "--port-file", "empty");
	REFUSED("-l --allow '' 1", "--allow", "empty");
}

static void test_keepalive(void)
{
	PARSES("--keepalive h 1");
	CHECK(o.prefs.keepalive == 1 && o.prefs.keep_idle == 60 &&
		o.prefs.keep_interval == 15 && o.prefs.keep_count == 4);
	PARSES("--keepalive=7 h 1");
	CHECK(o.prefs.keep_idle == 7 && o.prefs.keep_interval == 15);
	PARSES("--keepalive=7,8 h 1");
	CHECK(o.prefs.keep_interval == 8 && o.prefs.keep_count == 4);
	PARSES("--keepalive=7,8,9 h 1");
	CHECK(o.prefs.keep_idle == 7 && o.prefs.keep_interval == 8 &&
		o.prefs.keep_count == 9);
	PARSES("-lk 0");
	CHECK(o.prefs.keepalive == 1);
	PARSES("-lb 0");
	CHECK(o.prefs.keepalive == 1);
	PARSES("-lk --no-keepalive 0");
	CHECK(o.prefs.keepalive == 0);
	PARSES("--no-keepalive --keepalive h 1");
	CHECK(o.prefs.keepalive == 1);
	PARSES("--keepalive --no-keepalive h 1");
	CHECK(o.prefs.keepalive == 0);
	REFUSED("--keepalive= h 1", "--keepalive", "\"\"");
	REFUSED("--keepalive=0 h 1", "--keepalive", "\"0\"");
	REFUSED("--keepalive=7, h 1", "--keepalive", "\"7,\"");
	REFUSED("--keepalive=7,0 h 1", "--keepalive", "7,0");
	REFUSED("--keepalive=7,8,9,10 h 1", "--keepalive", "7,8,9,10");
	REFUSED("--keepalive=7,8,128 h 1", "--keepalive", "7,8,128");
	REFUSED("--keepalive=7s h 1", "--keepalive", "7s");
	REFUSED("--keepalive=32768 h 1", "--keepalive", "32768");
	REFUSED("--keepalive=-1 h 1", "--keepalive", "-1");
	REFUSED("--no-keepalive=7 h 1", "--no-keepalive", "=7");
}

static int64_t tos(const char *text)
{
	char line[100];

	snprintf(line, sizeof(line), "-T %s h 1", text);
	return parse(line) < 0 ? -1 : o.prefs.tos;
}

static void test_tos(void)
{
	static const char *const bad[] = { "80x", "65536", "-1", "1e9", "''",
		"256", "0x100", "af14", "low", "lowdelays", "99999999999999",
		"0x", "+5" };

	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK(tos(bad[i]) == -1 && strncmp(why.text, "-T: ", 4) == 0);
	CHECK(tos("0") == 0);
	CHECK(tos("255") == 255);
	CHECK(tos("0x20") == 32);
	CHECK(tos("ef") == 0xb8);
	CHECK(tos("EF") == 0xb8);
	CHECK(tos("af11") == 0x28);
	CHECK(tos("cs7") == 0xe0);
	CHECK(tos("throughput") == 8);
	CHECK(tos("lowcost") == 2);
	CHECK(tos("reliability") == 4);
}

static void test_modes(void)
{
	static const struct {
		const char *line;
		enum mode_id mode;
	} list[] = { { "h 1", CONNECT }, { "-u h 1", CONNECT },
		{ "-ub h 1", CONNECT }, { "-l 1", LISTEN }, { "-lk 1", KEEP },
		{ "-e h 1", ECHO_CLIENT }, { "-le 1", ECHO_ONE },
		{ "-lke 1", ECHO_MANY }, { "-lb 1", HUB }, { "-lkb 1", HUB },
		{ "-l --broker 1", HUB }, { "-lub 1", HUB },
		{ "-l --chat 1", CHAT }, { "-lk --chat 1", CHAT },
		{ "-c cmd h 1", COMMAND_CLIENT },
		{ "-u --exec cmd h 1", COMMAND_CLIENT },
		{ "-ubc cmd h 1", COMMAND_CLIENT },
		{ "-lc cmd 1", COMMAND_ONE },
		{ "-l --exec cmd 1", COMMAND_ONE },
		{ "-lkc cmd 1", COMMAND_MANY },
		{ "-luk --sh-exec cmd 1", COMMAND_MANY },
		{ "-l --forward h:1 1", FORWARD_ONE },
		{ "-lk --forward h:1 1", FORWARD_MANY },
		{ "-luk --forward h:1 1", FORWARD_MANY },
		{ "-z h 1", PROBE }, { "-zu h 1", PROBE } };

	for (size_t i = 0; i < COUNT(list); i++)
		CHECK(parsed(list[i].line) && mode_of(&o) == list[i].mode);
}

static void test_refusals(void)
{
	REFUSED("-4 -6 h 1", "-4", "-6");
	REFUSED("--ipv6 --ipv4 h 1", "--ipv4", "--ipv6");
	REFUSED("-d --send-only h 1", "-d", "--send-only");
	REFUSED("-k h 1", "-k", "-l");
	REFUSED("-b h 1", "-b", "-l");
	REFUSED("-l -z 1", "-l", "-z");
	REFUSED("-l -e -b 1", "-e", "-b");
	REFUSED("-m 5 -l 1", "-m", "-k");
	REFUSED("--mode 600 -l 1", "--mode", "-U");
	REFUSED("-4 -U /x", "-4", "-U");
	REFUSED("-s a -U /x", "-s", "-U");
	REFUSED("-s a -l 1", "-s", "-l");
	REFUSED("--reset -u h 1", "--reset", "-u");
	REFUSED("--reset -U /x", "--reset", "-U");
	REFUSED("--keepalive -u h 1", "--keepalive", "-u");
	REFUSED("--backlog 5 -lu 1", "--backlog", "-u");
	REFUSED("--backlog 5 h 1", "--backlog", "-l");
	REFUSED("--no-shutdown -u h 1", "--no-shutdown", "-u");
	REFUSED("--no-reuseaddr h 1", "--no-reuseaddr", "-p");
	PARSES("--no-reuseaddr -p 5 h 1");
	REFUSED("-m 5 -luke 1", "-m", "-e");
	REFUSED("--chat h 1", "--chat", "-l");
	REFUSED("-lu --chat 1", "--chat", "-u");
	REFUSED("-l --chat -b 1", "-b", "--chat");
	REFUSED("-l --chat --broker 1", "--broker", "--chat");
	REFUSED("-le --chat 1", "-e", "--chat");
	REFUSED("-l --chat -c cmd 1", "-c", "--chat");
	REFUSED("-l --chat --forward h:1 1", "--forward", "--chat");
	REFUSED("-l --chat --send-only 1", "--send-only", "--chat");
	REFUSED("-e -c cmd h 1", "-e", "-c");
	REFUSED("-lb -c cmd 1", "-c", "-b");
	REFUSED("-z -c cmd h 1", "-c", "-z");
	REFUSED("-l -c cmd --exec cmd 1", "--exec", "-c");
	REFUSED("-l -c cmd --forward h:1 1", "-c", "--forward");
	REFUSED("-l -c '' 1", "-c", "empty");
	REFUSED("-l --exec '' 1", "--exec", "empty");
	REFUSED("-c cmd --send-only h 1", "--send-only", "-c");
	REFUSED("--forward h:1 h 1", "--forward", "-l");
	REFUSED("-l --forward '' 1", "--forward", "empty");
	REFUSED("-le --forward h:1 1", "-e", "--forward");
	REFUSED("-lb --forward h:1 1", "--forward", "-b");
	REFUSED("--count 2 -l 1", "--count", "-k");
	REFUSED("--count 2 -luk 1", "--count", "-u");
	REFUSED("--count 2 -luk --forward h:1 1", "--count", "-u");
	REFUSED("--drain 2 h 1", "--drain", "-l");
	REFUSED("--drain 2 -lu 1", "--drain", "-u");
	REFUSED("--retry 2 -l 1", "--retry", "-l");
	REFUSED("--retry 2 -lc cmd 1", "--retry", "with -l");
	REFUSED("--allow ::1 h 1", "--allow", "-l");
	REFUSED("--deny ::1 -lU /x", "--deny", "-U");
	REFUSED("--port-file x h 1", "--port-file", "-l");
	REFUSED("--ready-fd 1 h 1", "--ready-fd", "-l");
	REFUSED("-f -l 1", "-f", "-k");
	REFUSED("-f -lk 1", "-f", "-lk");
	REFUSED("-f -lb 1", "-f", "-lb");
	REFUSED("-f -l --chat 1", "-f", "--chat");
	REFUSED("-f -c cmd h 1", "-f", "-l");
	/* What scripts carry is accepted everywhere. */
	for (int mode = 0; mode < MODES; mode++) {
		static const char *const lines[MODES] = { "h 1", "-l 1",
			"-lk 1", "-e h 1", "-le 1", "-lke 1", "-lb 1",
			"-l --chat 1", "-c cmd h 1", "-lc cmd 1", "-lkc cmd 1",
			"-l --forward 127.0.0.1:1 1",
			"-lk --forward 127.0.0.1:1 1", "-z h 1" };
		char line[100];

		snprintf(line, sizeof(line), "-N -n -d -q 1 -w 1 -v %s",
			lines[mode]);
		CHECK(parsed(line));
		CHECK(mode_of(&o) == (enum mode_id)mode);
		snprintf(line, sizeof(line), "-N -n -d -q 1 -w 1 -v -u %s",
			lines[mode]);
		CHECK((parse(line) == 0) == (mode != CHAT));
	}
}

static void test_unknown(void)
{
	CHECK(distance("", "") == 0);
	CHECK(distance("wait", "wait") == 0);
	CHECK(distance("wait", "wat") == 1);
	CHECK(distance("wiat", "wait") == 2);
	CHECK(distance("", "abc") == 3);
	CHECK(distance("abc", "") == 3);
	CHECK(distance("kitten", "sitting") == 3);
	CHECK(distance("abc", "0123456789012345678901234567890123456789") >=
		32);
	REFUSED("--lisen h 1", "--lisen", "did you mean --listen?");
	REFUSED("--keepopen h 1", "--keepopen", "did you mean --keep-open?");
	REFUSED("--brodcast h 1", "--brodcast", "did you mean --broadcast?");
	REFUSED("--verbos h 1", "--verbos", "did you mean --verbose?");
	REFUSED("--xyzzy-plugh h 1", "unknown option", "--xyzzy-plugh");
	REFUSED("--an-option-longer-than-any-that-there-ever-was h 1",
		"unknown option", "there-ever-was");
	REFUSED("--ud h 1", "--ud", "--udp");
	REFUSED("--idle 5 h 1", "--idle", "--idle-timeout");
	REFUSED("--max h 1", "--max", "--max-");
	REFUSED("--wai 5 h 1", "unknown option --wai", "--wait");
	REFUSED("h 1 --wai", "unknown option --wai", "--wait");
	REFUSED("--wai=5 h 1", "unknown option --wai", "--wait");
	REFUSED("h 1 --wait", "--wait", "argument");
	REFUSED("h 1 -w", "-w", "argument");
	REFUSED("--udp=5 h 1", "--udp", "5");
	REFUSED("-lY 1", "-Y", "unknown");
	REFUSED("-? 1", "-?", "unknown");
	REFUSED("-: 1", "-:", "unknown");
	CHECK(parse("--xyzzy-plugh h 1") < 0 && !strstr(why.text, "mean"));
}

/* Every row of the table is complete and says what it means. */
static void test_table(void)
{
	for (int i = 0; i < SPECS; i++) {
		const struct option_spec *s = &specs[i];

		if (!s->name) {
			CHECK(s->arg != NULL);
			continue;
		}
		CHECK(strlen(s->name) > 1 && strlen(s->name) <
			sizeof(given.text[0]) - 2);
		CHECK(strlen(s->on_mode) == MODES);
		CHECK(strlen(s->on_sock) == 4);
		CHECK(strspn(s->on_mode, "+.-sdoub ") == MODES);
		/* Only a forward has another side. */
		CHECK(strcspn(s->on_mode, "ob") >= FORWARD_ONE);
		CHECK(strspn(s->on_sock, "+.-") == 4);
		CHECK(spec_named(s->name) == i);
		for (int k = 0; k < i; k++)
			CHECK(!s->letter || specs[k].letter != s->letter);
		/* An option that nothing accepts is no option. */
		CHECK(strpbrk(s->on_mode, "+sdob.") != NULL);
		CHECK(strpbrk(s->on_sock, "+.") != NULL);
	}
	for (size_t i = 0; i < COUNT(clashes); i++)
		CHECK(spec_named(clashes[i][0]) >= 0 &&
			spec_named(clashes[i][1]) >= 0);
}

/*
 * ---- what the other tests compare with ------------------------------------
 */
static void print_matrix(void)
{
	for (int i = 0; i < SPECS; i++)
		if (specs[i].name)
			printf("%s\t%s\t%s\n", specs[i].name, specs[i].on_mode,
				specs[i].on_sock);
}

static void print_marks(void)
{
	static const char *const kinds[] = { "tcp", "udp", "unix",
		"unix-datagram" };
	struct options one = { .wait = NEVER };
	char mark;

	for (int i = 0; i < SPECS; i++)
		for (int mode = 0; specs[i].name && mode < MODES; mode++)
			for (int kind = 0; kind < 4; kind++) {
				one.unixsock = kind & 2;
				one.udp = kind & 1;
				/* The other side of a forward is IP. */
				one.onward.type = one.udp ? SOCK_DGRAM
							  : SOCK_STREAM;
				mark = option_mark(&specs[i],
					(enum mode_id)mode, &one);
				if (mark != '-' &&
					specs[i].on_mode[mode] == ' ')
					mark = '=';
				printf("%s\t%s\t%s\t%c\n", specs[i].name,
					modes[mode].name, kinds[kind], mark);
			}
}

static void parse_lines(void)
{
	char line[900];

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (parse(line + strspn(line, " ")) == 0)
			puts("0\t");
		else
			printf("%d\t%s\n", (int)why.status, why.text);
	}
}

static void run_all(void)
{
	static void (*const tests[])(void) = { test_printable, test_fail,
		test_digits, test_parse_number, test_parse_octal,
		test_parse_size, test_parse_time, test_addr_text,
		test_addr_unix, test_addr_unmap, test_addr_kinds,
		test_interleave, test_resolve, test_target_place,
		test_parse_port, test_parse_ports, test_persist, test_address_split, test_access,
		test_access_wrong, test_access_file, test_access_search,
		test_access_told, test_replies, test_base64, test_requests,
		test_clock,
		test_tick_span, test_times, test_records, test_ring,
		test_member_lost, test_peers, test_operands, test_values,
		test_service_values, test_keepalive, test_tos, test_modes, test_refusals,
		test_unknown, test_table };

	for (size_t i = 0; i < COUNT(tests); i++)
		tests[i]();
	printf("1..%d\n", checks);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "matrix") == 0)
		print_matrix();
	else if (argc > 1 && strcmp(argv[1], "marks") == 0)
		print_marks();
	else if (argc > 1 && strcmp(argv[1], "parse") == 0)
		parse_lines();
	else
		run_all();
	return failures > 0;
}
