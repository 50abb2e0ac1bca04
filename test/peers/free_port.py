"""Whether a port can be bound (0, the default: any): print it, exit 0."""
import sys

import lean_socket as socket

args = sys.argv[1:]
kind = socket.SOCK_DGRAM if "-u" in args else socket.SOCK_STREAM
family = socket.AF_INET6 if "-6" in args else socket.AF_INET
port = [int(x) for x in args if x.isdigit()] or [0]
with socket.socket(family, kind) as s:
    try:
        s.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port[0]))
    except OSError:
        sys.exit(1)
    print(s.getsockname()[1])
