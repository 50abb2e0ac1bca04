"""A server that tells what a client does, to compare two programs.  Says for
each of --clients N (1) `from ADDRESS PORT`, and at its end `got 'BYTES' end`
(`slowly` behind it if the first and the last byte came half a second apart).
    --hello BYTES   what it sends at once (escapes like \\xHH)
    --answer BYTES  what it sends at the end
    --first         half-close before reading
    --hold          keep the connection to the end, and half-close never
With -u it says `from ...` and `got ...` for each of N datagrams, and answers
each one."""
import codecs
import time

import peer

p = peer.args(__doc__)
p.add_argument("--clients", type=int, default=1)
p.add_argument("--hello", default="")
p.add_argument("--answer", default="")
p.add_argument("--first", action="store_true")
p.add_argument("--hold", action="store_true")
a = p.parse_args()


def raw(text):
    return codecs.decode(text, "unicode_escape").encode("latin-1")


def came_from(name):
    peer.say("from", *(name[:2] if isinstance(name, tuple) else ["unix"]))


def hear(c):
    got, first, last = b"", None, None
    how = "end"
    try:
        while b := c.recv(1 << 16):
            last = time.monotonic()
            first = first or last
            got += b
    except OSError:
        how = "reset"
    slowly = first and last - first > 0.5
    return repr(got)[1:], how, *(["slowly"] if slowly else [])


def serve(c, name):
    came_from(name)
    c.sendall(raw(a.hello))
    if a.first:
        c.shutdown(1)
    peer.say("got", *hear(c))
    if not a.hold:
        try:
            c.sendall(raw(a.answer))
        except OSError:
            pass
    c.close()


s = peer.server(a)
for _ in range(a.clients):
    if a.udp:
        b, name = s.recvfrom(1 << 16)
        came_from(name)
        peer.say("got", repr(b)[1:])
        if name:
            s.sendto(raw(a.answer), name)
    else:
        serve(*s.accept())
