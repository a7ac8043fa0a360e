"""What the audit verbs read from the relay: sessions, other chains, proofs, the checkpoint; and where they write."""

import argparse
import os
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from remote_assist.audit.inclusion import check_included
from remote_assist.audit.own_chain import ChainReport, verify_chain
from remote_assist.audit.verify import Evidence, SessionReport, verify_session
from remote_assist.commands.audit.trust import Trust, witnesses_of
from remote_assist.commands.relay_options import proxy_url, relay_origins
from remote_assist.core.api import ChainSummary, LoggedRecord, SessionSummary
from remote_assist.core.checkpoint import Checkpoint
from remote_assist.core.codes import is_session_id
from remote_assist.core.log.organisation import is_chain_id
from remote_assist.core.messages import Wrap
from remote_assist.core.records import Record, decode_record
from remote_assist.errors import AssistError, ContentError, RemoteProtocolError, UsageError
from remote_assist.technician.api import RelayApi
from remote_assist.technician.home import Home, default_home
from remote_assist.technician.relay_http import safe_addresses

Summary = SessionSummary | ChainSummary
Report = SessionReport | ChainReport


@dataclass(frozen=True, slots=True)
class Fetched:
    """A log as the relay hands it out: a session's, or records that belong to none.

    `proofs` stand beside the records, for the tree of `checkpoint`.
    """

    summary: Summary
    records: list[LoggedRecord]
    wraps: list[Wrap]
    proofs: list[tuple[bytes, ...]]
    checkpoint: Checkpoint | None


async def fetch(
    api: RelayApi,
    name: str,
    trust: Trust,
    summary: Summary | None = None,
    checkpoint: Checkpoint | None = None,
) -> Fetched:
    """All records of one session or chain. Raises UsageError when there is none."""
    known = summary or await _summary(api, name)
    checkpoint = checkpoint or await current_checkpoint(api, trust)
    records: list[LoggedRecord] = []
    wraps: list[Wrap] = []
    proofs: list[tuple[bytes, ...]] = []
    async for page in api.record_pages(name, checkpoint.size if checkpoint else 0):
        records.extend(page.records)
        wraps.extend(wrap for wrap in page.wraps if wrap not in wraps)
        proofs.extend(page.proofs or [()] * len(page.records))
    return Fetched(known, records, wraps, proofs, checkpoint)


async def each(
    api: RelayApi, wanted: Iterable[Summary], trust: Trust, checkpoint: Checkpoint | None
) -> AsyncIterator[Fetched]:
    """One log after the other."""
    for summary in wanted:
        yield await fetch(api, summary.id, trust, summary, checkpoint)


async def wanted_logs(api: RelayApi, name: str | None) -> tuple[Summary, ...]:
    """The one that is named, else all that whoever is logged in may see."""
    if name is not None:
        return (await _summary(api, name),)
    sessions = [one async for one in api.each_session()]
    return tuple(sessions) if own_home().identity().role == "technician" else (*sessions, *await api.chains())


async def verify_fetched(api: RelayApi, fetched: Fetched, trust: Trust, home: Home, *, strict: bool) -> Report:
    """Check chain, signatures, acknowledgements and inclusion. Raises VerificationError."""
    log_keys = trust.with_lists(await api.lists()) if trust.ca_line else trust.log_keys
    report = verify_records(fetched, log_keys, trust.ca_line, home, strict=strict)
    if fetched.checkpoint is not None:
        acknowledgements = [logged.acknowledgement for logged in fetched.records]
        check_included(zip(acknowledgements, fetched.proofs, strict=True), fetched.checkpoint)
    return report


def verify_records(
    fetched: Fetched, log_keys: tuple[str, ...], ca_line: str | None, home: Home, *, strict: bool
) -> Report:
    """Check everything but inclusion. Raises VerificationError."""
    summary = fetched.summary
    if isinstance(summary, ChainSummary):
        return verify_chain(fetched.records, log_keys=log_keys, ca_line=ca_line, strict=strict, chain=summary.id)
    return verify_session(
        fetched.records,
        log_keys=log_keys,
        ca_line=ca_line,
        strict=strict,
        session=summary.id,
        must_have_ended=summary.state == "ended",
        witnesses=witnesses_of(home, summary.id),
    )


async def _summary(api: RelayApi, name: str) -> Summary:
    return await api.chain(name) if is_chain_id(name) else await api.session(name)


async def current_checkpoint(api: RelayApi, trust: Trust) -> Checkpoint | None:
    """The log's checkpoint, signed by a key that is vouched for; None when there is no such key."""
    log_keys = trust.with_lists(await api.lists()) if trust.ca_line else trust.log_keys
    return trust.open_checkpoint(await api.checkpoint(), log_keys) if log_keys else None


def readable(logged: Iterable[Evidence]) -> list[Record]:
    """Records that can be read; what cannot is named by verification."""
    found = []
    for one in logged:
        try:
            found.append(decode_record(one.record))
        except RemoteProtocolError:
            continue
    return found


def log_name(text: str) -> str:
    """A session, or a chain of records that belong to none. Raises UsageError for anything else."""
    if not text:
        raise empty_session()
    if not is_log_name(text):
        raise UsageError(f"'{text}' is not a session", advice="`remote-assist audit list` shows them.")
    return text


def is_log_name(text: str) -> bool:
    """Whether `text` has the form of a session's or a chain's name; all else is taken for a file."""
    return is_session_id(text) or is_chain_id(text)


def empty_session() -> UsageError:
    """What is said when a name is empty, as an unset variable in a script makes it."""
    return UsageError("the SESSION is empty", advice="`remote-assist audit list` shows them.")


@contextmanager
def output(path: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a new file only its owner may read, complete or not there at all."""
    if path is None:
        yield sys.stdout.buffer
        return
    beside = path.with_name(path.name + ".part")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ContentError(f"{path} cannot be written: {error.strerror or error}") from error
    except AssistError:
        beside.unlink(missing_ok=True)
        raise


def own_home() -> Home:
    """The state folder of whoever runs this."""
    return Home(default_home(os.environ))


def open_api(arguments: argparse.Namespace) -> RelayApi:
    """The relay of `--relay`, the environment or the login."""
    home = own_home()
    addresses = safe_addresses(relay_origins(arguments, os.environ) or home.identity().relays)
    return RelayApi(addresses, token=home.token().token, tls_ca_file=arguments.ca_file, proxy_url=proxy_url(arguments))
