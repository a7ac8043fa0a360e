"""Approving a colleague's plan with the key of the stored login; no relay is asked."""

from datetime import UTC, datetime
from pathlib import Path

from remote_assist.core.identity.approval import Approval, approve
from remote_assist.technician.home import Home
from remote_assist.technician.login import AskPassphrase, open_credential, read_certificate_line


def approve_plan(home: Path, session: str, digest: str, ask_passphrase: AskPassphrase) -> Approval:
    """Sign for one plan of one session. Raises RefusedError (nobody is logged in), VerificationError (expired)."""
    identity = Home(home).identity()
    line = read_certificate_line(Path(identity.certificate_file))
    now = datetime.now(UTC)
    credential = open_credential(
        Path(identity.key_file), line, role="technician", ask_passphrase=ask_passphrase, now=now
    )
    return approve(credential.key, line, session, digest)
