"""Every error this product raises on purpose, and the exit code each one ends a program with.

    AssistError                     exit 1   anything we can name
    ├── UsageError                  exit 2   the person who typed it can mend it
    │   └── ContentError            exit 2   a YAML, key or settings file says something it must not
    ├── RefusedError                exit 3   consent, policy, scope, a burned code: somebody said no
    │   ├── ConsentDenied           exit 3   the customer said no, or said nothing in time
    │   ├── CodeBurned              exit 3   a support code was wrong, used or too old
    │   └── AuditUnavailable        exit 3   no durable record, so no action
    ├── UnreachableError            exit 4   relay or agent cannot be reached
    ├── TicketSystemError           exit 1   the organisation's ticket system did not do what was asked
    ├── VerificationError           exit 5   a signature, digest, chain or certificate does not hold
    ├── LocalProtocolError          exit 1   we broke the protocol: a bug of ours
    └── RemoteProtocolError         exit 1   the other end sent what it must not

The message says what is wrong, `advice` what the reader can do about it: one sentence each.
"""

from enum import IntEnum, StrEnum


class Exit(IntEnum):
    """Exit codes scripts rely on (DESIGN: command line)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    UNVERIFIED = 5
    INTERRUPTED = 130
    REMOTE_STATUS_UNKNOWN = 255


class AssistError(Exception):
    """Root of the tree. `advice` is one sentence the reader can act on, or empty."""

    exit_code: Exit = Exit.FAILED

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice

    @property
    def message(self) -> str:
        return str(self.args[0])


class UsageError(AssistError):
    """The request itself is wrong: an unknown name, a missing option, an empty session."""

    exit_code = Exit.USAGE


class ContentError(UsageError):
    """A file a person wrote (catalog, settings, key, certificate) cannot be accepted as it stands."""


class RefusedError(AssistError):
    """Somebody or some rule said no. `reason` is a stable word for programs (`out-of-scope`, `expired`, …)."""

    exit_code = Exit.REFUSED

    def __init__(self, message: str, *, reason: str = "refused", advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.reason = reason


class ElsewhereError(RefusedError):
    """Another node of this relay serves what was asked for. `node`: its URL, dialled only if it was known before."""

    def __init__(self, message: str, *, node: str) -> None:
        super().__init__(message, reason="elsewhere", advice="Name every node of the relay: --relay URL,URL.")
        self.node = node


class ConsentDenied(RefusedError):
    """The customer said no, or did not answer in time."""


class CodeBurned(RefusedError):
    """A support code that is wrong, used, expired or unknown; it will never work again."""


class AuditUnavailable(RefusedError):
    """No durable, acknowledged intent record: nothing was done."""


class UnreachableError(AssistError):
    """The relay or the agent does not answer."""

    exit_code = Exit.UNREACHABLE


class Fault(StrEnum):
    """What a failed request to a ticket system means for the next one."""

    NOT_SENT = "not-sent"
    """Nothing was written; it can be tried again as it is."""

    UNCLEAR = "unclear"
    """It may have been written: look for it before trying again."""

    SLOW_DOWN = "slow-down"
    """Too many requests; nothing was written."""

    CREDENTIAL = "credential"
    """The system does not know us: nothing will work until an operator mends it."""

    ABSENT = "absent"
    """There is no such ticket (any more)."""

    REJECTED = "rejected"
    """The system said no to this one; a repeat would hear the same."""

    UNABLE = "unable"
    """The system cannot do this at all, or not safely; nothing was sent."""


class TicketSystemError(AssistError):
    """The organisation's ticket system did not do what was asked. `wait_seconds`: how long it asks to be left alone."""

    def __init__(self, message: str, *, fault: Fault, wait_seconds: float = 0.0, advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.fault = fault
        self.wait_seconds = wait_seconds


class VerificationError(AssistError):
    """Evidence does not hold. `where` names the place (record, field, file) as exactly as known."""

    exit_code = Exit.UNVERIFIED

    def __init__(self, message: str, *, where: str = "", advice: str = "") -> None:
        super().__init__(message, advice=advice)
        self.where = where


class LocalProtocolError(AssistError):
    """Our own code tried something the protocol does not allow."""


class RemoteProtocolError(AssistError):
    """The peer sent something the protocol does not allow; the conversation ends."""
