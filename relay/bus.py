"""NATS: who holds a name. One subject for each name that is held; nobody subscribes to a wildcard.

    hold("agent.s-…", epoch 3)        find("agent.s-…") ──▶ {node, epoch 3}         no responders ──▶ None, at once

Rule 1: nothing but names, nodes and epochs crosses the bus: no record, no code, no byte of a session.
Rule 2: whoever holds a name with a lower epoch lets go when somebody holds it with a higher one.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog

from remote_assist.core.hostile import safe_text
from remote_assist.errors import AuditUnavailable, UnreachableError, UsageError

if TYPE_CHECKING:  # a relay that is alone has no bus, and need not have the library of one
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

ANSWER_SECONDS = 2.0
CONNECT_SECONDS = 5
RECONNECT_SECONDS = 1
MAX_URL_CHARS = 512


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who holds a name: a node's URL, and since which connection (rising)."""

    node: str
    epoch: int


@dataclass(frozen=True, slots=True)
class _Holding:
    held: Held
    subscription: "Subscription"
    lost: Callable[[], None]


class Bus:
    """One node's connection to NATS. Its names are held until `release` or the end of the process.

    Raises UsageError where the library is missing.
    """

    def __init__(self, url: str, node: str, prefix: str, *, ca_file: Path | None = None) -> None:
        self._url = url
        self._node = node
        self._prefix = prefix
        self._ca_file = ca_file
        self._client = _new_client()
        self._names: dict[str, _Holding] = {}

    @property
    def connected(self) -> bool:
        """Whether NATS can be asked now."""
        return bool(self._client.is_connected)

    async def start(self) -> None:
        """Connect. Raises UnreachableError, UsageError; later the client comes back by itself, with all names."""
        from nats.errors import Error

        tls = ssl.create_default_context(cafile=str(self._ca_file)) if self._url.startswith("tls:") else None
        try:
            await self._client.connect(
                self._url,
                name="remote-assist-relay",
                allow_reconnect=True,
                max_reconnect_attempts=-1,
                connect_timeout=CONNECT_SECONDS,
                reconnect_time_wait=RECONNECT_SECONDS,
                error_cb=_failed,
                disconnected_cb=_disconnected,
                reconnected_cb=_reconnected,
                tls=tls,
            )
        except ValueError as error:
            raise UsageError("`bus` is no URL", advice="Write nats://HOST:4222.") from error
        except (Error, OSError, TimeoutError) as error:
            raise UnreachableError(
                f"NATS does not answer: {error or type(error).__name__}", advice="See whether it runs, and `bus`."
            ) from error

    async def close(self) -> None:
        """Let go of all names."""
        self._names.clear()
        if not self._client.is_closed:
            await self._client.close()

    async def hold(self, name: str, epoch: int, *, lost: Callable[[], None]) -> None:
        """Answer for `name` from now on; `lost` is called when somebody holds it with a higher epoch."""
        await self.release(name)
        subject = f"{self._prefix}.{name}"

        async def asked(message: "Msg") -> None:
            await self._asked(name, message)

        subscription = await self._client.subscribe(subject, cb=asked)
        self._names[name] = _Holding(Held(self._node, epoch), subscription, lost)
        await self._client.publish(subject, msgspec.json.encode(Held(self._node, epoch)))
        await self._client.flush()

    async def release(self, name: str) -> None:
        """Answer for `name` no longer; harmless when it is not held."""
        holding = self._names.pop(name, None)
        if holding is not None and not self._client.is_closed:
            await holding.subscription.unsubscribe()

    async def find(self, name: str) -> Held | None:
        """Who holds `name`. Raises AuditUnavailable `bus-gone` when NATS does not answer."""
        from nats.errors import Error, NoRespondersError

        own = self._names.get(name)
        if own is not None:
            return own.held
        try:
            reply = await self._client.request(f"{self._prefix}.{name}", b"", timeout=ANSWER_SECONDS)
        except NoRespondersError:
            return None
        except (Error, TimeoutError, OSError) as error:
            raise AuditUnavailable("the relay cannot ask its other nodes", reason="bus-gone") from error
        return _understood(reply.data)

    async def _asked(self, name: str, message: "Msg") -> None:
        holding = self._names.get(name)
        if holding is None:
            return
        if message.reply:
            await message.respond(msgspec.json.encode(holding.held))
            return
        newer = _understood(message.data)
        if newer is not None and newer.epoch > holding.held.epoch:
            await self.release(name)
            holding.lost()


def _new_client() -> "Client":
    try:
        from nats.aio.client import Client
    except ImportError as error:
        raise UsageError("`bus` needs the package nats-py", advice="Install remote-assist[nodes].") from error
    return Client()


def _understood(raw: bytes) -> Held | None:
    try:
        held = msgspec.json.decode(raw, type=Held)
    except msgspec.DecodeError:
        return None
    return held if len(held.node) <= MAX_URL_CHARS else None


async def _failed(error: Exception) -> None:
    structlog.get_logger("bus").warning("failed", cause=safe_text(str(error) or type(error).__name__))


async def _disconnected() -> None:
    structlog.get_logger("bus").warning("disconnected")
    await asyncio.sleep(0)


async def _reconnected() -> None:
    structlog.get_logger("bus").info("reconnected")
    await asyncio.sleep(0)
