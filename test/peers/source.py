"""Send --file FILE (its first --bytes N, if given; without a file N bytes
that count up), then
    --end close       close (default)
    --end half        half-close, read to the end, report `received ...`
    --end hold        neither, just read to the end and report
--wait-bytes N reads N bytes from the peer before it sends, --pause SECONDS
waits before it reads to the end.  A server; with --connect a client.  Reports
`sent N` or `sent N of M REASON`."""
import os
import time

import lean_socket as socket
import peer

p = peer.args(__doc__, client=True)
p.add_argument("--connect", action="store_true")
p.add_argument("--file")
p.add_argument("--bytes", type=int)
p.add_argument("--end", choices=("close", "half", "hold"), default="close")
p.add_argument("--wait-bytes", type=int, default=0,
               help="read so many bytes before sending")
p.add_argument("--pause", type=float, default=0)
p.add_argument("--clients", type=int, default=1)
a = p.parse_args()

if a.file:
    with open(a.file, "rb") as f:
        data = f.read(a.bytes if a.bytes is not None else -1)
else:
    unit = bytes(range(256))
    n = a.bytes or 0
    data = (unit * (n // 256 + 1))[:n]


def serve(c):
    if a.wait_bytes:
        peer.recv_exactly(c, a.wait_bytes)
    sent = 0
    try:
        while sent < len(data):
            sent += c.send(data[sent:sent + (1 << 18)])
        peer.say("sent", sent)
    except OSError as e:
        peer.say("sent", sent, "of", len(data), os.strerror(e.errno))
        c.close()
        return
    if a.end == "half":
        c.shutdown(socket.SHUT_WR)
    time.sleep(a.pause)
    if a.end != "close":
        peer.sink(c)
    c.close()


peer.each(a, serve)
