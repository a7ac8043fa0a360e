"""What technician and agent say inside SSH, on a channel of subsystem `remote-assist`.

    frame = length u32 big endian (of what follows) · kind u8 · body
    kind 0: one message of this file, JSON        (at most 1 MiB)
    kind 1: raw data: file and bundle bytes, standard output      (at most 256 KiB)
    kind 2: raw data: standard error                              (at most 256 KiB)

    technician                                 agent
      ▶ one Request  ─────────────────────────▶ scope check, intent, acknowledgement
      ◀ Accepted (the act starts now)   or   Refused (nothing was done)
      ◀ Progress, Listing, data frames …       ▶ data frames, Resize, InputEnd, Cancel
      ◀ Done (outcome record is in the journal)
      ▶ next Request …

A channel does one request at a time, in order; a program that wants two at once opens two channels.
Rule 1: no request names steps or shell text; argv lists and catalog ids only.
"""

import msgspec

from remote_assist.core.identity.approval import Approval
from remote_assist.core.messages import Acknowledgement, Grant, Message

SUBSYSTEM = "remote-assist"
KIND_MESSAGE, KIND_DATA, KIND_ERROR = 0, 1, 2
MAX_MESSAGE_BYTES = 1 << 20
MAX_PICTURE_BYTES = 16 << 20
MAX_DATA_BYTES = 256 << 10


# --- requests -------------------------------------------------------------------------------------


class Run(Message, frozen=True, tag="run"):
    """Run an argv list (scope terminal). With `stdin`, data frames until InputEnd feed it. 1..1024 words."""

    argv: tuple[str, ...]
    stdin: bool = False
    folder: str = ""


class OpenShell(Message, frozen=True, tag="open-shell"):
    """The customer's shell at a terminal of its own (scope terminal), recorded. `term` is TERM's value.

    After Accepted, data frames both ways are what is typed and shown; Resize changes the window; Done ends it.
    """

    term: str = ""
    columns: int = 80
    rows: int = 24


class ListFolder(Message, frozen=True, tag="list-folder"):
    """Entries of a folder, or the one file named (scope files:read). Paths are bytes: file names need not be text."""

    path: bytes


class ReadFile(Message, frozen=True, tag="read-file"):
    """Bytes of a regular file from `offset` on (scope files:read).

    To resume, `prefix_sha256` (hex) is the digest of the first `offset` bytes already held; if the source
    no longer starts so, the answer starts again at 0 (Accepted.offset says where it starts). `keep`: a sealed copy
    is kept for the reviewers, and the answer starts at 0.
    """

    path: bytes
    offset: int = 0
    prefix_sha256: str = ""
    keep: bool = False


class ReadMany(Message, frozen=True, tag="read-many"):
    """Regular files of a folder, one after the other, by one intent that names them all (scope files:read).

    `names` are paths below `folder`, 1..1000. The data frames after Accepted are core/file_batch.py's stream;
    `sha256` of Done is `digest_of` what came. `keep`: a sealed copy is kept for the reviewers.
    """

    folder: bytes
    names: tuple[bytes, ...]
    keep: bool = False


class ListMany(Message, frozen=True, tag="list-many"):
    """Entries of folders below `folder`, by one intent that names them all, 1..1000 (scope files:read).

    Answered by FolderListed for each of `names`, in order.
    """

    folder: bytes
    names: tuple[bytes, ...]


class WriteFile(Message, frozen=True, tag="write-file"):
    """A new or replaced file `folder`/`name` of `size` bytes with digest `sha256` (scope files:write).

    Data frames follow Accepted, starting at Accepted.offset (bytes an earlier broken try left behind, whose
    digest the agent sends as Accepted.prefix_sha256). The file appears only whole and checked.
    """

    folder: bytes
    name: bytes
    size: int
    sha256: str
    mode: int = 0o644
    overwrite: bool = False


class Collect(Message, frozen=True, tag="collect"):
    """Run a bundle of collectors (scope diagnose); its tar.zst comes as data frames while it is made.

    `since_seconds`: of logs, only what is so new; 0: all. `seal_to`: 32 bytes of X25519 it is sealed to, or empty.
    """

    bundle: str
    version: int
    digest: str
    since_seconds: int = 0
    seal_to: bytes = b""


class PlanFix(Message, frozen=True, tag="plan-fix"):
    """Prechecks and a dry run of a catalog fix (scope fix). Parameters are typed by the catalog."""

    fix: str
    version: int
    digest: str
    parameters: dict[str, str]


class ApplyFix(Message, frozen=True, tag="apply-fix"):
    """Run the plan with this digest (scope fix); a plan is good once, for 10 minutes.

    `approval`: a second technician's, without which a plan of high risk is refused.
    """

    plan: str
    approval: Approval | None = None


class TakeScreenshot(Message, frozen=True, tag="take-screenshot"):
    """One picture of the screen, if the customer says yes this time (no scope). PNG as data frames after Accepted."""


class RequestScopes(Message, frozen=True, tag="request-scopes"):
    """Ask the customer for more. Answered by Done or Refused; only the customer's local act grants."""

    scopes: tuple[str, ...]
    seconds: int
    reason: str = ""


class UseMachine(Message, frozen=True, tag="use-machine"):
    """Requests on this channel act on `place` (`ssh://user@host[:port]`) from now on (scope hop); "" is the agent's own
    machine. `password` only where the customer's ssh-agent has no key and the technician is trusted with one.
    """

    place: str
    password: str = ""

    def __repr__(self) -> str:
        """Without the password, wherever this may be printed."""
        return f"UseMachine(place={self.place!r})"


class AskStatus(Message, frozen=True, tag="ask-status"):
    """What is granted now and until when. Not an action; nothing is read from the machine."""


class EstimateLook(Message, frozen=True, tag="estimate-look"):
    """How long a bundle will take and how large it will be. Not an action; answered by Expected."""

    bundle: str
    version: int
    digest: str


class ShowCheckpoint(Message, frozen=True, tag="show-checkpoint"):
    """The last checkpoint of the log the technician saw ("": none). Not an action; answered by CheckpointSeen."""

    checkpoint: str = ""


class SayChat(Message, frozen=True, tag="say-chat"):
    """Show a line on the customer's screen (no scope). 1..2000 characters, no support code."""

    text: str


class FollowChat(Message, frozen=True, tag="follow-chat"):
    """Send every chat line after number `after`. Not an action.

    With `wait`: as they come, until InputEnd; without: those there are.
    """

    after: int = 0
    wait: bool = True


class Disclose(Message, frozen=True, tag="disclose"):
    """The technician is about to put this on the ticket (no scope): recorded and shown before it is sent.

    The technician's program sends it, with its own credential, once Accepted came; then it says how it went: a data
    frame that holds `Disclosed`, and InputEnd.
    `kind` and `readers`: core/disclosure.py; `issues`: ids of the known issues told; `where`: the ticket.
    """

    kind: str
    readers: str
    name: str
    size: int
    sha256: str
    where: str
    issues: tuple[str, ...] = ()


class Disclosed(Message, frozen=True, tag="disclosed"):
    """What came of a running Disclose: the one data frame that is sent for it, before InputEnd.

    `status`: done or failed; `remote`: its id on the ticket.
    """

    status: str
    remote: str = ""
    sentence: str = ""


class Share(Message, frozen=True, tag="share"):
    """Ask the customer to let a second technician in (agreements/sharing.py). Only they can; answered by Done."""

    invitation: bytes
    signature: str
    certificate: str


class Attach(Message, frozen=True, tag="attach"):
    """A second technician's proof, the one thing taken on a connection whose key the agent does not know yet."""

    attachment: bytes
    signature: str


class EndSession(Message, frozen=True, tag="end-session"):
    """End for everybody. `reason` at most 200 characters."""

    reason: str = ""


class Resize(Message, frozen=True, tag="resize"):
    """The technician's window has another size now. Belongs to a running OpenShell; else it does nothing."""

    columns: int
    rows: int


class InputEnd(Message, frozen=True, tag="input-end"):
    """No more data frames for this request."""


class Cancel(Message, frozen=True, tag="cancel"):
    """Stop the running request; it is answered by Done with status cancelled, partial results kept."""


# --- answers --------------------------------------------------------------------------------------


class Accepted(Message, frozen=True, tag="accepted"):
    """The intent is durable at both ends and the act starts.

    `acknowledgement` is the relay's, for the technician's copy.
    """

    action: str
    acknowledgement: Acknowledgement
    size: int = 0
    offset: int = 0
    prefix_sha256: str = ""


class Refused(Message, frozen=True, tag="refused"):
    """Nothing was done. `reason` is stable (errors.py, docs/protocol.md), `sentence` and `advice` are for people."""

    reason: str
    sentence: str
    advice: str = ""


class Progress(Message, frozen=True, tag="progress"):
    """How far: `item` (collector, step, file), its `status`, `done` of `total` (0 = unknown)."""

    item: str
    status: str
    done: int = 0
    total: int = 0
    seconds: float = 0.0


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One name in a listing; `name` are hostile bytes. Times are seconds since the epoch."""

    name: bytes
    kind: str
    size: int
    mode: int
    modified: float


class Listing(Message, frozen=True, tag="listing"):
    """A part of a listing; several may follow each other."""

    entries: tuple[Entry, ...]
    truncated: bool = False


class FolderListed(Message, frozen=True, tag="folder-listed"):
    """Entries of folder `number` of a ListMany, in parts, or the `reason` and `sentence` why there are none."""

    number: int
    entries: tuple[Entry, ...] = ()
    truncated: bool = False
    reason: str = ""
    sentence: str = ""


class PlanStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A step as a person reads it: before → after, how it is undone, and why it may not run (`blocked`)."""

    name: str
    before: str
    after: str
    undo: str
    blocked: str = ""


class Plan(Message, frozen=True, tag="plan"):
    """The dry run's result. `digest` (hex) binds consent and the fix's intent to exactly this."""

    fix: str
    version: int
    digest: str
    title: str
    risk: str
    consent: str
    prechecks: tuple[str, ...]
    steps: tuple[PlanStep, ...]
    verify: tuple[str, ...]
    runnable: bool
    why_not: str = ""


class Participant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A technician of the session. `part`: active or observer; `until` RFC 3339 UTC."""

    name: str
    part: str
    until: str


class Status(Message, frozen=True, tag="status"):
    """What is granted to the caller now; `ends` is when their part ends at the latest (RFC 3339 UTC).

    `paused`: the customer holds everything up. `technicians`: everybody who takes part, once there are several.
    """

    session: str
    ticket: str
    grants: tuple[Grant, ...]
    ends: str
    host_name: str
    recorded: int
    paused: bool = False
    technicians: tuple[Participant, ...] | msgspec.UnsetType = msgspec.UNSET


class ChatLine(Message, frozen=True, tag="chat-line"):
    """What somebody said. `number` rises from 1; `author`: customer or technician; `time` RFC 3339, agent's clock."""

    number: int
    author: str
    text: str
    time: str


class Attached(Message, frozen=True, tag="attached"):
    """The second technician is in. `resume`: 32 bytes that prove a cut stream is theirs; `inviter`: the certificate
    whose key signed `invitation`, which names the host key this connection is pinned to."""

    resume: bytes
    invitation: bytes
    signature: str
    inviter: str
    part: str
    grants: tuple[Grant, ...]
    ends: str
    host_name: str


class CheckpointSeen(Message, frozen=True, tag="checkpoint-seen"):
    """The checkpoint the agent sees now, and the proof (`consistency`) that it continues the technician's.

    `agrees` false: the log the agent is shown is not the technician's; the agent ends the session.
    `checkpoint` "": the relay could not be asked.
    """

    checkpoint: str
    consistency: tuple[bytes, ...] = ()
    agrees: bool = True


class Done(Message, frozen=True, tag="done"):
    """The outcome, already in the agent's journal.

    `status`: done, failed, cancelled, aborted, rolled-back, resolved, restarting, denied.
    `exit`: remote status of a program.
    `sha256`/`size`: of the bytes sent or received. `sentence` says what happened when it is not plain success.
    """

    action: str
    status: str
    exit: int = 0
    size: int = 0
    sha256: str = ""
    sentence: str = ""
    truncated: bool = False
    acknowledgement: Acknowledgement | None = None


class Expected(Message, frozen=True, tag="expected"):
    """What a bundle takes by the agent's reckoning (core/catalog/estimates.py): packed bytes, and limits never passed.

    `seen`: of how many of its `items` an earlier run on this machine told.
    """

    items: int
    seen: int
    seconds: float
    size_bytes: int
    at_most_seconds: float
    at_most_bytes: int


Request = (
    Run
    | OpenShell
    | ListFolder
    | ReadFile
    | ReadMany
    | ListMany
    | WriteFile
    | Collect
    | PlanFix
    | ApplyFix
    | TakeScreenshot
    | RequestScopes
    | UseMachine
    | AskStatus
    | EstimateLook
    | ShowCheckpoint
    | SayChat
    | FollowChat
    | Disclose
    | Share
    | Attach
    | EndSession
)
FromTechnician = Request | Resize | InputEnd | Cancel
Answer = (
    Accepted
    | Refused
    | Progress
    | Listing
    | FolderListed
    | Plan
    | Status
    | Expected
    | Attached
    | CheckpointSeen
    | ChatLine
    | Done
)
