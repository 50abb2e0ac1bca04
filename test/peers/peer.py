"""What the peers share: their arguments, their sockets, their reports.

Every peer takes
    -4 (default) or -6      127.0.0.1 or ::1
    -U PATH                 a Unix socket; a leading @ means abstract
    -u                      datagrams, where that makes sense
    --bind ADDR             listen on another address
    --port PORT             not a free port but this one
A server prints its port and address (or its path) on its first line, then
one line for each thing to report, each written at once.  A client takes the
port last, after an optional host; with -U nothing.
"""
import os
import struct
import sys

import lean_args
import lean_socket as socket


# What every time limit of a peer is multiplied with.
SLOW = float(os.environ.get("TIME_FACTOR", 1))


def say(*words):
    sys.stdout.write(" ".join(str(w) for w in words) + "\n")
    sys.stdout.flush()


def args(description, client=False, udp=False):
    p = lean_args.Parser(description=description)
    p.add_argument("-4", dest="family", action="store_const",
                   const=socket.AF_INET, default=socket.AF_INET)
    p.add_argument("-6", dest="family", action="store_const",
                   const=socket.AF_INET6)
    p.add_argument("-U", dest="path")
    p.add_argument("-u", dest="udp", action="store_true", default=udp)
    p.add_argument("--bind")
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--rcvbuf", type=int)
    p.add_argument("--sndbuf", type=int)
    if client:
        p.add_argument("where", nargs="*")
    return p


def unix_name(path):
    return "\0" + path[1:] if path.startswith("@") else path


def loopback(family):
    return "::1" if family == socket.AF_INET6 else "127.0.0.1"


def make(a):
    kind = socket.SOCK_DGRAM if a.udp else socket.SOCK_STREAM
    s = socket.socket(socket.AF_UNIX if a.path else a.family, kind)
    if a.rcvbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, a.rcvbuf)
    if a.sndbuf:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, a.sndbuf)
    return s


def server(a, backlog=128):
    """Bind, listen, and print where."""
    s = make(a)
    if a.path:
        s.bind(unix_name(a.path))
    else:
        s.bind((a.bind or loopback(a.family), a.port))
    if not a.udp:
        s.listen(backlog)
    if a.path:
        say(a.path)
    else:
        name = s.getsockname()
        say(name[1], name[0])
    return s


def client(a):
    """Connect."""
    if a.path:
        s = make(a)
        if a.udp:
            s.bind("")              # autobind, so that it can be answered
        s.connect(unix_name(a.path))
        return s
    host = a.where[0] if len(a.where) > 1 else loopback(a.family)
    if ":" in host:
        a.family = socket.AF_INET6
    s = make(a)
    s.connect((host, int(a.where[-1])))
    return s


def each(a, serve):
    """The connection of a client, or each of those that a server gets."""
    if a.connect:
        serve(client(a))
        return
    s = server(a)
    for _ in range(a.clients):
        serve(s.accept()[0])


def recv_exactly(s, n):
    """n bytes, or fewer if the peer ends before."""
    parts = []
    while n > 0:
        b = s.recv(min(n, 1 << 18))
        if not b:
            break
        parts.append(b)
        n -= len(b)
    return b"".join(parts)


class Sum:
    """Count and hash what passes."""

    def __init__(self):
        import hashlib              # slow to load: most do without

        self.n = 0
        self.hash = hashlib.sha256()

    def add(self, b):
        self.n += len(b)
        self.hash.update(b)

    def report(self, *how):
        say("received", self.n, self.hash.hexdigest(), *how)


def sink(s):
    """Read to the end and report it: received BYTES SHA256 end|REASON."""
    total = Sum()
    how = "end"
    try:
        while True:
            b = s.recv(1 << 18)
            if not b:
                break
            total.add(b)
    except OSError as e:
        how = "reset" if e.errno == 104 else os.strerror(e.errno)
    total.report(how)
    return total


def reset(s):
    """Close with a reset."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                 struct.pack("ii", 1, 0))
    s.close()
