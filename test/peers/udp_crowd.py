"""Many datagram clients in one process: --clients N (50) sockets send --rounds
R (10) datagrams each, in turn, and each waits for its own to come back, sent
again when it has not within a second.  An answer to somebody else's is an
error.  Reports `served N of N`, after a line for each thing that went wrong;
--hold keeps the sockets until a line comes on standard input."""
import select
import sys
import time

import peer

p = peer.args(__doc__, client=True, udp=True)
p.add_argument("--clients", type=int, default=50)
p.add_argument("--rounds", type=int, default=10)
p.add_argument("--limit", type=float, default=60)
p.add_argument("--hold", action="store_true")
a = p.parse_args()
deadline = time.monotonic() + a.limit
wrong = 0


class Client:
    def __init__(self, number):
        self.number = number
        self.round = 0
        self.sent = 0.0
        self.s = peer.client(a)
        self.s.setblocking(False)

    def text(self):
        return b"%d:%d:" % (self.number, self.round) + b"x" * self.number

    def send(self):
        try:
            self.s.send(self.text())
        except (BlockingIOError, ConnectionRefusedError):
            pass
        self.sent = time.monotonic()

    def hear(self):
        global wrong
        try:
            data = self.s.recv(65536)
        except (BlockingIOError, ConnectionRefusedError):
            return
        if data == self.text():
            self.round += 1
            self.sent = 0.0
        elif not data.startswith(b"%d:" % self.number):
            wrong += 1
            peer.say("client", self.number, "heard", data[:40])


clients = [Client(i) for i in range(a.clients)]
rest = list(clients)
while rest and time.monotonic() < deadline:
    for c in rest:
        if time.monotonic() - c.sent > 1:
            c.send()
    for s in select.select([c.s for c in rest], [], [], 0.1)[0]:
        next(c for c in rest if c.s is s).hear()
    rest = [c for c in rest if c.round < a.rounds]
peer.say("served", len(clients) - len(rest), "of", len(clients))
if a.hold:
    sys.stdin.readline()
sys.exit(bool(rest or wrong))
