"""Connections from this machine outward: a name is resolved once, its addresses judged, and only those are dialled."""

import asyncio
import socket
from dataclasses import dataclass

from remote_assist.core.reach import reachable
from remote_assist.core.wishes import Endpoint
from remote_assist.errors import RefusedError, UnreachableError

RESOLVE_SECONDS = 10.0
CONNECT_SECONDS = 10.0
MAX_ADDRESSES = 8


@dataclass(frozen=True, slots=True)
class Pinned:
    """An endpoint with the addresses its name had when it was first used."""

    endpoint: Endpoint
    addresses: tuple[str, ...]


async def pin(endpoint: Endpoint) -> Pinned:
    """Resolve once. Raises UnreachableError for an unknown name, RefusedError (`forbidden-address`) when none of its
    addresses may be reached under it.
    """
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await asyncio.get_running_loop().getaddrinfo(
                endpoint.host, endpoint.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
            )
    except (OSError, TimeoutError) as error:
        raise UnreachableError(f"the name {endpoint.host} cannot be resolved here") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))[:MAX_ADDRESSES]
    kept, refused = reachable(endpoint.host, addresses)
    if not kept:
        raise RefusedError(
            f"{endpoint.host} leads to {refused}",
            reason="forbidden-address",
            advice="If that is meant, ask the customer for exactly that address.",
        )
    return Pinned(endpoint, tuple(kept))


async def dial(pinned: Pinned) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address that answers. Raises UnreachableError."""
    cause = "no answer"
    for address in pinned.addresses:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(address, pinned.endpoint.port)
        except TimeoutError:
            cause = "no answer in time"
        except OSError as error:
            cause = error.strerror or str(error)
    raise UnreachableError(f"{pinned.endpoint} cannot be reached from this machine: {cause}")
