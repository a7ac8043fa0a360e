"""The data folder: what is in it, how it is made, and that nobody else can read its secrets.

    relay.db      records, tickets, tokens (hashes)          0600, unless a server holds them
    log_key       signs acknowledgements, checkpoints        0600, written once
    cosign_key    signs checkpoints as well (ML-DSA-44)      0600, written by `cosigner`
    checkpoint    the last one signed                        written before anybody sees it
    rollback-*    an operator's signed word that records were lost
    adopt-request organisation and log key, self-signed      carried to `remote-assist ca adopt`
    ca.pub lists/ what the organisation's CA signed          written by adopt
    address       the URL of the relay that serves           written by serve
    serving.lock  held by the relay that serves

Rule: a secret that others could have read is refused at start, not repaired (incident T3).
"""

import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from relay.migrations import bring_up_to_date
from relay.storage.database import Database, SqliteFile
from relay.storage.postgres import PostgresServer
from relay.trust import CA_FILE, LISTS_FOLDER, check_log_key, read_bounded, read_trust
from remote_assist.audit.durable_file import sync_folder
from remote_assist.core.identity.lists import KINDS, adopt_request
from remote_assist.core.signing.keys import MAX_PRIVATE_BYTES, load_private, new_key, private_bytes
from remote_assist.core.signing.sshsig import PrivateKey
from remote_assist.errors import ContentError, UsageError, VerificationError

DATABASE = "relay.db"
LOG_KEY = "log_key"
COSIGN_KEY = "cosign_key"
ADOPT_REQUEST = "adopt-request"
ADDRESS = "address"
LOCK = "serving.lock"
MAX_ADDRESS_BYTES = 1024

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def initialise(data: Path, organisation: str, *, entropy: Callable[[int], bytes], database: str = "") -> None:
    """Make the data folder of a new relay, and the tables in `database` (a URL) or in the folder.

    Raises UsageError when something is there already, UnreachableError for a server that does not answer.
    """
    log_key = new_key(entropy(32))
    request = adopt_request(organisation, log_key)
    try:
        data.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise UsageError(f"{data} is there already", advice="Choose a folder that does not exist yet.") from error
    data.chmod(0o700)
    write_new(data / LOG_KEY, private_bytes(log_key))
    write_new(data / ADOPT_REQUEST, request, mode=0o644)
    if not database:
        write_new(data / DATABASE, b"")
    engine = open_database(data, database).engine
    try:
        bring_up_to_date(engine)
    finally:
        engine.dispose()


def open_database(data: Path, url: str) -> Database:
    """The database of a relay: on the server that `url` names, else the file in the folder."""
    return PostgresServer(url) if url else SqliteFile(data / DATABASE)


def adopt(source: Path, data: Path, *, now: datetime) -> dict[str, int]:
    """Take over ca.pub and lists from `source` after checking them. Returns the numbers now in force.

    Raises VerificationError (other CA, other log key, lower number), UsageError (nothing to adopt).
    """
    require_private(data, folder=True)
    floors: dict[str, int] = {}
    held_ca = ""
    with suppress(UsageError):
        held_ca, _, held = read_trust(data, now=now)
        floors = held.numbers
    ca_line, raw, lists = read_trust(source, now=now, floors=floors)
    if held_ca and held_ca != ca_line:
        raise VerificationError(
            "these lists are of another CA than the one that adopted this relay",
            advice="A relay belongs to one CA; make a new data folder for another.",
        )
    check_log_key(lists, read_log_key(data))
    (data / LISTS_FOLDER).mkdir(mode=0o700, exist_ok=True)
    for kind, one in zip(KINDS, raw, strict=True):
        replace_file(data / LISTS_FOLDER / f"{kind}.json", one)
    replace_file(data / CA_FILE, f"{ca_line}\n".encode())
    return lists.numbers


def require_data(data: Path, database: str = "") -> None:
    """Raise UsageError unless `data` is the folder of a relay, ContentError when others may enter it.

    With `database`, the URL of a server, there need be no file with tables in it.
    """
    if not (database or (data / DATABASE).is_file()) or not (data / LOG_KEY).exists():
        raise UsageError(f"{data} is no relay's data folder", advice="Make one: remote-assist-relay init --data DIR.")
    require_private(data, folder=True)
    if not database:
        require_private(data / DATABASE)


def hold(data: Path) -> BinaryIO:
    """Hold the folder until the file is closed. Raises UsageError when another relay serves from it.

    Two writers would give the same index twice.
    """
    file = (data / LOCK).open("ab")
    (data / LOCK).chmod(0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise UsageError(f"another relay serves from {data}", advice="Stop it first.") from error
    return file


def read_log_key(data: Path) -> PrivateKey:
    """The log key. Raises ContentError when others may read it."""
    path = data / LOG_KEY
    require_private(path)
    return load_private(read_bounded(path, MAX_PRIVATE_BYTES))


def read_cosign_seed(data: Path) -> bytes | None:
    """The secret that cosigns checkpoints; None when there is none. Raises ContentError when others may read it."""
    path = data / COSIGN_KEY
    if not path.exists():
        return None
    require_private(path)
    try:
        return bytes.fromhex(read_bounded(path, MAX_PRIVATE_BYTES).decode("ascii").strip())
    except ValueError as error:
        raise ContentError(f"{path} is not what this relay wrote", advice="Restore it from a copy.") from error


def require_private(path: Path, *, folder: bool = False) -> None:
    """Raise ContentError unless `path` is ours and closed to everybody else (0600; a folder 0700)."""
    try:
        found = os.lstat(path)
    except OSError as error:
        raise ContentError(f"{path} cannot be read: {error.strerror}") from error
    expected = stat.S_ISDIR if folder else stat.S_ISREG
    if not expected(found.st_mode):
        raise ContentError(f"{path} is not a {'folder' if folder else 'regular file'}")
    if sys.platform == "win32":
        return  # modes mean nothing there; the folder's own access list protects
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise ContentError(
            f"{path} is open to others (mode {mode:04o})",
            advice=f"If nobody has read it: chmod {'700' if folder else '600'} {path}; else make new keys.",
        )
    if found.st_uid not in {os.geteuid(), 0}:
        raise ContentError(
            f"{path} belongs to another user (id {found.st_uid})",
            advice="Run this as that user (runuser -u NAME -- …).",
        )


def write_new(path: Path, raw: bytes, *, mode: int = 0o600) -> None:
    """A file that was not there before, durable on return, and so is its name."""
    _write(path, raw, mode)
    sync_folder(path.parent)


def replace_file(path: Path, raw: bytes, *, mode: int = 0o644) -> None:
    """Make `path` hold `raw`, whole or not at all, durable on return."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    with suppress(FileNotFoundError):
        beside.unlink()
    _write(beside, raw, mode)
    beside.replace(path)
    sync_folder(path.parent)


def _write(path: Path, raw: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def read_address(data: Path) -> str:
    """The URL that `serve` wrote; empty before the first time."""
    try:
        return read_bounded(data / ADDRESS, MAX_ADDRESS_BYTES).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return ""
