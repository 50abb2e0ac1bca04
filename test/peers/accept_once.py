"""The server of every tutorial: accept once, print what one recv(1024)
gives, answer `Hello from server`, close."""
import peer

p = peer.args(__doc__)
p.add_argument("--answer", default="Hello from server")
a = p.parse_args()
s = peer.server(a)
c, _ = s.accept()
data = c.recv(1024)
peer.say(data.decode("latin-1").rstrip("\n"))
c.sendall(a.answer.encode())
c.close()
s.close()
