"""A peer that resets the connection.
    --mode accept        right after accept (connect)
    --mode read          after reading --bytes N
    --mode send          after sending --bytes N
    --mode half          after a half-close, once --bytes N were read
    --mode line          when the harness says so: a line on standard input
With --line any of them waits for that line as well.
With --send TEXT it first sends TEXT.  --settle waits, before the reset,
until the peer has acknowledged everything sent (Linux).  Reports `reset` and
how many bytes were read.  A server of --clients N (1); with --connect a
client.  A Unix socket cannot be reset: closing with unread input comes
closest, so -U just closes."""
import fcntl
import struct
import sys
import termios
import time

import lean_socket as socket
import peer

p = peer.args(__doc__, client=True)
p.add_argument("--connect", action="store_true")
p.add_argument("--mode", default="accept",
               choices=("accept", "read", "send", "half", "line"))
p.add_argument("--bytes", type=int, default=1)
p.add_argument("--send", default="")
p.add_argument("--line", action="store_true")
p.add_argument("--settle", action="store_true")
p.add_argument("--clients", type=int, default=1)
a = p.parse_args()


def settle(c):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        left = struct.unpack("i", fcntl.ioctl(c, termios.TIOCOUTQ,
                                              b"\0\0\0\0"))[0]
        if left == 0:
            return
        time.sleep(0.005)


def serve(c):
    got = b""
    if a.send:
        c.sendall(a.send.encode())
    if a.mode == "read":
        got = peer.recv_exactly(c, a.bytes)
    elif a.mode == "send":
        c.sendall(b"x" * a.bytes)
    elif a.mode == "half":
        c.shutdown(socket.SHUT_WR)
        got = peer.recv_exactly(c, a.bytes)
    elif a.mode == "line":
        peer.say("ready")
        sys.stdin.readline()
    if a.line:
        sys.stdin.readline()
    if a.settle:
        settle(c)
    if a.path:
        c.close()
    else:
        peer.reset(c)
    peer.say("reset", len(got))


peer.each(a, serve)
