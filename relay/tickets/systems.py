"""The ticket systems of the settings file: their connectors, and which ticket id belongs to which.

Rule: a credential is read from a file that is closed to others, when the connector is opened; it is never logged.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from relay.storage.data_folder import require_private
from relay.trust import read_bounded
from remote_assist.errors import AssistError, ContentError, RefusedError
from remote_assist.settings import TicketSystemSettings
from remote_assist.tickets.kinds import open_system
from remote_assist.tickets.system import TicketSystem

MAX_CREDENTIAL_BYTES = 16 << 10


class TicketSystems:
    """Connectors by name. The built-in book is not among them."""

    def __init__(self, settings: Mapping[str, TicketSystemSettings], default: str) -> None:
        self.settings = settings
        self.default = default
        self._open: dict[str, TicketSystem] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self.settings)

    def of(self, name: str) -> TicketSystem:
        """The connector, opened at its first use. Raises RefusedError `absent`, ContentError."""
        if name not in self.settings:
            raise RefusedError(f"this relay knows no ticket system '{name}'", reason="absent")
        if name not in self._open:
            one = self.settings[name]
            self._open[name] = open_system(name, one, read_credential(one))
        return self._open[name]

    async def renew(self, name: str) -> None:
        """Forget the connector, so that the next use reads its credential again."""
        held = self._open.pop(name, None)
        if held is not None:
            await held.close()

    async def close(self) -> None:
        """Let go of all."""
        for name in list(self._open):
            await self.renew(name)

    async def check(self, name: str) -> str:
        """One sentence on who we are there. Raises AssistError when the system does not know us."""
        try:
            who = await self.of(name).verify()
        except AssistError as error:
            advice = error.advice or f"Look at [ticket_systems.{name}] in the settings file."
            raise ContentError(f"{name}: {error.message}", advice=advice) from error
        return f"{self.settings[name].kind} at {self.settings[name].url} knows us as {who}"


def read_credential(settings: TicketSystemSettings) -> str:
    """The credential; empty when none is configured. Raises ContentError when others may read it."""
    return read_secret(settings.credential)


def read_secret(file: Path | None) -> str:
    """The text of a file that is closed to others; empty for no file. Raises ContentError."""
    if file is None:
        return ""
    require_private(file)
    try:
        return read_bounded(file, MAX_CREDENTIAL_BYTES).decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise ContentError(f"{file} is no text") from error
