"""Send and receive at the same time: --file FILE (or --bytes N that count up)
is sent and then half-closed while a thread reads to the end; reports `sent N`
(or `sent N of M: REASON`) and `received BYTES SHA256 end|reset|...`.  --slow
SIZE,SECONDS reads so many bytes at a time with a pause after each.  A server
of --clients N (1), one after the other; with --connect a client."""
import os
import threading
import time

import lean_socket as socket
import peer

p = peer.args(__doc__, client=True)
p.add_argument("--connect", action="store_true")
p.add_argument("--file")
p.add_argument("--bytes", type=int, default=0)
p.add_argument("--slow")
p.add_argument("--clients", type=int, default=1)
a = p.parse_args()

if a.file:
    with open(a.file, "rb") as f:
        data = f.read()
else:
    data = (bytes(range(256)) * (a.bytes // 256 + 1))[:a.bytes]


class Slow:
    def __init__(self, s):
        self.s = s
        size, pause = a.slow.split(",")
        self.size, self.pause = int(size), float(pause)

    def recv(self, _):
        time.sleep(self.pause)
        return self.s.recv(self.size)


def serve(c):
    reader = threading.Thread(target=peer.sink,
                              args=(Slow(c) if a.slow else c,))
    reader.start()
    sent = 0
    try:
        while sent < len(data):
            sent += c.send(data[sent:sent + (1 << 18)])
        c.shutdown(socket.SHUT_WR)
        peer.say("sent", sent)
    except OSError as e:
        peer.say("sent", sent, "of", len(data), os.strerror(e.errno))
    reader.join()
    c.close()


peer.each(a, serve)
