"""The closed list of record codes: what can happen in a session, by number.

Rule 1: a code never changes its meaning and is never reused. Rule 2: a family shares its number; the last
letter says what the record is: I an intent (written before the act), O its outcome, E an event that simply
happened, R a refusal. The relay refuses codes it does not know. docs/audit-format.md shows this table.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a record is; the value is the last letter of its code."""

    INTENT = "I"
    OUTCOME = "O"
    EVENT = "E"
    REFUSAL = "R"


@dataclass(frozen=True, slots=True)
class Code:
    """One code. `sentence` tells a person what it means, without names or values."""

    code: str
    name: str
    sentence: str

    @property
    def kind(self) -> Kind:
        return Kind(self.code[-1])

    @property
    def family(self) -> str:
        return self.code[:-1]

    @property
    def is_intent(self) -> bool:
        return self.kind is Kind.INTENT

    @property
    def is_outcome(self) -> bool:
        return self.kind is Kind.OUTCOME

    @property
    def is_event(self) -> bool:
        return self.kind is Kind.EVENT


def _act(number: str, name: str, doing: str, done: str) -> tuple[Code, Code]:
    return (Code(f"RA{number}I", name, doing), Code(f"RA{number}O", name, done))


_PEOPLE = ("technician", "reviewer", "operator")

_ALL: tuple[Code, ...] = (
    Code("RA1000E", "session-opened", "The session was opened"),
    Code("RA1001E", "consent-granted", "The customer allowed scopes"),
    Code("RA1002E", "consent-denied", "The customer said no"),
    Code("RA1003E", "consent-revoked", "The customer took the consent back"),
    Code("RA1004E", "consent-expired", "The consent reached its end time"),
    *_act("1005", "scopes-requested", "Asks the customer for further scopes", "The customer answered the request"),
    Code("RA1006E", "consent-paused", "The customer paused the session"),
    Code("RA1007E", "consent-resumed", "The customer let the session go on"),
    Code("RA1008E", "stock-client", "A stock client connected; catalog names the key exchange, program the client"),
    *_act("1010", "share", "Asks the customer to let a second technician in", "The customer answered about it"),
    Code("RA1012E", "second-admitted", "The customer lets a second technician in; catalog names their part"),
    Code("RA1013E", "second-attached", "The second technician proved who they are and is in; catalog names their part"),
    Code(
        "RA1014E",
        "technician-left",
        "A technician is out (outcome: revoked, else handed over); target is their key",
    ),
    *_act("1100", "bundle", "Collects a diagnostic bundle", "The bundle was collected"),
    *_act("1110", "tell-alarm", "Tells a program or address of the customer's about an alarm", "The alarm was told"),
    Code("RA1111E", "alarm-raised", "What watch looks at is getting wrong; catalog names the known issue"),
    Code("RA1112E", "alarm-cleared", "What an alarm was about is over"),
    *_act("1113", "save-bundle", "Saves a redacted bundle on this machine", "The bundle was saved"),
    *_act("1200", "list-folder", "Lists a folder", "The folder was listed"),
    *_act("1201", "read-file", "Reads a file", "The file was read"),
    *_act("1202", "write-file", "Writes a file", "The file was written"),
    *_act("1203", "rename", "Renames a file or folder", "The rename ended"),
    *_act("1204", "remove-file", "Removes a file", "The removal ended"),
    *_act("1205", "make-folder", "Makes a folder", "The folder was made"),
    *_act("1206", "remove-folder", "Removes a folder", "The removal ended"),
    *_act("1207", "change-attributes", "Changes mode, owner, times or size", "The change ended"),
    *_act("1208", "make-link", "Makes a link", "The link was made"),
    Code("RA1209E", "names-looked-up", "Names were looked up on a channel; sizes.count says how many"),
    *_act("1210", "read-files", "Reads files of a folder, named one by one", "The files were read"),
    *_act("1211", "list-folders", "Lists folders, named one by one", "The folders were listed"),
    *_act("1300", "plan-fix", "Plans a fix and tries it dry", "The plan was made"),
    *_act("1301", "apply-fix", "Applies a planned fix", "The fix ended"),
    Code("RA1302E", "rollback", "A fix was undone, as its plan said"),
    Code("RA1303E", "left-as-is", "The customer left a half-applied fix as it is"),
    Code("RA1304E", "verified-later", "A fix was checked again at the agent's next start"),
    *_act("1400", "run", "Runs a program", "The program ended"),
    *_act("1401", "shell", "Opens a shell", "The shell was closed"),
    Code("RA1410E", "recording-chunk", "A piece of a terminal's recording was cut and sealed"),
    Code("RA1411E", "bundle-chunk", "A piece of a bundle was sealed before it was sent"),
    Code("RA1412E", "file-chunk", "A piece of a file was sealed before it was sent"),
    *_act("1500", "forward", "Forwards a connection", "The forwarded connection ended"),
    *_act("1501", "hop", "Reaches a machine behind the customer's", "The way to the machine was tried"),
    *_act("1510", "screenshot", "Takes a picture of the screen", "The customer was asked, and the picture was taken"),
    *_act("1600", "chat", "Says a line to the customer", "The line was on the customer's screen"),
    Code("RA1601E", "customer-said", "The customer said a line to the technician"),
    *_act("1700", "disclose", "Puts something on the ticket; catalog names it and its readers", "The disclosure ended"),
    Code("RA1711E", "standing-consent-used", "The customer's standing consent allowed it; catalog names its number"),
    *_act("1800", "elevate", "Asks the customer to become root for one action", "The customer was asked"),
    Code("RA1900R", "refused", "An action was refused; nothing was done"),
    Code("RA1901E", "intent-aborted", "An intent was not acknowledged in time; nothing was done"),
    Code("RA1902E", "survivors", "Processes outlived the action that started them"),
    Code("RA1990E", "session-ended", "The session ended"),
    Code("RA1995E", "recovered-gap", "The relay had lost records; they were offered again"),
)

_OF_ORGANISATION: tuple[tuple[Code, frozenset[str]], ...] = (
    (Code("RA1710E", "machine-enrolled", "A technician enrolled a machine"), frozenset({"technician"})),
    (Code("RA2000E", "records-begun", "Somebody's own records begin"), frozenset({*_PEOPLE, "relay"})),
    (Code("RA2001E", "review-signed", "A reviewer signed off a session"), frozenset({"reviewer"})),
    (Code("RA2002E", "recording-read", "A recording was read through the relay"), frozenset({"relay"})),
    (Code("RA2010E", "hold-set", "A legal hold was set"), frozenset({"reviewer", "operator"})),
    (Code("RA2011E", "hold-lifted", "A legal hold was lifted"), frozenset({"reviewer", "operator"})),
    (Code("RA2012E", "erased", "Content keys were destroyed on order"), frozenset({"operator"})),
    (Code("RA2013E", "retention-ended", "Content keys were destroyed when their time was over"), frozenset({"relay"})),
    (Code("RA2020E", "break-glass", "Emergency access was used"), frozenset({"operator", "technician", "relay"})),
    (Code("RA2021E", "rollback-accepted", "The operator accepted an older state of the log"), frozenset({"relay"})),
    (Code("RA2022E", "push-failed", "The live push cannot deliver the log"), frozenset({"relay"})),
    (Code("RA2023E", "push-recovered", "The live push delivers the log again"), frozenset({"relay"})),
    (Code("RA2024E", "checkpoint-anchored", "A checkpoint was given to an outside witness"), frozenset({"relay"})),
    (Code("RA2025E", "anchor-failed", "An outside witness cannot be given the checkpoint"), frozenset({"relay"})),
    (Code("RA2030E", "log-key-followed", "Another log key took over from this one"), frozenset({"relay"})),
    (Code("RA2031E", "log-key-destroyed", "A log key that no session needs was destroyed"), frozenset({"relay"})),
    (Code("RA2040E", "time-booked", "Time spent was put on a ticket"), frozenset({"relay"})),
)

CODES: dict[str, Code] = {code.code: code for code in (*_ALL, *(code for code, _ in _OF_ORGANISATION))}
"""Every code there is."""

ORGANISATION_WRITERS: dict[str, frozenset[str]] = {code.code: writers for code, writers in _OF_ORGANISATION}
"""Codes that belong to no session → who may write them in records of their own: roles, or `relay`."""

RECORDS_BEGUN = "RA2000E"

SESSION_OPENED = "RA1000E"
SESSION_ENDED = "RA1990E"
SECOND_ADMITTED, SECOND_ATTACHED, TECHNICIAN_LEFT = "RA1012E", "RA1013E", "RA1014E"

NEVER_WAITING = frozenset(
    {"RA1002E", "RA1003E", "RA1004E", "RA1006E", "RA1014E", "RA1302E"}
    | {"RA1303E", "RA1304E", "RA1901E", "RA1902E", "RA1990E"}
)
"""Acts that only narrow or restore: they happen first and are delivered when the relay returns."""

CHUNK_CODES = frozenset({"RA1410E", "RA1411E", "RA1412E"})
"""Records whose `stored` names sealed bytes that the relay stores beside the log (core/log/chunk.py)."""

JOURNAL_KEY_CODES = frozenset({"RA1302E", "RA1303E", "RA1304E", "RA1902E", "RA1990E"})
"""What a journal key may sign at a next start: undo or verify of an acknowledged plan, left as is, closed."""
