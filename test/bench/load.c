/*
 * load: what the bench puts servers under.
 *
 *	load source BYTES               write that many bytes to fd 1
 *	load drain [BYTES]              read fd 0 to its end, and say how much
 *	                                that was, or once it is so many bytes
 *	load echo PORT N SECS           round trips a second on N connections
 *	load churn PORT N SECS          connect, 1 byte there and back, close;
 *	                                N at a time
 *	load idle PORT N BYTES          N peers that each echo BYTES, then stay
 *	load members PORT N BYTES       N members of a hub, each posts BYTES
 *	load hub PORT N W SIZE SECS [stalled | trickle]
 *	                                deliveries a second to N receivers of
 *	                                one sender, W messages in flight
 *	load talk PORT N W SIZE SECS    deliveries a second while N members of
 *	                                a hub all talk, each at most W messages
 *	                                ahead of what it has heard
 *	load udp PORT N SECS            round trips a second of N peers
 *	load blast PORT SIZE SECS       datagrams, as fast as they can be sent
 *	load spawn N COMMAND ...        start to exit of a command, N times
 *
 * All on 127.0.0.1.  One line of figures on standard output, the main one
 * first.  A run that gets nowhere ends by itself with status 1.
 */
#define _GNU_SOURCE

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum {
	BLOCK = 128 * 1024,     /* one write of a source, as cat(1) does */
	MESSAGE = 64,           /* bytes of one echo round trip */
	EVENTS = 512,
	OPENING = 64,           /* connections being made at the same time */
	LOCALS = 200,           /* local addresses, so that ports last */
	PATIENCE = 60,          /* seconds to get connected */
	BATCH = 64,             /* datagrams a call */
};

extern char **environ;

static char scratch[256 * 1024];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end)
		errx(2, "%s is no number", text);
	return n;
}

static struct sockaddr_in local(long host, long port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	a.sin_port = htons((uint16_t)port);
	a.sin_addr.s_addr = htonl((uint32_t)(INADDR_LOOPBACK + host));
	return a;
}

/*
 * dial(port, i, type, flags): a socket on its way to the port.  Each i has
 * one of many local addresses, so that those who closed first, and whose
 * ports rest for a minute, do not use them up.
 */
static int dial(long port, long i, int type, int flags)
{
	struct sockaddr_in to = local(0, port), from = local(1 + i % LOCALS, 0);
	int fd = socket(AF_INET, type | flags | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		err(1, "socket");
	if (type == SOCK_STREAM) {
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
			sizeof(on));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
			err(1, "bind");
	}
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 &&
		errno != EINPROGRESS)
		err(1, "connect");
	return fd;
}

static void watch(int poller, int fd, uint32_t events, long i)
{
	struct epoll_event e = { .events = events, .data.u64 = (uint64_t)i };

	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) < 0)
		err(1, "epoll_ctl");
}

static void watch_again(int poller, int fd, uint32_t events, long i)
{
	struct epoll_event e = { .events = events, .data.u64 = (uint64_t)i };

	if (epoll_ctl(poller, EPOLL_CTL_MOD, fd, &e) < 0)
		err(1, "epoll_ctl");
}

static int *numbers(long n)
{
	int *list = calloc((size_t)n, sizeof(*list));

	if (!list)
		err(1, "memory");
	return list;
}

/*
 * dial_all(port, n, greet): n connections, not too many at once; with greet
 * each has had one byte echoed, so that somebody serves it; else they come
 * one by one, and not faster than a backlog of a few is emptied.
 */
static int *dial_all(long port, long n, bool greet)
{
	int poller = epoll_create1(EPOLL_CLOEXEC), *fds = numbers(n);
	struct epoll_event events[EVENTS];
	double limit = now() + PATIENCE;
	long begun = 0, ready = 0, most = greet ? OPENING : 1;
	int error, k;
	socklen_t len = sizeof(error);

	while (ready < n) {
		for (; begun < n && begun - ready < most; begun++) {
			if (!greet)
				usleep(500);
			fds[begun] = dial(port, begun, SOCK_STREAM,
				SOCK_NONBLOCK);
			watch(poller, fds[begun], EPOLLOUT, begun);
		}
		k = epoll_wait(poller, events, EVENTS, 1000);
		if (now() > limit)
			errx(1, "%ld of %ld connected in time", ready, n);
		for (int i = 0; i < k; i++) {
			long which = (long)events[i].data.u64;
			int fd = fds[which];

			getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
			if (error)
				errx(1, "connection %ld: %s", which,
					strerror(error));
			if (greet && (events[i].events & EPOLLOUT)) {
				if (send(fd, "x", 1, 0) != 1)
					err(1, "send");
				watch_again(poller, fd, EPOLLIN, which);
				continue;
			}
			if (greet && recv(fd, scratch, 1, 0) != 1)
				errx(1, "connection %ld: not echoed", which);
			epoll_ctl(poller, EPOLL_CTL_DEL, fd, NULL);
			ready++;
		}
	}
	close(poller);
	return fds;
}

/* ---- bytes ------------------------------------------------------------ */

static int source(int argc, char **argv)
{
	long long left = argc > 0 ? atoll(argv[0]) : 0;
	ssize_t n;

	memset(scratch, 'x', sizeof(scratch));
	for (; left > 0; left -= n) {
		n = write(STDOUT_FILENO, scratch,
			left < BLOCK ? (size_t)left : BLOCK);
		if (n < 0)
			err(1, "write");
	}
	return 0;
}

static int drain(int argc, char **argv)
{
	long long limit = argc > 0 ? atoll(argv[0]) : INT64_MAX, got = 0;
	double start = 0;
	bool told = false;
	ssize_t n = 0;

	while ((n = read(STDIN_FILENO, scratch, BLOCK)) > 0) {
		if (got == 0)
			start = now();
		got += n;
		if (got < limit)
			continue;
		printf("%lld %.6f\n", got, now() - start);
		fflush(stdout);
		limit = INT64_MAX;
		told = true;
	}
	if (!told)
		printf("%lld %.6f\n", got, got > 0 ? now() - start : 0);
	return n < 0;
}

/* ---- round trips ------------------------------------------------------ */

static void trip_send(int fd)
{
	if (send(fd, scratch, MESSAGE, 0) != MESSAGE)
		err(1, "send");
}

/* echo_one(fd, secs): nothing between the two calls. */
static double echo_one(int fd, long secs)
{
	double start = now(), end = start + (double)secs;
	long long trips = 0;
	ssize_t n;

	fcntl(fd, F_SETFL, 0);
	while ((trips & 63) || now() < end) {
		trip_send(fd);
		for (size_t got = 0; got < MESSAGE; got += (size_t)n) {
			n = recv(fd, scratch, MESSAGE, 0);
			if (n <= 0)
				errx(1, "the echo ended");
		}
		trips++;
	}
	return (double)trips / (now() - start);
}

static double echo_many(const int *fds, long n, long secs)
{
	int poller = epoll_create1(EPOLL_CLOEXEC), k, *got = numbers(n);
	struct epoll_event events[EVENTS];
	double start, end;
	long long trips = 0;

	for (long i = 0; i < n; i++)
		watch(poller, fds[i], EPOLLIN, i);
	start = now();
	end = start + (double)secs;
	for (long i = 0; i < n; i++)
		trip_send(fds[i]);
	while (now() < end) {
		k = epoll_wait(poller, events, EVENTS, 1000);
		for (int i = 0; i < k; i++) {
			long which = (long)events[i].data.u64;
			ssize_t r = recv(fds[which], scratch, MESSAGE, 0);

			if (r <= 0)
				errx(1, "echo %ld ended", which);
			got[which] += (int)r;
			if (got[which] < MESSAGE)
				continue;
			got[which] = 0;
			trips++;
			trip_send(fds[which]);
		}
	}
	return (double)trips / (now() - start);
}

static int echo(int argc, char **argv)
{
	long n, secs;
	int *fds;

	if (argc != 3)
		return 2;
	n = number(argv[1]);
	secs = number(argv[2]);
	alarm((unsigned int)(PATIENCE + secs + 10));
	fds = dial_all(number(argv[0]), n, true);
	printf("%.0f\n", n == 1 ? echo_one(fds[0], secs)
		: echo_many(fds, n, secs));
	return 0;
}

/*
 * churn: N slots; in each a connection is made, a byte goes there and back,
 * the connection is closed and the next one begins.
 */
static int churn(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	int poller = epoll_create1(EPOLL_CLOEXEC), k, *fds;
	long long done = 0, begun = 0, failed = 0;
	double start, end;
	long port, n;

	if (argc != 3)
		return 2;
	port = number(argv[0]);
	n = number(argv[1]);
	fds = numbers(n);
	alarm((unsigned int)(number(argv[2]) + PATIENCE));
	start = now();
	end = start + (double)number(argv[2]);
	for (long i = 0; i < n; i++) {
		fds[i] = dial(port, begun++, SOCK_STREAM, SOCK_NONBLOCK);
		watch(poller, fds[i], EPOLLOUT, i);
	}
	while (now() < end) {
		k = epoll_wait(poller, events, EVENTS, 1000);
		for (int i = 0; i < k; i++) {
			long which = (long)events[i].data.u64;
			int fd = fds[which];
			bool ok;

			if (events[i].events == EPOLLOUT &&
				send(fd, "x", 1, 0) == 1) {
				watch_again(poller, fd, EPOLLIN, which);
				continue;
			}
			ok = recv(fd, scratch, 1, 0) == 1;
			done += ok;
			failed += !ok;
			close(fd);
			fds[which] = dial(port, begun++, SOCK_STREAM,
				SOCK_NONBLOCK);
			watch(poller, fds[which], EPOLLOUT, which);
		}
	}
	printf("%.0f %lld\n", (double)done / (now() - start), failed);
	return 0;
}

/* ---- memory ----------------------------------------------------------- */

/* stay_until_told(): the runner measures, then closes standard input. */
static int stay_until_told(void)
{
	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, scratch, sizeof(scratch)) > 0)
		continue;
	return 0;
}

/* idle_echo(fd, bytes): all of it there and back; a writer never waits. */
static void idle_echo(int fd, long bytes)
{
	struct pollfd p = { .fd = fd };
	long sent = 0, got = 0;
	ssize_t n;

	while (got < bytes) {
		p.events = (short)(POLLIN | (sent < bytes ? POLLOUT : 0));
		if (poll(&p, 1, 10000) <= 0)
			errx(1, "the echo hangs");
		if (p.revents & POLLOUT) {
			n = send(fd, scratch, (size_t)(bytes - sent) <
				sizeof(scratch) ? (size_t)(bytes - sent)
				: sizeof(scratch), MSG_DONTWAIT);
			sent += n > 0 ? n : 0;
		}
		n = recv(fd, scratch, sizeof(scratch), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			errx(1, "the echo ended");
		got += n > 0 ? n : 0;
	}
}

static int idle(int argc, char **argv)
{
	int *fds;
	long n;

	if (argc != 3)
		return 2;
	alarm(3 * PATIENCE);
	n = number(argv[1]);
	fds = dial_all(number(argv[0]), n, true);
	for (long i = 0; i < n; i++)
		idle_echo(fds[i], number(argv[2]));
	return stay_until_told();
}

/* hear(poller, fds, got, wait): read what has come; how many bytes. */
static long long hear(int poller, const int *fds, long long *got, int wait)
{
	struct epoll_event events[EVENTS];
	int k = epoll_wait(poller, events, EVENTS, wait);
	long long all = 0;
	ssize_t n;

	for (int i = 0; i < k; i++) {
		long which = (long)events[i].data.u64;

		n = recv(fds[which], scratch, sizeof(scratch), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			errx(1, "member %ld was dropped", which);
		if (n > 0) {
			got[which] += n;
			all += n;
		}
	}
	return all;
}

/* all_heard(got, n, bytes, but): each has that many, but one. */
static bool all_heard(const long long *got, long n, long long bytes, long but)
{
	for (long i = 0; i < n; i++)
		if (i != but && got[i] < bytes)
			return false;
	return true;
}

/*
 * greet(sender, poller, fds, got, n, size): messages until everybody heard
 * one, then silence; so all are members.  got[] is 0 afterwards.
 */
static void greet(int sender, int poller, const int *fds, long long *got,
	long n, size_t size, long but)
{
	double limit = now() + PATIENCE;

	while (!all_heard(got, n, 1, but)) {
		if (send(sender, scratch, size, 0) != (ssize_t)size)
			err(1, "send");
		for (double t = now() + .1; now() < t &&
			!all_heard(got, n, 1, but);)
			hear(poller, fds, got, 20);
		if (now() > limit)
			errx(1, "not all became members in time");
	}
	while (hear(poller, fds, got, 300) > 0)
		continue;
	memset(got, 0, (size_t)n * sizeof(*got));
}

static int members(int argc, char **argv)
{
	int poller = epoll_create1(EPOLL_CLOEXEC), *fds;
	long n, bytes;
	long long *got;

	if (argc != 3)
		return 2;
	alarm(3 * PATIENCE);
	n = number(argv[1]);
	bytes = number(argv[2]);
	if (bytes < 1 || bytes > (long)sizeof(scratch))
		return 2;
	fds = dial_all(number(argv[0]), n, false);
	got = calloc((size_t)n, sizeof(*got));
	if (!got)
		err(1, "memory");
	for (long i = 0; i < n; i++)
		watch(poller, fds[i], EPOLLIN, i);
	greet(fds[0], poller, fds, got, n, 1, 0);
	for (long i = 0; i < n; i++) {
		memset(got, 0, (size_t)n * sizeof(*got));
		if (send(fds[i], scratch, (size_t)bytes, 0) != bytes)
			err(1, "send");
		while (!all_heard(got, n, bytes, i))
			hear(poller, fds, got, 1000);
	}
	return stay_until_told();
}

/* ---- hub -------------------------------------------------------------- */

enum manner { READS, STALLED, TRICKLES };

struct hub {
	int sender, poller, extra;
	enum manner manner;     /* of the extra receiver */
	int *fds;
	long n, flight;
	size_t size;
	long long *got;         /* bytes that each receiver has */
	long *left;             /* of each message in flight: who lacks it */
	long long first;        /* the oldest message in flight */
	long long next;         /* to be sent */
	size_t part;            /* bytes of it that are */
	long long deliveries;
	double trickled;
};

/* hub_feed(h): send what may be in flight. */
static void hub_feed(struct hub *h)
{
	ssize_t n;

	while (h->next - h->first < h->flight) {
		if (h->part == 0)
			h->left[h->next % h->flight] = h->n;
		n = send(h->sender, scratch, h->size - h->part, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			err(1, "send");
		h->part += (size_t)n;
		if (h->part == h->size) {
			h->part = 0;
			h->next++;
		}
	}
}

static void hub_read(struct hub *h, long which)
{
	ssize_t n = recv(h->fds[which], scratch, sizeof(scratch),
		MSG_DONTWAIT);
	long long size = (long long)h->size, before, after;

	if (n == 0 || (n < 0 && errno != EAGAIN))
		errx(1, "receiver %ld was dropped", which);
	if (n < 0)
		return;
	before = h->got[which] / size;
	h->got[which] += n;
	after = h->got[which] / size;
	h->deliveries += after - before;
	for (; before < after; before++)
		h->left[before % h->flight]--;
}

/* hub_trickle(h): the slow one takes 64 bytes each 10 ms. */
static void hub_trickle(struct hub *h)
{
	char few[64];

	if (h->manner != TRICKLES || h->extra < 0 || now() < h->trickled)
		return;
	h->trickled = now() + .01;
	if (recv(h->extra, few, sizeof(few), MSG_DONTWAIT) == 0 ||
		errno == ECONNRESET) {
		close(h->extra);
		h->extra = -1;
	}
	errno = 0;
}

/* hub_run(h, secs): deliveries a second; the longest gap between any two. */
static double hub_run(struct hub *h, double secs, double *gap)
{
	struct epoll_event events[EVENTS];
	double start = now(), last = start, t = start;
	int k;

	*gap = 0;
	for (; t < start + secs; t = now()) {
		if (t - last > *gap)
			*gap = t - last;
		hub_feed(h);
		hub_trickle(h);
		k = epoll_wait(h->poller, events, EVENTS, 10);
		for (int i = 0; i < k; i++)
			hub_read(h, (long)events[i].data.u64);
		while (h->first < h->next &&
			h->left[h->first % h->flight] == 0)
			h->first++;
		if (k > 0)
			last = now();
	}
	return (double)h->deliveries / (now() - start);
}

static int hub(int argc, char **argv)
{
	struct hub h = { .poller = epoll_create1(EPOLL_CLOEXEC) };
	double rate, gap;
	long port, secs;
	int *extra;

	if (argc < 5 || argc > 6)
		return 2;
	port = number(argv[0]);
	h.n = number(argv[1]);
	h.flight = number(argv[2]);
	h.size = (size_t)number(argv[3]);
	secs = number(argv[4]);
	if (h.size > sizeof(scratch) || h.flight < 1)
		return 2;
	alarm((unsigned int)(2 * PATIENCE + secs));
	h.manner = argc < 6 ? READS : strcmp(argv[5], "trickle") == 0
		? TRICKLES : STALLED;
	h.fds = dial_all(port, h.n + 1, false);
	h.got = calloc((size_t)h.n, sizeof(*h.got));
	h.left = calloc((size_t)h.flight, sizeof(*h.left));
	if (!h.got || !h.left)
		err(1, "memory");
	h.sender = h.fds[h.n];
	for (long i = 0; i < h.n; i++)
		watch(h.poller, h.fds[i], EPOLLIN, i);
	greet(h.sender, h.poller, h.fds, h.got, h.n, h.size, -1);
	if (h.manner != READS) {
		extra = dial_all(port, 1, false);
		h.extra = extra[0];
	}
	rate = hub_run(&h, (double)secs, &gap);
	printf("%.0f %.3f\n", rate, gap);
	return 0;
}

/* ---- a hub in which all talk ------------------------------------------ */

struct talker {
	int fd;
	long long sent, heard; /* bytes */
};

/* talker_send(t, n, ahead, size): as much as it may be ahead. */
static void talker_send(struct talker *t, long n, long ahead, long size)
{
	long long due = (t->heard / (n - 1) / size + ahead) * size;
	ssize_t r;

	while (t->sent < due) {
		r = send(t->fd, scratch, (size_t)(due - t->sent < size
			? due - t->sent : size), MSG_DONTWAIT);
		if (r < 0 && errno == EAGAIN)
			return;
		if (r < 0)
			err(1, "send");
		t->sent += r;
	}
}

static void talker_hear(struct talker *t)
{
	ssize_t r = recv(t->fd, scratch, sizeof(scratch), MSG_DONTWAIT);

	if (r == 0 || (r < 0 && errno != EAGAIN))
		errx(1, "a member was dropped");
	t->heard += r > 0 ? r : 0;
}

static int talk(int argc, char **argv)
{
	int poller = epoll_create1(EPOLL_CLOEXEC), *fds, k;
	struct epoll_event events[EVENTS];
	struct talker *all;
	long long *got, heard = 0;
	long n, ahead, size;
	double start, end;

	if (argc != 5)
		return 2;
	n = number(argv[1]);
	ahead = number(argv[2]);
	size = number(argv[3]);
	if (n < 2 || ahead < 1 || size < 1 || size > (long)sizeof(scratch))
		return 2;
	alarm((unsigned int)(2 * PATIENCE + number(argv[4])));
	fds = dial_all(number(argv[0]), n, false);
	got = calloc((size_t)n, sizeof(*got));
	all = calloc((size_t)n, sizeof(*all));
	if (!got || !all)
		err(1, "memory");
	for (long i = 0; i < n; i++) {
		watch(poller, fds[i], EPOLLIN, i);
		all[i].fd = fds[i];
	}
	greet(fds[0], poller, fds, got, n, 1, 0);
	start = now();
	end = start + (double)number(argv[4]);
	for (long i = 0; i < n; i++)
		talker_send(&all[i], n, ahead, size);
	while (now() < end) {
		k = epoll_wait(poller, events, EVENTS, 100);
		for (int i = 0; i < k; i++) {
			struct talker *t = &all[events[i].data.u64];

			talker_hear(t);
			talker_send(t, n, ahead, size);
		}
	}
	for (long i = 0; i < n; i++)
		heard += all[i].heard / size;
	printf("%.0f\n", (double)heard / (now() - start));
	return 0;
}

/* ---- datagrams -------------------------------------------------------- */

static double udp_one(int fd, long secs, long long *lost)
{
	struct timeval t = { 0, 200000 };
	double start = now(), end = start + (double)secs;
	long long trips = 0;

	fcntl(fd, F_SETFL, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	while ((trips & 15) || now() < end) {
		trip_send(fd);
		if (recv(fd, scratch, MESSAGE, 0) == MESSAGE)
			trips++;
		else if (errno != EAGAIN)
			err(1, "recv");
		else if (++*lost > 100)
			errx(1, "no answers");
	}
	return (double)trips / (now() - start);
}

/* udp_resend(...): who has waited for 200 ms has lost one. */
static long long udp_resend(const int *fds, double *since, long n, double t)
{
	long long lost = 0;

	for (long i = 0; i < n; i++)
		if (t - since[i] > .2) {
			since[i] = t;
			trip_send(fds[i]);
			lost++;
		}
	return lost;
}

static double udp_many(const int *fds, long n, long secs, long long *lost)
{
	int poller = epoll_create1(EPOLL_CLOEXEC), k;
	double *since = calloc((size_t)n, sizeof(*since)), start, t, check;
	struct epoll_event events[EVENTS];
	long long trips = 0;

	if (!since)
		err(1, "memory");
	for (long i = 0; i < n; i++)
		watch(poller, fds[i], EPOLLIN, i);
	start = t = check = now();
	for (long i = 0; i < n; i++) {
		since[i] = t;
		trip_send(fds[i]);
	}
	while (t < start + (double)secs) {
		k = epoll_wait(poller, events, EVENTS, 100);
		t = now();
		for (int i = 0; i < k; i++) {
			long which = (long)events[i].data.u64;

			if (recv(fds[which], scratch, MESSAGE, 0) < 0)
				continue;
			trips++;
			since[which] = t;
			trip_send(fds[which]);
		}
		if (t - check > .1) {
			check = t;
			*lost += udp_resend(fds, since, n, t);
		}
	}
	return (double)trips / (now() - start);
}

static int udp(int argc, char **argv)
{
	long long lost = 0;
	long n, secs;
	double rate;
	int *fds;

	if (argc != 3)
		return 2;
	n = number(argv[1]);
	secs = number(argv[2]);
	alarm((unsigned int)(PATIENCE + secs));
	fds = numbers(n);
	for (long i = 0; i < n; i++)
		fds[i] = dial(number(argv[0]), i, SOCK_DGRAM, SOCK_NONBLOCK);
	rate = n == 1 ? udp_one(fds[0], secs, &lost)
		: udp_many(fds, n, secs, &lost);
	printf("%.0f %lld\n", rate, lost);
	return 0;
}

/* blast: sent a second, and how many in all; who listens knows the rest. */
static int blast(int argc, char **argv)
{
	struct iovec part = { .iov_base = scratch };
	struct mmsghdr list[BATCH];
	long long sent = 0, most;
	double start, t;
	int fd, n;

	if (argc != 3 && argc != 4)
		return 2;
	part.iov_len = (size_t)number(argv[1]);
	most = argc == 4 ? number(argv[3]) : INT64_MAX;
	alarm((unsigned int)(PATIENCE + number(argv[2])));
	fd = dial(number(argv[0]), 0, SOCK_DGRAM, 0);
	memset(list, 0, sizeof(list));
	for (int i = 0; i < BATCH; i++) {
		list[i].msg_hdr.msg_iov = &part;
		list[i].msg_hdr.msg_iovlen = 1;
	}
	/* The first one is the one that makes us known. */
	if (send(fd, scratch, part.iov_len, 0) < 0)
		err(1, "send");
	usleep(200000);
	start = t = now();
	while (t < start + (double)number(argv[2]) && sent < most) {
		n = sendmmsg(fd, list, most - sent < BATCH
			? (unsigned int)(most - sent) : BATCH, 0);
		if (n < 0)
			err(1, "sendmmsg");
		sent += n;
		t = now();
	}
	printf("%.0f %lld\n", (double)sent / (t - start), sent + 1);
	return 0;
}

/* ---- start to exit ---------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int spawn(int argc, char **argv)
{
	long n = argc > 1 ? number(argv[0]) : 0;
	double *took = calloc((size_t)n + 1, sizeof(*took)), start;
	int status;
	pid_t pid;

	if (n < 1 || !took)
		return 2;
	alarm(2 * PATIENCE);
	for (long i = 0; i < n; i++) {
		start = now();
		errno = posix_spawnp(&pid, argv[1], NULL, NULL, argv + 1,
			environ);
		if (errno)
			err(1, "%s", argv[1]);
		if (waitpid(pid, &status, 0) != pid || status != 0)
			errx(1, "%s failed", argv[1]);
		took[i] = now() - start;
	}
	qsort(took, (size_t)n, sizeof(*took), by_size);
	printf("%.1f\n", took[n / 2] * 1e6);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} jobs[] = {
	{ "source", source }, { "drain", drain }, { "echo", echo },
	{ "churn", churn }, { "idle", idle }, { "members", members },
	{ "hub", hub }, { "talk", talk }, { "udp", udp }, { "blast", blast },
	{ "spawn", spawn },
};

int main(int argc, char **argv)
{
	struct rlimit files;
	int result = 2;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++)
		if (argc > 1 && strcmp(argv[1], jobs[i].name) == 0)
			result = jobs[i].run(argc - 2, argv + 2);
	if (result == 2)
		fprintf(stderr, "load: see the head of load.c\n");
	return result;
}
