/*
 * limit: the bare loops that no program of this kind can be faster than.
 * No options, no limits of time, no way to end but a signal, no reports.
 *
 *	limit echo              an epoll loop: recv, send
 *	limit hub               an epoll loop: recv, send to all others
 *	limit udp-echo          recvmmsg, sendmmsg
 *	limit udp-sink          recvmmsg, writev to standard output
 *	limit bulk listen WAY   one connection; WAY is up (standard input to
 *	limit bulk PORT WAY     the socket), down (socket to standard output)
 *	                        or both: sendfile, splice, and for a pipe that
 *	                        others hold poll and splice without waiting
 *	limit accept            accept and close
 *
 * Listens on 127.0.0.1, the kernel picks the port.
 */
#define _GNU_SOURCE

#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	EVENTS = 512,
	MOVE = 1024 * 1024,
	BATCH = 64,
	DATAGRAM = 65536,
	MEMBERS = 65536,
};

static char scratch[256 * 1024];

static struct sockaddr_in loopback(int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	a.sin_port = htons((uint16_t)port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static int announce(int type)
{
	struct sockaddr_in a = loopback(0);
	int fd = socket(AF_INET, type, 0), size = 4 * 1024 * 1024;

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		err(1, "bind");
	if (type == SOCK_DGRAM &&
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size,
			sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (type == SOCK_STREAM && listen(fd, 4096) < 0)
		err(1, "listen");
	return fd;
}

static void watch(int poller, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) < 0)
		err(1, "epoll_ctl");
}

/*
 * serve(joined, heard): a server of streams; heard says false when the peer
 * is gone.
 */
_Noreturn static void serve(void (*joined)(int fd), bool (*heard)(int fd))
{
	int listener = announce(SOCK_STREAM), on = 1, fd, k;
	int poller = epoll_create1(0);
	struct epoll_event events[EVENTS];

	fcntl(listener, F_SETFL, O_NONBLOCK);
	watch(poller, listener);
	for (;;) {
		k = epoll_wait(poller, events, EVENTS, -1);
		for (int i = 0; i < k; i++) {
			fd = events[i].data.fd;
			if (fd != listener) {
				if (!heard(fd))
					close(fd);
				continue;
			}
			fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
			if (fd < 0)
				continue;
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
				sizeof(on));
			watch(poller, fd);
			joined(fd);
		}
	}
}

static void nobody_joined(int fd)
{
	(void)fd;
}

static bool echo_heard(int fd)
{
	ssize_t n = recv(fd, scratch, sizeof(scratch), 0);

	return n > 0 ? send(fd, scratch, (size_t)n, MSG_NOSIGNAL) == n
		: n < 0 && errno == EAGAIN;
}

static void echo(void)
{
	serve(nobody_joined, echo_heard);
}

static bool accept_heard(int fd)
{
	(void)fd;
	return false;
}

static void accept_only(void)
{
	serve(nobody_joined, accept_heard);
}

static int room[MEMBERS], present;

static void hub_joined(int fd)
{
	if (present < MEMBERS)
		room[present++] = fd;
}

/* hub_heard(fd): who cannot take it all at once is not worth waiting for. */
static bool hub_heard(int fd)
{
	ssize_t n = recv(fd, scratch, sizeof(scratch), 0);
	int i;

	if (n < 0 && errno == EAGAIN)
		return true;
	for (i = 0; i < present && n > 0; i++)
		if (room[i] != fd && send(room[i], scratch, (size_t)n,
			MSG_DONTWAIT | MSG_NOSIGNAL) < n)
			shutdown(room[i], SHUT_RDWR);
	for (i = 0; i < present && n <= 0; i++)
		if (room[i] == fd)
			room[i--] = room[--present];
	return n > 0;
}

static void hub(void)
{
	serve(hub_joined, hub_heard);
}

/* ---- datagrams -------------------------------------------------------- */

static struct mmsghdr list[BATCH];
static struct iovec parts[BATCH];
static struct sockaddr_in names[BATCH];

static void grams_init(void)
{
	char *room_for_all = malloc((size_t)BATCH * DATAGRAM);

	if (!room_for_all)
		err(1, "memory");
	for (int i = 0; i < BATCH; i++) {
		parts[i].iov_base = room_for_all + (size_t)i * DATAGRAM;
		list[i].msg_hdr.msg_iov = &parts[i];
		list[i].msg_hdr.msg_iovlen = 1;
		list[i].msg_hdr.msg_name = &names[i];
	}
}

/* grams_recv(fd): how many came; each part as long as its datagram. */
static int grams_recv(int fd)
{
	int n;

	for (int i = 0; i < BATCH; i++) {
		parts[i].iov_len = DATAGRAM;
		list[i].msg_hdr.msg_namelen = sizeof(names[i]);
	}
	n = recvmmsg(fd, list, BATCH, MSG_WAITFORONE, NULL);
	for (int i = 0; i < n; i++)
		parts[i].iov_len = list[i].msg_len;
	return n;
}

static void udp_echo(void)
{
	int fd = announce(SOCK_DGRAM), n;

	grams_init();
	for (;;) {
		n = grams_recv(fd);
		if (n > 0)
			sendmmsg(fd, list, (unsigned int)n, 0);
	}
}

static void udp_sink(void)
{
	int fd = announce(SOCK_DGRAM), n;

	grams_init();
	for (;;) {
		n = grams_recv(fd);
		if (n > 0 && writev(STDOUT_FILENO, parts, n) < 0)
			err(1, "write");
	}
}

/* ---- bulk ------------------------------------------------------------- */

static bool is(int fd, mode_t kind)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

/*
 * transfer(from, to): a pipe that others hold on one side, a socket that does
 * not block on the other.
 */
static void transfer(int from, int to)
{
	struct pollfd in = { .fd = from, .events = POLLIN };
	struct pollfd out = { .fd = to, .events = POLLOUT };
	ssize_t n;

	fcntl(is(from, S_IFIFO) ? from : to, F_SETPIPE_SZ, MOVE);
	for (;;) {
		n = splice(from, NULL, to, NULL, MOVE,
			SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
		if (n == 0)
			return;
		if (n > 0)
			continue;
		if (errno != EAGAIN)
			err(1, "splice");
		poll(&in, 1, -1);
		poll(&out, 1, -1);
	}
}

/* through(from, to): by a pipe that nobody else holds. */
static void through(int from, int to)
{
	int own[2];
	ssize_t n, w;

	if (pipe(own) < 0)
		err(1, "pipe");
	fcntl(own[0], F_SETPIPE_SZ, MOVE);
	while ((n = splice(from, NULL, own[1], NULL, MOVE, 0)) > 0)
		for (; n > 0; n -= w)
			if ((w = splice(own[0], NULL, to, NULL, (size_t)n,
				0)) <= 0)
				err(1, "splice");
}

static void *up(void *arg)
{
	int fd = *(int *)arg;
	struct pollfd out = { .fd = fd, .events = POLLOUT };
	ssize_t n = 1;

	if (is(STDIN_FILENO, S_IFIFO))
		transfer(STDIN_FILENO, fd);
	else
		while (n > 0 || (n < 0 && errno == EAGAIN &&
			poll(&out, 1, -1) > 0))
			n = sendfile(fd, STDIN_FILENO, NULL, 0x7ffff000);
	shutdown(fd, SHUT_WR);
	return NULL;
}

static void down(int fd)
{
	if (is(STDOUT_FILENO, S_IFIFO))
		transfer(fd, STDOUT_FILENO);
	else
		through(fd, STDOUT_FILENO);
}

static int bulk_socket(const char *where)
{
	struct sockaddr_in a;
	int fd, listener;

	if (strcmp(where, "listen") == 0) {
		listener = announce(SOCK_STREAM);
		fd = accept(listener, NULL, NULL);
		close(listener);
	} else {
		a = loopback(atoi(where));
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (fd >= 0 && connect(fd, (struct sockaddr *)&a,
			sizeof(a)) < 0)
			err(1, "connect");
	}
	if (fd < 0)
		err(1, "accept");
	return fd;
}

static int bulk(const char *where, const char *way)
{
	bool sends = strcmp(way, "down") != 0, gets = strcmp(way, "up") != 0;
	int fd = bulk_socket(where);
	pthread_t other;

	if ((sends && is(STDIN_FILENO, S_IFIFO)) ||
		(gets && is(STDOUT_FILENO, S_IFIFO)))
		fcntl(fd, F_SETFL, O_NONBLOCK);
	if (sends && gets) {
		if (pthread_create(&other, NULL, up, &fd) != 0)
			errx(1, "no thread");
		down(fd);
		pthread_join(other, NULL);
	} else if (sends) {
		up(&fd);
		fcntl(fd, F_SETFL, 0);
		return recv(fd, scratch, 1, 0) != 0;    /* all was read */
	} else {
		down(fd);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} loops[] = {
		{ "echo", echo }, { "hub", hub }, { "udp-echo", udp_echo },
		{ "udp-sink", udp_sink }, { "accept", accept_only },
	};
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++)
		if (argc == 2 && strcmp(argv[1], loops[i].name) == 0)
			loops[i].run();
	if (argc == 4 && strcmp(argv[1], "bulk") == 0)
		return bulk(argv[2], argv[3]);
	fprintf(stderr, "limit: see the head of limit.c\n");
	return 2;
}
