"""What a command finds when it is started: written to its standard output,
a line each.
    fds N...            the descriptors that are open
    0 KIND ...          what descriptors 0 and 1 are, blocking or not, and
    1 KIND ...          whether reading or writing them times out
    one | two           whether they are one and the same socket
    local, remote       the socket's names (host and port, or path)
With --then-read it then reads its input to the end and says how many bytes
there were."""
import fcntl
import os
import stat
import sys

import lean_socket as socket


def kind(fd):
    s = os.fstat(fd)
    if not stat.S_ISSOCK(s.st_mode):
        return "fifo" if stat.S_ISFIFO(s.st_mode) else "other"
    with socket.socket(fileno=os.dup(fd)) as sock:
        names = {socket.SOCK_STREAM: "stream", socket.SOCK_DGRAM: "datagram"}
        waits = [sock.getsockopt(socket.SOL_SOCKET, o, 16)
                 for o in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO)]
        return "%s %s" % (names.get(sock.type, "socket"),
                          "timeouts" if any(map(any, waits)) else "patient")


def mode(fd):
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    return "non-blocking" if flags & os.O_NONBLOCK else "blocking"


def text(name):
    if isinstance(name, tuple):
        return "%s %d" % name[:2]
    return os.fsdecode(name)


def is_open(fd):
    try:
        fcntl.fcntl(fd, fcntl.F_GETFD)
        return True
    except OSError:
        return False


lines = ["fds " + " ".join(str(fd) for fd in range(4096) if is_open(fd))]
for n in (0, 1):
    lines.append("%d %s %s" % (n, kind(n), mode(n)))
lines.append("one" if os.path.sameopenfile(0, 1) else "two")
if stat.S_ISSOCK(os.fstat(0).st_mode):
    with socket.socket(fileno=os.dup(0)) as me:
        lines.append("local " + text(me.getsockname()))
        lines.append("remote " + text(me.getpeername()))
if "--then-read" in sys.argv[1:]:
    total = 0
    while True:
        data = os.read(0, 1 << 16)
        if not data:
            break
        total += len(data)
    lines.append("read %d" % total)
os.write(1, ("\n".join(lines) + "\n").encode())
