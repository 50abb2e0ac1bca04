"""Members of a hub, each of which posts --lines N lines in random pieces, all
at the same time; --hear K others (1) hear every line whole, those of each
member in order.  Says `well`.  --check FILE instead checks that file, which
heard the same.  --size N is the longest line."""
import random
import select
import sys
import threading
import time

import peer

p = peer.args(__doc__, client=True)
p.add_argument("--members", type=int, default=8)
p.add_argument("--lines", type=int, default=50)
p.add_argument("--size", type=int, default=3000)
p.add_argument("--hear", type=int, default=1)
p.add_argument("--check")
a = p.parse_args()


def line(who, number):
    size = random.Random(who * 1000 + number).randrange(1, a.size)
    return b"%d:%d:" % (who, number) + bytes([97 + who % 26]) * size + b"\n"


def post(s, who):
    r = random.Random(who)
    data = b"".join(line(who, i) for i in range(a.lines))
    while data:
        n = r.randrange(1, a.size)
        s.sendall(data[:n])
        data = data[n:]
        if r.random() < 0.2:
            time.sleep(0.001)


def check(data):
    """Say what is wrong with it, if anything."""
    seen = [0] * a.members
    for got in data.splitlines(keepends=True):
        if got == b"probe\n":
            continue
        who = int(got.split(b":")[0])
        if got != line(who, seen[who]):
            return "torn: %r" % got[:60]
        seen[who] += 1
    return None if seen == [a.lines] * a.members else "seen %r" % seen


def hear(s, size):
    data, wanted = b"", size
    s.settimeout(40 * peer.SLOW)
    while len(data) < wanted:
        b = s.recv(1 << 18)
        if not b:
            break
        data += b
        wanted = size + 6 * data.count(b"probe\n")
    return check(data)


def drain(s, over):
    while not over.is_set():
        if select.select([s], [], [], 0.1)[0] and not s.recv(1 << 18):
            break


size = sum(len(line(w, i)) for w in range(a.members) for i in range(a.lines))
if a.check:
    with open(a.check, "rb") as f:
        wrong = [check(f.read())]
else:
    listeners = [peer.client(a) for _ in range(a.hear)]
    members = [peer.client(a) for _ in range(a.members)]
    # Who hears is a member once it has heard something.
    deaf = listeners[:]
    while deaf:
        members[0].sendall(b"probe\n")
        for s in select.select(deaf, [], [], 0.05)[0]:
            deaf.remove(s)
    over = threading.Event()
    threads = [threading.Thread(target=post, args=(s, i))
               for i, s in enumerate(members)]
    threads += [threading.Thread(target=drain, args=(s, over))
                for s in members]
    for t in threads:
        t.start()
    wrong = [hear(s, size) for s in listeners]
    over.set()
    for t in threads:
        t.join()
for text in wrong:
    if text:
        peer.say(text)
if not any(wrong):
    peer.say("well", size)
