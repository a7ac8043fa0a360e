"""What the agent may ask of its own helper that runs as root, and how it answers.

    frame = length u32 big endian · MessagePack of a Call (to the helper) or an Answer (from it)
    the helper says READY once it runs; nothing is sent to it before

Rule: these are the calls of `MutableTarget` and nothing else; the helper has no other door.
"""

import struct
from collections.abc import Mapping

import msgspec

from remote_assist.core.target import Command, Completed, FileStatus
from remote_assist.errors import AssistError, RefusedError, RemoteProtocolError, UsageError

READY = b"remote-assist helper ready\n"
MAX_FRAME_BYTES = 80 << 20
"""A file's whole content travels in one frame; fixes change files of at most 64 MiB."""

_LENGTH = struct.Struct(">I")


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One call; `name` is a method of MutableTarget, the rest are its arguments. Paths are the system's bytes."""

    name: str
    path: bytes = b""
    to: bytes = b""
    content: bytes = b""
    mode: int = 0
    owner: tuple[int, int] | None = None
    seen: str | None = None
    max_bytes: int = 0
    tail: bool = False
    process_id: int = 0
    signal: str = ""
    command: Command | None = None


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What came of it; `error` names the kind when nothing did."""

    raw: bytes = b""
    number: int = 0
    status: FileStatus | None = None
    entries: list[FileStatus] = []
    completed: Completed | None = None
    error: str = ""
    reason: str = ""
    sentence: str = ""
    advice: str = ""


KINDS: Mapping[str, type[AssistError]] = {"refused": RefusedError, "usage": UsageError, "failed": AssistError}
"""Kinds of error that cross; every other one arrives as `failed`."""


def pack(message: Call | Answer) -> bytes:
    """A frame. Raises RemoteProtocolError for one that is too long."""
    raw = msgspec.msgpack.encode(message)
    if len(raw) > MAX_FRAME_BYTES:
        raise RemoteProtocolError("more than the helper can take at once")
    return _LENGTH.pack(len(raw)) + raw


def length_of(head: bytes) -> int:
    """How many bytes follow. Raises RemoteProtocolError."""
    if len(head) != _LENGTH.size:
        raise RemoteProtocolError("the helper's pipe ended in mid-frame")
    (size,) = _LENGTH.unpack(head)
    if size > MAX_FRAME_BYTES:
        raise RemoteProtocolError("a frame that is too long")
    return int(size)


def unpack_call(raw: bytes) -> Call:
    """The call of a frame. Raises RemoteProtocolError."""
    try:
        return msgspec.msgpack.decode(raw, type=Call)
    except msgspec.DecodeError as error:
        raise RemoteProtocolError(f"no call: {error}") from error


def unpack_answer(raw: bytes) -> Answer:
    """The answer of a frame. Raises RemoteProtocolError."""
    try:
        return msgspec.msgpack.decode(raw, type=Answer)
    except msgspec.DecodeError as error:
        raise RemoteProtocolError(f"no answer: {error}") from error


def fault_of(error: AssistError) -> Answer:
    """An error on its way to the agent."""
    kind = next((name for name, known in KINDS.items() if isinstance(error, known)), "failed")
    reason = error.reason if isinstance(error, RefusedError) else ""
    return Answer(error=kind, reason=reason, sentence=error.message, advice=error.advice)


def raise_fault(answer: Answer) -> None:
    """Raise what the helper could not do."""
    if not answer.error:
        return
    if answer.error == "refused":
        raise RefusedError(answer.sentence, reason=answer.reason, advice=answer.advice)
    raise KINDS.get(answer.error, AssistError)(answer.sentence, advice=answer.advice)
