"""Read what --hex-dump wrote, from a file or standard input: every line has
the form it must have, and the offsets of each direction of each peer go on
where the line before has ended (--grams: within a datagram; each begins at
0).  Reports for each
    WAY PEER BYTES SHA256
in the order in which they begin; PEER is `-` where none is named, which is
an error with --named, as a name is without.
--bytes says the bytes themselves instead of their hash.  --rate SIZE: no
direction had more than that a second, in any span of half a second, with a
tenth for the start.  --gap SECONDS: so much lies between two lines of text at
least."""
import hashlib
import re
import sys

import lean_args

p = lean_args.Parser(description=__doc__)
p.add_argument("--named", action="store_true")
p.add_argument("--grams", action="store_true")
p.add_argument("--bytes", action="store_true")
p.add_argument("--rate", type=int)
p.add_argument("--gap", type=float)
p.add_argument("file")
a = p.parse_args()

form = re.compile(
    r"([<>]) (\d\d):(\d\d):(\d\d\.\d{6}) (?:(\S+) )?([0-9a-f]{8,})  "
    r"(.{49}) \|(.{0,16})\|")
peer_form = re.compile(
    r"\d+\.\d+\.\d+\.\d+:\d+|\[[0-9a-f:.]+(%\w+)?\]:\d+|unix|\*")


class Way:
    def __init__(self):
        self.data = bytearray()
        self.next = 0               # the offset of the line to come
        self.times = []             # (when, bytes of this line)


ways = {}


def wrong(number, what):
    sys.exit("line %d: %s" % (number, what))


def read_line(number, line):
    m = form.fullmatch(line)
    if not m:
        wrong(number, "form: " + repr(line))
    way, hours, minutes, seconds, peer, offset, digits, text = m.groups()
    if bool(peer) != a.named:
        wrong(number, "peer: " + repr(line))
    if peer and not peer_form.fullmatch(peer):
        wrong(number, "name: " + repr(peer))
    data = bytes.fromhex(digits)
    want = "".join(
        ("%02x " % data[i] if i < len(data) else "   ") + (" " * (i == 7))
        for i in range(16))
    if digits != want:
        wrong(number, "digits: " + repr(digits))
    if text != "".join(chr(c) if 32 <= c < 127 else "." for c in data):
        wrong(number, "text: " + repr(text))
    to = ways.setdefault((way, peer or "-"), Way())
    here = int(offset, 16)
    if here == 0 and a.grams:
        to.next = 0
    if here != to.next:
        wrong(number, "offset %s, not %x" % (offset, to.next))
    to.next += len(data)
    to.data += data
    when = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if to.times and when < to.times[-1][0]:
        when += 86400               # midnight
    to.times.append((when, len(data)))


def check_rate(to):
    first, held = 0, 0
    for when, n in to.times:
        held += n
        while when - to.times[first][0] > 0.5:
            held -= to.times[first][1]
            first += 1
        if held > a.rate * 0.61 + 1:
            sys.exit("%d bytes in half a second" % held)


with open(a.file, errors="surrogateescape", newline="\n") as f:
    for number, line in enumerate(f, 1):
        if not line.endswith("\n"):
            wrong(number, "not ended")
        read_line(number, line[:-1])
for (way, peer), to in ways.items():
    if a.rate:
        check_rate(to)
    if a.gap:
        for one, two in zip(to.times, to.times[1:]):
            if two[0] - one[0] < a.gap:
                sys.exit("only %.3f s" % (two[0] - one[0]))
    print(way, peer, len(to.data),
          bytes(to.data) if a.bytes else
          hashlib.sha256(to.data).hexdigest())
