"""A server with one thread a client: greets nobody, answers each piece with
its bytes in upper case; prints `+ ADDRESS` and `- ADDRESS`."""
import threading

import peer

a = peer.args(__doc__).parse_args()
s = peer.server(a)


def serve(c, who):
    peer.say("+", who)
    try:
        while True:
            data = c.recv(65536)
            if not data:
                break
            c.sendall(data.upper())
    except OSError as e:
        peer.say("!", who, e.strerror)
    c.close()
    peer.say("-", who)


while True:
    conn, addr = s.accept()
    name = "%s:%d" % addr[:2] if not a.path else "unix"
    threading.Thread(target=serve, args=(conn, name), daemon=True).start()
