"""The technician's state folder: who is logged in where, and which sessions this machine holds keys of.

    HOME/                                   0700, every file 0600
      identity.json    key and certificate (paths), relay, role, name
      token.json       what the relay gave at login
      floors.json      highest number seen of each CA-signed list; an older one is refused
      lists.json       the lists of the last login, as signed
      tried/417203     when a customer's code was tried here, for an hour: it is one guess
      sessions/s-…/    see technician/session_folder.py

Rule 1: no support code is ever written here. Rule 2: nothing here is believed without its signature, except
what this program wrote itself.
"""

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from remote_assist.core.api import LoginAnswer
from remote_assist.core.attempts import is_recent
from remote_assist.core.codes import relay_origin
from remote_assist.errors import CodeBurned, ContentError, RefusedError, UsageError
from remote_assist.settings import TechnicianSettings
from remote_assist.technician.session_folder import SessionFolder
from remote_assist.transport.addresses import Addresses
from remote_assist.transport.private_files import make_private_folder, read_private, write_private

HOME_VARIABLE = "REMOTE_ASSIST_HOME"
"""Names the state folder; else the platform's usual place is taken."""

LOG_IN_AGAIN = "Log in again: remote-assist login --key FILE"

MAX_TIME_BYTES = 32

T = TypeVar("T")


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which key speaks for the technician, and at which relay: its first address names it, it may have others."""

    key_file: str
    certificate_file: str
    relay: str
    role: str
    name: str
    other_relays: tuple[str, ...] = ()

    @property
    def relays(self) -> tuple[str, ...]:
        """Every address of the relay."""
        return (self.relay, *self.other_relays)


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The relay's bearer token. `expires` RFC 3339 UTC, the relay's clock; the relay decides."""

    token: str
    expires: str
    relay: str


class _Floors(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Per CA fingerprint, per kind of list: the highest number seen."""

    numbers: dict[str, dict[str, int]] = {}


class _Lists(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    lists: tuple[bytes, ...]


def default_home(environment: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Where the state folder is: REMOTE_ASSIST_HOME, else the platform's place for a program's data."""
    if chosen := environment.get(HOME_VARIABLE):
        return Path(chosen).absolute()
    user = Path(environment.get("HOME") or environment.get("USERPROFILE") or Path.home())
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or user / "AppData" / "Local") / "remote-assist"
    if platform == "darwin":
        return user / "Library" / "Application Support" / "remote-assist"
    return Path(environment.get("XDG_DATA_HOME") or user / ".local" / "share") / "remote-assist"


def addresses_of(settings: TechnicianSettings, identity: Identity) -> Addresses:
    """Where the login's relay is: the addresses in the settings, if any, else those of the login.

    Raises RefusedError when the settings name another relay than the login does.
    """
    if not settings.relay_url:
        return Addresses(identity.relays)
    named = [relay_origin(url) for url in (settings.relay_url, *settings.other_relay_urls)]
    if not set(named) & set(identity.relays):
        raise RefusedError(
            f"you are logged in at {identity.relay}, not at {named[0]}", reason="not-logged-in", advice=LOG_IN_AGAIN
        )
    return Addresses(named)


class Home:
    """The folder and what is in it. Nothing is made until something is written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def identity(self) -> Identity:
        """Who logged in last. Raises RefusedError when nobody did."""
        found = self._read("identity.json", Identity)
        if found is None:
            raise RefusedError("nobody is logged in here", reason="not-logged-in", advice=LOG_IN_AGAIN)
        return found

    def token(self) -> Token:
        """The stored token. Raises RefusedError when there is none."""
        found = self._read("token.json", Token)
        if found is None:
            raise RefusedError("nobody is logged in here", reason="not-logged-in", advice=LOG_IN_AGAIN)
        return found

    def lists(self) -> tuple[bytes, ...]:
        """The CA-signed lists of the last login, still to be verified by whoever reads them."""
        found = self._read("lists.json", _Lists)
        return () if found is None else found.lists

    def floors(self, ca_fingerprint: str) -> dict[str, int]:
        """Kind of list → highest number seen under this CA."""
        found = self._read("floors.json", _Floors) or _Floors()
        return dict(found.numbers.get(ca_fingerprint, {}))

    def raise_floors(self, ca_fingerprint: str, numbers: Mapping[str, int]) -> None:
        """Remember numbers seen; a floor never falls."""
        found = self._read("floors.json", _Floors) or _Floors()
        merged = {**found.numbers.get(ca_fingerprint, {})}
        for kind, number in numbers.items():
            merged[kind] = max(number, merged.get(kind, 0))
        self._write("floors.json", _Floors(numbers={**found.numbers, ca_fingerprint: merged}))

    def remember_login(self, identity: Identity, answer: LoginAnswer) -> None:
        """Store a login whose lists were verified."""
        self._write("lists.json", _Lists(lists=answer.lists))
        self._write("token.json", Token(token=answer.token, expires=answer.expires, relay=identity.relay))
        self._write("identity.json", identity)

    def remember_lists(self, lists: tuple[bytes, ...]) -> None:
        """Store newer lists that were verified."""
        self._write("lists.json", _Lists(lists=lists))

    def check_untried(self, nameplate: str, now: datetime) -> None:
        """Raise CodeBurned for a customer's code that was tried here within the hour."""
        if self._tried_recently(nameplate, now):
            raise _tried()

    def remember_tried(self, nameplate: str, now: datetime) -> None:
        """Write down, durably, that a customer's code is tried now. Raises CodeBurned when somebody was first."""
        folder = make_private_folder(make_private_folder(self.path) / "tried")
        for path in folder.iterdir():
            if not self._tried_recently(path.name, now):
                path.unlink(missing_ok=True)
        try:
            write_private(folder / nameplate, str(int(now.timestamp())).encode(), replace=False)
        except FileExistsError:
            raise _tried() from None
        except OSError as error:
            raise RefusedError(
                f"the code could not be remembered ({error.strerror}), so it was not tried",
                reason="store-failed",
                advice="Free disk space on this machine; the customer's code still works.",
            ) from error

    def _tried_recently(self, nameplate: str, now: datetime) -> bool:
        try:
            return is_recent(int(read_private(self.path / "tried" / nameplate, MAX_TIME_BYTES)), now)
        except FileNotFoundError:
            return False
        except ValueError:
            return True  # damaged: it must not pass for a code that was never tried

    @property
    def _sessions(self) -> Path:
        return self.path / "sessions"

    def session(self, session: str) -> SessionFolder:
        """The folder of one session. Raises UsageError when this machine does not hold it."""
        folder = SessionFolder(self._sessions / session)
        if not folder.exists():
            raise UsageError(
                f"session {session} was not opened from this state folder ({self.path})",
                advice="`remote-assist sessions` lists yours; its keys are where `invite` ran.",
            )
        return folder

    def has_session(self, session: str) -> bool:
        """Whether this machine holds (or held) keys of the session."""
        return SessionFolder(self._sessions / session).exists()

    def new_session(self, session: str) -> SessionFolder:
        """A fresh folder for a session about to be opened."""
        make_private_folder(self.path)
        make_private_folder(self._sessions)
        return SessionFolder(make_private_folder(self._sessions / session))

    def sessions(self) -> list[SessionFolder]:
        """All sessions this machine knows, oldest folder name first."""
        if not self._sessions.is_dir():
            return []
        folders = [SessionFolder(path) for path in sorted(self._sessions.iterdir())]
        return [folder for folder in folders if folder.exists()]

    def forget_expired_keys(self, now: datetime) -> None:
        """Delete the keys of sessions whose time is over."""
        for folder in self.sessions():
            if folder.facts().is_over(now):
                folder.forget_keys()

    def _read(self, name: str, kind: type[T]) -> T | None:
        path = self.path / name
        try:
            return msgspec.json.decode(read_private(path), type=kind)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise ContentError(f"{path} is not a file of this program: {error}", advice=LOG_IN_AGAIN) from error

    def _write(self, name: str, content: msgspec.Struct) -> None:
        make_private_folder(self.path)
        write_private(self.path / name, msgspec.json.encode(content))


def _tried() -> CodeBurned:
    return CodeBurned(
        "this code was tried here already, and a code is one guess",
        reason="used",
        advice="Ask the customer for a new code: they run `remote-assist ask` again.",
    )
