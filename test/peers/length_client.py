"""A client of a length-prefixed protocol: read a four-byte big-endian
length, then exactly that many bytes; report them; --ack sends `ok` back.
Exits 1, saying how many came, if the peer ends earlier."""
import struct
import sys

import peer

p = peer.args(__doc__, client=True)
p.add_argument("--ack", action="store_true")
a = p.parse_args()
s = peer.client(a)
head = peer.recv_exactly(s, 4)
if len(head) < 4:
    peer.say("short header", len(head))
    sys.exit(1)
want = struct.unpack(">I", head)[0]
body = peer.recv_exactly(s, want)
if len(body) < want:
    peer.say("short body", len(body), "of", want)
    sys.exit(1)
total = peer.Sum()
total.add(body)
total.report("end")
if a.ack:
    s.sendall(b"ok\n")
s.close()
