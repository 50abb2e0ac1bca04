"""The client of every tutorial: send a message, print what one recv(1024)
gives, close."""
import peer

p = peer.args(__doc__, client=True)
p.add_argument("--message", default="Hello from client\n")
a = p.parse_args()
s = peer.client(a)
s.sendall(a.message.encode())
peer.say(s.recv(1024).decode("latin-1").rstrip("\n"))
s.close()
