"""What the peers need of argparse, which takes longer to load than most of
them take to do their work.  Options stand anywhere, as `--name VALUE' or
`--name=VALUE'.  The last operand may be many (nargs is "*" or "+"), or all
words from its first on ("...")."""
import sys


class Parser:
    def __init__(self, description):
        self.description = description
        self.options = {}           # how to take each, by its flag
        self.operands = []

    def add_argument(self, *flags, **how):
        how.setdefault("dest", flags[-1].lstrip("-").replace("-", "_"))
        if flags[0].startswith("-"):
            self.options.update(dict.fromkeys(flags, how))
        else:
            self.operands.append(how)

    def fail(self, *what):
        print(*what, file=sys.stderr)
        print(self.description, file=sys.stderr)
        sys.exit(2)

    def value(self, how, word):
        value = how.get("type", str)(word)
        if value not in how.get("choices", [value]):
            self.fail("unknown value:", word)
        return value

    def option(self, how, text, words):
        """Its value; text is what came behind a `='."""
        action = how.get("action")
        if action == "store_true":
            return True
        if action == "store_const":
            return how["const"]
        value = self.value(how, text if text is not None else words.pop(0))
        if action == "append":
            return getattr(self, how["dest"]) + [value]
        return value

    def parse_args(self, words=None):
        """Set an attribute for each argument, of this program if none are
        given."""
        for how in self.options.values():
            unset = False if how.get("action") == "store_true" else None
            if "default" in how or not hasattr(self, how["dest"]):
                setattr(self, how["dest"], how.get("default", unset))
        words, rest = list(sys.argv[1:] if words is None else words), []
        whole = self.operands and self.operands[-1].get("nargs") == "..."
        while words:
            word = words.pop(0)
            flag, equals, text = word.partition("=")
            if not word.startswith("-") or word == "-":
                rest.append(word)
                if whole and len(rest) == len(self.operands):
                    break
            elif word == "--":
                break
            elif flag in self.options:
                how = self.options[flag]
                setattr(self, how["dest"],
                        self.option(how, text if equals else None, words))
            else:
                self.fail("unknown:", word)
        rest += words
        for how in self.operands:
            if "nargs" in how:
                setattr(self, how["dest"],
                        [self.value(how, word) for word in rest])
                return self
            if not rest:
                self.fail("missing:", how["dest"])
            setattr(self, how["dest"], self.value(how, rest.pop(0)))
        if rest:
            self.fail("too many:", *rest)
        return self
