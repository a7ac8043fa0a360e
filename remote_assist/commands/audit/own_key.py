"""The key one logged in with, taken up again to sign: a passphrase is asked for anew each time (21 CFR 11.200)."""

import getpass
import sys
from datetime import UTC, datetime
from pathlib import Path

from remote_assist.commands.audit.trust import Trust
from remote_assist.errors import RefusedError, UsageError, VerificationError
from remote_assist.technician.api import RelayApi
from remote_assist.technician.home import Home
from remote_assist.technician.login import Credential, open_credential, read_certificate_line
from remote_assist.technician.own_records import OwnRecords


async def own_records(api: RelayApi, home: Home, trust: Trust, *roles: str) -> tuple[Credential, OwnRecords]:
    """The credential of this login, and the records it may write. Raises RefusedError for a login of another role."""
    identity = home.identity()
    if identity.role not in roles:
        raise RefusedError(
            f"you are logged in as {identity.role}",
            reason="role",
            advice=f"Log in as {' or '.join(roles)}: remote-assist login --key FILE --role …",
        )
    line = read_certificate_line(Path(identity.certificate_file))
    credential = open_credential(Path(identity.key_file), line, role=identity.role, ask_passphrase=_ask, now=_now())
    log_keys = trust.with_lists(await api.lists())
    if not log_keys:
        raise VerificationError("no log key is vouched for, so nothing proves that a record is kept", where="log key")
    return credential, OwnRecords(api, credential, identity.role, log_keys, clock=_now)


def _ask(prompt: str) -> bytes:
    if not sys.stdin.isatty():
        raise UsageError("the key has a passphrase, and there is no terminal to ask for it")
    return getpass.getpass(prompt).encode()


def _now() -> datetime:
    return datetime.now(UTC)
