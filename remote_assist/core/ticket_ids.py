"""Ticket ids as people and messages write them: a number of the relay's own book, or NAME:ID of another system.

1001       up to 12 digits           rt:17, jira:SUP-42      the name the relay has for a system : its own id
"""

import re
from dataclasses import dataclass

from remote_assist.errors import RefusedError

BUILT_IN = "built-in"
"""The name of the relay's own book where systems are named; no other system has it."""

_NAME = r"[a-z][a-z0-9-]{0,15}"
_SYSTEM = re.compile(_NAME)
_OWN = re.compile(r"[0-9]{1,12}")
_FOREIGN = re.compile(rf"({_NAME}):([A-Za-z0-9][A-Za-z0-9_-]{{0,63}})")


@dataclass(frozen=True, slots=True)
class TicketId:
    """A ticket id in its two parts."""

    system: str
    ticket: str

    def __str__(self) -> str:
        return self.ticket if self.system == BUILT_IN else f"{self.system}:{self.ticket}"

    @property
    def is_foreign(self) -> bool:
        """Whether it is a ticket of another system, in which others may write."""
        return self.system != BUILT_IN


def read_ticket_id(text: str) -> TicketId | None:
    """The parts of a ticket id; None for anything that cannot be one."""
    if _OWN.fullmatch(text):
        return TicketId(BUILT_IN, text)
    found = _FOREIGN.fullmatch(text)
    return TicketId(found[1], found[2]) if found is not None and found[1] != BUILT_IN else None


def require_ticket_id(text: str) -> TicketId:
    """The parts of a ticket id. Raises RefusedError `absent` for anything that cannot be one."""
    named = read_ticket_id(text)
    if named is None:
        raise RefusedError("there is no such ticket", reason="absent", advice="`remote-assist tickets` lists them.")
    return named


def is_system_name(text: str) -> bool:
    """Whether a settings file may give this name to a system: small letters, digits, hyphens, at most 16."""
    return _SYSTEM.fullmatch(text) is not None and text != BUILT_IN
