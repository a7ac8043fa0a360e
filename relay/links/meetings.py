"""One nameplate with both its ends, while they pair: who is there, how far they came, and why it is over.

Who made the code owns the nameplate and waits; who typed it joins. Nothing here decides whether anybody may.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import ClientConnectionResetError, web

from relay.links.rendezvous import Nameplate, Order
from relay.links.sockets import RelaySocket
from remote_assist.core.messages import Burn

MAX_MESSAGES = 8
"""Binary messages one end may send in one pairing; the protocol needs two."""

ANSWERS = 2
"""Messages of the customer's end in a pairing that came to its verdict, be it a no."""

FAILED = frozenset({"wrong-code", "malformed"})
"""Reasons of a Burn that say somebody tried without the words."""

VERSION = "version"
"""The reason of a Burn whose cause the other end is told: they speak other versions of the protocol."""


@dataclass(eq=False)
class Meeting:
    """A nameplate with its owner and, while there is one, its joiner. `technician`: whose failures are counted.

    `heard`, `answered`: messages of the joiner and of the owner to each other.
    """

    plate: Nameplate
    owner: RelaySocket
    request: web.Request
    deadline: asyncio.Timeout
    technician: str = ""
    ticket: str = ""
    joiner: RelaySocket | None = None
    came: bool = False
    failed: bool = False
    left: str = "gone"
    """Why the joiner left, as the owner is told."""
    over: str = ""
    heard: int = 0
    answered: int = 0

    @property
    def guessed(self) -> bool:
        """A technician began to pair with a customer's code, and the customer's program gave no verdict."""
        return self.plate.order is Order.ASK and self.heard > 0 and self.answered < ANSWERS


def why_over(said: Burn | None) -> str:
    """Why the other end is told that it is over."""
    if said is None:
        return "gone"
    return VERSION if said.reason == VERSION else "burned"


def put_off(meeting: Meeting, seconds: float) -> None:
    """Let it last for so many seconds from now."""
    # Over already when its owner left in the same moment; then there is nothing to put off.
    with suppress(RuntimeError):
        meeting.deadline.reschedule(asyncio.get_running_loop().time() + seconds)


async def pass_on(sink: RelaySocket, raw: bytes) -> None:
    """Give one end what the other said; nothing happens when it is gone."""
    with suppress(ClientConnectionResetError, ConnectionError):
        await sink.send_bytes(raw)
