"""Reviews: which sessions are to be looked at, and the words a reviewer signs for one.

Rule 1: nobody chooses the sample. A session is drawn by its name and the log's root at a size past its end; the root
follows from what everybody recorded until then, and no one of them knew it when the session ended.
Rule 2: what is signed names the session, its last record's hash, the reviewer's printed name, the time and the meaning
(21 CFR 11.50), and is checked by stock `ssh-keygen -Y verify`.
"""

import hashlib
from dataclasses import dataclass, fields

from remote_assist.core.records import Record
from remote_assist.errors import UsageError

MEANINGS = ("authored", "reviewed", "approved", "responsible")
PURPOSE = "review"
TITLE = "remote-assist/1 review"
DRAW_EVERY = 16
"""A session is drawn at the next size of the log that is divisible by this and past its end."""

MAX_NOTE_CHARS = 500


@dataclass(frozen=True, slots=True)
class Review:
    """A sign-off as it was recorded. `text` and `signature` are what `ssh-keygen -Y verify` takes."""

    session: str
    head: str
    records: int
    name: str
    key: str
    time: str
    meaning: str
    note: str
    text: str
    signature: str


def draw_size(last_index: int) -> int:
    """The size of the log whose root draws a session that ended at leaf `last_index`."""
    return (last_index // DRAW_EVERY + 1) * DRAW_EVERY


def is_drawn(session: str, root: bytes, percent: float) -> bool:
    """Whether a session is in the sample of so many per cent."""
    if percent >= 100:
        return True
    message = f"remote-assist/1 review sample\n{root.hex()}\n{session}\n".encode()
    drawn = int.from_bytes(hashlib.sha256(message).digest()[:8], "big")
    return drawn < percent / 100 * (1 << 64)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a reviewer is about to sign for. `log` is its origin, `key` the reviewer's fingerprint."""

    log: str
    session: str
    records: int
    head: str
    ticket: str
    name: str
    key: str
    time: str
    meaning: str
    note: str = ""

    def text(self) -> str:
        """The words to sign, a line each. Raises UsageError for a meaning or note that cannot be signed."""
        if self.meaning not in MEANINGS:
            raise UsageError(f"there is no meaning '{self.meaning}'", advice=f"Meanings: {', '.join(MEANINGS)}.")
        if len(self.note) > MAX_NOTE_CHARS or any(ord(sign) < 0x20 for sign in self.note):
            raise UsageError(f"a note is one line of at most {MAX_NOTE_CHARS} characters")
        said = {field.name: " ".join(str(getattr(self, field.name)).split()) for field in fields(self)}
        return "\n".join([TITLE, *(f"{word} {value}" for word, value in said.items() if value), ""])

    def details(self) -> dict[str, str]:
        """The same for whoever reads the record."""
        said = {"meaning": self.meaning, "name": self.name, "head": self.head, "records": str(self.records)}
        return {**said, "note": self.note} if self.note else said


def review_of(record: Record, name: str) -> Review | None:
    """The review in a verified record of `name`'s own chain; None when it is something else or says less."""
    said = dict(line.partition(" ")[::2] for line in record.signed.text.splitlines()[1:]) if record.signed else {}
    wanted = {"session", "head", "records", "name", "time", "meaning"}
    if record.code != "RA2001E" or record.signed is None or not wanted <= set(said):
        return None
    if said["name"] != name or said["session"] != record.about or not said["records"].isdigit():
        return None
    return Review(
        session=said["session"],
        head=said["head"],
        records=int(said["records"]),
        name=name,
        key=record.actor.key,
        time=said["time"],
        meaning=said["meaning"],
        note=said.get("note", ""),
        text=record.signed.text,
        signature=record.signed.signature,
    )
