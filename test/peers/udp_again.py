"""One datagram socket that asks --rounds N (2) times for an answer nobody
gave it before: sends --message until one comes (a datagram that meets a
command about to end is lost), and prints it.  --limit SECONDS (20) for all of
it; then it prints `no answer` and exits 1."""
import sys
import time

import lean_socket as socket
import peer

p = peer.args(__doc__, client=True, udp=True)
p.add_argument("--message", default="x\n")
p.add_argument("--rounds", type=int, default=2)
p.add_argument("--limit", type=float, default=20)
a = p.parse_args()
s = peer.client(a)
s.settimeout(0.2)
deadline = time.monotonic() + a.limit
seen = set()
while len(seen) < a.rounds:
    if time.monotonic() > deadline:
        peer.say("no answer")
        sys.exit(1)
    try:
        s.send(a.message.encode())
        while True:
            got = s.recv(65536)
            if got not in seen:
                seen.add(got)
                peer.say(got.decode("latin-1").rstrip("\n"))
    except (socket.timeout, ConnectionRefusedError):
        pass
