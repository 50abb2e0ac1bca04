"""Read all to the end and report `received BYTES SHA256 end|reset|...`, then
close (--answer TEXT: say that first).  A server; with --connect a client.
--clients N serves N, one after the other (0: for ever); --pause SECONDS
waits before the first read, --slow SIZE,SECONDS reads SIZE bytes at a time
with a pause after each."""
import time

import peer

p = peer.args(__doc__, client=True)
p.add_argument("--connect", action="store_true")
p.add_argument("--clients", type=int, default=1)
p.add_argument("--answer")
p.add_argument("--pause", type=float, default=0)
p.add_argument("--slow")
a = p.parse_args()


class Slow:
    def __init__(self, s, spec):
        self.s = s
        size, pause = spec.split(",")
        self.size, self.wait = int(size), float(pause)

    def recv(self, _):
        time.sleep(self.wait)
        return self.s.recv(self.size)


def serve(c):
    time.sleep(a.pause)
    peer.sink(Slow(c, a.slow) if a.slow else c)
    if a.answer:
        c.sendall(a.answer.encode())
    c.close()


if a.connect:
    serve(peer.client(a))
else:
    s = peer.server(a)
    n = 0
    while not a.clients or n < a.clients:
        serve(s.accept()[0])
        n += 1
