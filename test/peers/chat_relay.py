"""A chat server: relay each piece received to all other clients.  Prints
`+ N` and `- N`, N being the number of clients then."""
import selectors

import peer

a = peer.args(__doc__).parse_args()
s = peer.server(a)
sel = selectors.DefaultSelector()
sel.register(s, selectors.EVENT_READ)
clients = []


def leave(c):
    sel.unregister(c)
    clients.remove(c)
    c.close()
    peer.say("-", len(clients))


while True:
    for key, _ in sel.select():
        c = key.fileobj
        if c is s:
            c, _ = s.accept()
            clients.append(c)
            sel.register(c, selectors.EVENT_READ)
            peer.say("+", len(clients))
            continue
        if c not in clients:
            continue
        try:
            data = c.recv(65536)
        except OSError:
            data = b""
        if not data:
            leave(c)
            continue
        for other in list(clients):
            if other is not c:
                try:
                    other.sendall(data)
                except OSError:
                    leave(other)
