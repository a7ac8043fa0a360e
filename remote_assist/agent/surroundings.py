"""What a session takes from outside: folders, clocks, dice, the way to the relay, the customer's options."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from remote_assist.agent.memory import AgentHome
from remote_assist.core.codes import relay_origin
from remote_assist.core.consent import Moment
from remote_assist.core.room import Marks
from remote_assist.settings import AgentSettings
from remote_assist.transport.addresses import Addresses
from remote_assist.transport.dial import dial
from remote_assist.transport.link import Link


def disk_marks(settings: AgentSettings) -> Marks:
    """The low-water marks of the disk that holds the journal."""
    return Marks(settings.disk_warn_bytes, settings.disk_refuse_bytes, settings.disk_end_bytes)


JOIN_PATH = "/v1/join/"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything a session takes from outside: folders, clocks, dice, options."""

    settings: AgentSettings
    home: AgentHome
    origin: str
    moment: Callable[[], Moment]
    entropy: Callable[[int], bytes]
    ask_each: bool = False
    services: Path | None = None
    struck: frozenset[str] = frozenset()
    shell: str = "/bin/sh"
    addresses: Addresses = field(init=False)

    def __post_init__(self) -> None:
        urls = (self.settings.relay_url, *self.settings.other_relay_urls)
        object.__setattr__(self, "addresses", Addresses([relay_origin(url) for url in urls]))

    @property
    def origins(self) -> tuple[str, ...]:
        """Every name of the relay, the first one first."""
        return tuple(dict.fromkeys((self.origin, *self.addresses.all)))

    def clock(self) -> datetime:
        return self.moment().utc

    async def dial(self, path: str) -> Link:
        """A link to the relay, at the first of its addresses that answers."""
        seconds = self.addresses.deadline(self.settings.pairing.handshake_deadline_seconds)

        async def dial_one(origin: str) -> Link:
            return await dial(
                origin,
                path,
                tls_ca_file=self.settings.tls_ca_file,
                proxy_url=self.settings.proxy_url,
                deadline_seconds=seconds,
                any_version=path.startswith(JOIN_PATH),  # the other end says it better: it is heard by both
            )

        return await self.addresses.reach(dial_one)
