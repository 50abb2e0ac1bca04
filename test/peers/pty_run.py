"""Run a command with a terminal as its standard input; see in_pty in
helpers.bash."""
import fcntl
import os
import re
import select
import signal
import struct
import sys
import termios
import time
import tty

STEPS = {"--type": 1, "--type-file": 1, "--until": 2, "--eof": 0,
         "--hangup": 0}


def parse(argv):
    steps, flags, limit = [], set(), 30.0
    while argv:
        arg = argv.pop(0)
        if arg == "--":
            break
        if arg in STEPS:
            n = STEPS[arg]
            steps.append((arg, argv[:n]))
            del argv[:n]
        elif arg in ("--all", "--raw", "--background"):
            flags.add(arg)
        elif arg == "--limit":
            limit = float(argv.pop(0))
        elif arg.startswith("-"):
            sys.exit("pty_run: unknown option " + arg)
        else:
            argv.insert(0, arg)
            break
    return steps, flags, limit * float(os.environ.get("TIME_FACTOR", 1)), argv


def run(cmd, slave, flags):
    """In the child: a session of its own on the terminal, then CMD."""
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    if "--background" in flags:
        pid = os.fork()
        if pid:
            # The session's leader keeps the foreground and passes on the
            # end of the command, which is in the background.
            def end(*_):
                os.kill(pid, signal.SIGTERM)
                os.kill(pid, signal.SIGCONT)

            signal.signal(signal.SIGHUP, end)
            signal.signal(signal.SIGTERM, end)
            os.closerange(3, 256)
            while True:
                _, status = os.waitpid(pid, os.WUNTRACED)
                if not os.WIFSTOPPED(status):
                    os._exit(code(status))
                sys.stderr.write("pty_run: stopped by signal %d\n" %
                                 os.WSTOPSIG(status))
        os.setpgid(0, 0)
    os.dup2(slave, 0)
    if "--all" in flags:
        os.dup2(slave, 1)
        os.dup2(slave, 2)
    for n in (signal.SIGPIPE, signal.SIGINT):
        signal.signal(n, signal.SIG_DFL)
    os.close(slave)
    try:
        os.execvp(cmd[0], cmd)
    except OSError as e:
        os.write(2, ("pty_run: %s: %s\n" % (cmd[0], e.strerror)).encode())
        os._exit(127)


def code(status):
    if os.WIFSIGNALED(status):
        return 128 + os.WTERMSIG(status)
    return os.WEXITSTATUS(status)


class Driver:
    def __init__(self, master, steps, copy):
        self.master, self.steps, self.copy = master, steps, copy
        self.out = b""

    def matches(self, file, regex):
        try:
            with open(file, "rb") as f:
                return re.search(regex.encode(), f.read(), re.M)
        except OSError:
            return None

    def step(self):
        """Do what can be done now."""
        while self.steps and not self.out and self.master is not None:
            name, arg = self.steps[0]
            if name == "--until" and not self.matches(*arg):
                return
            self.steps.pop(0)
            if name == "--type":
                self.out = arg[0].encode().decode("unicode_escape").encode(
                    "latin-1")
            elif name == "--type-file":
                with open(arg[0], "rb") as f:
                    self.out = f.read()
            elif name == "--eof":
                self.out = b"\x04"
            elif name == "--hangup":
                os.close(self.master)
                self.master = None

    def turn(self):
        """Move bytes for at most 20 ms."""
        if self.master is None:
            time.sleep(0.02)
            return
        w = [self.master] if self.out else []
        r, w, _ = select.select([self.master], w, [], 0.02)
        if r:
            self.read()
        if w and self.master is not None:
            try:
                n = os.write(self.master, self.out[:512])
                self.out = self.out[n:]
            except BlockingIOError:
                pass

    def read(self):
        try:
            data = os.read(self.master, 65536)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            time.sleep(0.005)
            return False
        if self.copy:
            os.write(1, data)
        return True


def main():
    steps, flags, limit, cmd = parse(sys.argv[1:])
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    if "--raw" in flags:
        tty.setraw(slave)
    # The end of this pipe says that CMD has the terminal.
    ready, unready = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(master)
        run(cmd, slave, flags)
    os.close(slave)
    os.close(unready)
    os.read(ready, 1)
    os.set_blocking(master, False)
    # Whoever ends this helper ends the command.
    for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(n, lambda n, _: os.kill(pid, n))
    d = Driver(master, steps, "--all" in flags)
    end = time.monotonic() + limit
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            sys.stderr.write("pty_run: killed after %g s\n" % limit)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            sys.exit(137)
        d.step()
        d.turn()
    while d.master is not None and select.select(
            [d.master], [], [], 0)[0] and d.read():
        pass
    sys.exit(code(status))


main()
