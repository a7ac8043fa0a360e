"""Wishes: what may be asked of a customer. A scope, and for some the place it is narrowed to.

    wish = SCOPE | SCOPE "=" PLACE

    files:read=/var/log            only inside this folder
    forward=db.example.com:5432    only this host and port     (no wish for `forward` without one)
    hop=ssh://root@db.example.com  only this machine           (no wish for `hop` without one)

Rule 1: a wish is one printable ASCII string without spaces or commas, so that it can be signed, shown and typed as it
stands. Rule 2: it has one spelling: two wishes are the same exactly when their strings are.
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from remote_assist.errors import ContentError

SCOPES = ("diagnose", "files:read", "files:write", "fix", "terminal", "forward", "hop")
"""Every scope there is, in the order screens show them."""

MAX_PLACE_CHARS = 512
MAX_PORT = 65535

HOP_PORTS: Mapping[str, int] = {"ssh": 22, "winrm": 5986}
"""Kind of a hop → the port where none is named; 5986 is WinRM over HTTPS."""

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})?(\.[a-z0-9_]([a-z0-9_-]{0,62})?){0,126}")
_USER = re.compile(r"[A-Za-z0-9_.\\@$-]{1,104}")
"""Letters of POSIX and of Windows names (DOMAIN\\name, name@realm)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host and a port. `host` is a lower-case DNS name or an address without brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HopPlace:
    """A machine behind the customer's: by which protocol, as whom, where."""

    kind: str
    user: str
    endpoint: Endpoint

    def __str__(self) -> str:
        host, port = str(self.endpoint).rsplit(":", 1)
        shown = host if int(port) == HOP_PORTS[self.kind] else f"{host}:{port}"
        return f"{self.kind}://{self.user}@{shown}"


@dataclass(frozen=True, slots=True)
class Wish:
    """One wish. `place` is empty where the scope is not narrowed."""

    scope: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.scope}={self.place}" if self.place else self.scope


def parse_wish(text: str) -> Wish:
    """The wish `text` says, in its one spelling. Raises ContentError with a sentence that says what is wrong."""
    scope, narrowed, place = text.strip().partition("=")
    if scope not in SCOPES:
        raise ContentError(f"there is no scope '{scope[:60]}'", advice=f"Choose from {', '.join(SCOPES)}.")
    if scope in _NEEDS_PLACE and not place:
        raise ContentError(f"{scope} needs a place", advice=f"For example {_NEEDS_PLACE[scope]}.")
    if not narrowed:
        return Wish(scope)
    if scope not in _PLACES:
        raise ContentError(f"{scope} cannot be narrowed to a place", advice=f"Write just {scope}.")
    if len(place) > MAX_PLACE_CHARS or not place.isascii() or not place.isprintable() or {" ", ","} & set(place):
        raise ContentError(f"the place of {scope} is too long, or holds spaces, commas or letters outside ASCII")
    return Wish(scope, _PLACES[scope](place))


def parse_wishes(text: str) -> tuple[str, ...]:
    """Wishes separated by commas, each once, in the order typed. Raises ContentError."""
    wishes = dict.fromkeys(str(parse_wish(word)) for word in text.split(",") if word.strip())
    if not wishes:
        raise ContentError("no scope was named", advice=f"Choose from {', '.join(SCOPES)}.")
    return tuple(wishes)


def scope_of(wish: str) -> str:
    """The scope of a wish, whatever its place."""
    return wish.partition("=")[0]


def place_of(wish: str) -> str:
    """The place of a wish; empty where it names none."""
    return wish.partition("=")[2]


def in_order(wishes: Iterable[str]) -> tuple[str, ...]:
    """Each once, in the order screens show scopes."""
    return tuple(sorted(dict.fromkeys(wishes), key=lambda wish: SCOPES.index(scope_of(wish))))


def common(asked: Iterable[str], allowed: Iterable[str]) -> tuple[str, ...]:
    """What is both asked for and allowed; the narrower of two wishes where one lies inside the other."""
    said = tuple(allowed)
    both = [narrower for wish in asked for other in said if (narrower := _narrower(wish, other))]
    return in_order(wish for wish in both if scope_of(wish) in SCOPES)


def parse_endpoint(text: str) -> Endpoint:
    """HOST:PORT or [ADDRESS]:PORT. Raises ContentError."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) <= MAX_PORT:
        raise ContentError(f"'{text[:80]}' names no port from 1 to {MAX_PORT}", advice="Write HOST:PORT.")
    return Endpoint(_host(host), int(port))


def parse_hop(text: str) -> HopPlace:
    """ssh://USER@HOST[:PORT] or winrm://USER@HOST[:PORT]. Raises ContentError."""
    kind, _, rest = text.partition("://")
    user, at, where = rest.rpartition("@")
    if kind not in HOP_PORTS or not at or not _USER.fullmatch(user):
        raise ContentError(f"'{text[:80]}' names no machine", advice=f"Write {_NEEDS_PLACE['hop'].partition('=')[2]}.")
    bare = where.startswith("[") and where.endswith("]")
    if bare or ":" not in where:
        return HopPlace(kind, user, Endpoint(_host(where), HOP_PORTS[kind]))
    return HopPlace(kind, user, parse_endpoint(where))


def _host(text: str) -> str:
    name = text.lower().rstrip(".")
    bracketed = name.startswith("[") and name.endswith("]")
    try:
        return str(ipaddress.ip_address(name[1:-1] if bracketed else name))
    except ValueError:
        pass
    # "127.1" and "0x7f000001" are addresses to some resolvers and names to others.
    last = name.rpartition(".")[2]
    if bracketed or not _HOST.fullmatch(name) or last.isdecimal() or last.startswith("0x"):
        raise ContentError(f"'{text[:80]}' is no host name and no address")
    return name


def _folder(text: str) -> str:
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if not text.startswith("/") or ".." in parts:
        raise ContentError(f"'{text[:80]}' is no folder", advice="Write an absolute path without '..'.")
    return "/" + "/".join(parts)


def _narrower(one: str, other: str) -> str:
    """The one of two wishes that lies inside the other; empty where neither does."""
    if one == other:
        return one
    scope = scope_of(one)
    if scope != scope_of(other) or scope in _NEEDS_PLACE:
        return ""
    mine, theirs = place_of(one), place_of(other)
    if not theirs or mine.startswith(theirs.rstrip("/") + "/"):
        return one
    return other if not mine or theirs.startswith(mine.rstrip("/") + "/") else ""


_PLACES: Mapping[str, Callable[[str], str]] = {
    "files:read": _folder,
    "files:write": _folder,
    "forward": lambda text: str(parse_endpoint(text)),
    "hop": lambda text: str(parse_hop(text)),
}
"""Scopes that can be narrowed, and how a place is brought to its one spelling."""

_NEEDS_PLACE: Mapping[str, str] = {
    "forward": "forward=db.example.com:5432",
    "hop": "hop=ssh://USER@HOST or hop=winrm://USER@HOST",
}
"""Scopes that mean nothing without a place → an example."""
