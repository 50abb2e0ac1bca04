"""Run a command whose standard output is a Unix socket, take the descriptor
that it passes, and talk over that: send --send TEXT, half-close, read to the
end.  Reports `status N`, then `bytes N` that came along, then `answer 'TEXT'`;
`nothing` where no descriptor came."""
import array
import subprocess

import lean_args
import lean_socket as socket
import peer

p = lean_args.Parser(description=__doc__)
p.add_argument("--send", default="")
p.add_argument("command", nargs="...")
a = p.parse_args()

ours, theirs = socket.socketpair()
ours.settimeout(20 * peer.SLOW)
child = subprocess.Popen(a.command, stdin=subprocess.DEVNULL, stdout=theirs)
theirs.close()
size = array.array("i").itemsize
data, control, _, _ = ours.recvmsg(100, socket.CMSG_SPACE(4 * size))
peer.say("status", child.wait())
peer.say("bytes", len(data) + len(ours.recv(100)))
if not control:
    peer.say("nothing")
else:
    (level, kind, passed), = control
    assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
    fd, = array.array("i", passed)
    s = socket.socket(fileno=fd)
    s.settimeout(20 * peer.SLOW)
    s.sendall(a.send.encode())
    if s.type == socket.SOCK_STREAM:
        s.shutdown(socket.SHUT_WR)
    got = b""
    while b := s.recv(1 << 16):
        got += b
    peer.say("answer", repr(got.decode()))
