"""Half-close at once after accept (after --send TEXT), then read to the end
and report `received BYTES SHA256 end|reset|...`.  A server of --clients N
(1); with --connect a client."""
import lean_socket as socket
import peer

p = peer.args(__doc__, client=True)
p.add_argument("--connect", action="store_true")
p.add_argument("--send", default="")
p.add_argument("--clients", type=int, default=1)
a = p.parse_args()


def serve(c):
    if a.send:
        c.sendall(a.send.encode())
    c.shutdown(socket.SHUT_WR)
    peer.sink(c)
    c.close()


peer.each(a, serve)
