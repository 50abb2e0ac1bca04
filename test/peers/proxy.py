"""A proxy that says whatever it is told to.  Grants every request and is then
the target itself: an echo, that ends when the client does.
    --type 4|5|connect   which protocol (5)
    --auth USER:PASS     wants these credentials (5, connect)
    --method, --login, --reply BYTES   its answers, with escapes (\\xHH, \\r\\n)
    --fill N             so many bytes `a' after --reply
    --stop STEP          do not answer at that step but
    --then close|reset|hold            do that then (hold); the same after
                         a --reply, where `echo' goes on as ever
    --old                HTTP/1.0 will do, too (connect)
    --split              every byte in a segment of its own
    --early TEXT         the target's first bytes, in the reply's segment
    --hear N             no echo: the target hears N bytes and reports `heard'
    --refuse N           so many clients are refused before (no retry else)
Reports for each client one line once its request is there:
    request KIND HOST PORT USER from ADDRESS
where KIND is name, ipv4, ipv6, and of connect the line of the request."""
import base64
import codecs
import threading
import time

import lean_socket as socket
import peer

p = peer.args(__doc__)
p.add_argument("--type", choices=("4", "5", "connect"), default="5")
p.add_argument("--auth")
for step in ("--method", "--login", "--reply"):
    p.add_argument(step)
p.add_argument("--fill", type=int, default=0)
p.add_argument("--stop", choices=("method", "login", "reply"))
p.add_argument("--then", choices=("close", "reset", "hold", "echo"))
p.add_argument("--old", action="store_true")
p.add_argument("--split", action="store_true")
p.add_argument("--early", default="")
p.add_argument("--hear", type=int)
p.add_argument("--refuse", type=int, default=0)
a = p.parse_args()
refused = 0


class Over(Exception):
    pass


def raw(text):
    return codecs.decode(text, "unicode_escape").encode("latin-1")


def need(c, n):
    b = peer.recv_exactly(c, n)
    if len(b) < n:
        raise Over
    return b


def until(c, end):
    b = b""
    while not b.endswith(end):
        b += need(c, 1)
    return b[:-len(end)]


def put(c, b):
    if not a.split:
        c.sendall(b)
        return
    for i in range(len(b)):
        c.sendall(b[i:i + 1])
        time.sleep(0.001)       # lets the segments be read one by one


def leave(c, how):
    if how == "hold":
        while c.recv(1 << 16):
            pass
    if how == "reset":
        peer.reset(c)
    raise Over


def answer(c, step, usual):
    told = getattr(a, step)
    if a.stop == step:
        leave(c, a.then or "hold")
    if told is None:
        put(c, usual)
        return
    put(c, raw(told) + b"a" * a.fill)
    if step == "reply" and a.then != "echo":
        leave(c, a.then or "hold")


def reply(c, granted, denied):
    """The last answer, and what the target says at once."""
    global refused
    if refused < a.refuse:
        refused += 1
        put(c, denied)
        raise Over
    answer(c, "reply", granted + a.early.encode())


def text(b):
    return b.decode("latin-1") or "-"


def report(c, kind, host, port, user="-"):
    peer.say("request", kind, host, port, user, "from", c.getpeername()[0])


def socks5(c):
    version, n = need(c, 2)
    methods = need(c, n)
    wanted = 2 if a.auth else 0
    user = "-"
    answer(c, "method", bytes([5, wanted if wanted in methods else 255]))
    if a.auth or a.login:
        need(c, 1)
        user = text(need(c, need(c, 1)[0]))
        user += ":" + text(need(c, need(c, 1)[0]))
        answer(c, "login", bytes([1, user != a.auth]))
    version, command, _, kind = need(c, 4)
    assert (version, command) == (5, 1)
    if kind == 1:
        host = socket.inet_ntop(socket.AF_INET, need(c, 4))
    elif kind == 4:
        host = socket.inet_ntop(socket.AF_INET6, need(c, 16))
    else:
        host = text(need(c, need(c, 1)[0]))
    port = int.from_bytes(need(c, 2), "big")
    report(c, {1: "ipv4", 3: "name", 4: "ipv6"}[kind], host, port, user)
    reply(c, b"\5\0\0\1\0\0\0\0\0\0", b"\5\5\0\1\0\0\0\0\0\0")


def socks4(c):
    version, command = need(c, 2)
    assert (version, command) == (4, 1)
    port = int.from_bytes(need(c, 2), "big")
    address = need(c, 4)
    user = text(until(c, b"\0"))
    kind, host = "ipv4", socket.inet_ntop(socket.AF_INET, address)
    if address[:3] == b"\0\0\0" and address[3]:
        kind, host = "name", text(until(c, b"\0"))
    report(c, kind, host, port, user)
    reply(c, b"\0\x5a\0\0\0\0\0\0", b"\0\x5b\0\0\0\0\0\0")


def connect(c):
    head = text(until(c, b"\r\n\r\n")).split("\r\n")
    user = "-"
    for line in head[1:]:
        if line.startswith("Proxy-Authorization: Basic "):
            user = text(base64.b64decode(line.split()[2], validate=True))
    host, port = head[0].split()[1].rsplit(":", 1)
    assert a.old or head[:2] == ["CONNECT %s:%s HTTP/1.1" % (host, port),
                                 "Host: %s:%s" % (host, port)], head
    report(c, "connect", host, port, user)
    if a.auth and user != a.auth:
        put(c, b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\nlog in")
        raise Over
    reply(c, b"HTTP/1.1 200 Connection established\r\nVia: me\r\n\r\n",
          b"HTTP/1.1 503 Service Unavailable\r\n\r\n")


def serve(c):
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        {"4": socks4, "5": socks5, "connect": connect}[a.type](c)
        if a.hear:
            peer.say("heard", text(need(c, a.hear)))
            raise Over
        while b := c.recv(1 << 16):
            c.sendall(b)
    except (Over, OSError):
        pass
    c.close()


s = peer.server(a)
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
