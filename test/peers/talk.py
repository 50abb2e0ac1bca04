"""Read nothing until a line comes on standard input; then all, with a byte
sent before each read, whether that fails or not; report `received BYTES
SHA256 end|reset|...`.  --ask TEXT says that at first.  A server of one
client; with --connect a client."""
import sys
import time

import peer

p = peer.args(__doc__, client=True)
p.add_argument("--connect", action="store_true")
p.add_argument("--ask", default="")
a = p.parse_args()


class Talking:
    def __init__(self, s):
        self.s = s

    def recv(self, n):
        try:
            self.s.send(b".")
        except OSError:
            pass
        time.sleep(0.01)
        return self.s.recv(n)


c = peer.client(a) if a.connect else peer.server(a).accept()[0]
c.sendall(a.ask.encode())
sys.stdin.readline()
peer.sink(Talking(c))
c.close()
