"""Call a listener that echoes from one address after the other: connect, send
a line, and see whether it comes back.  Arguments: PORT ADDRESS=WANTED...; an
address is `in`, or `out` when the connection ended or was reset without a
byte.  Says `as wanted`, or for each that is not what it was, and exits 1.  An
IPv6 address calls ::1, an IPv4 one 127.0.0.1, one like ::ffff:127.0.0.2 that
in IPv6 clothes.
    -u          datagrams: all send; whoever has no answer when those that
                shall be in, one at least, have theirs is out
    --times N   ... and sends its datagram N times
    --rounds N  do it all N times
    --flood     call from the first ADDRESS until nobody listens any more
    --limit S   give up after that many seconds (20)"""
import errno
import sys
import time

import lean_socket as socket
import peer

p = peer.args(__doc__)
p.add_argument("--times", type=int, default=1)
p.add_argument("--rounds", type=int, default=1)
p.add_argument("--flood", action="store_true")
p.add_argument("--limit", type=float, default=20)
p.add_argument("where", type=int)
p.add_argument("addresses", nargs="+")
a = p.parse_args()
addresses = [x.partition("=")[0] for x in a.addresses]
wanted = [x.partition("=")[2] for x in a.addresses]
end = time.monotonic() + a.limit


def left():
    return max(end - time.monotonic(), 0.01)


def make(address):
    """A socket bound to the address, and what it is to call."""
    family, host = socket.AF_INET, "127.0.0.1"
    if ":" in address:
        family, host = socket.AF_INET6, "::1"
    if address.startswith("::ffff:"):
        host = "::ffff:127.0.0.1"
    s = socket.socket(family, socket.SOCK_DGRAM if a.udp
                      else socket.SOCK_STREAM)
    s.settimeout(left())
    s.bind((address, 0))
    return s, (host, a.where)


def call(address):
    s, where = make(address)
    got, line = b"", ("from " + address + "\n").encode()
    try:
        s.connect(where)
        s.sendall(line)
        while len(got) < len(line):
            b = s.recv(len(line) - len(got))
            if not b:
                break
            got += b
    except socket.timeout:
        return "silence"
    except OSError as e:
        if e.errno not in (errno.ECONNRESET, errno.EPIPE):
            return e.strerror
    finally:
        s.close()
    return "in" if got == line else "odd" if got else "out"


def send_all():
    """What became of one datagram from each address."""
    socks = []
    for address in addresses:
        s, where = make(address)
        s.connect(where)
        for _ in range(a.times):
            s.send(address.encode())
        socks.append(s)
    answers = {}
    for i in sorted(range(len(socks)), key=lambda i: wanted[i] != "in"):
        socks[i].setblocking(wanted[i] == "in")
        if wanted[i] == "in":
            socks[i].settimeout(left())
        try:
            got = socks[i].recv(1000).decode()
            answers[i] = "in" if got == addresses[i] else "odd"
        except socket.timeout:
            answers[i] = "silence"
        except BlockingIOError:
            answers[i] = "out"
        except OSError as e:
            answers[i] = e.strerror
    return [answers[i] for i in range(len(socks))]


def flood():
    while time.monotonic() < end:
        s, where = make(addresses[0])
        try:
            s.connect(where)
        except ConnectionRefusedError:
            peer.say("nobody listens")
            sys.exit(0)
        except ConnectionResetError:
            pass
        s.close()
        time.sleep(0.0005)          # not to run out of ports
    peer.say("still there")
    sys.exit(1)


if a.flood:
    flood()
wrong = 0
for _ in range(a.rounds):
    answers = send_all() if a.udp else [call(x) for x in addresses]
    for address, answer, want in zip(addresses, answers, wanted):
        if answer != want:
            wrong += 1
            peer.say(address, answer)
if wrong:
    sys.exit(1)
peer.say("as wanted")
