"""Beside a nameplate, as the technician in either order: the way there, what the relay says there, and the burning.

Rule: whatever goes wrong in a pairing burns the code at the relay too, so that nobody goes on where this end stopped.
"""

import contextlib
from asyncio import timeout
from collections.abc import AsyncIterator

from remote_assist.core.codec import decode, encode
from remote_assist.core.messages import Burn, NameplateAssigned, PeerJoined, PeerLeft, RelayRefused, Rendezvous
from remote_assist.core.spoken import OTHER_VERSION, UPDATE_OLDER
from remote_assist.errors import AssistError, CodeBurned, RefusedError, RemoteProtocolError
from remote_assist.settings import TechnicianSettings
from remote_assist.transport.addresses import Addresses
from remote_assist.transport.dial import dial
from remote_assist.transport.link import Link

ASK_AGAIN = "Make a new code: remote-assist invite."
ASK_CUSTOMER = "Ask the customer for a new code: they run `remote-assist ask` again."

BURN_SECONDS = 2.0
TOLD = frozenset({"malformed", "version"})
"""Reasons a burned code is reported with as they are; all others are a wrong code."""

DEAD = frozenset({"used", "expired", "unknown-code"})
"""Reasons of the relay that say the code, not the wish to take it, is at fault."""


async def reach(settings: TechnicianSettings, addresses: Addresses, token: str, path: str) -> Link:
    """A link to `path` of the relay. Raises RefusedError (its limits, the ticket's rules), UnreachableError."""

    async def dial_one(origin: str) -> Link:
        return await dial(
            origin,
            path,
            headers={"Authorization": f"Bearer {token}"},
            tls_ca_file=settings.tls_ca_file,
            proxy_url=settings.proxy_url,
            max_bytes=settings.pairing.message_max_bytes,
            deadline_seconds=addresses.deadline(settings.connect_deadline_seconds),
        )

    return await addresses.reach(dial_one)


@contextlib.asynccontextmanager
async def burning(link: Link, again: str) -> AsyncIterator[None]:
    """A pairing on `link`, which is closed afterwards; what fails burns the code. `again`: how to get another."""
    try:
        yield
    except CodeBurned as error:
        await burn(link, error.reason if error.reason in TOLD else "wrong-code")
        if error.reason == "wrong-code":
            error.advice = again
        raise
    except RemoteProtocolError as error:
        await burn(link, "malformed")
        raise CodeBurned(
            f"the pairing was refused: {error.message}; the code is burned", reason="malformed", advice=again
        ) from error
    finally:
        await link.close()


async def burn(link: Link, reason: str) -> None:
    """Tell the relay that the code is used up; a relay that is gone knows."""
    with contextlib.suppress(AssistError, TimeoutError):
        async with timeout(BURN_SECONDS):
            await link.send_text(encode(Burn(reason=reason)))


def read_rendezvous(raw: str | bytes) -> NameplateAssigned | PeerJoined | PeerLeft | Burn | RelayRefused:
    """What the relay says beside a pairing. Raises RemoteProtocolError."""
    if isinstance(raw, bytes):
        raise RemoteProtocolError("a binary message before anybody joined")
    return decode(raw, Rendezvous)  # type: ignore[arg-type]  # a union of tagged structs


def unexpected(said: object, again: str = ASK_AGAIN) -> AssistError:
    """The error for a message of the relay that ends a pairing. `again`: how to get another code."""
    if isinstance(said, RelayRefused):
        kind = CodeBurned if said.reason in DEAD else RefusedError
        return kind(said.sentence, reason=said.reason, advice=said.advice)
    if isinstance(said, PeerLeft) and said.reason == "version":
        return CodeBurned(OTHER_VERSION.format("customer's"), reason="version", advice=UPDATE_OLDER)
    if isinstance(said, PeerLeft):
        return CodeBurned(f"the code is used up ({said.reason})", reason=said.reason, advice=again)
    return RemoteProtocolError(f"the relay said {type(said).__name__} out of turn")
