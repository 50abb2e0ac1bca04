/*
 * sockcat: move bytes between a program and the network.
 *
 * The file reads from top to bottom: each section uses only what stands
 * above it.  The sections: platform, messages, numbers, addresses, sockets,
 * proxies, endpoints, taps, watching, pumps, commands, serving, room, port,
 * modes, command line, main.
 * sockcat.1 is the contract with the user.
 *
 * Who would rather begin at the end: main() has the options parsed and calls
 * the function of the mode that they ask for.  From there
 *
 *	a byte of standard input	mode_one dials or accepts, relay_run
 *	to the peer			starts relay_up; its pump() reads with
 *					end_read and writes with end_write
 *	a byte of one peer of a hub	a worker accepts, hub_service pumps into
 *	to all others			member_take; room_spread keeps it in the
 *					ring and deliver() sends it
 *	a byte through a forward	a worker accepts, forward_open dials; a
 *					bridge has two flows, which keeper_serve
 *					or, for a bulk, pump() moves
 *	a datagram of many peers	port_run receives a batch, port_hear
 *					gives each message to the mode
 *	a failure			fail() keeps it in why where the call
 *					failed, everything returns -1 up to the
 *					mode, which says it once (complain) and
 *					returns the exit status
 */

/*
 * ---- platform -------------------------------------------------------------
 *
 * C11 and POSIX.1-2008, plus what Linux does better behind a shim.  Built
 * with -DPORTABLE only the plain POSIX paths remain.  Nothing below this
 * section asks which system it is compiled for.
 */
#define _GNU_SOURCE

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define VERSION "0.1"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MS 1000000LL /* nanoseconds in a millisecond */
#define SECOND (1000 * MS)
#define NEVER INT64_MAX /* a deadline or a limit that never passes */

/* The exit statuses, as in sockcat.1. */
enum status {
	DONE = 0,        /* everything was delivered */
	FAILED = 1,      /* network or I/O */
	MISUSED = 2,     /* the command line */
	UNRESOLVED = 3,  /* a name has no address */
	TIMED_OUT = 124, /* a time limit passed */
	NOT_RUN = 126,   /* the command cannot be run */
	NOT_FOUND = 127, /* ... is not there */
};

enum {
	BUFFER_SIZE = 256 * 1024,    /* one read of a stream ... */
	SMALL_SIZE = 4 * 1024,       /* ... while there is little */
	MOVE_SIZE = 1024 * 1024,     /* one move without copying */
	DATAGRAM_OUT = 8192,         /* console bytes put in one datagram */
	DATAGRAM_MOST = 65536,       /* ... and bytes of a command */
	SCRAP_SIZE = 16 * 1024,      /* one read of bytes to throw away */
	ADDRESSES = 64,              /* used of what a name resolves to */
	LISTENERS = 16,              /* sockets of one listener */
	LOOKUPS = 16,                /* running at the same time */
	WAITING = 4,                 /* workers in accept, per socket */
	BATCH = 32,                  /* datagrams taken in one call */
	PEERS = 1024,                /* datagram peers remembered */
	COMMANDS = 64,               /* ... where each has a command */
	REFUSED = 64,                /* ... of those who may not send */
	PLENTY = 65536,              /* descriptors that suffice for all */
	ACCESS_BYTES = 1024 * 1024,  /* of a file of who may connect */
	ACCESS_BLOCKS = 65536,       /* allowed, and denied */
	RING_SIZE = 4 * 1024 * 1024, /* bytes a room holds for laggards */
	DATAGRAMS_SIZE = 4 * 1024 * 1024, /* wanted of a listener's queue */
	DELIVERY = 256 * 1024,            /* bytes to one laggard in one go */
	PARTS = 32,                       /* messages sent in one call */
	READY = 64,                       /* descriptors told of in one call */
	KEEPERS = 4,                      /* threads that keep ways at rest */
	PORTS = 65536,                    /* from 0 */
};

static const int64_t race_delay = 250 * MS;     /* RFC 8305, section 5 */
static const int64_t last_try = 50 * MS;        /* of --retry, at the end */
static const int64_t farewell = 2 * SECOND;     /* close: no progress */
static const int64_t short_pause = 100 * MS;    /* out of descriptors */
static const int bulk_pause = 100;              /* ms without data end a bulk */
static const int64_t remembered = 300 * SECOND; /* silent datagram peers */
static const int64_t reload_time = 30 * SECOND; /* names of --allow again */
static const int64_t eviction = SECOND;         /* a laggard holds up others */
static const int64_t slow_window = 10 * SECOND; /* ... or only the console */

/* A sanitizer has larger frames, and files of its own for what it finds. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Of service threads. */
#define STACK_SIZE ((size_t)(SANITIZED ? 1024 : 64) * 1024)

/* The tests make reads, and moves without copying, as short as they like. */
#ifndef CHUNK
#define CHUNK BUFFER_SIZE
#endif
#ifndef MOVE_CHUNK
#define MOVE_CHUNK MOVE_SIZE
#endif

enum { NO_PORT = -1, ANY_PORT = -2 };

/* What a run still needs once it is set up; all else may be given up. */
struct needs {
	const char *made[3]; /* files made, renamed and removed, or NULL */
	bool reads;          /* any file: names are looked up */
	int bind, connect;   /* the TCP port */
};

/* directory_of(path, dir): where the file stands. */
static const char *directory_of(const char *path, char dir[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	snprintf(dir, PATH_MAX, "%.*s", slash ? (int)(slash - path) + 1 : 1,
		slash ? path : ".");
	return dir;
}

#if defined(__linux__) && !defined(PORTABLE)
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

#ifndef SIOCOUTQ
#define SIOCOUTQ TIOCOUTQ /* the same, without the kernel's headers */
#endif

enum { HAVE_ABSTRACT = 1, HAVE_OUTQ = 1 };

/* How a process or a thread shares the processor. */
struct policy {
	int kind;
	struct sched_param priority;
};

/* policy_get(p), policy_set(p): that of this process. */
static void policy_get(struct policy *p)
{
	p->kind = sched_getscheduler(0);
	(void)sched_getparam(0, &p->priority);
}

static void policy_set(const struct policy *p)
{
	(void)sched_setscheduler(0, p->kind, &p->priority);
}

/*
 * thread_gather(): a thread that serves peers rather ends its turn on the
 * processor than pushes another aside: less switching when all are busy.
 * Nothing is done about a policy that somebody has chosen.
 */
static void thread_gather(void)
{
	static const struct policy batch = { .kind = SCHED_BATCH };

	if (sched_getscheduler(0) == SCHED_OTHER)
		policy_set(&batch);
}

/* sock_new, sock_take: socket(2) and accept(2), which no child inherits. */
static int sock_new(int domain, int type)
{
	return socket(domain, type | SOCK_CLOEXEC, 0);
}

static int sock_take(int listener, struct sockaddr *sa, socklen_t *len)
{
	return accept4(listener, sa, len, SOCK_CLOEXEC);
}

/*
 * unacknowledged(fd): how many bytes, a FIN counting as one, the peer's
 * kernel has not confirmed yet; 0 as well where that has no meaning.
 */
static int64_t unacknowledged(int fd)
{
	int family = 0, n = 0;
	socklen_t len = sizeof(family);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0 ||
		family == AF_UNIX || ioctl(fd, SIOCOUTQ, &n) < 0)
		return 0;
	return n;
}

/*
 * confirmed(fd): how many bytes the peer's kernel has acknowledged in all, so
 * far as it can be known; struct tcp_info has it at 120 since Linux 4.1.
 * For a Unix socket minus what it has not read: that moves as well.
 */
static int64_t confirmed(int fd)
{
	unsigned char info[128];
	int queued = 0;
	int64_t n = 0;
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) < 0)
		return ioctl(fd, SIOCOUTQ, &queued) < 0 ? 0 : -queued;
	if (len == sizeof(info))
		memcpy(&n, info + 120, sizeof(n));
	return n;
}

/*
 * sock_quality(fd, n, rtt): a TCP connection: add to n what was sent again;
 * rtt: nanoseconds there and back.  False where it cannot be known.
 */
static bool sock_quality(int fd, long long *n, int64_t *rtt)
{
	struct tcp_info info = { .tcpi_state = 0 };
	socklen_t len = sizeof(info);

	if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return false;
	*n += info.tcpi_total_retrans;
	*rtt = info.tcpi_rtt * (MS / 1000);
	return true;
}

/* sock_linger(fd, patience): nothing, where the kernel tells what is left. */
static void sock_linger(int fd, int64_t patience)
{
	(void)fd, (void)patience;
}

/*
 * recv_many, send_many: several datagrams in one call, the latter without
 * waiting; how many were done.
 */
#define many mmsghdr

static int recv_many(int fd, struct many *m, unsigned int n)
{
	return recvmmsg(fd, m, n, MSG_WAITFORONE, NULL);
}

static int send_many(int fd, struct many *m, unsigned int n)
{
	return sendmmsg(fd, m, n, MSG_DONTWAIT);
}

/*
 * move_pipe(from, to, n, wait): from or into a pipe without copying; EINVAL
 * where the kernel cannot, EAGAIN where it had to wait and shall not.
 */
static ssize_t move_pipe(int from, int to, size_t n, bool wait)
{
	return splice(from, NULL, to, NULL, n,
		wait ? SPLICE_F_MOVE : SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

/* sock_set_queue(fd, n): room for n bytes received, whatever the limit is. */
static void sock_set_queue(int fd, int n)
{
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &n, sizeof(n)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
}

/* move_file(from, to, n): from a regular file to a socket. */
static ssize_t move_file(int from, int to, size_t n)
{
	return sendfile(to, from, NULL, n);
}

/*
 * A set of descriptors that wait together, at a cost that does not grow with
 * their number: set_new() opens one, -1: there is none; set_add(set, fd, of,
 * events) has it tell of these, as poll(2) calls them, and of errors;
 * set_change(set, fd, of, events) of others.  set_wait(set, of) is how many
 * have something.
 */
static int set_new(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

static int set_add(int set, int fd, void *of, int events)
{
	struct epoll_event e = { .events = (uint32_t)events, .data.ptr = of };

	return epoll_ctl(set, EPOLL_CTL_ADD, fd, &e);
}

static void set_change(int set, int fd, void *of, int events)
{
	struct epoll_event e = { .events = (uint32_t)events, .data.ptr = of };

	(void)epoll_ctl(set, EPOLL_CTL_MOD, fd, &e);
}

static void set_remove(int set, int fd)
{
	struct epoll_event none = { .events = 0 };

	(void)epoll_ctl(set, EPOLL_CTL_DEL, fd, &none);
}

static int set_wait(int set, void *of[READY])
{
	struct epoll_event e[READY];
	int n = epoll_wait(set, e, READY, -1);

	for (int i = 0; i < n; i++)
		of[i] = e[i].data.ptr;
	return n;
}

/* processors(): how many this process may use. */
static int processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set)
							    : 1;
}

/* process_watch(pid): a descriptor that is readable once it has ended. */
static int process_watch(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* pipe_grow(fd): to 1 MiB, if that is allowed; a larger one stays. */
static void pipe_grow(int fd)
{
	int size = fcntl(fd, F_GETPIPE_SZ); /* -1: it is no pipe */

	if (size > 0 && size < MOVE_SIZE)
		(void)fcntl(fd, F_SETPIPE_SZ, MOVE_SIZE);
}

/* Landlock, by hand: not every system has its header. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
enum { RULE_PATH = 1, RULE_PORT = 2 }; /* sorts of rules */
enum { TCP_BIND = 1, TCP_CONNECT = 2, SIGNALS = 2 };
enum {
	FILE_WRITE = 2,
	FILE_READ = 4,
	DIR_READ = 8,
	FILE_REMOVE = 32,
	FILE_MAKE = 256,
	SOCK_MAKE = 512
};

/* allow_path(rules, path, rights): to the file, or to all of a directory. */
static void allow_path(int rules, const char *path, uint64_t rights)
{
	struct {
		uint64_t rights;
		int32_t fd;
	} rule = { rights, open(path, O_PATH | O_CLOEXEC) };

	if (rule.fd < 0)
		return;
	(void)syscall(SYS_landlock_add_rule, rules, RULE_PATH, &rule, 0);
	close(rule.fd);
}

/* allow_port(rules, port, right): to bind or connect to it; negative: none. */
static void allow_port(int rules, int port, uint64_t right)
{
	struct {
		uint64_t rights, port;
	} rule = { right, (uint64_t)port };

	if (port >= 0)
		(void)syscall(
			SYS_landlock_add_rule, rules, RULE_PORT, &rule, 0);
}

/*
 * confine(n): this thread, and those it starts from now on, give up for good
 * what is not in n, as far as the kernel knows how.  The right to remove a
 * file, or to make it, is one to all of its directory.
 */
static void confine(const struct needs *n)
{
	struct {
		uint64_t files, ports, inside;
	} given_up = { .ports = 0 };
	char dir[PATH_MAX];
	bool reads = n->reads || SANITIZED;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
	int rules;

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (abi < 1)
		return;
	/* 13 rights, and each of these versions knows one more. */
	given_up.files = (1ULL << (13 + (abi > 1) + (abi > 2) + (abi > 4))) - 1;
	if (reads)
		given_up.files &= ~(uint64_t)(FILE_READ | DIR_READ);
	if (SANITIZED)
		given_up.files &= ~(uint64_t)(FILE_WRITE | FILE_MAKE);
	if (abi > 3)
		given_up.ports = (n->bind == ANY_PORT ? 0 : TCP_BIND) |
			(n->connect == ANY_PORT ? 0 : TCP_CONNECT);
	if (abi > 5)
		given_up.inside = SIGNALS;
	rules = (int)syscall(
		SYS_landlock_create_ruleset, &given_up, sizeof(given_up), 0);
	if (rules < 0)
		return;
	if (!reads) {
		allow_path(rules, "/etc/services", FILE_READ);
		allow_path(rules, "/etc/nsswitch.conf", FILE_READ);
	}
	allow_path(
		rules, "/dev/null", given_up.files & (FILE_READ | FILE_WRITE));
	for (size_t i = 0; i < COUNT(n->made); i++)
		if (n->made[i])
			allow_path(rules, directory_of(n->made[i], dir),
				given_up.files &
					(FILE_MAKE | SOCK_MAKE | FILE_REMOVE));
	allow_port(rules, n->bind, TCP_BIND);
	allow_port(rules, n->connect, TCP_CONNECT);
	(void)syscall(SYS_landlock_restrict_self, rules, 0);
	close(rules);
}

#else

/*
 * The plain paths.  What has no substitute says so: -1 with errno, no rights
 * given up, no policy; its callers go on by reading, writing and waiting.
 */
enum { HAVE_ABSTRACT = 0, HAVE_OUTQ = 0 };

static void confine(const struct needs *n)
{
#ifdef __OpenBSD__
	char dir[PATH_MAX];
	bool files = n->reads;

	for (size_t i = 0; i < COUNT(n->made); i++) {
		if (n->made[i])
			unveil(directory_of(n->made[i], dir), "rwc");
		files = files || n->made[i];
	}
	if (files)
		unveil("/", "rw");
	pledge(files ? "stdio inet unix dns mcast sendfd rpath cpath"
		     : "stdio inet unix dns mcast sendfd",
		NULL);
#else
	(void)n, (void)directory_of;
#endif
}

struct policy {
	char none;
};

static void policy_get(struct policy *p)
{
	(void)p;
}

static void policy_set(const struct policy *p)
{
	(void)p;
}

static void thread_gather(void)
{
}

static int cloexec(int fd)
{
	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static int sock_new(int domain, int type)
{
	return cloexec(socket(domain, type, 0));
}

static int sock_take(int listener, struct sockaddr *sa, socklen_t *len)
{
	return cloexec(accept(listener, sa, len));
}

static int64_t unacknowledged(int fd)
{
	(void)fd;
	return 0;
}

static int64_t confirmed(int fd)
{
	(void)fd;
	return 0;
}

static bool sock_quality(int fd, long long *n, int64_t *rtt)
{
	(void)fd, (void)n, (void)rtt;
	return false;
}

struct many {
	struct msghdr msg_hdr;
	unsigned int msg_len;
};

static int recv_many(int fd, struct many *m, unsigned int n)
{
	ssize_t got = n > 0 ? recvmsg(fd, &m->msg_hdr, 0) : 0;

	m->msg_len = got > 0 ? (unsigned int)got : 0;
	return got < 0 ? -1 : 1;
}

static int send_many(int fd, struct many *m, unsigned int n)
{
	return n > 0 && sendmsg(fd, &m->msg_hdr, MSG_DONTWAIT) < 0 ? -1 : 1;
}

static void sock_set_queue(int fd, int n)
{
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, sizeof(n));
}

static ssize_t move_pipe(int from, int to, size_t n, bool wait)
{
	(void)from, (void)to, (void)n, (void)wait;
	errno = EINVAL;
	return -1;
}

static ssize_t move_file(int from, int to, size_t n)
{
	return move_pipe(from, to, n, true);
}

static void pipe_grow(int fd)
{
	(void)fd;
}

static int process_watch(pid_t pid)
{
	(void)pid;
	return -1;
}

static int set_new(void)
{
	return -1;
}

static int set_add(int set, int fd, void *of, int events)
{
	(void)set, (void)fd, (void)of, (void)events;
	return -1;
}

static void set_change(int set, int fd, void *of, int events)
{
	(void)set, (void)fd, (void)of, (void)events;
}

static void set_remove(int set, int fd)
{
	(void)set, (void)fd;
}

static int set_wait(int set, void *of[READY])
{
	(void)set, (void)of;
	return -1;
}

static int processors(void)
{
	return 1;
}

/*
 * The kernel cannot be asked what is unconfirmed: let close(2) wait, whole
 * seconds as long as patience allows.
 */
static void sock_linger(int fd, int64_t patience)
{
	struct linger l = { 1, 60 };

	if (patience < l.l_linger * SECOND)
		l.l_linger = (int)(patience / SECOND) + 1;
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

#endif

#ifdef __linux__
/* Let the route, not the interface of the question, carry the answer. */
static void pktinfo_any_interface(struct in_pktinfo *p)
{
	p->ipi_ifindex = 0;
}

/* sock_new_mptcp(domain): a stream over several paths. */
static int sock_new_mptcp(int domain)
{
	enum { MULTIPATH = 262 }; /* IPPROTO_MPTCP, where it has a name */

	return socket(domain, SOCK_STREAM | SOCK_CLOEXEC, MULTIPATH);
}

/* sock_bind_interface(fd, domain, name, index): use that interface only. */
static int sock_bind_interface(
	int fd, int domain, const char *name, unsigned int index)
{
	(void)domain, (void)index;
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name,
		(socklen_t)strlen(name) + 1);
}
#else
#define in_pktinfo in_addr
#define IP_PKTINFO IP_RECVDSTADDR
static void pktinfo_any_interface(struct in_addr *p)
{
	(void)p;
}

static int sock_new_mptcp(int domain)
{
	(void)domain;
	errno = EPROTONOSUPPORT;
	return -1;
}

static int sock_bind_interface(
	int fd, int domain, const char *name, unsigned int index)
{
	(void)name;
#ifdef IP_BOUND_IF
	if (domain == AF_INET6)
		return setsockopt(
			fd, IPPROTO_IPV6, IPV6_BOUND_IF, &index, sizeof(index));
	return setsockopt(fd, IPPROTO_IP, IP_BOUND_IF, &index, sizeof(index));
#else
	(void)fd, (void)domain, (void)index;
	errno = EOPNOTSUPP;
	return -1;
#endif
}
#endif
#ifndef TCP_KEEPIDLE
#define TCP_KEEPIDLE TCP_KEEPALIVE
#endif
#ifndef SIGINFO
#define SIGINFO SIGUSR1 /* elsewhere a key of the terminal */
#endif

/* now(): nanoseconds on a clock that is never set. */
static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

/* after(span): the moment when span nanoseconds from now have passed. */
static int64_t after(int64_t span)
{
	return span == NEVER ? NEVER : now() + span;
}

/* poll_time(deadline): what poll(2) is to be told, rounded up. */
static int poll_time(int64_t deadline)
{
	int64_t left;

	if (deadline == NEVER)
		return -1;
	left = (deadline - now() + MS - 1) / MS;
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* pause_for(span): so many nanoseconds, whatever signals come meanwhile. */
static void pause_for(int64_t span)
{
	struct timespec t = { span / SECOND, span % SECOND };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		continue;
}

/*
 * buffer_new(size): pages that buffer_free gives back to the system at once,
 * which free(3) need not do.  NULL when there are none.
 */
static char *buffer_new(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void buffer_free(char *p, size_t size)
{
	if (p)
		munmap(p, size);
}

/* pipe_new(ends): a pipe that no child inherits; -1 with errno. */
static int pipe_new(int ends[2])
{
	if (pipe(ends) < 0)
		return -1;
	(void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	return 0;
}

/* close_from(fd): that descriptor and all above it. */
static void close_from(int fd)
{
	long most = sysconf(_SC_OPEN_MAX);

#ifdef SYS_close_range
	if (syscall(SYS_close_range, fd, ~0U, 0) == 0)
		return;
#endif
	for (; fd < most; fd++)
		close(fd);
}

/* pair_new(ends, type): a pair of sockets that no child inherits. */
static int pair_new(int ends[2], int type)
{
	if (socketpair(AF_UNIX, type, 0, ends) < 0)
		return -1;
	(void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	(void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
	return 0;
}

/*
 * thread_start(run, arg, stack): a detached thread with that many bytes of
 * stack, 0: the system's default.  -1 with errno when there can be none.
 */
static int thread_start(void *(*run)(void *), void *arg, size_t stack)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error = pthread_attr_init(&attr);

	if (error == 0) {
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		if (stack > 0)
			pthread_attr_setstacksize(&attr, stack);
		error = pthread_create(&thread, &attr, run, arg);
		pthread_attr_destroy(&attr);
	}
	errno = error;
	return error == 0 ? 0 : -1;
}

/* signal_init(c): a condition that is waited for on the clock of now(). */
static void signal_init(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

/* signal_wait(c, m, deadline): false when the deadline has passed. */
static bool signal_wait(pthread_cond_t *c, pthread_mutex_t *m, int64_t deadline)
{
	struct timespec t = { deadline / SECOND, deadline % SECOND };

	if (deadline == NEVER)
		return pthread_cond_wait(c, m) == 0;
	return pthread_cond_timedwait(c, m, &t) == 0;
}

struct job {
	void *(*run)(void *);
	void *arg;
	struct job *next;
};

static struct { /* threads with nothing to do stay here for a second */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t called;
	bool ready;
	int idle;         /* threads, of which as many are ... */
	int reserved;     /* ... for the jobs that wait or will come */
	struct job *jobs; /* the last that came is the first */
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* pool_next(): a job for an idle thread; NULL when none comes in a second. */
static struct job *pool_next(void)
{
	struct job *j;

	pthread_mutex_lock(&pool.lock);
	pool.idle++;
	while (!pool.jobs &&
		(signal_wait(&pool.called, &pool.lock, after(SECOND)) ||
			pool.idle <= pool.reserved))
		continue;
	pool.idle--;
	j = pool.jobs;
	if (j) {
		pool.jobs = j->next;
		pool.reserved--;
	}
	pthread_mutex_unlock(&pool.lock);
	return j;
}

/* pool_thread(job): the thread of the pool: one job, and what else comes. */
static void *pool_thread(void *arg)
{
	struct job *j, job;

	thread_gather();
	while ((j = pool_next())) {
		job = *j;
		free(j);
		job.run(job.arg);
	}
	return arg;
}

/* pool_release(j): the thread is free for others; j may be NULL. */
static void pool_release(struct job *j)
{
	if (!j)
		return;
	pthread_mutex_lock(&pool.lock);
	pool.reserved--;
	pthread_mutex_unlock(&pool.lock);
	free(j);
}

/*
 * pool_reserve(): a thread for service, which may be one that has become idle;
 * its job is told later.  NULL with errno when there can be none.
 */
static struct job *pool_reserve(void)
{
	struct job *j = malloc(sizeof(*j));
	bool idle;
	int error;

	if (!j)
		return NULL;
	pthread_mutex_lock(&pool.lock);
	if (!pool.ready)
		signal_init(&pool.called);
	pool.ready = true;
	idle = pool.idle > pool.reserved++;
	pthread_mutex_unlock(&pool.lock);
	if (idle || thread_start(pool_thread, NULL, STACK_SIZE) == 0)
		return j;
	error = errno;
	pool_release(j);
	errno = error;
	return NULL;
}

/* pool_use(j, run, arg): that is the job. */
static void pool_use(struct job *j, void *(*run)(void *), void *arg)
{
	j->run = run;
	j->arg = arg;
	pthread_mutex_lock(&pool.lock);
	j->next = pool.jobs;
	pool.jobs = j;
	pthread_cond_signal(&pool.called);
	pthread_mutex_unlock(&pool.lock);
}

/* pool_run(run, arg): at once; -1 with errno when there can be no thread. */
static int pool_run(void *(*run)(void *), void *arg)
{
	struct job *j = pool_reserve();

	if (j)
		pool_use(j, run, arg);
	return j ? 0 : -1;
}

/*
 * ---- messages -------------------------------------------------------------
 *
 * A function that fails keeps the reason where it failed (fail) and returns
 * -1; whoever decides what that means says it, once (complain).  One event
 * is one line and one write(2).  Bytes that came from outside are made
 * printable, so no peer can draw on a terminal.
 */
struct why {
	enum status status;
	int error; /* errno of the failing call, or 0 */
	char text[400];
};

static _Thread_local struct why why;

/*
 * What is said, and how.  The bar of --progress stands below all messages: who
 * writes one takes it away first, and its thread draws it again.
 */
static struct {
	int loudness;    /* -1 --quiet, 1 -v, 2 -vv; these three: main writes */
	bool json;       /* objects instead of lines */
	bool interposed; /* what is received meets the bar on a terminal */
	pthread_mutex_t lock; /* guards drawing, and what follows */
	atomic_bool drawn;    /* the bar is there */
	bool over;            /* it is never drawn again */
} messages = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const char bar_away[] = "\r\033[K";

/* bar_draw(text): in place of what is there. */
static void bar_draw(const char *text)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "\r%s\033[K", text);

	pthread_mutex_lock(&messages.lock);
	atomic_store(&messages.drawn, !messages.over);
	if (!messages.over && write(STDERR_FILENO, line, (size_t)n) < 0)
		messages.over = true;
	pthread_mutex_unlock(&messages.lock);
}

/* bar_hide(over): take it away, maybe for good. */
static void bar_hide(bool over)
{
	pthread_mutex_lock(&messages.lock);
	messages.over = messages.over || over;
	if (atomic_exchange(&messages.drawn, false) &&
		write(STDERR_FILENO, bar_away, strlen(bar_away)) < 0)
		errno = 0; /* there is nobody else to tell */
	pthread_mutex_unlock(&messages.lock);
}

/* write_text(fd, text, n): a whole line, not into the one of --progress. */
static int write_text(int fd, char *text, size_t n)
{
	struct iovec part[] = {
		{ (void *)(uintptr_t)bar_away, strlen(bar_away) }, { text, n }
	};

	return (atomic_load(&messages.drawn) ? writev(fd, part, COUNT(part))
					     : write(fd, text, n)) < 0
		? -1
		: 0;
}

/* plural(n): what makes a noun fit the number before it. */
static const char *plural(long long n)
{
	return n == 1 ? "" : "s";
}

/* printable(to, size, from): copy, with \xHH for what is not plain ASCII. */
static char *printable(char *to, size_t size, const char *from)
{
	char *p = to;

	for (; *from && (size_t)(p - to) + 5 < size; from++) {
		if ((unsigned char)*from >= ' ' && (unsigned char)*from < 127)
			*p++ = *from;
		else
			p += sprintf(p, "\\x%02X", (unsigned char)*from);
	}
	*p = '\0';
	return to;
}

/*
 * character_size(text, n): how many of n bytes are the first character; 0 if
 * it is none, or not to be shown as it is.
 */
static size_t character_size(const char *text, size_t n)
{
	static const uint32_t least[] = { [2] = 0xA0, 0x800, 0x10000 };
	const unsigned char *s = (const unsigned char *)text;
	size_t size = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
	uint32_t code = s[0] & (0x7FU >> size);

	if (s[0] < 0x80)
		return s[0] == '\t' || (s[0] >= ' ' && s[0] < 0x7F);
	if (s[0] < 0xC0 || s[0] > 0xF7 || size > n)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((s[i] & 0xC0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3F);
	}
	if (code < least[size] || code > 0x10FFFF ||
		(code >= 0xD800 && code <= 0xDFFF))
		return 0;
	return size;
}

/* An object of --json, in the making; what is too long for it is cut. */
struct object {
	size_t used;
	char text[3072];
};

enum { OBJECT_SPARE = 192 }; /* for what follows a text: numbers */

/*
 * object_text(o, key, text): UTF-8 stays as it is, a byte that is none is
 * shown as \xHH; so is a control character, but for those of ASCII.
 */
static void object_text(struct object *o, const char *key, const char *text)
{
	char *p = o->text + o->used;
	size_t size, left = strlen(text);

	p += sprintf(p, "%s\"%s\":\"", o->used > 1 ? "," : "", key);
	for (; left > 0 && p < o->text + sizeof(o->text) - OBJECT_SPARE;
		text += size, left -= size) {
		size = character_size(text, left);
		if ((unsigned char)*text < ' ' || *text == 0x7F)
			p += sprintf(p, "\\u%04x", (unsigned char)*text);
		else if (size == 0)
			p += sprintf(p, "\\\\x%02X", (unsigned char)*text);
		else
			p += sprintf(p, "%s%.*s",
				strchr("\"\\", *text) ? "\\" : "", (int)size,
				text);
		size += size == 0;
	}
	*p++ = '"';
	o->used = (size_t)(p - o->text);
}

static void object_number(struct object *o, const char *key, long long n)
{
	o->used += (size_t)sprintf(o->text + o->used, ",\"%s\":%lld", key, n);
}

/* object_time(o, key, span): nanoseconds, as seconds. */
static void object_time(struct object *o, const char *key, int64_t span)
{
	o->used += (size_t)sprintf(o->text + o->used, ",\"%s\":%lld.%06lld",
		key, (long long)(span / SECOND),
		(long long)(span % SECOND / 1000));
}

/* object_begin(o, event): with the time that it is. */
static void object_begin(struct object *o, const char *event)
{
	struct timespec t;
	struct tm tm;
	char text[64];

	clock_gettime(CLOCK_REALTIME, &t);
	gmtime_r(&t.tv_sec, &tm);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ",
		tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		tm.tm_min, tm.tm_sec, t.tv_nsec / 1000);
	o->used = 1;
	o->text[0] = '{';
	object_text(o, "event", event);
	object_text(o, "time", text);
}

/* object_end(o, fd): write it; -1 with errno when that fails. */
static int object_end(struct object *o, int fd)
{
	memcpy(o->text + o->used, "}\n", 2);
	return write_text(fd, o->text, o->used + 2);
}

/*
 * fail_as(status, format): keep the reason and the exit status that belongs
 * to it; a format that ends in ':' has strerror(errno) added.  Returns -1.
 */
__attribute__((format(printf, 2, 3))) static int fail_as(
	enum status status, const char *format, ...)
{
	int error = errno;
	size_t used;
	va_list args;

	va_start(args, format);
	vsnprintf(why.text, sizeof(why.text), format, args);
	va_end(args);
	why.status = status;
	why.error = error;
	used = strlen(why.text);
	if (used > 0 && format[strlen(format) - 1] == ':')
		snprintf(why.text + used, sizeof(why.text) - used, " %s",
			strerror(error));
	errno = error;
	return -1;
}

/* fail(format): the same, for the network and for I/O. */
#define fail(...) fail_as(FAILED, __VA_ARGS__)

/* why_add(text): one more thing to say about a failure. */
static void why_add(const char *text)
{
	size_t n = strlen(why.text);

	snprintf(why.text + n, sizeof(why.text) - n, "%s", text);
}

/* errors_heard(ms): standard error takes a line, within so many ms. */
static bool errors_heard(int ms)
{
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&p, 1, ms) != 0;
}

/*
 * report(status, text): one line: of what happens if status is negative, else
 * of what went wrong, and an exit status above 0 belongs to it.
 */
static void report(int status, const char *text)
{
	char line[1200];
	struct object o;
	size_t n;

	if (messages.json) {
		object_begin(&o, status < 0 ? "info" : "error");
		object_text(&o, "message", text);
		if (status > 0)
			object_number(&o, "status", status);
		object_end(&o, STDERR_FILENO);
		return;
	}
	n = (size_t)snprintf(
		line, sizeof(line), "%s", status < 0 ? "" : "sockcat: ");
	printable(line + n, sizeof(line) - n - 1, text);
	n = strlen(line);
	line[n++] = '\n';
	write_text(STDERR_FILENO, line, n);
}

/* report_at(loudness, format, args): a line, if that is how loud we are. */
static void report_at(int loudness, const char *format, va_list args)
{
	char text[1024];

	if (messages.loudness < loudness)
		return;
	vsnprintf(text, sizeof(text), format, args);
	report(-loudness, text);
}

/* say(format): one line about something that went wrong. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report_at(0, format, args);
	va_end(args);
}

/* tell(format): one line for -v about what happens. */
__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report_at(1, format, args);
	va_end(args);
}

/* say_short(): what others may give back has run out, for why: said once. */
static void say_short(void)
{
	static atomic_bool told;

	if (!atomic_exchange(&told, true))
		say("%s; peers wait", why.text);
}

/* complain(): say why; the exit status that belongs to it. */
static int complain(void)
{
	if (messages.loudness >= 0)
		report(why.status, why.text);
	if (why.status == MISUSED && !messages.json)
		say("try 'sockcat --help'");
	return why.status;
}

/* thread_need(run, arg): thread_start; -1 with why. */
static int thread_need(void *(*run)(void *), void *arg)
{
	return thread_start(run, arg, 0) < 0 ? fail("cannot start a thread:")
					     : 0;
}

/*
 * ---- numbers --------------------------------------------------------------
 *
 * Texts are parsed whole: what is left over, out of range or empty is an
 * error that names what was being read and the text.
 */
static int misuse(const char *what, const char *text, const char *wanted)
{
	return fail_as(MISUSED, "%s: \"%s\" is not %s", what, text, wanted);
}

/* digits(text, base, limit, rest): the number at the start, -1 if none. */
static int64_t digits(
	const char *text, int base, int64_t limit, const char **rest)
{
	const char *p = text;
	int64_t n = 0;

	for (; *p >= '0' && *p < '0' + base; p++) {
		n = n * base + (*p - '0');
		if (n > limit)
			return -1;
	}
	*rest = p;
	return p == text ? -1 : n;
}

/* parse_number(what, text, min, max, to): a decimal number from min to max. */
static int parse_number(const char *what, const char *text, int64_t min,
	int64_t max, int64_t *to)
{
	const char *rest = text;
	char wanted[80];
	int64_t n = digits(text, 10, max, &rest);

	snprintf(wanted, sizeof(wanted), "a number from %lld to %lld",
		(long long)min, (long long)max);
	if (n < min || *rest)
		return misuse(what, text, wanted);
	*to = n;
	return 0;
}

/* parse_octal(what, text, max, to): permissions. */
static int parse_octal(
	const char *what, const char *text, int64_t max, int64_t *to)
{
	const char *rest = text;
	int64_t n = digits(text, 8, max, &rest);

	if (n < 0 || *rest)
		return misuse(what, text, "an octal mode from 0 to 777");
	*to = n;
	return 0;
}

/* parse_size(what, text, most, to): bytes, 1 to most GiB, with k, M or G. */
static int parse_size(
	const char *what, const char *text, int64_t most, int64_t *to)
{
	const char *rest = text, *unit;
	int64_t n = digits(text, 10, most << 30, &rest);
	int shift = 0;
	char wanted[80];

	snprintf(wanted, sizeof(wanted),
		"a size from 1 to %lldG (suffixes k, M, G)", (long long)most);
	unit = n >= 0 && *rest ? strchr("kMG", *rest) : NULL;
	if (unit) {
		shift = 10 * (int)(unit - "kMG" + 1);
		rest++;
	}
	if (n < 1 || *rest || n > (most << 30) >> shift)
		return misuse(what, text, wanted);
	*to = n << shift;
	return 0;
}

/* Bytes, any of them, and how many. */
struct bytes {
	char *at; /* NULL: not given */
	size_t size;
	const char *text; /* as they were written */
};

static const char hex_digits[] = "0123456789abcdef";

/* hex_digit(c): what it is worth; -1: it is none. */
static int hex_digit(char c)
{
	const char *p =
		c ? strchr(hex_digits, tolower((unsigned char)c)) : NULL;

	return p ? (int)(p - hex_digits) : -1;
}

/*
 * parse_escape(text, to): the byte that an escape stands for, text is after its
 * backslash; how many characters that takes, 0: it is none.
 */
static size_t parse_escape(const char *text, char *to)
{
	static const char names[] = "rnt0\\", values[] = "\r\n\t\0\\";
	const char *p = *text ? strchr(names, *text) : NULL;

	if (p) {
		*to = values[p - names];
		return 1;
	}
	if (*text != 'x' || hex_digit(text[1]) < 0 || hex_digit(text[2]) < 0)
		return 0;
	*to = (char)(hex_digit(text[1]) * 16 + hex_digit(text[2]));
	return 3;
}

/* parse_escapes(what, text, to): the bytes that text stands for. */
static int parse_escapes(const char *what, const char *text, struct bytes *to)
{
	const char *p = text;
	size_t n;

	to->at = malloc(strlen(text) + 1);
	to->size = 0;
	to->text = text;
	if (!to->at)
		return fail("%s:", what);
	while (*p) {
		n = *p == '\\' ? parse_escape(p + 1, &to->at[to->size]) : 0;
		if (*p == '\\' && n == 0)
			return misuse(what, text,
				"a text with the escapes \\r \\n \\t \\0 \\\\ "
				"\\xHH");
		if (n == 0)
			to->at[to->size] = *p;
		to->size++;
		p += 1 + n;
	}
	return 0;
}

/*
 * parse_time(what, text, min, to): nanoseconds.  Seconds unless there is a
 * suffix ms, s, m or h; fractions as sleep(1) takes them; at least min, at most
 * 1e6 hours.
 */
static int parse_time(
	const char *what, const char *text, int64_t min, int64_t *to)
{
	static const struct {
		const char *suffix;
		int64_t scale;
	} units[] = { { "", SECOND }, { "s", SECOND }, { "ms", MS },
		{ "m", 60 * SECOND }, { "h", 3600 * SECOND } };
	static const char wanted[] =
		"a time (seconds, or with a suffix ms, s, m, h)";
	const char *rest = text;
	bool bare = *text == '.' && isdigit((unsigned char)text[1]);
	int64_t whole = bare ? 0 : digits(text, 10, 1000000, &rest);
	int64_t part = 0, tenth = 1, n;

	if (whole < 0)
		return misuse(what, text, wanted);
	if (*rest == '.')
		for (rest++; *rest >= '0' && *rest <= '9'; rest++)
			if (tenth < 1000000) {
				part = part * 10 + (*rest - '0');
				tenth *= 10;
			}
	for (size_t i = 0; i < COUNT(units); i++) {
		if (strcmp(rest, units[i].suffix) != 0)
			continue;
		n = whole * units[i].scale + part * (units[i].scale / tenth);
		if (n < min)
			return misuse(what, text, "a time above 0");
		*to = n;
		return 0;
	}
	return misuse(what, text, wanted);
}

/*
 * ---- addresses ------------------------------------------------------------
 *
 * A target is what was asked for: a host, maybe by name, and a port, or a
 * path.  An addr is what it is: a socket address.  Resolving leads from one
 * to the other, under a deadline.
 */
struct addr {
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
};

struct addr_list {
	int count;
	struct addr at[ADDRESSES];
};

struct target {
	const char *host; /* as written; NULL: every address */
	const char *path; /* a Unix-domain socket instead */
	int port;
	int family;   /* AF_UNSPEC: both */
	int type;     /* SOCK_STREAM or SOCK_DGRAM */
	bool numeric; /* no lookups */
	bool local;   /* without a host: loopback only */
};

enum { ADDR_TEXT = 160, PLACE_TEXT = 440 };

/* addr_port(a): its port; 0 where there are none. */
static int addr_port(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET6)
		return ntohs(a->in6.sin6_port);
	return a->sa.sa_family == AF_INET ? ntohs(a->in.sin_port) : 0;
}

static void addr_set_port(struct addr *a, int port)
{
	if (a->sa.sa_family == AF_INET6)
		a->in6.sin6_port = htons((uint16_t)port);
	else if (a->sa.sa_family == AF_INET)
		a->in.sin_port = htons((uint16_t)port);
}

/* addr_host(a, text): the numeric address, or the path; '@': abstract. */
static char *addr_host(const struct addr *a, char text[ADDR_TEXT])
{
	size_t n;

	text[0] = '\0';
	if (a->len <= sizeof(sa_family_t))
		return strcpy(text, "(unnamed)");
	if (a->sa.sa_family != AF_UNIX) {
		if (getnameinfo(&a->sa, a->len, text, ADDR_TEXT, NULL, 0,
			    NI_NUMERICHOST) != 0)
			strcpy(text, "?");
		return text;
	}
	if (a->len <= offsetof(struct sockaddr_un, sun_path))
		return strcpy(text, "(unnamed)");
	n = a->len - offsetof(struct sockaddr_un, sun_path);
	memcpy(text, a->un.sun_path, n);
	text[n] = '\0';
	if (text[0] == '\0')
		text[0] = '@';
	return text;
}

/* addr_text(a, text): `ADDRESS PORT`, or the path. */
static char *addr_text(const struct addr *a, char text[ADDR_TEXT])
{
	size_t n;

	addr_host(a, text);
	n = strlen(text);
	if (a->sa.sa_family != AF_UNIX && a->len > sizeof(sa_family_t))
		snprintf(text + n, ADDR_TEXT - n, " %d", addr_port(a));
	return text;
}

/* addr_name(a, text): `ADDRESS:PORT', `[V6]:PORT', or `unix'. */
static char *addr_name(const struct addr *a, char text[ADDR_TEXT])
{
	char host[ADDR_TEXT];

	if (a->sa.sa_family == AF_UNIX || a->len <= sizeof(sa_family_t))
		return strcpy(text, "unix");
	snprintf(text, ADDR_TEXT,
		a->sa.sa_family == AF_INET6 ? "[%.80s]:%d" : "%.80s:%d",
		addr_host(a, host), addr_port(a));
	return text;
}

/* object_addr(o, a): what it is, as far as it has a name. */
static void object_addr(struct object *o, const struct addr *a)
{
	static const char *const families[] = { "unix", "ipv4", "ipv6" };
	char text[ADDR_TEXT];
	int ip = a->sa.sa_family == AF_INET6 ? 2 : a->sa.sa_family == AF_INET;

	if (a->len > sizeof(sa_family_t))
		object_text(o, "address", addr_host(a, text));
	if (ip)
		object_number(o, "port", addr_port(a));
	if (a->len > 0)
		object_text(o, "family", families[ip]);
}

/* report_addr(event, a, key, text): for --json; a NULL key: none. */
static void report_addr(const char *event, const struct addr *a,
	const char *key, const char *text)
{
	struct object o;

	object_begin(&o, event);
	object_addr(&o, a);
	if (key)
		object_text(&o, key, text);
	object_end(&o, STDERR_FILENO);
}

/* addr_ipv4(host, a): that host, with a's port. */
static struct addr addr_ipv4(struct in_addr host, const struct addr *a)
{
	struct addr b = { .len = sizeof(b.in) };

	b.in.sin_family = AF_INET;
	b.in.sin_addr = host;
	addr_set_port(&b, addr_port(a));
	return b;
}

/* addr_unmap(a): an IPv4 address in IPv6 clothes becomes plain IPv4. */
static void addr_unmap(struct addr *a)
{
	struct sockaddr_in in = { .sin_family = AF_INET };

	if (a->sa.sa_family != AF_INET6 ||
		!IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
		return;
	in.sin_port = a->in6.sin6_port;
	memcpy(&in.sin_addr, &a->in6.sin6_addr.s6_addr[12], 4);
	a->in = in;
	a->len = sizeof(in);
}

static bool addr_same(const struct addr *a, const struct addr *b)
{
	return a->len == b->len && memcmp(&a->sa, &b->sa, a->len) == 0;
}

static bool addr_is_multicast(const struct addr *a)
{
	if (a->sa.sa_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&a->in6.sin6_addr);
	return a->sa.sa_family == AF_INET &&
		IN_MULTICAST(ntohl(a->in.sin_addr.s_addr));
}

/* addr_lacks_scope(a): it means nothing without an interface. */
static bool addr_lacks_scope(const struct addr *a)
{
	const struct in6_addr *six = &a->in6.sin6_addr;

	return a->sa.sa_family == AF_INET6 && a->in6.sin6_scope_id == 0 &&
		(IN6_IS_ADDR_LINKLOCAL(six) || IN6_IS_ADDR_MC_LINKLOCAL(six) ||
			IN6_IS_ADDR_MC_NODELOCAL(six));
}

/* addr_reason(a, error): why a cannot be used, in words. */
static const char *addr_reason(const struct addr *a, int error)
{
	if (error == EINVAL && addr_lacks_scope(a))
		return "a link-local address needs its interface, as "
		       "ADDRESS%INTERFACE or by --interface";
	return strerror(error);
}

/* addr_list_scope(l, name): the interface of addresses that lack one. */
static void addr_list_scope(struct addr_list *l, const char *name)
{
	unsigned int index = name ? if_nametoindex(name) : 0;

	for (int i = 0; i < l->count; i++)
		if (addr_lacks_scope(&l->at[i]))
			l->at[i].in6.sin6_scope_id = index;
}

/* addr_unix(path, a): -1 when the path does not fit; '@': abstract. */
static int addr_unix(const char *path, struct addr *a)
{
	size_t n = strlen(path);
	bool abstract = path[0] == '@';

	memset(a, 0, sizeof(*a));
	if (n == (size_t)abstract)
		return fail_as(MISUSED, "the path of the socket is empty");
	if (n + !abstract > sizeof(a->un.sun_path))
		return fail_as(MISUSED,
			"%.60s...: the path is too long, "
			"%zu bytes fit in a socket's name",
			path, sizeof(a->un.sun_path) - !abstract);
	if (abstract && !HAVE_ABSTRACT)
		return fail_as(MISUSED,
			"%s: there are no abstract names "
			"on this system",
			path);
	a->un.sun_family = AF_UNIX;
	memcpy(a->un.sun_path, path, n);
	if (abstract)
		a->un.sun_path[0] = '\0';
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n +
		!abstract);
	return 0;
}

/* target_kind(t): what messages call its sort of socket. */
static const char *target_kind(const struct target *t)
{
	if (t->path)
		return t->type == SOCK_DGRAM ? "unix datagram" : "unix";
	return t->type == SOCK_DGRAM ? "udp" : "tcp";
}

/*
 * target_place(t, a, text): `localhost (::1) port 9 (tcp)`, for messages; a's
 * len is 0 where it is not known.
 */
static char *target_place(
	const struct target *t, const struct addr *a, char text[PLACE_TEXT])
{
	char host[ADDR_TEXT];
	const char *kind = target_kind(t);

	addr_host(a, host);
	if (t->path)
		snprintf(text, PLACE_TEXT, "%s (%.20s)", host, kind);
	else if (t->host && a->len == 0)
		snprintf(text, PLACE_TEXT, "%.220s port %d (%.20s)", t->host,
			t->port, kind);
	else if (!t->host || strcmp(t->host, host) == 0)
		snprintf(text, PLACE_TEXT, "%s port %d (%.20s)", host,
			addr_port(a), kind);
	else
		snprintf(text, PLACE_TEXT, "%.220s (%s) port %d (%.20s)",
			t->host, host, addr_port(a), kind);
	return text;
}

/*
 * parse_port(what, text, t, min): the number of a port or of a service;
 * min is 0 where the system may pick one.
 */
static int parse_port(const char *what, const char *text,
	const struct target *t, int min, int *port)
{
	const char *protocol = t->type == SOCK_DGRAM ? "udp" : "tcp";
	const char *rest = text;
	int64_t n = digits(text, 10, 65535, &rest);
	struct servent *service;
	char wanted[80];

	if (n >= min && !*rest) {
		*port = (int)n;
		return 0;
	}
	snprintf(wanted, sizeof(wanted), "a port from %d to 65535%s%s%s", min,
		t->numeric ? ", and -n allows no names" : " or the name of a ",
		t->numeric ? "" : protocol, t->numeric ? "" : " service");
	service = t->numeric || !*text || isdigit((unsigned char)*text)
		? NULL
		: getservbyname(text, protocol);
	if (!service)
		return misuse(what, text, wanted);
	*port = ntohs((uint16_t)service->s_port);
	return 0;
}

/* A set of ports. */
struct ports {
	int count;
	bool has[PORTS];
};

/* is_port_list(text): it names several ports, or looks like that. */
static bool is_port_list(const char *text)
{
	return strchr(text, ',') ||
		(isdigit((unsigned char)*text) && strchr(text, '-'));
}

/* parse_ports_item(what, text, t, first, last): PORT, NAME or FIRST-LAST. */
static int parse_ports_item(const char *what, const char *text,
	const struct target *t, int *first, int *last)
{
	const char *rest = text;
	int64_t from, to = 0;

	if (!is_port_list(text)) {
		if (parse_port(what, text, t, 1, first) < 0)
			return -1;
		*last = *first;
		return 0;
	}
	from = digits(text, 10, PORTS - 1, &rest);
	if (*rest == '-')
		to = digits(rest + 1, 10, PORTS - 1, &rest);
	if (from < 1 || to < from || *rest)
		return misuse(what, text,
			"a range of ports, FIRST-LAST, from 1 to 65535");
	*first = (int)from;
	*last = (int)to;
	return 0;
}

/* parse_ports(what, text, t, to): `22,80,8000-8100,https', in any order. */
static int parse_ports(const char *what, const char *text,
	const struct target *t, struct ports *to)
{
	const char *p = text;
	char item[64];
	size_t n;
	int first = 0, last = 0;

	memset(to, 0, sizeof(*to));
	for (;; p += n + 1) {
		n = strcspn(p, ",");
		if (n == 0)
			return misuse(what, text, "a list without empty items");
		snprintf(item, sizeof(item), "%.*s", (int)n, p);
		if (n >= sizeof(item))
			return misuse(what, item, "the name of a port");
		if (parse_ports_item(what, item, t, &first, &last) < 0)
			return -1;
		for (; first <= last; first++) {
			to->count += !to->has[first];
			to->has[first] = true;
		}
		if (p[n] == '\0')
			return 0;
	}
}

/*
 * A lookup runs on a thread of its own, so that a deadline can bound it:
 * whoever asked may give up on it, then the thread cleans up.
 */
struct lookup {
	char *host;
	struct addrinfo hints, *found;
	int code;  /* of getaddrinfo(3) */
	int error; /* errno, when the code says EAI_SYSTEM */
	bool done, dropped;
};

static struct { /* every lookup, under its lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool ready;
	int running;
} lookups = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* lookup_free(l): by whoever is the last to know of it. */
static void lookup_free(struct lookup *l)
{
	if (l->done && l->code == 0)
		freeaddrinfo(l->found);
	free(l->host);
	free(l);
}

/* lookup_run(l): the thread of a lookup. */
static void *lookup_run(void *arg)
{
	struct lookup *l = arg;
	bool dropped;
	int code = getaddrinfo(l->host, NULL, &l->hints, &l->found);

	pthread_mutex_lock(&lookups.lock);
	l->code = code;
	l->error = errno;
	l->done = true;
	dropped = l->dropped;
	lookups.running--;
	pthread_cond_broadcast(&lookups.changed);
	pthread_mutex_unlock(&lookups.lock);
	if (dropped)
		lookup_free(l);
	return NULL;
}

/*
 * lookup_wait(l, deadline): start l when there is room and wait for its end.
 * -1 when there is none in time or no thread; l is then taken care of.
 */
static int lookup_wait(struct lookup *l, int64_t deadline)
{
	bool in_time = true, started = false;
	int result = 0;

	pthread_mutex_lock(&lookups.lock);
	if (!lookups.ready)
		signal_init(&lookups.changed);
	lookups.ready = true;
	while (in_time && lookups.running >= LOOKUPS)
		in_time =
			signal_wait(&lookups.changed, &lookups.lock, deadline);
	if (in_time && thread_start(lookup_run, l, 0) < 0) {
		result = fail("cannot look up %s:", l->host);
	} else if (in_time) {
		started = true;
		lookups.running++;
		while (in_time && !l->done)
			in_time = signal_wait(
				&lookups.changed, &lookups.lock, deadline);
	}
	if (result == 0 && !l->done)
		result = fail_as(TIMED_OUT,
			"cannot resolve %s: no answer in time", l->host);
	l->dropped = started && result < 0;
	pthread_mutex_unlock(&lookups.lock);
	if (result < 0 && !started)
		lookup_free(l);
	return result;
}

/* lookup_keep(to, found, port): copy what was found, without repeats. */
static void lookup_keep(
	struct addr_list *to, const struct addrinfo *found, int port)
{
	struct addr a;
	int i;

	for (; found && to->count < ADDRESSES; found = found->ai_next) {
		if (found->ai_family != AF_INET && found->ai_family != AF_INET6)
			continue;
		memset(&a, 0, sizeof(a));
		memcpy(&a.sa, found->ai_addr, found->ai_addrlen);
		a.len = found->ai_addrlen;
		addr_set_port(&a, port);
		for (i = 0; i < to->count; i++)
			if (addr_same(&a, &to->at[i]))
				break;
		if (i == to->count)
			to->at[to->count++] = a;
	}
}

/* lookup_failed(host, code, error): why, from what getaddrinfo(3) returned. */
static int lookup_failed(const char *host, int code, int error)
{
	if (code == EAI_SYSTEM)
		return fail_as(UNRESOLVED, "cannot resolve %s: %s", host,
			strerror(error));
	return fail_as(
		UNRESOLVED, "cannot resolve %s: %s", host, gai_strerror(code));
}

/*
 * scope_refused(host, name): why host, which is ADDRESS%NAME, is no address:
 * the C library takes an interface only where it means something.
 */
static int scope_refused(const char *host, const char *name)
{
	if (if_nametoindex(name) == 0)
		return fail("%s: cannot use interface %s:", host, name);
	return fail_as(MISUSED,
		"%s is no link-local address; use --interface %s", host, name);
}

/*
 * target_resolve(t, deadline, to): the addresses of t in the order of
 * RFC 6724; a NULL host gives the wildcards, IPv6 first.
 */
static int target_resolve(
	const struct target *t, int64_t deadline, struct addr_list *to)
{
	struct addrinfo hints = { .ai_family = t->family,
		.ai_socktype = t->type,
		.ai_flags = AI_NUMERICHOST | (t->host ? 0 : AI_PASSIVE) };
	struct addrinfo *found = NULL;
	const char *scope = t->host ? strchr(t->host, '%') : NULL;
	struct lookup *l;
	int code;

	to->count = 0;
	if (t->path) {
		to->count = 1;
		return addr_unix(t->path, &to->at[0]);
	}
	code = getaddrinfo(t->host, t->host ? NULL : "0", &hints, &found);
	if (code == 0) {
		lookup_keep(to, found, t->port);
		freeaddrinfo(found);
		return 0;
	}
	if (code == EAI_NONAME && scope)
		return scope_refused(t->host, scope + 1);
	if (t->numeric && t->host)
		return fail_as(MISUSED,
			"%s is no numeric address%s, and -n "
			"allows no other",
			t->host,
			t->family == AF_UNSPEC ? "" : " of this family");
	l = t->host ? calloc(1, sizeof(*l)) : NULL;
	if (!l || !(l->host = strdup(t->host))) {
		free(l);
		return fail("cannot look up %s:", t->host ? t->host : "*");
	}
	hints.ai_flags = 0;
	l->hints = hints;
	if (lookup_wait(l, deadline) < 0)
		return -1;
	if (l->code == 0)
		lookup_keep(to, l->found, t->port);
	code = l->code == 0 ? 0 : lookup_failed(t->host, l->code, l->error);
	lookup_free(l);
	return code;
}

/*
 * addr_list_interleave(l): alternate the families, the first one's first
 * (RFC 8305, section 4), so that one dead family costs one delay.
 */
static void addr_list_interleave(struct addr_list *l)
{
	struct addr next;
	int i, j;

	for (i = 1; i < l->count; i++) {
		j = i;
		while (j < l->count &&
			l->at[j].sa.sa_family == l->at[i - 1].sa.sa_family)
			j++;
		if (j == l->count)
			return;
		next = l->at[j];
		memmove(&l->at[i + 1], &l->at[i],
			(size_t)(j - i) * sizeof(next));
		l->at[i] = next;
	}
}

/*
 * Who may connect: blocks of addresses that are allowed, and that are denied.
 * An address alone is a block of its own; an IPv4 address in IPv6 clothes
 * counts as IPv4.  Sorted, so that to look a peer up takes one search for each
 * length of block there is.
 */
struct block {                /* has no padding: memcmp(3) compares it */
	unsigned char at[16]; /* zero beyond the bits */
	uint32_t scope;       /* of a link-local one; 0: any */
	uint16_t bits, family;
};

struct blocks {
	size_t count, room;
	struct block *at;
	bool given;           /* there is a list, be it empty */
	bool has[2][128 + 1]; /* blocks of so many bits: IPv4, IPv6 */
};

/* Where the lists come from, in the order given. */
enum { ACCESS_DENY = 1, ACCESS_FILE = 2, ACCESS_SOURCES = 64 };

struct access_sources {
	int count;
	struct {
		int sort; /* ACCESS_DENY, ACCESS_FILE, or both */
		const char *text;
	} at[ACCESS_SOURCES];
};

struct access {
	const struct access_sources *from;
	int family;                /* of names */
	bool numeric;              /* no names */
	pthread_mutex_t lock;      /* guards what follows */
	bool loaded;               /* once */
	struct blocks lists[2];    /* allowed, denied */
	struct addr told[REFUSED]; /* of whose datagrams -v has told */
	unsigned int tellings;
};

/* Lists that are being read. */
struct intake {
	const struct access *access;
	struct blocks *to; /* NULL: it is only asked whether they are right */
	int64_t deadline;
};

/* block_of(a, bits): the block around an IP address. */
static struct block block_of(const struct addr *a, int bits)
{
	struct block b = { .bits = (uint16_t)bits, .family = a->sa.sa_family };

	if (b.family == AF_INET6) {
		memcpy(b.at, &a->in6.sin6_addr, sizeof(b.at));
		b.scope = a->in6.sin6_scope_id;
	} else {
		memcpy(b.at, &a->in.sin_addr, sizeof(a->in.sin_addr));
	}
	for (size_t i = 0; i < sizeof(b.at); i++, bits -= 8)
		if (bits < 8)
			b.at[i] &=
				bits > 0 ? (unsigned char)(0xff00 >> bits) : 0;
	return b;
}

/* block_order(a, b): as qsort(3) and bsearch(3) want it. */
static int block_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct block));
}

/* blocks_add(l, what, b): one more; what: where it stands, for why. */
static int blocks_add(struct blocks *l, const char *what, struct block b)
{
	size_t room = l->room > 0 ? 2 * l->room : 16;
	struct block *at;

	if (l->count == ACCESS_BLOCKS)
		return fail_as(MISUSED, "%s: more than %d entries", what,
			ACCESS_BLOCKS);
	if (l->count == l->room) {
		at = realloc(l->at, room * sizeof(*at));
		if (!at)
			return fail("%s:", what);
		l->at = at;
		l->room = room;
	}
	l->at[l->count++] = b;
	l->has[b.family == AF_INET6][b.bits] = true;
	return 0;
}

/* blocks_hold(l, a): whether a, an IP address or not, is in one of them. */
static bool blocks_hold(const struct blocks *l, const struct addr *a)
{
	bool six = a->sa.sa_family == AF_INET6, found = false;
	struct block key;
	uint32_t scope;

	if (l->count == 0 || (!six && a->sa.sa_family != AF_INET))
		return false;
	for (int bits = 0; bits <= 128 && !found; bits++) {
		if (!l->has[six][bits])
			continue;
		key = block_of(a, bits);
		do {
			found = bsearch(&key, l->at, l->count, sizeof(key),
					block_order) != NULL;
			scope = key.scope;
			key.scope = 0;
		} while (!found && scope);
	}
	return found;
}

/* is_name(text): it can be a host's name, and is no number like 0x7f.1. */
static bool is_name(const char *text)
{
	const char *last = strrchr(text, '.');
	size_t digit;

	last = last && last[1] ? last + 1 : text;
	digit = strspn(last, "0123456789");
	if (last[digit] == '\0' || (last[0] == '0' && strchr("xX", last[1])))
		return false;
	for (; isalnum((unsigned char)*text) || *text == '-' || *text == '_' ||
		*text == '.';
		text++)
		continue;
	return *text == '\0';
}

/*
 * entry_parse(what, text, b): ADDRESS, ADDRESS%ZONE, either with /BITS.
 * 1: b is that block, 0: it is a name, -1: it is nothing.
 */
static int entry_parse(const char *what, const char *text, struct block *b)
{
	char host[NI_MAXHOST];
	struct addr a = { .len = 0 };
	char *zone, *slash;
	const char *rest;
	int64_t bits, least = 0, most = 32;

	snprintf(host, sizeof(host), "%s", text);
	slash = strchr(host, '/');
	if (slash)
		*slash++ = '\0';
	zone = strchr(host, '%');
	if (zone)
		*zone++ = '\0';
	if (inet_pton(AF_INET, host, &a.in.sin_addr) == 1) {
		a.sa.sa_family = AF_INET;
	} else if (inet_pton(AF_INET6, host, &a.in6.sin6_addr) == 1) {
		a.sa.sa_family = AF_INET6;
		least = IN6_IS_ADDR_V4MAPPED(&a.in6.sin6_addr) ? 96 : 0;
		most = 128;
	} else {
		return !slash && !zone && is_name(host)
			? 0
			: misuse(what, text,
				  "an address, a block ADDRESS/BITS or a name");
	}
	if (zone) {
		bits = digits(zone, 10, UINT32_MAX, &rest);
		a.in6.sin6_scope_id = bits > 0 && !*rest ? (uint32_t)bits
							 : if_nametoindex(zone);
		if (most == 32 || a.in6.sin6_scope_id == 0 ||
			!IN6_IS_ADDR_LINKLOCAL(&a.in6.sin6_addr))
			return misuse(what, text,
				"a link-local address and an interface");
	}
	rest = "";
	bits = slash ? digits(slash, 10, most, &rest) : most;
	if (bits < least || *rest) {
		snprintf(host, sizeof(host), "a block of %d to %d bits",
			(int)least, (int)most);
		return misuse(what, text, host);
	}
	addr_unmap(&a);
	*b = block_of(&a, (int)(bits - least));
	return 1;
}

/* entry_take(in, what, text): one entry, all the addresses of a name. */
static int entry_take(
	const struct intake *in, const char *what, const char *text)
{
	struct target t = { .host = text, .type = SOCK_STREAM };
	struct addr_list found;
	struct block b;
	struct why reason;
	int kind = entry_parse(what, text, &b), result = 0;

	if (kind < 0 || !in->to)
		return kind < 0 ? -1 : 0;
	if (kind > 0)
		return blocks_add(in->to, what, b);
	t.family = in->access->family;
	t.numeric = in->access->numeric;
	if (target_resolve(&t, in->deadline, &found) < 0) {
		reason = why;
		return fail_as(reason.status, "%s: %s", what, reason.text);
	}
	for (int i = 0; i < found.count && result == 0; i++) {
		addr_unmap(&found.at[i]);
		b = block_of(&found.at[i],
			found.at[i].sa.sa_family == AF_INET6 ? 128 : 32);
		result = blocks_add(in->to, what, b);
	}
	return result;
}

/* list_take(in, what, text): how many entries; -1 when one is wrong. */
static int list_take(
	const struct intake *in, const char *what, const char *text)
{
	static const char between[] = ", \t";
	char entry[NI_MAXHOST];
	size_t n = 0;
	int count = 0;

	for (;; count++) {
		text += n;
		text += strspn(text, between);
		if (!*text)
			return count;
		n = strcspn(text, between);
		if (n >= sizeof(entry))
			return fail_as(MISUSED, "%s: \"%.40s...\" is too long",
				what, text);
		memcpy(entry, text, n);
		entry[n] = '\0';
		if (entry_take(in, what, entry) < 0)
			return -1;
	}
}

/*
 * file_text(file, again, n): what is in it, to be freed, and a NUL after it.
 * What a pipe gave once it does not give again: that is no empty list.
 */
static char *file_text(const char *file, bool again, size_t *n)
{
	char *text = malloc(ACCESS_BYTES + 2);
	struct stat st;
	int fd = -1;
	ssize_t got = -1;

	*n = 0;
	if (again && stat(file, &st) == 0 && S_ISFIFO(st.st_mode))
		errno = ESPIPE;
	else if (text)
		fd = open(file, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && *n <= ACCESS_BYTES) {
		got = read(fd, text + *n, ACCESS_BYTES + 1 - *n);
		if (got == 0 || (got < 0 && errno != EINTR))
			break;
		*n += got > 0 ? (size_t)got : 0;
	}
	if (got < 0)
		fail("cannot read %s:", file);
	else if (*n > ACCESS_BYTES)
		fail_as(MISUSED, "%s: more than %d bytes", file, ACCESS_BYTES);
	if (fd >= 0)
		close(fd);
	if (text && got == 0) {
		text[*n] = '\0';
		return text;
	}
	free(text);
	return NULL;
}

/* file_take(in, file): the entries of its lines, without the comments. */
static int file_take(const struct intake *in, const char *file)
{
	char what[sizeof(why.text)];
	size_t size, n;
	char *text = file_text(file, in->access->loaded, &size), *line = text;
	int result = text ? 0 : -1;

	for (int i = 1; result >= 0 && line < text + size; i++) {
		snprintf(what, sizeof(what), "%s line %d", file, i);
		n = strcspn(line, "\n");
		if (line[n] == '\0' && line + n < text + size) {
			result = fail_as(MISUSED, "%s: a NUL byte", what);
			break;
		}
		line[n] = '\0';
		if (n > 0 && line[n - 1] == '\r')
			line[n - 1] = '\0';
		line[strcspn(line, "#")] = '\0';
		result = list_take(in, what, line);
		line += n + 1;
	}
	free(text);
	return result;
}

/* access_add(a, sort, what, text): one more; -1 when it is no list. */
static int access_add(
	struct access_sources *a, int sort, const char *what, const char *text)
{
	struct intake check = { .to = NULL };
	int n = *text != 0;

	if (a->count == ACCESS_SOURCES)
		return fail_as(MISUSED, "%s: more than %d lists", what,
			ACCESS_SOURCES);
	if (!(sort & ACCESS_FILE))
		n = list_take(&check, what, text);
	if (n == 0)
		return fail_as(MISUSED, "%s: \"%s\" is empty", what, text);
	if (n < 0)
		return -1;
	a->at[a->count].sort = sort;
	a->at[a->count++].text = text;
	return 0;
}

/*
 * access_load(a, deadline): read the lists and files, and look up the names.
 * -1 with why, and what was loaded before stays, when anything is wrong.
 */
static int access_load(struct access *a, int64_t deadline)
{
	struct blocks lists[2] = { { .count = 0 } }, old[2];
	struct intake in = { .access = a, .deadline = deadline };
	int result = 0;

	for (int i = 0; i < a->from->count && result >= 0; i++) {
		const char *text = a->from->at[i].text;
		bool deny = a->from->at[i].sort & ACCESS_DENY;

		in.to = &lists[deny];
		in.to->given = true;
		result = a->from->at[i].sort & ACCESS_FILE
			? file_take(&in, text)
			: list_take(&in, deny ? "--deny" : "--allow", text);
	}
	for (int i = 0; i < 2; i++)
		if (lists[i].count > 1)
			qsort(lists[i].at, lists[i].count, sizeof(*lists[i].at),
				block_order);
	pthread_mutex_lock(&a->lock);
	if (result >= 0) {
		memcpy(old, a->lists, sizeof(old));
		memcpy(a->lists, lists, sizeof(lists));
		memcpy(lists, old, sizeof(old));
		a->loaded = true;
		a->tellings = 0;
	}
	pthread_mutex_unlock(&a->lock);
	free(lists[0].at);
	free(lists[1].at);
	return result < 0 ? -1 : 0;
}

/* access_told(a, peer): whether -v knows of it; from now on it does. */
static bool access_told(struct access *a, const struct addr *peer)
{
	for (unsigned int i = 0; i < REFUSED && i < a->tellings; i++)
		if (addr_same(&a->told[i], peer))
			return true;
	a->told[a->tellings++ % REFUSED] = *peer;
	return false;
}

/*
 * access_allows(a, peer, once): whether peer may connect; a NULL: everybody.
 * -v tells of one who may not, each time or, as of datagrams, once.
 */
static bool access_allows(struct access *a, const struct addr *peer, bool once)
{
	struct addr who;
	char text[ADDR_TEXT];
	const char *verdict = NULL;
	bool told = messages.loudness < 1 && !messages.json;

	if (!a)
		return true;
	who = *peer;
	addr_unmap(&who);
	pthread_mutex_lock(&a->lock);
	if (blocks_hold(&a->lists[ACCESS_DENY], &who))
		verdict = "denied";
	else if (a->lists[0].given && !blocks_hold(&a->lists[0], &who))
		verdict = "not allowed";
	if (verdict && !told && once)
		told = access_told(a, &who);
	pthread_mutex_unlock(&a->lock);
	if (verdict && !told && messages.json) {
		report_addr("refused", &who, "reason", verdict);
	} else if (verdict && !told) {
		tell("Connection refused from %s (%s)", addr_text(&who, text),
			verdict);
	}
	return !verdict;
}

/*
 * ---- sockets --------------------------------------------------------------
 *
 * Options on sockets, connecting (dial), listening (announce), accepting, and
 * single datagrams.  The only calls of socket(2) are here.
 */
struct prefs { /* -1: what the system does by itself */
	int64_t rcvbuf, sndbuf, tos, ttl, backlog, mode;
	int keepalive;
	int64_t keep_idle, keep_interval, keep_count;
	bool nodelay, reuseaddr, reuseport, broadcast;
	bool mptcp;
	const char *interface;     /* its name, or NULL */
	const char *source;        /* local address or path, or NULL */
	int source_port;           /* 0: any */
	const struct proxy *proxy; /* NULL: none */
	const struct bytes *probe; /* an answer to this datagram counts as a
				      connection; NULL: none is needed */
};

struct listeners {
	int count;
	struct pollfd fd[LISTENERS + 1]; /* the last: stop, or -1 */
	bool inherited;                  /* others may use them, too */
	int stop;              /* a pipe; readable: take nobody any more */
	pthread_mutex_t turn;  /* one thread at a time waits for all of them */
	atomic_int last;       /* the one that had something last */
	struct access *access; /* NULL: everybody may connect */
};

/*
 * What is to be removed at the end: the names of sockets, and the port file.
 * The lock is held while a file comes into being, and kept by whoever ends the
 * process: no thread makes one after that.
 */
static struct {
	pthread_mutex_t lock;
	int count;
	struct {
		char path[PATH_MAX];
		dev_t dev;
		ino_t ino;
	} at[LISTENERS];
} litter = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* litter_keep(path): it is ours, and to be removed; with the lock held. */
static void litter_keep(const char *path)
{
	struct stat st;
	int i = litter.count;

	if (i == (int)COUNT(litter.at) || strlen(path) >= PATH_MAX ||
		lstat(path, &st) < 0)
		return;
	strcpy(litter.at[i].path, path);
	litter.at[i].dev = st.st_dev;
	litter.at[i].ino = st.st_ino;
	litter.count++;
}

/* litter_remove(last): remove what is still ours; last: for good. */
static void litter_remove(bool last)
{
	struct stat st;

	pthread_mutex_lock(&litter.lock);
	while (litter.count > 0) {
		int i = --litter.count;

		if (lstat(litter.at[i].path, &st) == 0 &&
			st.st_dev == litter.at[i].dev &&
			st.st_ino == litter.at[i].ino)
			unlink(litter.at[i].path);
	}
	if (!last)
		pthread_mutex_unlock(&litter.lock);
}

/*
 * bind_named(fd, a): bind(2); a name in the file system will be removed.
 */
static int bind_named(int fd, const struct addr *a)
{
	char text[ADDR_TEXT];
	int result;

	pthread_mutex_lock(&litter.lock);
	result = bind(fd, &a->sa, a->len);
	if (result == 0 && a->sa.sa_family == AF_UNIX &&
		a->len > sizeof(sa_family_t) && addr_host(a, text)[0] != '@')
		litter_keep(text);
	pthread_mutex_unlock(&litter.lock);
	return result;
}

/* sock_set(fd, level, option, to, what): -1 with why; to below 0: leave it. */
static int sock_set(int fd, int level, int option, int64_t to, const char *what)
{
	int n = (int)to;

	if (to < 0 || setsockopt(fd, level, option, &n, sizeof(n)) == 0)
		return 0;
	return fail("cannot set %s to %d:", what, n);
}

/*
 * sock_open(family, type, p): a new socket, for --mptcp one of several paths
 * if the kernel has that.
 */
static int sock_open(int family, int type, const struct prefs *p)
{
	static atomic_bool told;
	bool wanted = p->mptcp && family != AF_UNIX && type == SOCK_STREAM;
	int fd = wanted ? sock_new_mptcp(family) : -1, error = errno;

	if (fd >= 0)
		return fd;
	fd = sock_new(family, type);
	if (fd >= 0 && wanted && !atomic_exchange(&told, true))
		say("no Multipath TCP, plain TCP is used: %s", strerror(error));
	return fd;
}

/*
 * sock_use_interface(fd, family, type, name): send and receive on that one
 * only, to groups as well.
 */
static int sock_use_interface(int fd, int family, int type, const char *name)
{
	unsigned int index = if_nametoindex(name);
	struct ip_mreqn four = { .imr_ifindex = (int)index };
	int result =
		index == 0 ? -1 : sock_bind_interface(fd, family, name, index);

	if (result == 0 && type == SOCK_DGRAM)
		result = family == AF_INET6
			? setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF,
				  &index, sizeof(index))
			: setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &four,
				  sizeof(four));
	return result == 0 ? 0 : fail("cannot use --interface %s:", name);
}

/* sock_tune(fd, family, type, p): before connect or listen. */
static int sock_tune(int fd, int family, int type, const struct prefs *p)
{
	bool ip = family != AF_UNIX, six = family == AF_INET6;
	bool tcp = ip && type == SOCK_STREAM, alive = tcp && p->keepalive == 1;
	bool udp = ip && !tcp;
	const struct {
		bool wanted;
		int level, option;
		int64_t to;
		const char *what;
	} list[] = {
		{ true, SOL_SOCKET, SO_RCVBUF, p->rcvbuf, "--rcvbuf" },
		{ true, SOL_SOCKET, SO_SNDBUF, p->sndbuf, "--sndbuf" },
		{ tcp, IPPROTO_TCP, TCP_NODELAY, p->nodelay, "--nodelay" },
		{ alive, SOL_SOCKET, SO_KEEPALIVE, 1, "--keepalive" },
		{ alive, IPPROTO_TCP, TCP_KEEPIDLE, p->keep_idle,
			"the idle time of --keepalive" },
		{ alive, IPPROTO_TCP, TCP_KEEPINTVL, p->keep_interval,
			"the interval of --keepalive" },
		{ alive, IPPROTO_TCP, TCP_KEEPCNT, p->keep_count,
			"the count of --keepalive" },
		{ six, IPPROTO_IPV6, IPV6_TCLASS, p->tos, "--tos" },
		{ six, IPPROTO_IPV6, IPV6_UNICAST_HOPS, p->ttl, "--ttl" },
		{ six && udp, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, p->ttl,
			"--ttl" },
		{ ip, IPPROTO_IP, IP_TOS, p->tos, "--tos" },
		{ ip, IPPROTO_IP, IP_TTL, p->ttl, "--ttl" },
		{ udp, IPPROTO_IP, IP_MULTICAST_TTL, p->ttl, "--ttl" },
	};

	if (ip && p->interface &&
		sock_use_interface(fd, family, type, p->interface) < 0)
		return -1;
	/* An IPv6 socket may carry IPv4 as well, but not everywhere. */
	for (size_t i = 0; i < COUNT(list); i++)
		if (list[i].wanted &&
			sock_set(fd, list[i].level, list[i].option, list[i].to,
				list[i].what) < 0 &&
			!(six && list[i].level == IPPROTO_IP))
			return -1;
	return 0;
}

/* sock_write_timeout(fd, span): how long a send may block; 0: forever. */
static void sock_write_timeout(int fd, int64_t span)
{
	struct timeval t = { span / SECOND, span % SECOND / 1000 };

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

/* sock_timeouts(fd, span): the same for all calls; a ms at least. */
static void sock_timeouts(int fd, int64_t span)
{
	struct timeval t = { span / SECOND, span % SECOND / 1000 };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	sock_write_timeout(fd, span);
}

/* sock_error(fd): the error that waits on the socket, taken; 0: none. */
static int sock_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

/*
 * sock_failure(fd): the error that has ended a connection, taken; 0: none.
 * SO_ERROR alone tells as well what TCP still tries to overcome, such as a
 * lost route; poll(2) does not see that.
 */
static int sock_failure(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) > 0 && p.revents & POLLERR ? sock_error(fd) : 0;
}

/* sock_name(fd): its own address; all zero when it is no socket. */
static struct addr sock_name(int fd)
{
	struct addr a = { .len = sizeof(a.un) };

	if (getsockname(fd, &a.sa, &a.len) < 0)
		memset(&a, 0, sizeof(a));
	return a;
}

static bool sock_is_connected(int fd)
{
	struct addr a = { .len = sizeof(a.un) };

	return getpeername(fd, &a.sa, &a.len) == 0;
}

/*
 * local_end(t, p, deadline, local): what -s and -p ask for; local->len is 0
 * when they ask for nothing.
 */
static int local_end(const struct target *t, const struct prefs *p,
	int64_t deadline, struct addr *local)
{
	struct target source = *t;
	struct addr_list list;

	memset(local, 0, sizeof(*local));
	if (!p->source)
		return 0;
	if (t->path)
		source.path = p->source;
	source.host = p->source;
	source.port = p->source_port;
	if (target_resolve(&source, deadline, &list) < 0)
		return -1;
	addr_list_scope(&list, p->interface);
	*local = list.at[0];
	return 0;
}

/*
 * sock_bind_local(fd, t, p, local, a): the local end of a client toward a.
 * A Unix datagram client gets a private name, so that it can be answered.
 */
static int sock_bind_local(int fd, const struct target *t,
	const struct prefs *p, struct addr local, const struct addr *a)
{
	static atomic_int names;
	char text[ADDR_TEXT];
	int family = a->sa.sa_family;

	if (local.len == 0 && family == AF_UNIX && t->type == SOCK_DGRAM) {
		local.un.sun_family = AF_UNIX;
		local.len = sizeof(sa_family_t);
		snprintf(text, sizeof(text), "/tmp/sockcat.%ld.%d",
			(long)getpid(), atomic_fetch_add(&names, 1));
		if (!HAVE_ABSTRACT && addr_unix(text, &local) < 0)
			return -1;
	} else if (local.len == 0 && p->source_port > 0) {
		local.sa.sa_family = (sa_family_t)family;
		local.len = family == AF_INET6 ? sizeof(local.in6)
					       : sizeof(local.in);
		addr_set_port(&local, p->source_port);
	}
	if (local.len == 0)
		return 0;
	if (p->source_port > 0 && p->reuseaddr &&
		(t->type == SOCK_STREAM || addr_is_multicast(a)) &&
		sock_set(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR") < 0)
		return -1;
	if (bind_named(fd, &local) < 0)
		return fail("cannot bind the local end to %s: %s",
			addr_text(&local, text), addr_reason(&local, errno));
	return 0;
}

enum { CONNECTED, CONNECTING };

/*
 * sock_connect(fd, t, p, a, deadline, alone): connect, or begin to.  A stream
 * over IP goes on in the background, unless it is alone and has no deadline:
 * nothing else could be done meanwhile.  A Unix one waits for room in the
 * backlog, which only a blocking connect does.  A datagram socket stays
 * unconnected toward groups and broadcast addresses, whose answers come from
 * elsewhere; the kernel tells a broadcast address by EACCES.
 */
static int sock_connect(int fd, const struct target *t, const struct prefs *p,
	const struct addr *a, int64_t deadline, bool alone)
{
	int64_t left = deadline == NEVER ? 0 : deadline - now();

	if (deadline < NEVER && left < MS)
		left = MS;

	if (t->type == SOCK_DGRAM && addr_is_multicast(a))
		return 0;
	if (t->path && left > 0)
		sock_timeouts(fd, left);
	else if (!t->path && t->type == SOCK_STREAM &&
		(!alone || deadline < NEVER))
		(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	while (connect(fd, &a->sa, a->len) < 0) {
		if (errno == EINPROGRESS || errno == EALREADY)
			return CONNECTING;
		if (errno == EAGAIN && t->path && left > 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (errno == EACCES && t->type == SOCK_DGRAM && p->broadcast)
			return sock_set(fd, SOL_SOCKET, SO_BROADCAST, 1,
				"SO_BROADCAST");
		if (errno != EINTR)
			return -1;
	}
	if (t->path && left > 0)
		sock_timeouts(fd, 0);
	return 0;
}

/* A client's attempts to reach one of several addresses. */
struct race {
	const struct target *target;
	const struct prefs *prefs;
	int64_t deadline;
	struct addr local;
	const struct addr_list *list;
	int next;      /* the address to start with */
	int last;      /* the one that was connected, or failed last */
	bool hopeless; /* the local end is not to be had */
	int running;
	struct pollfd fd[ADDRESSES];
	int which[ADDRESSES]; /* the address of each running attempt */
};

/*
 * race_failed(r, which, error): the attempt at that address; why is that of the
 * last one that failed.
 */
static void race_failed(struct race *r, int which, int error)
{
	const char *verb = r->prefs->probe ? "probe of" : "connect to";
	char place[PLACE_TEXT];

	r->last = which;
	target_place(r->target, &r->list->at[which], place);
	if (error != ETIMEDOUT || now() < r->deadline)
		fail_as(FAILED, "%s %s failed: %s", verb, place,
			addr_reason(&r->list->at[which], error));
	else if (r->prefs->probe)
		fail_as(TIMED_OUT, "probe of %s: no answer: open or filtered",
			place);
	else
		fail_as(TIMED_OUT, "connect to %s failed: no answer in time",
			place);
	why.error = error;
}

/*
 * probe_send(fd, probe, a): to a; 0, also when there is no room for it.  What
 * came before fd was connected may be from anybody, and is no answer.
 */
static int probe_send(int fd, const struct bytes *probe, const struct addr *a)
{
	bool group = addr_is_multicast(a); /* fd is not connected to it */
	char scrap;
	ssize_t n;

	while (recv(fd, &scrap, 1, MSG_DONTWAIT) >= 0)
		continue;
	do {
		n = sendto(fd, probe->at, probe->size, MSG_DONTWAIT,
			group ? &a->sa : NULL, group ? a->len : 0);
	} while (n < 0 && errno == EINTR);
	return n < 0 && errno != EAGAIN && errno != EWOULDBLOCK ? -1 : 0;
}

/*
 * race_start(r): begin to connect to the next address.  False when that can
 * never work for any of them: the local end is not to be had.
 */
static bool race_start(struct race *r)
{
	int which = r->next++, fd, state;
	const struct addr *a = &r->list->at[which];
	const struct target *t = r->target;
	const struct bytes *probe = r->prefs->probe;

	if (r->local.len > 0 && r->local.sa.sa_family != a->sa.sa_family) {
		if (why.text[0] == '\0')
			fail("%s has no address of the family of -s %s",
				t->host, r->prefs->source);
		return true;
	}
	fd = sock_open(a->sa.sa_family, t->type, r->prefs);
	if (fd < 0) {
		race_failed(r, which, errno);
		return true;
	}
	if (sock_tune(fd, a->sa.sa_family, t->type, r->prefs) < 0 ||
		sock_bind_local(fd, t, r->prefs, r->local, a) < 0) {
		close(fd);
		return false;
	}
	state = sock_connect(
		fd, t, r->prefs, a, r->deadline, r->list->count == 1);
	if (state < 0 || (probe && probe_send(fd, probe, a) < 0)) {
		race_failed(r, which, errno);
		close(fd);
		return true;
	}
	r->which[r->running] = which;
	r->fd[r->running++] = (struct pollfd){ .fd = fd,
		.events = probe ? POLLIN : POLLOUT,
		.revents = !probe && state == CONNECTED ? POLLOUT : 0 };
	return true;
}

/*
 * race_met_itself(r, fd, peer): TCP's simultaneous open, or a probe, from the
 * port that it went to: that is nobody.
 */
static bool race_met_itself(
	const struct race *r, int fd, const struct addr *peer)
{
	struct addr self;

	if (r->target->path ||
		(r->target->type == SOCK_DGRAM && !r->prefs->probe))
		return false;
	self = sock_name(fd);
	return addr_same(&self, peer);
}

/*
 * race_look(r, peer): the connected socket of an attempt that succeeded, or
 * -1; attempts that failed leave the race.
 */
static int race_look(struct race *r, struct addr *peer)
{
	int error, i = 0, fd;

	while (i < r->running) {
		fd = r->fd[i].fd;
		if (r->fd[i].revents == 0) {
			i++;
			continue;
		}
		*peer = r->list->at[r->which[i]];
		error = sock_error(fd);
		if (error == 0 && race_met_itself(r, fd, peer))
			error = ECONNREFUSED;
		r->running--;
		if (error == 0) {
			r->last = r->which[i];
			r->fd[i] = r->fd[r->running];
			return fd;
		}
		race_failed(r, r->which[i], error);
		close(fd);
		r->fd[i] = r->fd[r->running];
		r->which[i] = r->which[r->running];
	}
	return -1;
}

/* race_run(r, peer): the first socket that connects, or -1 with why. */
static int race_run(struct race *r, struct addr *peer)
{
	bool one_by_one = r->prefs->source_port > 0;
	int64_t next_start = 0, until;
	int fd = -1, before;

	why.text[0] = '\0';
	while (fd < 0) {
		if (r->next < r->list->count &&
			(r->running == 0 || now() >= next_start)) {
			r->hopeless = !race_start(r);
			if (r->hopeless)
				break;
			next_start = one_by_one ? NEVER : after(race_delay);
			continue;
		}
		if (r->running == 0)
			break;
		until = r->next < r->list->count && next_start < r->deadline
			? next_start
			: r->deadline;
		before = r->running;
		if ((r->running == 1 && r->fd[0].revents) ||
			poll(r->fd, (nfds_t)r->running, poll_time(until)) > 0)
			fd = race_look(r, peer);
		else if (now() >= r->deadline) {
			race_failed(r, r->which[r->running - 1], ETIMEDOUT);
			break;
		}
		if (r->running < before && !one_by_one)
			next_start = 0;
	}
	while (r->running > 0)
		close(r->fd[--r->running].fd);
	return fd;
}

enum { HOPELESS = -2 };

/* dial_ends(t, p, deadline, list, local): the addresses, in turn, and ours. */
static int dial_ends(const struct target *t, const struct prefs *p,
	int64_t deadline, struct addr_list *list, struct addr *local)
{
	if (target_resolve(t, deadline, list) < 0 ||
		local_end(t, p, deadline, local) < 0)
		return -1;
	addr_list_scope(list, p->interface);
	addr_list_interleave(list);
	return 0;
}

/*
 * dial(t, p, deadline, peer): connect to t, racing its addresses (RFC 8305).
 * Fill peer; return a blocking socket, or -1 with the last address's reason;
 * HOPELESS when the local end is not to be had.
 */
static int dial(const struct target *t, const struct prefs *p, int64_t deadline,
	struct addr *peer)
{
	struct addr_list list;
	struct race r = {
		.target = t, .prefs = p, .deadline = deadline, .list = &list
	};
	int fd;

	if (dial_ends(t, p, deadline, &list, &r.local) < 0)
		return -1;
	fd = race_run(&r, peer);
	if (fd >= 0 && !t->path && t->type == SOCK_STREAM)
		(void)fcntl(fd, F_SETFL, 0);
	return r.hopeless ? HOPELESS : fd;
}

/*
 * unix_replace(a, type): remove the file at a's path if it is a socket that
 * nobody serves.  The probe does not block, and only a refusal counts: a full
 * backlog or another type of socket is a live one.
 */
static int unix_replace(const struct addr *a, int type)
{
	char path[ADDR_TEXT];
	struct stat st, again;
	int fd, refused;

	addr_host(a, path);
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : fail("cannot bind to %s:", path);
	if (!S_ISSOCK(st.st_mode))
		return fail("cannot bind to %s: the file is there and is no "
			    "socket",
			path);
	fd = sock_new(AF_UNIX, type);
	if (fd < 0)
		return fail("cannot create a socket:");
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	refused = connect(fd, &a->sa, a->len) < 0 && errno == ECONNREFUSED;
	close(fd);
	if (!refused) {
		errno = EADDRINUSE;
		return fail("cannot bind to %s:", path);
	}
	if (lstat(path, &again) == 0 && again.st_ino == st.st_ino &&
		again.st_dev == st.st_dev)
		unlink(path);
	return 0;
}

/*
 * unix_bind(fd, a, type, mode): to a path, where a stale socket gives way;
 * mode: its permissions from the start, -1: what umask(2) leaves.
 */
static int unix_bind(int fd, const struct addr *a, int type, int64_t mode)
{
	char text[ADDR_TEXT];
	mode_t before = 0;
	int result;

	if (addr_host(a, text)[0] != '@' && unix_replace(a, type) < 0)
		return -1;
	if (mode >= 0)
		before = umask((mode_t)(~mode & 0777));
	result = bind_named(fd, a);
	if (mode >= 0)
		umask(before);
	return result < 0 ? fail("cannot bind to %s:", text) : 0;
}

/*
 * group_join(fd, a, name): hear what is sent to the multicast group a, on that
 * interface; NULL: that of a, or else of the route there.
 */
static int group_join(int fd, const struct addr *a, const char *name)
{
	unsigned int index = name ? if_nametoindex(name) : 0;
	struct ip_mreqn four = { .imr_multiaddr = a->in.sin_addr,
		.imr_ifindex = (int)index };
	struct ipv6_mreq six = { .ipv6mr_multiaddr = a->in6.sin6_addr,
		.ipv6mr_interface = name ? index : a->in6.sin6_scope_id };
	char text[ADDR_TEXT];
	int result = a->sa.sa_family == AF_INET6
		? setsockopt(
			  fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &six, sizeof(six))
		: setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &four,
			  sizeof(four));

	return result == 0
		? 0
		: fail("cannot join the group %s:", addr_host(a, text));
}

/* datagrams_queue(fd): a burst shall wait there; -v tells if it is small. */
static void datagrams_queue(int fd)
{
	int n = 0;
	socklen_t len = sizeof(n);

	sock_set_queue(fd, DATAGRAMS_SIZE);
	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &n, &len) == 0 &&
		n < DATAGRAMS_SIZE)
		tell("The receive buffer has %d bytes instead of %d", n,
			DATAGRAMS_SIZE);
}

/*
 * datagrams_note_local(fd, family): tell with each datagram which address it
 * met.  A dual-stack socket tells either; without, answers still leave.
 */
static void datagrams_note_local(int fd, int family)
{
	if (family == AF_INET6)
		sock_set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "pktinfo");
	sock_set(fd, IPPROTO_IP, IP_PKTINFO, 1, "pktinfo");
}

/* ip_bind(fd, t, a, p, dual): -1 with why.error telling bind's errno. */
static int ip_bind(int fd, const struct target *t, const struct addr *a,
	const struct prefs *p, bool dual)
{
	bool group = t->type == SOCK_DGRAM && addr_is_multicast(a);
	char text[ADDR_TEXT];

	if ((t->type == SOCK_STREAM || group) && p->reuseaddr &&
		sock_set(fd, SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR") < 0)
		return -1;
	if (p->reuseport &&
		sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1, "--reuseport") < 0)
		return -1;
	if (a->sa.sa_family == AF_INET6 &&
		sock_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual, "IPV6_V6ONLY") <
			0)
		return -1;
	if (t->type == SOCK_DGRAM && p->rcvbuf < 0)
		datagrams_queue(fd);
	if (t->type == SOCK_DGRAM)
		datagrams_note_local(fd, a->sa.sa_family);
	if (bind(fd, &a->sa, a->len) < 0)
		return fail("cannot listen on %s (%s): %s", addr_text(a, text),
			target_kind(t), addr_reason(a, errno));
	return group ? group_join(fd, a, p->interface) : 0;
}

/* listen_on(t, a, p, dual): a listening socket at a, or -1. */
static int listen_on(const struct target *t, const struct addr *a,
	const struct prefs *p, bool dual)
{
	int family = a->sa.sa_family;
	int fd = sock_open(family, t->type, p), result;
	char text[ADDR_TEXT];

	if (fd < 0)
		return fail("cannot listen on %s (%s):", addr_text(a, text),
			target_kind(t));
	result = sock_tune(fd, family, t->type, p);
	if (result == 0 && family == AF_UNIX)
		result = unix_bind(fd, a, t->type, p->mode);
	else if (result == 0)
		result = ip_bind(fd, t, a, p, dual);
	if (result == 0 && t->type == SOCK_STREAM &&
		listen(fd, p->backlog < 0 ? INT_MAX : (int)p->backlog) < 0)
		result = fail("cannot listen on %s (%s):", addr_text(a, text),
			target_kind(t));
	if (result == 0)
		return fd;
	close(fd);
	return -1;
}

static void listeners_close(struct listeners *ls)
{
	while (ls->count > 0)
		close(ls->fd[--ls->count].fd);
}

/* listeners_add(ls, t, a, p, dual): -1 when a cannot be listened on. */
static int listeners_add(struct listeners *ls, const struct target *t,
	const struct addr *a, const struct prefs *p, bool dual)
{
	int fd;

	if (ls->count == LISTENERS)
		return fail("more than %d addresses to listen on", LISTENERS);
	fd = listen_on(t, a, p, dual);
	if (fd < 0)
		return -1;
	ls->fd[ls->count++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	return 0;
}

/* address_is_missing(): why: this machine does not have the address. */
static bool address_is_missing(void)
{
	return why.error == EADDRNOTAVAIL || why.error == EAFNOSUPPORT;
}

/*
 * announce_all(t, p, list, ls): listen on each address of the list, all on
 * the port that the first one got; those the machine lacks are passed over.
 */
static int announce_all(const struct target *t, const struct prefs *p,
	struct addr_list *list, struct listeners *ls)
{
	struct addr first;
	struct addr *a;
	struct why passed = { .text = "" };

	for (int i = 0; i < list->count; i++) {
		a = &list->at[i];
		if (ls->count > 0 && t->port == 0 && !t->path) {
			first = sock_name(ls->fd[0].fd);
			addr_set_port(a, addr_port(&first));
		}
		if (listeners_add(ls, t, a, p, false) == 0)
			continue;
		if (!address_is_missing())
			return -1;
		if (passed.text[0])
			tell("%s", passed.text);
		passed = why;
	}
	why = passed;
	if (ls->count > 0 && passed.text[0])
		tell("%s", passed.text);
	return ls->count > 0 ? 0 : -1;
}

/*
 * announce_any(t, p, ls): every address: one socket for both families, two
 * where a socket serves only one, IPv4 alone where there is no IPv6.
 */
static int announce_any(
	const struct target *t, const struct prefs *p, struct listeners *ls)
{
	struct addr_list list = { .count = 2 };

	list.at[0].in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
		.sin6_addr = in6addr_any };
	list.at[0].len = sizeof(struct sockaddr_in6);
	list.at[1].in = (struct sockaddr_in){ .sin_family = AF_INET };
	list.at[1].len = sizeof(struct sockaddr_in);
	addr_set_port(&list.at[0], t->port);
	addr_set_port(&list.at[1], t->port);
	if (t->family == AF_UNSPEC &&
		listeners_add(ls, t, &list.at[0], p, true) == 0)
		return 0;
	if (t->family == AF_UNSPEC && why.error == EADDRINUSE)
		return -1;
	if (t->family == AF_INET)
		list.at[0] = list.at[1];
	if (t->family != AF_UNSPEC)
		list.count = 1;
	return announce_all(t, p, &list, ls);
}

/* loopback_list(family, to): this machine's addresses for itself. */
static void loopback_list(int family, struct addr_list *to)
{
	to->count = 0;
	if (family != AF_INET) {
		struct addr *a = &to->at[to->count++];

		a->in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
			.sin6_addr = in6addr_loopback };
		a->len = sizeof(a->in6);
	}
	if (family != AF_INET6) {
		struct addr *a = &to->at[to->count++];

		a->in = (struct sockaddr_in){ .sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		a->len = sizeof(a->in);
	}
}

/*
 * announce(t, p, deadline, ls): listen on t.  With port 0 and several
 * addresses the port that the first one got may be taken on another: then
 * once more.
 */
static int announce(const struct target *t, const struct prefs *p,
	int64_t deadline, struct listeners *ls)
{
	struct addr_list list;
	int result, tries = 16;

	if (!t->path && !t->host && !t->local)
		return announce_any(t, p, ls);
	if (!t->path && !t->host)
		loopback_list(t->family, &list);
	else if (target_resolve(t, deadline, &list) < 0)
		return -1;
	addr_list_scope(&list, p->interface);
	do {
		for (int i = 0; i < list.count; i++)
			addr_set_port(&list.at[i], t->port);
		result = announce_all(t, p, &list, ls);
		if (result < 0)
			listeners_close(ls);
	} while (result < 0 && t->port == 0 && !t->path && list.count > 1 &&
		why.error == EADDRINUSE && --tries > 0);
	return result;
}

/*
 * listener_check(fd, type): whether fd is a socket of that type that listens,
 * or, for datagrams, that is bound.
 */
static int listener_check(int fd, int type)
{
	int is = 0, listening = 0;
	socklen_t len = sizeof(is);
	struct addr a = sock_name(fd);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &is, &len) < 0)
		return fail_as(MISUSED, "LISTEN_FDS: descriptor %d: %s", fd,
			strerror(errno));
	len = sizeof(listening);
	(void)getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len);
	if (is != type)
		return fail_as(MISUSED,
			"LISTEN_FDS: descriptor %d is %s socket", fd,
			is == SOCK_DGRAM ? "a datagram" : "no datagram");
	if (type == SOCK_STREAM ? !listening : a.sa.sa_family == AF_UNSPEC)
		return fail_as(MISUSED,
			"LISTEN_FDS: descriptor %d does not listen", fd);
	return 0;
}

/* inherited_count(): how many sockets LISTEN_FDS hands to this process. */
static int inherited_count(void)
{
	const char *count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	const char *rest = "";
	int64_t n;

	if (!count || !pid || digits(pid, 10, INT_MAX, &rest) != getpid() ||
		*rest)
		return 0;
	n = digits(count, 10, INT_MAX, &rest);
	return n < 0 || *rest ? 0 : (int)n;
}

/*
 * announce_inherited(ls, n, type, p): the n sockets that LISTEN_FDS hands over.
 */
static int announce_inherited(
	struct listeners *ls, int n, int type, const struct prefs *p)
{
	struct addr a;

	if (n > LISTENERS)
		return fail_as(
			MISUSED, "LISTEN_FDS: more than %d sockets", LISTENERS);
	ls->inherited = true;
	for (int fd = 3; fd < 3 + n; fd++) {
		if (listener_check(fd, type) < 0)
			return -1;
		a = sock_name(fd);
		if (sock_tune(fd, a.sa.sa_family, type, p) < 0)
			return -1;
		if (type == SOCK_DGRAM && a.sa.sa_family != AF_UNIX)
			datagrams_note_local(fd, a.sa.sa_family);
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
		ls->fd[ls->count++] =
			(struct pollfd){ .fd = fd, .events = POLLIN };
	}
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return 0;
}

/* listener_is_dual(fd, a): a, its address, means every IPv4 address as well. */
static bool listener_is_dual(int fd, const struct addr *a)
{
	int only = 1;
	socklen_t len = sizeof(only);

	return a->sa.sa_family == AF_INET6 &&
		IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr) &&
		getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) == 0 &&
		!only;
}

/*
 * listener_text(fd, text): `ADDRESS PORT' or the path, a line; for the
 * dual-stack socket of every address two lines.
 */
static char *listener_text(int fd, char text[2 * ADDR_TEXT])
{
	struct addr a = sock_name(fd);
	size_t n;

	addr_text(&a, text);
	strcat(text, "\n");
	n = strlen(text);
	if (listener_is_dual(fd, &a))
		snprintf(text + n, ADDR_TEXT, "0.0.0.0 %d\n", addr_port(&a));
	return text;
}

/* listeners_text(ls, text, size): the lines of all of them; their length. */
static size_t listeners_text(
	const struct listeners *ls, char *text, size_t size)
{
	char one[2 * ADDR_TEXT];
	size_t n = 0;

	for (int i = 0; i < ls->count && n < size; i++)
		n += (size_t)snprintf(text + n, size - n, "%s",
			listener_text(ls->fd[i].fd, one));
	return n < size ? n : size - 1;
}

/* port_file_name(path, other): what it is called until it is whole. */
static int port_file_name(const char *path, char other[PATH_MAX])
{
	if ((size_t)snprintf(other, PATH_MAX, "%s.%ld", path, (long)getpid()) <
		PATH_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return fail("--port-file %s:", path);
}

/* port_file_open(path): under the other name; it is removed at the end. */
static int port_file_open(const char *path)
{
	struct stat st;
	char other[PATH_MAX];
	int fd;

	if (port_file_name(path, other) < 0)
		return -1;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return fail(
			"--port-file %s: it is there and is no regular file",
			path);
	unlink(other);
	fd = open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return fail("--port-file %s:", path);
	litter_keep(other);
	return fd;
}

/* port_file(path, fd, text, n): write it whole, and give it its name. */
static int port_file(const char *path, int fd, const char *text, size_t n)
{
	char other[PATH_MAX];
	int result;

	if (port_file_name(path, other) < 0)
		return -1;
	pthread_mutex_lock(&litter.lock);
	result = write(fd, text, n) == (ssize_t)n ? 0 : -1;
	if (close(fd) < 0 || result < 0 || rename(other, path) < 0)
		result = fail("--port-file %s:", path);
	else
		litter_keep(path);
	pthread_mutex_unlock(&litter.lock);
	return result;
}

/* listeners_report(ls, t): an object an address. */
static void listeners_report(const struct listeners *ls, const struct target *t)
{
	struct in_addr any = { .s_addr = INADDR_ANY };
	struct addr a;

	for (int i = 0; i < ls->count; i++) {
		a = sock_name(ls->fd[i].fd);
		report_addr("listening", &a, "protocol", target_kind(t));
		if (!listener_is_dual(ls->fd[i].fd, &a))
			continue;
		a = addr_ipv4(any, &a);
		report_addr("listening", &a, "protocol", target_kind(t));
	}
}

/* listeners_tell(ls, t): for -v, a line an address, as nc.openbsd says it. */
static void listeners_tell(const struct listeners *ls, const struct target *t)
{
	const char *verb = t->type == SOCK_DGRAM ? "Bound" : "Listening";
	char text[2 * ADDR_TEXT], *line, *rest;

	if (messages.json)
		listeners_report(ls, t);
	for (int i = 0;
		i < ls->count && messages.loudness > 0 && !messages.json; i++) {
		listener_text(ls->fd[i].fd, text);
		text[strlen(text) - 1] = '\0';
		for (line = text; line; line = rest) {
			/* Only the line of a port has another after it. */
			rest = t->path ? NULL : strchr(line, '\n');
			if (rest)
				*rest++ = '\0';
			if (t->path && t->type == SOCK_STREAM)
				tell("Bound on %s", line);
			tell("%s on %s", verb, line);
		}
	}
}

/* tell_accepted(peer): one has come, or was heard for the first time. */
static void tell_accepted(const struct addr *peer)
{
	struct addr shown = *peer;
	char text[ADDR_TEXT];

	addr_unmap(&shown);
	if (messages.json)
		report_addr("accepted", &shown, NULL, "");
	else if (messages.loudness > 0)
		tell("Connection received on %s", addr_text(&shown, text));
}

/*
 * accept_peer(ls, listener, peer): the next connection; -1 with errno, EAGAIN
 * also when it was of one who may not connect.  Those that died in the backlog
 * are not worth a word; accept(2) of Linux reports their pending errors too.
 */
static int accept_peer(
	const struct listeners *ls, int listener, struct addr *peer)
{
	static const int passing[] = { EINTR, ECONNABORTED, EPROTO, ENETDOWN,
		ENOPROTOOPT, EHOSTUNREACH, ENETUNREACH, EPERM };
	size_t i;
	int fd;

	for (;;) {
		peer->len = sizeof(peer->un);
		fd = sock_take(listener, &peer->sa, &peer->len);
		for (i = 0; fd < 0 && i < COUNT(passing); i++)
			if (errno == passing[i])
				break;
		if (fd >= 0 || i == COUNT(passing))
			break;
	}
	if (fd < 0)
		return -1;
	addr_unmap(peer);
	if (access_allows(ls->access, peer, false))
		return fd;
	close(fd);
	errno = EAGAIN;
	return -1;
}

/* no_client(): none that may connect has come in time. */
static int no_client(void)
{
	return fail_as(TIMED_OUT, "no client came within the time of -w");
}

/*
 * wait_for_one(ls, deadline): the listener that has something; -1 if none in
 * time, with ECANCELED in why.error when it was told to stop.
 */
static int wait_for_one(struct listeners *ls, int64_t deadline)
{
	struct pollfd fd[LISTENERS + 1]; /* several threads may wait */
	int n, i;

	memcpy(fd, ls->fd, sizeof(fd));
	fd[ls->count] = (struct pollfd){ .fd = ls->stop, .events = POLLIN };
	do {
		n = poll(fd, (nfds_t)ls->count + 1, poll_time(deadline));
	} while ((n < 0 && errno == EINTR) || (n == 0 && now() < deadline));
	if (n > 0 && fd[ls->count].revents) {
		errno = ECANCELED;
		n = -1;
	}
	for (int k = 1; k <= ls->count && n > 0; k++) {
		i = (atomic_load(&ls->last) + k) % ls->count;
		if (!fd[i].revents)
			continue;
		atomic_store(&ls->last, i);
		return fd[i].fd;
	}
	return n < 0 ? fail("cannot wait for a client:") : no_client();
}

/*
 * accept_any(ls, deadline, peer): the next connection on any of the sockets;
 * -1 with why and errno when none comes in time.  Ours do not block, so no
 * connection that vanishes can hold it up; those that were inherited stay as
 * they are, and when another process was quicker it waits for the next.
 */
static int accept_any(struct listeners *ls, int64_t deadline, struct addr *peer)
{
	int fd = -1, listener = 0;

	pthread_mutex_lock(&ls->turn);
	while (fd < 0) {
		listener = wait_for_one(ls, deadline);
		if (listener < 0)
			break;
		fd = accept_peer(ls, listener, peer);
		if (fd < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
			fail("cannot accept:");
			break;
		}
		if (fd < 0 && now() >= deadline) {
			no_client();
			break;
		}
	}
	pthread_mutex_unlock(&ls->turn);
	if (fd >= 0)
		(void)fcntl(fd, F_SETFL, 0);
	else
		errno = why.error;
	return fd;
}

/* listeners_unblock(ls): those that nobody else uses; see accept_any. */
static void listeners_unblock(struct listeners *ls)
{
	for (int i = 0; i < ls->count && !ls->inherited; i++)
		(void)fcntl(ls->fd[i].fd, F_SETFL, O_NONBLOCK);
}

/* The two ends of one datagram: who sent it, and which address it met. */
struct gram {
	struct addr peer;
	int family; /* of local; 0: there is none */
	union {
		struct in_pktinfo four;
		struct in6_pktinfo six;
	} local;
};

struct gram_control {
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(
						   sizeof(struct in6_pktinfo)) +
		64];
};

/* gram_note_local(g, c): keep the address that the datagram was sent to. */
static void gram_note_local(struct gram *g, struct cmsghdr *c)
{
	if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		g->family = AF_INET6;
		memcpy(&g->local.six, CMSG_DATA(c), sizeof(g->local.six));
		if (!IN6_IS_ADDR_LINKLOCAL(&g->local.six.ipi6_addr) &&
			!IN6_IS_ADDR_MULTICAST(&g->local.six.ipi6_addr))
			g->local.six.ipi6_ifindex = 0;
		if (IN6_IS_ADDR_MULTICAST(&g->local.six.ipi6_addr))
			g->local.six.ipi6_addr = in6addr_any;
	} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
		g->family = AF_INET;
		memcpy(&g->local.four, CMSG_DATA(c), sizeof(g->local.four));
		pktinfo_any_interface(&g->local.four);
	}
}

/*
 * gram_message(m, g, part, control): a msghdr that receives into all these,
 * or, after gram_address, sends.
 */
static void gram_message(struct msghdr *m, struct gram *g, struct iovec *part,
	struct gram_control *control)
{
	*m = (struct msghdr){ .msg_name = &g->peer.sa,
		.msg_namelen = sizeof(g->peer.un),
		.msg_iov = part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(*control) };
}

/* gram_note(m, g): what m received: the two ends. */
static void gram_note(struct msghdr *m, struct gram *g)
{
	g->peer.len = m->msg_namelen;
	g->family = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		gram_note_local(g, c);
}

/* gram_address(m, g): m goes to g's peer, from where that peer wrote to. */
static void gram_address(struct msghdr *m, const struct gram *g)
{
	bool six = g->family == AF_INET6;
	size_t size = six ? sizeof(g->local.six) : sizeof(g->local.four);
	struct cmsghdr *c = m->msg_control;

	m->msg_namelen = g->peer.len;
	m->msg_controllen = 0;
	if (!g->family)
		return;
	c->cmsg_level = six ? IPPROTO_IPV6 : IPPROTO_IP;
	c->cmsg_type = six ? IPV6_PKTINFO : IP_PKTINFO;
	c->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(c), &g->local, size);
	m->msg_controllen = CMSG_SPACE(size);
}

/*
 * gram_recv(fd, buf, size, g, flags): one datagram and its ends.  Its length;
 * -1 with errno, EMSGSIZE when it was longer than size and is not to stay.
 */
static ssize_t gram_recv(
	int fd, void *buf, size_t size, struct gram *g, int flags)
{
	struct gram_control control;
	struct iovec part = { buf, size };
	struct msghdr m;
	ssize_t n;

	gram_message(&m, g, &part, &control);
	n = recvmsg(fd, &m, flags);
	if (n < 0)
		return -1;
	if ((m.msg_flags & MSG_TRUNC) && !(flags & MSG_PEEK)) {
		errno = EMSGSIZE;
		return -1;
	}
	gram_note(&m, g);
	return n;
}

/* gram_send(fd, buf, n, g, flags): an answer to g. */
static ssize_t gram_send(
	int fd, const void *buf, size_t n, const struct gram *g, int flags)
{
	struct gram_control control = { .room = "" };
	struct gram to = *g;
	struct iovec part = { (void *)(uintptr_t)buf, n };
	struct msghdr m;

	gram_message(&m, &to, &part, &control);
	gram_address(&m, g);
	return sendmsg(fd, &m, flags);
}

/*
 * wait_for_gram(ls, deadline, gram): the listener on which a datagram has
 * come, and the two ends of it; it stays to be read.  -1 if none comes in
 * time; what those send who may not is thrown away.
 */
static int wait_for_gram(
	struct listeners *ls, int64_t deadline, struct gram *gram)
{
	char scrap = 0;
	int fd;

	for (;;) {
		fd = wait_for_one(ls, deadline);
		if (fd < 0)
			return -1;
		if (gram_recv(fd, &scrap, 1, gram, MSG_PEEK | MSG_DONTWAIT) <
			0) {
			if (errno == EAGAIN || errno == EINTR)
				continue; /* another process was quicker */
			return fail("cannot receive:");
		}
		if (access_allows(ls->access, &gram->peer, true))
			return fd;
		(void)recv(fd, &scrap, 1, MSG_DONTWAIT);
		if (now() >= deadline)
			return no_client();
	}
}

/*
 * What is received at once: messages, what is known of each, and where its
 * bytes are.  Only what was received into takes memory.
 */
struct slot {
	struct gram gram;
	struct gram_control control;
	struct iovec part;
};

struct batch {
	int used; /* slots that are to be made ready again */
	struct many message[BATCH];
	struct slot slot[BATCH];
	char bytes[BATCH][BUFFER_SIZE + 4096]; /* not all in one cache set */
};

/* batch_new(): NULL without memory. */
static struct batch *batch_new(void)
{
	struct batch *b = (void *)buffer_new(sizeof(*b));

	if (b)
		b->used = BATCH;
	return b;
}

static void batch_free(struct batch *b)
{
	buffer_free((char *)b, sizeof(*b));
}

/*
 * batch_recv(b, fd): wait for a datagram, take those that wait with it.  How
 * many; -1 with errno.
 */
static int batch_recv(struct batch *b, int fd)
{
	int n;

	for (int i = 0; i < b->used; i++) {
		struct slot *s = &b->slot[i];

		s->part = (struct iovec){ b->bytes[i], BUFFER_SIZE };
		gram_message(&b->message[i].msg_hdr, &s->gram, &s->part,
			&s->control);
	}
	n = recv_many(fd, b->message, BATCH);
	b->used = n > 0 ? n : 0;
	for (int i = 0; i < b->used; i++)
		gram_note(&b->message[i].msg_hdr, &b->slot[i].gram);
	return n;
}

/* batch_cut(b, i): a datagram was longer than what there is for it. */
static bool batch_cut(const struct batch *b, int i)
{
	return b->message[i].msg_hdr.msg_flags & MSG_TRUNC;
}

/*
 * sock_pass(over, fd): fd to whoever reads from over, a Unix-domain socket,
 * along with one byte.
 */
static int sock_pass(int over, int fd)
{
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(fd))] = { 0 };
	struct iovec byte = { (char[]){ 0 }, 1 };
	struct msghdr m = { .msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = sizeof(room) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	struct pollfd p = { .fd = over, .events = POLLOUT };

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	while (sendmsg(over, &m, 0) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			return fail("cannot pass the connection to standard "
				    "output:");
		poll(&p, 1, -1);
	}
	return 0;
}

/*
 * ---- proxies --------------------------------------------------------------
 *
 * A way to a target that leads through another host: SOCKS4a, SOCKS5 (RFC 1928
 * and 1929) or the CONNECT of HTTP.  The proxy looks up the target's name.
 * Its replies are read to their last byte and no further: what comes next is
 * the target's.
 */
enum {
	PROXY_WORD = 255,       /* bytes of a host, a user or a password */
	PROXY_REQUEST = 2048,   /* room for the longest request */
	PROXY_REPLY = 8 * 1024, /* ... and for the longest reply */
	PROXY_REASON = 128,
};

struct proxy {
	enum proxy_type { SOCKS5, SOCKS4, HTTP_CONNECT } type;
	struct target target;
	char user[PROXY_WORD + 1]; /* empty: no credentials */
	char password[PROXY_WORD + 1];
};

/* What a proxy has to say, and the byte that it begins with. */
enum reply { SOCKS5_METHOD, SOCKS5_LOGIN, SOCKS5_REPLY, SOCKS4_REPLY, HTTP };
static const unsigned char reply_version[] = { 5, 1, 5, 0, 'H' };

/* http_length(r, n): to the blank line. */
static size_t http_length(const unsigned char *r, size_t n)
{
	bool blank = n > 1 && r[n - 1] == '\n' &&
		(r[n - 2] == '\n' ||
			(n > 2 && r[n - 2] == '\r' && r[n - 3] == '\n'));

	return n + (!blank && memcmp(r, "HTTP/1.", n < 7 ? n : 7) == 0);
}

/*
 * reply_length(kind, r, n): how long the reply is that begins with these n
 * bytes, so far as they tell; n: that is all, or it is no such reply.
 */
static size_t reply_length(enum reply kind, const unsigned char *r, size_t n)
{
	if (n > 0 && r[0] != reply_version[kind])
		return n;
	if (kind == HTTP)
		return http_length(r, n);
	if (kind == SOCKS4_REPLY)
		return 8;
	if (kind != SOCKS5_REPLY)
		return 2;
	if (n < 5)
		return 5;
	return r[3] == 1    ? 10
		: r[3] == 3 ? 7 + (size_t)r[4]
		: r[3] == 4 ? 22
			    : n;
}

/* socks_words(kind, code): what a SOCKS proxy means by that, or NULL. */
static const char *socks_words(enum reply kind, int code)
{
	static const char *const five[] = { NULL, "general failure",
		"not allowed by the rules", "network unreachable",
		"host unreachable", "connection refused", "TTL expired",
		"command not supported", "address type not supported" };
	static const char *const four[] = { "request rejected or failed",
		"no identd on this host", "identd names another user" };

	if (kind == SOCKS5_METHOD)
		return "no acceptable way to log in";
	if (kind == SOCKS5_LOGIN)
		return "wrong user or password";
	if (kind == SOCKS5_REPLY)
		return code < (int)COUNT(five) ? five[code] : NULL;
	return code > 90 && code < 94 ? four[code - 91] : NULL;
}

/* reply_sound(kind, r, n): whether these n bytes are such a reply. */
static bool reply_sound(enum reply kind, const unsigned char *r, size_t n)
{
	if (n < 2 || r[0] != reply_version[kind] ||
		reply_length(kind, r, n) != n)
		return false;
	if (kind == HTTP)
		return n > 12 && memcmp(r, "HTTP/1.", 7) == 0 && r[8] == ' ' &&
			isdigit(r[9]) && isdigit(r[10]) && isdigit(r[11]);
	return kind != SOCKS5_REPLY || n > 5 || r[1] != 0;
}

/*
 * reply_check(kind, r, n, reason): 0 when these n bytes are a reply that grants
 * what was asked for (of SOCKS5_METHOD: the method); else -1 and the reason.
 */
static int reply_check(enum reply kind, const unsigned char *r, size_t n,
	char reason[PROXY_REASON])
{
	const char *words;
	int end = 9;

	snprintf(reason, PROXY_REASON, "the proxy's reply makes no sense");
	if (!reply_sound(kind, r, n))
		return -1;
	if (kind == HTTP) {
		while (r[end] != '\r' && r[end] != '\n')
			end++;
		snprintf(reason, PROXY_REASON, "the proxy says: %.*s", end - 9,
			(const char *)r + 9);
		return r[9] == '2' ? 0 : -1;
	}
	if (kind == SOCKS5_METHOD && (r[1] == 0 || r[1] == 2))
		return r[1];
	if (r[1] == (kind == SOCKS4_REPLY ? 90 : 0))
		return 0;
	words = socks_words(kind, r[1]);
	snprintf(reason, PROXY_REASON, "the proxy says: %s (%d)",
		words ? words : "no", r[1]);
	return -1;
}

/* put_word(to, text): its length in a byte, and text; the end of that. */
static unsigned char *put_word(unsigned char *to, const char *text)
{
	*to = (unsigned char)strlen(text);
	return (unsigned char *)stpcpy((char *)to + 1, text);
}

/* socks5_request(t, to): how long it is. */
static size_t socks5_request(const struct target *t, unsigned char *to)
{
	static const unsigned char head[4] = { 5, 1 };
	unsigned char *p = to + sizeof(head);

	memcpy(to, head, sizeof(head));
	if (inet_pton(AF_INET, t->host, p) == 1) {
		p[-1] = 1;
		p += 4;
	} else if (inet_pton(AF_INET6, t->host, p) == 1) {
		p[-1] = 4;
		p += 16;
	} else {
		p[-1] = 3;
		p = put_word(p, t->host);
	}
	*p++ = (unsigned char)(t->port >> 8);
	*p++ = (unsigned char)t->port;
	return (size_t)(p - to);
}

/* socks4_request(p, t, to): the same; the address of a name is 0.0.0.1. */
static size_t socks4_request(
	const struct proxy *p, const struct target *t, unsigned char *to)
{
	const unsigned char head[8] = { 4, 1, (unsigned char)(t->port >> 8),
		(unsigned char)t->port, 0, 0, 0, 1 };
	unsigned char address[4];
	bool named = inet_pton(AF_INET, t->host, address) != 1;
	char *end;

	memcpy(to, head, sizeof(head));
	if (!named)
		memcpy(to + 4, address, sizeof(address));
	end = stpcpy((char *)to + sizeof(head), p->user) + 1;
	if (named)
		end = stpcpy(end, t->host) + 1;
	return (size_t)(end - (char *)to);
}

/* base64(from, n, to): n bytes, as text. */
static void base64(const char *from, size_t n, char *to)
{
	static const char signs[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits;

	for (size_t i = 0; i < n; i += 3) {
		bits = 0;
		for (size_t k = i; k < i + 3; k++)
			bits = bits << 8 | (k < n ? (unsigned char)from[k] : 0);
		for (size_t k = 0; k < 4; k++, bits <<= 6)
			*to++ = (char)(i + k > n ? '='
						 : signs[bits >> 18 & 63]);
	}
	*to = '\0';
}

/* http_request(p, t, to): the same. */
static size_t http_request(
	const struct proxy *p, const struct target *t, unsigned char *to)
{
	bool six = strchr(t->host, ':') != NULL;
	char word[2 * PROXY_WORD + 2], coded[2 * sizeof(word)];
	char place[PROXY_WORD + 16];
	size_t n = (size_t)snprintf(
		word, sizeof(word), "%s:%s", p->user, p->password);

	base64(word, n, coded);
	snprintf(place, sizeof(place), six ? "[%s]:%d" : "%s:%d", t->host,
		t->port);
	return (size_t)snprintf((char *)to, PROXY_REQUEST,
		"CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", place, place,
		*p->user ? "Proxy-Authorization: Basic " : "",
		*p->user ? coded : "", *p->user ? "\r\n" : "");
}

/* The way through a proxy, while it is made. */
struct handshake {
	const struct proxy *proxy;
	const struct target *target;
	int64_t deadline;
	int fd;
};

/* handshake_failed(h, status, reason): why, with both ends of the way. */
static int handshake_failed(
	const struct handshake *h, enum status status, const char *reason)
{
	const struct target *t = h->target, *p = &h->proxy->target;

	return fail_as(status,
		"connect to %.120s port %d (tcp) through proxy %.80s port %d "
		"failed: %s",
		t->host, t->port, p->host, p->port, reason);
}

/*
 * handshake_move(h, buf, n, out): send n bytes, or receive at most n, by the
 * deadline; how many, -1 with why.
 */
static ssize_t handshake_move(
	const struct handshake *h, unsigned char *buf, size_t n, bool out)
{
	struct pollfd p = { .fd = h->fd, .events = out ? POLLOUT : POLLIN };
	ssize_t moved;

	do {
		if (poll(&p, 1, poll_time(h->deadline)) == 0 &&
			now() >= h->deadline)
			return handshake_failed(h, TIMED_OUT,
				"no answer from the proxy in time");
		moved = out ? send(h->fd, buf, n, MSG_DONTWAIT)
			    : recv(h->fd, buf, n, MSG_DONTWAIT);
	} while (moved < 0 &&
		(errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
	if (moved < 0)
		return handshake_failed(h, FAILED, strerror(errno));
	return moved > 0
		? moved
		: handshake_failed(h, FAILED, "the proxy ended the connection");
}

/*
 * handshake_step(h, request, n, kind): say that, and hear the reply; as
 * reply_check.
 */
static int handshake_step(const struct handshake *h, unsigned char *request,
	size_t n, enum reply kind)
{
	unsigned char reply[PROXY_REPLY] = { 0 };
	char reason[PROXY_REASON];
	size_t have = 0, whole;
	ssize_t moved;
	int result;

	for (size_t sent = 0; sent < n; sent += (size_t)moved) {
		moved = handshake_move(h, request + sent, n - sent, true);
		if (moved < 0)
			return -1;
	}
	while ((whole = reply_length(kind, reply, have)) > have) {
		if (whole > sizeof(reply))
			return handshake_failed(
				h, FAILED, "the proxy's reply is too long");
		moved = handshake_move(h, reply + have, whole - have, false);
		if (moved < 0)
			return -1;
		have += (size_t)moved;
	}
	result = reply_check(kind, reply, have, reason);
	return result < 0 ? handshake_failed(h, FAILED, reason) : result;
}

/* handshake_socks5(h, request): log in as the proxy likes, then ask. */
static int handshake_socks5(
	const struct handshake *h, unsigned char request[PROXY_REQUEST])
{
	bool login = *h->proxy->user != '\0';
	unsigned char *end;
	int method;

	request[0] = 5;
	request[1] = login ? 2 : 1; /* methods: none, and in clear */
	request[2] = 0;
	request[3] = 2;
	method = handshake_step(h, request, 2 + request[1], SOCKS5_METHOD);
	if (method == 2 && !login)
		return handshake_failed(
			h, FAILED, "the proxy wants a user and a password");
	if (method == 2) {
		request[0] = 1;
		end = put_word(request + 1, h->proxy->user);
		end = put_word(end, h->proxy->password);
		method = handshake_step(
			h, request, (size_t)(end - request), SOCKS5_LOGIN);
	}
	return method < 0
		? -1
		: handshake_step(h, request, socks5_request(h->target, request),
			  SOCKS5_REPLY);
}

/* handshake_run(h): ask the proxy for the target. */
static int handshake_run(const struct handshake *h)
{
	const struct proxy *p = h->proxy;
	unsigned char request[PROXY_REQUEST];

	if (p->type == SOCKS5)
		return handshake_socks5(h, request);
	if (p->type == SOCKS4)
		return handshake_step(h, request,
			socks4_request(p, h->target, request), SOCKS4_REPLY);
	return handshake_step(
		h, request, http_request(p, h->target, request), HTTP);
}

/*
 * proxy_dial(t, p, deadline): as dial, through p->proxy; what the socket
 * receives first is t's.
 */
static int proxy_dial(
	const struct target *t, const struct prefs *p, int64_t deadline)
{
	struct handshake h = {
		.proxy = p->proxy, .target = t, .deadline = deadline
	};
	char reason[sizeof(why.text)];
	struct addr at;
	const char *end;

	h.fd = dial(&p->proxy->target, p, deadline, &at);
	if (h.fd < 0) {
		end = strstr(why.text, " failed: ");
		snprintf(reason, sizeof(reason),
			"the proxy is not reached: %.300s",
			end ? end + strlen(" failed: ") : why.text);
		(void)handshake_failed(&h, why.status, reason);
	} else if (handshake_run(&h) < 0) {
		close(h.fd);
		return -1;
	}
	return h.fd;
}

/* proxy_suits(p, t): whether it can be asked for t at all. */
static int proxy_suits(const struct proxy *p, const struct target *t)
{
	const char *host = t->host;
	bool six = strchr(host, ':') != NULL;

	if (strlen(host) > PROXY_WORD)
		return fail_as(MISUSED,
			"the host \"%.40s...\" is too long for a proxy: %zu "
			"bytes, not 255",
			host, strlen(host));
	if (p->type == SOCKS4 && six)
		return fail_as(MISUSED,
			"%s: there is no IPv6 in SOCKS4; -X 5 and connect have "
			"it",
			host);
	for (; p->type == HTTP_CONNECT && *host; host++)
		if ((unsigned char)*host <= ' ' || *host == 127)
			return misuse(
				"host", t->host, "one that HTTP could name");
	return 0;
}

/* credentials_parse(p, what, text, n): USER:PASSWORD, never said aloud. */
static int credentials_parse(
	struct proxy *p, const char *what, const char *text, size_t n)
{
	const char *colon = memchr(text, ':', n);
	size_t user = colon ? (size_t)(colon - text) : 0;

	if (user == 0)
		return fail_as(MISUSED, "%s is not USER:PASSWORD", what);
	if (user > PROXY_WORD || n - user - 1 > PROXY_WORD)
		return fail_as(MISUSED, "%s: the %s is longer than %d bytes",
			what, user > PROXY_WORD ? "user" : "password",
			PROXY_WORD);
	memcpy(p->user, text, user);
	memcpy(p->password, colon + 1, n - user - 1);
	return 0;
}

/* credentials_read(p, file): from its first line; NULL: the environment. */
static int credentials_read(struct proxy *p, const char *file)
{
	static const char name[] = "SOCKCAT_PROXY_AUTH";
	const char *secret = getenv(name);
	size_t n, line;
	char *text;
	int result;

	if (!file)
		return secret && *secret
			? credentials_parse(p, name, secret, strlen(secret))
			: 0;
	text = file_text(file, false, &n);
	if (!text)
		return -1;
	line = strcspn(text, "\n");
	line -= line > 0 && text[line - 1] == '\r';
	result = credentials_parse(p, file, text, line);
	free(text);
	return result;
}

/* dial_way(t, p, deadline, peer): dial, or proxy_dial, which knows no peer. */
static int dial_way(const struct target *t, const struct prefs *p,
	int64_t deadline, struct addr *peer)
{
	if (!p->proxy)
		return dial(t, p, deadline, peer);
	memset(peer, 0, sizeof(*peer));
	return proxy_dial(t, p, deadline);
}

/*
 * persist(retry, try, arg): try(arg, end) once or, with retry, until it gives
 * no -1, again and again for so long.  When that runs out the status is
 * TIMED_OUT, and why has the last reason; that the last try, which may have
 * next to no time, came to its end is none.
 */
static int persist(int64_t retry, int (*try)(void *, int64_t), void *arg)
{
	int64_t end = retry > 0 ? after(retry) : NEVER, nap = last_try, left;
	struct why before = { .text = "" };
	int result;

	for (;;) {
		result = try(arg, end);
		if (retry == 0 || result != -1 || why.status == MISUSED)
			return result;
		left = end - now() - last_try;
		if (left <= 0)
			break;
		before = why;
		pause_for(nap < left ? nap : left);
		nap = 2 * nap < SECOND ? 2 * nap : SECOND;
	}
	if (why.status == TIMED_OUT && before.text[0])
		why = before;
	why.status = TIMED_OUT;
	return -1;
}

/* What dial_long tries again and again. */
struct attempt {
	const struct target *target;
	const struct prefs *prefs;
	int64_t wait; /* for each */
	struct addr *peer;
	int64_t took; /* the last of them */
};

/*
 * late(p, limit, end): an attempt has failed; say which limit it was, if any.
 * That a probe had no answer in time is no failure.
 */
static void late(const struct prefs *p, int64_t limit, int64_t end)
{
	if (why.status == TIMED_OUT && !p->probe)
		why_add(limit < end ? " (-w)" : " (--retry)");
}

static int attempt_run(void *arg, int64_t end)
{
	struct attempt *a = arg;
	int64_t start = now(), limit = after(a->wait);
	int fd = dial_way(
		a->target, a->prefs, limit < end ? limit : end, a->peer);

	a->took = now() - start;
	if (fd < 0)
		late(a->prefs, limit, end);
	return fd;
}

/*
 * dial_long(t, p, wait, retry, peer, took): dial_way, each try for up to wait,
 * again and again for up to retry (0: once); took: how long the last one took.
 */
static int dial_long(const struct target *t, const struct prefs *p,
	int64_t wait, int64_t retry, struct addr *peer, int64_t *took)
{
	struct attempt a = { t, p, wait, peer, 0 };
	int fd = persist(retry, attempt_run, &a);

	*took = a.took;
	return fd;
}

/*
 * ---- endpoints ------------------------------------------------------------
 *
 * An end is where bytes come from or go to: the console (standard input and
 * output), a stream, datagrams, a pipe of a command, a text that was given, or
 * a function that takes them.
 */
enum end_kind { CONSOLE, STREAM, DATAGRAM, PIPE, TEXT, SINK };

struct end {
	enum end_kind kind;
	int fd;
	struct gram *gram;    /* DATAGRAM, not connected: the peer */
	bool strict;          /* ... and only its datagrams count */
	void (*gate)(void *); /* called before each read, or NULL */
	int (*take)(void *, const char *, size_t); /* SINK: 0 or -1 */
	void *arg;                                 /* of gate and take */
	struct bytes *text; /* TEXT: what is left of it */
	size_t most;        /* bytes it takes in one piece; 0: any number */
	int flags;          /* STREAM: MSG_DONTWAIT: it never waits */
};

/* nothing_taken: a sink for what nobody wants. */
static int nothing_taken(void *arg, const char *buf, size_t n)
{
	(void)arg, (void)buf, (void)n;
	return 0;
}

/* text_read(text, buf, size): the next bytes of it; 0: there are no more. */
static ssize_t text_read(struct bytes *text, char *buf, size_t size)
{
	size_t n = text->size < size ? text->size : size;

	memcpy(buf, text->at, n);
	text->at += n;
	text->size -= n;
	return (ssize_t)n;
}

/* end_hears(e, g): a datagram that came from there counts. */
static bool end_hears(const struct end *e, const struct gram *g)
{
	return !e->gram || !e->strict || addr_same(&g->peer, &e->gram->peer);
}

/*
 * end_read(e, buf, size): what read(2) returns, whatever e is.  On sockets
 * recv(2) has less to do in the kernel than read(2), and send than write.
 */
static ssize_t end_read(const struct end *e, char *buf, size_t size)
{
	struct gram g;
	ssize_t n;

	if (e->gate)
		e->gate(e->arg);
	if (e->kind == STREAM)
		return recv(e->fd, buf, size, e->flags);
	if (e->kind == CONSOLE || e->kind == PIPE)
		return read(e->fd, buf, size);
	if (e->kind == TEXT)
		return text_read(e->text, buf, size);
	do {
		n = gram_recv(e->fd, buf, size, &g, 0);
	} while (n >= 0 && !end_hears(e, &g));
	return n;
}

/* end_write(e, buf, n): what write(2) returns, whatever e is. */
static ssize_t end_write(const struct end *e, const char *buf, size_t n)
{
	if (e->kind == SINK)
		return e->take(e->arg, buf, n) < 0 ? -1 : (ssize_t)n;
	if (e->kind == DATAGRAM && e->gram)
		return gram_send(e->fd, buf, n, e->gram, 0);
	if (e->kind == CONSOLE && messages.interposed)
		bar_hide(true);
	if (e->kind == CONSOLE || e->kind == PIPE)
		return write(e->fd, buf, n);
	return send(e->fd, buf, n, e->flags);
}

/*
 * stream_settle(fd, patience, fin): wait until the peer's kernel has all that
 * was sent, and a FIN if there was one, reading and discarding what it sends:
 * closing with unread input makes a reset, which destroys data in flight.
 * Ends at once when all is acknowledged, else when nothing moved for patience.
 * Returns the bytes that were not delivered, with the reason in errno.
 */
static int64_t stream_settle(int fd, int64_t patience, bool fin)
{
	char scrap[SCRAP_SIZE];
	int64_t since = now(), last = -1, left, nap = MS / 8;
	int error, spare = 64;
	ssize_t n;

	if (!HAVE_OUTQ) {
		sock_linger(fd, patience);
		patience = patience < farewell ? patience : farewell;
	}
	for (;;) {
		n = recv(fd, scrap, sizeof(scrap), MSG_DONTWAIT);
		error = n < 0 && errno != EAGAIN && errno != EWOULDBLOCK &&
				errno != EINTR
			? errno
			: 0;
		left = unacknowledged(fd) - fin;
		if (left <= 0 && (HAVE_OUTQ || n == 0) &&
			(n <= 0 || --spare == 0))
			return 0;
		if (error == 0)
			error = sock_failure(fd);
		if (error ||
			(left > 0 && left == last &&
				now() - since >= patience)) {
			errno = error ? error : ETIMEDOUT;
			return left > 0 ? left : 0;
		}
		if (!HAVE_OUTQ && now() - since >= patience)
			return 0;
		if (left != last || (!HAVE_OUTQ && n > 0 && --spare > 0))
			since = now();
		last = left;
		if (n > 0)
			continue;
		pause_for(nap);
		nap = nap < 16 * MS ? 2 * nap : nap;
	}
}

/* stream_close(fd, reset): close; with a reset instead of a FIN if asked. */
static void stream_close(int fd, bool reset)
{
	struct linger l = { 1, 0 };

	if (reset)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	close(fd);
}

/* bytes_lost(what, place, reason, lost, status): what failed, and with them. */
static int bytes_lost(const char *what, const char *place, const char *reason,
	int64_t lost, enum status status)
{
	return fail_as(status, "%s %s failed: %s; %lld byte%s not delivered",
		what, place, reason, (long long)lost, plural(lost));
}

/* write_whole(fd, text, n): -1 with errno when not all of it is written. */
static int write_whole(int fd, const char *text, size_t n)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	ssize_t w;

	for (; n > 0; text += w, n -= (size_t)w)
		while ((w = write(fd, text, n)) < 0)
			if (errno == EAGAIN || errno == EWOULDBLOCK)
				poll(&p, 1, -1);
			else if (errno != EINTR)
				return -1;
	return 0;
}

/* input_is_idle(): nothing to read from standard input at the moment. */
static bool input_is_idle(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

/* in_background(fd): fd is our terminal, another job has it; errno stays. */
static bool in_background(int fd)
{
	int error = errno;
	pid_t group = tcgetpgrp(fd);

	errno = error;
	return group >= 0 && group != getpgrp();
}

/*
 * ---- taps -----------------------------------------------------------------
 *
 * A tap stands in one direction of a connection, between the read and the
 * write: it sees every byte, and may change, copy, pace or count them, or wait
 * for a certain text.  Where nobody asked for that there is none.  In turn:
 *
 *	tap_receive	copies what was read, takes telnet's commands out, and
 *			counts and searches what is left
 *	flow_lines	cuts it into lines; flow_hold keeps half ones
 *	tap_encode	puts in the CR before LF, and doubles telnet's 0xFF
 *	flow_pause	waits until it is due, for -i and --rate
 *	tap_send	copies what is about to be written
 *	tap_sent	knows when the next may be written
 */
struct dump { /* where copies of the traffic go; for all connections */
	pthread_mutex_t lock;
	int raw, hex; /* files; -1: none */
	const char *raw_name, *hex_name;
	void (*failed)(void); /* cannot write, for why; does not return */
};

struct needle { /* a text that is waited for */
	struct bytes text;
	size_t *back; /* how much of its start the first bytes end with */
};

struct shape { /* what a tap is to do; all zero: nothing */
	struct dump *dump;
	bool inward, outward; /* ... copies what is read, what is written */
	bool apart;           /* ... each datagram from offset 0 on */
	bool plain, escaped;  /* telnet: what is read, what is written */
	bool crlf, lines;
	int64_t interval;            /* nanoseconds between lines */
	int64_t rate;                /* bytes a second */
	int64_t bytes, grams;        /* that are waited for */
	const struct needle *needle; /* NULL: none */
};

struct tap {
	struct shape shape;
	struct tap *other;    /* the way back, for answers of telnet; or NULL */
	char name[ADDR_TEXT]; /* of the peer; empty: it is the only one */
	long long read, written; /* bytes copied, of either direction */
	enum { PLAIN, COMMAND, OPTION, INSIDE, INSIDE_COMMAND } telnet;
	unsigned char verb;   /* of the option that is being negotiated */
	bool cr;              /* the last byte sent was a CR */
	char *line;           /* that is not complete, or NULL */
	size_t held;          /* bytes of it */
	char *room;           /* for what became longer, or NULL */
	int64_t due;          /* when something may be written again */
	int64_t bytes, grams; /* that have come */
	size_t matched;       /* bytes of the needle */
};

enum {
	LINE_ROOM = 64 * 1024,      /* a line that is held */
	TAP_ROOM = 2 * BUFFER_SIZE, /* what a read can become */
	SLICES = 20,                /* pieces of a second, for a rate */
	HEX_LINE = 16,              /* bytes of a line of a dump */
	HEX_TEXT = ADDR_TEXT + 128, /* ... and what that takes */
};

/* dump_put(d, fd, name, text, n): to one of the files. */
static void dump_put(const struct dump *d, int fd, const char *name,
	const char *text, size_t n)
{
	if (write_whole(fd, text, n) == 0)
		return;
	fail("write to %s failed:", name);
	d->failed();
}

/* hex_line(to, head, offset, p, n): a line of at most 16 bytes; its length. */
static size_t hex_line(char *to, const char *head, long long offset,
	const unsigned char *p, size_t n)
{
	char *at = to + sprintf(to, "%s%08llx  ", head, offset);

	for (size_t i = 0; i < HEX_LINE; i++) {
		*at++ = (char)(i < n ? hex_digits[p[i] >> 4] : ' ');
		*at++ = (char)(i < n ? hex_digits[p[i] & 15] : ' ');
		*at++ = ' ';
		if (i == HEX_LINE / 2 - 1)
			*at++ = ' ';
	}
	*at++ = ' ';
	*at++ = '|';
	for (size_t i = 0; i < n; i++)
		*at++ = (char)(p[i] >= ' ' && p[i] < 127 ? p[i] : '.');
	*at++ = '|';
	*at++ = '\n';
	return (size_t)(at - to);
}

/* hex_head(to, way, name): what each line of a piece begins with. */
static void hex_head(char to[HEX_TEXT], char way, const char *name)
{
	struct timespec t;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &t);
	localtime_r(&t.tv_sec, &tm);
	sprintf(to, "%c %02d:%02d:%02d.%06ld %s%s", way, tm.tm_hour, tm.tm_min,
		tm.tm_sec, t.tv_nsec / 1000, name, *name ? " " : "");
}

/*
 * dump_note(d, way, name, offset, buf, n): copy a piece of the traffic, or a
 * datagram, maybe empty; offset moves on.  Pieces never mix.
 */
static void dump_note(struct dump *d, char way, const char *name,
	long long *offset, const char *buf, size_t n)
{
	char head[HEX_TEXT], text[16 * HEX_TEXT];
	size_t used = 0, at = 0, size;

	pthread_mutex_lock(&d->lock);
	if (d->raw >= 0)
		dump_put(d, d->raw, d->raw_name, buf, n);
	if (d->hex >= 0)
		hex_head(head, way, name);
	while (d->hex >= 0 && (at < n || used == 0)) {
		size = n - at < HEX_LINE ? n - at : HEX_LINE;
		used += hex_line(text + used, head, *offset + (long long)at,
			(const unsigned char *)buf + at, size);
		at += size;
		if (at < n && used + HEX_TEXT <= sizeof(text))
			continue;
		dump_put(d, d->hex, d->hex_name, text, used);
		if (at == n)
			break;
		used = 0;
	}
	*offset += (long long)n;
	pthread_mutex_unlock(&d->lock);
}

/* needle_init(n, text): what it takes to find text; -1 without memory. */
static int needle_init(struct needle *n, const struct bytes *text)
{
	size_t m = 0;

	n->text = *text;
	n->back = calloc(text->size, sizeof(*n->back));
	if (!n->back)
		return fail("--expect:");
	for (size_t i = 1; i < text->size; i++) { /* Knuth, Morris, Pratt */
		while (m > 0 && text->at[i] != text->at[m])
			m = n->back[m - 1];
		m += text->at[i] == text->at[m];
		n->back[i] = m;
	}
	return 0;
}

/* needle_match(n, matched, buf, size): so much of it is there now. */
static size_t needle_match(
	const struct needle *n, size_t matched, const char *buf, size_t size)
{
	for (size_t i = 0; i < size && matched < n->text.size; i++) {
		while (matched > 0 && buf[i] != n->text.at[matched])
			matched = n->back[matched - 1];
		matched += buf[i] == n->text.at[matched];
	}
	return matched;
}

/* shape_is_empty(s): there is nothing to do. */
static bool shape_is_empty(const struct shape *s)
{
	return !s->dump && !s->plain && !s->escaped && !s->crlf && !s->lines &&
		s->interval == 0 && s->rate == 0 && s->bytes == 0 &&
		s->grams == 0 && !s->needle;
}

/* tap_open(t, shape, name, other): t, or NULL when there is nothing to do. */
static struct tap *tap_open(struct tap *t, const struct shape *shape,
	const char *name, struct tap *other)
{
	if (shape_is_empty(shape))
		return NULL;
	*t = (struct tap){ .shape = *shape, .other = other };
	snprintf(t->name, sizeof(t->name), "%s", name);
	return t;
}

/* tap_close(t): a NULL is none. */
static void tap_close(struct tap *t)
{
	if (!t)
		return;
	buffer_free(t->line, LINE_ROOM);
	buffer_free(t->room, TAP_ROOM);
	t->line = t->room = NULL;
}

/*
 * tap_lacks(t, text): whether what is waited for has not come; text tells what
 * is missing, to stand after a verb.
 */
static bool tap_lacks(const struct tap *t, char text[ADDR_TEXT])
{
	const struct shape *s = t ? &t->shape : NULL;
	long long bytes = s ? s->bytes - t->bytes : 0;
	long long grams = s ? s->grams - t->grams : 0;

	if (s && s->needle && t->matched < s->needle->text.size)
		snprintf(text, ADDR_TEXT, "before \"%.100s\" came",
			s->needle->text.text);
	else if (bytes > 0)
		snprintf(text, ADDR_TEXT, "%lld byte%s before --recv-bytes",
			bytes, plural(bytes));
	else if (grams > 0)
		snprintf(text, ADDR_TEXT, "%lld datagram%s before -W", grams,
			plural(grams));
	else
		return false;
	return true;
}

/* tap_is_done(t): one of the things that were waited for has come. */
static bool tap_is_done(const struct tap *t)
{
	const struct shape *s = &t->shape;

	return (s->needle && t->matched == s->needle->text.size) ||
		(s->bytes > 0 && t->bytes == s->bytes) ||
		(s->grams > 0 && t->grams == s->grams);
}

/*
 * Telnet (RFC 854): the options that the other side wants or offers are
 * refused, so that it stays a plain stream; commands are passed over.
 */
enum { SE = 240, SB = 250, WILL, WONT, DO, DONT, IAC };

/*
 * telnet_refuse(t, fd, option): an answer that cannot be sent is left out; one
 * that has begun would take what follows it for its end.
 */
static void telnet_refuse(struct tap *t, int fd, unsigned char option)
{
	char answer[] = { (char)IAC, (char)(t->verb == DO ? WONT : DONT),
		(char)option };
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	size_t sent = 0;
	ssize_t n;

	if (t->verb != DO && t->verb != WILL)
		return;
	do {
		n = send(
			fd, answer + sent, sizeof(answer) - sent, MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
	} while (sent > 0 && sent < sizeof(answer) &&
		(n > 0 || poll(&p, 1, poll_time(after(farewell))) > 0));
	if (sent == sizeof(answer) && t->other && t->shape.dump)
		dump_note(t->shape.dump, '>', t->name, &t->other->written,
			answer, sizeof(answer));
}

/* telnet_step(t, fd, c): whether c, the next byte, is data. */
static bool telnet_step(struct tap *t, int fd, unsigned char c)
{
	switch (t->telnet) {
	case PLAIN:
		t->telnet = c == IAC ? COMMAND : PLAIN;
		return c != IAC;
	case COMMAND:
		t->verb = c;
		t->telnet = c == SB              ? INSIDE
			: c >= WILL && c <= DONT ? OPTION
						 : PLAIN;
		return c == IAC;
	case OPTION:
		telnet_refuse(t, fd, c);
		t->telnet = PLAIN;
		return false;
	case INSIDE:
		t->telnet = c == IAC ? INSIDE_COMMAND : INSIDE;
		return false;
	default:
		t->telnet = c == SE ? PLAIN : INSIDE;
		return false;
	}
}

/* tap_count(t, buf, n): n bytes that count have come; how many are wanted. */
static size_t tap_count(struct tap *t, const char *buf, size_t n)
{
	const struct shape *s = &t->shape;

	if (s->bytes > 0 && (int64_t)n > s->bytes - t->bytes)
		n = (size_t)(s->bytes - t->bytes);
	t->bytes += (int64_t)n;
	t->grams++;
	if (s->needle)
		t->matched = needle_match(s->needle, t->matched, buf, n);
	return n;
}

/*
 * tap_receive(t, fd, buf, n): n bytes have come from fd; how many of them, now
 * at the start of buf, are to be passed on.
 */
static size_t tap_receive(struct tap *t, int fd, char *buf, size_t n)
{
	const struct shape *s = &t->shape;
	size_t kept = 0;

	t->read = s->apart ? 0 : t->read;
	if (s->dump && s->inward)
		dump_note(s->dump, '<', t->name, &t->read, buf, n);
	for (size_t i = 0; s->plain && i < n; i++)
		if (telnet_step(t, fd, (unsigned char)buf[i]))
			buf[kept++] = buf[i];
	return tap_count(t, buf, s->plain ? kept : n);
}

/*
 * tap_encode(t, buf, n): what is to be written for them, n is then its length;
 * it stays until the next.  NULL without memory.
 */
static const char *tap_encode(struct tap *t, const char *buf, size_t *n)
{
	const struct shape *s = &t->shape;
	char *to;

	if (!s->crlf && !s->escaped)
		return buf;
	if (!t->room && !(t->room = buffer_new(TAP_ROOM)))
		return NULL;
	to = t->room;
	for (size_t i = 0; i < *n; i++) {
		if (s->crlf && buf[i] == '\n' && !t->cr)
			*to++ = '\r';
		*to++ = buf[i];
		if (s->escaped && (unsigned char)buf[i] == IAC)
			*to++ = buf[i];
		t->cr = buf[i] == '\r';
	}
	*n = (size_t)(to - t->room);
	return t->room;
}

/* tap_send(t, buf, n): they are about to be written: before any answer. */
static void tap_send(struct tap *t, const char *buf, size_t n)
{
	const struct shape *s = &t->shape;

	t->written = s->apart ? 0 : t->written;
	if (s->dump && s->outward)
		dump_note(s->dump, '>', t->name, &t->written, buf, n);
}

/* tap_sent(t, n): they are written; when there may be more. */
static void tap_sent(struct tap *t, size_t n)
{
	const struct shape *s = &t->shape;
	int64_t least;

	if (s->rate == 0)
		return;
	least = now() - SECOND / SLICES;
	t->due = (t->due > least ? t->due : least) +
		(int64_t)n * SECOND / s->rate;
}

/* tap_line(t): a line was sent. */
static void tap_line(struct tap *t)
{
	int64_t next = t->shape.interval > 0 ? now() + t->shape.interval : 0;

	if (next > t->due)
		t->due = next;
}

/* tap_portion(t, most): how much to read at once, so that a rate is smooth. */
static size_t tap_portion(const struct tap *t, size_t most)
{
	size_t slice = t ? (size_t)t->shape.rate / SLICES : 0;

	if (!t || t->shape.rate == 0 || slice > most)
		return most;
	return slice > 0 ? slice : 1;
}

/*
 * ---- watching -------------------------------------------------------------
 *
 * For --stats, --progress and --json: what goes on with each peer is a session
 * that stands in a register while it lasts.  It has no counters of its own but
 * knows where those of whoever moves its bytes are, so watching costs them
 * nothing.
 */
static long long value(atomic_llong *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* add(counter, n): for the only thread that writes it. */
static void add(atomic_llong *counter, long long n)
{
	atomic_store_explicit(
		counter, value(counter) + n, memory_order_release);
}

enum { RECEIVED, SENT };

/* What counts datagrams where several threads do. */
struct counters {
	atomic_llong bytes[2], grams[2];
};

struct session {
	struct session *next, **back; /* what points to it; NULL: it is out */
	struct addr peer;
	bool is_port; /* it has no peer: all that goes through a port */
	int fd;       /* of a stream; -1 */
	int64_t since;
	atomic_llong *bytes[2], *grams[2]; /* NULL: not counted */
};

/* What one or all of them came to. */
struct sum {
	long long peers, now; /* in all, and there now */
	bool bytes_known, grams_known, again_known;
	long long bytes[2], grams[2], again;
	int64_t rtt, span;
};

static struct { /* main writes the first two */
	bool wanted, stats;
	bool many;              /* peers: -v has a line for each */
	bool blind;             /* commands have the sockets themselves */
	long long size;         /* of the file that is sent; 0: not known */
	atomic_llong connected; /* a client: in so many ns; 0: it is not */
	atomic_llong since;     /* the first came; 0: nobody did */
	pthread_mutex_t lock;   /* guards what follows */
	struct session *sessions;
	struct sum past;
} watch = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* counters_add(c, way, n): a datagram of n bytes; c may be NULL. */
static void counters_add(struct counters *c, int way, size_t n)
{
	if (!c)
		return;
	if (value(&watch.since) == 0)
		atomic_store(&watch.since, now());
	atomic_fetch_add(&c->bytes[way], (long long)n);
	atomic_fetch_add(&c->grams[way], 1);
}

/* watch_peer(): somebody new has sent a datagram to a port. */
static void watch_peer(void)
{
	pthread_mutex_lock(&watch.lock);
	watch.past.peers++;
	pthread_mutex_unlock(&watch.lock);
}

/*
 * session_begin(s, fd, peer): enter it, if anybody wants to know; without a
 * peer it is a port's.
 */
static void session_begin(struct session *s, int fd, const struct addr *peer)
{
	*s = (struct session){ .fd = fd, .is_port = !peer };
	if (!watch.wanted)
		return;
	if (peer)
		s->peer = *peer;
	addr_unmap(&s->peer);
	s->since = now();
	pthread_mutex_lock(&watch.lock);
	if (value(&watch.since) == 0 && !s->is_port)
		atomic_store(&watch.since, s->since);
	watch.past.peers += !s->is_port;
	s->next = watch.sessions;
	s->back = &watch.sessions;
	if (s->next)
		s->next->back = &s->next;
	watch.sessions = s;
	pthread_mutex_unlock(&watch.lock);
}

/*
 * session_count(s, bytes in, bytes out, datagrams in, datagrams out): where
 * its counters are from now on; s may be NULL.
 */
static void session_count(struct session *s, atomic_llong *in,
	atomic_llong *out, atomic_llong *grams_in, atomic_llong *grams_out)
{
	if (!s || !watch.wanted)
		return;
	pthread_mutex_lock(&watch.lock);
	s->bytes[RECEIVED] = in;
	s->bytes[SENT] = out;
	s->grams[RECEIVED] = grams_in;
	s->grams[SENT] = grams_out;
	pthread_mutex_unlock(&watch.lock);
}

/* session_sum(s, to): add what it came to so far. */
static void session_sum(const struct session *s, struct sum *to)
{
	to->now += !s->is_port;
	to->span = now() - s->since;
	for (int i = 0; i < 2; i++) {
		to->bytes_known |= s->bytes[i] != NULL;
		to->grams_known |= s->grams[i] != NULL;
		to->bytes[i] += s->bytes[i] ? value(s->bytes[i]) : 0;
		to->grams[i] += s->grams[i] ? value(s->grams[i]) : 0;
	}
	to->again_known |= sock_quality(s->fd, &to->again, &to->rtt);
}

/* sum_text(t, text): `10 bytes received, 20 bytes sent', and datagrams. */
static void sum_text(const struct sum *t, char text[ADDR_TEXT])
{
	int n = snprintf(text, ADDR_TEXT,
		"%lld byte%s received, %lld byte%s sent", t->bytes[RECEIVED],
		plural(t->bytes[RECEIVED]), t->bytes[SENT],
		plural(t->bytes[SENT]));

	if (t->grams_known)
		snprintf(text + n, (size_t)(ADDR_TEXT - n),
			", %lld datagram%s received, %lld datagram%s sent",
			t->grams[RECEIVED], plural(t->grams[RECEIVED]),
			t->grams[SENT], plural(t->grams[SENT]));
}

/* object_sum(o, t): what is known of it, by the keys of sockcat.1. */
static void object_sum(struct object *o, const struct sum *t)
{
	object_time(o, "seconds", t->span);
	if (t->bytes_known) {
		object_number(o, "bytes_received", t->bytes[RECEIVED]);
		object_number(o, "bytes_sent", t->bytes[SENT]);
	}
	if (t->grams_known) {
		object_number(o, "datagrams_received", t->grams[RECEIVED]);
		object_number(o, "datagrams_sent", t->grams[SENT]);
	}
	if (t->again_known)
		object_number(o, "retransmits", t->again);
	if (t->again_known && t->rtt > 0)
		object_time(o, "rtt_seconds", t->rtt);
}

/* session_tell(s, t, reason): it is over. */
static void session_tell(
	const struct session *s, const struct sum *t, const char *reason)
{
	char name[ADDR_TEXT], text[ADDR_TEXT] = "";
	struct object o;

	if (messages.json) {
		object_begin(&o, "closed");
		object_addr(&o, &s->peer);
		object_text(&o, "reason", reason);
		object_sum(&o, t);
		object_end(&o, STDERR_FILENO);
		return;
	}
	if (!watch.many || messages.loudness < 1)
		return;
	if (t->bytes_known)
		sum_text(t, text);
	tell("Connection from %s closed: %.3f s, %s%s%s",
		addr_text(&s->peer, name), (double)t->span / SECOND, text,
		*text ? ", " : "", reason);
}

/* session_leave(s, own): out of the register; own: its sum; under the lock. */
static void session_leave(struct session *s, struct sum *own)
{
	if (s->back)
		*s->back = s->next;
	if (s->next)
		s->next->back = s->back;
	s->back = NULL;
	*own = (struct sum){ .peers = 1 };
	session_sum(s, own);
	session_sum(s, &watch.past);
	watch.past.now = 0;
}

/*
 * session_end(s, reason): it is over, and counts as past; before its socket is
 * closed.  A reason is a word: ended, reset, silent, evicted, failed, stopped.
 */
static void session_end(struct session *s, const char *reason)
{
	struct sum own;
	bool in; /* watch_end may have been quicker */

	if (!watch.wanted)
		return;
	pthread_mutex_lock(&watch.lock);
	in = s->back != NULL;
	if (in)
		session_leave(s, &own);
	pthread_mutex_unlock(&watch.lock);
	if (in)
		session_tell(s, &own, reason);
}

/* error_reason(error): the word for an end by that failure. */
static const char *error_reason(int error)
{
	return error == ECONNRESET || error == EPIPE ? "reset" : "failed";
}

/* watch_sum(t): of all sessions, those that are over too. */
static void watch_sum(struct sum *t)
{
	pthread_mutex_lock(&watch.lock);
	*t = watch.past;
	for (struct session *s = watch.sessions; s; s = s->next)
		session_sum(s, t);
	t->span = value(&watch.since) > 0 ? now() - value(&watch.since) : 0;
	pthread_mutex_unlock(&watch.lock);
	t->bytes_known = t->bytes_known || !watch.blind;
	if (watch.many || t->peers > 1)
		t->rtt = 0;
}

/* size_text(n, text): `1.5 MiB'. */
static char *size_text(double n, char text[32])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t i = 0;

	for (; n >= 1023.95 && i + 1 < COUNT(units); i++)
		n /= 1024;
	snprintf(text, 32, i > 0 ? "%.1f %s" : "%.0f %s", n, units[i]);
	return text;
}

/* watch_line(t): what --stats says. */
static void watch_line(const struct sum *t)
{
	char text[600], moved[ADDR_TEXT], in[32], out[32];
	double span = t->span > 0 ? (double)t->span / SECOND : 1;
	size_t n, size = sizeof(text);

	sum_text(t, moved);
	n = (size_t)snprintf(text, size, "Statistics: ");
	if (watch.many && t->peers > 0)
		n += (size_t)snprintf(text + n, size - n, "%lld peer%s, ",
			t->peers, plural(t->peers));
	n += (size_t)snprintf(text + n, size - n,
		"%s, %.3f s, %s/s in, %s/s out", moved,
		(double)t->span / SECOND,
		size_text((double)t->bytes[RECEIVED] / span, in),
		size_text((double)t->bytes[SENT] / span, out));
	if (value(&watch.connected) > 0)
		n += (size_t)snprintf(text + n, size - n,
			", connected in %.3f ms",
			(double)value(&watch.connected) / MS);
	if (t->again_known)
		n += (size_t)snprintf(text + n, size - n, ", %lld retransmit%s",
			t->again, plural(t->again));
	if (t->again_known && t->rtt > 0)
		n += (size_t)snprintf(text + n, size - n,
			", round trip %.3f ms", (double)t->rtt / MS);
	text[n++] = '\n';
	write_text(STDERR_FILENO, text, n);
}

/* watch_say(status): the statistics; with the exit status, or -1, now. */
static void watch_say(int status)
{
	struct object o;
	struct sum t;

	watch_sum(&t);
	if (!messages.json) {
		watch_line(&t);
		return;
	}
	object_begin(&o, "statistics");
	object_number(&o, "peers", t.peers);
	object_number(&o, "peers_now", t.now);
	object_sum(&o, &t);
	if (value(&watch.connected) > 0)
		object_time(&o, "connect_seconds", value(&watch.connected));
	if (status >= 0)
		object_number(&o, "status", status);
	object_end(&o, STDERR_FILENO);
}

/* watch_end(status): the last words: of those that are cut off, and of all. */
static void watch_end(int status)
{
	struct session *s;
	struct sum own;

	if (!watch.wanted || !errors_heard(1000))
		return;
	bar_hide(true);
	pthread_mutex_lock(&watch.lock);
	while ((s = watch.sessions)) {
		session_leave(s, &own);
		if (!s->is_port)
			session_tell(s, &own, "stopped");
	}
	pthread_mutex_unlock(&watch.lock);
	if (watch.stats || messages.json)
		watch_say(status);
}

/* The line of --progress. */
enum { BAR_DRAWN = 4, BAR_PAST = 4 * BAR_DRAWN }; /* a second; samples */

struct bar_sample {
	int64_t at;
	long long bytes;
};

/* bar_text(t, rate, text, size): rate: bytes a second of late, both ways. */
static void bar_text(const struct sum *t, double rate, char *text, size_t size)
{
	long long sent = t->bytes[SENT], left = watch.size - sent;
	char one[32], two[32];
	size_t n = 0;

	if (watch.size > 0 && left >= 0) /* a file that grows has no size */
		n = (size_t)snprintf(text, size, "sent %s of %s (%d%%), ",
			size_text((double)sent, one),
			size_text((double)watch.size, two),
			(int)(sent * 100 / watch.size));
	else if (sent > 0)
		n = (size_t)snprintf(
			text, size, "sent %s, ", size_text((double)sent, one));
	if (n == 0 || t->bytes[RECEIVED] > 0)
		n += (size_t)snprintf(text + n, size - n, "received %s, ",
			size_text((double)t->bytes[RECEIVED], one));
	n += (size_t)snprintf(text + n, size - n, "%s/s, %lld:%02lld",
		size_text(rate, one), (long long)(t->span / SECOND / 60),
		(long long)(t->span / SECOND % 60));
	if (left <= 0 || rate < 1)
		return;
	left = (long long)((double)left / rate);
	snprintf(
		text + n, size - n, ", %lld:%02lld left", left / 60, left % 60);
}

/* bar_run(): the thread that draws it, until the process ends. */
_Noreturn static void *bar_run(void *arg)
{
	struct bar_sample past[BAR_PAST] = { { 0, 0 } }, *last;
	char text[240];
	struct winsize w;
	struct sum t;
	double rate;

	(void)arg;
	for (unsigned int n = 1;; pause_for(SECOND / BAR_DRAWN)) {
		watch_sum(&t);
		if (t.now == 0 || t.bytes[RECEIVED] + t.bytes[SENT] == 0) {
			bar_hide(false);
			continue;
		}
		last = &past[n < BAR_PAST ? 0 : n % BAR_PAST];
		rate = t.span <= last->at
			? 0
			: (double)(t.bytes[RECEIVED] + t.bytes[SENT] -
				  last->bytes) *
				SECOND / (double)(t.span - last->at);
		past[n++ % BAR_PAST] = (struct bar_sample){ t.span,
			t.bytes[RECEIVED] + t.bytes[SENT] };
		bar_text(&t, rate, text, sizeof(text));
		if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col == 0)
			w.ws_col = 80;
		if (w.ws_col <= strlen(text))
			text[w.ws_col - 1] = '\0';
		if (!in_background(STDERR_FILENO))
			bar_draw(text);
	}
}

/*
 * ---- pumps ----------------------------------------------------------------
 *
 * A pump moves bytes from one end to another, in one blocking loop, until the
 * first has no more or something fails.  It never closes anything.  A relay is
 * two pumps, one each way, that never wait for each other.
 *
 * Time limits cost nothing while data moves: a socket under a limit has a
 * timeout that makes a blocked call return every so often (sock_timeouts), and
 * only then the pump's tick looks whether anything has changed since.
 *
 * How a pump that waits is brought to its end by another thread:
 *
 *	it reads a stream	shutdown(2) of the reading side wakes it
 *	it is polled		the end of its wake pipe, once all is read
 *	it reads datagrams	stop is set, and shutdown(2) wakes it
 *	it reads the console	nothing can wake it; it is left behind
 */
struct flow {
	struct end from, to;
	atomic_llong got, put; /* bytes read, bytes written */
	atomic_llong reads;    /* how often something came: progress */
	atomic_llong sends;    /* datagrams written */
	atomic_bool stuck;     /* waiting for the console to take more */
	bool (*tick)(void *);  /* nothing for a while: is it over?  or NULL */
	void *session;         /* of tick */
	int64_t span;          /* how often to ask, for ... */
	bool polled;           /* ... sockets that do not block */
	int wake;              /* polled: readable when it is to end as soon
				 * as nothing more is there; or -1 */
	atomic_bool stop;      /* it is to end at once */
	atomic_bool paused;    /* by its tap */
	struct tap *tap;       /* what its bytes go through; NULL: nothing */
	bool lean;             /* one of many: no large buffer at rest ... */
	bool kept;             /* ... and no thread: a pump has bulk only */
};

enum outcome {
	ENDED,    /* from has no more; all of it is written */
	NOT_READ, /* these two with errno in why.error */
	NOT_WRITTEN,
	STOPPED, /* tick said so */
	ENOUGH,  /* what the tap waited for has come */
	RESTED,  /* flow_through, lean: the bulk is over for the moment */
};

/*
 * flow_mark(f): a number that changes with progress; while the flow pauses
 * it always does, for that is no silence.
 */
static int64_t flow_mark(struct flow *f)
{
	return value(&f->reads) + value(&f->put) +
		(atomic_load(&f->paused) ? now() : 0);
}

/* flow_held(f): bytes that were read and are not written yet. */
static int64_t flow_held(struct flow *f)
{
	return value(&f->got) - value(&f->put);
}

/*
 * flow_blocked(f, e, events): e would block; wait for it.  False when a limit
 * has passed, or somebody wants the flow to end.
 */
static bool flow_blocked(struct flow *f, const struct end *e, short events)
{
	struct pollfd p[2] = { { .fd = e->fd, .events = events },
		{ .fd = f->wake, .events = POLLIN } };
	bool over;

	if (e->flags & MSG_DONTWAIT)
		return false;
	if (e->kind == CONSOLE) {
		atomic_store(&f->stuck, events == POLLOUT);
		poll(p, 1, -1);
		atomic_store(&f->stuck, false);
		return true;
	}
	if ((f->polled || f->span == 0) &&
		poll(p, f->polled ? 2 : 1,
			f->span > 0 ? poll_time(after(f->span)) : -1) != 0)
		return p[0].revents || !f->polled || !p[1].revents;
	over = f->tick && f->tick(f->session);
	errno = EAGAIN;
	return !over;
}

/*
 * flow_wait(f, e, events): a call on e failed with errno; wait until it is
 * worth another try.  False when it is not: the pump has to end.
 */
static bool flow_wait(struct flow *f, const struct end *e, short events)
{
	if (errno == EINTR)
		return true;
	if (errno == ENOBUFS && e->kind == DATAGRAM) {
		pause_for(MS);
		return true;
	}
	if (errno == EIO && e->kind == CONSOLE && in_background(e->fd)) {
		pause_for(SECOND);
		return true;
	}
	return (errno == EAGAIN || errno == EWOULDBLOCK) &&
		flow_blocked(f, e, events);
}

/* flow_failed(how): keep errno; a call that the tick gave up has none. */
static enum outcome flow_failed(enum outcome how)
{
	int error = errno == ENOTCONN ? ECONNRESET : errno;

	if (error == EAGAIN || error == EWOULDBLOCK)
		return STOPPED;
	fail("%s", strerror(error));
	why.error = error;
	return how;
}

/*
 * flow_write(f, buf, n): all of it; a datagram, even an empty one, in one.  A
 * stream under a limit takes small pieces, so that slow progress is seen.
 */
static enum outcome flow_write(struct flow *f, const char *buf, size_t n)
{
	size_t done = 0,
	       most = f->span > 0 && f->to.kind == STREAM ? SCRAP_SIZE : n;
	ssize_t w;

	do {
		w = end_write(
			&f->to, buf + done, n - done < most ? n - done : most);
		if (w < 0 && !flow_wait(f, &f->to, POLLOUT))
			return flow_failed(NOT_WRITTEN);
		if (w > 0) {
			done += (size_t)w;
			add(&f->put, w);
		}
	} while (done < n || w < 0);
	if (f->to.kind == DATAGRAM)
		add(&f->sends, 1);
	return ENDED;
}

/* flow_pause(f): until something may be written again. */
static void flow_pause(struct flow *f)
{
	int64_t left;

	if (f->tap->due == 0)
		return;
	while (!f->stop && (left = f->tap->due - now()) > 0) {
		atomic_store(&f->paused, true);
		pause_for(left < short_pause ? left : short_pause);
	}
	atomic_store(&f->paused, false);
}

/* flow_put(f, buf, n): flow_write of what the tap makes of it, when it may. */
static enum outcome flow_put(struct flow *f, const char *buf, size_t n)
{
	enum outcome how;
	size_t before = n;

	buf = tap_encode(f->tap, buf, &n);
	if (!buf)
		return flow_failed(NOT_WRITTEN);
	add(&f->got, (long long)n - (long long)before);
	flow_pause(f);
	tap_send(f->tap, buf, n);
	how = flow_write(f, buf, n);
	tap_sent(f->tap, n);
	return how;
}

/*
 * flow_hold(f, buf, n, whole): n bytes of a line, or the last of them; written
 * when it is whole.  One that is too long to be held is an error if it were to
 * be a datagram, else goes on in pieces.
 */
static enum outcome flow_hold(
	struct flow *f, const char *buf, size_t n, bool whole)
{
	static atomic_bool told;
	struct tap *t = f->tap;
	enum outcome how = ENDED;

	if (t->held + n > LINE_ROOM && (t->held > 0 || !whole)) {
		errno = EMSGSIZE;
		if (f->to.kind == DATAGRAM || f->to.most > 0)
			return flow_failed(NOT_WRITTEN);
		if (!atomic_exchange(&told, true))
			say("a line of more than %d bytes goes in pieces",
				LINE_ROOM);
		if (t->held > 0)
			how = flow_put(f, t->line, t->held);
		t->held = 0;
		return how == ENDED ? flow_put(f, buf, n) : how;
	}
	if (whole && t->held == 0)
		return flow_put(f, buf, n);
	if (!t->line && !(t->line = buffer_new(LINE_ROOM)))
		return flow_failed(NOT_READ);
	memcpy(t->line + t->held, buf, n);
	t->held += n;
	if (!whole)
		return ENDED;
	how = flow_put(f, t->line, t->held);
	buffer_free(t->line, LINE_ROOM);
	t->line = NULL;
	t->held = 0;
	return how;
}

/* flow_lines(f, buf, n): write them line by line. */
static enum outcome flow_lines(struct flow *f, const char *buf, size_t n)
{
	enum outcome how = ENDED;
	const char *end;
	size_t size;

	for (; n > 0 && how == ENDED; buf += size, n -= size) {
		end = memchr(buf, '\n', n);
		size = end ? (size_t)(end - buf) + 1 : n;
		how = f->tap->shape.lines ? flow_hold(f, buf, size, end != NULL)
					  : flow_put(f, buf, size);
		if (end)
			tap_line(f->tap);
	}
	return how;
}

/* flow_tap(f, buf, n): what was read, through the tap. */
static enum outcome flow_tap(struct flow *f, char *buf, size_t n)
{
	struct tap *t = f->tap;
	size_t kept = tap_receive(t, f->from.fd, buf, n);
	enum outcome how = ENDED;

	add(&f->got, (long long)kept - (long long)n);
	if (kept > 0 && (t->shape.lines || t->shape.interval > 0))
		how = flow_lines(f, buf, kept);
	else if (kept > 0 || n == 0)
		how = flow_put(f, buf, kept);
	return how == ENDED && tap_is_done(t) ? ENOUGH : how;
}

/* flow_step(f, buf, size, n): read once into buf, write it all; n: how much. */
static enum outcome flow_step(
	struct flow *f, char *buf, size_t size, ssize_t *n)
{
	while ((*n = end_read(&f->from, buf, size)) < 0)
		if (!flow_wait(f, &f->from, POLLIN))
			return flow_failed(NOT_READ);
	if (*n == 0 && f->from.kind != DATAGRAM)
		return ENDED;
	add(&f->got, *n);
	add(&f->reads, 1);
	/* A datagram socket that was shut down gives empty ones for ever. */
	if (*n == 0 && f->tick && f->tick(f->session))
		return STOPPED;
	if (*n == 0 && f->to.kind != DATAGRAM && !f->tap)
		return ENDED;
	return f->tap ? flow_tap(f, buf, (size_t)*n)
		      : flow_write(f, buf, (size_t)*n);
}

/*
 * How a pump moves bytes; picked once, by what its descriptors are:
 *
 *	from		to		way
 *	pipe		anything	DIRECT		splice(2)
 *	anything	pipe		DIRECT
 *	regular file	socket		SEND_FILE	sendfile(2)
 *	socket		socket, device	THROUGH		splice(2), our own pipe
 *	datagrams	console		GATHER		recvmmsg(2), writev(2)
 *	all else, and whatever has a tap
 *					COPY		read(2), write(2)
 *
 * Where the kernel refuses in mid-stream it goes on with COPY.
 */
enum way {
	COPY,      /* read and write */
	DIRECT,    /* splice: one of them is a pipe */
	SEND_FILE, /* sendfile: a regular file to a socket */
	THROUGH,   /* splice through a pipe of our own */
	GATHER,    /* datagrams: all that wait in one write */
};

/* flow_way(f): the fastest way that its ends allow. */
static enum way flow_way(const struct flow *f)
{
	const struct end *from = &f->from, *to = &f->to;
	struct stat in, out;

	if (f->tap)
		return COPY;
	if (from->kind == DATAGRAM && to->kind == CONSOLE && !from->gate)
		return GATHER;
	if (from->kind > STREAM || to->kind > STREAM || from->gate ||
		from->fd == to->fd || fstat(from->fd, &in) < 0 ||
		fstat(to->fd, &out) < 0)
		return COPY;
	if (S_ISFIFO(in.st_mode) || S_ISFIFO(out.st_mode))
		return DIRECT;
	if (S_ISREG(in.st_mode) && to->kind == STREAM)
		return SEND_FILE;
	/* Into a file splice does not lock the position that others share. */
	return from->kind == STREAM && !S_ISREG(out.st_mode) && !isatty(to->fd)
		? THROUGH
		: COPY;
}

/* flow_rests(f): no bulk of data is coming at the moment. */
static bool flow_rests(struct flow *f)
{
	struct pollfd p = { .fd = f->from.fd, .events = POLLIN };

	return poll(&p, 1, bulk_pause) == 0;
}

/* flow_flush(f, how): it ended like that; what is held of a line goes on. */
static enum outcome flow_flush(struct flow *f, enum outcome how)
{
	struct why reason = why;
	enum outcome last = ENDED;

	if (how != NOT_WRITTEN && f->tap && f->tap->held > 0)
		last = flow_put(f, f->tap->line, f->tap->held);
	if (last != ENDED)
		return last;
	why = reason;
	return how;
}

/*
 * flow_copy(f): read and write until the end.  A small buffer does, until a
 * read fills it: then a large one while the bulk lasts.
 */
static enum outcome flow_copy(struct flow *f)
{
	bool grams = f->from.kind == DATAGRAM;
	size_t limit = grams     ? BUFFER_SIZE
		: f->to.most > 0 ? f->to.most
				 : tap_portion(f->tap, CHUNK);
	size_t size = limit < SMALL_SIZE ? limit : SMALL_SIZE;
	bool at_once = grams || f->to.most > 0;
	char small[SMALL_SIZE], *large = at_once ? buffer_new(limit) : NULL;
	enum outcome how = ENDED;
	ssize_t n = 1;

	if (at_once && !large)
		return flow_failed(NOT_READ);
	while (how == ENDED && (n > 0 || grams)) {
		if (large && f->lean && flow_rests(f)) {
			buffer_free(large, limit);
			large = NULL;
		}
		if (f->stop)
			how = STOPPED;
		else
			how = large ? flow_step(f, large, limit, &n)
				    : flow_step(f, small, size, &n);
		if (!large && n == (ssize_t)size && size < limit)
			large = buffer_new(limit);
	}
	buffer_free(large, limit);
	return flow_flush(f, how);
}

/*
 * flow_write_parts(f, part, n): the bytes of all n, one after the other; part
 * does not stay as it is.
 */
static enum outcome flow_write_parts(struct flow *f, struct iovec *part, int n)
{
	ssize_t w = 0;
	size_t done;

	for (;;) {
		for (done = w > 0 ? (size_t)w : 0;
			n > 0 && done >= part->iov_len; part++, n--)
			done -= part->iov_len;
		if (n == 0)
			return ENDED;
		part->iov_base = (char *)part->iov_base + done;
		part->iov_len -= done;
		if (messages.interposed)
			bar_hide(true);
		w = writev(f->to.fd, part, n);
		if (w > 0)
			add(&f->put, w);
		else if (w < 0 && !flow_wait(f, &f->to, POLLOUT))
			return flow_failed(NOT_WRITTEN);
	}
}

/* flow_sort(f, b, n): write what of n messages is for us, as flow_step. */
static enum outcome flow_sort(struct flow *f, const struct batch *b, int n)
{
	struct iovec part[BATCH];
	enum outcome how;
	long long bytes = 0;
	int reads = 0, i;
	bool empty = false;

	for (i = 0; i < n && !batch_cut(b, i); i++) {
		empty = empty || b->message[i].msg_len == 0;
		if (!end_hears(&f->from, &b->slot[i].gram))
			continue;
		part[reads] = b->slot[i].part;
		part[reads].iov_len = b->message[i].msg_len;
		bytes += b->message[i].msg_len;
		reads++;
	}
	add(&f->got, bytes);
	add(&f->reads, reads);
	how = flow_write_parts(f, part, reads);
	if (how == ENDED && i < n) {
		errno = EMSGSIZE;
		return flow_failed(NOT_READ);
	}
	return how == ENDED && empty && f->tick && f->tick(f->session) ? STOPPED
								       : how;
}

/* flow_gather(f): datagrams to the console, where they have no edges. */
static enum outcome flow_gather(struct flow *f)
{
	struct batch *b = batch_new();
	enum outcome how = ENDED;
	int n;

	if (!b)
		return flow_failed(NOT_READ);
	while (how == ENDED) {
		n = f->stop ? 0 : batch_recv(b, f->from.fd);
		if (n > 0)
			how = flow_sort(f, b, n);
		else if (f->stop)
			how = STOPPED;
		else if (!flow_wait(f, &f->from, POLLIN))
			how = flow_failed(NOT_READ);
	}
	batch_free(b);
	return how;
}

/*
 * flow_cannot(): the kernel cannot move these without copying; or copying will
 * tell which of them failed.
 */
static bool flow_cannot(void)
{
	return errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ||
		errno == EPERM || errno == EIO;
}

/*
 * flow_pass(f, over): a move gave nothing though there was something to move:
 * the end of a stream, or an urgent byte in it (MSG_OOB), which splice(2)
 * stops at for ever and a read passes.  What the read took is copied; over
 * tells the end.
 */
static enum outcome flow_pass(struct flow *f, bool *over)
{
	char buf[SMALL_SIZE];
	ssize_t n = f->from.kind == STREAM
		? recv(f->from.fd, buf, sizeof(buf), MSG_DONTWAIT)
		: 0;

	*over = n == 0;
	if (n == 0)
		return ENDED;
	if (n < 0)
		return flow_wait(f, &f->from, POLLIN) ? ENDED
						      : flow_failed(NOT_READ);
	add(&f->got, n);
	add(&f->reads, 1);
	return flow_write(f, buf, (size_t)n);
}

/*
 * flow_move_wait(f, way): a move failed with errno; wait until it is worth
 * another try, or say why there is none.
 */
static enum outcome flow_move_wait(struct flow *f, enum way way)
{
	bool may_fail_reading = f->from.kind == STREAM;

	if (errno == EAGAIN && way == DIRECT) {
		if (!flow_wait(f, &f->from, POLLIN))
			return flow_failed(NOT_READ);
		errno = EAGAIN;
	}
	if (flow_wait(f, &f->to, POLLOUT))
		return ENDED;
	return flow_failed(
		may_fail_reading && errno != EPIPE ? NOT_READ : NOT_WRITTEN);
}

/*
 * flow_move(f, way, over): until the end, or until the kernel cannot go on
 * this way: then over is false.  Waiting inside splice(2) keeps a pipe locked
 * against those at its other end, so it never waits there: neither for the
 * pipe nor for the socket, which does not block.  Files that are made up as
 * they are read may look empty to sendfile(2): copying finds their end.
 */
static enum outcome flow_move(struct flow *f, enum way way, bool *over)
{
	enum outcome how = ENDED;
	bool ready = false; /* both were, when it was last tried in vain */
	ssize_t n;

	for (*over = false; how == ENDED && !*over;) {
		if (f->stop)
			return STOPPED;
		n = way == SEND_FILE
			? move_file(f->from.fd, f->to.fd, MOVE_CHUNK)
			: move_pipe(f->from.fd, f->to.fd, MOVE_CHUNK, false);
		if (n > 0) {
			add(&f->got, n);
			add(&f->reads, 1);
			add(&f->put, n);
			ready = false;
		} else if (n < 0 ? flow_cannot() : way == SEND_FILE) {
			return ENDED;
		} else if (n == 0 || (ready && errno == EAGAIN)) {
			how = flow_pass(f, over);
			ready = false;
		} else {
			how = flow_move_wait(f, way);
			ready = f->from.kind == STREAM;
		}
	}
	return how;
}

/* flow_empty(f, own): write what is in the pipe of our own, by copying. */
static enum outcome flow_empty(struct flow *f, int own)
{
	char buf[SCRAP_SIZE];
	enum outcome how = ENDED;
	ssize_t n;

	while (how == ENDED && flow_held(f) > 0) {
		n = read(own, buf, sizeof(buf));
		if (n > 0)
			how = flow_write(f, buf, (size_t)n);
		else if (n == 0 || errno != EINTR)
			return flow_failed(NOT_READ);
	}
	return how;
}

/*
 * flow_silent(f): nothing came for the span of a tick; errno is EAGAIN.  Until
 * the first byte it is poll(2) that waits: who sleeps inside splice(2) is
 * woken by every acknowledgement of what the other direction sends.
 */
static bool flow_silent(struct flow *f)
{
	struct pollfd p = { .fd = f->from.fd, .events = POLLIN };
	int timeout = f->span > 0 ? poll_time(after(f->span)) : -1;

	if (value(&f->got) > 0 || f->polled || poll(&p, 1, timeout) != 0)
		return false;
	errno = EAGAIN;
	return true;
}

/*
 * flow_unload(f, own, able): what is in the pipe of our own to where it goes.
 * Where the kernel cannot, it is copied, and able is false.
 */
static enum outcome flow_unload(struct flow *f, int own, bool *able)
{
	ssize_t n;

	while (flow_held(f) > 0) {
		n = move_pipe(own, f->to.fd, (size_t)flow_held(f), true);
		if (n > 0) {
			add(&f->put, n);
		} else if (n == 0 || flow_cannot()) {
			*able = false;
			return flow_empty(f, own);
		} else if (!flow_wait(f, &f->to, POLLOUT)) {
			return flow_failed(NOT_WRITTEN);
		}
	}
	return ENDED;
}

/*
 * flow_through(f, own, over): from a socket, through the pipe `own' that
 * nobody else holds, to anything; until the end, or until the kernel cannot:
 * then over is false.
 */
static enum outcome flow_through(struct flow *f, const int own[2], bool *over)
{
	enum outcome how = ENDED;
	bool able = true, ready = false; /* as in flow_move */
	ssize_t n;

	for (*over = false; how == ENDED && able && !*over;) {
		if (f->stop)
			return STOPPED;
		if (f->lean && flow_rests(f))
			return RESTED;
		n = flow_silent(f)
			? -1
			: move_pipe(f->from.fd, own[1], MOVE_CHUNK, true);
		if (n > 0) {
			add(&f->got, n);
			add(&f->reads, 1);
			how = flow_unload(f, own[0], &able);
			ready = false;
		} else if (n < 0 && flow_cannot()) {
			able = false;
		} else if (n == 0 || (ready && errno == EAGAIN)) {
			how = flow_pass(f, over);
			ready = false;
		} else if (flow_wait(f, &f->from, POLLIN)) {
			ready = f->polled;
		} else {
			how = flow_failed(NOT_READ);
		}
	}
	return how;
}

/*
 * flow_until_bulk(f, over): copy what is small, until a read fills the buffer
 * (over is false then) or the end.
 */
static enum outcome flow_until_bulk(struct flow *f, bool *over)
{
	char small[SMALL_SIZE];
	enum outcome how = ENDED;
	ssize_t n = 1;

	while (how == ENDED && n > 0 && n < (ssize_t)sizeof(small))
		how = f->stop ? STOPPED
			      : flow_step(f, small, sizeof(small), &n);
	*over = how != ENDED || n <= 0;
	return how;
}

/*
 * flow_sparing(f): one of many; it has a pipe only while there is a bulk.  One
 * that is kept elsewhere while it rests comes with a bulk, and goes after it.
 */
static enum outcome flow_sparing(struct flow *f)
{
	enum outcome how = RESTED;
	int own[2];
	bool over = false;

	while (how == RESTED) {
		if (!f->kept)
			how = flow_until_bulk(f, &over);
		if (over)
			return how;
		if (flow_way(f) != THROUGH || pipe_new(own) < 0)
			break;
		how = flow_through(f, own, &over);
		close(own[0]);
		close(own[1]);
		if (how == RESTED && f->kept)
			return how;
	}
	if (how == RESTED)
		how = ENDED;
	return over || how != ENDED ? how : flow_copy(f);
}

/* pump(f): until the end, the fastest way there is. */
static enum outcome pump(struct flow *f)
{
	enum outcome how = ENDED;
	enum way way;
	int own[2];
	bool over = false;

	if (f->lean && !f->tap && f->from.kind == STREAM &&
		f->to.kind == STREAM && f->from.fd != f->to.fd)
		return flow_sparing(f);
	way = flow_way(f);
	if (way == GATHER)
		return flow_gather(f);
	if (way == THROUGH && pipe_new(own) == 0) {
		pipe_grow(own[0]);
		how = flow_through(f, own, &over);
		close(own[0]);
		close(own[1]);
	} else if (way == DIRECT || way == SEND_FILE) {
		if (way == DIRECT) {
			pipe_grow(f->from.fd);
			pipe_grow(f->to.fd);
		}
		how = flow_move(f, way, &over);
	}
	return over || how != ENDED ? how : flow_copy(f);
}

/*
 * A clock tells how long a mark, any number that changes with progress, has
 * stood still.
 */
struct clock {
	int64_t limit; /* nanoseconds, or NEVER */
	int64_t mark, since;
};

/*
 * clock_passed(c, mark): whether mark is what it was for c's limit.  The first
 * call starts the clock, and so does one after since was set to 0.
 */
static bool clock_passed(struct clock *c, int64_t mark)
{
	if (c->limit == NEVER)
		return false;
	if (c->since == 0 || mark != c->mark) {
		c->mark = mark;
		c->since = now();
	}
	return now() - c->since >= c->limit;
}

/* tick_span(a, b, c): how often to look at these limits; 0: never. */
static int64_t tick_span(int64_t a, int64_t b, int64_t c)
{
	int64_t least = a < b ? a : b;

	if (c < least)
		least = c;
	return least == NEVER        ? 0
		: least / 8 > SECOND ? SECOND
				     : least / 8 + MS;
}

/* What a relay is to do; the times are limits, NEVER without one. */
struct rules {
	int64_t wait;    /* -w: silence */
	int64_t idle;    /* --idle-timeout: silence */
	int64_t quit;    /* -q */
	bool half_close; /* at the end of input */
	bool recv_only, send_only;
	bool echo;            /* no console: what comes goes back */
	bool reset;           /* how to close */
	bool listening;       /* the peer came to us */
	bool patient;         /* our FIN would end what the peer has to say */
	bool terminal;        /* standard input is one */
	struct bytes *send;   /* in place of standard input; or NULL */
	struct tap *in, *out; /* from the peer, to it; NULL: none */
	const char *place;    /* the peer, for messages */
	struct session *session;
};

struct relay {
	const struct rules *rules;
	int fd;
	int wake[2]; /* a pipe, closed when down is to end; or -1 */
	bool stream;
	struct flow up, down; /* console to peer, peer to console */
	pthread_mutex_t lock; /* guards all that follows */
	pthread_cond_t changed;
	enum { ABSENT, RUNNING, CLOSING, OVER } up_state;
	enum outcome up_how;
	struct why up_why;
	bool down_ended;
	bool fin;           /* ours is sent */
	bool output_closed; /* nobody reads standard output any more */
	int error;          /* of the connection */
	bool early;         /* the peer ended before what was waited for */
	enum { GOING, QUIT, SILENT, IDLE } verdict; /* what ended it */
	struct clock silence, idle, quit;
};

/*
 * relay_tick(r): whether a limit has passed.  While standard output is full
 * sockcat is not ready for the peer: no silence then.
 */
static bool relay_tick(void *arg)
{
	struct relay *r = arg;
	int64_t sent, heard, mark;
	bool one_ended, full;

	pthread_mutex_lock(&r->lock);
	sent = value(&r->up.put) - unacknowledged(r->fd) + confirmed(r->fd);
	heard = value(&r->down.reads) + value(&r->down.put);
	mark = sent + heard;
	full = !r->rules->echo && (r->down.stuck || flow_held(&r->down) > 0);
	if (full || r->up.paused || r->down.paused)
		r->silence.since = r->idle.since = r->quit.since = 0;
	else if (r->verdict == GOING && clock_passed(&r->idle, mark))
		r->verdict = IDLE;
	else if (r->verdict == GOING && clock_passed(&r->silence, mark))
		r->verdict = SILENT;
	one_ended = r->up_state == OVER || r->down_ended;
	if (one_ended && !full && r->verdict == GOING &&
		clock_passed(&r->quit, r->down_ended ? sent : heard))
		r->verdict = QUIT;
	one_ended = r->verdict != GOING;
	pthread_mutex_unlock(&r->lock);
	return one_ended;
}

/*
 * relay_hold_fin(r): with the lock held.  A listener whose input ended without
 * a byte, and whoever goes through a proxy, waits with the FIN until the peer
 * has ended or been silent for a second: many drop what they have left to send
 * at a FIN.
 */
static void relay_hold_fin(struct relay *r)
{
	struct clock silence = { .limit = SECOND };

	if (r->rules->wait / 2 < silence.limit)
		silence.limit = r->rules->wait / 2;
	while (!r->down_ended && r->verdict == GOING) {
		if (flow_held(&r->down) > 0)
			silence.since = 0;
		else if (clock_passed(&silence, value(&r->down.reads)))
			break;
		signal_wait(&r->changed, &r->lock, after(SECOND / 8));
	}
}

/* relay_up(r): the thread that moves standard input to the peer. */
static void *relay_up(void *arg)
{
	struct relay *r = arg;
	bool fin, wake;
	enum outcome how = pump(&r->up);

	pthread_mutex_lock(&r->lock);
	r->up_state = CLOSING;
	r->up_how = how;
	r->up_why = why;
	if ((r->rules->patient && r->rules->half_close && how != NOT_WRITTEN) ||
		(r->rules->listening && r->stream && value(&r->up.got) == 0))
		relay_hold_fin(r);
	fin = r->stream && (how == ENDED || how == NOT_READ) &&
		(r->rules->half_close || r->down_ended);
	pthread_mutex_unlock(&r->lock);
	if (fin && shutdown(r->fd, SHUT_WR) < 0) {
		fin = false;
		if (how == ENDED)
			how = flow_failed(NOT_WRITTEN);
	}

	pthread_mutex_lock(&r->lock);
	r->fin = fin;
	r->up_state = OVER;
	r->up_how = how;
	if (how == NOT_WRITTEN)
		r->up_why = why;
	wake = how == NOT_WRITTEN || r->rules->send_only || r->rules->quit == 0;
	if (wake && r->verdict == GOING)
		r->verdict = QUIT;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	/*
	 * After a failure what the peer had sent is still taken.  No
	 * shutdown(2) else: after our FIN Linux resets who then sends more.
	 */
	if (wake && how != NOT_WRITTEN)
		r->down.stop = true;
	if (wake && r->wake[1] >= 0)
		close(r->wake[1]);
	else if (wake)
		shutdown(r->fd, SHUT_RD);
	return NULL;
}

/* relay_input_rests(r): all that was read is sent, and nothing is waiting. */
static bool relay_input_rests(struct relay *r)
{
	return r->up_state == RUNNING && flow_held(&r->up) == 0 &&
		input_is_idle();
}

/*
 * relay_watch(r): the peer has ended; wait for the end of standard input.  A
 * reset, or the full close of a Unix peer, ends that as soon as there is
 * nothing more to try; so does -q 0, or a person at a terminal.
 */
static void relay_watch(struct relay *r)
{
	struct pollfd p = { .fd = r->fd };
	struct clock patience = { .limit = 2 * SECOND };
	bool gone = false, at_once = r->rules->terminal || r->rules->quit == 0;
	int64_t step =
		tick_span(r->quit.limit, r->silence.limit, r->idle.limit);

	if (step == 0)
		step = SECOND / 2;
	pthread_mutex_lock(&r->lock);
	r->down_ended = true;
	r->quit.since = 0;
	pthread_cond_broadcast(&r->changed);
	while (r->verdict == GOING &&
		(r->up_state == RUNNING || r->up_state == CLOSING)) {
		if ((gone || at_once) && relay_input_rests(r))
			break;
		if (gone || at_once) {
			signal_wait(&r->changed, &r->lock, after(10 * MS));
		} else {
			pthread_mutex_unlock(&r->lock);
			gone = poll(&p, 1, poll_time(after(step))) > 0;
			pthread_mutex_lock(&r->lock);
		}
		if (clock_passed(&patience, value(&r->up.put)) && !gone) {
			say("peer has ended; waiting for the end of standard "
			    "input (-q bounds it)");
			patience.limit = NEVER;
		}
		pthread_mutex_unlock(&r->lock);
		if (relay_tick(r))
			return;
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
}

/*
 * relay_undelivered(r, patience): bytes read from standard input that the peer
 * did not get; waits for its acknowledgement, errno tells why there was none.
 */
static int64_t relay_undelivered(struct relay *r, int64_t patience)
{
	int64_t left = 0;

	errno = 0;
	if (r->stream && !r->fin && !r->rules->reset)
		r->fin = shutdown(r->fd, SHUT_WR) == 0;
	if (r->stream)
		left = stream_settle(r->fd, patience, r->fin);
	return left + flow_held(r->rules->echo ? &r->down : &r->up);
}

/*
 * relay_patience(r, status): how long to wait for an acknowledgement: as the
 * limits say; and the exit status when that has passed.
 */
static int64_t relay_patience(const struct relay *r, enum status *status)
{
	int64_t quit = r->quit.limit == 0 ? farewell : r->quit.limit;
	int64_t silence = r->silence.limit < r->idle.limit ? r->silence.limit
							   : r->idle.limit;

	*status = quit < silence ? FAILED : TIMED_OUT;
	return quit < silence ? quit : silence;
}

/*
 * relay_failed(r, what, error): with how much was lost.  The error of UDP is
 * mostly about messages sent before, nobody knows which.
 */
static int relay_failed(struct relay *r, const char *what, int error)
{
	bool udp = !r->stream && sock_name(r->fd).sa.sa_family != AF_UNIX;
	int64_t lost;

	/* What is on its way may have been sent and not be counted yet. */
	for (int i = 0; i < 50 && flow_held(&r->up) > 0; i++)
		pause_for(MS);
	lost = relay_undelivered(r, 0);
	r->error = error;
	if (udp && error != EMSGSIZE && error != EPERM)
		return fail("connection to %s failed: %s", r->rules->place,
			strerror(error));
	return bytes_lost(what, r->rules->place, strerror(error), lost, FAILED);
}

/*
 * relay_acknowledged(r, patience, status): 0 when the peer's kernel has all,
 * else -1; status is what it means that patience passed.
 */
static int relay_acknowledged(
	struct relay *r, int64_t patience, enum status status)
{
	int64_t lost = relay_undelivered(r, patience);
	bool late = errno == ETIMEDOUT && patience < NEVER;

	if (lost == 0)
		return 0;
	return bytes_lost("connection to", r->rules->place,
		late || errno == 0 ? "the time limit passed" : strerror(errno),
		lost, late || errno == 0 ? status : FAILED);
}

/*
 * relay_limited(r): the end that a time limit made; 0 if that is fine, else -1.
 */
static int relay_limited(struct relay *r)
{
	const char *place = r->rules->place;
	bool input_ended = r->up_state > RUNNING && r->up_how != STOPPED;
	enum status status = FAILED;
	int64_t patience = 0;
	char lack[ADDR_TEXT];

	if (tap_lacks(r->rules->in, lack))
		return fail_as(TIMED_OUT,
			"connection to %s: the time of %s passed %s", place,
			r->verdict == SILENT         ? "-w"
				: r->verdict == IDLE ? "--idle-timeout"
						     : "-q",
			lack);
	if (r->verdict == IDLE)
		return fail_as(TIMED_OUT,
			"connection to %s: silent for the "
			"time of --idle-timeout",
			place);
	if (r->verdict == SILENT && input_ended &&
		(!r->stream || value(&r->down.reads) > 0))
		return relay_acknowledged(r, 0, TIMED_OUT);
	if (r->verdict == SILENT)
		return fail_as(TIMED_OUT, "connection to %s: %s (-w)", place,
			input_ended ? "no answer" : "silent");
	if (r->rules->send_only || r->rules->quit == 0)
		patience = relay_patience(r, &status);
	if (relay_acknowledged(r, patience, status) < 0)
		return -1;
	if (r->down_ended &&
		(r->up_state == RUNNING ? !relay_input_rests(r)
					: r->up_how == STOPPED))
		return fail("connection to %s failed: the time of -q passed "
			    "before the end of standard input",
			place);
	return 0;
}

/*
 * relay_say(r): with the lock held.  A text that was given is sent to its end,
 * while that makes progress.
 */
static void relay_say(struct relay *r)
{
	struct clock still = { .limit = farewell };

	while ((r->up_state == RUNNING || r->up_state == CLOSING) &&
		!clock_passed(&still, flow_mark(&r->up)))
		signal_wait(&r->changed, &r->lock, after(10 * MS));
}

/*
 * relay_sufficed(r): enough has come, or, with lack telling what, too little.
 * What was sent still gets some time to arrive.
 */
static int relay_sufficed(struct relay *r, const char *lack)
{
	if (r->rules->send)
		relay_say(r);
	relay_undelivered(r, farewell);
	r->early = *lack != '\0';
	return *lack ? fail("connection to %s: ended %s", r->rules->place, lack)
		     : 0;
}

/*
 * relay_result(r, down): 0 when everything was delivered, or -1 with the one
 * reason that matters most.  errno EPIPE: standard output is closed.
 */
static int relay_result(struct relay *r, enum outcome down, struct why *reason)
{
	enum status status;
	int64_t patience = relay_patience(r, &status);
	char lack[ADDR_TEXT] = "";
	int error;

	/* For good: nothing that the other thread may still do counts. */
	pthread_mutex_lock(&r->lock);
	if (down == NOT_WRITTEN && !r->rules->echo) {
		relay_undelivered(r, farewell);
		fail("write to standard output failed: %s", reason->text);
		r->output_closed = reason->error == EPIPE;
		return -1;
	}
	if (down != NOT_READ && r->up_state == OVER && r->up_how == NOT_WRITTEN)
		return relay_failed(r, "write to", r->up_why.error);
	if (down == ENOUGH || (down == ENDED && tap_lacks(r->rules->in, lack)))
		return relay_sufficed(r, lack);
	error = down == NOT_READ || down == NOT_WRITTEN ? reason->error
							: sock_failure(r->fd);
	if (error)
		return relay_failed(r, "connection to", error);
	if (r->verdict != GOING)
		return relay_limited(r);
	if (relay_acknowledged(r, patience, status) < 0)
		return -1;
	if (r->up_state == OVER && r->up_how == NOT_READ)
		return fail(
			"read from standard input failed: %s", r->up_why.text);
	return 0;
}

/* relay_count(r): what its session came to is counted by its flows. */
static void relay_count(struct relay *r)
{
	struct flow *out = r->rules->echo ? &r->down : &r->up;

	session_count(r->rules->session, &r->down.got, &out->put,
		r->stream ? NULL : &r->down.reads,
		r->stream ? NULL : &out->sends);
}

/* relay_reason(r, result): the word for its end. */
static const char *relay_reason(const struct relay *r, int result)
{
	return r->verdict == SILENT || r->verdict == IDLE ? "silent"
		: result == 0 || r->early                 ? "ended"
					  : error_reason(r->error);
}

/*
 * relay_set(r, fd, type, gram, rules): the two directions.  -1 without the
 * pipe that wakes the one from the peer.
 */
static int relay_set(struct relay *r, int fd, int type, struct gram *gram,
	const struct rules *rules)
{
	struct end peer = { .kind = type == SOCK_STREAM ? STREAM : DATAGRAM,
		.fd = fd,
		.gram = gram,
		.strict = rules->listening };
	struct flow way = { .tick = relay_tick,
		.session = r,
		.span = tick_span(rules->wait, rules->idle, rules->quit),
		.wake = -1 };

	r->rules = rules;
	r->fd = fd;
	r->stream = type == SOCK_STREAM;
	r->silence.limit = rules->wait;
	r->idle.limit = rules->idle;
	r->quit.limit = rules->quit;
	pthread_mutex_init(&r->lock, NULL);
	signal_init(&r->changed);
	r->wake[0] = r->wake[1] = -1;
	if ((rules->quit == 0 || rules->send_only) && pipe_new(r->wake) < 0)
		return fail("cannot create a pipe:");
	r->up = r->down = way;
	r->up.tap = rules->out;
	r->up.from = (struct end){ .kind = rules->send ? TEXT : CONSOLE,
		.fd = STDIN_FILENO,
		.text = rules->send };
	r->up.to = peer;
	r->up.to.most = r->stream ? 0 : DATAGRAM_OUT;
	r->down.tap = rules->in;
	r->down.wake = r->wake[0];
	r->down.from = peer;
	if (rules->send_only)
		r->down.to =
			(struct end){ .kind = SINK, .take = nothing_taken };
	else if (rules->echo)
		r->down.to = peer;
	else
		r->down.to =
			(struct end){ .kind = CONSOLE, .fd = STDOUT_FILENO };
	return 0;
}

/*
 * relay_pace(r): how its socket is waited for: by poll(2) where a pipe must not
 * be waited for in splice(2) or is to wake us, else by blocking calls, which
 * under a limit return every so often.
 */
static void relay_pace(struct relay *r)
{
	bool pipes = r->stream &&
		(flow_way(&r->up) == DIRECT || flow_way(&r->down) == DIRECT);

	r->up.polled = r->down.polled = r->wake[0] >= 0 || pipes ||
		(fcntl(r->fd, F_GETFL) & O_NONBLOCK);
	if (r->up.polled)
		(void)fcntl(r->fd, F_SETFL, O_NONBLOCK);
	else if (r->up.span > 0)
		sock_timeouts(r->fd, r->up.span);
}

/*
 * relay_run(r, fd, type, gram, rules): between the console and a connected
 * socket, or the peer of gram; an echo is a relay of the peer to itself.  0
 * when all is delivered, else -1.  The thread that reads the console cannot be
 * woken: it keeps r, and fd, until the process ends.
 */
static int relay_run(struct relay *r, int fd, int type, struct gram *gram,
	const struct rules *rules)
{
	enum outcome down;
	struct why reason;
	char lack[ADDR_TEXT];

	if (relay_set(r, fd, type, gram, rules) < 0)
		return -1;
	relay_pace(r);
	relay_count(r);
	if (!rules->recv_only && !rules->echo) {
		r->up_state = RUNNING;
		if (thread_need(relay_up, r) < 0)
			return -1;
	}
	down = pump(&r->down);
	reason = why;
	if (down == ENDED && !tap_lacks(rules->in, lack))
		relay_watch(r);
	return relay_result(r, down, &reason);
}

/*
 * A bridge moves bytes between two connected streams, each way on a thread.
 * An end is passed on as a FIN; a failure of one stream breaks the bridge, so
 * that the owner can reset the other.
 *
 * A way at rest needs no thread where the system can wait for many: a keeper
 * has it, which carries what is small and never waits.  A bulk, a reader that
 * is slow, or an end that has to be watched gets a thread until that is over.
 * What is true of a way, by its marks under the lock:
 *
 *	kept		the keeper's set tells of it; no thread has it
 *	kept, wanting	it should have a thread, and there was none yet
 *	neither		bridge_move has it, on a thread
 *	ended		nothing more comes: that is passed on; now its
 *			stream is watched for a reset
 *	over		nobody has it any more
 *
 * Whoever makes the second way over owns the bridge (bridge_over says so).
 */
struct bridge {
	int fd[2];
	struct flow way[2]; /* from fd[0] to fd[1], and back */
	struct tap *tap[2]; /* of either way; NULL: none */
	struct session *session;
	struct clock idle;    /* silence on both */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool ended[2]; /* whose end is passed on, or about to be */
	bool over[2];
	bool wanting[2];      /* a thread, and there was none */
	bool kept[2];         /* which belong to the keeper ... */
	int keeper;           /* ... with this set */
	struct bytes left[2]; /* what it has read and could not write */
	void (*done)(struct bridge *); /* called when all is over, or NULL */
	bool broken;    /* a stream failed: why tells the reason ... */
	int culprit;    /* ... and this which of them it was */
	bool dismissed; /* nobody reads where the other way leads */
	bool limited;   /* the limit of idle has passed */
	bool lenient;   /* fd[1] is a command's: it may leave what it likes */
	struct why why;
};

/* stream_failed(fd): a reset has come. */
static bool stream_failed(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLERR | POLLNVAL));
}

/* bridge_wake(b, i): have a keeper look at way i; with the lock held. */
static void bridge_wake(struct bridge *b, int i)
{
	if (b->kept[i])
		set_change(b->keeper, b->fd[i], &b->way[i], POLLIN);
}

/*
 * bridge_stop(b): both ways are to end, as soon as a timeout lets them look;
 * with the lock held.
 */
static void bridge_stop(struct bridge *b)
{
	atomic_store(&b->way[0].stop, true);
	atomic_store(&b->way[1].stop, true);
	for (int i = 0; i < 2; i++)
		bridge_wake(b, i);
	pthread_cond_broadcast(&b->changed);
}

/*
 * bridge_break(b, i): the stream fd[i] has failed, for why; with the lock held.
 * A way that still reads is woken: its stream will be reset.  Where an end was
 * passed on nothing is done, so that what went before it arrives.
 */
static void bridge_break(struct bridge *b, int i)
{
	if (b->broken || b->limited || b->dismissed)
		return;
	b->broken = true;
	b->culprit = i;
	b->why = why;
	for (int k = 0; k < 2; k++)
		if (!b->ended[k] && !b->over[k])
			shutdown(b->fd[k], SHUT_RD);
	bridge_stop(b);
}

/* bridge_mark(b): changes with all that comes or is acknowledged. */
static int64_t bridge_mark(struct bridge *b)
{
	int64_t mark = 0;

	for (int i = 0; i < 2; i++)
		mark += flow_mark(&b->way[i]) - unacknowledged(b->fd[i]) +
			confirmed(b->fd[i]);
	return mark;
}

/*
 * bridge_reads_on(b, i): fd[i] is a Unix stream that way i still reads.  There
 * an error says no more than that its peer has closed and left something
 * unread: what that had written before is still to be had.
 */
static bool bridge_reads_on(const struct bridge *b, int i)
{
	struct addr self = sock_name(b->fd[i]);

	return self.sa.sa_family == AF_UNIX && !b->ended[i] && !b->over[i];
}

/*
 * bridge_tick(b): whether a way that rests is to end: for a limit, or for a
 * reset that only the other way would notice, which is blocked.
 */
static bool bridge_tick(void *arg)
{
	struct bridge *b = arg;
	bool over;

	pthread_mutex_lock(&b->lock);
	for (int i = 0; i < 2; i++)
		if (stream_failed(b->fd[i]) && !bridge_reads_on(b, i)) {
			fail("%s", strerror(ECONNRESET));
			bridge_break(b, i);
		}
	if (!b->broken && clock_passed(&b->idle, bridge_mark(b))) {
		b->limited = true;
		bridge_stop(b);
	}
	over = b->broken || b->limited || b->dismissed;
	pthread_mutex_unlock(&b->lock);
	return over;
}

/*
 * bridge_leave(b, i): nobody reads any more where way i leads.  Once its stream
 * has acknowledged what it was sent, or makes no progress, way i ends.
 */
static void bridge_leave(struct bridge *b, int i)
{
	struct clock still = { .limit = farewell };
	bool over = false;

	while (!over && (!HAVE_OUTQ || unacknowledged(b->fd[i]) > 0) &&
		!clock_passed(&still, unacknowledged(b->fd[i]))) {
		pause_for(10 * MS);
		pthread_mutex_lock(&b->lock);
		over = b->over[i];
		pthread_mutex_unlock(&b->lock);
	}
	pthread_mutex_lock(&b->lock);
	if (!b->over[i] && !b->broken) {
		b->dismissed = true;
		shutdown(b->fd[i], SHUT_RD);
		bridge_stop(b);
	}
	pthread_mutex_unlock(&b->lock);
}

/*
 * bridge_watch(b, i): way i has ended; a reset of the stream that it came from
 * would now be noticed only by a write.  POLLHUP says that the other way has
 * ended too, or that nobody reads what it still brings.
 */
static void bridge_watch(struct bridge *b, int i)
{
	struct pollfd p = { .fd = b->fd[i] };
	bool over = false, gone = false;

	while (!over) {
		over = poll(&p, 1, 1000) > 0 && !(p.revents & POLLERR);
		pthread_mutex_lock(&b->lock);
		gone = over && !b->ended[!i];
		over = over || b->over[!i];
		pthread_mutex_unlock(&b->lock);
		over = over || bridge_tick(b);
	}
	if (gone)
		bridge_leave(b, !i);
}

/*
 * bridge_pass(b, i, how): what the end of way i means; a clean one is passed
 * on.
 */
static enum outcome bridge_pass(struct bridge *b, int i, enum outcome how)
{
	if (b->lenient && i == 1 && how == NOT_READ)
		how = ENDED;
	if (b->lenient && i == 0 && how == NOT_WRITTEN)
		how = STOPPED;
	pthread_mutex_lock(&b->lock);
	if ((how == ENDED && b->way[i].stop) ||
		(how == NOT_WRITTEN && bridge_reads_on(b, !i)))
		how = STOPPED;
	b->ended[i] = how == ENDED;
	pthread_mutex_unlock(&b->lock);
	if (how == ENDED && shutdown(b->fd[!i], SHUT_WR) < 0 &&
		errno != ENOTCONN)
		how = flow_failed(NOT_WRITTEN);
	return how;
}

/*
 * bridge_over(b, i, how): way i is over.  True when the other one is as well,
 * and nobody waits for that: b is the caller's now.
 */
static bool bridge_over(struct bridge *b, int i, enum outcome how)
{
	bool last;

	pthread_mutex_lock(&b->lock);
	b->over[i] = true;
	b->kept[i] = false;
	if (how == NOT_READ || how == NOT_WRITTEN)
		bridge_break(b, how == NOT_READ ? i : !i);
	else if (b->ended[!i])
		bridge_wake(b, !i);
	last = b->over[!i] && b->done;
	pthread_cond_broadcast(&b->changed);
	pthread_mutex_unlock(&b->lock);
	return last;
}

/* bridge_pump(b, i): way i, with what a keeper has left of it first. */
static enum outcome bridge_pump(struct bridge *b, int i)
{
	struct bytes left = b->left[i];
	enum outcome how = ENDED;

	b->left[i].at = NULL;
	if (left.at)
		how = flow_write(&b->way[i], left.at, left.size);
	free(left.at);
	return how == ENDED ? pump(&b->way[i]) : how;
}

/* bridge_lend(b, i, lent): way i is the keeper's, and never waits; or not. */
static void bridge_lend(struct bridge *b, int i, bool lent)
{
	struct flow *f = &b->way[i];

	f->from.flags = f->to.flags = lent ? MSG_DONTWAIT : 0;
	pthread_mutex_lock(&b->lock);
	b->kept[i] = lent;
	pthread_mutex_unlock(&b->lock);
}

/* bridge_keep(b, i): leave way i to the keeper; false when that cannot be. */
static bool bridge_keep(struct bridge *b, int i)
{
	bridge_lend(b, i, true);
	/* From here on it is the keeper's.  One to be stopped can be read. */
	if (set_add(b->keeper, b->fd[i], &b->way[i], POLLIN) == 0)
		return true;
	bridge_lend(b, i, false);
	b->way[i].kept = false;
	return false;
}

/* bridge_move(b, i): way i, to its end, which is passed on. */
static void bridge_move(struct bridge *b, int i)
{
	enum outcome how = ENDED;

	if (!b->ended[i]) {
		while ((how = bridge_pump(b, i)) == RESTED)
			if (bridge_keep(b, i))
				return;
		how = bridge_pass(b, i, how);
	}
	if (how == ENDED)
		bridge_watch(b, i);
	if (bridge_over(b, i, how))
		b->done(b);
}

/* bridge_forth(b), bridge_back(b): the threads of the two ways. */
static void *bridge_forth(void *arg)
{
	bridge_move(arg, 0);
	return NULL;
}

static void *bridge_back(void *arg)
{
	bridge_move(arg, 1);
	return NULL;
}

/*
 * bridge_open(b, one, other, limit, lenient): between these two; lenient: other
 * is a command's, which need not read.  b->tap is set, to NULL where there is
 * none, and b->session.
 */
static void bridge_open(
	struct bridge *b, int one, int other, int64_t limit, bool lenient)
{
	int64_t span = tick_span(limit, NEVER, NEVER);

	*b = (struct bridge){ .fd = { one, other },
		.tap = { b->tap[0], b->tap[1] },
		.session = b->session,
		.idle.limit = limit,
		.lenient = lenient };
	pthread_mutex_init(&b->lock, NULL);
	signal_init(&b->changed);
	for (int i = 0; i < 2; i++)
		b->way[i] = (struct flow){ .from = { .kind = STREAM,
						   .fd = b->fd[i] },
			.to = { .kind = STREAM, .fd = b->fd[!i] },
			.tick = bridge_tick,
			.session = b,
			.span = span > 0 ? span : farewell,
			.tap = b->tap[i],
			.lean = true };
	session_count(b->session, &b->way[0].got, &b->way[1].put, NULL, NULL);
}

/*
 * bridge_run(b, back): until both ways have ended, or silence has lasted for
 * its limit.  back: a thread from pool_reserve.  0, also when the bridge broke;
 * -1 when it never began, for there is none, for why.  The sockets stay open.
 */
static int bridge_run(struct bridge *b, struct job *back)
{
	if (!back)
		return -1;
	for (int i = 0; i < 2; i++)
		if (b->idle.limit < NEVER)
			sock_timeouts(b->fd[i], b->way[i].span);
		else
			sock_write_timeout(b->fd[i], farewell);
	pool_use(back, bridge_back, b);
	bridge_move(b, 0);
	pthread_mutex_lock(&b->lock);
	while (!b->over[1])
		signal_wait(&b->changed, &b->lock, NEVER);
	pthread_mutex_unlock(&b->lock);
	return 0;
}

/* bridge_reason(b, result): the word for its end. */
static const char *bridge_reason(const struct bridge *b, int result)
{
	return b->limited    ? "silent"
		: b->broken  ? error_reason(b->why.error)
		: result < 0 ? "failed"
			     : "ended";
}

/*
 * keeper_release(b, i): way i needs a thread: it has more than a keeper may
 * carry, or has ended and is to be watched.  While there is none (false) it
 * stays, and comes round again at once: others are served in between.
 */
static bool keeper_release(struct bridge *b, int i)
{
	set_remove(b->keeper, b->fd[i]);
	sock_write_timeout(b->fd[!i], farewell);
	bridge_lend(b, i, false);
	b->wanting[i] = false;
	while (pool_run(i ? bridge_back : bridge_forth, b) < 0) {
		fail("cannot start a thread:");
		say_short();
		b->wanting[i] = true;
		bridge_lend(b, i, true);
		if (set_add(b->keeper, b->fd[i], &b->way[i],
			    POLLIN | POLLOUT) == 0)
			return false;
		bridge_lend(b, i, false);
		b->wanting[i] = false;
		pause_for(MS);
	}
	return true;
}

/* keeper_farewell(b): a thread for the last of b, which may have to wait. */
static void *keeper_farewell(void *arg)
{
	struct bridge *b = arg;

	b->done(b);
	return NULL;
}

/*
 * keeper_over(b, i, how): way i is over; so is the other one, if it was only
 * kept for that.  True when b is gone; its sockets leave the set before, or are
 * closed here and now.
 */
static bool keeper_over(struct bridge *b, int i, enum outcome how)
{
	bool both, clean;

	free(b->left[i].at);
	b->left[i].at = NULL;
	pthread_mutex_lock(&b->lock);
	both = b->kept[!i] && b->ended[!i];
	if (both) {
		b->kept[!i] = false;
		b->over[!i] = true;
	}
	clean = b->over[!i] && how == ENDED && !b->broken &&
		flow_held(&b->way[!i]) == 0 && messages.loudness < 1 &&
		!messages.json;
	pthread_mutex_unlock(&b->lock);
	if (!clean)
		set_remove(b->keeper, b->fd[i]);
	if (!clean && both)
		set_remove(b->keeper, b->fd[!i]);
	if (!bridge_over(b, i, how))
		return false;
	if (clean || pool_run(keeper_farewell, b) < 0)
		b->done(b);
	return true;
}

/*
 * keeper_watches(b, i): way i has ended, and something has happened to where it
 * came from.  True when b is gone.
 */
static bool keeper_watches(struct bridge *b, int i)
{
	bool over;

	pthread_mutex_lock(&b->lock);
	over = b->over[!i];
	pthread_mutex_unlock(&b->lock);
	if (over)
		return keeper_over(b, i, ENDED);
	if (!keeper_release(b, i))
		pause_for(MS);
	return false;
}

/*
 * keeper_ends(b, i, how): way i has ended.  True when b is gone.  The last end
 * is not passed on: closing both streams does that.
 */
static bool keeper_ends(struct bridge *b, int i, enum outcome how)
{
	bool wait;

	pthread_mutex_lock(&b->lock);
	wait = !b->over[!i] && !(b->kept[!i] && b->ended[!i]);
	pthread_mutex_unlock(&b->lock);
	if (wait || how != ENDED || b->way[i].stop)
		how = bridge_pass(b, i, how);
	if (!wait || how != ENDED)
		return keeper_over(b, i, how);
	pthread_mutex_lock(&b->lock);
	set_change(b->keeper, b->fd[i], &b->way[i], b->over[!i] ? POLLIN : 0);
	pthread_mutex_unlock(&b->lock);
	return false;
}

/*
 * keeper_carry(b, i): there is no thread for way i, though the one that its
 * peer waits for may need it to get on: write what is left of it, as far as
 * that goes now.
 */
static enum outcome keeper_carry(struct bridge *b, int i)
{
	struct bytes *left = &b->left[i];
	enum outcome how = flow_write(&b->way[i], left->at, left->size);
	size_t held = (size_t)flow_held(&b->way[i]);

	memmove(left->at, left->at + left->size - held, held);
	left->size = held;
	if (held > 0)
		return how;
	free(left->at);
	left->at = NULL;
	return ENDED;
}

/*
 * keeper_serve(b, i): something has come for way i: carry it, if it is small
 * and nothing has to be waited for.  True when b is gone.
 */
static bool keeper_serve(struct bridge *b, int i)
{
	char buf[SMALL_SIZE];
	struct flow *f = &b->way[i];
	struct bytes *left = &b->left[i];
	enum outcome how;
	ssize_t n;

	if (f->stop)
		return keeper_over(b, i, STOPPED);
	if (b->ended[i])
		return keeper_watches(b, i);
	if (b->wanting[i] && keeper_release(b, i))
		return false;
	how = left->at ? keeper_carry(b, i) : ENDED;
	if (how == STOPPED)
		pause_for(MS);
	if (how != ENDED)
		return how != STOPPED && keeper_ends(b, i, how);
	how = flow_step(f, buf, sizeof(buf), &n);
	left->size = (size_t)flow_held(f);
	if (how == STOPPED ? n < 0 : how == ENDED && n > 0 && n < SMALL_SIZE) {
		if (b->wanting[i])
			set_change(b->keeper, b->fd[i], f, POLLIN);
		b->wanting[i] = false;
		return false;
	}
	if (how != STOPPED && (how != ENDED || n == 0))
		return keeper_ends(b, i, how);
	if (left->size > 0) {
		left->at = malloc(left->size);
		if (!left->at)
			return keeper_ends(b, i, flow_failed(NOT_WRITTEN));
		memcpy(left->at, buf + n - left->size, left->size);
	}
	if (!b->wanting[i])
		keeper_release(b, i);
	return false;
}

/*
 * keeper_run: the thread of a set.  What was told of a bridge that is gone is
 * forgotten.
 */
static void *keeper_run(void *arg)
{
	void *of[READY];
	struct flow *f;
	struct bridge *b;
	int n;

	thread_gather();
	for (;;) {
		n = set_wait((int)(intptr_t)arg, of);
		for (int i = 0; i < n; i++) {
			f = of[i];
			b = f ? f->session : NULL;
			if (!b || !keeper_serve(b, f == &b->way[1]))
				continue;
			for (int k = i + 1; k < n; k++)
				if (of[k] == &b->way[0] || of[k] == &b->way[1])
					of[k] = NULL;
		}
	}
	return arg;
}

struct keepers { /* one for each processor, started when first wanted */
	pthread_mutex_t lock;
	int count;
	unsigned int next;
	int set[KEEPERS];
};

/* keepers_start(k): as many as can be had, maybe none; with the lock held. */
static void keepers_start(struct keepers *k)
{
	int n = processors(), set;

	while (k->count < n && k->count < KEEPERS) {
		set = set_new();
		if (set < 0)
			return;
		if (thread_start(keeper_run, (void *)(intptr_t)set,
			    STACK_SIZE) < 0) {
			close(set);
			return;
		}
		k->set[k->count++] = set;
	}
}

/* keeper_find(): the set of the one whose turn it is; -1: there are none. */
static int keeper_find(void)
{
	static struct keepers k = { .lock = PTHREAD_MUTEX_INITIALIZER };
	int set = -1;

	pthread_mutex_lock(&k.lock);
	if (k.count == 0)
		keepers_start(&k);
	if (k.count > 0)
		set = k.set[k.next++ % (unsigned int)k.count];
	pthread_mutex_unlock(&k.lock);
	return set;
}

/*
 * bridge_commit(b, keeper, done): have b kept by this one; done is called when
 * both ways have ended and owns it then, on any thread.  It has no limit and no
 * tap, which may have to wait.  -1 when that cannot be.
 */
static int bridge_commit(
	struct bridge *b, int keeper, void (*done)(struct bridge *))
{
	b->keeper = keeper;
	b->done = done;
	b->way[0].kept = b->way[1].kept = true;
	if (!bridge_keep(b, 0)) {
		b->way[1].kept = false;
		b->done = NULL;
		return -1;
	}
	if (!bridge_keep(b, 1))
		keeper_release(b, 1);
	return 0;
}

/*
 * ---- commands -------------------------------------------------------------
 *
 * A command is a process group of its own, on a socket or a pair of pipes.  It
 * ends by itself, or is ended when its peer is gone, or when we are.
 */
struct command {
	pid_t pid;
	int watch;  /* readable when it has ended; or -1 */
	bool over;  /* it has ended, with ... */
	int status; /* ... this, as exit statuses are written */
	struct command *next;
};

static struct { /* what commands get, and those that run, under the lock */
	pthread_mutex_t lock;
	struct command *first;
	struct rlimit files; /* these are set once, at the start */
	struct policy policy;
	sigset_t mask;
} commands = { .lock = PTHREAD_MUTEX_INITIALIZER };

enum { VARIABLES = 5 };

/* The variables of UCSPI that tell a command about its connection. */
struct variables {
	int count;
	char text[VARIABLES][ADDR_TEXT + 24];
};

/* variable_add(v, kind, name, value): KINDNAME=value. */
static void variable_add(struct variables *v, const char *kind,
	const char *name, const char *value)
{
	snprintf(v->text[v->count++], sizeof(v->text[0]), "%s%s=%s", kind, name,
		value);
}

/* variables_end(v, kind, side, a): one end of it, LOCAL or REMOTE. */
static void variables_end(struct variables *v, const char *kind,
	const char *side, const struct addr *a)
{
	struct addr plain = *a;
	char text[ADDR_TEXT], name[16], port[16];
	bool path = a->sa.sa_family == AF_UNIX;

	addr_unmap(&plain);
	snprintf(name, sizeof(name), "%s%s", side, path ? "PATH" : "IP");
	addr_host(&plain, text);
	if (path && plain.len <= offsetof(struct sockaddr_un, sun_path))
		text[0] = '\0';
	variable_add(v, kind, name, text);
	if (path)
		return;
	snprintf(name, sizeof(name), "%sPORT", side);
	snprintf(port, sizeof(port), "%d", addr_port(&plain));
	variable_add(v, kind, name, port);
}

/* variables_fill(v, type, local, peer): for a connection of these two. */
static void variables_fill(struct variables *v, int type,
	const struct addr *local, const struct addr *peer)
{
	const char *kind =
		peer->sa.sa_family == AF_UNIX || local->sa.sa_family == AF_UNIX
		? "UNIX"
		: type == SOCK_DGRAM ? "UDP"
				     : "TCP";

	v->count = 0;
	variable_add(v, "", "PROTO", kind);
	variables_end(v, kind, "LOCAL", local);
	variables_end(v, kind, "REMOTE", peer);
}

/* environment_with(v): ours and v's; to be freed, NULL when there is none. */
static char **environment_with(struct variables *v)
{
	size_t n = 0, kept = 0, name;
	char **list;
	int i;

	while (environ[n])
		n++;
	list = calloc(n + VARIABLES + 1, sizeof(*list));
	for (size_t k = 0; list && k < n; k++) {
		for (i = 0; i < v->count; i++) {
			name = strcspn(v->text[i], "=") + 1;
			if (strncmp(environ[k], v->text[i], name) == 0)
				break;
		}
		if (i == v->count)
			list[kept++] = environ[k];
	}
	for (i = 0; list && i < v->count; i++)
		list[kept++] = v->text[i];
	return list;
}

/* words_of(text, copy): text split at blanks, in the copy; to be freed. */
static char **words_of(const char *text, char **copy)
{
	char **list = calloc(strlen(text) / 2 + 2, sizeof(*list)), *rest = NULL;
	size_t n = 0;

	*copy = strdup(text);
	if (!list || !*copy) {
		free(list);
		free(*copy);
		return NULL;
	}
	list[0] = strtok_r(*copy, " \t", &rest);
	while (list[n])
		list[++n] = strtok_r(NULL, " \t", &rest);
	return list;
}

/*
 * command_become(argv, env, in, out, report): in the child: run it.  If that
 * fails errno goes to report, which a successful exec closes.
 */
_Noreturn static void command_become(
	char **argv, char **env, int in, int out, int report)
{
	int error;

	setpgid(0, 0);
	policy_set(&commands.policy);
	signal(SIGPIPE, SIG_DFL);
	pthread_sigmask(SIG_SETMASK, &commands.mask, NULL);
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
		dup2(report, STDERR_FILENO + 1) >= 0 &&
		fcntl(STDERR_FILENO + 1, F_SETFD, FD_CLOEXEC) == 0) {
		report = STDERR_FILENO + 1;
		close_from(report + 1);
		(void)setrlimit(RLIMIT_NOFILE, &commands.files);
		environ = env;
		execvp(argv[0], argv);
	}
	error = errno;
	if (write(report, &error, sizeof(error)) < 0)
		_exit(FAILED);
	_exit(NOT_FOUND);
}

/* command_report(from): errno of an exec that failed; 0: it did not. */
static int command_report(int from)
{
	int error = 0;
	ssize_t n;

	do {
		n = read(from, &error, sizeof(error));
	} while (n < 0 && errno == EINTR);
	return n == sizeof(error) ? error : 0;
}

/* command_fork(c, argv, env, in, out): 0, or errno. */
static int command_fork(
	struct command *c, char **argv, char **env, int in, int out)
{
	int report[2], error = 0;

	if (!argv || !env || pipe_new(report) < 0)
		return argv && env ? errno : ENOMEM;
	c->pid = fork();
	if (c->pid == 0)
		command_become(argv, env, in, out, report[1]);
	if (c->pid < 0)
		error = errno;
	close(report[1]);
	if (c->pid > 0)
		error = command_report(report[0]);
	close(report[0]);
	if (c->pid > 0 && error)
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	return error;
}

/*
 * command_start(c, text, direct, v, in, out): run text, split at blanks if
 * direct, else by the shell, on these descriptors.  -1 when it cannot be run.
 */
static int command_start(struct command *c, const char *text, bool direct,
	struct variables *v, int in, int out)
{
	char shell[] = "/bin/sh", option[] = "-c";
	char *copy = NULL, *by_shell[] = { shell, option, NULL, NULL };
	char **env = environment_with(v);
	char **words = direct ? words_of(text, &copy) : NULL;
	int error;

	by_shell[2] = (char *)(uintptr_t)text;
	*c = (struct command){ .watch = -1 };
	pthread_mutex_lock(&commands.lock);
	error = command_fork(c, direct ? words : by_shell, env, in, out);
	if (error == 0) {
		c->watch = process_watch(c->pid);
		c->next = commands.first;
		commands.first = c;
	}
	pthread_mutex_unlock(&commands.lock);
	if (direct && words)
		free(copy);
	free(words);
	free(env);
	errno = error;
	if (error == 0)
		return 0;
	return fail_as(c->pid <= 0                            ? FAILED
			: error == ENOENT || error == ENOTDIR ? NOT_FOUND
							      : NOT_RUN,
		"cannot run %s:", text);
}

/* command_is_over(c): whether it has ended; then it is reaped. */
static bool command_is_over(struct command *c)
{
	int status = 0;
	pid_t pid = c->over ? 0 : waitpid(c->pid, &status, WNOHANG);

	if (c->over || pid == 0 || (pid < 0 && errno == EINTR))
		return c->over;
	c->over = true;
	c->status = pid < 0         ? FAILED
		: WIFEXITED(status) ? WEXITSTATUS(status)
				    : 128 + WTERMSIG(status);
	return true;
}

/* command_has_group(c): it, or what it has left behind, still runs. */
static bool command_has_group(struct command *c)
{
	return !command_is_over(c) || kill(-c->pid, 0) == 0;
}

/* command_wait(c, deadline): until it is over; false when it is not in time. */
static bool command_wait(struct command *c, int64_t deadline)
{
	struct pollfd p = { .fd = c->watch, .events = POLLIN };

	while (!command_is_over(c) && now() < deadline)
		poll(&p, 1, c->watch < 0 ? 20 : poll_time(deadline));
	return c->over;
}

/* command_end(c): SIGTERM to its group, and SIGKILL a second later. */
static void command_end(struct command *c)
{
	int64_t deadline = after(SECOND);

	kill(-c->pid, SIGTERM);
	command_wait(c, deadline);
	while (command_has_group(c) && now() < deadline)
		pause_for(10 * MS);
	if (!command_has_group(c))
		return;
	kill(-c->pid, SIGKILL);
	command_wait(c, NEVER);
}

/* command_forget(c): it is over, or nobody's any more. */
static void command_forget(struct command *c)
{
	struct command **p = &commands.first;

	pthread_mutex_lock(&commands.lock);
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	pthread_mutex_unlock(&commands.lock);
	if (c->watch >= 0)
		close(c->watch);
}

/* commands_signal(n): to all groups; no command starts any more. */
static void commands_signal(int signal_number)
{
	pthread_mutex_lock(&commands.lock);
	for (struct command *c = commands.first; c; c = c->next)
		kill(-c->pid, signal_number);
}

/*
 * stream_hung_up(fd): the peer, a process of this machine, has closed.  Of TCP
 * the same is said when both ends are orderly, and tells nothing.
 */
static bool stream_hung_up(int fd)
{
	struct pollfd p = { .fd = fd };
	struct addr self = sock_name(fd);

	return self.sa.sa_family == AF_UNIX && poll(&p, 1, 0) > 0;
}

/*
 * peer_is_gone(fd, rest): a reset has come; or it has closed, and all that it
 * sent was read a second ago.
 */
static bool peer_is_gone(int fd, struct clock *rest)
{
	int unread = 0;

	if (!stream_hung_up(fd))
		return stream_failed(fd);
	if (ioctl(fd, FIONREAD, &unread) == 0 && unread > 0)
		rest->since = 0;
	return unread == 0 && clock_passed(rest, 0);
}

/*
 * command_attend(c, fd): wait for the end of a command that has the socket
 * itself.  False when it had to be ended, for the peer is gone.
 */
static bool command_attend(struct command *c, int fd)
{
	struct clock rest = { .limit = SECOND };
	struct pollfd p[2] = { { .events = 0 },
		{ .fd = c->watch, .events = POLLIN } };
	bool hup;

	while (!command_is_over(c)) {
		p[0].fd = fd;
		hup = poll(p, 1, 0) > 0;
		if (hup && peer_is_gone(fd, &rest)) {
			command_end(c);
			return false;
		}
		p[0].fd = hup ? -1 : fd;
		poll(p, 2, hup || c->watch < 0 ? 50 : -1);
	}
	return true;
}

/*
 * stream_leave(fd, shared): wait until all that was sent is acknowledged, or
 * nothing moves any more, and leave input to whoever else has the socket: the
 * jobs that a command left behind may be among them, nobody can tell.
 * False when there is input and it is not known to be shared: it has to be
 * discarded, or its sender may never come to read.
 */
static bool stream_leave(int fd, bool shared)
{
	struct clock still = { .limit = farewell };
	int unread = 0;

	for (;;) {
		if (!shared && ioctl(fd, FIONREAD, &unread) == 0 && unread > 0)
			return false;
		if (unacknowledged(fd) == 0 || stream_failed(fd))
			return HAVE_OUTQ || shared;
		if (clock_passed(&still, shared ? 0 : unacknowledged(fd)))
			return shared;
		pause_for(MS);
	}
}

/*
 * command_serve(c, fd, reset, session, place): a command that has the socket
 * itself, to its end; then the session ends and the socket is closed so that
 * nothing is lost.  -1 when bytes were.  What the command has left behind keeps
 * the connection.
 */
static int command_serve(struct command *c, int fd, bool reset,
	struct session *session, const char *place)
{
	int64_t lost = 0;
	bool fin = false;

	if (!command_attend(c, fd)) {
		session_end(session, "reset");
		stream_close(fd, reset);
		return 0;
	}
	if (stream_leave(fd, command_has_group(c))) {
		lost = stream_failed(fd) ? unacknowledged(fd) : 0;
		errno = ECONNRESET;
	} else {
		fin = !reset && shutdown(fd, SHUT_WR) == 0;
		lost = stream_settle(fd, farewell, fin);
	}
	if (lost > 0)
		bytes_lost(
			"connection to", place, strerror(errno), lost, FAILED);
	session_end(session, lost > 0 ? "failed" : "ended");
	stream_close(fd, reset);
	return lost > 0 ? -1 : 0;
}

/*
 * command_outlast(c, fd, own, deadline): wait for the end of a command that
 * has all its peer sent, and whose output is all passed on; a second after it
 * has read that, end it if its peer is gone.  False when the deadline passed.
 */
static bool command_outlast(
	struct command *c, int fd, int own, int64_t deadline)
{
	struct clock rest = { .limit = SECOND };

	while (!command_wait(c, after(SECOND / 16))) {
		if (now() >= deadline)
			return false;
		if (!stream_hung_up(fd) || confirmed(own) != 0)
			rest.since = 0;
		else if (clock_passed(&rest, 0))
			command_end(c);
	}
	return true;
}

/*
 * command_bridged(c, fd, own, back, limit, tap, session, place, limited): a
 * command on the other end of a pair of sockets, under a limit of silence, or
 * behind taps, or counted; own is closed, fd as above, and the session ends.
 * back: see bridge_run; limited: whether that has passed.
 */
static int command_bridged(struct command *c, int fd, int own, struct job *back,
	int64_t limit, struct tap *const tap[2], struct session *session,
	const char *place, bool *limited)
{
	struct bridge b = { .tap = { tap[0], tap[1] }, .session = session };
	int64_t lost = 0;
	int result;

	bridge_open(&b, fd, own, limit, true);
	result = bridge_run(&b, back);
	if (result == 0 && !b.broken && !b.limited)
		b.limited = !command_outlast(c, fd, own, after(limit));
	close(own);
	if (!c->over)
		command_end(c);
	*limited = result == 0 && b.limited;
	if (result == 0 && !b.broken)
		lost = stream_settle(fd, farewell, true);
	if (lost > 0)
		result = bytes_lost(
			"connection to", place, strerror(errno), lost, FAILED);
	session_end(session, bridge_reason(&b, result));
	stream_close(fd, b.broken);
	return result;
}

/*
 * ---- serving --------------------------------------------------------------
 *
 * Workers are leaders and followers: each waits in accept(2); the one that
 * gets a peer sees to it that another one waits, serves its peer to the end,
 * and goes back to wait unless enough do.  No queue, no hand-off, no thread
 * started per connection.  Who lacks what its peer needs counts as one that
 * waits: so the peers to come stay in the backlog, and threads are left.
 *
 * Where the peers are limited, a worker takes a place before it accepts and
 * gives it back with its peer (server_leave); who finds none waits, and so does
 * the next peer in the backlog.  A server stops when its last peer has come, or
 * at the word to drain: then its doors close, and it is over when all peers
 * have gone.
 */
enum { SERVING = 1 };

struct door { /* a listening socket and its workers */
	struct server *server;
	int fd;               /* when places are counted: all sockets */
	int waiting;          /* workers in accept(2), or before door_follow */
	void *(*run)(void *); /* what a worker does with its door */
};

struct server {
	/*
	 * Calls door_follow when it has what it needs, serves one peer and
	 * closes its socket; -1: it lost bytes, SERVING: it goes on elsewhere,
	 * until server_leave.
	 */
	int (*service)(struct door *d, int fd, const struct addr *peer);
	void (*closing)(void *arg); /* nobody else will come; or NULL */
	void *arg;
	int64_t most;  /* peers at the same time; 0: any number */
	int64_t total; /* peers in all; 0: any number */
	struct listeners *listeners;
	bool counted;           /* places are counted; all sockets are polled */
	pthread_mutex_t lock;   /* guards what follows */
	pthread_cond_t changed; /* a place is free, or the server stops */
	pthread_cond_t watched; /* something for who watches the server */
	int64_t taken;          /* places: of peers and of workers in accept */
	int64_t given;          /* places in all */
	int64_t serving;        /* peers */
	int64_t served;         /* peers in all, those too */
	bool stopped;           /* nobody is accepted any more */
	bool lost;              /* a peer lost bytes */
	bool lacking;           /* a worker could not be started */
	struct door *door;
	int doors;
};

/* server_pause(s): for why; wait until a peer has gone, or for a moment. */
static void server_pause(struct server *s)
{
	say_short();
	pthread_mutex_lock(&s->lock);
	signal_wait(&s->changed, &s->lock, after(short_pause));
	pthread_mutex_unlock(&s->lock);
}

/*
 * server_is_short(s): what has failed for why may go well now: it took what
 * other peers may have given back meanwhile.
 */
static bool server_is_short(struct server *s)
{
	static const int shortage[] = { EMFILE, ENFILE, EAGAIN, ENOMEM,
		ENOBUFS };

	for (size_t i = 0; i < COUNT(shortage); i++) {
		if (why.error != shortage[i])
			continue;
		server_pause(s);
		return true;
	}
	return false;
}

/* server_stop(s): with the lock held. */
static void server_stop(struct server *s)
{
	s->stopped = true;
	pthread_cond_broadcast(&s->changed);
	pthread_cond_signal(&s->watched);
}

/* server_is_full(s): no place is to be had now. */
static bool server_is_full(const struct server *s)
{
	return (s->most > 0 && s->taken >= s->most) ||
		(s->total > 0 && s->given >= s->total);
}

/*
 * door_accept(d, peer): the next connection, or -1 with errno, ECANCELED once
 * the server has stopped.  Where places are counted one is taken first, and
 * all sockets are waited for: whoever waits for one of them alone would keep
 * the place from the others.
 */
static int door_accept(struct door *d, struct addr *peer)
{
	struct server *s = d->server;
	bool stopped;
	int fd;

	while (!s->counted) {
		fd = accept_peer(s->listeners, d->fd, peer);
		if (fd >= 0 || errno != EAGAIN)
			return fd;
	}
	pthread_mutex_lock(&s->lock);
	while (!s->stopped && server_is_full(s))
		signal_wait(&s->changed, &s->lock, NEVER);
	s->taken++;
	s->given++;
	stopped = s->stopped;
	pthread_mutex_unlock(&s->lock);
	errno = ECANCELED;
	return stopped ? -1 : accept_any(s->listeners, NEVER, peer);
}

/*
 * server_leave(s, served, lost): the place taken is free; if a peer was
 * served, a descriptor is as well, and whoever waits for one goes on.
 */
static void server_leave(struct server *s, bool served, bool lost)
{
	pthread_mutex_lock(&s->lock);
	s->lost |= lost;
	s->taken -= s->counted;
	s->given -= s->counted && !served;
	s->serving -= served;
	if (served || s->stopped)
		pthread_cond_broadcast(&s->changed);
	if (s->stopped)
		pthread_cond_signal(&s->watched);
	pthread_mutex_unlock(&s->lock);
}

/* door_staff(d): let one more worker wait at d; d->waiting has counted it. */
static void door_staff(struct door *d)
{
	struct server *s = d->server;

	if (pool_run(d->run, d) == 0)
		return;
	fail("cannot start a thread:");
	say_short();
	pthread_mutex_lock(&s->lock);
	d->waiting--;
	s->lacking = true;
	pthread_cond_signal(&s->watched);
	pthread_mutex_unlock(&s->lock);
}

/* door_follow(d): who calls this waits no more, see to it that others do. */
static void door_follow(struct door *d)
{
	bool alone;

	pthread_mutex_lock(&d->server->lock);
	alone = --d->waiting == 0;
	d->waiting += alone;
	pthread_mutex_unlock(&d->server->lock);
	if (alone)
		door_staff(d);
}

/* door_enter(d, peer): a peer has come in at d; those who watch know. */
static void door_enter(struct door *d, const struct addr *peer)
{
	struct server *s = d->server;
	bool full;

	pthread_mutex_lock(&s->lock);
	if (s->served++ == 0 || s->stopped)
		pthread_cond_signal(&s->watched);
	full = ++s->serving == s->most;
	if (s->served == s->total)
		server_stop(s);
	pthread_mutex_unlock(&s->lock);
	tell_accepted(peer);
	if (full)
		tell("The house is full (-m %lld); others wait",
			(long long)s->most);
}

/* door_return(d): whether a worker is wanted there again; it is counted. */
static bool door_return(struct door *d)
{
	struct server *s = d->server;
	bool wanted;

	pthread_mutex_lock(&s->lock);
	wanted = d->waiting < WAITING && !s->stopped;
	d->waiting += wanted;
	pthread_mutex_unlock(&s->lock);
	return wanted;
}

/*
 * worker(door): accept, serve, and again, until enough others wait at the door
 * or the server has stopped.
 */
static void *worker(void *arg)
{
	struct door *d = arg;
	struct server *s = d->server;
	struct addr peer;
	int fd, result;

	do {
		while ((fd = door_accept(d, &peer)) < 0) {
			if (errno == ECANCELED) {
				server_leave(s, false, false);
				return NULL;
			}
			fail("cannot accept:");
			server_pause(s);
			server_leave(s, false, false);
		}
		door_enter(d, &peer);
		result = s->service(d, fd, &peer);
		if (result != SERVING)
			server_leave(s, true, result < 0);
	} while (door_return(d));
	return NULL;
}

/* What one may wait for: the first peer, the last at the door, the last. */
static bool server_has_begun(const struct server *s)
{
	return s->served > 0 || s->stopped;
}

static bool server_is_closed(const struct server *s)
{
	return s->stopped && s->taken == s->serving;
}

static bool server_is_empty(const struct server *s)
{
	return s->serving == 0;
}

/*
 * server_watch(s, deadline, is): until it is so, or the deadline has passed
 * (false).  Meanwhile, where a worker could not be started and none is left
 * at a door, another is tried every so often.
 */
static bool server_watch(
	struct server *s, int64_t deadline, bool (*is)(const struct server *))
{
	bool short_of, alone, in_time = true;
	int64_t until;

	pthread_mutex_lock(&s->lock);
	while (in_time && !is(s)) {
		short_of = s->lacking;
		until = short_of ? after(short_pause) : deadline;
		if (until > deadline)
			until = deadline;
		signal_wait(&s->watched, &s->lock, until);
		in_time = deadline == NEVER || now() < deadline;
		if (!short_of)
			continue;
		s->lacking = false;
		for (int i = 0; i < s->doors; i++) {
			alone = s->door[i].waiting == 0 && !s->stopped;
			s->door[i].waiting += alone;
			pthread_mutex_unlock(&s->lock);
			if (alone)
				door_staff(&s->door[i]);
			pthread_mutex_lock(&s->lock);
		}
	}
	in_time = in_time || is(s);
	pthread_mutex_unlock(&s->lock);
	return in_time;
}

/* server_listen(s): the thread that waits for the word to stop. */
static void *server_listen(void *arg)
{
	struct server *s = arg;
	struct pollfd p = { .fd = s->listeners->stop, .events = POLLIN };

	while (poll(&p, 1, -1) < 0)
		continue;
	pthread_mutex_lock(&s->lock);
	server_stop(s);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/*
 * serve(s, ls, deadline): have every peer that comes served by s->service.
 * Returns 0 when the first peer is there, or the server was told to stop; -1
 * when none came before the deadline.  The workers go on by themselves.
 */
static int serve(struct server *s, struct listeners *ls, int64_t deadline)
{
	static struct door doors[LISTENERS];

	pthread_mutex_init(&s->lock, NULL);
	signal_init(&s->changed);
	signal_init(&s->watched);
	s->listeners = ls;
	s->counted =
		s->most > 0 || s->total > 0 || ls->stop >= 0 || ls->inherited;
	s->door = doors;
	s->doors = s->counted ? 1 : ls->count;
	if (s->counted)
		listeners_unblock(ls);
	if (ls->stop >= 0 && pool_run(server_listen, s) < 0)
		return fail("cannot start a thread:");
	for (int i = 0; i < s->doors; i++) {
		doors[i] = (struct door){ .server = s,
			.fd = ls->fd[i].fd,
			.waiting = WAITING,
			.run = worker };
		for (int k = 0; k < WAITING; k++)
			door_staff(&doors[i]);
	}
	return server_watch(s, deadline, server_has_begun) ? 0 : no_client();
}

/*
 * server_stay(s): until the server has stopped and all peers are served; 0, or
 * -1 when any of them lost bytes.
 */
static int server_stay(struct server *s)
{
	bool lost;

	server_watch(s, NEVER, server_is_closed);
	listeners_close(s->listeners);
	litter_remove(false);
	if (s->closing)
		s->closing(s->arg);
	server_watch(s, NEVER, server_is_empty);
	/* Workers that had nobody to serve may still be leaving. */
	pthread_mutex_lock(&s->lock);
	lost = s->lost;
	pthread_mutex_unlock(&s->lock);
	return lost ? -1 : 0;
}

/*
 * ---- room -----------------------------------------------------------------
 *
 * A hub: members, one ring of messages, a cursor per member.  Whoever posts
 * also sends to each member that has kept up, without blocking; what others
 * want to post meanwhile goes out together after that.  A member that lags is
 * caught up from the ring by the room's courier.  The console writes standard
 * output at its own pace: the room waits for it.  So every member hears the
 * same order, and never itself.
 *
 * In a hub all hear and tell one room.  When a listener relays for several
 * peers there are two: the console tells the peers one and hears the other.
 *
 * Of a member, as the room sees it:
 *
 *	at == head	keeps up: the next message goes out at once
 *	lags		the courier catches it up when it can be written to
 *	owed		... and how long the others have waited for that
 *	ended		its peer says no more, but hears on
 *	fin		it got our FIN: there is nothing more to hear
 *	gone		a write failed, or it was evicted: its thread leaves
 */
enum { PADDING, CONSOLE_ID }; /* the first ids; peers have those after */

struct record { /* in the ring, before its bytes */
	uint32_t size;
	uint32_t from; /* the id of who posted it */
};

struct member {
	struct room *hears, *tells;
	uint32_t id;
	int fd; /* -1: the console */
	char place[PLACE_TEXT];
	struct flow flow; /* from the peer to the room */
	struct clock silence;
	struct clock hush; /* before the FIN of a room without messages */
	/* Under the lock of the room that it hears: */
	struct member *next;
	uint64_t at;   /* the record to hear next */
	uint32_t part; /* bytes of it that it has */
	atomic_llong sent;
	int64_t owed; /* time that others have waited for it */
	bool lags, gone, evicted, fin, lost, broken;
	bool ended; /* it will post no more */
};

/* A message that is not in the ring yet, on the stack of who posts it. */
struct post {
	struct post *next;
	uint32_t from;
	const char *buf;
	size_t size;
	enum { QUEUED, TAKEN, POSTED } state;
};

struct room {
	pthread_mutex_t queue; /* guards these; never held with lock */
	struct post *first, **last;
	bool busy;                /* one spreads posts: one order for all */
	unsigned int batch;       /* which one it spreads */
	pthread_cond_t spread[2]; /* the even batches, the odd ones */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t posted, moved;
	char *ring;
	uint64_t head;          /* where the next record goes */
	struct member *members; /* the console's too, if it hears */
	int peers;              /* members that are not the console */
	uint32_t joined;        /* how many ever did */
	int laggards;
	bool closed; /* nobody else will join */
	bool ended;  /* nothing more will be posted: send FINs */
	bool hushed; /* ... but nothing ever was: to the silent */
	int wake[2]; /* a pipe that interrupts the courier */
};

/* record_at(r, at): the record there; at counts bytes from the first ever. */
static struct record *record_at(struct room *r, uint64_t at)
{
	return (struct record *)(void *)(r->ring + at % RING_SIZE);
}

/* record_room(size): what a message of that size takes in the ring. */
static uint64_t record_room(uint64_t size)
{
	return (sizeof(struct record) + size + 7) & ~(uint64_t)7;
}

/* record_next(r, at): where the record after the one at `at' begins. */
static uint64_t record_next(struct room *r, uint64_t at)
{
	return at + record_room(record_at(r, at)->size);
}

/* room_init(r): an empty room; -1 without memory or a pipe. */
static int room_init(struct room *r)
{
	memset(r, 0, sizeof(*r));
	pthread_mutex_init(&r->queue, NULL);
	r->last = &r->first;
	signal_init(&r->spread[0]);
	signal_init(&r->spread[1]);
	pthread_mutex_init(&r->lock, NULL);
	signal_init(&r->posted);
	signal_init(&r->moved);
	r->ring = buffer_new(RING_SIZE);
	if (!r->ring || pipe_new(r->wake) < 0)
		return fail("cannot open a room:");
	(void)fcntl(r->wake[0], F_SETFL, O_NONBLOCK);
	(void)fcntl(r->wake[1], F_SETFL, O_NONBLOCK);
	return 0;
}

/* room_wake(r): the courier has something new to look at. */
static void room_wake(struct room *r)
{
	if (write(r->wake[1], "", 1) < 0)
		return; /* full: it will wake up */
}

/* member_skips(m, rec): it is not for m. */
static bool member_skips(const struct member *m, const struct record *rec)
{
	return rec->from == PADDING || rec->from == m->id;
}

/*
 * member_lost(r, m, cut): bytes posted for m that it did not get; cut: nor
 * will it get what has not been acknowledged.
 */
static long long member_lost(struct room *r, const struct member *m, bool cut)
{
	long long lost = cut ? unacknowledged(m->fd) - m->fin : 0;

	for (uint64_t at = m->at; at < r->head; at = record_next(r, at))
		if (!member_skips(m, record_at(r, at)))
			lost += record_at(r, at)->size;
	return lost - m->part;
}

/*
 * member_drop(r, m, reason): m can take no more; its own thread, which reads
 * from it, wakes up and leaves.  Who had ended and then goes loses nothing.
 */
static void member_drop(struct room *r, struct member *m, const char *reason)
{
	long long lost = member_lost(r, m, true);

	if (lost > 0 && !m->ended)
		say("%s: %s; %lld byte%s not delivered", m->place, reason, lost,
			plural(lost));
	m->lost |= lost > 0 && !m->ended;
	r->laggards -= m->lags;
	m->lags = false;
	m->gone = true;
	m->at = r->head;
	m->part = 0;
	shutdown(m->fd, SHUT_RDWR);
	pthread_cond_broadcast(&r->moved);
}

/*
 * member_finish(r, m): send the FIN if m has heard all there will ever be.
 * Where that is nothing, m must have ended or be silent for a second: many
 * peers drop what they have left to send at a FIN.
 */
static void member_finish(struct room *r, struct member *m)
{
	if (!r->ended || m->fin || m->gone || m->at < r->head ||
		(r->hushed && !m->ended &&
			!clock_passed(&m->hush, value(&m->flow.reads))))
		return;
	m->fin = true;
	shutdown(m->fd, SHUT_WR);
}

/*
 * member_gather(r, m, part, most): what m has not heard, at most so many bytes
 * or one message; how many parts that makes.
 */
static int member_gather(struct room *r, const struct member *m,
	struct iovec part[PARTS], size_t most)
{
	size_t had = m->part, sum = 0;
	struct record *rec;
	int n = 0;

	for (uint64_t at = m->at; at < r->head && n < PARTS && sum < most;
		at = record_next(r, at)) {
		rec = record_at(r, at);
		if (member_skips(m, rec))
			continue;
		part[n++] = (struct iovec){ (char *)(rec + 1) + had,
			rec->size - had };
		sum += rec->size - had;
		had = 0;
	}
	return n;
}

/* member_advance(r, m, n): m has n bytes more; and passes what it skips. */
static void member_advance(struct room *r, struct member *m, size_t n)
{
	struct record *rec;

	for (; m->at < r->head; m->at = record_next(r, m->at)) {
		rec = record_at(r, m->at);
		if (member_skips(m, rec))
			continue;
		if (n < rec->size - m->part) {
			m->part += (uint32_t)n;
			return;
		}
		n -= rec->size - m->part;
		m->part = 0;
	}
}

/*
 * deliver(r, m): send m what it has not heard, without blocking; mark whether
 * it lags.  With r->lock held.
 */
static void deliver(struct room *r, struct member *m)
{
	struct iovec part[PARTS];
	struct msghdr message = { .msg_iov = part };
	size_t left = DELIVERY;
	bool lagged = m->lags;
	ssize_t n = 0;
	int parts;

	while (left > 0 && (parts = member_gather(r, m, part, left)) > 0) {
		message.msg_iovlen = (size_t)parts;
		n = sendmsg(m->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		add(&m->sent, n);
		left = (size_t)n < left ? left - (size_t)n : 0;
		member_advance(r, m, (size_t)n);
	}
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK &&
		errno != ENOBUFS) {
		member_drop(r, m, strerror(errno));
		return;
	}
	member_advance(r, m, 0);
	m->lags = m->at < r->head;
	r->laggards += m->lags - lagged;
	if (r->head - m->at <= RING_SIZE / 2)
		m->owed = 0;
	if (m->lags && !lagged)
		room_wake(r);
	member_finish(r, m);
}

/* room_is_behind(r, m, need): need more bytes would overtake m. */
static bool room_is_behind(
	const struct room *r, const struct member *m, uint64_t need)
{
	return r->head + need - m->at > RING_SIZE;
}

/* room_slowest(r, need): a member that the ring would overtake, or NULL. */
static struct member *room_slowest(struct room *r, uint64_t need)
{
	struct member *m = r->members, *slowest = NULL;

	for (; m; m = m->next)
		if (room_is_behind(r, m, need) &&
			(!slowest || m->fd < 0 || m->owed > slowest->owed))
			slowest = m;
	return slowest;
}

/*
 * room_make_space(r, need): wait until need bytes fit in the ring.  Each peer
 * that is a whole ring behind is charged with the wait, and dropped when that
 * makes a second since it was last within half a ring.  For standard output
 * everybody waits.  With r->lock held, by the one that spreads.
 */
static void room_make_space(struct room *r, uint64_t need)
{
	struct member *m;
	int64_t start, waited;

	while ((m = room_slowest(r, need))) {
		start = now();
		signal_wait(&r->moved, &r->lock,
			m->fd < 0 ? NEVER : start + eviction - m->owed);
		waited = now() - start;
		for (m = r->members; m; m = m->next) {
			if (m->fd < 0 || !room_is_behind(r, m, need))
				continue;
			m->owed += waited;
			if (m->owed < eviction)
				continue;
			m->evicted = true;
			member_drop(r, m, "does not read, evicted");
		}
	}
}

/*
 * room_wait_for_readers(r, need): the console's input waits as long as
 * those that are behind make progress, before it is queued.
 */
static void room_wait_for_readers(struct room *r, uint64_t need)
{
	struct clock progress = { .limit = slow_window };
	struct member *m;

	while ((m = room_slowest(r, need)) &&
		(m->fd < 0 ||
			!clock_passed(&progress,
				value(&m->sent) - unacknowledged(m->fd) +
					((int64_t)m->id << 40))))
		signal_wait(&r->moved, &r->lock, after(eviction / 8));
}

/* room_put(r, from, buf, size): a record at the head of the ring. */
static void room_put(
	struct room *r, uint32_t from, const char *buf, size_t size)
{
	struct record *rec = record_at(r, r->head);

	rec->size = (uint32_t)size;
	rec->from = from;
	if (from != PADDING)
		memcpy(rec + 1, buf, size);
	r->head += record_room(size);
}

/* room_pad(r, need): bytes to leave out so that need of them do not wrap. */
static uint64_t room_pad(const struct room *r, uint64_t need)
{
	uint64_t end = RING_SIZE - r->head % RING_SIZE;

	return end < need ? end : 0;
}

/*
 * room_take(r, need): the posts of the next batch, all that wait as far as
 * they fit in one delivery, and what they need in the ring.  With r->queue
 * held.
 */
static struct post *room_take(struct room *r, uint64_t *need)
{
	struct post *batch = r->first, *p = batch;

	p->state = TAKEN;
	*need = record_room(p->size);
	while (p->next && *need + record_room(p->next->size) <= DELIVERY) {
		p = p->next;
		p->state = TAKEN;
		*need += record_room(p->size);
	}
	r->first = p->next;
	if (!r->first)
		r->last = &r->first;
	p->next = NULL;
	return batch;
}

/* room_spread(r, batch, need): put it in the ring, and send it to all. */
static void room_spread(struct room *r, const struct post *batch, uint64_t need)
{
	uint64_t pad, start;

	pthread_mutex_lock(&r->lock);
	pad = room_pad(r, need);
	room_make_space(r, need + pad);
	start = r->head;
	if (pad > 0)
		room_put(r, PADDING, NULL, pad - sizeof(struct record));
	for (; batch; batch = batch->next)
		room_put(r, batch->from, batch->buf, batch->size);
	for (struct member *m = r->members, *next; m; m = next) {
		next = m->next;
		if (m->fd < 0)
			pthread_cond_signal(&r->posted);
		else if (m->gone || m->fin)
			m->at = r->head;
		else if (m->at == start)
			deliver(r, m);
	}
	pthread_mutex_unlock(&r->lock);
}

/*
 * room_enter(r, p): wait until p is in the ring, and sent to all that keep up.
 * Whoever finds nobody at it spreads what waits, its own and that of others,
 * who sleep until their batch is done, or until one of them has to go on.
 */
static void room_enter(struct room *r, struct post *p)
{
	struct post *batch;
	uint64_t need;

	pthread_mutex_lock(&r->queue);
	*r->last = p;
	r->last = &p->next;
	while (p->state != POSTED) {
		if (r->busy) {
			/* Not for ever: glibc before 2.41 loses signals. */
			signal_wait(
				&r->spread[(r->batch + (p->state == QUEUED)) %
					2],
				&r->queue, after(SECOND));
			continue;
		}
		r->busy = true;
		r->batch++;
		batch = room_take(r, &need);
		pthread_mutex_unlock(&r->queue);
		room_spread(r, batch, need);
		pthread_mutex_lock(&r->queue);
		for (; batch; batch = batch->next)
			batch->state = POSTED;
		r->busy = false;
		pthread_cond_broadcast(&r->spread[r->batch % 2]);
		if (r->first)
			pthread_cond_signal(&r->spread[(r->batch + 1) % 2]);
	}
	pthread_mutex_unlock(&r->queue);
}

/*
 * room_post(r, from, buf, size): have all others hear it.  What the console
 * posts waits until there is somebody to hear it.
 */
static void room_post(
	struct room *r, const struct member *from, const char *buf, size_t size)
{
	struct post p = { .from = from->id, .buf = buf, .size = size };
	uint64_t need = record_room(size);

	if (from->fd < 0) {
		pthread_mutex_lock(&r->lock);
		while (r->peers == 0)
			signal_wait(&r->moved, &r->lock, NEVER);
		room_wait_for_readers(r, need + room_pad(r, need));
		pthread_mutex_unlock(&r->lock);
	}
	room_enter(r, &p);
}

/* member_take(member, buf, n): the sink of a flow that ends in a room. */
static int member_take(void *arg, const char *buf, size_t n)
{
	struct member *m = arg;

	room_post(m->tells, m, buf, n);
	return 0;
}

/*
 * room_courier(r): the thread that catches up the laggards, and sends the FIN
 * to peers that have been silent while nothing was ever said to them.
 */
static void *room_courier(void *arg)
{
	struct room *r = arg;
	struct pollfd *fds = NULL, *more;
	struct member *m;
	char scrap[64];
	nfds_t n, size = 0;
	bool waiting;

	for (;;) {
		pthread_mutex_lock(&r->lock);
		n = 2 * (nfds_t)r->laggards + 1;
		more = n > size ? realloc(fds, n * sizeof(*fds)) : NULL;
		if (more) {
			fds = more;
			size = n;
		}
		n = 0;
		if (size > 0)
			fds[n++] = (struct pollfd){ .fd = r->wake[0],
				.events = POLLIN };
		waiting = size == 0;
		for (m = r->members; m; m = m->next) {
			waiting |= r->hushed && m->fd >= 0 && !m->fin;
			if (m->lags && n < size)
				fds[n++] = (struct pollfd){ .fd = m->fd,
					.events = POLLOUT };
		}
		pthread_mutex_unlock(&r->lock);
		poll(fds, n, waiting ? 100 : -1);
		while (read(r->wake[0], scrap, sizeof(scrap)) > 0)
			continue;
		pthread_mutex_lock(&r->lock);
		for (m = r->members; m; m = m->next) {
			if (m->lags)
				deliver(r, m);
			else if (m->fd >= 0)
				member_finish(r, m);
		}
		pthread_cond_broadcast(&r->moved);
		pthread_mutex_unlock(&r->lock);
	}
	return NULL;
}

/* room_join(r, m): m hears what is posted from now on. */
static void room_join(struct room *r, struct member *m)
{
	pthread_mutex_lock(&r->lock);
	m->id = m->fd < 0 ? CONSOLE_ID : CONSOLE_ID + ++r->joined;
	m->at = r->head;
	m->next = r->members;
	r->members = m;
	r->peers += m->fd >= 0;
	if (m->fd >= 0)
		member_finish(r, m);
	if (r->hushed)
		room_wake(r);
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

/*
 * room_leave(r, m): m hears and says no more; what it should have heard is
 * lost, and said to be, unless it had ended before.
 */
static void room_leave(struct room *r, struct member *m)
{
	struct member **p = &r->members;
	long long lost;

	pthread_mutex_lock(&r->lock);
	lost = m->gone || m->ended ? 0 : member_lost(r, m, m->broken);
	if (lost > 0)
		say("%s: connection lost; %lld byte%s not delivered", m->place,
			lost, plural(lost));
	m->lost |= lost > 0;
	while (*p != m)
		p = &(*p)->next;
	*p = m->next;
	r->laggards -= m->lags;
	r->peers -= m->fd >= 0;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

/* room_wait_for_peer(r): the gate of the console: nobody there, no reading. */
static void room_wait_for_peer(void *arg)
{
	struct room *r = arg;

	pthread_mutex_lock(&r->lock);
	while (r->peers == 0)
		signal_wait(&r->moved, &r->lock, NEVER);
	pthread_mutex_unlock(&r->lock);
}

/* room_end(r, said): nothing more will be posted; said: something was. */
static void room_end(struct room *r, bool said)
{
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	r->hushed = !said;
	for (struct member *m = r->members; m; m = m->next)
		if (m->fd >= 0)
			member_finish(r, m);
	pthread_mutex_unlock(&r->lock);
	room_wake(r);
}

/*
 * room_to_console(m): write to standard output what the console hears, for
 * ever; returns only when that fails, with errno.
 */
static enum outcome room_to_console(struct member *m)
{
	struct room *r = m->hears;
	struct flow f = { .to = { .kind = CONSOLE, .fd = STDOUT_FILENO } };
	struct record *rec;
	enum outcome how = ENDED;

	pthread_mutex_lock(&r->lock);
	while (how == ENDED) {
		while (m->at == r->head)
			signal_wait(&r->posted, &r->lock, NEVER);
		rec = record_at(r, m->at);
		if (rec->from != PADDING && rec->from != m->id) {
			pthread_mutex_unlock(&r->lock);
			how = flow_write(&f, (char *)(rec + 1), rec->size);
			pthread_mutex_lock(&r->lock);
		}
		if (how != ENDED)
			break; /* nobody shall take it for written */
		m->at = record_next(r, m->at);
		pthread_cond_broadcast(&r->moved);
	}
	pthread_mutex_unlock(&r->lock);
	return how;
}

/* room_is_silent(r): nobody else will join, and all there are have ended. */
static bool room_is_silent(struct room *r)
{
	struct member *m;
	bool silent;

	pthread_mutex_lock(&r->lock);
	silent = r->closed;
	for (m = r->members; m && silent; m = m->next)
		silent = m->fd < 0 || m->ended;
	pthread_mutex_unlock(&r->lock);
	return silent;
}

/* room_rest(r): if nobody will ever speak again there, it ends. */
static void room_rest(struct room *r)
{
	if (room_is_silent(r))
		room_end(r, true);
}

/* room_close(r): nobody else will join; it ends with those who are there. */
static void room_close(struct room *r)
{
	pthread_mutex_lock(&r->lock);
	r->closed = true;
	pthread_mutex_unlock(&r->lock);
	room_rest(r);
}

/* room_flush(r, console): wait until the console has written all it heard. */
static void room_flush(struct room *r, struct member *console)
{
	pthread_mutex_lock(&r->lock);
	while (console->at < r->head)
		signal_wait(&r->moved, &r->lock, NEVER);
	pthread_mutex_unlock(&r->lock);
}

/* member_end(m): the peer has ended its side; what it misses is not lost. */
static void member_end(struct member *m)
{
	pthread_mutex_lock(&m->hears->lock);
	m->ended = true;
	pthread_mutex_unlock(&m->hears->lock);
}

/*
 * member_stay(m): it has ended and goes on hearing until it is gone, or has
 * got the FIN.
 */
static void member_stay(struct member *m)
{
	struct pollfd p = { .fd = m->fd };
	int64_t step =
		m->flow.tick ? tick_span(m->silence.limit, NEVER, NEVER) : 0;

	pthread_mutex_lock(&m->hears->lock);
	member_finish(m->hears, m);
	pthread_mutex_unlock(&m->hears->lock);
	room_rest(m->hears);
	while (poll(&p, 1, step ? poll_time(after(step)) : -1) <= 0)
		if (m->flow.tick && m->flow.tick(m))
			return;
}

/* member_tick(m): whether it has been silent for too long. */
static bool member_tick(void *arg)
{
	struct member *m = arg;
	bool passed;

	pthread_mutex_lock(&m->hears->lock);
	passed = clock_passed(&m->silence,
		flow_mark(&m->flow) + value(&m->sent) - unacknowledged(m->fd));
	pthread_mutex_unlock(&m->hears->lock);
	return passed;
}

/*
 * In a chat each member posts whole lines, with its name before them, so that
 * half lines never mix.  What could draw on a terminal, or is no UTF-8, is
 * shown as \xHH.
 */
enum {
	LINE_MOST = 4096, /* bytes of a line; longer ones are cut */
	LINE_SHORT = 200, /* ... for which no memory is asked for */
	CHARACTER = 4,    /* bytes of one at most, and of a byte shown */
	NAME_TEXT = ADDR_TEXT + 16,
	AROUND = NAME_TEXT + 16, /* what is not the line itself */
};

struct chat {
	struct member *self;
	char name[NAME_TEXT];
	bool cut;    /* the rest of the line is passed over */
	size_t used; /* bytes of the line so far */
	char line[LINE_MOST + CHARACTER];
};

/* chat_show(c, most, to): c's line, at most so many bytes of it; its size. */
static size_t chat_show(const struct chat *c, size_t most, char *to)
{
	char *p = to + sprintf(to, "<%s> ", c->name);
	size_t at = 0, size;

	while (at < c->used) {
		size = character_size(c->line + at, c->used - at);
		if (at + (size > 0 ? size : 1) > most)
			break;
		memcpy(p, c->line + at, size);
		p += size;
		at += size;
		if (size == 0)
			p += sprintf(
				p, "\\x%02X", (unsigned char)c->line[at++]);
	}
	p += sprintf(p, "%s\n", at < c->used ? " [cut]" : "");
	return (size_t)(p - to);
}

/* chat_post(c): the line that c holds, complete or all there will be. */
static void chat_post(struct chat *c)
{
	char small[AROUND + LINE_SHORT * CHARACTER], *large = NULL, *text;
	size_t n, size = AROUND + c->used * CHARACTER;

	if (c->used > LINE_SHORT)
		large = buffer_new(size);
	text = large ? large : small;
	n = chat_show(c, text == large ? LINE_MOST : LINE_SHORT, text);
	c->used = 0;
	room_post(c->self->tells, c->self, text, n);
	buffer_free(large, size);
}

/* chat_take(chat, buf, n): the sink of a flow that ends in a chat. */
static int chat_take(void *arg, const char *buf, size_t n)
{
	struct chat *c = arg;

	for (size_t i = 0; i < n; i++) {
		if (buf[i] == '\n' && !c->cut) {
			c->used -= c->used > 0 && c->line[c->used - 1] == '\r';
			chat_post(c);
		} else if (buf[i] == '\n') {
			c->cut = false;
		} else if (!c->cut) {
			c->line[c->used++] = buf[i];
			c->cut = c->used == sizeof(c->line);
			if (c->cut)
				chat_post(c);
		}
	}
	return 0;
}

/* chat_end(c): there is no more to come; half a line is a line as well. */
static void chat_end(struct chat *c)
{
	if (c->used > 0)
		chat_post(c);
}

/* chat_tell(c, what): all others hear that c's member has done that. */
static void chat_tell(struct chat *c, const char *what)
{
	char text[AROUND];
	int n = sprintf(text, "* %s %s\n", c->name, what);

	room_post(c->self->tells, c->self, text, (size_t)n);
}

/* chat_new(): for one member; NULL with errno. */
static struct chat *chat_new(void)
{
	return (struct chat *)(void *)buffer_new(sizeof(struct chat));
}

/* chat_join(c, m, peer): m, which is in the room, is in the chat. */
static void chat_join(struct chat *c, struct member *m, const struct addr *peer)
{
	size_t n = strlen(addr_name(peer, c->name));

	c->self = m;
	if (peer->sa.sa_family == AF_UNIX)
		snprintf(c->name + n, NAME_TEXT - n, "-%u",
			(unsigned int)(m->id - CONSOLE_ID));
	chat_tell(c, "joined");
}

/*
 * chat_leave(c): its member will say no more, though it may hear on: a FIN
 * does not tell the one from the other.
 */
static void chat_leave(struct chat **c)
{
	if (!*c)
		return;
	chat_end(*c);
	chat_tell(*c, "left");
	buffer_free((char *)*c, sizeof(**c));
	*c = NULL;
}

/*
 * ---- port -----------------------------------------------------------------
 *
 * Datagrams of many peers on one socket: a loop that gives each message its
 * peer.  Peers are the addresses heard from, remembered while they are not
 * silent for too long.  What becomes of a message is the user's:
 *
 *	-lue		goes back, all that came at once in one call
 *	-luk		is noted (peers) and written to standard output
 *	-lub		... and sent to all other peers
 *	-luc, --forward	goes to the link of its peer
 */
enum { PEER_BUCKETS = 256 };

struct peer {
	struct gram gram;
	int fd;            /* the socket that it writes to */
	int64_t heard;     /* when it last did */
	struct peer *next; /* in its bucket */
};

struct peers {
	pthread_mutex_t lock; /* guards all of it */
	pthread_cond_t came;
	struct peer *bucket[PEER_BUCKETS];
	int64_t count, most;
	int64_t memory;            /* how long a silent one is remembered */
	struct counters *counters; /* of the port; or NULL */
};

struct port {
	int fd;
	bool connected;        /* to one, who may refuse */
	bool named;            /* copies of what comes have the peer's name */
	struct dump *dump;     /* ... and go there; NULL: none */
	struct access *access; /* NULL: everybody is heard */
	struct peers *peers;   /* NULL: they are not remembered */
	/* Takes a message: whether it is to be written, too; NULL: an echo. */
	bool (*heard)(struct port *p, const char *buf, size_t n,
		const struct gram *from);
	void (*write)(struct iovec *part, int n); /* several of them */
	void *arg;
	bool (*tick)(struct port *p); /* nothing came for a while; or NULL */
	atomic_llong *reads;          /* of all sockets of this port */
	struct counters *counters;    /* the same; NULL: nobody wants to know */
	struct clock silence;
	int64_t hasty; /* until when no answer is waited for */
};

/* peer_hash(a): the bucket of a peer. */
static unsigned int peer_hash(const struct addr *a)
{
	const unsigned char *p = (const unsigned char *)&a->sa;
	unsigned int hash = 2166136261U; /* FNV-1a */

	for (socklen_t i = 0; i < a->len; i++)
		hash = (hash ^ p[i]) * 16777619U;
	return hash % PEER_BUCKETS;
}

/* peers_forget(ps, p): *p leaves its bucket. */
static void peers_forget(struct peers *ps, struct peer **p)
{
	struct peer *old = *p;

	*p = old->next;
	free(old);
	ps->count--;
}

/* peers_expire(ps): forget who has been silent for too long; who is left. */
static int64_t peers_expire(struct peers *ps)
{
	int64_t limit = now() - ps->memory;

	for (int i = 0; i < PEER_BUCKETS; i++)
		for (struct peer **p = &ps->bucket[i]; *p;)
			if ((*p)->heard < limit)
				peers_forget(ps, p);
			else
				p = &(*p)->next;
	return ps->count;
}

/* peers_make_room(ps): the longest silent one goes when there are too many. */
static void peers_make_room(struct peers *ps)
{
	struct peer **oldest = NULL;

	peers_expire(ps);
	if (ps->count < ps->most)
		return;
	for (int i = 0; i < PEER_BUCKETS; i++)
		for (struct peer **p = &ps->bucket[i]; *p; p = &(*p)->next)
			if (!oldest || (*p)->heard < (*oldest)->heard)
				oldest = p;
	if (oldest)
		peers_forget(ps, oldest);
}

/* peers_note(ps, fd, from): a message came; remember who sent it. */
static void peers_note(struct peers *ps, int fd, const struct gram *from)
{
	struct peer **bucket = &ps->bucket[peer_hash(&from->peer)], *p;

	for (p = *bucket; p; p = p->next)
		if (p->fd == fd && addr_same(&p->gram.peer, &from->peer))
			break;
	if (!p) {
		if (ps->count >= ps->most)
			peers_make_room(ps);
		p = calloc(1, sizeof(*p));
		if (!p)
			return;
		p->next = *bucket;
		*bucket = p;
		ps->count++;
		tell_accepted(&from->peer);
		watch_peer();
		pthread_cond_broadcast(&ps->came);
	}
	p->gram = *from;
	p->fd = fd;
	p->heard = now();
}

/*
 * peer_send(p, c, buf, n): false when the peer cannot be reached any more.
 * Only a Unix socket can be full on the other side: it has a second to read.
 */
static bool peer_send(
	const struct peer *p, struct counters *c, const char *buf, size_t n)
{
	int64_t deadline = 0;

	while (gram_send(p->fd, buf, n, &p->gram, MSG_DONTWAIT) < 0) {
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS)
			return false;
		if (deadline == 0)
			deadline = after(eviction);
		if (now() >= deadline)
			return false;
		pause_for(MS);
	}
	counters_add(c, SENT, n);
	return true;
}

/*
 * peers_send(ps, buf, n, except): to all that are remembered but one.  -1 when
 * the datagram is too long for any of them; a peer that is gone is forgotten.
 */
static int peers_send(
	struct peers *ps, const char *buf, size_t n, const struct gram *except)
{
	char text[ADDR_TEXT];
	const char *reason;
	struct peer **p, *q;
	int result = 0;

	peers_expire(ps);
	for (int i = 0; i < PEER_BUCKETS; i++)
		for (p = &ps->bucket[i]; (q = *p);) {
			p = &q->next;
			if ((except &&
				    addr_same(&except->peer, &q->gram.peer)) ||
				peer_send(q, ps->counters, buf, n))
				continue;
			if (errno == EMSGSIZE) {
				result = -1;
				continue;
			}
			reason = strerror(errno);
			say("send to %s failed: %s; forgotten",
				addr_text(&q->gram.peer, text), reason);
			for (p = &ps->bucket[i]; *p != q; p = &(*p)->next)
				continue;
			peers_forget(ps, p);
		}
	if (result < 0)
		errno = EMSGSIZE;
	return result;
}

/*
 * port_answer(p, m, n): send n messages back.  One that cannot be sent, or
 * that a Unix peer has no room for within a second, is left out; after that
 * nobody is waited for some time, so that one peer cannot hold up the others.
 */
static void port_answer(struct port *p, struct many *m, int n)
{
	int64_t deadline = NEVER;
	int done;

	while (n > 0) {
		done = send_many(p->fd, m, (unsigned int)n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && (errno == EAGAIN || errno == ENOBUFS) &&
			now() >= p->hasty && now() < deadline) {
			if (deadline == NEVER)
				deadline = after(eviction);
			pause_for(MS);
			continue;
		}
		if (deadline < NEVER && now() >= deadline)
			p->hasty = after(slow_window);
		if (done <= 0) {
			tell("an answer failed: %s", strerror(errno));
			done = 1;
		} else {
			for (int i = 0; i < done && p->counters; i++)
				counters_add(p->counters, SENT,
					m[i].msg_hdr.msg_iov->iov_len);
		}
		deadline = NEVER;
		m += done;
		n -= done;
	}
}

/* port_copy(p, way, g, buf, n): a message from or to g, for the dump. */
static void port_copy(struct port *p, char way, const struct gram *g,
	const char *buf, size_t n)
{
	struct addr peer = g->peer;
	char name[ADDR_TEXT] = "";
	long long none = 0;

	if (!p->dump)
		return;
	addr_unmap(&peer);
	if (p->named)
		addr_name(&peer, name);
	dump_note(p->dump, way, name, &none, buf, n);
}

/*
 * port_hear(p, b, n): n messages have come.  An echo answers all of them at
 * once, but those that have no return address.  Whether any was heard.
 */
static bool port_hear(struct port *p, struct batch *b, int n)
{
	struct many *m = b->message;
	struct iovec part[BATCH];
	int answers = 0, heard = 0, parts = 0;

	for (int i = 0; i < n; i++) {
		struct slot *s = &b->slot[i];

		if (!access_allows(p->access, &s->gram.peer, true))
			continue;
		heard++;
		counters_add(p->counters, RECEIVED, m[i].msg_len);
		port_copy(p, '<', &s->gram, s->part.iov_base, m[i].msg_len);
		if (batch_cut(b, i))
			say("a datagram of more than %d bytes is cut",
				BUFFER_SIZE);
		if (p->heard) {
			s->part.iov_len = m[i].msg_len;
			part[parts] = s->part;
			parts += p->heard(
				p, s->part.iov_base, m[i].msg_len, &s->gram);
		} else if (s->gram.peer.len > sizeof(sa_family_t)) {
			s->part.iov_len = m[i].msg_len;
			gram_address(&m[i].msg_hdr, &s->gram);
			port_copy(p, '>', &s->gram, s->part.iov_base,
				m[i].msg_len);
			m[answers++] = m[i];
		}
	}
	atomic_fetch_add(p->reads, heard);
	port_answer(p, m, answers);
	if (parts > 0)
		p->write(part, parts);
	return heard > 0;
}

/* port_session(): what counts all that goes through; NULL: nobody asks. */
static struct counters *port_session(void)
{
	static struct session session;
	static struct counters c;

	if (!watch.wanted)
		return NULL;
	session_begin(&session, -1, NULL);
	session_count(&session, &c.bytes[RECEIVED], &c.bytes[SENT],
		&c.grams[RECEIVED], &c.grams[SENT]);
	return &c;
}

/*
 * port_wait(p): for a socket that was inherited and does not block; others
 * have waited, but a tick is due again soon.
 */
static void port_wait(struct port *p)
{
	struct pollfd fd = { .fd = p->fd, .events = POLLIN };

	poll(&fd, 1, p->tick ? (int)(short_pause / MS) : -1);
}

/*
 * port_run(p): give each message to p->heard, until p->tick ends it (0), or
 * the socket fails (-1).  Several are taken at once where several wait.
 */
static int port_run(struct port *p)
{
	struct batch *b = batch_new();
	int n;

	if (!b)
		return fail("cannot receive:");
	for (;;) {
		n = batch_recv(b, p->fd);
		if (n > 0 && port_hear(p, b, n))
			continue;
		if (n > 0 || errno == EAGAIN || errno == EWOULDBLOCK) {
			if (p->tick && p->tick(p))
				break;
			port_wait(p);
		} else if (errno != EINTR &&
			(p->connected || errno != ECONNREFUSED)) {
			batch_free(b);
			return fail("cannot receive:");
		}
	}
	batch_free(b);
	return 0;
}

/* port_tick(p): whether nothing has come for the time of its limit. */
static bool port_tick(struct port *p)
{
	return clock_passed(&p->silence, value(p->reads));
}

/*
 * A link joins one datagram peer with something of its own: a socket connected
 * to the target of a forward, or a command on a pair of pipes.  The port's
 * loop brings what the peer sends; a thread of the link brings the answers.
 */
enum { QUEUE_SIZE = 2 * 65536 };

struct link {
	struct links *all;
	struct gram peer; /* and the socket that it writes to: */
	int port;
	int to, from;      /* the other side; -1: not there yet */
	struct gram group; /* ... if to is not connected: where it leads */
	bool dismissed;    /* it has to make room */
	bool silent;       /* ... or has been silent for too long */
	bool over;         /* no answers will come any more */
	int users;         /* threads that still need it */
	struct flow back;  /* the answers */
	struct flow ahead; /* to a command */
	struct tap tap;    /* ... go through it */
	struct command command;
	atomic_llong heard, got; /* datagrams of the peer, their bytes */
	struct session session;
	struct clock silence;
	int64_t last; /* when the peer was heard */
	pthread_cond_t changed;
	char *queue; /* datagrams, each behind its size; or NULL */
	size_t queued;
	struct link *next; /* in its bucket */
};

struct links {
	pthread_mutex_t lock; /* guards all of it, and its links */
	struct link *bucket[PEER_BUCKETS];
	int64_t count, most; /* ... that are found; others are ending */
	int64_t ending;
	int64_t memory; /* how long a silent one is kept */
	bool single;    /* the first peer only; its end is ours */
	bool commands;  /* on the other sides; else sockets */
	/* Opens the other side: where to write, where to read; or -1. */
	int (*begin)(struct links *all, struct link *l, int ends[2]);
	void (*ended)(int status); /* single: it has; status of a process */
	struct shape shape;        /* of the tap that answers go through */
	const void *arg;
};

/* link_push(l, buf, n): a datagram waits; false when there is no room. */
static bool link_push(struct link *l, const char *buf, size_t n)
{
	if (!l->queue)
		l->queue = buffer_new(QUEUE_SIZE);
	if (!l->queue || l->queued + sizeof(n) + n > QUEUE_SIZE)
		return false;
	memcpy(l->queue + l->queued, &n, sizeof(n));
	memcpy(l->queue + l->queued + sizeof(n), buf, n);
	l->queued += sizeof(n) + n;
	pthread_cond_signal(&l->changed);
	return true;
}

/* link_take(l, n): what has waited longest, to be freed; NULL: nothing. */
static char *link_take(struct link *l, size_t *n)
{
	char *buf;

	if (l->queued == 0)
		return NULL;
	memcpy(n, l->queue, sizeof(*n));
	buf = malloc(*n + 1);
	if (!buf)
		return NULL;
	memcpy(buf, l->queue + sizeof(*n), *n);
	l->queued -= sizeof(*n) + *n;
	memmove(l->queue, l->queue + sizeof(*n) + *n, l->queued);
	return buf;
}

/* link_send(l, buf, n): to the target, if it can take that now. */
static void link_send(struct link *l, const char *buf, size_t n)
{
	ssize_t sent = l->group.peer.len > 0
		? gram_send(l->to, buf, n, &l->group, MSG_DONTWAIT)
		: send(l->to, buf, n, MSG_DONTWAIT);

	if (sent < 0 && errno == ECONNREFUSED) /* of the one before */
		sent = send(l->to, buf, n, MSG_DONTWAIT);
	if (sent < 0)
		tell("A datagram of %zu byte%s is lost: %s", n,
			plural((long long)n), strerror(errno));
}

/* link_silent(l): it has been for too long, or has to make room. */
static bool link_silent(struct link *l)
{
	l->silent |= clock_passed(
		&l->silence, value(&l->heard) + value(&l->back.reads));
	return l->silent || l->dismissed;
}

/* link_tick(l): whether it has to end. */
static bool link_tick(void *arg)
{
	struct link *l = arg;
	bool over;

	pthread_mutex_lock(&l->all->lock);
	over = l->over || link_silent(l);
	pthread_mutex_unlock(&l->all->lock);
	return over;
}

/* link_was_silent(l): that is why it has ended. */
static bool link_was_silent(struct link *l)
{
	bool silent;

	pthread_mutex_lock(&l->all->lock);
	silent = link_silent(l) && l->silent;
	pthread_mutex_unlock(&l->all->lock);
	return silent;
}

/* link_hide(l): no message finds it any more; with the lock held. */
static void link_hide(struct link *l)
{
	struct link **p = &l->all->bucket[peer_hash(&l->peer.peer)];

	while (*p && *p != l)
		p = &(*p)->next;
	if (!*p)
		return;
	*p = l->next;
	l->all->count--;
	l->all->ending++;
}

/* link_leave(l): a thread is done with it; the last one cleans up. */
static void link_leave(struct link *l)
{
	struct links *all = l->all;
	bool last;

	pthread_mutex_lock(&all->lock);
	last = --l->users == 0;
	all->ending -= last;
	pthread_mutex_unlock(&all->lock);
	if (!last)
		return;
	if (l->from >= 0 && l->from != l->to)
		close(l->from);
	if (l->to >= 0)
		close(l->to);
	buffer_free(l->queue, QUEUE_SIZE);
	pthread_cond_destroy(&l->changed);
	free(l);
}

/* link_next(l, n): what is to be fed; NULL: the link has to end. */
static char *link_next(struct link *l, size_t *n)
{
	int64_t step = tick_span(l->silence.limit, NEVER, NEVER);
	char *buf = NULL;

	pthread_mutex_lock(&l->all->lock);
	while (!l->over && !link_silent(l) && !(buf = link_take(l, n)))
		signal_wait(&l->changed, &l->all->lock,
			step > 0 ? after(step) : NEVER);
	pthread_mutex_unlock(&l->all->lock);
	return buf;
}

/* link_passes(l): a second, or less when the link is over; that it is not. */
static bool link_passes(struct link *l)
{
	int64_t deadline = after(SECOND);

	while (!l->over && signal_wait(&l->changed, &l->all->lock, deadline))
		continue;
	return !l->over;
}

/*
 * link_feed(l): the thread that writes to a command what has come for it.  One
 * that is silent for too long gets its end of input, a second later SIGTERM,
 * and another second later SIGKILL.
 */
static void *link_feed(void *arg)
{
	struct link *l = arg;
	bool deaf = false;
	char *buf;
	size_t n = 0;

	while ((buf = link_next(l, &n))) {
		deaf = deaf || flow_write(&l->ahead, buf, n) != ENDED;
		free(buf);
	}
	pthread_mutex_lock(&l->all->lock);
	close(l->to);
	l->to = -1;
	if (link_passes(l)) {
		kill(-l->command.pid, SIGTERM);
		link_passes(l);
		kill(-l->command.pid, SIGKILL);
	}
	pthread_mutex_unlock(&l->all->lock);
	link_leave(l);
	return NULL;
}

/* link_feeder(l): start the thread that feeds its command. */
static int link_feeder(struct link *l)
{
	l->users++;
	if (pool_run(link_feed, l) == 0)
		return 0;
	l->users--;
	fail("cannot start a thread:");
	command_end(&l->command);
	command_forget(&l->command);
	return -1;
}

/* link_open(l): the other side is there; what has waited goes to it. */
static int link_open(struct link *l)
{
	struct links *all = l->all;
	int ends[2], result = 0;
	char *buf;
	size_t n;

	if (all->begin(all, l, ends) < 0)
		return -1;
	l->back.from = (struct end){ .kind = all->commands ? PIPE : DATAGRAM,
		.fd = ends[1] };
	l->ahead = (struct flow){ .to = { .kind = PIPE, .fd = ends[0] },
		.tick = link_tick,
		.session = l,
		.span = short_pause,
		.polled = true,
		.wake = -1 };
	if (all->commands)
		l->back.to.most = DATAGRAM_MOST;
	else
		l->back.span = tick_span(all->memory, NEVER, NEVER);
	if (l->back.span > 0)
		sock_timeouts(ends[1], l->back.span);
	pthread_mutex_lock(&all->lock);
	l->to = ends[0];
	l->from = ends[1];
	if (all->commands)
		result = link_feeder(l);
	while (!all->commands && (buf = link_take(l, &n))) {
		link_send(l, buf, n);
		free(buf);
	}
	pthread_mutex_unlock(&all->lock);
	return result;
}

/* link_finish(l): after its last answer; the exit status of its command. */
static int link_finish(struct link *l)
{
	if (!l->all->commands)
		return DONE;
	command_wait(&l->command, NEVER);
	command_forget(&l->command);
	return l->command.status;
}

/* link_failed(l, status, how, reason): of many it is said with -v only. */
static int link_failed(
	struct link *l, enum status status, const char *how, const char *reason)
{
	char text[ADDR_TEXT];

	addr_text(&l->peer.peer, text);
	fail_as(status, "connection for %s%s%s", text, how, reason);
	if (l->all->single)
		return complain();
	tell("Connection for %s%s%s", text, how, reason);
	return status;
}

/* link_refused(l): for why; of many it is said once, else with -v only. */
static int link_refused(struct link *l)
{
	static atomic_bool told;

	if (l->all->single)
		return complain();
	if (!atomic_exchange(&told, true))
		say("%s", why.text);
	else
		tell("%s", why.text);
	return why.status;
}

/* link_run(l): the thread of a link. */
static void *link_run(void *arg)
{
	struct link *l = arg;
	struct links *all = l->all;
	struct why reason;
	enum outcome how;
	const char *end = "failed";
	int status;

	session_begin(&l->session, -1, &l->peer.peer);
	session_count(
		&l->session, &l->got, &l->back.put, &l->heard, &l->back.sends);
	status = link_open(l) < 0 ? link_refused(l) : DONE;
	if (status == DONE) {
		how = pump(&l->back);
		reason = why;
		if (how != ENDED && all->commands)
			command_end(&l->command);
		status = link_finish(l);
		if (link_was_silent(l))
			status = link_failed(
				l, TIMED_OUT, ": silent for too long", "");
		else if (how == NOT_READ || how == NOT_WRITTEN)
			status = link_failed(
				l, FAILED, " failed: ", reason.text);
		else
			end = "ended";
		if (status == TIMED_OUT && link_was_silent(l))
			end = "silent";
	}
	session_end(&l->session, end);
	pthread_mutex_lock(&all->lock);
	l->over = true;
	link_hide(l);
	pthread_cond_signal(&l->changed);
	pthread_mutex_unlock(&all->lock);
	if (all->single)
		all->ended(status);
	link_leave(l);
	return NULL;
}

/* links_make_room(all): the longest silent link goes; with the lock held. */
static void links_make_room(struct links *all)
{
	struct link *oldest = NULL;

	for (int i = 0; i < PEER_BUCKETS; i++)
		for (struct link *l = all->bucket[i]; l; l = l->next)
			if (!oldest || l->last < oldest->last)
				oldest = l;
	if (!oldest)
		return;
	oldest->dismissed = true;
	link_hide(oldest);
	pthread_cond_signal(&oldest->changed);
	if (!all->commands && oldest->to >= 0)
		shutdown(oldest->to, SHUT_RD);
}

/* link_new(all, port, from): for a peer heard for the first time; or NULL. */
static struct link *link_new(
	struct links *all, int port, const struct gram *from)
{
	struct link **bucket = &all->bucket[peer_hash(&from->peer)];
	struct addr shown;
	char name[ADDR_TEXT];
	struct link *l;

	if (all->single && all->count + all->ending > 0)
		return NULL;
	if (all->count >= all->most)
		links_make_room(all);
	l = all->ending > all->most + 4 ? NULL : calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->all = all;
	l->peer = *from;
	l->port = port;
	l->to = l->from = -1;
	l->users = 1;
	l->silence = (struct clock){ .limit = all->memory, .since = now() };
	signal_init(&l->changed);
	l->back = (struct flow){ .to = { .kind = DATAGRAM, .fd = port },
		.tick = link_tick,
		.session = l };
	if (!sock_is_connected(port))
		l->back.to.gram = &l->peer;
	shown = from->peer;
	addr_unmap(&shown);
	l->back.tap = tap_open(&l->tap, &all->shape,
		all->single ? "" : addr_name(&shown, name), NULL);
	if (pool_run(link_run, l) < 0) {
		say("cannot start a thread: %s", strerror(errno));
		pthread_cond_destroy(&l->changed);
		free(l);
		return NULL;
	}
	l->next = *bucket;
	*bucket = l;
	all->count++;
	return l;
}

/*
 * links_heard(all, port, buf, n, from): a datagram for the link of its peer;
 * whether that peer is a new one.  A link that cannot take it loses it, as a
 * network may.
 */
static bool links_heard(struct links *all, int port, const char *buf, size_t n,
	const struct gram *from)
{
	struct link *l;
	bool is_new = false;

	pthread_mutex_lock(&all->lock);
	for (l = all->bucket[peer_hash(&from->peer)]; l; l = l->next)
		if (l->port == port && addr_same(&l->peer.peer, &from->peer))
			break;
	if (!l) {
		l = link_new(all, port, from);
		is_new = l != NULL;
	}
	if (l) {
		add(&l->heard, 1);
		add(&l->got, (long long)n);
		l->last = now();
	}
	if (l && l->to >= 0 && !all->commands)
		link_send(l, buf, n);
	else if (l && !link_push(l, buf, n))
		tell("A datagram of %zu byte%s is lost: nobody takes it", n,
			plural((long long)n));
	pthread_mutex_unlock(&all->lock);
	return is_new;
}

/*
 * ---- modes ----------------------------------------------------------------
 *
 * One function a mode: it takes the options, puts the pieces above together,
 * says what failed, and returns the exit status.
 */
struct options {
	bool listen, keep, echo, hub, chat, zero;
	bool udp, unixsock, numeric, four, six;
	bool recv_only, send_only, no_shutdown, reset, quit_given;
	int64_t wait, idle, quit, max_time; /* NEVER: no limit */
	int64_t most;                       /* 0: any number of peers */
	int64_t total;                      /* --count; 0: any number */
	int64_t drain, retry;               /* 0: not given */
	const char *port_text;              /* of -p */
	const char *command;                /* -c, --exec; NULL: none */
	bool direct;                        /* ... without a shell */
	const char *forward;                /* ADDR, as written, or NULL */
	struct target onward;               /* what that means */
	struct access_sources access;       /* --allow, --deny and files */
	const char *port_file;              /* or NULL */
	int port_fd;                        /* ... while it has no name */
	int64_t ready_fd;                   /* or -1 */
	bool background;
	int inherited;    /* so many sockets of LISTEN_FDS; 0: none */
	int stop;         /* --drain: a pipe, readable when it is time; or -1 */
	int parent;       /* -f: a pipe to whoever waits for us; or -1 */
	int64_t parallel; /* ports tested at once */
	int64_t interval; /* -i; 0: none */
	struct bytes send;
	struct needle expect;
	bool shutdown_given; /* -N */
	bool lines, crlf, telnet;
	int64_t rate;           /* bytes a second; 0: any */
	const char *output;     /* -o, or NULL */
	const char *hex_dump;   /* --hex-dump, or NULL */
	bool append;            /* ... are not emptied first */
	struct dump *dump;      /* both, opened; NULL: neither is wanted */
	int64_t grams, bytes;   /* -W, --recv-bytes; 0: any number */
	const char *proxy;      /* HOST[:PORT], as written, or NULL */
	const char *proxy_auth; /* the file, or NULL */
	struct proxy via;       /* what that means */
	bool pass_fd;           /* -F */
	bool stats, progress, no_sandbox;
	struct prefs prefs;
	struct target target;
	const struct ports *ports; /* several, of -z; NULL: just one */
};

/* finish(status): end the process from any thread. */
_Noreturn static void finish(int status)
{
	commands_signal(SIGTERM);
	litter_remove(true);
	watch_end(status);
	_exit(status);
}

/* die_of(signal): as if nothing had been done about it. */
_Noreturn static void die_of(int signal_number)
{
	sigset_t set;

	commands_signal(signal_number == SIGPIPE ? SIGTERM : signal_number);
	litter_remove(true);
	watch_end(128 + signal_number);
	signal(signal_number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, signal_number);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(signal_number);
	_exit(FAILED);
}

/* output_failed(): what is left to do when standard output fails; for why. */
_Noreturn static void output_failed(void)
{
	if (why.error == EPIPE)
		die_of(SIGPIPE);
	fail("write to standard output failed: %s", strerror(why.error));
	finish(complain());
}

/* service_name(t, port, name): what it is called, or an empty string. */
static char *service_name(const struct target *t, int port, char name[32])
{
	static pthread_mutex_t services = PTHREAD_MUTEX_INITIALIZER;
	struct servent *service = NULL;

	pthread_mutex_lock(&services);
	if (!t->numeric)
		service = getservbyport(htons((uint16_t)port), target_kind(t));
	snprintf(name, 32, "%s", service ? service->s_name : "");
	pthread_mutex_unlock(&services);
	return name;
}

/* dump_failed(): no copy of the traffic can be kept; for why. */
_Noreturn static void dump_failed(void)
{
	finish(complain());
}

/* dump_file(o, name, fd): open it; -: standard error. */
static int dump_file(const struct options *o, const char *name, int *fd)
{
	int how = O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND;

	*fd = -1;
	if (!name)
		return 0;
	*fd = strcmp(name, "-") == 0
		? STDERR_FILENO
		: open(name, how | (o->append ? 0 : O_TRUNC), 0666);
	return *fd < 0 ? fail("cannot open %s:", name) : 0;
}

/* dump_open(o): where copies of the traffic go, if anywhere. */
static int dump_open(struct options *o)
{
	static struct dump d = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.failed = dump_failed };

	if (!o->output && !o->hex_dump)
		return 0;
	d.raw_name = o->output;
	d.hex_name = o->hex_dump;
	o->dump = &d;
	return dump_file(o, o->output, &d.raw) < 0 ||
			dump_file(o, o->hex_dump, &d.hex) < 0
		? -1
		: 0;
}

/*
 * shape_of(o, in, out): what the options ask of a tap: on what comes from the
 * peer, on what goes to it, or on both at once.
 */
static struct shape shape_of(const struct options *o, bool in, bool out)
{
	struct shape s = { .rate = o->rate, .apart = o->udp };

	if (o->dump) {
		s.dump = o->dump;
		s.inward = in;
		s.outward = out;
	}
	if (in) {
		s.plain = o->telnet;
		s.bytes = o->bytes;
		s.grams = o->grams;
		s.needle = o->expect.back ? &o->expect : NULL;
	}
	if (out) {
		s.escaped = o->telnet;
		s.crlf = o->crlf;
		s.lines = o->lines;
		s.interval = o->interval;
	}
	return s;
}

/* tap_name(o, peer, text): how copies of the traffic name one of many. */
static const char *tap_name(
	const struct options *o, const struct addr *peer, char text[ADDR_TEXT])
{
	return o->keep ? addr_name(peer, text) : "";
}

/* taps_open(o, t, peer, in, out): of a connection: from the peer, to it. */
static void taps_open(const struct options *o, struct tap t[2],
	const struct addr *peer, struct tap **in, struct tap **out)
{
	struct shape from = shape_of(o, true, false);
	struct shape to = shape_of(o, false, true);
	char text[ADDR_TEXT];
	const char *name = tap_name(o, peer, text);

	*out = tap_open(&t[1], &to, name, NULL);
	*in = tap_open(&t[0], &from, name, *out);
}

/* report_connected(t, peer, took): for --json; took: to connect, in ns. */
static void report_connected(
	const struct target *t, const struct addr *peer, int64_t took)
{
	struct object o;

	object_begin(&o, "connected");
	if (t->host)
		object_text(&o, "host", t->host);
	object_addr(&o, peer);
	if (peer->len == 0) /* only the proxy knows */
		object_number(&o, "port", t->port);
	object_text(&o, "protocol", target_kind(t));
	object_time(&o, "seconds", took);
	object_end(&o, STDERR_FILENO);
}

/* tell_connected(t, peer, took): nc.openbsd's sentence. */
static void tell_connected(
	const struct target *t, const struct addr *peer, int64_t took)
{
	char host[ADDR_TEXT], named[PLACE_TEXT], name[32];
	const char *kind = target_kind(t);
	int port = peer->len > 0 ? addr_port(peer) : t->port;

	if (messages.json)
		report_connected(t, peer, took);
	if (messages.loudness < 1 || messages.json)
		return;
	addr_host(peer, host);
	if (t->path) {
		tell("Connection to %s [%s] succeeded!", host, kind);
		return;
	}
	snprintf(named, sizeof(named), "%.255s (%s)", t->host, host);
	if (peer->len == 0)
		snprintf(named, sizeof(named), "%s", t->host);
	service_name(t, port, name);
	tell("Connection to %s %d port [%s/%s] succeeded!",
		strcmp(t->host, host) == 0 ? host : named, port, kind,
		*name ? name : "*");
}

/* relay_rules(o, place): what the options say about a relay. */
static struct rules relay_rules(const struct options *o, const char *place)
{
	struct rules rules = {
		.wait = o->wait,
		.idle = o->idle,
		.quit = o->quit,
		.half_close = !o->no_shutdown && !o->reset && !o->recv_only &&
			(!o->expect.back || o->shutdown_given),
		.recv_only = o->recv_only,
		.send_only = o->send_only,
		.echo = o->echo,
		.reset = o->reset,
		.listening = o->listen,
		.patient = (o->prefs.proxy || o->telnet) &&
			!o->shutdown_given && !o->no_shutdown &&
			!o->send_only && o->quit > 0,
		.terminal = !o->send.at && isatty(STDIN_FILENO),
		.place = place,
	};
	bool waits = o->expect.back || o->bytes > 0 || o->grams > 0;

	/* A client's datagrams have no end: a second of silence is one. */
	if (o->udp && !o->listen && !o->echo && !o->quit_given &&
		o->wait == NEVER && !waits)
		rules.quit = SECOND;
	return rules;
}

/* relay_with(o, fd, gram, peer): relay and say how that ended. */
static int relay_with(const struct options *o, int fd, struct gram *gram,
	const struct addr *peer)
{
	static char place[PLACE_TEXT];
	struct target anyone = o->target;
	static struct relay relay;
	static struct rules rules;
	static struct session session;
	static struct tap taps[2];
	static struct bytes text;
	struct shape both = shape_of(o, true, true);
	int result;

	if (o->listen)
		anyone.host = NULL;
	rules = relay_rules(o, target_place(&anyone, peer, place));
	text = o->send;
	rules.session = &session;
	rules.send = text.at ? &text : NULL;
	rules.recv_only = rules.recv_only && !rules.send;
	if (o->echo)
		rules.in = tap_open(&taps[0], &both, "", NULL);
	else
		taps_open(o, taps, peer, &rules.in, &rules.out);
	session_begin(&session, o->udp ? -1 : fd, peer);
	result = relay_run(&relay, fd, o->target.type, gram, &rules);
	session_end(&session, relay_reason(&relay, result));
	if (relay.output_closed)
		die_of(SIGPIPE);
	if (relay.up_state == RUNNING)
		fd = dup(fd); /* the reader of the console keeps its own */
	stream_close(fd, o->reset);
	return result < 0 ? complain() : DONE;
}

/*
 * detach(o, ls): -f: tell the parent that we are ready, with the port if we
 * were to pick one, and let go of its standard descriptors.
 */
static int detach(const struct options *o, const struct listeners *ls)
{
	struct addr a = sock_name(ls->fd[0].fd);
	char text[32];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return fail("cannot open /dev/null:");
	snprintf(text, sizeof(text), "+%d\n", addr_port(&a));
	if (o->target.port != 0 || o->unixsock || o->inherited)
		text[1] = '\0';
	if (write_whole(o->parent, text, strlen(text)) < 0)
		return fail("cannot tell that the listener is ready:");
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	close(null);
	close(o->parent);
	return 0;
}

/* publish(o, ls): tell scripts where we listen. */
static int publish(const struct options *o, const struct listeners *ls)
{
	char text[LISTENERS * 2 * ADDR_TEXT];
	size_t n = listeners_text(ls, text, sizeof(text));

	if (o->port_file && port_file(o->port_file, o->port_fd, text, n) < 0)
		return -1;
	if (o->ready_fd >= 0 && write_whole((int)o->ready_fd, text, n) < 0)
		return fail("--ready-fd %lld:", (long long)o->ready_fd);
	if (o->ready_fd > STDERR_FILENO)
		close((int)o->ready_fd);
	return o->parent >= 0 ? detach(o, ls) : 0;
}

/* access_reload(a): read the lists again; the old ones stay if one is wrong. */
static int access_reload(struct access *a)
{
	if (access_load(a, after(reload_time)) < 0) {
		say("%s; the old lists stay", why.text);
		return -1;
	}
	tell("The lists of who may connect have been read again");
	return 0;
}

/* hangup_set(set): SIGHUP alone. */
static void hangup_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGHUP);
}

/* access_run(a): the thread that reloads on SIGHUP, which all others block. */
_Noreturn static void *access_run(void *a)
{
	sigset_t set;
	int got;

	hangup_set(&set);
	for (;;)
		if (sigwait(&set, &got) == 0)
			access_reload(a);
}

/* access_open(o, to): load the lists; no lists: to NULL, for everybody. */
static int access_open(const struct options *o, struct access **to)
{
	static struct access lists = { .lock = PTHREAD_MUTEX_INITIALIZER };

	*to = NULL;
	if (o->access.count == 0)
		return 0;
	lists.from = &o->access;
	lists.family = o->target.family;
	lists.numeric = o->numeric;
	*to = &lists;
	if (access_load(&lists, after(o->wait)) < 0)
		return -1;
	return thread_need(access_run, &lists);
}

/*
 * open_listeners(o, ls): announce, and say where.  The interface of a forward
 * is that of the way on.
 */
static int open_listeners(const struct options *o, struct listeners *ls)
{
	struct prefs prefs = o->prefs;
	int result;

	if (o->forward)
		prefs.interface = NULL;
	*ls = (struct listeners){ .stop = o->stop };
	pthread_mutex_init(&ls->turn, NULL);
	if (access_open(o, &ls->access) < 0)
		return -1;
	result = o->inherited
		? announce_inherited(ls, o->inherited, o->target.type, &prefs)
		: announce(&o->target, &prefs, after(o->wait), ls);
	if (result == 0 && o->inherited && o->unixsock &&
		sock_name(ls->fd[0].fd).sa.sa_family != AF_UNIX)
		result = fail_as(MISUSED,
			"LISTEN_FDS: no Unix-domain socket, in spite of -U");
	if (result < 0)
		return -1;
	listeners_tell(ls, &o->target);
	return publish(o, ls);
}

/*
 * first_peer(ls, deadline, gram): the socket on which the first datagram has
 * come, and the two ends of it; the datagram stays to be read.
 */
static int first_peer(struct listeners *ls, int64_t deadline, struct gram *gram)
{
	int fd = wait_for_gram(ls, deadline, gram);

	for (int i = 0; i < ls->count && fd >= 0; i++)
		if (ls->fd[i].fd != fd)
			close(ls->fd[i].fd);
	return fd;
}

/*
 * take_one(o, peer): listen, and the connection of the first client; then
 * nobody listens any more, so that a second one is refused.  -1 with
 * ECANCELED in why.error when --drain ended that.
 */
static int take_one(const struct options *o, struct addr *peer)
{
	static struct listeners ls;
	int fd;

	if (open_listeners(o, &ls) < 0)
		return -1;
	listeners_unblock(&ls);
	fd = accept_any(&ls, after(o->wait), peer);
	listeners_close(&ls);
	if (fd >= 0)
		tell_accepted(peer);
	return fd;
}

/* hear_one(o, gram, peer): the same for datagrams. */
static int hear_one(
	const struct options *o, struct gram *gram, struct addr *peer)
{
	static struct listeners ls;
	int fd;

	if (open_listeners(o, &ls) < 0)
		return -1;
	fd = first_peer(&ls, after(o->wait), gram);
	*peer = gram->peer;
	addr_unmap(peer);
	if (fd >= 0)
		tell_accepted(peer);
	return fd;
}

/* reach_one(o, peer): a client's connection. */
static int reach_one(const struct options *o, struct addr *peer)
{
	int64_t took;
	int fd = dial_long(
		&o->target, &o->prefs, o->wait, o->retry, peer, &took);

	if (fd >= 0)
		add(&watch.connected, took);
	if (fd >= 0 && !o->udp)
		tell_connected(&o->target, peer, took);
	if (fd < 0 && o->udp && !o->unixsock && !o->hub && why.error == EACCES)
		why_add(" (-b allows broadcast addresses)");
	return fd;
}

/* no_peer(): the exit status when there is none; --drain is no failure. */
static int no_peer(void)
{
	return why.error == ECANCELED ? DONE : complain();
}

/* mode_one(o): one peer, relayed to the console or, with -e, to itself. */
static int mode_one(const struct options *o)
{
	static struct gram gram;
	struct addr peer = { .len = 0 };
	int fd = !o->listen ? reach_one(o, &peer)
		: o->udp    ? hear_one(o, &gram, &peer)
			    : take_one(o, &peer);

	if (fd < 0)
		return no_peer();
	if (!o->listen)
		gram.peer = peer;
	return relay_with(o, fd, sock_is_connected(fd) ? NULL : &gram, &peer);
}

/* mode_connect(o): a client; with -F somebody else talks to the peer. */
static int mode_connect(const struct options *o)
{
	struct addr peer;
	int fd;

	if (!o->pass_fd)
		return mode_one(o);
	if (sock_name(STDOUT_FILENO).sa.sa_family != AF_UNIX) {
		fail("-F: standard output is no Unix-domain socket");
		return complain();
	}
	fd = reach_one(o, &peer);
	return fd < 0 || sock_pass(STDOUT_FILENO, fd) < 0 ? complain() : DONE;
}

/* One of many peers of an echo, and how long it may be silent. */
struct echo {
	struct flow flow;
	struct clock idle;
	int fd;
};

/* echo_tick(e): whether its peer has been silent for too long. */
static bool echo_tick(void *arg)
{
	struct echo *e = arg;

	return clock_passed(
		&e->idle, flow_mark(&e->flow) - unacknowledged(e->fd));
}

/* echo_service(d, fd, peer): its failure is the peer's own. */
static int echo_service(struct door *d, int fd, const struct addr *peer)
{
	const struct options *o = d->server->arg;
	struct end end = { .kind = STREAM, .fd = fd };
	struct echo e = { .fd = fd,
		.idle.limit = o->idle,
		.flow = {
			.from = end, .to = end, .lean = true, .session = &e } };
	struct shape both = shape_of(o, true, true);
	char text[ADDR_TEXT];
	struct session session;
	struct tap tap;
	enum outcome how;
	bool fin;

	door_follow(d);
	session_begin(&session, fd, peer);
	session_count(&session, &e.flow.got, &e.flow.put, NULL, NULL);
	e.flow.tap = tap_open(&tap, &both, tap_name(o, peer, text), NULL);
	if (o->idle < NEVER) {
		e.flow.tick = echo_tick;
		e.flow.span = tick_span(o->idle, NEVER, NEVER);
		sock_timeouts(fd, e.flow.span);
	}
	how = pump(&e.flow);
	fin = how == STOPPED && !o->reset && shutdown(fd, SHUT_WR) == 0;
	if (how == STOPPED || (o->reset && how == ENDED))
		stream_settle(fd, farewell, fin);
	session_end(&session,
		how == ENDED             ? "ended"
			: how == STOPPED ? "silent"
					 : error_reason(why.error));
	stream_close(fd, o->reset);
	tap_close(e.flow.tap);
	return how != STOPPED && flow_held(&e.flow) > 0 ? -1 : 0;
}

/* grams_write(part, n): messages to standard output. */
static void grams_write(struct iovec *part, int n)
{
	static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;
	struct flow f = { .to = { .kind = CONSOLE, .fd = STDOUT_FILENO } };

	pthread_mutex_lock(&output);
	if (flow_write_parts(&f, part, n) != ENDED)
		output_failed();
	pthread_mutex_unlock(&output);
}

/* port_thread(p): one of several sockets of a port; its failure ends all. */
static void *port_thread(void *arg)
{
	finish(port_run(arg) < 0 ? complain() : DONE);
}

/*
 * ports_run(o, ls, peers, heard): a loop for each socket, the last one here.
 * Ends when the first peer does not come within -w, or, without -k, when
 * nothing has come for that time or the one of --idle-timeout.
 */
static int ports_run(const struct options *o, struct listeners *ls,
	struct peers *peers,
	bool (*heard)(struct port *, const char *, size_t, const struct gram *),
	const void *arg)
{
	static struct port ports[LISTENERS];
	static atomic_llong reads;
	struct counters *counters = NULL;
	int64_t limit = o->wait < o->idle ? o->wait : o->idle;
	int last = ls->count - 1;
	struct gram first;

	if (o->listen && o->wait < NEVER &&
		wait_for_gram(ls, after(o->wait), &first) < 0)
		return complain();
	if (!arg)
		counters = port_session();
	if (peers)
		peers->counters = counters;
	for (int i = 0; i <= last; i++) {
		ports[i] = (struct port){ .fd = ls->fd[i].fd,
			.connected = !o->listen,
			.dump = o->dump,
			.named = o->keep,
			.access = ls->access,
			.peers = peers,
			.heard = heard,
			.write = grams_write,
			.arg = (void *)(uintptr_t)(arg ? arg : o),
			.reads = &reads,
			.counters = counters,
			.silence.limit = limit };
		if (i == last && !o->keep && !arg && limit < NEVER) {
			ports[i].tick = port_tick;
			sock_timeouts(
				ls->fd[i].fd, tick_span(limit, NEVER, NEVER));
		}
		if (i < last && thread_need(port_thread, &ports[i]) < 0)
			return complain();
	}
	if (port_run(&ports[last]) < 0)
		return complain();
	fail_as(TIMED_OUT, "nothing came for the time of %s",
		o->wait <= o->idle ? "-w" : "--idle-timeout");
	return complain();
}

/*
 * serve_peers(o, s): announce, serve, and stay until the server has stopped;
 * the exit status.
 */
static int serve_peers(const struct options *o, struct server *s)
{
	static struct listeners ls;

	if (o->most > 0 && (s->most == 0 || o->most < s->most))
		s->most = o->most;
	s->total = o->total;
	if (open_listeners(o, &ls) < 0 || serve(s, &ls, after(o->wait)) < 0)
		return complain();
	return server_stay(s) < 0 ? FAILED : DONE;
}

/*
 * server_spare(s): peers that have come must find the descriptors to go on: up
 * to six each.
 */
static void server_spare(struct server *s)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < PLENTY)
		s->most = files.rlim_cur > 22
			? (int64_t)(files.rlim_cur - 16) / 6
			: 1;
}

/* mode_echo(o): a listener's echo for datagrams, or for many peers. */
static int mode_echo(const struct options *o)
{
	struct listeners ls;
	static struct server s = { .service = echo_service };

	s.arg = (void *)(uintptr_t)o;
	if (o->udp)
		return open_listeners(o, &ls) < 0
			? complain()
			: ports_run(o, &ls, NULL, NULL, NULL);
	return serve_peers(o, &s);
}

/* mode_echo_one(o): a listener's echo for one peer; datagrams are of many. */
static int mode_echo_one(const struct options *o)
{
	return o->udp ? mode_echo(o) : mode_one(o);
}

/* What a hub, or a relay of many peers, consists of. */
struct hub {
	const struct options *o;
	struct room peers;   /* what the peers hear */
	struct room console; /* what standard output hears, in a relay */
	struct member self;  /* the console */
	struct chat *chat;   /* the console's lines, in a chat */
	bool relay;          /* the peers do not hear each other */
	bool leave_at_end;   /* a peer that ended does not stay */
};

/* member_reason(m, how): the word for its end. */
static const char *member_reason(struct member *m, enum outcome how)
{
	return m->evicted                    ? "evicted"
		: m->gone || how == NOT_READ ? "reset"
		: how == STOPPED || (m->flow.tick && m->flow.tick(m)) ? "silent"
								      : "ended";
}

/* hub_flow(h, m, chat): what m's peer sends, to the room, maybe as a chat. */
static void hub_flow(struct hub *h, struct member *m, struct chat *chat)
{
	const struct options *o = h->o;

	m->flow.from = (struct end){ .kind = STREAM, .fd = m->fd };
	m->flow.to = (struct end){ .kind = SINK,
		.arg = chat ? (void *)chat : m,
		.take = chat           ? chat_take
			: o->send_only ? nothing_taken
				       : member_take };
	m->flow.session = m;
	m->flow.lean = true;
	m->silence.limit = o->idle;
	if (o->idle == NEVER)
		return;
	m->flow.tick = member_tick;
	m->flow.span = tick_span(o->idle, NEVER, NEVER);
	sock_timeouts(m->fd, m->flow.span);
}

/*
 * hub_pump(h, m, chat): m in the room: until its peer has ended and, unless it
 * leaves with that, is gone.
 */
static enum outcome hub_pump(struct hub *h, struct member *m, struct chat *chat,
	const struct addr *peer)
{
	enum outcome how;

	room_join(&h->peers, m);
	if (chat)
		chat_join(chat, m, peer);
	how = pump(&m->flow);
	if (how == ENDED && !h->leave_at_end) {
		member_end(m);
		chat_leave(&chat);
		member_stay(m);
	}
	m->broken = how == NOT_READ;
	room_leave(&h->peers, m);
	chat_leave(&chat);
	room_rest(&h->peers);
	return how;
}

/* hub_service(d, fd, peer): a peer joins, posts, and leaves. */
static int hub_service(struct door *d, int fd, const struct addr *peer)
{
	struct hub *h = d->server->arg;
	const struct options *o = h->o;
	struct target anyone = { .type = SOCK_STREAM, .path = o->target.path };
	struct member m = {
		.hears = &h->peers, .tells = h->self.hears, .fd = fd
	};
	struct chat *chat = h->chat ? chat_new() : NULL;
	struct shape shape = shape_of(o, true, false);
	char text[ADDR_TEXT];
	struct session session;
	struct tap tap;
	enum outcome how;

	door_follow(d);
	session_begin(&session, fd, peer);
	session_count(&session, &m.flow.got, &m.sent, NULL, NULL);
	if (h->chat && !chat) {
		say("cannot serve a peer: %s", strerror(errno));
		session_end(&session, "failed");
		stream_close(fd, true);
		return -1;
	}
	target_place(&anyone, peer, m.place);
	m.hush.limit = SECOND;
	hub_flow(h, &m, chat);
	shape.lines = o->lines && !chat;
	m.flow.tap = tap_open(&tap, &shape, tap_name(o, peer, text), NULL);
	how = hub_pump(h, &m, chat, peer);
	if (!m.gone && !m.fin && !o->reset)
		m.fin = shutdown(fd, SHUT_WR) == 0;
	if (!m.gone && how != NOT_READ)
		stream_settle(fd, farewell, m.fin);
	session_end(&session, member_reason(&m, how));
	stream_close(fd, o->reset || m.evicted);
	tap_close(m.flow.tap);
	return m.lost ? -1 : 0;
}

/* hub_closing(hub): a hub ends with its last peer, a relay with its input. */
static void hub_closing(void *arg)
{
	struct hub *h = arg;

	if (!h->relay)
		room_close(&h->peers);
}

/* hub_output(hub): the thread that writes standard output. */
static void *hub_output(void *arg)
{
	struct hub *h = arg;

	room_to_console(&h->self);
	output_failed();
}

/* hub_input(hub): the thread that tells the room what the console says. */
static void *hub_input(void *arg)
{
	struct hub *h = arg;
	struct flow f = { .from = { .kind = CONSOLE,
				  .fd = STDIN_FILENO,
				  .gate = room_wait_for_peer,
				  .arg = &h->peers },
		.to = { .kind = SINK, .take = member_take, .arg = &h->self } };
	struct shape shape = shape_of(h->o, false, true);
	struct tap tap;

	shape.lines = h->o->lines && !h->chat;
	f.tap = tap_open(&tap, &shape, "*", NULL);
	if (h->chat)
		f.to = (struct end){
			.kind = SINK, .take = chat_take, .arg = h->chat
		};
	if (pump(&f) == NOT_READ)
		say("read from standard input failed: %s", why.text);
	if (h->chat)
		chat_end(h->chat);
	if (h->relay && !h->o->no_shutdown && !h->o->reset)
		room_end(&h->peers, value(&f.got) > 0);
	return NULL;
}

/*
 * hub_run(o): -lb and --chat, where all hear all, or -lk, where only the
 * console hears the peers and they hear only it.
 */
static int hub_run(const struct options *o)
{
	static struct hub h;
	static struct chat chat;
	static struct server s = {
		.service = hub_service, .closing = hub_closing, .arg = &h
	};
	int status;

	chat.self = &h.self;
	strcpy(chat.name, "server");
	h.o = o;
	h.self.fd = -1;
	h.self.tells = &h.peers;
	h.relay = !o->hub && !o->chat;
	h.chat = o->chat ? &chat : NULL;
	h.self.hears = h.relay ? &h.console : &h.peers;
	h.leave_at_end = h.relay && (o->recv_only || isatty(STDIN_FILENO));
	if (room_init(&h.peers) < 0 || room_init(&h.console) < 0)
		return complain();
	room_join(h.self.hears, &h.self);
	if (thread_need(hub_output, &h) < 0 ||
		thread_need(room_courier, &h.peers) < 0 ||
		(!o->recv_only && thread_need(hub_input, &h) < 0))
		return complain();
	status = serve_peers(o, &s);
	room_flush(h.self.hears, &h.self);
	return status;
}

/* grams_heard(p, buf, n, from): a message of a hub, or of -luk. */
static bool grams_heard(
	struct port *p, const char *buf, size_t n, const struct gram *from)
{
	const struct options *o = p->arg;

	pthread_mutex_lock(&p->peers->lock);
	peers_note(p->peers, p->fd, from);
	if (o->hub && peers_send(p->peers, buf, n, from) < 0)
		say("a datagram of %zu bytes is too long for a peer", n);
	pthread_mutex_unlock(&p->peers->lock);
	return n > 0 && !o->send_only;
}

/* peers_wait(peers): the gate of the console: nobody there, no reading. */
static void peers_wait(void *arg)
{
	struct peers *ps = arg;

	pthread_mutex_lock(&ps->lock);
	while (peers_expire(ps) == 0)
		signal_wait(&ps->came, &ps->lock, NEVER);
	pthread_mutex_unlock(&ps->lock);
}

/* peers_take(peers, buf, n): the sink of the console. */
static int peers_take(void *arg, const char *buf, size_t n)
{
	struct peers *ps = arg;
	int result;

	peers_wait(ps);
	pthread_mutex_lock(&ps->lock);
	result = peers_send(ps, buf, n, NULL);
	pthread_mutex_unlock(&ps->lock);
	return result;
}

struct grams { /* -luk, -lub */
	const struct options *o;
	struct peers peers;
};

/* grams_input(grams): the thread that sends the console's input to all. */
static void *grams_input(void *arg)
{
	struct grams *g = arg;
	struct flow f = { .from = { .kind = CONSOLE,
				  .fd = STDIN_FILENO,
				  .gate = peers_wait,
				  .arg = &g->peers },
		.to = { .kind = SINK,
			.take = peers_take,
			.arg = &g->peers,
			.most = DATAGRAM_OUT } };
	struct shape shape = shape_of(g->o, false, true);
	struct tap tap;
	enum outcome how;

	f.tap = tap_open(&tap, &shape, "*", NULL);
	how = pump(&f);

	if (how == NOT_WRITTEN) {
		fail("send failed: %s", strerror(why.error));
		finish(complain());
	}
	if (how == NOT_READ)
		say("read from standard input failed: %s", why.text);
	return NULL;
}

/* grams_run(o): -luk and -lub: the peers are the addresses heard from. */
static int grams_run(const struct options *o)
{
	static struct grams g;
	struct listeners ls;

	g.o = o;
	pthread_mutex_init(&g.peers.lock, NULL);
	signal_init(&g.peers.came);
	g.peers.most = o->most > 0 ? o->most : PEERS;
	g.peers.memory = o->idle < NEVER ? o->idle : remembered;
	if (open_listeners(o, &ls) < 0)
		return complain();
	if (!o->recv_only && thread_need(grams_input, &g) < 0)
		return complain();
	return ports_run(o, &ls, &g.peers, grams_heard, NULL);
}

/* mode_many(o): -lk, -lb and --chat. */
static int mode_many(const struct options *o)
{
	return o->udp ? grams_run(o) : hub_run(o);
}

/*
 * Many ports at once: each worker tests the next one, until there is none.
 * What was found is said in the order of the ports: as far as head nothing
 * will change any more.
 */
struct scan {
	const struct options *o;
	int64_t over;          /* --max-time */
	int64_t end;           /* of --retry */
	struct addr_list list; /* count 0: not yet resolved */
	struct addr local;
	pthread_mutex_t lock;   /* guards what follows */
	pthread_cond_t changed; /* there is something to show, or no worker */
	int workers;
	int next, head, shown;   /* ports: to be tested, known, said */
	int64_t start;           /* -i: not before this */
	bool news;               /* up to head there is something to show */
	bool hopeless;           /* the local end is not to be had */
	int last_port;           /* the highest one that is not open */
	struct why last, broken; /* why that is; why another failed */
	enum found {
		UNASKED,
		ASKED,
		OPEN,
		MUTE,
		SHUT,
		UNREACHABLE,
		BROKEN,
		FOUNDS
	} found[PORTS];
	unsigned char which[PORTS]; /* the address */
	char *said[PORTS];          /* for -v: why it is not open; or NULL */
};

/* scan_next(s): the port to be tested now, once it is time; 0: none. */
static int scan_next(struct scan *s)
{
	int64_t early = 0;
	int port;

	pthread_mutex_lock(&s->lock);
	while (s->next < PORTS && s->found[s->next] != ASKED)
		s->next++;
	port = s->next < PORTS ? s->next++ : 0;
	if (port > 0 && s->o->interval > 0) {
		early = s->start - now();
		s->start = after((early > 0 ? early : 0) + s->o->interval);
	}
	pthread_mutex_unlock(&s->lock);
	if (early > 0)
		pause_for(early);
	return port;
}

/* scan_test(s, list, port, which): what the port is, and at which address. */
static enum found scan_test(
	struct scan *s, struct addr_list *list, int port, int *which)
{
	struct race r = { .target = &s->o->target,
		.prefs = &s->o->prefs,
		.deadline = after(s->o->wait),
		.local = s->local,
		.list = list };
	struct target through = s->o->target;
	struct addr peer;
	int64_t limit;
	int fd;

	limit = r.deadline;
	if (r.deadline > s->end)
		r.deadline = s->end;
	for (int i = 0; i < list->count; i++)
		addr_set_port(&list->at[i], port);
	through.port = port;
	fd = s->o->prefs.proxy
		? dial_way(&through, &s->o->prefs, r.deadline, &peer)
		: race_run(&r, &peer);
	*which = r.last;
	if (fd >= 0) {
		stream_close(fd, s->o->reset);
		return OPEN;
	}
	late(&s->o->prefs, limit, s->end);
	if (r.hopeless)
		return ASKED;
	if (why.status == TIMED_OUT)
		return MUTE;
	if (why.error == EHOSTUNREACH || why.error == ENETUNREACH)
		return UNREACHABLE;
	return why.error == ECONNREFUSED ? SHUT : BROKEN;
}

/* scan_visible(s, port): something is to be said about it. */
static bool scan_visible(const struct scan *s, int port)
{
	return s->found[port] == OPEN || s->said[port] ||
		(s->found[port] == MUTE && s->o->udp);
}

/* scan_advance(s, all): move head as far as it is known, or wanted. */
static void scan_advance(struct scan *s, bool all)
{
	for (; s->head < PORTS; s->head++) {
		enum found f = s->found[s->head];

		if (!all &&
			(f == ASKED ||
				(s->o->retry > 0 && f != UNASKED && f != OPEN)))
			return;
		s->news = s->news || scan_visible(s, s->head);
	}
}

/* scan_failed(s, port, found): it is not open; keep the reason in why. */
static void scan_failed(struct scan *s, int port, enum found found)
{
	if (found == ASKED) { /* it could not be tested, nor can others */
		s->hopeless = true;
		s->next = PORTS;
	}
	if (found == ASKED || found == BROKEN)
		s->broken = why;
	if (s->last.text[0] == '\0' || port > s->last_port) {
		s->last = why;
		s->last_port = port;
	}
	if (messages.loudness > 0 && found != ASKED) {
		free(s->said[port]);
		s->said[port] = strdup(why.text);
	}
}

/* scan_note(s, port, found, which): unless time is over. */
static void scan_note(struct scan *s, int port, enum found found, int which)
{
	pthread_mutex_lock(&s->lock);
	if (s->head < PORTS) {
		s->found[port] = found;
		s->which[port] = (unsigned char)which;
		if (found != OPEN)
			scan_failed(s, port, found);
		scan_advance(s, false);
		if (s->news)
			pthread_cond_signal(&s->changed);
	}
	pthread_mutex_unlock(&s->lock);
}

/* scan_work(s): a worker: port after port. */
static void *scan_work(void *arg)
{
	struct scan *s = arg;
	struct addr_list list = s->list;
	enum found found;
	int port, which;

	while ((port = scan_next(s)) > 0) {
		found = scan_test(s, &list, port, &which);
		scan_note(s, port, found, which);
	}
	pthread_mutex_lock(&s->lock);
	if (--s->workers == 0)
		pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* scan_report(s, t, a, name): for --json: what scan_say says. */
static void scan_report(const struct scan *s, const struct target *t,
	const struct addr *a, const char *name)
{
	struct object o;

	object_begin(&o, "scan");
	object_text(&o, "host", t->host);
	if (s->o->prefs.proxy)
		object_number(&o, "port", t->port);
	else
		object_addr(&o, a);
	object_text(&o, "protocol", target_kind(t));
	if (*name)
		object_text(&o, "service", name);
	object_text(&o, "state",
		s->found[t->port] == OPEN ? "open" : "open|filtered");
	if (object_end(&o, STDOUT_FILENO) < 0) {
		fail("write to standard output failed:");
		output_failed();
	}
}

/* scan_say(s, port): one line each for standard output and standard error. */
static void scan_say(const struct scan *s, int port)
{
	struct target t = s->o->target;
	struct addr a = s->list.at[s->which[port]];
	char host[ADDR_TEXT], name[32], line[PLACE_TEXT];

	addr_set_port(&a, port);
	t.port = port;
	if (s->found[port] == OPEN && !messages.json)
		tell_connected(&t, &a, 0);
	else if (s->said[port])
		say("%s", s->said[port]);
	if (s->found[port] != OPEN && !(s->found[port] == MUTE && s->o->udp))
		return;
	service_name(&t, port, name);
	if (messages.json) {
		scan_report(s, &t, &a, name);
		return;
	}
	snprintf(line, sizeof(line), "%.255s %d %s %s%s%s\n",
		s->o->prefs.proxy ? t.host : addr_host(&a, host), port,
		s->found[port] == OPEN ? "open" : "open|filtered",
		target_kind(&t), *name ? "/" : "", name);
	if (write_whole(STDOUT_FILENO, line, strlen(line)) < 0) {
		fail("write to standard output failed:");
		output_failed();
	}
}

/* scan_show(s): say what is known, up to head; with the lock held. */
static void scan_show(struct scan *s)
{
	int to = s->head;

	s->news = false;
	pthread_mutex_unlock(&s->lock);
	for (; s->shown < to; s->shown++)
		if (scan_visible(s, s->shown))
			scan_say(s, s->shown);
	pthread_mutex_lock(&s->lock);
}

/* scan_width(o, list, n): how many of n ports can be tested at once. */
static int scan_width(const struct options *o, const struct addr_list *list)
{
	struct rlimit files;
	int64_t n = o->parallel, room;

	if (o->prefs.source_port > 0 && (o->udp || !o->prefs.reuseaddr))
		return 1;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < PLENTY) {
		room = ((int64_t)files.rlim_cur - 8) / list->count;
		n = room < 1 ? 1 : room < n ? room : n;
	}
	return (int)n;
}

/*
 * scan_threads(s, n): run n workers, fewer when there are not so many threads,
 * and show what they find until they are done, or --max-time has passed.
 */
static int scan_threads(struct scan *s, int n)
{
	bool in_time = true;

	pthread_mutex_lock(&s->lock);
	s->next = 1;
	for (s->workers = 0; s->workers < n; s->workers++)
		if (pool_run(scan_work, s) < 0)
			break;
	if (s->workers == 0) {
		s->workers = 1;
		pthread_mutex_unlock(&s->lock);
		scan_work(s);
		pthread_mutex_lock(&s->lock);
	}
	while (s->workers > 0 && in_time) {
		scan_show(s);
		while (s->workers > 0 && !s->news && in_time)
			in_time = signal_wait(&s->changed, &s->lock, s->over);
	}
	s->next = PORTS;
	pthread_mutex_unlock(&s->lock);
	if (!in_time)
		fail_as(TIMED_OUT, "the time of --max-time passed");
	return in_time ? 0 : HOPELESS;
}

/* scan_resolve(s): both ends. */
static int scan_resolve(struct scan *s)
{
	const struct options *o = s->o;
	int64_t limit = after(o->wait);

	if (limit > s->end)
		limit = s->end;
	if (limit > s->over)
		limit = s->over;
	s->list.count = 1; /* a proxy resolves it */
	if (o->prefs.proxy ||
		dial_ends(&o->target, &o->prefs, limit, &s->list, &s->local) ==
			0)
		return 0;
	s->list.count = 0;
	return -1;
}

/* scan_round(s, end): test what is not open; -1 when not all is open then. */
static int scan_round(void *arg, int64_t end)
{
	struct scan *s = arg;
	int n = 0, width;

	s->end = end;
	if (s->list.count == 0 && scan_resolve(s) < 0)
		return -1;
	for (int port = 1; port < PORTS; port++)
		if (s->o->ports->has[port] && s->found[port] != OPEN) {
			s->found[port] = ASKED;
			n++;
		}
	s->last.text[0] = '\0';
	width = scan_width(s->o, &s->list);
	if (scan_threads(s, n < width ? n : width) < 0)
		return HOPELESS;
	why = s->hopeless ? s->broken : s->last;
	return s->hopeless ? HOPELESS : s->last.text[0] ? -1 : 0;
}

/* scan_verdict(s): the exit status; that no port is open is said. */
static int scan_verdict(const struct scan *s)
{
	static const char *const words[FOUNDS] = { [MUTE] = "silent",
		[SHUT] = "refused",
		[UNREACHABLE] = "unreachable",
		[BROKEN] = "failed" };
	static const enum found order[] = { SHUT, MUTE, UNREACHABLE, BROKEN };
	int count[FOUNDS] = { 0 };
	char text[160] = "";
	size_t n = 0;

	for (int port = 1; port < PORTS; port++)
		count[s->found[port]]++;
	if (count[OPEN] > 0)
		return DONE;
	for (size_t i = 0; i < COUNT(order); i++)
		if (count[order[i]] > 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n,
				"%s %d %s", n > 0 ? "," : ":", count[order[i]],
				words[order[i]]);
	fail_as(count[MUTE] == s->o->ports->count ? TIMED_OUT : FAILED,
		"no port of %.255s is open%s%s%.200s%s", s->o->target.host,
		text, count[BROKEN] ? " (" : "",
		count[BROKEN] ? s->broken.text : "", count[BROKEN] ? ")" : "");
	return complain();
}

/* mode_scan(o): -z with several ports: which of them are open. */
static int mode_scan(const struct options *o)
{
	static struct scan s = { .lock = PTHREAD_MUTEX_INITIALIZER };
	int64_t retry = o->retry < o->max_time ? o->retry : o->max_time;
	struct why reason;
	int result;

	s.o = o;
	s.over = after(o->max_time);
	signal_init(&s.changed);
	result = persist(retry, scan_round, &s);
	reason = why;
	pthread_mutex_lock(&s.lock);
	scan_advance(&s, true);
	scan_show(&s);
	if (result == -1 && retry == 0 && s.list.count > 0)
		return scan_verdict(&s);
	why = reason;
	if (result == HOPELESS) /* maybe workers are still at it */
		finish(complain());
	return result < 0 ? complain() : DONE;
}

/* mode_zero(o): connect and close; only the exit status and -v tell. */
static int mode_zero(const struct options *o)
{
	struct addr peer;
	int64_t took;
	int fd;

	if (o->ports)
		return mode_scan(o);
	fd = dial_long(&o->target, &o->prefs, o->wait, o->retry, &peer, &took);
	if (fd < 0)
		return complain();
	stream_close(fd, o->reset);
	tell_connected(&o->target, &peer, took);
	return DONE;
}

/* silence_limit(o): how long a connection of a service may be silent. */
static int64_t silence_limit(const struct options *o)
{
	return !o->keep && o->wait < o->idle ? o->wait : o->idle;
}

/*
 * silent_too_long(o, place): with -k that is the peer's own affair; else -1.
 */
static int silent_too_long(const struct options *o, const char *place)
{
	const char *limit =
		o->keep || o->idle <= o->wait ? "--idle-timeout" : "-w";

	if (!o->keep)
		return fail_as(TIMED_OUT,
			"connection to %s: silent for the time of %s", place,
			limit);
	tell("Connection to %s: silent for the time of %s", place, limit);
	return 0;
}

/* One datagram peer's command or connection: what the links are told. */
static bool links_message(
	struct port *p, const char *buf, size_t n, const struct gram *from)
{
	if (links_heard(p->arg, p->fd, buf, n, from))
		tell_accepted(&from->peer);
	return false;
}

_Noreturn static void links_ended(int status)
{
	finish(status);
}

/* links_prepare(all, o, most): without -k the first peer is the only one. */
static void links_prepare(
	struct links *all, const struct options *o, int64_t most)
{
	pthread_mutex_init(&all->lock, NULL);
	all->most = o->most > 0 ? o->most : most;
	all->single = !o->keep;
	all->memory = silence_limit(o);
	if (o->keep && all->memory == NEVER)
		all->memory = remembered;
	all->ended = links_ended;
	all->shape = shape_of(o, false, true);
	all->arg = o;
}

/* links_run(all, o): for whoever sends datagrams to a listener. */
static int links_run(struct links *all, const struct options *o)
{
	static struct listeners ls;

	return open_listeners(o, &ls) < 0
		? complain()
		: ports_run(o, &ls, NULL, links_message, all);
}

/* command_pipes(all, link, ends): the command of a datagram peer. */
static int command_pipes(struct links *all, struct link *l, int ends[2])
{
	const struct options *o = all->arg;
	struct addr local = sock_name(l->port);
	struct variables v;
	int in[2], out[2] = { -1, -1 }, result = -1;

	if (l->peer.family == AF_INET6 &&
		!IN6_IS_ADDR_UNSPECIFIED(&l->peer.local.six.ipi6_addr))
		local.in6.sin6_addr = l->peer.local.six.ipi6_addr;
	if (l->peer.family == AF_INET)
		local = addr_ipv4(l->peer.local.four.ipi_addr, &local);
	variables_fill(&v, SOCK_DGRAM, &local, &l->peer.peer);
	if (pipe_new(in) < 0)
		return fail("cannot create a pipe:");
	/* What it writes in one piece is one datagram. */
	if (pair_new(out, SOCK_SEQPACKET) < 0 && pipe_new(out) < 0)
		fail("cannot create a pipe:");
	else
		result = command_start(
			&l->command, o->command, o->direct, &v, in[0], out[1]);
	close(in[0]);
	if (out[1] >= 0)
		close(out[1]);
	(void)fcntl(in[1], F_SETFL, O_NONBLOCK);
	ends[0] = in[1];
	ends[1] = out[0];
	if (result < 0) {
		close(ends[0]);
		close(ends[1]);
	}
	return result;
}

/* commands_grams(o): -uc: a command for each peer, or for the one we dial. */
static int commands_grams(const struct options *o)
{
	static struct links all;
	static struct listeners ls;
	struct gram gram = { .family = 0 };
	int fd;

	all.commands = true;
	all.begin = command_pipes;
	links_prepare(&all, o, COMMANDS);
	if (o->listen)
		return links_run(&all, o);
	fd = reach_one(o, &gram.peer);
	if (fd < 0)
		return complain();
	ls = (struct listeners){ .count = 1, .fd[0].fd = fd, .stop = -1 };
	pthread_mutex_lock(&all.lock);
	if (!link_new(&all, fd, &gram))
		finish(FAILED);
	pthread_mutex_unlock(&all.lock);
	finish(ports_run(o, &ls, NULL, links_message, &all));
}

/* bridge_thread(d): for bridge_run; where d lacks one it waits. */
static struct job *bridge_thread(struct door *d)
{
	struct job *back;

	while (!(back = pool_reserve())) {
		fail("cannot start a thread:");
		if (!d)
			break;
		server_pause(d->server);
	}
	return back;
}

/*
 * command_session(o, d, fd, peer, status): a command for a connection, which is
 * closed.  d: where one of many came in, and waits for what others have, or
 * NULL.  -1 when it could not be run, or not to its end.
 */
static int command_session(const struct options *o, struct door *d, int fd,
	const struct addr *peer, int *status)
{
	struct target anyone = { .type = SOCK_STREAM, .path = o->target.path };
	struct addr local = sock_name(fd), remote = *peer;
	struct command c = { .watch = -1 };
	struct variables v;
	struct tap taps[2], *tap[2];
	char place[PLACE_TEXT];
	int64_t limit = silence_limit(o);
	struct job *back = NULL;
	int pair[2] = { -1, fd }, result;
	bool limited = false, bridged;
	struct session session;

	session_begin(&session, fd, peer);
	if (o->prefs.proxy) {
		anyone = o->target;
		remote.len = sizeof(remote.un);
		(void)getpeername(fd, &remote.sa, &remote.len);
	}
	variables_fill(&v, SOCK_STREAM, &local, &remote);
	target_place(&anyone, peer, place);
	taps_open(o, taps, peer, &tap[0], &tap[1]);
	bridged = limit < NEVER || tap[0] || watch.stats;
	do
		result = bridged && pair[0] < 0 &&
				pair_new(pair, SOCK_STREAM) < 0
			? fail("cannot create a pair of sockets:")
			: command_start(&c, o->command, o->direct, &v, pair[1],
				  pair[1]);
	while (result < 0 && d && server_is_short(d->server));
	if (result == 0 && bridged)
		back = bridge_thread(d);
	if (d)
		door_follow(d);
	if (pair[1] != fd)
		close(pair[1]);
	if (result < 0) {
		if (pair[0] >= 0)
			close(pair[0]);
		session_end(&session, "failed");
		stream_close(fd, true);
		return -1;
	}
	result = bridged ? command_bridged(&c, fd, pair[0], back, limit, tap,
				   &session, place, &limited)
			 : command_serve(&c, fd, o->reset, &session, place);
	command_forget(&c);
	*status = c.status;
	return limited && result == 0 ? silent_too_long(o, place) : result;
}

/* command_service(d, fd, peer): the command for one of many. */
static int command_service(struct door *d, int fd, const struct addr *peer)
{
	int status;

	if (command_session(d->server->arg, d, fd, peer, &status) == 0)
		return 0;
	say("%s", why.text);
	return -1;
}

/* mode_command(o): one peer; the command's status is ours. */
static int mode_command(const struct options *o)
{
	struct addr peer;
	int fd, status = DONE;

	if (o->udp)
		return commands_grams(o);
	fd = o->listen ? take_one(o, &peer) : reach_one(o, &peer);
	if (fd < 0)
		return no_peer();
	return command_session(o, NULL, fd, &peer, &status) < 0 ? complain()
								: status;
}

/* mode_commands(o): a command for each of many peers. */
static int mode_commands(const struct options *o)
{
	static struct server s = { .service = command_service };

	s.arg = (void *)(uintptr_t)o;
	if (o->udp)
		return commands_grams(o);
	server_spare(&s);
	return serve_peers(o, &s);
}

/* forward_gram(all, link, ends): the way on of a datagram peer. */
static int forward_gram(struct links *all, struct link *l, int ends[2])
{
	const struct options *o = all->arg;
	struct addr target;
	int64_t took;
	int fd = dial_long(
		&o->onward, &o->prefs, o->wait, o->retry, &target, &took);

	if (fd >= 0 && !sock_is_connected(fd))
		l->group.peer = target;
	ends[0] = ends[1] = fd;
	return fd < 0 ? -1 : 0;
}

/* forward_grams(o): -u --forward: a socket of its own for each peer. */
static int forward_grams(const struct options *o)
{
	static struct links all;

	all.begin = forward_gram;
	links_prepare(&all, o, PEERS);
	return links_run(&all, o);
}

/*
 * forward_broken(o, b, place): a stream has failed.  Without -k that is our
 * failure; with it only bytes that we had and could not deliver are.  What was
 * sent before an end that was passed on still arrives.
 */
static int forward_broken(
	const struct options *o, struct bridge *b, const char *place)
{
	long long held = flow_held(&b->way[0]) + flow_held(&b->way[1]);

	for (int i = 0; i < 2; i++)
		if (b->ended[i] || b->culprit == i)
			stream_settle(b->fd[!i], farewell, b->ended[i]);
	if (held == 0 && o->keep) {
		tell("Connection to %s failed: %s", place, b->why.text);
		return 0;
	}
	return bytes_lost("connection to", place, b->why.text, held, FAILED);
}

struct forward {              /* a peer and its target */
	struct bridge bridge; /* the first: what is done with it is told */
	const struct options *options;
	struct server *server; /* of many peers, or NULL */
	int keeper;            /* the set of its keeper, or -1: ... */
	struct job *back;      /* ... it has a thread */
	struct addr peer, target;
	struct session session;
	struct tap taps[2];
};

/*
 * forward_new(o, peer): with what will have both its ways.  NULL when there is
 * no memory, or no thread.
 */
static struct forward *forward_new(
	const struct options *o, const struct addr *peer)
{
	struct forward *f = malloc(sizeof(*f));
	struct tap **tap = f ? f->bridge.tap : NULL;

	if (!f) {
		fail("cannot forward:");
		return NULL;
	}
	*f = (struct forward){ .options = o, .peer = *peer };
	taps_open(o, f->taps, peer, &tap[0], &tap[1]);
	f->keeper = !o->keep || silence_limit(o) < NEVER || tap[0] || tap[1]
		? -1
		: keeper_find();
	f->back = f->keeper < 0 ? pool_reserve() : NULL;
	if (f->keeper >= 0 || f->back)
		return f;
	fail("cannot start a thread:");
	free(f);
	return NULL;
}

/* forward_end(f): how it went, once both ways have ended. */
static int forward_end(struct forward *f)
{
	const struct options *o = f->options;
	struct bridge *b = &f->bridge;
	struct target anyone = { .type = SOCK_STREAM, .path = o->target.path };
	char place[PLACE_TEXT];
	int64_t held = flow_held(&b->way[0]) + flow_held(&b->way[1]);
	int64_t lost = held;
	int64_t patience = b->limited ? farewell : silence_limit(o);

	if (!b->broken && !b->limited && o->keep && lost == 0)
		return 0;
	if (b->broken ? b->culprit == 1 : flow_held(&b->way[0]) > 0)
		target_place(&o->onward, &f->target, place);
	else
		target_place(&anyone, &f->peer, place);
	if (b->broken)
		return forward_broken(o, b, place);
	if (lost > 0 && o->keep && !b->limited) {
		patience = farewell;
		for (int i = 0; i < 2; i++)
			(void)shutdown(b->fd[i], SHUT_WR);
	}
	if (b->limited || !o->keep || lost > 0)
		lost += stream_settle(b->fd[0], patience, true) +
			stream_settle(b->fd[1], patience, true);
	if (b->limited)
		return silent_too_long(o, place);
	return lost == 0
		? 0
		: bytes_lost("connection to", place,
			  strerror(held > 0 ? EPIPE : errno), lost, FAILED);
}

/*
 * forward_open(f, fd): connect a peer to the target.  Where there is none the
 * peer is reset.
 */
static int forward_open(struct forward *f, int fd)
{
	const struct options *o = f->options;
	struct bridge *b = &f->bridge;
	int64_t took;
	int other;

	session_begin(&f->session, fd, &f->peer);
	other = dial_long(
		&o->onward, &o->prefs, o->wait, o->retry, &f->target, &took);
	if (other < 0) {
		pool_release(f->back);
		session_end(&f->session, "failed");
		stream_close(fd, true);
		return -1;
	}
	tell_connected(&o->onward, &f->target, took);
	b->session = &f->session;
	bridge_open(b, fd, other, silence_limit(o), false);
	return 0;
}

/*
 * forward_close(f, begun): both ways have ended, or never began.  Where either
 * stream was reset, so is the other.
 */
static int forward_close(struct forward *f, bool begun)
{
	struct bridge *b = &f->bridge;
	int result = begun ? forward_end(f) : -1;

	session_end(&f->session, begun ? bridge_reason(b, result) : "failed");
	for (int i = 0; i < 2; i++)
		stream_close(b->fd[i], b->broken || !begun);
	return result;
}

/* forward_done(b): one of many is over. */
static void forward_done(struct bridge *b)
{
	struct forward *f = (struct forward *)b;
	bool lost = forward_close(f, true) < 0;

	if (lost)
		say("%s", why.text);
	server_leave(f->server, true, lost);
	free(f);
}

/* forward_run(f, d): both ways to their ends, on this thread and another. */
static int forward_run(struct forward *f, struct door *d)
{
	struct job *back = f->back ? f->back : bridge_thread(d);

	return forward_close(f, bridge_run(&f->bridge, back) == 0);
}

/*
 * forward_service(d, fd, peer): one of many; mostly a keeper has it from then
 * on, else it is moved here, to its end.
 */
static int forward_service(struct door *d, int fd, const struct addr *peer)
{
	struct forward *f;
	int result;

	while (!(f = forward_new(d->server->arg, peer)))
		server_pause(d->server);
	door_follow(d);
	f->server = d->server;
	result = forward_open(f, fd);
	if (result == 0 && f->keeper >= 0 &&
		bridge_commit(&f->bridge, f->keeper, forward_done) == 0)
		return SERVING;
	if (result == 0)
		result = forward_run(f, d);
	if (result < 0)
		say("%s", why.text);
	free(f);
	return result;
}

/* mode_forward(o): one peer. */
static int mode_forward(const struct options *o)
{
	struct forward *f;
	struct addr peer;
	int fd, result;

	if (o->udp)
		return forward_grams(o);
	fd = take_one(o, &peer);
	if (fd < 0)
		return no_peer();
	f = forward_new(o, &peer);
	result = f && forward_open(f, fd) == 0 ? forward_run(f, NULL) : -1;
	free(f);
	return result < 0 ? complain() : DONE;
}

/* mode_forwards(o): many peers. */
static int mode_forwards(const struct options *o)
{
	static struct server s = { .service = forward_service };

	s.arg = (void *)(uintptr_t)o;
	if (o->udp)
		return forward_grams(o);
	server_spare(&s);
	return serve_peers(o, &s);
}

enum mode_id {
	CONNECT,
	LISTEN,
	KEEP,
	ECHO_CLIENT,
	ECHO_ONE,
	ECHO_MANY,
	HUB,
	CHAT,
	COMMAND_CLIENT,
	COMMAND_ONE,
	COMMAND_MANY,
	FORWARD_ONE,
	FORWARD_MANY,
	PROBE,
	MODES
};

struct mode {
	const char *name;   /* heading of the matrix in the manual */
	const char *phrase; /* "... makes no sense" */
	int (*run)(const struct options *);
};

static const struct mode modes[MODES] = {
	[CONNECT] = { "connect", "without -l", mode_connect },
	[LISTEN] = { "-l", "with -l without -k", mode_one },
	[KEEP] = { "-lk", "with -lk", mode_many },
	[ECHO_CLIENT] = { "-e", "with -e without -l", mode_one },
	[ECHO_ONE] = { "-le", "with -le without -k", mode_echo_one },
	[ECHO_MANY] = { "-lke", "with -lke", mode_echo },
	[HUB] = { "-lb", "with -lb", mode_many },
	[CHAT] = { "--chat", "with --chat", mode_many },
	[COMMAND_CLIENT] = { "-c", "with -c without -l", mode_command },
	[COMMAND_ONE] = { "-lc", "with -lc without -k", mode_command },
	[COMMAND_MANY] = { "-lkc", "with -lkc", mode_commands },
	[FORWARD_ONE] = { "--forward", "with --forward without -k",
		mode_forward },
	[FORWARD_MANY] = { "-k --forward", "with -k --forward", mode_forwards },
	[PROBE] = { "-z", "with -z", mode_zero },
};

/* mode_of(o): which mode the options ask for. */
static enum mode_id mode_of(const struct options *o)
{
	if (o->zero)
		return PROBE;
	if (!o->listen)
		return o->command ? COMMAND_CLIENT
			: o->echo ? ECHO_CLIENT
				  : CONNECT;
	if (o->chat)
		return CHAT;
	if (o->hub)
		return HUB;
	if (o->forward)
		return o->keep ? FORWARD_MANY : FORWARD_ONE;
	if (o->command)
		return o->keep ? COMMAND_MANY : COMMAND_ONE;
	if (o->echo)
		return o->keep ? ECHO_MANY : ECHO_ONE;
	return o->keep ? KEEP : LISTEN;
}

/*
 * ---- command line ---------------------------------------------------------
 *
 * One table names every option: how it is written, what it sets, and for each
 * mode whether it acts (+), is accepted without effect (.), or is refused (-).
 * A mode's mark may depend on the socket: s acts on streams only, d on UDP
 * only, u on datagrams only, o on the outgoing side of a forward, b on either
 * side of it; blank: the option itself makes another mode.  The second string
 * says the same for TCP, UDP, Unix streams and Unix datagrams; the stricter of
 * the two counts.
 */
struct option_spec {
	char letter; /* 0: there is only the long name */
	const char *name;
	const char *arg; /* what it takes, NULL: nothing; of a heading: it */
	const char *on_mode; /* as the table of modes has them */
	const char *on_sock; /* tcp udp unix unix-datagram */
	int (*set)(struct options *o, const struct option_spec *spec,
		const char *what, const char *arg);
	size_t at;        /* the member of struct options that it sets */
	int64_t min, max; /* of numbers; for flags min is the value */
};

/*
 * What the rows of the table do with an option and its argument: set_NAME(o,
 * spec, what, arg), where what is how the option was written, for messages; -1
 * with why when arg is not right.
 */
static void *option_at(struct options *o, const struct option_spec *spec)
{
	return (char *)o + spec->at;
}

static int set_flag(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	(void)what, (void)arg;
	*(bool *)option_at(o, spec) = spec->min != 0;
	return 0;
}

static int set_text(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	if (!*arg)
		return fail_as(MISUSED, "%s: \"\" is empty", what);
	*(const char **)option_at(o, spec) = arg;
	return 0;
}

static int set_number(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	return parse_number(
		what, arg, spec->min, spec->max, option_at(o, spec));
}

static int set_size(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	return parse_size(
		what, arg, spec->max > 0 ? spec->max : 1, option_at(o, spec));
}

static int set_time(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	return parse_time(what, arg, spec->min, option_at(o, spec));
}

static int set_octal(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	return parse_octal(what, arg, spec->max, option_at(o, spec));
}

/* set_shutdown: asked for, it is done under --expect as well. */
static int set_shutdown(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	(void)spec, (void)what, (void)arg;
	o->no_shutdown = false;
	o->shutdown_given = true;
	return 0;
}

/* set_quit: a negative time means never. */
static int set_quit(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	(void)spec;
	o->quit_given = true;
	if (parse_time(what, arg + (*arg == '-'), 0, &o->quit) < 0)
		return misuse(what, arg, "a time (negative: never)");
	if (*arg == '-')
		o->quit = NEVER;
	return 0;
}

/* set_loudness: each -v is one more, and ends --quiet; that ends all -v. */
static int set_loudness(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	(void)o, (void)what, (void)arg;
	messages.loudness = spec->min < 0 ? -1
		: messages.loudness < 0   ? 1
					  : messages.loudness + 1;
	return 0;
}

static int set_json(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	(void)o, (void)spec, (void)what, (void)arg;
	messages.json = true;
	return 0;
}

/* set_bytes: with escapes; a second one is refused, not forgotten. */
static int set_bytes(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	struct bytes *to = option_at(o, spec);

	if (to->at)
		return fail_as(MISUSED, "%s is given twice", what);
	if (!*arg)
		return fail_as(MISUSED, "%s: \"\" is empty", what);
	return parse_escapes(what, arg, to);
}

/* set_expect: the same for a text that is waited for. */
static int set_expect(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	return set_bytes(o, spec, what, arg) < 0 ||
			needle_init(&o->expect, &o->expect.text) < 0
		? -1
		: 0;
}

/* set_proxy_type: nc.openbsd's words, and ncat's. */
static int set_proxy_type(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	static const struct {
		const char *name;
		enum proxy_type type;
	} names[] = { { "5", SOCKS5 }, { "socks5", SOCKS5 }, { "4", SOCKS4 },
		{ "socks4", SOCKS4 }, { "connect", HTTP_CONNECT },
		{ "http", HTTP_CONNECT } };

	(void)spec;
	for (size_t i = 0; i < COUNT(names); i++)
		if (strcmp(arg, names[i].name) == 0) {
			o->via.type = names[i].type;
			return 0;
		}
	return misuse(what, arg, "4, 5 or connect");
}

/* set_command: min tells whether it runs directly or in a shell. */
static int set_command(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	if (arg[strspn(arg, " \t")] == '\0')
		return fail_as(MISUSED, "%s: \"%s\" is empty", what, arg);
	o->command = arg;
	o->direct = spec->min != 0;
	return 0;
}

/* set_access: one more list, or file of one; min tells the sort. */
static int set_access(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	return access_add(&o->access, (int)spec->min, what, arg);
}

/* set_keepalive: IDLE[,INTERVAL[,COUNT]], in whole seconds. */
static int set_keepalive(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	int64_t *to[] = { &o->prefs.keep_idle, &o->prefs.keep_interval,
		&o->prefs.keep_count };
	static const int64_t most[] = { 32767, 32767, 127 };
	const char *rest = arg;
	size_t i;

	o->prefs.keepalive = (int)spec->min;
	for (i = 0; arg && i < COUNT(to); i++) {
		*to[i] = digits(rest, 10, most[i], &rest);
		if (*to[i] < 1 || (*rest && *rest != ','))
			break;
		if (*rest == '\0')
			return 0;
		rest++;
	}
	return arg ? misuse(what, arg, "IDLE[,INTERVAL[,COUNT]] in seconds")
		   : 0;
}

/* set_tos: a name of nc.openbsd's list, or a number, maybe hexadecimal. */
static int set_tos(struct options *o, const struct option_spec *spec,
	const char *what, const char *arg)
{
	static const struct {
		const char *name;
		int tos;
	} names[] = {
		{ "af11", 0x28 },
		{ "af12", 0x30 },
		{ "af13", 0x38 },
		{ "af21", 0x48 },
		{ "af22", 0x50 },
		{ "af23", 0x58 },
		{ "af31", 0x68 },
		{ "af32", 0x70 },
		{ "af33", 0x78 },
		{ "af41", 0x88 },
		{ "af42", 0x90 },
		{ "af43", 0x98 },
		{ "critical", 0xa0 },
		{ "cs0", 0x00 },
		{ "cs1", 0x20 },
		{ "cs2", 0x40 },
		{ "cs3", 0x60 },
		{ "cs4", 0x80 },
		{ "cs5", 0xa0 },
		{ "cs6", 0xc0 },
		{ "cs7", 0xe0 },
		{ "ef", 0xb8 },
		{ "inetcontrol", 0xc0 },
		{ "le", 0x04 },
		{ "lowcost", 0x02 },
		{ "lowdelay", 0x10 },
		{ "netcontrol", 0xe0 },
		{ "reliability", 0x04 },
		{ "throughput", 0x08 },
	};
	char *end;
	long n;

	(void)spec;
	for (size_t i = 0; i < COUNT(names); i++)
		if (strcasecmp(arg, names[i].name) == 0) {
			o->prefs.tos = names[i].tos;
			return 0;
		}
	n = strtol(arg, &end, 0);
	if (!isdigit((unsigned char)*arg) || *end || n > 255)
		return misuse(what, arg,
			"a name like lowdelay or af21, nor a "
			"number from 0 to 255");
	o->prefs.tos = n;
	return 0;
}

#define AT(member) offsetof(struct options, member)
#define ALL "++++++++++++++", "++++"

/* clang-format off: a row an option, the marks in columns */
static const struct option_spec specs[] = {
	{ 0, NULL, "Addresses", NULL, NULL, NULL, 0, 0, 0 },
	{ '4', "ipv4", NULL, "+++++++++++bb+", "++--", set_flag, AT(four), true,
		0 },
	{ '6', "ipv6", NULL, "+++++++++++bb+", "++--", set_flag, AT(six), true,
		0 },
	{ 'U', "unixsock", NULL, ALL, set_flag, AT(unixsock), true, 0 },
	{ 'u', "udp", NULL, "+++++++-++++++", "++++", set_flag, AT(udp), true,
		0 },
	{ 'n', "nodns", NULL, "+++++++++++bb+", "++..", set_flag, AT(numeric),
		true, 0 },
	{ 's', "source", "ADDR", "+--+----+--oo+", "++-+", set_text,
		AT(prefs.source), 0, 0 },
	{ 'p', "source-port", "PORT", "++++++++++++++", "++--", set_text,
		AT(port_text), 0, 0 },

	{ 0, NULL, "Modes", NULL, NULL, NULL, 0, 0, 0 },
	{ 'l', "listen", NULL, " ++ ++++ ++++-", "++++", set_flag, AT(listen),
		true, 0 },
	{ 'e', "echo", NULL, "   +++--------", "++++", set_flag, AT(echo), true,
		0 },
	{ 'b', "broadcast", NULL, "d  d--+-d-----", "++++", set_flag, AT(hub),
		true, 0 },
	{ 0, "broker", NULL, "d  d--+-d-----", "++++", set_flag, AT(hub), true,
		0 },
	{ 0, "chat", NULL, "-  ----+------", "+-+-", set_flag, AT(chat), true,
		0 },
	{ 'c', "sh-exec", "CMD", "   -----+++---", "++++", set_command, 0,
		false, 0 },
	{ 0, "exec", "CMD", "   -----+++---", "++++", set_command, 0, true, 0 },
	{ 0, "forward", "ADDR", "-  --------++-", "++++", set_text, AT(forward),
		0, 0 },
	{ 'z', "zero", NULL, " ------------+", "++++", set_flag, AT(zero), true,
		0 },
	{ 0, "parallel", "N", "-------------+", "++--", set_number,
		AT(parallel), 1, 1000 },

	{ 0, NULL, "Session", NULL, NULL, NULL, 0, 0, 0 },
	{ 'k', "keep-open", NULL, "- +- +..- + +-", "++++", set_flag, AT(keep),
		true, 0 },
	{ 'm', "max-conns", "N", "--+--s++--+-+-", "++++", set_number, AT(most),
		1, 1000000 },
	{ 0, "count", "N", "--s--ss+--s-s-", "++++", set_number, AT(total), 1,
		1000000 },
	{ 'd', "recv-only", NULL, "+++...++......", "++++", set_flag,
		AT(recv_only), true, 0 },
	{ 0, "send-only", NULL, "+++-----------", "++++", set_flag,
		AT(send_only), true, 0 },
	{ 'N', "shutdown", NULL, "+++...........", "+.+.", set_shutdown, 0, 0,
		0 },
	{ 0, "no-shutdown", NULL, "+++-----------", "+-+-", set_flag,
		AT(no_shutdown), true, 0 },
	{ 'q', "quit", "TIME", "++............", "++++", set_quit, AT(quit), 0,
		0 },
	{ 0, "drain", "TIME", "-ss-sss+-ssss-", "++++", set_time, AT(drain), 1,
		0 },
	{ 0, "retry", "TIME", "+--+----+--+++", "++++", set_time, AT(retry), 1,
		0 },
	{ 0, "send", "STR", "++-----------u", "++++", set_bytes, AT(send), 0,
		0 },
	{ 0, "expect", "STR", "++------------", "++++", set_expect,
		AT(expect.text), 0, 0 },
	{ 'W', "recvlimit", "N", "++------------", "-+-+", set_number,
		AT(grams), 1, INT_MAX },
	{ 0, "recv-bytes", "SIZE", "++------------", "++++", set_size,
		AT(bytes), 0, 1048576 },
	{ 'F', "fd-pass", NULL, "+-------------", "++++", set_flag, AT(pass_fd),
		true, 0 },

	{ 0, NULL, "Limits", NULL, NULL, NULL, 0, 0, 0 },
	{ 'w', "wait", "TIME", ALL, set_time, AT(wait), 1, 0 },
	{ 0, "idle-timeout", "TIME", "+++++s+++++++-", "++++", set_time,
		AT(idle), 1, 0 },
	{ 0, "max-time", "TIME", ALL, set_time, AT(max_time), 1, 0 },

	{ 0, NULL, "Shaping", NULL, NULL, NULL, 0, 0, 0 },
	{ 'C', "crlf", NULL, "+++-----------", "++++", set_flag, AT(crlf), true,
		0 },
	{ 0, "lines", NULL, "+++---+.------", "++++", set_flag, AT(lines), true,
		0 },
	{ 'i', "interval", "TIME", "+++----------+", "++++", set_time,
		AT(interval), 0, 0 },
	{ 0, "delay", "TIME", "+++----------+", "++++", set_time, AT(interval),
		0, 0 },
	{ 0, "rate", "SIZE", "++s+ss--sssss-", "++++", set_size, AT(rate), 0,
		0 },
	{ 't', "telnet", NULL, "++------------", "+-+-", set_flag, AT(telnet),
		true, 0 },

	{ 0, NULL, "Watching", NULL, NULL, NULL, 0, 0, 0 },
	{ 'o', "output", "FILE", "+++++++++++++-", "++++", set_text, AT(output),
		0, 0 },
	{ 0, "hex-dump", "FILE", "+++++++++++++-", "++++", set_text,
		AT(hex_dump), 0, 0 },
	{ 0, "append-output", NULL, "+++++++++++++-", "++++", set_flag,
		AT(append), true, 0 },
	{ 0, "progress", NULL, "++---------++-", "++++", set_flag, AT(progress),
		true, 0 },
	{ 0, "stats", NULL, "+++++++++++++-", "++++", set_flag, AT(stats), true,
		0 },
	{ 0, "json", NULL, ALL, set_json, 0, 0, 0 },

	{ 0, NULL, "Messages", NULL, NULL, NULL, 0, 0, 0 },
	{ 'v', "verbose", NULL, ALL, set_loudness, 0, 1, 0 },
	{ 0, "quiet", NULL, ALL, set_loudness, 0, -1, 0 },
	{ 0, "no-sandbox", NULL, "++++++++---+++", "++++", set_flag,
		AT(no_sandbox), true, 0 },
	{ 'h', "help", NULL, ALL, NULL, 0, 0, 0 },
	{ 'V', "version", NULL, ALL, NULL, 0, 0, 0 },

	{ 0, NULL, "Sockets", NULL, NULL, NULL, 0, 0, 0 },
	{ 'I', "rcvbuf", "SIZE", ALL, set_size, AT(prefs.rcvbuf), 0, 0 },
	{ 'O', "sndbuf", "SIZE", ALL, set_size, AT(prefs.sndbuf), 0, 0 },
	{ 0, "keepalive", "[=IDLE[,INTERVAL[,COUNT]]]", "+++++++++++bb-",
		"+---", set_keepalive, 0, 1, 0 },
	{ 0, "no-keepalive", NULL, "+++++++++++bb-", "+---", set_keepalive, 0,
		0, 0 },
	{ 0, "no-reuseaddr", NULL, "++++++++++++++", "++--", set_flag,
		AT(prefs.reuseaddr), false, 0 },
	{ 0, "reuseport", NULL, "-++-++++-++++-", "++--", set_flag,
		AT(prefs.reuseport), true, 0 },
	{ 0, "nodelay", NULL, "+++++++++++bb-", "+---", set_flag,
		AT(prefs.nodelay), true, 0 },
	{ 0, "no-nodelay", NULL, "+++++++++++bb-", "+---", set_flag,
		AT(prefs.nodelay), false, 0 },
	{ 0, "backlog", "N", "-++-++++-++++-", "+-+-", set_number,
		AT(prefs.backlog), 1, 1000000 },
	{ 'T', "tos", "NAME|N", "+++++++++++bb+", "++--", set_tos,
		AT(prefs.tos), 0, 0 },
	{ 'M', "ttl", "N", "+++++++++++bb+", "++--", set_number, AT(prefs.ttl),
		1, 255 },
	{ 0, "reset", NULL, "+++++++++++--+", "+---", set_flag, AT(reset), true,
		0 },
	{ 0, "mode", "OCTAL", "-++-++++-++++-", "--++", set_octal,
		AT(prefs.mode), 0, 0777 },
	{ 0, "interface", "IF", "+++++++++++oo+", "++--", set_text,
		AT(prefs.interface), 0, 0 },
	{ 0, "mptcp", NULL, "+++++++++++bb+", "+---", set_flag, AT(prefs.mptcp),
		true, 0 },

	{ 0, NULL, "Proxies", NULL, NULL, NULL, 0, 0, 0 },
	{ 'x', "proxy", "HOST[:PORT]", "+--+----+--oo+", "+---", set_text,
		AT(proxy), 0, 0 },
	{ 'X', "proxy-type", "TYPE", "+--+----+--oo+", "+---", set_proxy_type,
		0, 0, 0 },
	{ 0, "proxy-auth-file", "FILE", "+--+----+--oo+", "+---", set_text,
		AT(proxy_auth), 0, 0 },

	{ 0, NULL, "Access", NULL, NULL, NULL, 0, 0, 0 },
	{ 0, "allow", "LIST", "-++-++++-++++-", "++--", set_access, 0, 0, 0 },
	{ 0, "deny", "LIST", "-++-++++-++++-", "++--", set_access, 0,
		ACCESS_DENY, 0 },
	{ 0, "allowfile", "FILE", "-++-++++-++++-", "++--", set_access, 0,
		ACCESS_FILE, 0 },
	{ 0, "denyfile", "FILE", "-++-++++-++++-", "++--", set_access, 0,
		ACCESS_DENY | ACCESS_FILE, 0 },

	{ 0, NULL, "Scripts", NULL, NULL, NULL, 0, 0, 0 },
	{ 0, "port-file", "FILE", "-++-++++-++++-", "++++", set_text,
		AT(port_file), 0, 0 },
	{ 0, "ready-fd", "N", "-++-++++-++++-", "++++", set_number,
		AT(ready_fd), 0, INT_MAX },
	{ 'f', "background", NULL, "-++-++++-++++-", "++++", set_flag,
		AT(background), true, 0 },
};
/* clang-format on */

enum { SPECS = COUNT(specs), LONG_ONLY = 256 };

/* Pairs that contradict each other. */
static const char *const clashes[][2] = {
	{ "ipv4", "ipv6" },
	{ "recv-only", "send-only" },
	{ "broadcast", "chat" },
	{ "broker", "chat" },
	{ "sh-exec", "exec" },
	{ "send-only", "expect" },
	{ "send-only", "recvlimit" },
	{ "send-only", "recv-bytes" },
	{ "expect", "recvlimit" },
	{ "expect", "recv-bytes" },
	{ "fd-pass", "send-only" },
	{ "fd-pass", "no-shutdown" },
	{ "fd-pass", "send" },
	{ "fd-pass", "expect" },
	{ "fd-pass", "recvlimit" },
	{ "fd-pass", "recv-bytes" },
	{ "fd-pass", "idle-timeout" },
	{ "fd-pass", "crlf" },
	{ "fd-pass", "lines" },
	{ "fd-pass", "interval" },
	{ "fd-pass", "delay" },
	{ "fd-pass", "rate" },
	{ "fd-pass", "telnet" },
	{ "fd-pass", "output" },
	{ "fd-pass", "hex-dump" },
	{ "fd-pass", "append-output" },
	{ "fd-pass", "progress" },
	{ "fd-pass", "stats" },
	{ "fd-pass", "reset" },
};

/* What scripts for other netcats bring along, and what to write instead. */
static const char *const foreign[][2] = {
	{ "-D", "there is no SO_DEBUG here, leave it out" },
	{ "-G", "networks drop source routes, leave it out; -w limits time" },
	{ "-g", "networks drop source routes, leave it out" },
	{ "-P", "write the user and password to SOCKCAT_PROXY_AUTH" },
	{ "-r", "local ports are random anyway, leave it out" },
	{ "-S", "there are no TCP MD5 signatures here" },
	{ "-Z", "there is no DCCP here" },
	{ "--lua-exec", "write --exec 'lua FILE'" },
	{ "--proxy-auth", "use SOCKCAT_PROXY_AUTH or --proxy-auth-file" },
	{ "--proxy-dns", "the proxy looks names up, leave it out" },
	{ "--sctp", "there is no SCTP here, use socat" },
	{ "--ssl", "there is no TLS here, use openssl s_client or socat" },
	{ "--timeout", "-w and --idle-timeout limit time" },
	{ "--vsock", "there are no VM sockets here, use socat" },
	/* Known here, but refused where another program takes them. */
	{ "-k", "nc.traditional's -k is --keepalive here" },
	{ "-m", "the lowest TTL of nc.openbsd cannot be set" },
	{ "-s", "a listener's address is the operand host" },
	{ "-W", "--recv-bytes counts the bytes of a stream" },
};

/* advice(text): what to write instead of text; empty: nothing is known. */
static const char *advice(const char *text)
{
	for (size_t i = 0; i < COUNT(foreign); i++)
		if (strncmp(text, foreign[i][0], strlen(foreign[i][0])) == 0)
			return foreign[i][1];
	return "";
}

/* What the command line said: which options, and how they were written. */
struct given {
	char text[SPECS][24]; /* `-k` or `--keep-open`; empty: not given */
	char **operand;
	int operands;
};

/* option_mark(spec, mode, o): '+' acts, '.' accepted, '-' refused. */
static char option_mark(const struct option_spec *spec, enum mode_id mode,
	const struct options *o)
{
	char on_mode = spec->on_mode[mode];
	char on_sock = spec->on_sock[2 * o->unixsock + o->udp];
	char onward = spec->on_sock[2 * !!o->onward.path +
		(o->onward.type == SOCK_DGRAM)];

	if (on_mode == 'o' || (on_mode == 'b' && onward == '+'))
		return onward;
	if (on_mode == 'b')
		return on_sock;
	if (on_mode == 's')
		on_mode = o->udp ? '-' : '+';
	if (on_mode == 'u')
		on_mode = o->udp ? '+' : '-';
	if (on_mode == 'd')
		on_mode = o->udp && !o->unixsock ? '+' : '-';
	if (on_mode == '-' || on_sock == '-')
		return '-';
	return on_mode == '.' || on_sock == '.' ? '.' : '+';
}

/* What makes another mode, or another sort of socket. */
struct lever {
	const char *name;
	size_t at;
	bool is_text; /* or a flag */
	bool is_more; /* worth a try where it was not given */
};

static const struct lever levers[] = { { "-c", AT(command), true, false },
	{ "--forward", AT(forward), true, false },
	{ "-e", AT(echo), false, false }, { "-b", AT(hub), false, false },
	{ "--chat", AT(chat), false, false }, { "-k", AT(keep), false, true },
	{ "-l", AT(listen), false, true }, { "-u", AT(udp), false, true },
	{ "-U", AT(unixsock), false, true }, { "-z", AT(zero), false, true } };

/* lever_pull(l, o, on): give it or take it away; whether that is a change. */
static bool lever_pull(const struct lever *l, struct options *o, bool on)
{
	void *at = (char *)o + l->at;
	bool was = l->is_text ? *(const char **)at != NULL : *(bool *)at;

	if (l->is_text)
		*(const char **)at = on ? "" : NULL;
	else
		*(bool *)at = on;
	return was != on;
}

/*
 * option_refused(spec, text, mode, o): say with what it makes no sense: the one
 * option without which it would act, or with which; else where it acts.
 */
static int option_refused(const struct option_spec *spec, const char *text,
	enum mode_id mode, const struct options *o)
{
	const char *hint = text[1] == '-' ? "" : advice(text);
	struct options other;
	int m = 0;

	if (spec->on_mode[mode] == 'o' && o->onward.path)
		return fail_as(MISUSED,
			"%s makes no sense with a Unix-domain socket as the "
			"target of --forward",
			text);
	for (size_t i = 0; i < 2 * COUNT(levers); i++) {
		const struct lever *l = &levers[i % COUNT(levers)];
		bool on = i >= COUNT(levers);

		other = *o;
		if ((l->is_more || !on) && lever_pull(l, &other, on) &&
			option_mark(spec, mode_of(&other), &other) != '-')
			return fail_as(MISUSED,
				"%s makes no sense with%s %s%s%s%s", text,
				on ? "out" : "", l->name,
				spec->on_mode[mode] == 'd' && !o->unixsock
					? " or -u"
					: "",
				*hint ? "; " : "", hint);
	}
	while (m < MODES - 1 && strchr("- ", spec->on_mode[m]))
		m++;
	return fail_as(MISUSED, "%s makes no sense %s; %s%s", text,
		modes[mode].phrase, *hint ? hint : "it acts in the mode ",
		*hint ? "" : modes[m].name);
}

/* spec_named(name): the row of that long name; -1: none. */
static int spec_named(const char *name)
{
	for (int i = 0; i < SPECS; i++)
		if (specs[i].name && strcmp(specs[i].name, name) == 0)
			return i;
	return -1;
}

/* is_standard_error(name): what -o and --hex-dump call it. */
static bool is_standard_error(const char *name)
{
	return name && strcmp(name, "-") == 0;
}

/*
 * copies_check(o, g): refuse copies of the traffic that nobody gets, and -f
 * where a console would be used and there is no copy instead.
 */
static int copies_check(const struct options *o, const struct given *g)
{
	enum mode_id mode = mode_of(o);
	bool console =
		mode == LISTEN || mode == KEEP || mode == HUB || mode == CHAT;
	const char *f = g->text[spec_named("background")];

	if (o->append && !o->output && !o->hex_dump)
		return fail_as(MISUSED,
			"--append-output makes no sense without -o or "
			"--hex-dump");
	if (o->background && console &&
		!(o->recv_only && (o->output || o->hex_dump)))
		return fail_as(MISUSED,
			"%s makes no sense %s unless -d and -o are given", f,
			modes[mode].phrase);
	if (o->background &&
		(is_standard_error(o->output) ||
			is_standard_error(o->hex_dump)))
		return fail_as(MISUSED,
			"%s makes no sense with a copy on standard error", f);
	return 0;
}

/* options_check(o, g): refuse what has no effect or contradicts itself. */
static int options_check(const struct options *o, const struct given *g)
{
	enum mode_id mode = mode_of(o);
	int a, b;

	for (int i = 0; i < SPECS; i++)
		if (g->text[i][0] && option_mark(&specs[i], mode, o) == '-')
			return option_refused(&specs[i], g->text[i], mode, o);
	for (size_t i = 0; i < COUNT(clashes); i++) {
		a = spec_named(clashes[i][0]);
		b = spec_named(clashes[i][1]);
		if (g->text[a][0] && g->text[b][0])
			return fail_as(MISUSED, "%s makes no sense with %s",
				g->text[a], g->text[b]);
	}
	a = spec_named("no-reuseaddr");
	if (g->text[a][0] && !o->listen && !o->port_text)
		return fail_as(MISUSED, "%s makes no sense without -l or -p",
			g->text[a]);
	return 0;
}

/*
 * address_split(text, host, port): `host:port` or `[v6]:port` in place.
 * False when it is neither, which leaves text as it was.
 */
static bool address_split(char *text, char **host, char **port)
{
	char *colon = strrchr(text, ':');

	if (!colon)
		return false;
	if (text[0] == '[' && colon[-1] == ']') {
		*host = text + 1;
		colon[-1] = '\0';
	} else if (strchr(text, ':') == colon) {
		*host = text;
	} else {
		return false;
	}
	*colon = '\0';
	*port = colon + 1;
	return true;
}

/* bracketless(host): `[v6]` is v6. */
static char *bracketless(char *host)
{
	size_t n = strlen(host);

	if (n < 2 || host[0] != '[' || host[n - 1] != ']')
		return host;
	host[n - 1] = '\0';
	return host + 1;
}

/*
 * forward_parse(o): what --forward means: unix:PATH, @NAME, or a host and
 * a port, maybe with udp: in front; of the same sort as the listener.
 */
static int forward_parse(struct options *o)
{
	const char *what = "--forward", *text = o->forward;
	bool udp = text && strncmp(text, "udp:", 4) == 0;
	static char copy[NI_MAXHOST];
	char *host = NULL, *port = NULL;
	struct addr_list list;
	struct addr a;

	if (!text)
		return 0;
	o->onward = (struct target){ .type = o->udp ? SOCK_DGRAM : SOCK_STREAM,
		.numeric = o->numeric,
		.family = o->four ? AF_INET
			: o->six  ? AF_INET6
				  : AF_UNSPEC };
	if (strncmp(text, "unix:", 5) == 0)
		o->onward.path = text + 5;
	else if (text[0] == '@')
		o->onward.path = text;
	if (o->onward.path)
		return addr_unix(o->onward.path, &a);
	if (udp && !o->udp)
		return misuse(
			what, text, "a target of streams, and there is no -u");
	if (snprintf(copy, sizeof(copy), "%s", text + (udp ? 4 : 0)) >=
			(int)sizeof(copy) ||
		!address_split(copy, &host, &port) || !*host || !*port)
		return misuse(what, text,
			"HOST:PORT, [V6]:PORT, udp:HOST:PORT, unix:PATH or "
			"@NAME");
	o->onward.host = host;
	if (o->numeric && target_resolve(&o->onward, NEVER, &list) < 0)
		return -1;
	return parse_port(what, port, &o->onward, 1, &o->onward.port);
}

/* no_command(o, g): -e takes none here, other than in nc and ncat. */
static int no_command(const struct options *o, const struct given *g)
{
	for (int i = 0; i < g->operands && o->echo && !o->unixsock; i++)
		if (g->operands > 2 || strpbrk(g->operand[i], "/ \t"))
			return fail_as(MISUSED,
				"-e means echo and takes no "
				"command: \"%s\"; to run one, use -c",
				g->operand[i]);
	return 0;
}

/*
 * inherited_check(o, g): whether the sockets of LISTEN_FDS are used: -l has
 * neither port nor path.  What would shape a new socket has no effect then.
 */
static int inherited_check(struct options *o, const struct given *g)
{
	static const char *const idle[] = { "ipv4", "ipv6", "backlog",
		"reuseport", "no-reuseaddr", "mode", "mptcp" };
	int i;

	o->inherited = o->listen ? inherited_count() : 0;
	for (size_t k = 0; o->inherited > 0 && k < COUNT(idle); k++) {
		i = spec_named(idle[k]);
		if (g->text[i][0])
			return fail_as(MISUSED,
				"%s makes no sense with the sockets of "
				"LISTEN_FDS",
				g->text[i]);
	}
	return 0;
}

/* operands_wrong(o): say what is right, after what is wrong. */
static int operands_wrong(const struct options *o)
{
	why_add(o->unixsock && o->listen ? "; write -lU PATH"
			: o->unixsock    ? "; write -U PATH"
			: o->zero ? "; write -z HOST PORT, several as 22,80"
			: o->port_text && o->listen
			? "; write -l -p PORT [HOST]"
			: o->listen
			? "; write -l [HOST] PORT"
			: "; write HOST PORT, HOST:PORT, or -l PORT");
	return -1;
}

/* operands_of_unix(o, g): a path. */
static int operands_of_unix(struct options *o, const struct given *g)
{
	struct addr a;

	if (g->operands == 0 && inherited_check(o, g) < 0)
		return -1;
	o->target.path = "LISTEN_FDS";
	if (o->inherited)
		return 0;
	if (g->operands == 0)
		fail_as(MISUSED, "-U needs a path");
	if (g->operands > 1)
		fail_as(MISUSED, "-U takes one path: \"%s\" is one too many",
			g->operand[1]);
	if (g->operands != 1)
		return operands_wrong(o);
	o->target.path = g->operand[0];
	if (o->target.path[0] == '@' && o->prefs.mode >= 0)
		return fail_as(MISUSED,
			"--mode makes no sense with %s, which "
			"has no file",
			o->target.path);
	return addr_unix(o->target.path, &a);
}

/* host_is_wrong(host): it has no address, or is a port in the wrong place. */
static bool host_is_wrong(const char *host)
{
	const char *colon = strchr(host, ':');
	size_t n = strlen(host);

	return n == 0 || *host == '-' || strpbrk(host, "/@[") ||
		(colon && !strchr(colon + 1, ':')) ||
		(n < 6 && *host != '0' && strspn(host, "0123456789") == n);
}

/* operands_find(o, g, host, port): which operand is what; NULL: none. */
static int operands_find(const struct options *o, const struct given *g,
	char **host, char **port)
{
	int most = o->listen && o->port_text ? 1 : 2;

	*host = *port = NULL;
	if (g->operands > most) {
		fail_as(MISUSED, "\"%s\" is one operand too many%s",
			g->operand[most],
			o->recv_only ? "; -d takes no time, --delay does" : "");
		return operands_wrong(o);
	}
	if (g->operands == 2) {
		*host = bracketless(g->operand[0]);
		*port = g->operand[1];
	} else if (g->operands == 1 && o->listen && o->port_text) {
		*host = bracketless(g->operand[0]);
	} else if (g->operands == 1 &&
		!address_split(g->operand[0], host, port)) {
		*(o->listen ? port : host) = bracketless(g->operand[0]);
	}
	if (o->listen && *host && **host == '\0' && g->operands == 1)
		*host = NULL;
	if (!*host || !host_is_wrong(*host))
		return 0;
	misuse("host", *host,
		**host == '/' ? "a name or an address; a path needs -U"
			      : "a name or an address");
	return operands_wrong(o);
}

/* operand_port(o, port): a port, or with -z maybe a list of them. */
static int operand_port(struct options *o, const char *port)
{
	static struct ports ports;

	if (o->zero && is_port_list(port)) {
		o->ports = &ports;
		return parse_ports("port", port, &o->target, &ports);
	}
	if (parse_port("port", port, &o->target, !o->listen, &o->target.port) ==
		0)
		return 0;
	if (is_port_list(port))
		return misuse("port", port, "a port; only -z takes a list");
	return port[strspn(port, "0123456789")] ? operands_wrong(o) : -1;
}

/* operands_of_ip(o, g): [host] port, host:port, or -p with -l. */
static int operands_of_ip(struct options *o, const struct given *g)
{
	char *host, *port;

	if (no_command(o, g) < 0 || operands_find(o, g, &host, &port) < 0)
		return -1;
	if (o->command && o->listen && o->prefs.interface && !host)
		return fail_as(MISUSED,
			"a command without a host is for loopback only: name "
			"0.0.0.0 or :: with --interface");
	o->target.host = host;
	if (o->port_text &&
		parse_port(g->text[spec_named("source-port")], o->port_text,
			&o->target, 0,
			o->listen ? &o->target.port : &o->prefs.source_port) <
			0)
		return -1;
	if (o->listen && o->port_text)
		return 0;
	if (!port && inherited_check(o, g) < 0)
		return -1;
	if (o->inherited)
		return 0;
	if (port)
		return operand_port(o, port);
	if (host)
		fail_as(MISUSED, "\"%s\" has no port", host);
	else
		fail_as(MISUSED,
			o->listen ? "-l needs a port"
				  : "a host and a port are needed");
	return operands_wrong(o);
}

/* proxy_place(o, what): where the proxy of -x is. */
static int proxy_place(struct options *o, const char *what)
{
	static char copy[NI_MAXHOST];
	char *host = copy, *port = NULL;
	struct target *at = &o->via.target;

	if (strchr(o->proxy, '@'))
		return fail_as(MISUSED,
			"%s takes no user and no password; SOCKCAT_PROXY_AUTH "
			"and --proxy-auth-file do",
			what);
	if (strchr(o->proxy, '/'))
		return misuse(what, o->proxy,
			"HOST[:PORT]; the type is -X, a hex dump --hex-dump");
	if (snprintf(copy, sizeof(copy), "%s", o->proxy) < (int)sizeof(copy) &&
		!address_split(copy, &host, &port))
		host = bracketless(copy);
	if (!*host || strlen(host) > PROXY_WORD || (port && !*port))
		return misuse(what, o->proxy, "HOST, HOST:PORT or [V6]:PORT");
	*at = (struct target){ .host = host,
		.port = o->via.type == HTTP_CONNECT ? 3128 : 1080,
		.family = o->target.family,
		.type = SOCK_STREAM,
		.numeric = o->numeric };
	return port ? parse_port(what, port, at, 1, &at->port) : 0;
}

/*
 * proxy_parse(o, g): what -x and its companions mean for the target.  -4 and
 * -6 are for the way to the proxy.
 */
static int proxy_parse(struct options *o, const struct given *g)
{
	int type = spec_named("proxy-type"),
	    auth = spec_named("proxy-auth-file");
	struct target t = o->forward ? o->onward : o->target;
	struct addr_list list;

	if (!o->proxy && (g->text[type][0] || g->text[auth][0]))
		return fail_as(MISUSED, "%s makes no sense without -x",
			g->text[g->text[type][0] ? type : auth]);
	if (!o->proxy)
		return 0;
	t.family = AF_UNSPEC;
	if (proxy_place(o, g->text[spec_named("proxy")]) < 0 ||
		(o->numeric &&
			(target_resolve(&o->via.target, NEVER, &list) < 0 ||
				target_resolve(&t, NEVER, &list) < 0)) ||
		proxy_suits(&o->via, &t) < 0)
		return -1;
	o->prefs.proxy = &o->via;
	return credentials_read(&o->via, o->proxy_auth);
}

/* options_settle(o): what follows from what was given. */
static void options_settle(struct options *o)
{
	enum mode_id mode = mode_of(o);

	o->prefs.broadcast = o->hub && !o->listen;
	o->keep = o->keep || (o->listen && (o->hub || o->chat));
	o->target.local = o->command != NULL;
	o->target.type = o->udp ? SOCK_DGRAM : SOCK_STREAM;
	o->target.numeric = o->numeric;
	o->target.family = o->four ? AF_INET : o->six ? AF_INET6 : AF_UNSPEC;
	if (o->prefs.keepalive < 0)
		o->prefs.keepalive = o->keep || o->forward;
	if (mode != PROBE)
		return;
	o->prefs.probe = o->udp ? &o->send : NULL;
	if (o->wait == NEVER)
		o->wait = 2 * SECOND;
}

/* distance(a, b): letters to change, add or leave out; for short words. */
static size_t distance(const char *a, const char *b)
{
	size_t row[32], above, left, best, n = strlen(b);

	if (n >= COUNT(row))
		return n;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		left = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			above = row[j];
			best = left + (a[i - 1] != b[j - 1]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
			left = above;
		}
	}
	return row[n];
}

/* unknown_option(text): the error, with what to write if that is known. */
static int unknown_option(const char *text)
{
	char name[32];
	size_t n = strcspn(text + 2, "="), best = n < 8 ? n + 1 : 9, d, beyond;
	const char *nearest = NULL;

	if (*advice(text))
		return fail_as(MISUSED, "unknown option %.*s; %s", (int)n + 2,
			text, advice(text));
	if (n >= sizeof(name) || text[1] != '-')
		return fail_as(MISUSED, "unknown option %s", text);
	memcpy(name, text + 2, n);
	name[n] = '\0';
	for (int i = 0; i < SPECS; i++) {
		if (!specs[i].name)
			continue;
		/* Twice the distance; the start of a name is near, too. */
		d = 2 * distance(name, specs[i].name) +
			(*name != *specs[i].name);
		beyond = strlen(specs[i].name) - n;
		if (n > 0 && strncmp(specs[i].name, name, n) == 0 && beyond > 0)
			d = beyond > 1 ? 3 : 2;
		if (d < best) {
			best = d;
			nearest = specs[i].name;
		}
	}
	if (nearest)
		return fail_as(MISUSED,
			"unknown option --%s; did you mean "
			"--%s?",
			name, nearest);
	return fail_as(MISUSED, "unknown option --%s", name);
}

/* option_take(o, g, i, written, arg): the i-th option of the table. */
static int option_take(struct options *o, struct given *g, int i,
	const char *written, const char *arg)
{
	const struct option_spec *spec = &specs[i];
	char *text = g->text[i];

	if (strncmp(written, "--", 2) == 0)
		snprintf(text, sizeof(g->text[i]), "--%s", spec->name);
	else
		snprintf(text, sizeof(g->text[i]), "-%c", spec->letter);
	return spec->set ? spec->set(o, spec, text, arg) : 0;
}

/*
 * getopt_table(shorts, longs): the option table as getopt_long(3) wants it.
 * '-' in front makes operands come in order whatever the environment says.
 */
static void getopt_table(char *shorts, struct option *longs)
{
	const struct option_spec *spec;
	bool needed;

	*shorts++ = '-';
	*shorts++ = ':';
	for (int i = 0; i < SPECS; i++) {
		spec = &specs[i];
		if (!spec->name)
			continue;
		needed = spec->arg && spec->arg[0] != '[';
		*longs++ = (struct option){ spec->name,
			needed              ? required_argument
				: spec->arg ? optional_argument
					    : no_argument,
			NULL, LONG_ONLY + i };
		if (!spec->letter)
			continue;
		*shorts++ = spec->letter;
		if (needed)
			*shorts++ = ':';
	}
	*shorts = '\0';
	*longs = (struct option){ NULL, 0, NULL, 0 };
}

/* spec_of(c, written): which row getopt's answer is; -1: none of them. */
static int spec_of(int c, const char *written)
{
	size_t n;

	for (int i = 0; i < SPECS; i++)
		if (specs[i].letter && specs[i].letter == c)
			return i;
	if (c < LONG_ONLY)
		return -1;
	n = strcspn(written, "=");
	if (n != strlen(specs[c - LONG_ONLY].name) + 2)
		return -1; /* getopt took an abbreviation for it */
	return c - LONG_ONLY;
}

/* option_error(c, written): what getopt did not like. */
static int option_error(int c, const char *written)
{
	bool is_long = strncmp(written, "--", 2) == 0;

	if (c == ':' && is_long && optopt >= LONG_ONLY &&
		strcmp(written + 2, specs[optopt - LONG_ONLY].name) == 0)
		return fail_as(MISUSED, "%s needs an argument", written);
	if (c == ':' && is_long)
		return unknown_option(written);
	if (c == ':')
		return fail_as(MISUSED, "-%c needs an argument", optopt);
	if (is_long && optopt >= LONG_ONLY &&
		strcspn(written + 2, "=") ==
			strlen(specs[optopt - LONG_ONLY].name))
		return fail_as(MISUSED, "--%s takes no argument: \"%s\"",
			specs[optopt - LONG_ONLY].name, written);
	if (is_long)
		return unknown_option(written);
	return unknown_option((char[]){ '-', (char)optopt, '\0', '\0' });
}

/* option_failed(written): maybe for -help, which is not -h -e -l -p. */
static int option_failed(const char *written)
{
	return *written != '-' || spec_named(written + 1) < 0
		? -1
		: fail_as(MISUSED, "unknown option %s; did you mean -%s?",
			  written, written);
}

/*
 * options_read(o, g, argc, argv): every option and operand; the operands are
 * gathered at the front of argv.
 */
static int options_read(
	struct options *o, struct given *g, int argc, char **argv)
{
	char shorts[3 * SPECS + 3];
	struct option longs[SPECS + 1];
	const char *written;
	int c, i, result;

	getopt_table(shorts, longs);
	opterr = 0;
	g->operand = argv;
	for (;;) {
		int at = optind;

		c = getopt_long(argc, argv, shorts, longs, NULL);
		if (c == -1)
			break;
		if (c == 1) {
			g->operand[g->operands++] = optarg;
			continue;
		}
		written = at < argc ? argv[at] : "";
		i = spec_of(c, written);
		result = c == '?' || c == ':' ? option_error(c, written)
			: i < 0               ? unknown_option(written)
				: option_take(o, g, i, written, optarg);
		if (result < 0)
			return option_failed(written);
	}
	while (optind < argc)
		g->operand[g->operands++] = argv[optind++];
	return 0;
}

/*
 * options_parse(o, g, argc, argv): fill o, check it; -1 with why when the
 * command line is wrong.
 */
static int options_parse(
	struct options *o, struct given *g, int argc, char **argv)
{
	*o = (struct options){ .wait = NEVER,
		.idle = NEVER,
		.quit = NEVER,
		.max_time = NEVER,
		.ready_fd = -1,
		.parallel = 128,
		.prefs = { .rcvbuf = -1,
			.sndbuf = -1,
			.tos = -1,
			.ttl = -1,
			.backlog = -1,
			.mode = -1,
			.keepalive = -1,
			.keep_idle = 60,
			.keep_interval = 15,
			.keep_count = 4,
			.nodelay = true,
			.reuseaddr = true } };
	memset(g, 0, sizeof(*g));
	if (options_read(o, g, argc, argv) < 0)
		return -1;
	if (g->operands > 0 &&
		strcmp(g->text[spec_named("version")], "-V") == 0)
		return fail_as(MISUSED,
			"-V is the version and takes no routing table: \"%s\"",
			g->operand[0]);
	if (g->text[spec_named("help")][0] || g->text[spec_named("version")][0])
		return 0;
	if (forward_parse(o) < 0 || options_check(o, g) < 0 ||
		copies_check(o, g) < 0)
		return -1;
	options_settle(o);
	if ((o->unixsock ? operands_of_unix(o, g) : operands_of_ip(o, g)) < 0)
		return -1;
	return proxy_parse(o, g);
}

/* help_item(s, out, column): one option; column is where the line ends. */
static void help_item(const struct option_spec *s, FILE *out, size_t *column)
{
	enum { MARGIN = 10, WIDTH = 79 };
	const char *arg = s->arg ? s->arg : "";
	char text[64];
	size_t n = 0;

	if (s->letter)
		n = (size_t)sprintf(text, "-%c ", s->letter);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "--%s%s%s", s->name,
		*arg && *arg != '[' ? " " : "", arg);
	if (*column > MARGIN && *column + n + 3 > WIDTH) {
		fprintf(out, ",\n%*s", MARGIN, "");
		*column = MARGIN;
	} else if (*column > MARGIN) {
		fputs(", ", out);
		*column += 2;
	}
	fputs(text, out);
	*column += n;
}

/* print_help(out): every option, by purpose, for a screen of 80 by 40. */
static void print_help(FILE *out)
{
	size_t column = 0;

	fputs("usage: sockcat [options] host port         connect\n"
	      "       sockcat [options] -l [host] port    listen\n"
	      "       sockcat [options] [-l] -U path      the same over a "
	      "Unix-domain socket\n",
		out);
	for (int i = 0; i < SPECS; i++) {
		if (specs[i].name)
			help_item(&specs[i], out, &column);
		else
			column = (size_t)fprintf(out, "\n%-10s", specs[i].arg) -
				1;
	}
	fputs("\n\nTimes: seconds, or 200ms, 5m, 1h.  Sizes: bytes, or 64k, "
	      "1M, 1G.  Examples:\n"
	      "  sockcat -lke 4000                      an echo service\n"
	      "  sockcat -l 4000 >file                  receive a file ...\n"
	      "  sockcat host 4000 <file                ... and send it\n"
	      "  sockcat -lk --forward db:5432 5432     hand connections on\n"
	      "  sockcat -z --retry 30 db 5432 && run   wait for a port\n"
	      "All of it is explained in the manual: man sockcat\n",
		out);
}

/* print_and_flush(g): --help or --version; its exit status, or -1: neither. */
static int print_and_flush(const struct given *g)
{
	if (g->text[spec_named("help")][0])
		print_help(stdout);
	else if (g->text[spec_named("version")][0])
		printf("sockcat %s\n", VERSION);
	else
		return -1;
	/* A line may have been tried, and lost, before the flush. */
	if (fflush(stdout) == 0 && !ferror(stdout))
		return DONE;
	fail("write to standard output failed:");
	return complain();
}

/*
 * ---- main -----------------------------------------------------------------
 *
 * What a process needs before its mode runs, in this order: its descriptors,
 * its limits, what it may do later; then the threads: for signals, for the bar,
 * for --max-time.
 */

/* open_standard(): no socket shall become descriptor 0, 1 or 2. */
static void open_standard(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
			open("/dev/null", fd == 1 ? O_RDONLY : O_RDWR) != fd)
			_exit(FAILED);
}

/* ending_signals(o, set): those that end us, but for ignored ones. */
static void ending_signals(const struct options *o, sigset_t *set)
{
	static const int list[] = { SIGHUP, SIGINT, SIGTERM, SIGQUIT };
	struct sigaction now_done;

	sigemptyset(set);
	for (size_t i = 0; i < COUNT(list); i++)
		if (sigaction(list[i], NULL, &now_done) == 0 &&
			now_done.sa_handler != SIG_IGN)
			sigaddset(set, list[i]);
	if (o->access.count > 0)
		sigdelset(set, SIGHUP); /* access_run waits for it */
}

/* drain_run(o): the thread that bounds the time of --drain, once it begins. */
static void *drain_run(void *arg)
{
	const struct options *o = arg;
	struct pollfd p = { .fd = o->stop, .events = POLLIN };

	while (poll(&p, 1, -1) < 0)
		continue;
	pause_for(o->drain);
	finish(DONE);
}

/* What the thread that waits for signals looks after. */
struct guard {
	sigset_t set;
	int stop; /* --drain: the end that we close; or -1 */
};

/* guard_run(guard): the thread that waits for signals. */
static void *guard_run(void *arg)
{
	struct guard *g = arg;
	int signal_number;

	for (;;) {
		if (sigwait(&g->set, &signal_number) != 0)
			continue;
		if (signal_number == SIGUSR1 || signal_number == SIGINFO) {
			if (errors_heard(0))
				watch_say(-1);
			continue;
		}
		if (signal_number != SIGTERM || g->stop < 0)
			die_of(signal_number);
		close(g->stop); /* nobody is accepted any more */
		g->stop = -1;
	}
}

/* watch_signals(set): those that ask for the statistics. */
static void watch_signals(sigset_t *set)
{
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGINFO);
}

/* watch_start(o): what is to be known of the sessions; before any thread. */
static void watch_start(const struct options *o)
{
	bool sends = !o->forward && !o->recv_only && !o->send.at;
	struct stat st;
	off_t at = 0;

	watch.many = o->keep;
	watch.stats = o->stats;
	watch.blind = o->command && !o->stats;
	watch.wanted = o->stats || o->progress || (messages.json && !o->zero) ||
		(o->keep && messages.loudness > 0);
	if (sends && fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode) &&
		(at = lseek(STDIN_FILENO, 0, SEEK_CUR)) >= 0)
		watch.size = st.st_size - at;
	messages.interposed =
		o->progress && isatty(STDERR_FILENO) && isatty(STDOUT_FILENO);
}

/* bar_start(o): the thread of --progress, if it is wanted. */
static int bar_start(const struct options *o)
{
	return o->progress && isatty(STDERR_FILENO) ? thread_need(bar_run, NULL)
						    : 0;
}

/*
 * guard_start(o): signals that end us go to a thread when there is something
 * to look after; otherwise the kernel does what is to be done.
 */
static int guard_start(struct options *o)
{
	static struct guard g;
	int ends[2] = { -1, -1 };
	bool watched = o->stats || o->progress || messages.json;

	if (!o->unixsock && !o->port_file && !o->command && o->drain == 0 &&
		!watched)
		return 0;
	if (o->drain > 0 && pipe_new(ends) < 0)
		return fail("cannot create a pipe:");
	o->stop = ends[0];
	g.stop = ends[1];
	ending_signals(o, &g.set);
	if (watched)
		watch_signals(&g.set);
	pthread_sigmask(SIG_BLOCK, &g.set, NULL);
	if (o->drain > 0 && thread_need(drain_run, o) < 0)
		return -1;
	return thread_need(guard_run, &g);
}

/* is_looked_up(t): its addresses will be asked for by name. */
static bool is_looked_up(const struct target *t)
{
	struct target numeric = *t;
	struct addr_list list;
	struct why before = why;
	bool is;

	numeric.numeric = true;
	is = t->host && target_resolve(&numeric, NEVER, &list) < 0;
	why = before;
	return is;
}

/* tcp_port(t): what rights to TCP are about. */
static int tcp_port(const struct target *t)
{
	return t->path || t->type != SOCK_STREAM ? NO_PORT : t->port;
}

/* needs_of(o): what this run needs later. */
static struct needs needs_of(const struct options *o)
{
	const struct prefs *p = &o->prefs;
	const struct target *to = o->proxy ? &o->via.target
		: o->forward               ? &o->onward
		: o->listen                ? NULL
					   : &o->target;
	struct target source = { .host = p->source };
	bool bound = p->source || p->source_port > 0;
	struct needs n = { .bind = bound ? p->source_port : NO_PORT,
		.connect = to ? tcp_port(to) : NO_PORT };

	n.made[0] = o->port_file;
	n.made[1] = o->listen ? o->target.path : NULL;
	n.made[2] = to && to->path ? p->source : NULL;
	if (o->listen && !o->inherited)
		n.bind = tcp_port(&o->target);
	/* The second of several addresses gets the port of the first. */
	if (o->listen && (bound || n.bind == 0))
		n.bind = ANY_PORT;
	n.reads = o->access.count > 0 || (to && is_looked_up(to)) ||
		(!n.made[2] && is_looked_up(&source)) ||
		(o->listen && is_looked_up(&o->target));
	if (n.reads || (o->ports && !o->proxy))
		n.connect = ANY_PORT;
	return n;
}

/*
 * give_up(o): the rights that are needed no more; a command may need any.
 * The names of services and the time zone are looked up once, which loads
 * what the C library needs for it.
 */
static void give_up(const struct options *o)
{
	struct needs n;
	char name[32];

	if (o->command || o->no_sandbox)
		return;
	if (messages.loudness > 0 || o->ports)
		service_name(&o->target, 1, name);
	if (o->hex_dump)
		tzset();
	n = needs_of(o);
	confine(&n);
}

/* set_signals(): errors instead of SIGPIPE, EIO instead of a stop. */
static void set_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGTTIN);
	sigaddset(&set, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/*
 * background_wait(child, from): the parent of -f: what the child has to say,
 * printed once it is ready; else its exit status.
 */
_Noreturn static void background_wait(pid_t child, int from)
{
	char text[32];
	size_t n = 0;
	ssize_t got = 1;
	int status = 0;

	while (n < sizeof(text) && got != 0) {
		got = read(from, text + n, sizeof(text) - n);
		n += got > 0 ? (size_t)got : 0;
		if (got < 0 && errno != EINTR)
			break;
	}
	if (n > 0) {
		if (write_whole(STDOUT_FILENO, text + 1, n - 1) == 0)
			_exit(DONE);
		fail("write to standard output failed:");
		kill(child, SIGTERM);
		_exit(complain());
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status))
		die_of(WTERMSIG(status));
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : FAILED);
}

/* background_start(o): go on in a child of a session of its own. */
static int background_start(struct options *o)
{
	int ends[2];
	pid_t child;

	if (pipe_new(ends) < 0)
		return fail("cannot create a pipe:");
	child = fork();
	if (child < 0)
		return fail("cannot detach:");
	if (child > 0) {
		close(ends[1]);
		background_wait(child, ends[0]);
	}
	close(ends[0]);
	setsid();
	o->parent = ends[1];
	return 0;
}

/* raise_descriptor_limit(): as far as we may; commands get the old one back. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

/*
 * max_time_run(o): the thread that ends everything when it is time.  A scan
 * looks itself, and has two seconds to say what it found.
 */
static void *max_time_run(void *arg)
{
	const struct options *o = arg;

	pause_for(o->max_time + (o->ports ? 2 * SECOND : 0));
	if (o->expect.text.at)
		fail_as(TIMED_OUT,
			"the time of --max-time passed before \"%.100s\" came",
			o->expect.text.text);
	else
		fail_as(TIMED_OUT, "the time of --max-time passed");
	finish(complain());
}

/* prepare(o): what the process needs before any mode runs. */
static int prepare(struct options *o)
{
	sigset_t hangup, ending;

	pthread_sigmask(SIG_BLOCK, NULL, &commands.mask);
	getrlimit(RLIMIT_NOFILE, &commands.files);
	policy_get(&commands.policy);
	set_signals();
	hangup_set(&hangup);
	if (o->access.count > 0)
		pthread_sigmask(SIG_BLOCK, &hangup, NULL);
	o->stop = o->parent = -1;
	if (o->ready_fd >= 0 &&
		(fcntl((int)o->ready_fd, F_GETFL) < 0 ||
			(fcntl((int)o->ready_fd, F_GETFL) & O_ACCMODE) ==
				O_RDONLY))
		return fail_as(MISUSED,
			"--ready-fd: descriptor %lld is not open for writing",
			(long long)o->ready_fd);
	if (dump_open(o) < 0 || (o->background && background_start(o) < 0))
		return -1;
	raise_descriptor_limit();
	if (o->port_file) { /* from now on there is something to look after */
		ending_signals(o, &ending);
		pthread_sigmask(SIG_BLOCK, &ending, NULL);
		o->port_fd = port_file_open(o->port_file);
	}
	if (o->port_fd < 0)
		return -1;
	give_up(o);
	watch_start(o);
	if (guard_start(o) < 0 || bar_start(o) < 0)
		return -1;
	return o->max_time < NEVER ? thread_need(max_time_run, o) : 0;
}

int main(int argc, char **argv)
{
	static struct options o;
	static struct given given;
	int status;

	open_standard();
	if (argc == 1) {
		print_help(stderr);
		return MISUSED;
	}
	if (options_parse(&o, &given, argc, argv) < 0)
		return complain();
	status = print_and_flush(&given);
	if (status >= 0)
		return status;
	if (prepare(&o) < 0)
		finish(complain());
	status = modes[mode_of(&o)].run(&o);
	litter_remove(true);
	watch_end(status);
	return status;
}
