"""The command `remote-assist`: finds the verb's file, runs it, turns errors into one sentence and an exit code.

Only the file of the verb that was typed is imported, so that `join` never loads a terminal UI.
"""

import argparse
import asyncio
import gc
import importlib
import inspect
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from remote_assist import __version__
from remote_assist.commands.printing import ascii_json
from remote_assist.core.hostile import HostileStr, safe_text
from remote_assist.errors import AssistError, Exit, UsageError

COLLECT_AFTER = 20_000
"""Objects made before the garbage collector looks. Loading makes very many and frees none: looking after each 700
costs every command some 40 ms."""

VERBS: dict[str, tuple[str, str, str]] = {
    "join": ("customer.join", "Customer", "let a technician help: type the support code, see who asks, decide"),
    "ask": ("customer.ask", "Customer", "ask to be helped: show a code to read out, see who comes, decide"),
    "enroll": ("customer.enrolled", "Customer", "make this machine one that can be called: pair once, by a code"),
    "standing": ("customer.enrolled", "Customer", "what may be done here without asking: show, allow, revoke"),
    "standby": ("customer.enrolled", "Customer", "wait to be called, and answer by the standing consent"),
    "self-check": ("customer.self_check", "Customer", "diagnose this machine here, offline, and show what was found"),
    "preview": ("customer.preview", "Customer", "every command and file a bundle reads here, before anything is read"),
    "watch": ("customer.watch", "Customer", "look at this machine again and again, and say what will be wrong"),
    "login": ("technician.sessions", "Technician", "log in at the relay with your key and certificate"),
    "tui": ("technician.sessions", "Technician", "open the terminal screen"),
    "sessions": ("technician.sessions", "Technician", "list your sessions"),
    "tickets": ("technician.tickets", "Technician", "list, show and open tickets"),
    "invite": ("technician.consent", "Technician", "make a support code for a ticket and wait for the customer"),
    "accept": ("technician.accept", "Technician", "take a code that a customer made with `ask`"),
    "enrolled": ("technician.enrolled", "Technician", "list the enrolled machines"),
    "call": ("technician.enrolled", "Technician", "open a session with an enrolled machine"),
    "worker": ("technician.enrolled", "Technician", "take alarms of enrolled machines and look, by itself"),
    "diagnose": ("technician.evidence", "Technician", "collect a bundle of facts"),
    "findings": ("technician.evidence", "Technician", "what known issues say about a bundle"),
    "diff": ("diff", "Technician", "what changed between two bundles of a machine"),
    "fix": ("technician.fix", "Technician", "plan or apply a known fix"),
    "approve": ("technician.fix", "Technician", "approve a colleague's plan of high risk"),
    "ls": ("technician.files", "Technician", "list a folder of the customer"),
    "get": ("technician.files", "Technician", "fetch files"),
    "put": ("technician.files", "Technician", "bring files"),
    "run": ("technician.run", "Technician", "run a program"),
    "shell": ("technician.shell", "Technician", "open a shell at the customer's, recorded"),
    "chat": ("technician.chat", "Technician", "write to the customer and read what they write"),
    "disclose": ("technician.disclose", "Technician", "put a finding, text or file on the session's ticket"),
    "ssh-config": ("technician.ssh", "Technician", "print the host entry for ssh, sftp, scp, rsync, git …"),
    "proxy": ("technician.ssh", "Technician", "carry ssh's bytes to a session (for ProxyCommand)"),
    "machines": ("technician.machines", "Technician", "the same on many machines behind the customer's"),
    "forward": ("technician.forward", "Technician", "reach a service of the customer's network"),
    "desktop": ("technician.screen", "Technician", "reach the customer's own VNC or RDP server with your viewer"),
    "screenshot": ("technician.screen", "Technician", "ask for one picture of the customer's screen"),
    "open": ("alarms", "Technician", "open the invite that a link in a ticket names"),
    "request": ("technician.consent", "Technician", "ask the customer for further scopes"),
    "share": ("technician.sharing", "Technician", "ask the customer to let a second technician in"),
    "transfer": ("technician.sharing", "Technician", "hand a session over to another technician"),
    "attach": ("technician.sharing", "Technician", "enter a session that was shared with you or handed over to you"),
    "end": ("technician.consent", "Technician", "end a session with a note for the ticket"),
    "audit": ("audit.reviewer", "Reviewer", "list, show, verify and export sessions"),
    "alert": ("alarms", "Operator", "tell the relay of an alarm, from a monitoring system"),
    "kb": ("author.kb", "Author", "list, lint and test known issues and fixes"),
    "unseal": ("technician.disclose", "Reviewer", "open a file that was disclosed sealed"),
    "redact": ("customer.redact", "Author", "show what redaction takes out of a file"),
    "ca": ("operator", "Operator", "the organisation's certificate authority"),
}
"""Verb → (file in commands/, who it is for, one line of help)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in {"-h", "--help", "help"}:
        print(_overview())
        return Exit.DONE
    if words[0] in {"--version", "-V"}:
        print(f"remote-assist {__version__}")
        return Exit.DONE
    if words[0] not in VERBS:
        return _complain(UsageError(_unknown(words[0]), advice="`remote-assist --help` lists the verbs."), words, 2)
    gc.set_threshold(COLLECT_AFTER)
    try:
        return _run(words)
    except AssistError as error:
        return _complain(error, words, int(error.exit_code))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return Exit.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED


class _Parser(argparse.ArgumentParser):
    """Complains as every verb does: one sentence, and one object with `--json`. Its sub-parsers are of this class."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with argparse's words."""
        raise UsageError(message, advice=f"`{self.prog} --help` shows what it takes.")


def build_parser(verb: str) -> argparse.ArgumentParser:
    """The parser with the verbs of the file that holds `verb`. It raises UsageError for words it cannot take."""
    parser = _Parser(prog="remote-assist")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    importlib.import_module(f"remote_assist.commands.{VERBS[verb][0]}").add_commands(verbs)
    return parser


def _run(words: list[str]) -> int:
    arguments, unknown = build_parser(words[0]).parse_known_args(words)
    if unknown:
        advice = f"`remote-assist {words[0]} --help` shows what it takes."
        raise UsageError(f"unrecognized arguments: {' '.join(unknown)}", advice=advice)
    result = arguments.run(arguments)
    if inspect.iscoroutine(result):
        result = asyncio.run(result)
    return int(result)


def _complain(error: AssistError, words: list[str], exit_code: int) -> int:
    text = safe_text(HostileStr(error.message))
    print(f"remote-assist: {text}", file=sys.stderr)
    if error.advice:
        print(f"  {safe_text(HostileStr(error.advice))}", file=sys.stderr)
    if "--json" in words[: words.index("--")] if "--" in words else "--json" in words:
        body = {
            "error": text,
            "reason": getattr(error, "reason", type(error).__name__),
            "exit": exit_code,
        }
        print(ascii_json(body), flush=True)
    return exit_code


def _unknown(word: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, VERBS, n=1)
    return f"there is no verb '{word}'" + (f"; did you mean '{near[0]}'?" if near else "")


def _overview() -> str:
    lines = ["usage: remote-assist VERB …", ""]
    role = ""
    for verb, (_, audience, text) in VERBS.items():
        if audience != role:
            lines.append(f"{audience}:")
            role = audience
        lines.append(f"  {verb:<12} {text}")
    return "\n".join([*lines, "", "`remote-assist VERB --help` explains a verb."])
