"""A peer that reads nothing and watches: once the connection is gone it
reports `gone reset|end|REASON`, without having read.
    --read N              but first read so many bytes (`read N`)
    --send TEXT           and first say that
    --fill                write until nothing fits any more (`full N`)
    --half                half-close then
    --reset-on-line       reset it when a line comes on standard input
    --close-on-line       close it then
A server of one client that prints `accepted`; with --connect a client that
prints `connected`."""
import errno
import os
import select
import sys

import lean_socket as socket
import peer

p = peer.args(__doc__, client=True)
p.add_argument("--connect", action="store_true")
p.add_argument("--read", type=int, default=0)
p.add_argument("--send", default="")
p.add_argument("--fill", action="store_true")
p.add_argument("--half", action="store_true")
p.add_argument("--reset-on-line", action="store_true")
p.add_argument("--close-on-line", action="store_true")
a = p.parse_args()


def fill(c):
    n = 0
    c.setblocking(False)
    while select.select([], [c], [], 0.5)[1]:
        try:
            n += c.send(b"x" * 65536)
        except BlockingIOError:
            pass
    peer.say("full", n)


def wait_until_gone(c):
    watch = select.poll()
    watch.register(c, 0)                # POLLERR and POLLHUP come anyway
    watch.poll()
    error = c.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    # After the other's FIN Linux calls a reset EPIPE.
    how = {0: "end", errno.ECONNRESET: "reset", errno.EPIPE: "reset"}
    peer.say("gone", how.get(error, os.strerror(error)))


def serve(c):
    peer.say("connected" if a.connect else "accepted")
    if a.send:
        try:
            c.sendall(a.send.encode())
        except OSError:
            pass                # gone already, see below
    if a.read:
        peer.say("read", len(peer.recv_exactly(c, a.read)))
    if a.fill:
        fill(c)
    if a.half:
        c.shutdown(socket.SHUT_WR)
    if a.reset_on_line or a.close_on_line:
        sys.stdin.readline()
        if a.reset_on_line:
            peer.reset(c)
        else:
            c.close()
        peer.say("closed")
    else:
        wait_until_gone(c)


if a.connect:
    serve(peer.client(a))
else:
    serve(peer.server(a).accept()[0])
