"""After a session's end: the checkpoint that covers its records, and their proofs, for the customer's receipt.

    dial → Challenge → Join → Joined → AskCheckpoint(last leaf) → AskProofs, a page at a time

Rule: access is over before this begins; a relay that does not answer in time leaves a receipt without proofs.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import TypeVar

from remote_assist.agent.control import Identity
from remote_assist.agent.surroundings import Surroundings
from remote_assist.audit.inclusion import check_included
from remote_assist.audit.receipt import NOT_PROVED, InTheLog
from remote_assist.core.checkpoint import open_checkpoint
from remote_assist.core.codec import decode, encode
from remote_assist.core.messages import (
    Acknowledgement,
    AskCheckpoint,
    AskProofs,
    Challenge,
    CheckpointGiven,
    Joined,
    Message,
    ProofsGiven,
    ToAgent,
)
from remote_assist.errors import AssistError, RemoteProtocolError
from remote_assist.transport.link import Link

T = TypeVar("T", bound=Message)

PATIENCE_SECONDS = 3.0
"""How long the receipt waits for its proof: a checkpoint a second, and a page of proofs."""


async def prove(
    around: Surroundings, identity: Identity, given: Sequence[Acknowledgement], log_keys: Sequence[str]
) -> InTheLog:
    """That these acknowledged records, a session's from its first on, are in the log; NOT_PROVED when not in time.

    What the relay says is verified here; a proof that does not hold is left out of the receipt like one withheld.
    """
    if not given:
        return NOT_PROVED
    with contextlib.suppress(AssistError, TimeoutError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            link = await around.dial("/v1/agent")
            try:
                proved = await _ask(link, identity, given)
            finally:
                await link.close()
        checkpoint = open_checkpoint(proved.checkpoint, log_keys)
        check_included(zip(given, proved.proofs, strict=True), checkpoint)
        return proved
    return NOT_PROVED


async def _ask(link: Link, identity: Identity, given: Sequence[Acknowledgement]) -> InTheLog:
    challenge = await _heard(link, Challenge)
    await link.send_text(encode(identity.join(challenge.nonce)))
    await _heard(link, Joined)
    await link.send_text(encode(AskCheckpoint(since=0, index=given[-1].index)))
    note = (await _heard(link, CheckpointGiven)).checkpoint
    size = int(note.split("\n")[1]) if note.count("\n") > 2 and note.split("\n")[1].isdecimal() else 0
    proofs: list[tuple[bytes, ...]] = []
    while len(proofs) < len(given):
        await link.send_text(encode(AskProofs(start=len(proofs), size=size)))
        page = (await _heard(link, ProofsGiven)).proofs
        if not page or len(proofs) + len(page) > len(given):
            raise RemoteProtocolError("the relay's proofs are not those of the session's records")
        proofs.extend(page)
    return InTheLog(checkpoint=note, proofs=tuple(proofs))


async def _heard(link: Link, kind: type[T]) -> T:
    raw = await link.receive()
    message: object = decode(raw, ToAgent) if isinstance(raw, str) else None  # type: ignore[arg-type]  # a union
    if not isinstance(message, kind):
        raise RemoteProtocolError(f"the relay sent {type(message).__name__} where {kind.__name__} belongs")
    return message
