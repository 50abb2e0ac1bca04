"""A datagram server: print each datagram and where it is from, and answer
with sendto.  --prefix P goes before the answer, --copies N answers N times,
--big N answers with N bytes, --empty with an empty datagram."""
import peer

p = peer.args(__doc__, udp=True)
p.add_argument("--prefix", default="")
p.add_argument("--copies", type=int, default=1)
p.add_argument("--big", type=int)
p.add_argument("--empty", action="store_true")
p.add_argument("--count", type=int, default=0, help="end after N datagrams")
a = p.parse_args()
s = peer.server(a)
n = 0
while not a.count or n < a.count:
    data, addr = s.recvfrom(65536)
    n += 1
    where = "%s:%d" % addr[:2] if not a.path else "unix"
    peer.say("got", len(data), where, repr(data[:80]))
    answer = a.prefix.encode() + data
    if a.big is not None:
        answer = b"x" * a.big
    if a.empty:
        answer = b""
    for _ in range(a.copies):
        if addr:
            s.sendto(answer, addr)
