"""The technician's own way into ticket systems: `HOME/tickets.toml`, with credentials of their own.

    [rt]
    kind = "request-tracker"
    url = "https://rt.example.com"
    credential = "rt.token"          # beside it, mode 0600

Rule: these are used for disclosures only; what the relay tells a ticket it tells with its own credential.
"""

import tomllib
from pathlib import Path

from remote_assist.errors import ContentError
from remote_assist.settings import TicketSystemSettings
from remote_assist.tickets.kinds import open_system
from remote_assist.tickets.settings_file import systems_in
from remote_assist.tickets.system import TicketSystem
from remote_assist.transport.private_files import read_private

TICKETS_FILE = "tickets.toml"
MAX_FILE_BYTES = 64 << 10
MAX_CREDENTIAL_BYTES = 16 << 10


def own_systems(home: Path) -> dict[str, TicketSystemSettings]:
    """The systems this technician has a credential for, by the relay's names of them. Raises ContentError."""
    path = home / TICKETS_FILE
    try:
        raw = read_private(path, MAX_FILE_BYTES)
    except FileNotFoundError:
        return {}
    try:
        return systems_in(tomllib.loads(raw.decode()), path)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContentError(f"{path} is no TOML: {error}") from error


def open_own(name: str, settings: TicketSystemSettings) -> TicketSystem:
    """The connector, with the technician's credential. Raises ContentError when it cannot be read."""
    try:
        raw = b"" if settings.credential is None else read_private(settings.credential, MAX_CREDENTIAL_BYTES)
        return open_system(name, settings, raw.decode().strip())
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise ContentError(f"{settings.credential} holds no credential") from error
