/*
 * torture: linked into sockcat by --wrap, it makes system calls do less than
 * they were asked to, or fail with EINTR, at random, but with every run alike.
 * Only what a kernel may do, too: no datagram is cut, no file, no message of
 * standard error, nothing so small that a pipe takes it whole.
 */
#define _GNU_SOURCE

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

enum { WHOLE = 512, /* POSIX's PIPE_BUF */ OFTEN = 2, RARELY = 16 };

/* chance(): the next number. */
static uint32_t chance(void)
{
	static atomic_uint turn;
	uint32_t n = atomic_fetch_add(&turn, 1) * 2654435769U + 12345;

	n ^= n >> 16;
	n *= 0x85ebca6bU;
	n ^= n >> 13;
	n *= 0xc2b2ae35U;
	return n ^ n >> 16;
}

/* interrupted(fd, flags): a signal comes first. */
static bool interrupted(int fd, int flags)
{
	if (fd == STDERR_FILENO || flags & MSG_DONTWAIT ||
		chance() % RARELY != 0)
		return false;
	errno = EINTR;
	return true;
}

/* less(fd, n): how much of n bytes fd is asked for. */
static size_t less(int fd, size_t n)
{
	int error = errno, type = 0;
	socklen_t len = sizeof(type);
	bool sock = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
	struct stat st;
	bool file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);

	errno = error;
	if (fd == STDERR_FILENO || file || (sock && type != SOCK_STREAM) ||
		n <= (sock ? 1 : WHOLE) || chance() % OFTEN != 0)
		return n;
	return 1 + chance() % (chance() % RARELY ? n : n < 16 ? n : 16);
}

#define WRAP(type, name, ...) \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

WRAP(ssize_t, read, int fd, void *buf, size_t n)
{
	return interrupted(fd, 0) ? -1 : __real_read(fd, buf, less(fd, n));
}

WRAP(ssize_t, write, int fd, const void *buf, size_t n)
{
	if (n <= WHOLE) /* most likely it does not have to wait */
		return __real_write(fd, buf, n);
	return interrupted(fd, 0) ? -1 : __real_write(fd, buf, less(fd, n));
}

WRAP(ssize_t, recv, int fd, void *buf, size_t n, int flags)
{
	return interrupted(fd, flags)
		? -1
		: __real_recv(fd, buf, less(fd, n), flags);
}

WRAP(ssize_t, send, int fd, const void *buf, size_t n, int flags)
{
	return interrupted(fd, flags)
		? -1
		: __real_send(fd, buf, less(fd, n), flags);
}

WRAP(ssize_t, sendmsg, int fd, const struct msghdr *m, int flags)
{
	if (interrupted(fd, flags))
		return -1;
	if (m->msg_iovlen > 0 && m->msg_controllen == 0 &&
		less(fd, WHOLE + 1) <= WHOLE)
		return __real_send(fd, m->msg_iov[0].iov_base,
			less(fd, m->msg_iov[0].iov_len), flags);
	return __real_sendmsg(fd, m, flags);
}

WRAP(ssize_t, recvmsg, int fd, struct msghdr *m, int flags)
{
	return interrupted(fd, flags) ? -1 : __real_recvmsg(fd, m, flags);
}

WRAP(ssize_t, writev, int fd, const struct iovec *part, int n)
{
	if (interrupted(fd, 0))
		return -1;
	return n > 1 && less(fd, WHOLE + 1) <= WHOLE
		? __real_writev(fd, part, 1)
		: __real_writev(fd, part, n);
}

WRAP(ssize_t, splice, int from, off64_t *at, int to, off64_t *there, size_t n,
	unsigned int flags)
{
	if (interrupted(from, flags & SPLICE_F_NONBLOCK ? MSG_DONTWAIT : 0))
		return -1;
	return __real_splice(from, at, to, there, less(from, n), flags);
}

WRAP(ssize_t, sendfile, int to, int from, off_t *at, size_t n)
{
	return interrupted(to, 0) ? -1
				  : __real_sendfile(to, from, at, less(to, n));
}

WRAP(int, accept4, int fd, struct sockaddr *a, socklen_t *len, int flags)
{
	return interrupted(fd, 0) ? -1 : __real_accept4(fd, a, len, flags);
}

WRAP(int, poll, struct pollfd *p, nfds_t n, int timeout)
{
	return timeout != 0 && interrupted(-1, 0) ? -1
						  : __real_poll(p, n, timeout);
}
