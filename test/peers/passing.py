"""Connections that come and go, --clients N of them one after the other, each
in the next of --ways: `close' at once, `half' sends nothing but its end and
waits for the other's, `reset' at once, `say' sends a line and closes,
`lose' sends a line and resets, `echo' sends a line, reads it back, half-closes
and waits for the end.  Reports `passed N'."""
import sys

import lean_socket as socket
import peer

p = peer.args(__doc__, client=True)
p.add_argument("--clients", type=int, default=100)
p.add_argument("--ways", default="close,half,reset,say,lose,echo")
a = p.parse_args()
ways = a.ways.split(",")
line = b"a line that comes and goes\n"

for i in range(a.clients):
    way = ways[i % len(ways)]
    s = peer.client(a)
    s.settimeout(30 * peer.SLOW)
    if way in ("say", "lose", "echo"):
        s.sendall(line)
    if way == "echo" and peer.recv_exactly(s, len(line)) != line:
        sys.exit("connection %d: other bytes than sent" % i)
    if way in ("half", "echo"):
        s.shutdown(socket.SHUT_WR)
        if s.recv(100):
            sys.exit("connection %d: bytes that nobody sent" % i)
    if way in ("reset", "lose"):
        peer.reset(s)
    else:
        s.close()
peer.say("passed", a.clients)
