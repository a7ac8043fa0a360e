"""Logging in: the certificate's key signs the relay's challenge; the lists it hands out are checked, not believed.

The CA is the one inside the technician's *own* certificate file, never one the relay names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

from remote_assist.core.api import Login, LoginAnswer
from remote_assist.core.identity.certificates import ROLES, Certificate, ca_of, check_certificate, roles_of
from remote_assist.core.identity.lists import TrustedLists, open_lists
from remote_assist.core.records import format_time, login_bytes
from remote_assist.core.signing.keys import MAX_PRIVATE_BYTES, PrivateKey, load_private, public_line
from remote_assist.core.signing.sshsig import sign
from remote_assist.errors import ContentError, UsageError, VerificationError
from remote_assist.settings import TechnicianSettings
from remote_assist.technician.api import RelayApi, open_api
from remote_assist.technician.home import Home, Identity
from remote_assist.technician.relay_http import safe_addresses
from remote_assist.technician.session_folder import moment_of
from remote_assist.transport.private_files import read_private

MAX_CERTIFICATE_BYTES = 64 << 10
"""Longest certificate file read."""

AskPassphrase = Callable[[str], bytes]
"""Given what to ask for, the passphrase the person typed."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Who is logged in where, until when, and whom the organisation trusts."""

    identity: Identity
    expires: datetime
    certificate: Certificate
    lists: TrustedLists


@dataclass(frozen=True, slots=True)
class Credential:
    """A private key with the certificate that names its owner."""

    key: PrivateKey
    certificate: Certificate


async def login(
    settings: TechnicianSettings,
    *,
    key_file: Path,
    certificate_file: Path | None = None,
    role: str = "",
    ask_passphrase: AskPassphrase,
    clock: Callable[[], datetime],
) -> LoggedIn:
    """Log in and remember it in the state folder.

    Raises ContentError (files), VerificationError (certificate, lists), RefusedError (the relay), UnreachableError.
    """
    home = Home(settings.home)
    certificate_file = certificate_file or default_certificate_file(key_file)
    line = read_certificate_line(certificate_file)
    role = choose_role(line, role, now=clock())
    credential = open_credential(key_file, line, role=role, ask_passphrase=ask_passphrase, now=clock())
    addresses = safe_addresses((settings.relay_url, *settings.other_relay_urls))
    async with open_api(settings, addresses) as api:
        answer = await _exchange(api, credential, role, clock)
    identity = _identity(key_file, certificate_file, addresses.all, role, credential.certificate.name)
    lists = verify_lists(home, answer.lists, credential.certificate, now=clock())
    home.remember_login(identity, answer)
    return LoggedIn(identity, moment_of(answer.expires), credential.certificate, lists)


OWN_CERTIFICATE = "Ask your operator to sign your public key, or name the file with --cert."


def default_certificate_file(key_file: Path) -> Path:
    """Where ssh-keygen and `remote-assist ca sign` put the certificate of a key."""
    return key_file.with_name(key_file.name + "-cert.pub")


def read_certificate_line(path: Path, *, advice: str = OWN_CERTIFICATE) -> str:
    """The one line of a certificate file. Raises ContentError; `advice`: what helps where there is none."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_CERTIFICATE_BYTES + 1)
        text = raw.decode("ascii").strip()
    except FileNotFoundError as error:
        raise ContentError(f"there is no certificate at {path}", advice=advice) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ContentError(f"{path} cannot be read as a certificate") from error
    if len(raw) > MAX_CERTIFICATE_BYTES or "\n" in text:
        raise ContentError(f"{path} is not a certificate file: it holds more than one line")
    return text


def choose_role(line: str, role: str, *, now: datetime) -> str:
    """The role to log in with: the one asked for, else the only one the certificate has. Raises UsageError."""
    if role and role not in ROLES:
        near = get_close_matches(role, ROLES, n=1, cutoff=0.0)
        raise UsageError(f"there is no role '{role}'; did you mean '{near[0]}'?", advice=f"Roles: {', '.join(ROLES)}.")
    if role:
        return role
    roles = roles_of(line)
    if not roles:
        check_certificate(line, ca_line=ca_of(line), now=now, role=ROLES[0])  # which says exactly what is wrong
    if len(roles) != 1:
        raise UsageError(f"the certificate holds the roles {', '.join(roles)}", advice="Choose one with --role.")
    return roles[0]


def open_credential(
    key_file: Path, line: str, *, role: str, ask_passphrase: AskPassphrase, now: datetime
) -> Credential:
    """Key and certificate, checked to belong together and to be valid now. Raises ContentError, VerificationError."""
    certificate = check_certificate(line, ca_line=ca_of(line), now=now, role=role)
    key = load_key(key_file, ask_passphrase)
    if public_line(key) != certificate.key_line:
        raise ContentError(
            f"the certificate is for another key than {key_file}", advice="Name the key that was signed."
        )
    return Credential(key, certificate)


def load_key(path: Path, ask_passphrase: AskPassphrase) -> PrivateKey:
    """The private key in `path`; asks for its passphrase when it has one. Raises ContentError."""
    try:
        raw = read_private(path, MAX_PRIVATE_BYTES)
    except FileNotFoundError as error:
        raise ContentError(f"there is no key at {path}", advice="Make one: ssh-keygen -t ed25519.") from error
    try:
        return load_private(raw)
    except ContentError as error:
        if "passphrase" not in error.message:
            raise
    return load_private(raw, ask_passphrase(f"Passphrase of {path}: "))


def verify_lists(home: Home, raw: tuple[bytes, ...], certificate: Certificate, *, now: datetime) -> TrustedLists:
    """The organisation's lists, signed by the technician's own CA and no older than seen before.

    Raises VerificationError, also when this certificate is on the revocations list.
    """
    lists = open_lists(raw, ca_line=certificate.ca_line, now=now, floors=home.floors(certificate.ca_fingerprint))
    if certificate.serial in lists.revocations.serials:
        raise VerificationError(
            f"the certificate of {certificate.name} (serial {certificate.serial}) was revoked",
            advice="Ask your operator for a new one.",
        )
    home.raise_floors(certificate.ca_fingerprint, lists.numbers)
    return lists


def _identity(key_file: Path, certificate_file: Path, relays: Sequence[str], role: str, name: str) -> Identity:
    return Identity(
        key_file=str(key_file.absolute()),
        certificate_file=str(certificate_file.absolute()),
        relay=relays[0],
        other_relays=tuple(relays[1:]),
        role=role,
        name=name,
    )


async def _exchange(api: RelayApi, credential: Credential, role: str, clock: Callable[[], datetime]) -> LoginAnswer:
    challenge = await api.login_challenge()
    time = format_time(clock())
    signed = sign(credential.key, "login", login_bytes(api.origin, challenge.nonce, time, role))
    return await api.login(
        Login(
            certificate=credential.certificate.line,
            nonce=challenge.nonce,
            time=time,
            role=role,
            signature=signed,
        )
    )
