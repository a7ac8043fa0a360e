"""What the technician's machine keeps of one session, and until when.

    session.json         ticket, host key pinned by the pairing, end of consent; kept afterwards, without secrets
    session_key          OpenSSH private key of this session                        } deleted when the session ends
    resume               32 bytes: proves to the agent that a cut stream is ours     }
    acks.jsonl           a JSON line for each acknowledgement the agent showed, verified before it was written
    bundle.tar.zst       the last bundle

Rule: the keys are usable until the earlier of consent end and certificate expiry, by this clock.
"""

import contextlib
import hashlib
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from remote_assist.core.messages import Acknowledgement
from remote_assist.core.signing.keys import PrivateKey, load_private
from remote_assist.errors import ContentError, RefusedError
from remote_assist.transport.private_files import append_durably, read_private, write_private

OPEN, ENDED = "open", "ended"

MAX_ACKNOWLEDGEMENTS_BYTES = 64 << 20
"""Longest file of acknowledgements read: about 100,000 of them."""


class SessionFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The session as the pairing fixed it. Times RFC 3339 UTC."""

    session: str
    relay: str
    ticket: str
    subject: str
    host_key: str
    host_name: str
    scopes: tuple[str, ...]
    certificate_fingerprint: str
    opened: str
    ends: str
    certificate_ends: str
    state: str = OPEN
    part: str = "active"
    """The technician's part in it: active, or observer."""

    def ends_at(self) -> datetime:
        """The earlier of consent end and certificate expiry."""
        return min(moment_of(self.ends), moment_of(self.certificate_ends))

    def is_over(self, now: datetime) -> bool:
        """Whether the keys may no longer be used."""
        return self.state == ENDED or now >= self.ends_at()


class SessionFolder:
    """One session's files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        """Whether a session was opened here."""
        return (self.path / "session.json").is_file()

    @property
    def bundle(self) -> Path:
        """Where the session's last bundle is kept."""
        return self.path / "bundle.tar.zst"

    def bundle_of(self, place: str) -> Path:
        """Where the last bundle of a machine behind the customer's is kept; of their own when `place` is empty."""
        if not place:
            return self.bundle
        return self.path / f"bundle-{hashlib.sha256(place.encode()).hexdigest()[:16]}.tar.zst"

    @property
    def acknowledgements_file(self) -> Path:
        return self.path / "acks.jsonl"

    def facts(self) -> SessionFacts:
        """What is known. Raises ContentError when the file is damaged."""
        path = self.path / "session.json"
        try:
            return msgspec.json.decode(read_private(path), type=SessionFacts)
        except msgspec.DecodeError as error:
            raise ContentError(f"{path} is not a file of this program: {error}") from error

    def write(self, facts: SessionFacts) -> None:
        """Store the facts, replacing what was known."""
        write_private(self.path / "session.json", msgspec.json.encode(facts))

    def write_keys(self, session_key: bytes, resume: bytes) -> None:
        """Store the secrets, before the agent learns of them."""
        write_private(self.path / "session_key", session_key)
        write_private(self.path / "resume", resume)

    def session_key(self, now: datetime) -> PrivateKey:
        """The session's key. Raises RefusedError with a sentence once the session is over."""
        self.check_usable(now)
        return load_private(self._secret("session_key"))

    def resume(self) -> bytes:
        """The secret of cut streams."""
        return self._secret("resume")

    def check_usable(self, now: datetime) -> None:
        """Raise RefusedError once the session is over."""
        facts = self.facts()
        if facts.state == ENDED:
            raise RefusedError(f"session {facts.session} has ended", reason="ended", advice="Invite the customer anew.")
        if now >= facts.ends_at():
            cause = "your certificate expired" if facts.certificate_ends < facts.ends else "the consent ran out"
            raise RefusedError(
                f"session {facts.session} is over: {cause} at {facts.ends_at():%Y-%m-%d %H:%M} UTC",
                reason="expired",
                advice="Invite the customer anew.",
            )

    def grant(self, scopes: tuple[str, ...], ends: str) -> None:
        """Take over what the customer granted, and its end, as the agent reported it."""
        facts = self.facts()
        if (facts.scopes, facts.ends) != (scopes, ends):
            moment_of(ends)
            self.write(msgspec.structs.replace(facts, scopes=scopes, ends=ends))

    def end(self) -> None:
        """The session is over: mark it and delete its keys."""
        self.write(msgspec.structs.replace(self.facts(), state=ENDED))
        self.forget_keys()

    def forget_keys(self) -> None:
        """Delete the secrets; what is left proves, it opens nothing."""
        for name in ("session_key", "resume"):
            with contextlib.suppress(FileNotFoundError):
                (self.path / name).unlink()

    def discard(self) -> None:
        """Remove the folder of a session that never came about."""
        for path in self.path.iterdir():
            path.unlink()
        self.path.rmdir()

    def add_acknowledgement(self, acknowledgement: Acknowledgement) -> None:
        """Keep an acknowledgement the caller has verified."""
        append_durably(self.acknowledgements_file, msgspec.json.encode(acknowledgement) + b"\n")

    def acknowledgements(self) -> list[Acknowledgement]:
        """The technician's copy, in the order they were shown."""
        try:
            raw = read_private(self.acknowledgements_file, MAX_ACKNOWLEDGEMENTS_BYTES)
        except FileNotFoundError:
            return []
        try:
            return [msgspec.json.decode(line, type=Acknowledgement) for line in raw.splitlines()]
        except msgspec.DecodeError as error:
            raise ContentError(f"{self.acknowledgements_file} is damaged: {error}") from error

    def _secret(self, name: str) -> bytes:
        try:
            return read_private(self.path / name)
        except FileNotFoundError:
            raise RefusedError(
                f"the keys of session {self.path.name} are no longer here", reason="ended", advice="Invite anew."
            ) from None


def moment_of(text: str) -> datetime:
    """An RFC 3339 time of a peer or of our own files. Raises ContentError for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ContentError(f"'{text}' is not a time") from error
    if moment.tzinfo is None:
        raise ContentError(f"'{text}' names no time zone")
    return moment.astimezone(UTC)
