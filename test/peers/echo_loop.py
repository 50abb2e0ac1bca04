"""Serve one client after the other (--once: one): recv and sendall until it
ends."""
import peer

p = peer.args(__doc__)
p.add_argument("--once", action="store_true")
a = p.parse_args()
s = peer.server(a)
while True:
    c, _ = s.accept()
    try:
        while True:
            data = c.recv(4096)
            if not data:
                break
            c.sendall(data)
    except OSError as e:
        peer.say("error", e.strerror)
    c.close()
    if a.once:
        break
