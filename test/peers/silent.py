"""A listener nobody can connect to any more and that refuses nobody: its
backlog is full, the system drops or holds back what comes.  Keeps it until
killed."""
import errno
import select
import sys
import time

import peer

a = peer.args(__doc__).parse_args()
say = peer.say
peer.say = lambda *words: where.append(words)
where = []
s = peer.server(a, backlog=0)
peer.say = say
kept = []
for _ in range(64):
    c = peer.make(a)
    c.setblocking(False)
    e = c.connect_ex(peer.unix_name(a.path) if a.path else s.getsockname())
    kept.append(c)
    if e == errno.EAGAIN:
        break
    if e == errno.EINPROGRESS and not select.select([], [c], [], 0.25)[1]:
        break
else:
    sys.exit("silent.py: the backlog does not fill")
say(*where[0])
while True:
    time.sleep(3600)
