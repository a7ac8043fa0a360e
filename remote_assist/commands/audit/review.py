"""`audit review`: what waits for a reviewer, signing one off, and what a stranger verifies with stock `ssh-keygen`."""

import argparse
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from remote_assist.audit.review import MEANINGS, PURPOSE, Review, Reviewed
from remote_assist.audit.reviews import queue, reviews_in
from remote_assist.audit.verify import SessionReport
from remote_assist.commands.audit.fetch import Fetched, fetch, log_name, open_api, own_home, verify_fetched
from remote_assist.commands.audit.own_key import own_records
from remote_assist.commands.audit.trust import add_trust_options, trust_of
from remote_assist.commands.audit.whole import add_period, read_whole
from remote_assist.commands.printing import Printer, add_output_options
from remote_assist.commands.relay_options import add_relay_options
from remote_assist.core.codes import is_session_id
from remote_assist.core.records import RecordDraft, SignedText, format_time
from remote_assist.core.signing.sshsig import NAMESPACES, sign
from remote_assist.errors import ContentError, Exit, UsageError, VerificationError


def add_review(acts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `audit review` with its verbs."""
    text = "sessions that wait for a reviewer, and signing them off"
    verbs = acts.add_parser("review", help=text, description=text).add_subparsers(
        metavar="list|sign|save", required=True
    )
    listing = _verb(verbs, "list", _list, "sessions to review: all that ended, or a sample nobody chose")
    listing.add_argument("--percent", type=_percent, default=100.0, metavar="P", help="size of the sample (100: all)")
    listing.add_argument("--all", action="store_true", help="also those signed off, not drawn, or not drawn yet")
    add_period(listing)
    signing = _verb(verbs, "sign", _sign, "verify a session and sign it off with the key you log in with")
    signing.add_argument("session", metavar="SESSION")
    signing.add_argument("--meaning", choices=MEANINGS, required=True, help="what your signature means")
    signing.add_argument("--note", default="", metavar="TEXT", help="one line, signed with it, readable by the relay")
    saving = _verb(verbs, "save", _save, "write a session's sign-offs as files for `ssh-keygen -Y verify`")
    saving.add_argument("session", metavar="SESSION")
    saving.add_argument("folder", type=Path, metavar="DIR", help="a folder that does not exist yet")
    saving.set_defaults(since="", until="~")


async def _list(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    async with open_api(arguments) as api:
        log = await read_whole(arguments, api, trust_of(arguments, own_home()))
    waiting = 0
    for due in queue(log, arguments.percent):
        waiting += due.waits
        if due.waits or arguments.all:
            printer.object({**asdict(due), "waits": due.waits})
            if not printer.json:
                printer.value("session", due.session, due.text())
    printer.note("1 session waits for a review" if waiting == 1 else f"{waiting} sessions wait for a review")
    return Exit.DONE


async def _sign(arguments: argparse.Namespace) -> int:
    printer, home = Printer(arguments), own_home()
    session = _session(arguments.session)
    async with open_api(arguments) as api:
        trust = trust_of(arguments, home)
        fetched = await fetch(api, session, trust)
        report = await verify_fetched(api, fetched, trust, home, strict=arguments.strict)
        assert isinstance(report, SessionReport)
        if not report.ended:
            raise UsageError(f"{session} goes on; it can be signed off when it has ended")
        credential, own = await own_records(api, home, trust, "reviewer")
        reviewed = _reviewed(arguments, fetched, report, own.actor.key, credential.certificate.name)
        text = reviewed.text()
        signed = SignedText(purpose=PURPOSE, text=text, signature=sign(credential.key, PURPOSE, text.encode()))
        draft = RecordDraft(code="RA2001E", actor=own.actor, about=session, details=reviewed.details(), signed=signed)
        given = await own.write(draft)
    printer.object({"session": session, "meaning": reviewed.meaning, "name": reviewed.name, "index": given.index})
    if not printer.json:
        printer.value(
            "session", session, f"{session}  signed off: {reviewed.meaning}, {reviewed.name}, leaf {given.index}"
        )
    return Exit.DONE


async def _save(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    session = _session(arguments.session)
    async with open_api(arguments) as api:
        log = await read_whole(arguments, api, trust_of(arguments, own_home()))
    found = [one for one in reviews_in(log) if one.review.session == session]
    if not found:
        raise UsageError(
            f"nobody signed off {session} yet", advice="`remote-assist audit review list` shows what waits."
        )
    try:
        arguments.folder.mkdir(mode=0o700)
    except OSError as error:
        raise ContentError(f"{arguments.folder} cannot be made: {error.strerror}") from error
    for number, one in enumerate(found, start=1):
        file = _written(arguments.folder, number, one.review, one.key_line)
        how = f"ssh-keygen -Y verify -n {NAMESPACES[PURPOSE]} -I reviewer-{number} -f signers -s {file}.sig < {file}"
        printer.value("verify", how, f"{one.review.name}, {one.review.meaning}, {one.review.time}: {how}")
    return Exit.DONE


def _written(folder: Path, number: int, review: Review, key_line: str) -> str:
    name = f"review-{number}.txt"
    (folder / name).write_text(review.text)
    (folder / f"{name}.sig").write_text(review.signature)
    with (folder / "signers").open("a") as signers:
        signers.write(f'reviewer-{number} namespaces="{NAMESPACES[PURPOSE]}" {key_line}\n')
    return name


def _reviewed(arguments: argparse.Namespace, fetched: Fetched, report: SessionReport, key: str, name: str) -> Reviewed:
    if fetched.checkpoint is None:
        raise VerificationError("no log key is vouched for, so there is nothing to sign for", where="checkpoint")
    return Reviewed(
        log=fetched.checkpoint.origin,
        session=report.session,
        records=report.records,
        head=report.head,
        ticket=report.ticket,
        name=name,
        key=key,
        time=format_time(datetime.now(UTC)),
        meaning=arguments.meaning,
        note=arguments.note,
    )


def _session(text: str) -> str:
    if not is_session_id(log_name(text)):
        raise UsageError(f"'{text}' is not a session", advice="Sessions are reviewed, not other records.")
    return text


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 100:
        raise argparse.ArgumentTypeError("a number above 0 and up to 100")
    return value


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: object, text: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text)
    add_relay_options(parser, otherwise=", else the login's")
    add_trust_options(parser)
    add_output_options(parser)
    parser.set_defaults(run=run)
    return parser
