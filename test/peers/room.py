"""Clients of a hub, in one process, one scene after the other.  The scene is
the first word after the options, its own arguments follow; the port comes
last.  Each scene says `well` at its end, or what was wrong.

    order POSTERS LISTENERS MESSAGES
        all join; POSTERS (at most 64) post MESSAGES of all lengths each at the
        same time, in bytes that nobody else uses; everybody hears all bytes
        but its own, and all in one order
    stall COUNT BYTES HOW
        COUNT members HOW `none` never read, `trickle` read 150 kB/s; one
        posts until BYTES have been posted, another one hears all of it: says
        `pause MS`, the longest that this one heard nothing, and how each of
        the others ended
    big BYTES
        one posts a message of BYTES, two others hear it whole
    changes ROUNDS
        a poster and a listener stay while others come and go, each of which
        posts a line when it comes: the listener misses nothing
    half
        a member half-closes and goes on hearing
    slow BYTES RATE
        hear BYTES, at most RATE of them each tenth of a second: says their
        SHA-256
"""
import errno
import random
import select
import sys
import threading
import time

import lean_socket as socket
import peer

p = peer.args(__doc__, client=True)
p.add_argument("--limit", type=float, default=40)
a = p.parse_args()
scene, *words = a.where
if not a.path:
    *words, port = words
    a.where = [port]
deadline = time.monotonic() + a.limit * peer.SLOW


def bad(*why):
    peer.say(*why)
    sys.exit(1)


def join():
    s = peer.client(a)
    s.settimeout(max(deadline - time.monotonic(), 0.1))
    return s


def post(s, text):
    s.sendall(text.encode() + b"\n")


class Ear:
    """Read lines of a member on a thread."""

    def __init__(self, s):
        self.s, self.lines, self.rest = s, [], bytearray()
        self.raw, self.high = bytearray(), 0
        self.end = None
        self.changed = threading.Condition()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while self.end is None:
            try:
                data = self.s.recv(1 << 16)
            except OSError as e:
                data, self.end = b"", e.strerror or str(e)
            with self.changed:
                if not data and self.end is None:
                    self.end = "end"
                self.raw += data
                self.high += len(data.translate(None, bytes(range(128))))
                self.rest += data
                if b"\n" in data:
                    *lines, self.rest = self.rest.split(b"\n")
                    self.lines += [b.decode("latin-1") for b in lines]
                self.changed.notify_all()

    def until(self, enough):
        with self.changed:
            if not self.changed.wait_for(
                    lambda: enough() or self.end,
                    max(deadline - time.monotonic(), 0)) or not enough():
                bad("heard", len(self.lines), "lines, then", self.end,
                    self.lines[-3:])

    def hears(self, text):
        self.until(lambda: text in self.lines)


def meet(members):
    """Wait until all are in the room: each has been heard by the first, and
    has heard the first.  Says hello until it is so."""
    ears = [Ear(s) for s in members]
    for i, s in enumerate(members[1:], 1):
        while "here %d" % i not in ears[0].lines:
            post(s, "here %d" % i)
            time.sleep(0.01)
            if time.monotonic() > deadline:
                bad("nobody hears member", i)
    for i, e in enumerate(ears[1:], 1):
        while "hello" not in e.lines:
            post(members[0], "hello")
            time.sleep(0.01)
            if time.monotonic() > deadline:
                bad("member", i, "hears nothing")
    return ears


def talk(line):
    return line.startswith("say ")


def order(posters, listeners, messages):
    members = [join() for _ in range(posters + listeners)]
    ears = meet(members)
    noise = [random.Random(n) for n in range(posters)]
    width = min(16, 128 // posters)
    # Many shall post often, and all of it fit into the ring in any build.
    sizes = (1, 10, 100, 1000, 5000) if posters <= 8 else (1, 10, 100, 300)
    texts = [[bytes(0x80 + width * n + r.randrange(width)
                    for _ in range(r.choice(sizes)))
              for _ in range(messages)] for n, r in enumerate(noise)]

    def poster(n):
        for text in texts[n]:
            members[n].sendall(text)

    threads = [threading.Thread(target=poster, args=(n,))
               for n in range(posters)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    lengths = [sum(map(len, t)) for t in texts] + [0] * listeners
    for i, e in enumerate(ears):
        e.until(lambda e=e, i=i: e.high >= sum(lengths) - lengths[i])
    heard = [bytes(b for b in e.raw if b >= 0x80) for e in ears]
    full = heard[-1]
    own = [bytes(range(0x80 + width * n, 0x80 + width * (n + 1)))
           for n in range(posters)]
    for n in range(posters):
        others = bytes(b for b in range(256) if b not in own[n])
        if full.translate(None, others) != b"".join(texts[n]):
            bad("a listener heard other bytes than", n, "posted")
    for i, h in enumerate(heard):
        if h != full.translate(None, own[i] if i < posters else b""):
            bad("member", i, "heard itself, or another order")


def how_it_ended(s):
    """Read to the end: `reset`, `end`, or `open` while there is none."""
    s.settimeout(10)
    try:
        while s.recv(1 << 20):
            pass
        return "end"
    except socket.timeout:
        return "open"
    except OSError as e:
        return "reset" if e.errno == errno.ECONNRESET else e.strerror


def stall(count, size, how):
    deaf = [join() for _ in range(count)]
    poster, listener = join(), join()
    ears = meet([listener, poster])
    for s in deaf:
        s.settimeout(None)
        while not select.select([s], [], [], 0)[0]:
            post(poster, "hello")
            time.sleep(0.01)
    stop = threading.Event()

    def trickle(s):
        try:
            while not stop.wait(0.02) and s.recv(3000):
                pass
        except OSError:
            pass

    drops = [threading.Thread(target=trickle, args=(s,), daemon=True)
             for s in deaf if how == "trickle"]
    for t in drops:
        t.start()
    line = "say " + "y" * 8191
    number = size // (len(line) + 1)
    longest = 0.0
    done = threading.Event()

    def write():
        for _ in range(number):
            post(poster, line)
        post(poster, "done")
        done.set()

    threading.Thread(target=write, daemon=True).start()
    heard, since = 0, time.monotonic()
    while "done" not in ears[0].lines[-2:]:
        with ears[0].changed:
            ears[0].changed.wait(0.05)
        if ears[0].end or time.monotonic() > deadline:
            bad("the listener heard", len(ears[0].lines), ears[0].end)
        if len(ears[0].lines) != heard:
            heard, since = len(ears[0].lines), time.monotonic()
        longest = max(longest, time.monotonic() - since)
    if sum(talk(b) for b in ears[0].lines) != number:
        bad("the listener missed", number - sum(map(talk, ears[0].lines)))
    stop.set()
    for t in drops:
        t.join()
    peer.say("pause", int(longest * 1000))
    peer.say(*[how_it_ended(s) for s in deaf])


def big(size):
    members = [join() for _ in range(3)]
    ears = meet(members)
    text = "".join(chr(33 + (i * i) % 90) for i in range(1000))
    text = "say " + (text * (size // 1000 + 1))[:size]
    t = threading.Thread(target=post, args=(members[0], text))
    t.start()
    for e in ears[1:]:
        e.until(lambda e=e: any(map(talk, e.lines)))
        if [b for b in e.lines if talk(b)] != [text]:
            bad("other bytes than posted")
    t.join()
    if any(map(talk, ears[0].lines)):
        bad("the poster heard itself")


def changes(rounds):
    members = [join(), join()]
    ears = meet(members)
    for n in range(rounds):
        s = join()
        post(s, "say %d" % n)
        ears[0].hears("say %d" % n)
        ears[1].hears("say %d" % n)
        if n % 3 == 0:
            s.shutdown(socket.SHUT_WR)
        elif n % 3 == 1:
            peer.reset(s)
            continue
        s.close()
        post(members[1], "say more %d" % n)
        ears[0].hears("say more %d" % n)
    talked = [b for b in ears[0].lines if talk(b)]
    more = sum(n % 3 != 1 for n in range(rounds))
    if len(talked) != rounds + more:
        bad("heard", len(talked), "of", rounds + more)


def half():
    members = [join(), join()]
    ears = meet(members)
    members[0].shutdown(socket.SHUT_WR)
    for n in range(20):
        post(members[1], "say %d" % n)
        ears[0].hears("say %d" % n)


def slow(size, rate):
    s = join()
    total = peer.Sum()
    while total.n < size:
        data = s.recv(min(rate, size - total.n))
        if not data:
            bad("the end after", total.n)
        total.add(data)
        if rate < size - total.n:
            time.sleep(0.1)
    peer.say(total.hash.hexdigest())


words = [int(w) if w.isdigit() else w for w in words]
globals()[scene](*words)
peer.say("well")
