"""Send --file FILE in pieces of --every N bytes, an urgent byte, `!`, after
each of the first --marks N (1), then close.  --until NAME waits, after the
first urgent byte, until a file of that name exists.  A server; with --connect
a client.  Prints `sent N`, the urgent bytes aside."""
import os
import sys
import time

import lean_socket as socket
import peer

p = peer.args(__doc__, client=True)
p.add_argument("--connect", action="store_true")
p.add_argument("--file")
p.add_argument("--every", type=int, default=1000)
p.add_argument("--marks", type=int, default=1)
p.add_argument("--until")
a = p.parse_args()

with open(a.file, "rb") as f:
    data = f.read()


def wait():
    end = time.monotonic() + 60
    while not os.path.exists(a.until):
        if time.monotonic() > end:
            sys.exit("nobody made " + a.until)
        time.sleep(.01)


def serve(c):
    for n, i in enumerate(range(0, len(data), a.every), 1):
        c.sendall(data[i:i + a.every])
        if n <= a.marks:
            c.send(b"!", socket.MSG_OOB)
        if n == 1 and a.until:
            wait()
    peer.say("sent", len(data))
    c.shutdown(socket.SHUT_WR)
    while c.recv(65536):
        pass
    c.close()


if a.connect:
    serve(peer.client(a))
else:
    s = peer.server(a)
    serve(s.accept()[0])
