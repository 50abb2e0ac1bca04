/*
 * fuzz: the parsers of sockcat, and whatever else takes bytes apart, fed with
 * anything.  Each target says what must hold for any input; that fails by
 * abort(3), a sanitizer finds the rest.
 *
 *	fuzz                    the names of the targets
 *	fuzz --words            the names of the options, as a dictionary
 *	fuzz TARGET FILE...     feed it these files, or all of a directory
 *
 * Built with -DFUZZER and clang's -fsanitize=fuzzer the same targets are
 * driven by libFuzzer: fuzz TARGET [its options] DIRECTORY...
 */
#define main sockcat_main
#include "../../sockcat.c"
#undef main

#include <dirent.h>

static void must(bool good, int line, const char *text)
{
	if (good)
		return;
	fprintf(stderr, "fuzz.c:%d: not so: %s\n# why: %s\n", line, text,
		why.text);
	abort();
}

#define MUST(condition) must((condition), __LINE__, #condition)

/* What is left of an input. */
struct input {
	const unsigned char *at;
	size_t left;
};

/* take_number(in, limit): from 0 to limit - 1; 0 at the end of the input. */
static size_t take_number(struct input *in, size_t limit)
{
	size_t n = 0;

	for (size_t top = limit - 1; top > 0 && in->left > 0; top >>= 8) {
		n = n << 8 | *in->at++;
		in->left--;
	}
	return n % limit;
}

/* take_bytes(in, n): so many, or all there are; exactly as large as that. */
static char *take_bytes(struct input *in, size_t *n)
{
	char *to;

	if (*n > in->left)
		*n = in->left;
	to = malloc(*n + (*n == 0));
	MUST(to != NULL);
	if (*n > 0)
		memcpy(to, in->at, *n);
	in->at += *n;
	in->left -= *n;
	return to;
}

/* take_text(in): up to a NUL, which is passed over, or the end. */
static char *take_text(struct input *in)
{
	const void *nul = in->left > 0 ? memchr(in->at, '\0', in->left) : NULL;
	size_t n =
		nul ? (size_t)((const unsigned char *)nul - in->at) : in->left;
	char *text = take_bytes(in, &n);

	text = realloc(text, n + 1);
	MUST(text != NULL);
	text[n] = '\0';
	if (nul) {
		in->at++;
		in->left--;
	}
	return text;
}

/* refused(): a parser has said no, and has said why. */
static bool refused(void)
{
	size_t n = strlen(why.text);

	return why.status == MISUSED && n > 0 && n < sizeof(why.text);
}

/* A file without a name, to be written and read again. */
static int scratch(char name[32])
{
	FILE *file = tmpfile();

	MUST(file != NULL);
	snprintf(name, 32, "/dev/fd/%d", fileno(file));
	return fileno(file);
}

static void scratch_empty(int fd)
{
	MUST(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
}

/* near(fd): one end of a pair of sockets whose other end is *far. */
static int near(int *far)
{
	int ends[2];

	MUST(pair_new(ends, SOCK_STREAM) == 0);
	*far = ends[1];
	return ends[0];
}

/*
 * ---- messages and numbers -------------------------------------------------
 */
static void target_messages(struct input *in)
{
	size_t size = 1 + take_number(in, 200);
	char *to = malloc(size), *text = take_text(in);

	MUST(to && printable(to, size, text) == to);
	MUST(strlen(to) < size);
	for (const char *p = to; *p; p++)
		MUST(*p >= ' ' && *p < 127);
	MUST(fail("%s:", text) == -1 && strlen(why.text) < sizeof(why.text));
	free(to);
	free(text);
}

/* string_end(p): after the JSON string that begins at p. */
static const char *string_end(const char *p)
{
	size_t size;

	MUST(*p++ == '"');
	for (; *p != '"'; p += size) {
		size = *p == '\\' ? 2 : character_size(p, strlen(p));
		MUST(size > 0 && *p != '\t');
		if (size != 2 || *p != '\\')
			continue;
		MUST(strchr("\"\\u", p[1]) && p[1]);
		if (p[1] == 'u')
			size += strspn(p + 2, "0123456789abcdef") < 4 ? 99 : 4;
		MUST(size < 99);
	}
	return p + 1;
}

/* Texts from anywhere, as much as one event has of them. */
static void target_json(struct input *in)
{
	struct object o;
	char *text;
	const char *p = o.text;

	object_begin(&o, "connected");
	for (int i = 0; i < 4; i++) {
		text = take_text(in);
		object_text(&o, "k", text);
		free(text);
	}
	object_number(&o, "n", INT64_MIN);
	object_time(&o, "t", INT64_MAX);
	MUST(o.used + 3 < sizeof(o.text));
	memcpy(o.text + o.used, "}", 2);
	for (int i = 0; i < 6; i++) {
		MUST(*p == (i == 0 ? '{' : ','));
		p = string_end(p + 1);
		MUST(*p == ':');
		p = string_end(p + 1);
	}
	MUST(strncmp(p, ",\"n\":-", 6) == 0 && strchr(p, '}')[1] == '\0');
}

static void target_numbers(struct input *in)
{
	int64_t min = (int64_t)take_number(in, 3), n = -99, octal = -99;
	int64_t max = min + (int64_t)take_number(in, 1 << 24);
	char *text = take_text(in), plain[32];
	bool clean = *text && text[strspn(text, "0123456789")] == '\0';
	unsigned long long value;

	errno = 0;
	value = strtoull(text, NULL, 10);
	clean = clean && errno == 0 && value >= (unsigned long long)min &&
		value <= (unsigned long long)max;
	MUST((parse_number("-x", text, min, max, &n) == 0) == clean);
	MUST(clean ? n == (int64_t)value : n == -99 && refused());
	if (parse_octal("-x", text, 0777, &octal) == 0) {
		MUST(octal >= 0 && octal <= 0777);
		snprintf(plain, sizeof(plain), "%o", (unsigned int)octal);
		MUST(strcmp(plain, "0") == 0
				? text[strspn(text, "0")] == '\0'
				: strcmp(text + strspn(text, "0"), plain) == 0);
	} else {
		MUST(octal == -99 && refused());
	}
	free(text);
}

static void target_times(struct input *in)
{
	int64_t min = (int64_t)take_number(in, 2), n = -99;
	char *text = take_text(in), *end;
	double value, scale;

	if (parse_time("-x", text, min, &n) < 0) {
		MUST(n == -99 && refused());
		free(text);
		return;
	}
	value = strtod(text, &end);
	scale = strcmp(end, "ms") == 0  ? 1e6
		: strcmp(end, "m") == 0 ? 60e9
		: strcmp(end, "h") == 0 ? 3600e9
					: 1e9;
	MUST(strspn(text, "0123456789.msh") == strlen(text));
	MUST(n >= min && n <= 1000001LL * 3600 * SECOND);
	/* Six digits of a fraction count. */
	MUST((double)n <= value * scale * (1 + 1e-12) + 1);
	MUST((double)n >= value * scale * (1 - 1e-12) - scale * 1e-6 - 1);
	free(text);
}

static void target_sizes(struct input *in)
{
	int64_t most = 1 + (int64_t)take_number(in, 1024), n = -99;
	char *text = take_text(in), *end;
	unsigned long long value;

	if (parse_size("-x", text, most, &n) < 0) {
		MUST(n == -99 && refused());
	} else {
		value = strtoull(text, &end, 10);
		value <<= *end == 'k' ? 10
			: *end == 'M' ? 20
			: *end == 'G' ? 30
				      : 0;
		MUST(n >= 1 && n <= most << 30 &&
			(unsigned long long)n == value);
		MUST(strlen(end) < 2);
	}
	free(text);
}

static void target_escapes(struct input *in)
{
	char *text = take_text(in);
	struct bytes a = { .at = NULL }, b = { .at = NULL };
	char *again = malloc(4 * strlen(text) + 1), *p = again;

	if (parse_escapes("--send", text, &a) < 0) {
		MUST(refused() && strchr(text, '\\'));
	} else {
		MUST(a.size <= strlen(text));
		*p = '\0';
		for (size_t i = 0; i < a.size; i++)
			p += sprintf(p, "\\x%02x", (unsigned char)a.at[i]);
		MUST(parse_escapes("--send", again, &b) == 0);
		MUST(a.size == b.size && memcmp(a.at, b.at, a.size) == 0);
	}
	free(a.at);
	free(b.at);
	free(again);
	free(text);
}

/*
 * ---- addresses ------------------------------------------------------------
 */
/* Whatever a kernel may give as an address. */
static void addresses_shown(struct input *in)
{
	struct addr a, b;
	struct target t = { .host = "a name", .type = SOCK_STREAM };
	char text[ADDR_TEXT], place[PLACE_TEXT];

	memset(&a, 0, sizeof(a));
	a.len = (socklen_t)take_number(in,
		offsetof(struct sockaddr_un, sun_path) + sizeof(a.un.sun_path) +
			2);
	for (size_t i = 0; i < a.len && i < sizeof(a.un); i++)
		((char *)&a.sa)[i] = (char)take_number(in, 256);
	if (a.len > sizeof(a.in6) || a.len < sizeof(a.in) ||
		(a.sa.sa_family == AF_INET6 && a.len < sizeof(a.in6)))
		a.sa.sa_family = AF_UNIX;
	MUST(strlen(addr_host(&a, text)) < ADDR_TEXT);
	MUST(strlen(addr_text(&a, text)) < ADDR_TEXT);
	MUST(strlen(addr_name(&a, text)) < ADDR_TEXT);
	MUST(strlen(target_place(&t, &a, place)) < PLACE_TEXT);
	addr_port(&a);
	addr_lacks_scope(&a);
	b = a;
	addr_unmap(&b);
	MUST(addr_is_multicast(&a) == addr_is_multicast(&b) ||
		!addr_same(&a, &b));
}

/* HOST:PORT and the like, in place. */
static void addresses_split(const char *text)
{
	char *copy = strdup(text), *host = NULL, *port = NULL;
	char *again = malloc(strlen(text) + 4);

	if (!address_split(copy, &host, &port)) {
		MUST(!host && !port && strcmp(copy, text) == 0);
		bracketless(copy);
	} else {
		sprintf(again, "%s:%s", host, port);
		if (strcmp(again, text) != 0)
			sprintf(again, "[%s]:%s", host, port);
		MUST(strcmp(again, text) == 0);
		MUST(!strchr(port, ':'));
	}
	free(again);
	free(copy);
}

static void target_addresses(struct input *in)
{
	struct target t = { .type = SOCK_STREAM, .numeric = true, .port = 7 };
	struct addr_list list;
	char text[ADDR_TEXT], *word;
	struct addr a;

	if (take_number(in, 2)) {
		addresses_shown(in);
		return;
	}
	word = take_text(in);
	addresses_split(word);
	if (addr_unix(word, &a) == 0) {
		MUST(strcmp(addr_host(&a, text), word) == 0);
		MUST(a.len <= sizeof(a.un));
	} else {
		MUST(refused());
	}
	t.host = word;
	if (target_resolve(&t, NEVER, &list) == 0) {
		MUST(list.count > 0 && list.count <= ADDRESSES);
		MUST(addr_port(&list.at[0]) == 7);
		MUST(strlen(addr_text(&list.at[0], text)) < ADDR_TEXT);
	} else {
		MUST(why.text[0] && strlen(why.text) < sizeof(why.text));
	}
	free(word);
}

static void target_ports(struct input *in)
{
	struct target t = { .type = SOCK_STREAM,
		.numeric = take_number(in, 8) > 0 };
	static struct ports p;
	char *text = take_text(in);
	int count = 0, port = -99;

	if (parse_ports("port", text, &t, &p) == 0) {
		for (int i = 0; i < PORTS; i++)
			count += p.has[i];
		MUST(count == p.count && count > 0 && !p.has[0]);
	} else {
		MUST(refused());
	}
	if (parse_port("port", text, &t, 0, &port) == 0)
		MUST(port >= 0 && port < PORTS);
	else
		MUST(refused());
	free(text);
}

/* allowed(l, a): the same as blocks_hold, by looking at each. */
static bool allowed(const struct blocks *l, const struct addr *a)
{
	struct block key;

	for (size_t i = 0; i < l->count; i++) {
		if (l->at[i].family != a->sa.sa_family)
			continue;
		key = block_of(a, l->at[i].bits);
		if (l->at[i].scope == 0)
			key.scope = 0;
		if (memcmp(&key, &l->at[i], sizeof(key)) == 0)
			return true;
	}
	return false;
}

/* A list of who may connect, from the command line or from a file. */
static void target_lists(struct input *in)
{
	static char name[32];
	static int fd = -1;
	size_t flags = take_number(in, 4);
	struct access_sources from = { .count = 0 };
	struct access a = { .from = &from,
		.numeric = true,
		.lock = PTHREAD_MUTEX_INITIALIZER };
	struct addr peer = { .len = sizeof(peer.in) };
	char *text;
	int added;

	if (fd < 0)
		fd = scratch(name);
	peer.sa.sa_family = flags & 1 ? AF_INET6 : AF_INET;
	for (int i = 0; i < (flags & 1 ? 16 : 4); i++)
		((unsigned char *)(flags & 1 ? (void *)&peer.in6.sin6_addr
					     : (void *)&peer.in.sin_addr))[i] =
			(unsigned char)take_number(in, 256);
	if (flags & 1) {
		peer.len = sizeof(peer.in6);
		peer.in6.sin6_scope_id = (uint32_t)take_number(in, 3);
	}
	if (flags & 2) {
		scratch_empty(fd);
		MUST(write(fd, in->at, in->left) == (ssize_t)in->left);
		MUST(access_add(&from, ACCESS_FILE, "--allowfile", name) == 0);
		text = NULL;
	} else {
		text = take_text(in);
		added = access_add(&from, 0, "--allow", text);
		MUST(added == 0 || refused());
	}
	lseek(fd, 0, SEEK_SET);
	if (access_load(&a, NEVER) == 0) {
		addr_unmap(&peer);
		MUST(blocks_hold(&a.lists[0], &peer) ==
			allowed(&a.lists[0], &peer));
		for (size_t i = 1; i < a.lists[0].count; i++)
			MUST(block_order(&a.lists[0].at[i - 1],
				     &a.lists[0].at[i]) <= 0);
		access_allows(&a, &peer, true);
	} else {
		MUST(refused());
	}
	free(a.lists[0].at);
	free(a.lists[1].at);
	free(text);
}

/*
 * ---- proxies --------------------------------------------------------------
 */
/*
 * What a proxy answers: after a handshake that went well not a byte of what
 * follows the replies is missing.
 */
static void target_replies(struct input *in)
{
	static unsigned char rest[PROXY_REPLY * 4];
	struct proxy p = { .type = (enum proxy_type)take_number(in, 3),
		.target = { .host = "p", .port = 1080 } };
	struct target t = { .host = "h", .port = 7 };
	struct handshake h = { .proxy = &p, .target = &t, .deadline = NEVER };
	char reason[PROXY_REASON];
	size_t n = in->left < 3000 ? in->left : 3000;
	ssize_t left;
	int far, result;

	if (take_number(in, 2))
		strcpy(p.user, "user");
	n = in->left < n ? in->left : n;
	for (enum reply kind = SOCKS5_METHOD; kind <= HTTP; kind++) {
		reply_length(kind, in->left ? in->at : rest, n);
		reply_check(kind, in->left ? in->at : rest, n, reason);
		MUST(strlen(reason) < sizeof(reason));
	}
	h.fd = near(&far);
	MUST(n == 0 || send(far, in->at, n, 0) == (ssize_t)n);
	shutdown(far, SHUT_WR);
	result = handshake_run(&h);
	left = recv(h.fd, rest, sizeof(rest), MSG_DONTWAIT);
	if (result < 0) {
		MUST(why.text[0] && strlen(why.text) < sizeof(why.text));
	} else {
		MUST(left >= 0 && (size_t)left < n);
		MUST(memcmp(rest, in->at + n - left, (size_t)left) == 0);
	}
	close(h.fd);
	close(far);
}

/* What is asked of a proxy fits, and has the shape it must have. */
static void target_requests(struct input *in)
{
	static unsigned char to[PROXY_REQUEST + 1];
	struct proxy p = { .type = (enum proxy_type)take_number(in, 3) };
	struct target t = { .port = (int)take_number(in, PORTS) };
	char *host = take_text(in), *login = take_text(in), *line;
	size_t n = 0, lines = 0;

	t.host = host;
	if (*login && credentials_parse(&p, "file", login, strlen(login)) < 0)
		MUST(refused() &&
			(strlen(login) < 9 || !strstr(why.text, login)));
	if (proxy_suits(&p, &t) < 0) {
		MUST(refused());
	} else {
		memset(to, 0xee, sizeof(to));
		n = p.type == SOCKS5       ? socks5_request(&t, to)
			: p.type == SOCKS4 ? socks4_request(&p, &t, to)
					   : http_request(&p, &t, to);
		MUST(n < PROXY_REQUEST && to[PROXY_REQUEST] == 0xee);
		for (line = (char *)to;
			p.type == HTTP_CONNECT && (line = strstr(line, "\r\n"));
			line += 2)
			lines++;
		MUST(p.type != HTTP_CONNECT ||
			(lines == (*p.user ? 4U : 3U) &&
				strcspn((char *)to, "\n") > 1));
		MUST(p.type != SOCKS5 || n == 4 + 4 + 2 || n == 4 + 16 + 2 ||
			n == 4 + 1 + strlen(host) + 2);
	}
	free(host);
	free(login);
}

/*
 * ---- taps -----------------------------------------------------------------
 */
/* What came out of a flow: the bytes, and where a message ended. */
struct gathered {
	size_t size, messages;
	char at[64 * 1024];
	size_t ends[16 * 1024];
};

static int gather(void *arg, const char *buf, size_t n)
{
	struct gathered *g = arg;

	MUST(g->size + n <= sizeof(g->at));
	memcpy(g->at + g->size, buf, n);
	g->size += n;
	if (g->messages < COUNT(g->ends))
		g->ends[g->messages++] = g->size;
	return 0;
}

/* tapped(shape, buf, n, step, to): it all through a tap, step bytes at once. */
static size_t tapped(const struct shape *shape, const char *buf, size_t n,
	size_t step, struct gathered *to, char *answers, size_t room)
{
	struct tap tap, *t = tap_open(&tap, shape, "", NULL);
	struct flow f = { .to = { .kind = SINK, .take = gather, .arg = to },
		.from = { .kind = STREAM } };
	char *piece = malloc(step);
	ssize_t got;
	size_t answered = 0, size;
	int far;

	MUST(t && piece);
	f.from.fd = near(&far);
	f.tap = t;
	to->size = to->messages = 0;
	for (size_t at = 0; at < n; at += size) {
		size = n - at < step ? n - at : step;
		memcpy(piece, buf + at, size);
		MUST(flow_tap(&f, piece, size) == ENDED);
		got = recv(
			far, answers + answered, room - answered, MSG_DONTWAIT);
		answered += got > 0 ? (size_t)got : 0;
	}
	if (t->held > 0)
		MUST(flow_put(&f, t->line, t->held) == ENDED);
	tap_close(t);
	close(f.from.fd);
	close(far);
	free(piece);
	return answered;
}

/* However the bytes come, in pieces or at once, the same is made of them. */
static void target_telnet(struct input *in)
{
	static struct gathered one, two;
	static char first[16 * 1024], second[16 * 1024];
	size_t flags = take_number(in, 16), step = 1 + take_number(in, 9);
	struct shape s = { .plain = flags & 1,
		.escaped = flags & 2,
		.crlf = flags & 4,
		.lines = flags & 8 };
	size_t n = 4000, a, b;
	char *buf = take_bytes(in, &n);

	if (!flags)
		s.plain = true;
	a = tapped(&s, buf, n, n + 1, &one, first, sizeof(first));
	b = tapped(&s, buf, n, step, &two, second, sizeof(second));
	MUST(one.size == two.size && memcmp(one.at, two.at, one.size) == 0);
	MUST(a == b && memcmp(first, second, a) == 0);
	MUST(a <= n && a % 3 == 0);
	for (size_t i = 0; i < a; i += 3)
		MUST((unsigned char)first[i] == IAC &&
			((unsigned char)first[i + 1] == WONT ||
				(unsigned char)first[i + 1] == DONT));
	MUST(!s.lines ||
		(one.messages == two.messages &&
			memcmp(one.ends, two.ends,
				one.messages * sizeof(one.ends[0])) == 0));
	for (size_t i = 1; s.lines && i < one.messages; i++)
		MUST(one.at[one.ends[i - 1] - 1] == '\n');
	if (flags == 8)
		MUST(one.size == n && memcmp(one.at, buf, n) == 0);
	free(buf);
}

static void target_needles(struct input *in)
{
	size_t size = 1 + take_number(in, 12), step = 1 + take_number(in, 5);
	size_t few = take_number(in, 3), matched = 0, n = 2000;
	char *text = take_bytes(in, &size), *hay = take_bytes(in, &n);
	struct bytes b = { .at = text, .size = size };
	struct needle needle;
	const char *found;

	/* Of few letters, so that it nearly fits in many places. */
	for (size_t i = 0; few > 0 && i < size; i++)
		text[i] = (char)('a' + (unsigned char)text[i] % (few + 1));
	for (size_t i = 0; few > 0 && i < n; i++)
		hay[i] = (char)('a' + (unsigned char)hay[i] % (few + 1));
	if (size > 0) {
		found = memmem(hay, n, text, size);
		MUST(needle_init(&needle, &b) == 0);
		for (size_t at = 0; at < n; at += step)
			matched = needle_match(&needle, matched, hay + at,
				n - at < step ? n - at : step);
		MUST((matched == size) == (found != NULL));
		for (size_t most = n < size - 1 ? n : size - 1;
			!found && most > matched; most--)
			MUST(memcmp(hay + n - most, text, most) != 0);
		free(needle.back);
	}
	free(text);
	free(hay);
}

static void dump_broken(void)
{
	MUST(!"a dump can be written");
}

/* What the hexadecimal dump says can be read back, and is what came. */
static void target_dumps(struct input *in)
{
	static char name[32], text[256 * 1024];
	static int raw = -1, hex = -1;
	struct dump d = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.raw_name = "raw",
		.hex_name = "hex",
		.failed = dump_broken };
	struct addr a = { .len = sizeof(a.un) };
	char peer[ADDR_TEXT] = "", *line, *p;
	long long offset = 0;
	size_t n = 6000, step = 1 + take_number(in, 5000), at = 0, size = 0;
	unsigned int byte, address;
	char *buf;
	ssize_t got;

	if (raw < 0) {
		raw = scratch(name);
		hex = scratch(name);
	}
	d.raw = raw;
	d.hex = hex;
	scratch_empty(raw);
	scratch_empty(hex);
	if (take_number(in, 2)) {
		a.sa.sa_family = AF_INET6;
		a.len = sizeof(a.in6);
		for (size_t i = 0; i < 16; i++)
			a.in6.sin6_addr.s6_addr[i] =
				(unsigned char)take_number(in, 256);
		a.in6.sin6_scope_id = (uint32_t)take_number(in, 1U << 31);
		addr_name(&a, peer);
	}
	buf = take_bytes(in, &n);
	for (; at < n; at += size) {
		size = n - at < step ? n - at : step;
		dump_note(&d, '<', peer, &offset, buf + at, size);
	}
	MUST(offset == (long long)n);
	got = pread(raw, text, sizeof(text), 0);
	MUST(got == (ssize_t)n && memcmp(text, buf, n) == 0);
	got = pread(hex, text, sizeof(text) - 1, 0);
	MUST(got >= 0 && got < (ssize_t)sizeof(text) - 1);
	text[got] = '\0';
	MUST(memchr(text, '\0', (size_t)got) == NULL);
	at = 0;
	for (line = text; *line; line = p) {
		MUST(*line == '<');
		p = strstr(line, "  ");
		MUST(p && sscanf(p - 8, "%8x", &address) == 1 &&
			address == (unsigned int)at);
		for (p += 2; *p != '|'; p += 3) {
			p += *p == ' ' && p[1] != ' ';
			if (sscanf(p, "%2x", &byte) != 1 || *p == ' ')
				break;
			MUST(at < n && (unsigned char)buf[at++] == byte);
		}
		p = strchr(p, '\n');
		MUST(p != NULL);
		p++;
	}
	MUST(at == n);
	free(buf);
}

/*
 * ---- chats ----------------------------------------------------------------
 */
/* chatted(buf, n, step, to): what the others in a chat hear of it. */
static void chatted(const char *buf, size_t n, size_t step, const char *name,
	struct gathered *to)
{
	static struct room r;
	struct member reader = { .hears = &r, .fd = -1 };
	struct member writer = { .tells = &r, .fd = 0, .id = 77 };
	struct chat *c = chat_new();
	struct record *rec;

	MUST(c != NULL);
	if (!r.ring)
		MUST(room_init(&r) == 0);
	r.head = 0;
	room_join(&r, &reader);
	c->self = &writer;
	snprintf(c->name, sizeof(c->name), "%s", name);
	for (size_t at = 0; at < n; at += step)
		MUST(chat_take(c, buf + at, n - at < step ? n - at : step) ==
			0);
	chat_leave(&c);
	to->size = to->messages = 0;
	for (; reader.at < r.head; reader.at = record_next(&r, reader.at)) {
		rec = record_at(&r, reader.at);
		if (rec->from != PADDING)
			gather(to, (const char *)(rec + 1), rec->size);
	}
	room_leave(&r, &reader);
}

static void target_chats(struct input *in)
{
	static struct gathered one, two;
	static const char name[] = "192.0.2.1:5000";
	size_t step = 1 + take_number(in, 300), repeat = take_number(in, 8);
	size_t n = 3000, start = 0, end, size;
	char *part = take_bytes(in, &n), *buf = malloc(n * (repeat + 1) + 1);

	MUST(buf != NULL);
	for (size_t i = 0; i <= repeat && n * repeat < 10000; i++)
		memcpy(buf + i * n, part, n);
	size = n * repeat < 10000 ? n * (repeat + 1) : 0;
	chatted(buf, size, size + 1, name, &one);
	chatted(buf, size, step, name, &two);
	MUST(one.size == two.size && memcmp(one.at, two.at, one.size) == 0);
	MUST(one.messages == two.messages && one.messages > 0);
	for (size_t i = 0; i < one.messages; i++, start = end) {
		end = one.ends[i];
		MUST(end - start <= AROUND + LINE_MOST * CHARACTER);
		MUST(one.at[end - 1] == '\n');
		if (i + 1 < one.messages)
			MUST(one.at[start] == '<' &&
				memcmp(one.at + start + 1, name,
					sizeof(name) - 1) == 0);
		else
			MUST(one.at[start] == '*');
		for (size_t at = start, step_one; at < end - 1;
			at += step_one) {
			step_one = character_size(one.at + at, end - 1 - at);
			MUST(step_one > 0);
		}
	}
	free(part);
	free(buf);
}

/*
 * ---- command lines --------------------------------------------------------
 */
static void target_words(struct input *in)
{
	char *text = take_text(in), *copy, **list = words_of(text, &copy);
	size_t n = 0;

	MUST(list != NULL);
	for (; list[n]; n++)
		MUST(*list[n] && !strpbrk(list[n], " \t"));
	MUST((n == 0) == (text[strspn(text, " \t")] == '\0'));
	free(list);
	free(copy);
	free(text);
}

/* parsed(o, g, argc, argv): as main does it, as often as one likes. */
static int parsed(struct options *o, struct given *g, int argc, char **argv)
{
	int result;

	messages.loudness = 0;
	optind = 0;
	result = options_parse(o, g, argc, argv);
	free(o->send.at);
	free(o->expect.text.at);
	free(o->expect.back);
	return result;
}

/* Each line of the input is an argument. */
static void target_options(struct input *in)
{
	enum { MOST = 24 };
	char *argv[MOST + 1] = { (char *)"sockcat" };
	char *text = take_text(in), *copy, *rest = NULL, *word;
	struct options o;
	struct given g;
	int argc = 1, result;

	/* No file is to be read but those that are not there. */
	copy = strstr(text, "auth-file") && strchr(text, '/') ? strdup("")
							      : strdup(text);
	for (word = strtok_r(copy, "\n", &rest); word && argc < MOST;
		word = strtok_r(NULL, "\n", &rest))
		argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
	argv[argc] = NULL;
	result = parsed(&o, &g, argc, argv);
	if (result < 0) {
		MUST(why.text[0] && strlen(why.text) < sizeof(why.text));
		MUST(why.status == MISUSED || why.status == FAILED);
	} else if (!g.text[spec_named("help")][0] &&
		!g.text[spec_named("version")][0]) {
		MUST(mode_of(&o) < MODES);
		MUST(o.target.port >= 0 && o.target.port < PORTS);
		MUST(o.target.path || o.target.host || o.listen);
		MUST(o.wait > 0 && o.idle > 0 && o.max_time > 0 && o.quit >= 0);
	}
	MUST(result == 0 || result == -1);
	free(copy);
	free(text);
}

/*
 * ---- one of them ----------------------------------------------------------
 */
static const struct target_row {
	const char *name;
	void (*run)(struct input *in);
} targets[] = { { "messages", target_messages }, { "json", target_json },
	{ "numbers", target_numbers }, { "times", target_times },
	{ "sizes", target_sizes }, { "escapes", target_escapes },
	{ "addresses", target_addresses }, { "ports", target_ports },
	{ "lists", target_lists }, { "replies", target_replies },
	{ "requests", target_requests }, { "telnet", target_telnet },
	{ "needles", target_needles }, { "dumps", target_dumps },
	{ "chats", target_chats }, { "words", target_words },
	{ "options", target_options } };

static const struct target_row *chosen;

/* choose(name): that target, and what main would have done before. */
static int choose(const char *name)
{
	for (size_t i = 0; i < COUNT(targets); i++)
		if (strcmp(targets[i].name, name) == 0)
			chosen = &targets[i];
	if (!chosen)
		fprintf(stderr, "fuzz: there is no target %s\n", name);
	unsetenv("LISTEN_FDS");
	unsetenv("SOCKCAT_PROXY_AUTH");
	messages.loudness = -1;
	signal(SIGPIPE, SIG_IGN);
	return chosen ? 0 : -1;
}

static void feed(const unsigned char *data, size_t size)
{
	struct input in = { .at = data, .left = size };

	memset(&why, 0, sizeof(why));
	chosen->run(&in);
}

#ifdef FUZZER
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (*argc < 2 || choose((*argv)[1]) < 0)
		exit(2);
	memmove(*argv + 1, *argv + 2, (size_t)(*argc - 1) * sizeof(**argv));
	--*argc;
	return 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	feed(data, size);
	return 0;
}
#else
/* feed_file(path): 1 if it was one; 0: a directory; -1: there is no such. */
static int feed_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(path);
		return -1;
	}
	if (S_ISDIR(st.st_mode)) {
		close(fd);
		return 0;
	}
	data = malloc((size_t)st.st_size + (st.st_size == 0));
	n = data ? read(fd, data, (size_t)st.st_size) : -1;
	close(fd);
	if (n == (ssize_t)st.st_size) {
		fprintf(stderr, "%s\n", path);
		feed((unsigned char *)data, (size_t)n);
	}
	free(data);
	return n == (ssize_t)st.st_size ? 1 : -1;
}

/* feed_all(path): a file, or those of a directory; how many, -1: not all. */
static int feed_all(const char *path)
{
	char name[PATH_MAX];
	int count = feed_file(path), result = 0;
	struct dirent *e;
	DIR *d;

	if (count != 0 || !(d = opendir(path)))
		return count != 0 ? count : -1;
	while (result >= 0 && (e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		result = feed_file(name);
		count += result > 0;
	}
	closedir(d);
	return result < 0 ? -1 : count;
}

int main(int argc, char **argv)
{
	bool words = argc > 1 && strcmp(argv[1], "--words") == 0;
	int count = 0, result;

	for (int i = 0; words && i < SPECS; i++)
		if (specs[i].name)
			printf("\"--%s\"\n", specs[i].name);
	if (words)
		return 0;
	for (size_t i = 0; argc < 2 && i < COUNT(targets); i++)
		puts(targets[i].name);
	if (argc < 2)
		return 0;
	if (choose(argv[1]) < 0)
		return 2;
	for (int i = 2; i < argc; i++, count += result)
		if ((result = feed_all(argv[i])) < 0)
			return 2;
	printf("%s: %d inputs\n", chosen->name, count);
	return 0;
}
#endif
