"""A client that asks: connect, send --send TEXT (--half: and half-close), read
to the end, and report `answer 'TEXT' end|reset|REASON`.  --times N does so
N times, one after the other, each with a line of its own; --until TEXT
until the answer is that, for 20 s; --wait-line waits for a line on standard
input before it sends, --limit SECONDS (25) ends the wait for an answer."""
import errno
import sys
import time

import lean_socket as socket
import peer

p = peer.args(__doc__, client=True)
p.add_argument("--send", default="")
p.add_argument("--half", action="store_true")
p.add_argument("--times", type=int, default=1)
p.add_argument("--until")
p.add_argument("--wait-line", action="store_true")
p.add_argument("--limit", type=float, default=25)
a = p.parse_args()


def converse(got):
    s = peer.client(a)
    s.settimeout(a.limit)
    if a.wait_line:
        peer.say("connected")
        sys.stdin.readline()
    if a.send:
        s.sendall(a.send.encode())
    if a.half:
        s.shutdown(socket.SHUT_WR)
    while True:
        data = s.recv(1 << 16)
        if not data:
            return
        got.append(data)


def ask():
    got = []
    how = "end"
    try:
        converse(got)
    except OSError as e:        # connect, send and shutdown may see it first
        resets = errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN
        how = "reset" if e.errno in resets else e.strerror or "late"
    text = b"".join(got).decode("latin-1")
    peer.say("answer", repr(text), how)
    return text


if a.until is None:
    for _ in range(a.times):
        ask()
else:
    deadline = time.monotonic() + 20
    while ask() != a.until and time.monotonic() < deadline:
        time.sleep(0.02)
