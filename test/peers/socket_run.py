"""Run a command whose standard input, output or both are a socket:
    socket_run.py [--in FILE] [--out FILE] [--unix] [--queue N] CMD...
What FILE holds is sent to its standard input, then a FIN; what it writes is
stored in FILE.  With both it is one socket.  --queue: SO_SNDBUF and SO_RCVBUF
of the command's end, so that it is full soon.  The status is the command's."""
import subprocess
import sys
import threading

import lean_args
import lean_socket as socket

p = lean_args.Parser(description=__doc__)
p.add_argument("--in", dest="source")
p.add_argument("--out", dest="target")
p.add_argument("--unix", action="store_true")
p.add_argument("--queue", type=int)
p.add_argument("command", nargs="...")
a = p.parse_args()


def pair():
    if a.unix:
        return socket.socketpair()
    s = socket.create_server(("127.0.0.1", 0))
    ours = socket.create_connection(s.getsockname())
    theirs = s.accept()[0]
    s.close()
    return ours, theirs


def send(s):
    with open(a.source, "rb") as f:
        try:
            while True:
                b = f.read(1 << 16)
                if not b:
                    break
                s.sendall(b)
            s.shutdown(socket.SHUT_WR)
        except OSError as e:
            print("send:", e.strerror, file=sys.stderr)


def receive(s):
    with open(a.target, "wb") as f:
        while True:
            b = s.recv(1 << 16)
            if not b:
                break
            f.write(b)
            f.flush()


ours, theirs = pair()
if a.queue:
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, a.queue)
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, a.queue)
child = subprocess.Popen(a.command,
                         stdin=theirs if a.source else subprocess.DEVNULL,
                         stdout=theirs if a.target else None)
theirs.close()
threads = [threading.Thread(target=run, args=(ours,)) for run, wanted in
           ((send, a.source), (receive, a.target)) if wanted]
for t in threads:
    t.start()
status = child.wait()
for t in threads:
    t.join(60)
sys.exit(status if status >= 0 else 128 - status)
