"""A datagram client: each line of standard input is sent as a datagram (a
lone `.`: an empty one) until an answer comes that ends with it, again after
half a second; prints `N: TEXT`, the number of the line and what came, or
`N: no answer` after 20 s."""
import select
import sys
import time

import peer

a = peer.args(__doc__, client=True, udp=True).parse_args()
s = peer.client(a)
s.setblocking(False)


def answer(data):
    """What is answered to data, None if nothing in time."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            s.send(data)
            while select.select([s], [], [], 0.5)[0]:
                got = s.recv(65536)
                if got.endswith(data):  # and not a late one of before
                    return got
        except OSError:                 # refused: what an ICMP message says
            time.sleep(0.05)
    return None


number = 0
for line in sys.stdin:
    number += 1
    text = line.rstrip("\n")
    got = answer(b"" if text == "." else text.encode())
    peer.say("%d:" % number,
             "no answer" if got is None else repr(got.decode("latin-1")))
