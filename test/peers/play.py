"""Play a conversation, step by step:
    say=TEXT     send TEXT (with escapes: \\r \\n \\xHH)
    drip=TEXT    ... each byte in a segment of its own
    file=NAME    send what that file holds
    get=N        read N bytes; datagrams with -u
    until=TEXT   read until TEXT came
    rest         read to the end
    quiet=TIME   nothing comes for that time, nor an end
    pause=TIME   wait
    line         wait for a line on standard input
    half, reset  half-close; close with a reset
A server of one peer, or with --connect PORT a client.  Reports `got B'...'`,
all that came (with -u each datagram in a line), after a line for what went
wrong; with --time also `took SECONDS` from the start; with --sum `received
BYTES SHA256` instead of the bytes."""
import sys
import time

import lean_socket as socket
import peer

p = peer.args(__doc__)
p.add_argument("--connect", type=int)
p.add_argument("--time", action="store_true")
p.add_argument("--sum", action="store_true")
p.add_argument("steps", nargs="+")
a = p.parse_args()


def unescape(text):
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


class Player:
    def __init__(self, s, where=None):
        self.s = s
        self.where = where          # datagrams: who wrote last
        self.got = []
        self.begin = time.monotonic()
        s.settimeout(25 * peer.SLOW)
        if not a.udp and not a.path:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        if self.where:
            self.s.sendto(data, self.where)
        elif a.udp:
            self.s.send(data)
        else:
            self.s.sendall(data)

    def take(self, n):
        if a.udp and a.connect is None:
            data, self.where = self.s.recvfrom(1 << 17)
        else:
            data = self.s.recv(1 << 17 if a.udp else n)
        if not data and not a.udp:
            raise EOFError("end")
        self.got.append(data)
        return len(data)

    def step(self, verb, text):
        if verb == "say":
            self.send(unescape(text))
        elif verb == "drip":
            for c in unescape(text):
                self.send(bytes([c]))
                time.sleep(0.002)
        elif verb == "file":
            with open(text, "rb") as f:
                self.send(f.read())
        elif verb == "get":
            left = int(text)
            while left > 0:
                n = self.take(left)
                left -= 1 if a.udp else n
        elif verb == "until":
            while unescape(text) not in b"".join(self.got):
                self.take(1 << 16)
        elif verb == "rest":
            try:
                while True:
                    self.take(1 << 16)
            except EOFError:
                pass
        elif verb == "quiet":
            self.s.settimeout(float(text))
            try:
                self.take(1)
                peer.say("not quiet")
            except TimeoutError:
                pass
            self.s.settimeout(25 * peer.SLOW)
        elif verb == "pause":
            time.sleep(float(text))
        elif verb == "line":
            sys.stdin.readline()
        elif verb == "half":
            self.s.shutdown(socket.SHUT_WR)
        elif verb == "reset":
            peer.reset(self.s)
        else:
            raise ValueError(verb)

    def report(self):
        if a.time:
            peer.say("took", "%.3f" % (time.monotonic() - self.begin))
        if a.sum:
            total = peer.Sum()
            for data in self.got:
                total.add(data)
            total.report()
        elif a.udp:
            for data in self.got:
                peer.say("got", data)
        else:
            peer.say("got", b"".join(self.got))


if a.connect is not None:
    a.where = [a.connect]
    player = Player(peer.client(a))
else:
    s = peer.server(a)
    player = Player(s if a.udp else s.accept()[0])
try:
    for word in a.steps:
        verb, _, text = word.partition("=")
        player.step(verb, text)
except (OSError, EOFError) as e:
    peer.say("wrong:", word, e)
player.report()
