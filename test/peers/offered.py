"""What a completion should offer: what the program's parser takes.

usage: offered.py UNIT <OPTIONS

OPTIONS has a line `NAME LETTER ARGUMENT' for every option, `-' for none.
Prints, for every mode and socket and some options besides, `sockcat ... -',
a tab, and an option, a line for each option that is not refused there: maybe
only once one of -l, -k, -u, -U and -z follows.  Behind one that is given, and
may be offered again or not, stand a tab and `?'.  Nothing is said of what
makes no sense whatever follows.
"""
import itertools
import re
import subprocess
import sys

LEVERS = {"l": "listen", "k": "keep-open", "u": "udp", "U": "unixsock",
          "z": "zero"}
# What else is given, and the names of what that is.
MORE = {"": [], "-e": ["echo"], "-b": ["broadcast", "broker"],
        "--chat": ["chat"], "-c true": ["sh-exec"], "--exec true": ["exec"],
        "--forward 127.0.0.1:1": ["forward"],
        "--forward unix:x": ["forward"], "-F": ["fd-pass"],
        "-4": ["ipv4"], "-6": ["ipv6"], "-d": ["recv-only"],
        "--send-only": ["send-only"], "--expect x": ["expect"]}
MODES = [(levers, more) for levers in ("", "l", "lk") for more in
         ("", "-e", "-c true", "--forward 127.0.0.1:1")] + [("z", "")] + \
        [("l", "-b"), ("l", "--chat"), ("l", "--forward unix:x")]
VALUES = {"forward": "127.0.0.1:1", "proxy": "127.0.0.1:1",
          "source": "127.0.0.1", "allow": "127.0.0.1", "deny": "127.0.0.1",
          "allowfile": "/dev/null", "denyfile": "/dev/null",
          "interface": "lo"}
# A refusal that another option mends.
MENDED = re.compile("makes no sense (without (-o|-x|-l or -p)|"
                    ".* unless -d and -o)")


def words(levers, more):
    return " ".join(filter(None, ["-" + levers if levers else "", more]))


def line(name, argument, levers, more):
    """A whole command line with that option."""
    option = f"--{name}"
    if argument != "-" and name != "keepalive":
        option += " " + VALUES.get(name, "5")
    if name in ("help", "version"):
        option = ""  # They end the reading.
    operands = "127.0.0.1 1"
    if "U" in levers or name == "unixsock":
        operands = "x"
    elif name == "source-port" and "l" in levers:
        operands = "127.0.0.1"
    return " ".join(filter(None, [words(levers, more), option, operands]))


def main():
    options = [text.split() for text in sys.stdin]
    choices = ["".join(c) for n in range(6)
               for c in itertools.combinations(LEVERS, n)]
    rows = [(name, levers, more) for name, _, _ in options
            for levers in choices for more in MORE]
    argument = {name: arg for name, _, arg in options}
    lines = [line(name, argument[name], levers, more)
             for name, levers, more in rows]
    said = subprocess.run([sys.argv[1], "parse"], input="\n".join(lines),
                          stdout=subprocess.PIPE, text=True,
                          check=True).stdout.splitlines()
    taken = {row for row, text in zip(rows, said)
             if text == "0\t" or MENDED.search(text)}
    given = {(levers + kind, more) for levers, more in MODES
             for kind in ("", "u", "U", "uU")}
    given |= {("", more) for more in MORE} | {("k", "")}
    for levers, more in sorted(given):
        later = [c for c in choices if set(levers) <= set(c)]
        itself = [LEVERS[x] for x in levers] + MORE[more]
        takes = [name for name, _, _ in options
                 if any((name, c, more) in taken for c in later)]
        for name, letter, _ in options if takes else []:
            mark = "\t?" if name in itself else ""
            if mark or name in takes:
                for option in ["--" + name] + ["-" + letter] * (letter != "-"):
                    print(f"sockcat {words(levers, more)}".rstrip(),
                          f"-\t{option}{mark}")


main()
