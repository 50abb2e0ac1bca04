"""A command that reads its input to the end, answers `well`, shuts its end
down as well, and still has work to do: after --work SECONDS (3) it writes to
the file --write FILE and ends with status 6."""
import os
import sys
import time

import lean_args
import lean_socket as socket

p = lean_args.Parser(description=__doc__)
p.add_argument("--work", type=float, default=3)
p.add_argument("--write")
a = p.parse_args()
while os.read(0, 1 << 16):
    pass
os.write(1, b"well\n")
with socket.socket(fileno=os.dup(1)) as s:
    s.shutdown(socket.SHUT_WR)
time.sleep(a.work)
with open(a.write, "w") as f:
    f.write("worked\n")
sys.exit(6)
