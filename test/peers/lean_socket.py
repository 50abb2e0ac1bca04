"""What the peers need of the module socket, which takes longer to load than
most of them take to do their work."""
import _socket
from _socket import *


class socket(_socket.socket):
    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def accept(self):
        fd, where = self._accept()
        s = socket(self.family, self.type, self.proto, fileno=fd)
        if self.gettimeout():
            s.setblocking(True)
        return s, where


def create_connection(where):
    s = socket(AF_INET6 if ":" in where[0] else AF_INET)
    s.connect(where)
    return s


def create_server(where, family=AF_INET):
    s = socket(family)
    s.bind(where)
    s.listen()
    return s


def socketpair():
    return [socket(fileno=s.detach()) for s in _socket.socketpair()]
