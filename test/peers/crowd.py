"""Many echo clients in one process.  Each sends --bytes B of its own, reads
them back, half-closes and reads to the end.
    --clients N         how many (50)
    --rounds R          R times back and forth (1)
    --one-by-one        one after the other instead of all at once
    --full-close        close instead of waiting for the end
    --quiet-close       not even send: connect and close
    --unanswered        expect nothing back but the end
    --hold              when all have their answers say `holding N`, go on
                        when a line comes on standard input
    --limit SECONDS     give up then (60)
Reports `served N of N BYTES`, after a line for each thing that went wrong."""
import errno
import resource
import select
import struct
import sys
import time

import lean_socket as socket
import peer

p = peer.args(__doc__, client=True)
p.add_argument("--clients", type=int, default=50)
p.add_argument("--bytes", type=int, default=1000)
p.add_argument("--rounds", type=int, default=1)
p.add_argument("--one-by-one", action="store_true")
p.add_argument("--full-close", action="store_true")
p.add_argument("--quiet-close", action="store_true")
p.add_argument("--unanswered", action="store_true")
p.add_argument("--hold", action="store_true")
p.add_argument("--limit", type=float, default=60)
a = p.parse_args()

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
host = a.where[0] if len(a.where) > 1 else peer.loopback(a.family)
if ":" in host:
    a.family = socket.AF_INET6
where = peer.unix_name(a.path) if a.path else (host, int(a.where[-1]))
deadline = time.monotonic() + a.limit * peer.SLOW
poll = select.epoll()
clients = {}
served = total = 0


class Client:
    def __init__(self, number):
        head = struct.pack(">I", number)
        unit = head + bytes((number * 7 + i) & 255 for i in range(252))
        self.text = (unit * (a.bytes // 256 + 1))[:a.bytes]
        self.round = self.sent = self.got = 0
        self.connected = self.answered = self.ended = False
        self.s = peer.make(a)
        self.s.setblocking(False)
        e = self.s.connect_ex(where)
        while e == errno.EAGAIN and a.path:     # the backlog is full
            time.sleep(0.001)
            e = self.s.connect_ex(where)
        if e not in (0, errno.EINPROGRESS):
            raise OSError(e, "connect")
        clients[self.s.fileno()] = self
        poll.register(self.s, select.EPOLLOUT | select.EPOLLIN)

    def write(self):
        if a.quiet_close:
            self.done(True)
            return
        if self.sent < len(self.text):
            self.sent += self.s.send(self.text[self.sent:])
        if self.sent == len(self.text):
            poll.modify(self.s, select.EPOLLIN)
            if a.unanswered:
                self.finish()

    def read(self):
        data = self.s.recv(1 << 16)
        if not data:
            return self.done(self.ended)
        if data != self.text[self.got:self.got + len(data)]:
            raise OSError(errno.EBADMSG, "other bytes than sent")
        self.got += len(data)
        if self.got < len(self.text):
            return None
        global total
        total += self.got
        self.round += 1
        if self.round < a.rounds:
            self.sent = self.got = 0
            poll.modify(self.s, select.EPOLLOUT | select.EPOLLIN)
        elif a.hold:
            self.answered = True
            poll.modify(self.s, 0)
        else:
            self.finish()
        return None

    def finish(self):
        if a.full_close:
            return self.done(True)
        self.ended = True
        self.s.shutdown(socket.SHUT_WR)
        poll.modify(self.s, select.EPOLLIN)

    def done(self, good, why="ended early"):
        global served
        served += good
        if not good:
            peer.say("failed:", why)
        poll.unregister(self.s)
        del clients[self.s.fileno()]
        self.s.close()

    def event(self, events):
        try:
            if events & (select.EPOLLERR | select.EPOLLHUP) == \
                    select.EPOLLERR:
                e = self.s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if e:
                    raise OSError(e, "socket")
            if events & select.EPOLLOUT:
                self.write()
            elif events & (select.EPOLLIN | select.EPOLLHUP):
                self.read()
        except BlockingIOError:
            pass
        except OSError as e:
            self.done(False, "%s %s" % (errno.errorcode.get(e.errno),
                                        e.strerror))


def turn():
    if time.monotonic() > deadline:
        peer.say("late:", len(clients), "clients not served")
        report()
    for fd, events in poll.poll(0.1):
        clients[fd].event(events)


def report():
    peer.say("served", served, "of", a.clients, total)
    sys.exit(served != a.clients)


for i in range(a.clients):
    Client(i)
    while a.one_by_one and clients:
        turn()
if a.hold:
    while not all(c.answered for c in clients.values()):
        turn()
    peer.say("holding", len(clients))
    sys.stdin.readline()
    deadline = time.monotonic() + a.limit * peer.SLOW
    for c in list(clients.values()):
        c.finish()
while clients:
    turn()
report()
