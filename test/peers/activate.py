"""Start a program as a service manager does, with sockets that it inherits:
descriptors 3 and up, LISTEN_FDS, LISTEN_PID.
    activate.py [OPTION...] SOCKET... -- CMD...
A SOCKET is one of
    tcp[:ADDR]    udp[:ADDR]    listening, or bound, on a port of its own
    unix:PATH     unixgram:PATH
    idle          a TCP socket that does not listen
    file:PATH     no socket at all
Options:
    --where FILE  write there where the sockets are, a line each: the port or
                  the path
    --pid N       LISTEN_PID; without: the program's
    --nonblock    the sockets do not block
    --copies N    start it N times, with the same sockets, say `ended STATUS`
                  for each of them that ends; a TERM is passed on
    --accept      then accept once more on the first socket and say what came:
                  `accepted TEXT`
Without the last two the program takes the place of this one."""
import os
import signal
import sys

import lean_socket as socket
import peer


def make(what):
    kind, _, at = what.partition(":")
    if kind == "file":
        return open(at, "w+b")
    unix = kind.startswith("unix")
    udp = kind in ("udp", "unixgram")
    family = (socket.AF_UNIX if unix else
              socket.AF_INET6 if ":" in at else socket.AF_INET)
    s = socket.socket(family, socket.SOCK_DGRAM if udp else
                      socket.SOCK_STREAM)
    s.bind(at if unix else (at or "127.0.0.1", 0))
    if not udp and kind != "idle":
        s.listen(128)
    return s


def place(s):
    if not isinstance(s, socket.socket):
        return "-"
    name = s.getsockname()
    return name if isinstance(name, str) else str(name[1])


def parse(argv):
    o = {"--where": None, "--pid": None, "--copies": "1"}
    flags, names = set(), []
    while argv and argv[0] != "--":
        arg = argv.pop(0)
        if arg in o:
            o[arg] = argv.pop(0)
        elif arg.startswith("--"):
            flags.add(arg)
        else:
            names.append(arg)
    return o, flags, names, argv[1:]


def run(sockets, pid, cmd):
    """Become CMD."""
    high = [os.dup(s.fileno()) for s in sockets]
    while min(high) < 3 + len(high):
        high = [os.dup(fd) for fd in high]
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i)
    os.closerange(3 + len(high), 256)
    os.environ["LISTEN_FDS"] = str(len(high))
    os.environ["LISTEN_PID"] = pid or str(os.getpid())
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execvp(cmd[0], cmd)


def main():
    o, flags, names, cmd = parse(sys.argv[1:])
    sockets = [make(name) for name in names]
    if "--nonblock" in flags:
        for s in sockets:
            s.setblocking(False)
    if o["--where"]:
        with open(o["--where"], "w") as f:
            f.write("".join(place(s) + "\n" for s in sockets))
    copies = int(o["--copies"])
    if copies == 1 and "--accept" not in flags:
        run(sockets, o["--pid"], cmd)
    children = []

    def end(*_):
        for pid in children:
            os.kill(pid, signal.SIGTERM)

    for _ in range(copies):
        pid = os.fork()
        if pid == 0:
            run(sockets, o["--pid"], cmd)
        children.append(pid)
    signal.signal(signal.SIGTERM, end)
    for _ in range(copies):
        pid, status = os.wait()
        children.remove(pid)
        peer.say("ended", os.WEXITSTATUS(status) if os.WIFEXITED(status)
                 else 128 + os.WTERMSIG(status))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if "--accept" in flags:
        sockets[0].setblocking(True)
        c, _ = sockets[0].accept()
        peer.say("accepted", open(c.fileno()).readline().strip())


main()
