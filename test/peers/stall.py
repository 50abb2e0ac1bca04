"""Accept and never read (--connect: connect and never read).  --send TEXT
says something first; --bytes N reads so many bytes and stops then; --on-line
reads to the end, and reports it, once a line comes on standard input.
Prints `accepted` for each connection; keeps it until killed."""
import sys
import time

import peer

p = peer.args(__doc__, client=True)
p.add_argument("--connect", action="store_true")
p.add_argument("--send", default="")
p.add_argument("--bytes", type=int, default=0)
p.add_argument("--on-line", action="store_true")
a = p.parse_args()
kept = []


def serve(c):
    kept.append(c)
    if a.send:
        c.sendall(a.send.encode())
    if a.bytes:
        peer.recv_exactly(c, a.bytes)
    peer.say("accepted" if not a.connect else "connected")
    if a.on_line:
        sys.stdin.readline()
        peer.sink(c)
        c.close()
        sys.exit(0)


if a.connect:
    serve(peer.client(a))
    while True:
        time.sleep(3600)
s = peer.server(a)
while True:
    serve(s.accept()[0])
