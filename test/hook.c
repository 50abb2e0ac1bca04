/*
 * hook: sockcat in which every thread, as it starts, and the main thread, at
 * SIGUSR2, tries what it should not be able to do, and says on standard error
 * which errno each attempt got (0: it was done):
 *
 *	hook: main: read 13 write 13 remove 13 run 13 connect 13 bind 13 kill 1
 *
 *	HOOK_READ, HOOK_WRITE, HOOK_REMOVE   files; what is written is made
 *	HOOK_PORT                            where to connect to on 127.0.0.1
 *
 * `hook landlock' prints the version of Landlock that this kernel has.
 */
#define _GNU_SOURCE
#include <pthread.h>

static int hook_create(pthread_t *, const pthread_attr_t *, void *(*)(void *),
	void *);

#define pthread_create hook_create
#define main sockcat_main
#include "../sockcat.c"
#undef main
#undef pthread_create

static int try_open(const char *variable, int how)
{
	int fd = open(getenv(variable), how | O_CLOEXEC, 0666);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int try_run(void)
{
	int status = 0;
	pid_t child = vfork();

	if (child == 0) {
		execl("/bin/sh", "sh", "-c", ":", (char *)NULL);
		_exit(errno);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	return WEXITSTATUS(status);
}

static int try_port(int port, bool connects)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int result = connects
		? connect(fd, (struct sockaddr *)&in, sizeof(in))
		: bind(fd, (struct sockaddr *)&in, sizeof(in));
	int error = result < 0 ? errno : 0;

	close(fd);
	return error;
}

static void hook_try(const char *who)
{
	char line[160];
	int n, before = errno;
	int rd = try_open("HOOK_READ", O_RDONLY);
	int wr = try_open("HOOK_WRITE", O_WRONLY | O_CREAT);
	int rm = unlink(getenv("HOOK_REMOVE")) < 0 ? errno : 0;

	n = snprintf(line, sizeof(line),
		"hook: %s: read %d write %d remove %d run %d connect %d "
		"bind %d kill %d\n",
		who, rd, wr, rm, try_run(),
		try_port(atoi(getenv("HOOK_PORT")), true), try_port(0, false),
		kill(getppid(), 0) < 0 ? errno : 0);
	(void)!write(STDERR_FILENO, line, (size_t)n);
	errno = before;
}

struct hooked {
	void *(*run)(void *);
	void *arg;
};

static void *hook_thread(void *arg)
{
	struct hooked h = *(struct hooked *)arg;
	sigset_t set;

	free(arg);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	hook_try("thread");
	return h.run(h.arg);
}

static int hook_create(pthread_t *thread, const pthread_attr_t *attr,
	void *(*run)(void *), void *arg)
{
	struct hooked *h = malloc(sizeof(*h));

	*h = (struct hooked){ run, arg };
	return pthread_create(thread, attr, hook_thread, h);
}

static void hook_signal(int number)
{
	(void)number;
	hook_try("main");
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = hook_signal,
		.sa_flags = SA_RESTART };

	if (argc == 2 && strcmp(argv[1], "landlock") == 0) {
		printf("%ld\n", syscall(444, NULL, 0, 1));
		return 0;
	}
	sigaction(SIGUSR2, &act, NULL);
	return sockcat_main(argc, argv);
}
