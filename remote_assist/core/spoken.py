"""What a program speaks, `VERSION.MINOR`, and which words a peer of an older minor does not know.

    ends ↔ relay   header `Remote-Assist-Protocol: 1.1` of every request, answer and WebSocket upgrade
    end ↔ end      `protocol-1.1` in the greeting of SSH, which the key exchange signs

Rule 1: another version is refused by name, at the first word. Rule 2: another minor is spoken with, in the words that
both know: a word is said only to who knows it, and a request that needs one is refused before it is sent.
Rule 3: what comes unknown is refused, never passed over; whoever is newer is named. Who says nothing speaks minor 0.
"""

import re
from dataclasses import dataclass

from remote_assist.core.messages import (
    PROTOCOL_VERSION,
    AskSuccessions,
    ListGiven,
    Message,
    StoreRoom,
    SuccessionsGiven,
    TicketClosed,
)
from remote_assist.core.requests import ListMany, ReadMany
from remote_assist.errors import RefusedError, RemoteProtocolError

MINOR = 1
"""Rises with a release that says a new word."""

SINCE: dict[type[Message], int] = {
    AskSuccessions: 1,
    SuccessionsGiven: 1,
    ListMany: 1,
    ReadMany: 1,
    StoreRoom: 1,
    TicketClosed: 1,
    ListGiven: 1,
}
"""The minor that said a word first; what is not here was there from the beginning of the version."""

HEADER = "Remote-Assist-Protocol"

UPDATE_OLDER = "Update the older of both."
OLDER = "older"
HAVE_NEWEST = "Have the newest program run there; what the older one knows works as before."

_NUMBERS = re.compile(r"(?:^|protocol-)([0-9]{1,4})\.([0-9]{1,4})$")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one program speaks."""

    version: int
    minor: int

    def __str__(self) -> str:
        return f"{self.version}.{self.minor}"

    def knows(self, kind: type[Message]) -> bool:
        """Whether a word may be said to it."""
        return SINCE.get(kind, 0) <= self.minor


OWN = Spoken(PROTOCOL_VERSION, MINOR)
GREETING = f"protocol-{OWN}"
"""What stands at the end of the greeting of SSH."""

OTHER_VERSION = f"the {{}} program speaks another protocol version than this one ({OWN.version}); the code is used up"
"""What an end is told when the other left for that; `{}` is whose program it is."""


def spoken_by(told: str) -> Spoken:
    """What the header or the greeting of a peer says; nothing, or something else, is this version's minor 0."""
    found = _NUMBERS.search(told)
    return Spoken(int(found[1]), int(found[2])) if found else Spoken(PROTOCOL_VERSION, 0)


def version_fault(version: int, who: str, here: str = "this program") -> tuple[str, str]:
    """A sentence about another version and what to do; nothing twice when it is ours."""
    if version == OWN.version:
        return "", ""
    they = f"the {who}"
    older = they if version < OWN.version else here
    return f"{they} speaks protocol version {version}, {here} {OWN.version}: {older} is older", f"Update {older}."


def check_version(peer: Spoken, who: str, here: str = "this program") -> None:
    """Raise RefusedError for another version. `who`: as people call it, `relay` or `other end`."""
    fault, advice = version_fault(peer.version, who, here)
    if fault:
        raise RefusedError(fault, reason="version", advice=advice)


def check_caller(peer: Spoken, who: str) -> None:
    """The same at a relay, whose words are read by `who` called it. Raises RefusedError."""
    check_version(peer, who, "this relay")


def check_word(peer: Spoken, kind: type[Message], who: str) -> None:
    """Raise RefusedError for a word the peer does not know. `who`: as people call it."""
    if not peer.knows(kind):
        raise RefusedError(
            f"the {who} is older than this program (it speaks {peer}, this one {OWN}) and cannot do this",
            reason=OLDER,
            advice=HAVE_NEWEST,
        )


def too_new(peer: Spoken) -> RefusedError:
    """What a newer peer is told that asked in a word of its own. The words are for its people."""
    return RefusedError(
        f"the other end is older than your program (it speaks {OWN}, yours {peer}) and does not know what was asked",
        reason=OLDER,
        advice=HAVE_NEWEST,
    )


class NewerPeer(RemoteProtocolError):
    """A program newer than this one said what is not known here."""


def explained(fault: RemoteProtocolError, peer: Spoken, who: str) -> RemoteProtocolError:
    """The same fault, told as what it is when the peer is newer than we are."""
    if peer.minor <= OWN.minor:
        return fault
    return NewerPeer(
        f"the {who} is newer than this program (it speaks {peer}, this one {OWN}) and said what is not known here",
        advice="Update remote-assist on this machine.",
    )
