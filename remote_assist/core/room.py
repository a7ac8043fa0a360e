"""How much room a disk has left for the record, in four levels, and what may still happen at each.

    fine ─▶ warn: people are told ─▶ refuse: nothing new begins ─▶ end: sessions end, from the reserve

Pure. Rule: what concludes or narrows (outcomes, revocations, ends) is written at every level.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from remote_assist.core.record_codes import CHUNK_CODES, CODES, NEVER_WAITING, SESSION_ENDED, Kind
from remote_assist.core.records import Record


class Room(IntEnum):
    """A level; the higher, the less room."""

    FINE, WARN, REFUSE, END = range(4)

    @property
    def word(self) -> str:
        """As it stands in messages and logs."""
        return self.name.lower()


def room_of(word: str) -> Room:
    """The level a peer names; a word that is not known is taken for a warning."""
    return next((room for room in Room if room.word == word), Room.WARN)


@dataclass(frozen=True, slots=True)
class Marks:
    """Free bytes below which a level begins."""

    warn_bytes: int
    refuse_bytes: int
    end_bytes: int

    def room(self, free_bytes: int | None) -> Room:
        """The level at so much free space; FINE when nobody knows."""
        if free_bytes is None:
            return Room.FINE
        levels = ((self.end_bytes, Room.END), (self.refuse_bytes, Room.REFUSE), (self.warn_bytes, Room.WARN))
        return next((room for mark, room in levels if free_bytes < mark), Room.FINE)


def concludes(code: str) -> bool:
    """Whether records of this code end or narrow something, so that they may use a reserve."""
    return CODES[code].is_outcome or code in NEVER_WAITING or CODES[code].kind is Kind.REFUSAL


def all_conclude(records: Sequence[Record]) -> bool:
    """Whether nothing can begin because these are stored: the session ends, or every intent is ended among them."""
    if any(record.code == SESSION_ENDED for record in records):
        return True
    ended = {record.action for record in records if record.action and concludes(record.code)}
    return all(
        concludes(record.code) or record.code in CHUNK_CODES or (record.action != "" and record.action in ended)
        for record in records
    )
