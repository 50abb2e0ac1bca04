"""Members of a chat.  The scene is the first word after the options, its own
arguments follow; the port comes last.  Each scene says `well` at its end, or
what was wrong.
    --console FILE      what the chat's console hears, to know who has joined

    say TEXT...
        one member says these (C escapes), each when the one before has been
        read, and half-closes; says its name
    reset TEXT...
        the same, and resets
    halves
        one says half a line, another one a whole one, then the first one the
        rest: a third one hears two whole lines
    torn MEMBERS LINES
        each says LINES of all lengths, torn into pieces, all at the same
        time; all hear all lines of all others, whole and in one order
    huge BYTES
        one says a line of BYTES; others hear its beginning before its end
    crowd MEMBERS
        they join, each says a line, half of them leave, in every way; a
        member that came first hears it all
    deaf BYTES
        one does not read; others hear all of BYTES, and that it left
"""
import random
import sys
import threading
import time

import lean_socket as socket
import peer

p = peer.args(__doc__, client=True)
p.add_argument("--console")
p.add_argument("--limit", type=float, default=40)
a = p.parse_args()
scene, *words = a.where
if not a.path:
    *words, port = words
    a.where = [peer.loopback(a.family), port]
deadline = time.monotonic() + a.limit


def bad(*why):
    peer.say(*why)
    sys.exit(1)


def wait(what, *why):
    while not what():
        if time.monotonic() > deadline:
            bad(*why)
        time.sleep(0.01)


def console():
    with open(a.console, "rb") as f:
        return f.read().split(b"\n")


class Member:
    """Joins, with its ears on a thread."""
    count = 0

    def __init__(self, deaf=False):
        Member.count += 1
        self.s = peer.client(a)
        self.s.settimeout(max(deadline - time.monotonic(), 0.1))
        name = self.s.getsockname()
        self.name = ("unix-%d" % Member.count if a.path else
                     "[%s]:%d" % name[:2] if ":" in name[0] else
                     "%s:%d" % name).encode()
        joined = b"* %s joined" % self.name
        wait(lambda: joined in console(), self.name, "did not join")
        self.lines, self.rest, self.end = [], b"", None
        self.changed = threading.Condition()
        if not deaf:
            threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while self.end is None:
            try:
                data = self.s.recv(1 << 16)
            except OSError as e:
                data, self.end = b"", e.strerror or str(e)
            with self.changed:
                if not data and self.end is None:
                    self.end = "end"
                *lines, self.rest = (self.rest + data).split(b"\n")
                self.lines += lines
                self.changed.notify_all()

    def say(self, data):
        self.s.sendall(data)

    def read(self):
        """Wait until all that was said has been read by the other side."""
        if a.path or self.s.family != socket.AF_INET:
            return
        here, there = self.s.getsockname()[1], int(a.where[-1])
        ends = ":%04X" % there, ":%04X" % here

        def empty():
            with open("/proc/net/tcp", encoding="ascii") as f:
                rows = [line.split() for line in f]
            return any(r[1].endswith(ends[0]) and r[2].endswith(ends[1]) and
                       r[4].endswith(":00000000") for r in rows) and \
                any(r[1].endswith(ends[1]) and r[2].endswith(ends[0]) and
                    r[4].startswith("00000000:") for r in rows)

        wait(empty, "nobody reads")

    def hears(self, *lines):
        """Wait for these lines, said by anybody."""
        with self.changed:
            if not self.changed.wait_for(
                    lambda: all(b in self.lines for b in lines) or self.end,
                    max(deadline - time.monotonic(), 0)):
                bad("not heard in time:", set(lines) - set(self.lines),
                    "but", self.lines[-3:])
            if not all(b in self.lines for b in lines):
                bad("not heard:", set(lines) - set(self.lines), self.end)

    def line(self, text):
        return b"<%s> %s" % (self.name, text)


def unescape(text):
    return text.encode("utf-8", "surrogateescape") \
        .decode("unicode_escape").encode("latin-1")


def say(*texts):
    m = Member()
    for t in texts:
        m.say(unescape(t))
        m.read()
    m.s.shutdown(socket.SHUT_WR)
    wait(lambda: b"* %s left" % m.name in console(), m.name, "did not leave")
    peer.say(m.name.decode())


def reset(*texts):
    m = Member(deaf=True)
    for t in texts:
        m.say(unescape(t))
        m.read()
    peer.reset(m.s)


def halves():
    one, two, ear = Member(), Member(), Member()
    for n in range(20):
        one.say(b"half %d" % n)
        one.read()
        two.say(b"whole %d\n" % n)
        ear.hears(two.line(b"whole %d" % n))
        one.say(b" line\n")
        ear.hears(one.line(b"half %d line" % n))
    talk = [b for b in ear.lines if b.startswith(b"<")]
    if len(talk) != 40:
        bad("heard", len(talk), "lines")


def torn(members, lines):
    all_of = [Member() for _ in range(members)]

    def talk(n):
        r = random.Random(n)
        m = all_of[n]
        text = b"".join(b"%d %s\n" % (i, b"x" * r.choice((1, 9, 99, 999)))
                        for i in range(lines))
        while text:
            size = r.choice((1, 5, 50, 500))
            m.say(text[:size])
            text = text[size:]
        m.say(b"done\n")

    threads = [threading.Thread(target=talk, args=(n,))
               for n in range(members)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for m in all_of:
        m.hears(*[o.line(b"done") for o in all_of if o is not m])
    heard = [[b for b in m.lines if b.startswith(b"<")] for m in all_of]
    wait(lambda: sum(b.endswith(b"> done") for b in console()) == members,
         "the console did not hear all")
    order = [b for b in console() if b.startswith(b"<")]
    for n, m in enumerate(all_of):
        mine = b"<%s> " % m.name
        if heard[n] != [b for b in order if not b.startswith(mine)]:
            bad(m.name, "heard another order, or itself")
        r = random.Random(n)
        wanted = [mine + b"%d %s" % (i, b"x" * r.choice((1, 9, 99, 999)))
                  for i in range(lines)] + [mine + b"done"]
        if [b for b in order if b.startswith(mine)] != wanted:
            bad("not all lines of", m.name, "were heard whole")


def huge(size):
    one, ear = Member(), Member()
    left = size
    while left > 0:
        one.say(b"x" * min(left, 1 << 16))
        left -= 1 << 16
    ear.hears(one.line(b"x" * 4096 + b" [cut]"))
    one.say(b"\nnext\n")
    ear.hears(one.line(b"next"))
    talk = [b for b in ear.lines if b.startswith(b"<")]
    if len(talk) != 2:
        bad("heard", len(talk), "lines")


def crowd(members):
    first = Member()
    others = [Member() for _ in range(members - 1)]
    first.hears(*[b"* %s joined" % m.name for m in others])
    for n, m in enumerate(others):
        m.say(b"I am %d\n" % n)
    for m in [first] + others:
        m.hears(*[o.line(b"I am %d" % n) for n, o in enumerate(others)
                  if o is not m])
    for m in others:
        if any(b.startswith(b"<%s> " % m.name) or b.startswith(b"* %s " %
               m.name) for b in m.lines):
            bad(m.name, "heard of itself")
    gone, stay = others[::2], others[1::2]
    for n, m in enumerate(gone):
        if n % 2:
            peer.reset(m.s)
        else:
            m.s.shutdown(socket.SHUT_RDWR)
            m.s.close()
    left = [b"* %s left" % m.name for m in gone]
    for m in [first] + stay:
        m.hears(*left)
    stay[0].say(b"still here\n")
    first.hears(stay[0].line(b"still here"))
    for text in left + [b"* %s joined" % m.name for m in others]:
        if first.lines.count(text) != 1:
            bad(text, first.lines.count(text), "times")


def deaf(size):
    one, two = Member(deaf=True), Member()
    one.s.settimeout(None)
    ear = Member()
    line = b"y" * 4000
    number = size // len(line)

    def talk():
        for n in range(number):
            two.say(b"%d %s\n" % (n, line))
        two.say(b"done\n")

    threading.Thread(target=talk, daemon=True).start()
    ear.hears(two.line(b"done"), b"* %s left" % one.name)
    talked = [b for b in ear.lines if b.startswith(b"<")]
    wanted = [two.line(b"%d %s" % (n, line)) for n in range(number)]
    if talked != wanted + [two.line(b"done")]:
        bad("the others did not hear it all:", len(talked), "of", number)


words = [int(w) if scene not in ("say", "reset") and w.isdigit() else w
         for w in words]
globals()[scene](*words)
peer.say("well")
