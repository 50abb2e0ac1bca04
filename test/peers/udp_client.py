"""A datagram client: send each message (arguments of --message, in order),
wait for an answer to each (--no-wait: for none) and print it.  --socket-each
uses a new socket for each message; --timeout SECONDS (5) bounds each wait,
then it prints `no answer` and exits 1."""
import sys

import lean_socket as socket
import peer

p = peer.args(__doc__, client=True, udp=True)
p.add_argument("--message", action="append", default=[])
p.add_argument("--size", type=int, help="send one message of SIZE bytes")
p.add_argument("--no-wait", action="store_true")
p.add_argument("--socket-each", action="store_true")
p.add_argument("--timeout", type=float, default=5)
p.add_argument("--listen", type=int, default=0,
               help="afterwards print N more datagrams")
p.add_argument("--show-size", action="store_true")
a = p.parse_args()
a.timeout *= peer.SLOW


def show(data):
    if a.show_size:
        peer.say(len(data))
    else:
        peer.say(data.decode("latin-1").rstrip("\n"))


s = peer.client(a)
s.settimeout(a.timeout)
messages = [m.encode() for m in a.message]
if a.size is not None:
    messages.append(bytes(i * 7 & 255 for i in range(a.size)))
try:
    for i, m in enumerate(messages):
        if a.socket_each and i:
            s.close()
            s = peer.client(a)
            s.settimeout(a.timeout)
        s.send(m)
        if not a.no_wait:
            show(s.recv(65536))
    for _ in range(a.listen):
        show(s.recv(65536))
except socket.timeout:
    peer.say("no answer")
    sys.exit(1)
except OSError as e:
    peer.say("error", e.strerror)
    sys.exit(1)
