"""Where checkpoints are anchored: a command, a URL, a time-stamping authority. Each takes one and answers, or fails.

Rule 1: a witness gets a checkpoint and nothing else; a checkpoint tells size and root, not what was recorded.
Rule 2: every wait has an end and every answer a bound. What fails raises WitnessError; nothing else leaves here.
"""

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp

from relay.push.sinks import cause_of, fault_in_url, headers_of, tls_of
from remote_assist.audit.timestamp import open_stamp, read_authorities, require_library, stamp_request
from remote_assist.core.checkpoint import Checkpoint
from remote_assist.core.hostile import safe_text
from remote_assist.core.log.anchoring import MAX_RECEIPT_BYTES
from remote_assist.core.records import format_time
from remote_assist.errors import AssistError, VerificationError
from remote_assist.settings import AnchorSettings

KINDS = ("command", "url", "rfc3161")
MAX_COMPLAINT_BYTES = 4096


class WitnessError(AssistError):
    """A witness did not take a checkpoint; it is to be given again."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a witness answered. `stamped`: the time in its signature, when it gave one."""

    raw: bytes
    stamped: str = ""


class Witness(Protocol):
    """Somebody outside. `receiver` says who, as the log will name them."""

    receiver: str

    async def give(self, checkpoint: Checkpoint) -> Receipt:
        """Hand a checkpoint over. Raises WitnessError."""


class CommandWitness:
    """A program of the operator's: the note on its standard input, status 0 when it is kept; what it prints is kept."""

    def __init__(self, settings: AnchorSettings) -> None:
        self.receiver = Path(settings.command[0]).name
        self._argv = settings.command
        self._deadline_seconds = settings.deadline_seconds

    async def give(self, checkpoint: Checkpoint) -> Receipt:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
                start_new_session=True,
            )
        except OSError as error:
            raise WitnessError(f"{self.receiver} cannot be started: {error.strerror}") from error
        try:
            async with asyncio.timeout(self._deadline_seconds):
                said, complaint, _ = await asyncio.gather(
                    _bounded(process.stdout, MAX_RECEIPT_BYTES),
                    _bounded(process.stderr, MAX_COMPLAINT_BYTES),
                    _feed(process.stdin, checkpoint.note.encode()),
                )
                status = await process.wait()
        except TimeoutError:
            raise WitnessError(f"{self.receiver} was not done after {self._deadline_seconds:g} s") from None
        finally:
            await _end(process)
        if status:
            last = safe_text(complaint.decode(errors="replace").strip().rpartition("\n")[2])[:200]
            raise WitnessError(f"{self.receiver} ended with status {status}" + (f": {last}" if last else ""))
        return Receipt(said)


class UrlWitness:
    """A web server: the note by POST, any 2xx is a receipt; the answer's body is kept."""

    def __init__(self, settings: AnchorSettings) -> None:
        self.receiver = host_of(settings.address)
        self._settings = settings

    async def give(self, checkpoint: Checkpoint) -> Receipt:
        return Receipt(await _post(self._settings, checkpoint.note.encode(), "text/plain; charset=utf-8"))


class StampWitness:
    """A time-stamping authority (RFC 3161): its token must hold for the certificates of `timestamp_ca`."""

    def __init__(self, settings: AnchorSettings) -> None:
        self.receiver = host_of(settings.address)
        self._settings = settings

    async def give(self, checkpoint: Checkpoint) -> Receipt:
        assert self._settings.timestamp_ca is not None
        authorities = await asyncio.to_thread(read_authorities, self._settings.timestamp_ca)
        request, nonce = stamp_request(checkpoint.note)
        raw = await _post(self._settings, request, "application/timestamp-query")
        try:
            stamp = await asyncio.to_thread(open_stamp, raw, checkpoint.note, authorities, nonce=nonce)
        except VerificationError as error:
            raise WitnessError(f"{self.receiver}: {error.message}") from error
        return Receipt(raw, format_time(stamp.time))


def open_witness(settings: AnchorSettings) -> Witness:
    """The witness of one `[anchors.NAME]` table; what it says was checked when it was read."""
    if settings.kind == "command":
        return CommandWitness(settings)
    return StampWitness(settings) if settings.kind == "rfc3161" else UrlWitness(settings)


def fault_in_anchor(settings: AnchorSettings) -> str:
    """What is wrong with an `[anchors.NAME]` table, or nothing."""
    if settings.kind not in KINDS:
        return f"kind is one of {', '.join(KINDS)}"
    if settings.kind == "command":
        return "" if settings.command and settings.command[0] else "a command needs `command`, a list of words"
    if settings.kind == "rfc3161":
        if settings.timestamp_ca is None:
            return "an authority needs `timestamp_ca`, the certificates its tokens are checked against"
        require_library()
        return fault_in_url(settings.address, plain=True)
    return fault_in_url(settings.address)


def host_of(url: str) -> str:
    """The host a URL names; paths and queries may hold secrets."""
    return urlsplit(url).hostname or ""


async def _post(settings: AnchorSettings, body: bytes, kind: str) -> bytes:
    headers = headers_of(kind, settings.token_file)
    tls = tls_of(settings.tls_ca) if settings.address.startswith("https:") else False
    limits = aiohttp.ClientTimeout(total=settings.deadline_seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=limits) as client,
            client.post(settings.address, data=body, headers=headers, ssl=tls, allow_redirects=False) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise WitnessError(f"{host_of(settings.address)} answered {answer.status}")
            return await _bounded(answer.content, MAX_RECEIPT_BYTES)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise WitnessError(f"{host_of(settings.address)} cannot be reached: {cause_of(error)}") from error


class _Reading(Protocol):
    async def read(self, n: int = -1) -> bytes: ...


async def _bounded(reader: _Reading | None, most: int) -> bytes:
    """All there is to read. Raises WitnessError beyond `most` bytes."""
    assert reader is not None
    held = bytearray()
    while piece := await reader.read(most + 1 - len(held)):
        held += piece
        if len(held) > most:
            raise WitnessError(f"the witness answered more than {most} bytes")
    return bytes(held)


async def _feed(writer: asyncio.StreamWriter | None, raw: bytes) -> None:
    assert writer is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # one that does not want it may still succeed
        writer.write(raw)
        await writer.drain()
    writer.close()


async def _end(process: asyncio.subprocess.Process) -> None:
    """Nothing the command started outlives its try."""
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
