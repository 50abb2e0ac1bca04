"""A client that sends --bytes N and reads at the same time, to the end, and
then reports `received BYTES SHA256 end|reset|...`.  --half half-closes once
all is sent; --pause SECONDS waits before the first read, --slow SIZE,SECONDS
reads SIZE bytes at a time with a pause after each."""
import threading
import time

import lean_socket as socket
import peer

p = peer.args(__doc__, client=True)
p.add_argument("--bytes", type=int, default=1 << 20)
p.add_argument("--half", action="store_true")
p.add_argument("--pause", type=float, default=0)
p.add_argument("--slow")
a = p.parse_args()
s = peer.client(a)


class Slow:
    """A socket that is read slowly."""

    def __init__(self, spec):
        size, pause = spec.split(",")
        self.size, self.wait = int(size), float(pause)

    def recv(self, _):
        time.sleep(self.wait)
        return s.recv(self.size)


def send():
    try:
        s.sendall((bytes(range(256)) * (a.bytes // 256 + 1))[:a.bytes])
        if a.half:
            s.shutdown(socket.SHUT_WR)
    except OSError:
        pass        # the other end has closed: what counts is what came


threading.Thread(target=send, daemon=True).start()
time.sleep(a.pause)
peer.sink(Slow(a.slow) if a.slow else s)
