"""What an action is: its code, the scope it needs, what of it is in clear and what is sealed. One maker a kind.

Rule 1: in clear go program names, paths, sizes and catalog ids; arguments, parameters, digests of contents and
command strings are sealed (PROTOCOL 5). Rule 2: the granularity is PROTOCOL 4's: one command, one open file, one
listing, one plan, one apply.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from remote_assist.agent.texts import say
from remote_assist.core.consent import ANY_SCOPE
from remote_assist.core.disclosure import catalog_of
from remote_assist.core.hostile import SafeStr
from remote_assist.core.records import path_text
from remote_assist.core.requests import Disclose

MAX_CLEAR_CHARS = 4096
"""Longest path or name put into a record in clear; a longer one is refused by the doors before."""


@dataclass(frozen=True, slots=True)
class Action:
    """One thing a technician asks for, before anybody allowed it.

    `code` is the family (`RA1400`), `what` the customer's line, `touched` the absolute paths the consent's folders and
    the off-limits rule are checked against, `place` the endpoint or machine it reaches; `also` are scopes it needs
    besides `scope`; `sealed` holds plaintext that only reviewers may read.
    """

    code: str
    scope: str
    what: SafeStr
    program: str = ""
    catalog: str = ""
    touched: tuple[bytes, ...] = ()
    place: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    plan: str = ""
    approver: str = ""
    also: tuple[str, ...] = ()
    sealed: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    named: tuple[bytes, ...] = ()
    """Files below `touched` that the intent names in its stead; `touched` is what is checked."""
    quiet: bool = False
    """Its work itself shows the customer what happens."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths as records hold them."""
        return tuple(path_text(path) for path in self.touched)

    @property
    def named_paths(self) -> tuple[str, ...]:
        """The paths as the intent holds them."""
        return tuple(path_text(path) for path in self.named) or self.paths


@dataclass(frozen=True, slots=True)
class Ending:
    """How an act ended, as its work reports it. `sentence` is for people, `sealed` holds plaintext to be sealed."""

    status: str = "done"
    exit: int = 0
    size: int = 0
    reason: str = ""
    sentence: str = ""
    truncated: bool = False
    sha256: str = ""
    plan: str = ""
    recording: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    sealed: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def run_action(argv: Sequence[str], folder: str) -> Action:
    """One program with its arguments."""
    program = base_name(argv[0])
    sealed = {"argv": _json(list(argv))}
    if folder:
        sealed["folder"] = folder.encode("utf-8", "surrogateescape")
    return Action(
        code="RA1400", scope="terminal", what=say("what.run", program=program), program=program, sealed=sealed
    )


def shell_string_action(shell: str, string: str) -> Action:
    """A stock client's exec request: one string by protocol, sealed whole."""
    program = base_name(shell)
    return Action(
        code="RA1400",
        scope="terminal",
        what=say("what.shell-string", program=program),
        program=program,
        sealed={"command": string.encode("utf-8", "surrogateescape")},
    )


def shell_action(shell: str) -> Action:
    """The customer's shell at a terminal, for as long as it is open."""
    program = base_name(shell)
    return Action(code="RA1401", scope="terminal", what=say("what.shell", program=program), program=program)


def screenshot_action() -> Action:
    """One picture of the screen, which only the customer allows."""
    return Action(code="RA1510", scope=ANY_SCOPE, what=say("what.screenshot"))


def list_action(path: bytes) -> Action:
    """One folder's names, or the status of the one file named."""
    return Action(code="RA1200", scope="files:read", what=say("what.list", path=path), touched=(path,))


def read_action(path: bytes, offset: int) -> Action:
    """One open file, read from `offset` to its end."""
    sizes = {"offset": offset} if offset else {}
    return Action(code="RA1201", scope="files:read", what=say("what.read", path=path), touched=(path,), sizes=sizes)


def read_many_action(folder: bytes, paths: tuple[bytes, ...]) -> Action:
    """Files below one folder, named in the intent one by one."""
    return _many("RA1210", "what.read-many", "files", folder, paths)


def list_many_action(folder: bytes, paths: tuple[bytes, ...]) -> Action:
    """Folders below one folder, named in the intent one by one."""
    return _many("RA1211", "what.list-many", "folders", folder, paths)


def _many(code: str, text: str, counted: str, folder: bytes, paths: tuple[bytes, ...]) -> Action:
    return Action(
        code=code,
        scope="files:read",
        what=say(text, path=folder, count=len(paths)),
        touched=(folder,),
        named=paths,
        sizes={counted: len(paths)},
    )


def write_action(path: bytes, size: int, sha256: str, mode: int) -> Action:
    """One new or replaced file."""
    return Action(
        code="RA1202",
        scope="files:write",
        what=say("what.write", path=path),
        touched=(path,),
        sizes={"size": size, "mode": mode},
        sealed={"sha256": sha256.encode()},
    )


def bundle_action(bundle: str, version: int, digest: str) -> Action:
    """One diagnostic bundle."""
    return Action(
        code="RA1100",
        scope="diagnose",
        what=say("what.bundle", bundle=bundle),
        catalog=catalog_name(bundle, version, digest),
    )


def plan_action(fix: str, version: int, digest: str, parameters: Mapping[str, str]) -> Action:
    """Prechecks and dry run of one fix."""
    return Action(
        code="RA1300",
        scope="fix",
        what=say("what.plan", fix=fix),
        catalog=catalog_name(fix, version, digest),
        sealed={"parameters": _json(dict(parameters))},
    )


def apply_action(
    fix: str, version: int, digest: str, plan: str, plan_content: bytes, approver: str = "", approval: bytes = b""
) -> Action:
    """One planned fix: its steps and, should they fail, their undo. `approver`: who else stands for it."""
    return Action(
        code="RA1301",
        scope="fix",
        what=say("what.apply", fix=fix),
        catalog=catalog_name(fix, version, digest),
        plan=plan,
        approver=approver,
        sealed={"plan": plan_content, **({"approval": approval} if approval else {})},
    )


def scopes_action(scopes: Sequence[str], seconds: int, reason: str) -> Action:
    """Asking the customer for more; needs no scope, only a session that runs."""
    return Action(
        code="RA1005",
        scope=ANY_SCOPE,
        what=say("what.scopes", scopes=", ".join(scopes)),
        catalog=",".join(scopes),
        sizes={"seconds": seconds},
        sealed={"reason": reason.encode("utf-8", "surrogateescape")} if reason else {},
    )


def chat_action(text: str) -> Action:
    """One line for the customer; needs no scope, only a session that runs."""
    return Action(
        code="RA1600",
        scope=ANY_SCOPE,
        what=say("what.chat"),
        sizes={"characters": len(text)},
        sealed={"text": text.encode("utf-8", "backslashreplace")},
        quiet=True,
    )


def disclose_action(request: Disclose) -> Action:
    """Something put on the ticket; needs no scope, only a session that runs."""
    return Action(
        code="RA1700",
        scope=ANY_SCOPE,
        what=say(f"what.disclose-{request.readers}", name=request.name, size=request.size),
        catalog=catalog_of(request),
        sizes={"size": request.size},
        sealed={
            "name": request.name.encode("utf-8", "backslashreplace"),
            "sha256": request.sha256.encode(),
            "where": request.where.encode("utf-8", "backslashreplace"),
        },
    )


def share_action(certificate: str, name: str, part: str) -> Action:
    """Asking the customer to let a second technician in; needs no scope, only a session that runs."""
    return Action(
        code="RA1010",
        scope=ANY_SCOPE,
        what=say("what.share", name=name),
        catalog=part,
        sealed={"certificate": certificate.encode()},
    )


def door_action(door: str, detail: str) -> Action:
    """A door that is shut for everybody: only ever refused and recorded."""
    sealed = {"detail": detail.encode("utf-8", "backslashreplace")} if detail else {}
    return Action(code="RA1900", scope=ANY_SCOPE, what=say("what.door", door=door), program=door[:64], sealed=sealed)


def catalog_name(item: str, version: int, digest: str) -> str:
    """A catalog item in a record: id, version and the start of its digest."""
    return f"{item}@{version}:{digest[:16]}"


def base_name(program: str) -> str:
    """The last part of argv[0]: what is in clear of a command."""
    return program.rstrip("/").rpartition("/")[2][:MAX_CLEAR_CHARS] or "/"


def _json(value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return repr(value).encode("utf-8", "backslashreplace")
