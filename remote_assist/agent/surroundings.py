"""What a session takes from outside: folders, clocks, dice, the way to the relay, the customer's options."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from remote_assist.agent.memory import AgentHome
from remote_assist.core.consent import Moment
from remote_assist.settings import AgentSettings
from remote_assist.transport.link import Link, dial


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
    shell: str = "/bin/sh"

    def clock(self) -> datetime:
        return self.moment().utc

    async def dial(self, path: str) -> Link:
        """A link to the relay."""
        return await dial(
            self.settings.relay_url,
            path,
            tls_ca_file=self.settings.tls_ca_file,
            deadline_seconds=self.settings.pairing.handshake_deadline_seconds,
        )
