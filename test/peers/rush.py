"""Many clients that all come at the same moment, each on a thread: connect,
send a line, read it back, close.  More than one port: shared out in turn.
    --clients N     how many (50)
    --hold          who has the answer keeps the connection until everybody
                    has an answer, or has none to expect
    --rest SECONDS  keep it so long (0)
    --limit SECONDS give up then (25)
Reports `served N refused N wrong N peak N`: how many had the answer, were
refused or reset, neither of them; and how many had one at the same time."""
import collections
import threading
import time

import lean_socket as socket
import peer

p = peer.args(__doc__, client=True)
p.add_argument("--clients", type=int, default=50)
p.add_argument("--hold", action="store_true")
p.add_argument("--rest", type=float, default=0)
p.add_argument("--limit", type=float, default=25)
a = p.parse_args()
deadline = time.monotonic() + a.limit
begin = threading.Barrier(a.clients)
lock = threading.Condition()
count = collections.Counter()
now = peak = 0


def visit(s, text):
    """served, refused or wrong."""
    try:
        if a.path:
            s.connect(peer.unix_name(a.path))
        else:
            s.connect((peer.loopback(a.family), int(text.split()[1])))
        s.sendall(text.encode())
        back = peer.recv_exactly(s, len(text))
    except (ConnectionError, FileNotFoundError):
        return "refused"
    except OSError as e:
        peer.say("failed:", e)
        return "wrong"
    if back != text.encode():
        peer.say("failed: got", back)
        return "wrong" if back else "refused"
    return "served"


def client(i):
    global now, peak
    port = a.where[i % len(a.where)] if a.where else ""
    s = peer.make(a)
    s.settimeout(a.limit)
    begin.wait()
    how = visit(s, "%d %s\n" % (i, port))
    with lock:
        count[how] += 1
        if how == "served":
            now += 1
            peak = max(peak, now)
        lock.notify_all()
        if a.hold:
            lock.wait_for(lambda: sum(count.values()) == a.clients,
                          max(deadline - time.monotonic(), 0))
    if how == "served":
        time.sleep(a.rest)
        with lock:
            now -= 1
    s.close()


threads = [threading.Thread(target=client, args=(i,))
           for i in range(a.clients)]
for t in threads:
    t.start()
for t in threads:
    t.join()
peer.say("served", count["served"], "refused", count["refused"],
         "wrong", count["wrong"], "peak", peak)
