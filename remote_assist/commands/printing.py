"""How verbs print: people's lines, `--json` objects, `--plain` values; every line is flushed at once."""

import argparse
import re
import sys
from typing import TextIO

import msgspec

from remote_assist.core.hostile import HostileStr, safe_text


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """Give a verb `--json` and `--plain`, which exclude each other."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--json", action="store_true", help="one JSON object a line")
    group.add_argument("--plain", action="store_true", help="one bare value a line")


class Printer:
    """Prints results of one verb in the form its options ask for."""

    def __init__(self, arguments: argparse.Namespace, stream: TextIO | None = None) -> None:
        self.json = bool(getattr(arguments, "json", False))
        self.plain = bool(getattr(arguments, "plain", False))
        self._stream = stream or sys.stdout

    def line(self, text: str) -> None:
        """A line for people, made safe; silent with --json and --plain."""
        if not (self.json or self.plain):
            self._write(safe_text(HostileStr(text)))

    def value(self, name: str, value: object, text: str | None = None) -> None:
        """A result: `{"name": value}` with --json, the bare value with --plain, `text` for people; one line always.

        A line break inside would let whoever wrote the value write lines of its own into a list or a log.
        """
        if self.json:
            self.object({name: value})
        elif self.plain:
            self._write(safe_text(HostileStr(str(value))))
        else:
            self._write(safe_text(HostileStr(text if text is not None else str(value))))

    def object(self, value: object) -> None:
        """One JSON object on one line, in every mode that asked for JSON."""
        if self.json:
            self._write(ascii_json(value))

    def note(self, text: str) -> None:
        """A remark on standard error: progress, warnings; never part of the result."""
        print(safe_text(HostileStr(text)), file=sys.stderr, flush=True)

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


def ascii_json(value: object) -> str:
    """JSON in ASCII only: what a peer said must not reach the terminal as control or direction characters."""
    return _BEYOND_ASCII.sub(_escaped, msgspec.json.encode(value).decode())


_BEYOND_ASCII = re.compile(r"[^\x20-\x7e]")


def _escaped(found: re.Match[str]) -> str:
    """In JSON such characters occur inside strings only, so escaping them changes no value."""
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{high << 8 | low:04x}" for high, low in zip(units[::2], units[1::2], strict=True))
