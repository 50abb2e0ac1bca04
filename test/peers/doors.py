"""Ports for a scan: one for each KIND, in ascending order, all printed on the
first line.  A KIND says what is behind the port, joined by `+'; whatever it
does not name is refused, and nobody else gets it:
    tcp4 tcp6       accepts connections and closes them
    mute4 mute6     TCP: nothing comes back
    echo4 echo6     UDP: answers with what came
    ping4           UDP: answers only the datagram `ping'
    deaf4 deaf6     UDP: never answers
    shut            nothing
With KIND=PORT not any port but that one.  --lo first brings up the loopback
of a network of its own.  After `--' a command to run: its exit status is
ours."""
import ctypes
import fcntl
import resource
import select
import struct
import subprocess
import sys

import lean_socket as socket
import peer

FAMILIES = [(socket.AF_INET, "4", "127.0.0.1")]
if socket.has_ipv6:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        FAMILIES.append((socket.AF_INET6, "6", "::1"))
    except OSError:
        pass
TYPES = socket.SOCK_STREAM, socket.SOCK_DGRAM


def reserve(port):
    """Every socket there is of a port (0: any), by family and type."""
    for _ in range(100):
        made, number = {}, port
        try:
            for family, digit, host in FAMILIES:
                for kind in TYPES:
                    s = made[digit, kind] = socket.socket(family, kind)
                    if family == socket.AF_INET6:
                        s.setsockopt(socket.IPPROTO_IPV6,
                                     socket.IPV6_V6ONLY, 1)
                    s.bind((host, number))
                    number = s.getsockname()[1]
            return number, made
        except OSError:
            if port:
                raise
            for s in made.values():
                s.close()
    sys.exit("doors.py: no free ports")


def mute(s):
    """The filter that drops all: not even a SYN is answered."""
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    s.setsockopt(socket.SOL_SOCKET, 26,     # SO_ATTACH_FILTER
                 struct.pack("HL", 1, ctypes.addressof(code)))
    s.listen(1)


def behind(words, made):
    """Open what the words say, close the rest; the sockets to serve."""
    found = []
    for (digit, kind), s in made.items():
        if kind == socket.SOCK_STREAM:
            if "mute" + digit in words:
                mute(s)
            if "tcp" + digit in words:
                s.listen(128)
                found.append((s, "tcp"))
            continue
        what = [w for w in ("echo", "ping", "deaf") if w + digit in words]
        if what:
            found.append((s, what[0]))
        else:               # hears only one that never says anything
            s.connect((s.getsockname()[0], 1))
    return found


def serve(s, what):
    try:
        if what == "tcp":
            s.accept()[0].close()
            return
        data, where = s.recvfrom(65536)
        if what == "echo" or (what == "ping" and data == b"ping"):
            s.sendto(data, where)
    except OSError:
        pass


hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
args, command = sys.argv[1:], None
if "--" in args:
    i = args.index("--")
    args, command = args[:i], args[i + 1:]
if args[0] == "--lo":
    with socket.socket() as up:
        fcntl.ioctl(up, 0x8914, struct.pack("16sh22x", b"lo", 1))
    FAMILIES = FAMILIES[:1]
    args = args[1:]

wanted = [a.partition("=") for a in args]
reserved = [reserve(int(port or 0)) for _, _, port in wanted]
if not any(port for _, _, port in wanted):
    reserved.sort(key=lambda r: r[0])
serving = []
for (words, _, _), (_, sockets) in zip(wanted, reserved):
    serving += behind(words.split("+"), sockets)
kinds = dict(serving)
peer.say(*(number for number, _ in reserved))
child = subprocess.Popen(command) if command else None
while child is None or child.poll() is None:
    for ready in select.select(list(kinds), [], [], .05 if child else None)[0]:
        serve(ready, kinds[ready])
sys.exit(child.returncode if child.returncode >= 0 else 1)
