"""One log key after another: a note that the old and the new key sign over the same tree.

    remote-assist/1 log key succession LF
    OLD ORIGIN LF
    NEW KEY LF                   its public line, so that whoever trusts the old one can go on with it
    SIZE LF ROOT LF              the log when the new key took over
    TIME LF                      RFC 3339 UTC
    LF
    — OLD ORIGIN …, — NEW ORIGIN …

Rule 1: both must have signed: the old one hands over, the new one takes over. One signature alone is refused.
Rule 2: a new key that the old one did not sign for is another log, whoever else vouches for it: so a split view cannot
hide behind a change of keys.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from remote_assist.core.checkpoint import head_lines, read_head_lines
from remote_assist.core.records import format_time, parse_time
from remote_assist.core.signing.keys import PrivateKey, load_public, public_line
from remote_assist.core.signing.signed_note import check_signed, log_origin, origin_of_signer, sign_note, split_note
from remote_assist.core.tree import TreeHead
from remote_assist.errors import AssistError, VerificationError

TITLE = "remote-assist/1 log key succession"

MAX_SUCCESSIONS = 32
"""Most changes of keys a log may have behind it: as many as the organisation's list can name."""


@dataclass(frozen=True, slots=True)
class Succession:
    """A verified succession: whose log went on under which key, from which tree on."""

    old: str
    new: str
    new_key: str
    head: TreeHead
    time: datetime
    note: str


def sign_succession(old: PrivateKey, new: PrivateKey, head: TreeHead, now: datetime) -> str:
    """The note by which `new` follows `old` at a tree. Raises LocalProtocolError for a key that is not Ed25519."""
    lines = [TITLE, origin_of_signer(old), public_line(new)]
    text = "\n".join(lines) + f"\n{head_lines(head)}{format_time(now)}\n"
    return sign_note(text, old, new)


def open_succession(note: str, log_keys: Collection[str], *, where: str = "succession") -> Succession:
    """The succession in a note whose old key is among `log_keys`. Raises VerificationError."""
    text, signatures = split_note(note, where)
    lines = text.split("\n")
    if lines[0] != TITLE or len(lines) != 7:
        raise VerificationError(f"{where}: this is no succession of log keys", where=where)
    try:
        new_key = load_public(lines[2])
        new, time = log_origin(new_key), parse_time(lines[5])
    except (AssistError, ValueError) as error:
        raise VerificationError(f"{where}: it names no key, or no time", where=where) from error
    head = read_head_lines(lines[3], lines[4], where)
    check_signed(lines[1], text, signatures, log_keys, where)
    check_signed(new, text, signatures, (new_key,), where)
    return Succession(lines[1], new, new_key, head, time, note)


def follow(log_keys: Sequence[str], notes: Sequence[str]) -> tuple[Succession, ...]:
    """The successions among `notes` that start at one of `log_keys`, or at a key one of them brought in.

    What does not verify is left out: it brings in nothing.
    """
    found: list[Succession] = []
    known, left = tuple(log_keys), list(dict.fromkeys(notes))[:MAX_SUCCESSIONS]
    while True:
        for note in left:
            try:
                one = open_succession(note, known)
            except VerificationError:
                continue
            left.remove(note)
            found.append(one)
            known = (*known, one.new_key)
            break
        else:
            return tuple(found)


def connects(successions: Sequence[Succession], one: str, other: str) -> bool:
    """Whether a chain of successions leads from one origin to the other, in either direction."""
    return one == other or other in _after(successions, one) or one in _after(successions, other)


def _after(successions: Sequence[Succession], origin: str) -> set[str]:
    reached = {origin}
    for _ in successions:
        reached |= {each.new for each in successions if each.old in reached}
    return reached
