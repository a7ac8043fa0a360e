"""`audit hold` and `audit erase`: what keeps sealed content readable, and what ends that; each a signed record."""

import argparse

from remote_assist.commands.audit.fetch import log_name, open_api, own_home
from remote_assist.commands.audit.own_key import own_records
from remote_assist.commands.audit.trust import add_trust_options, trust_of
from remote_assist.commands.printing import Printer, add_output_options
from remote_assist.commands.relay_options import add_relay_options
from remote_assist.core.records import RecordDraft
from remote_assist.errors import Exit, UsageError

MAX_REASON_CHARS = 500


def add_hold_and_erase(acts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both verbs."""
    hold = acts.add_parser("hold", help="legal holds: nothing is erased while one is in force")
    verbs = hold.add_subparsers(metavar="set|lift", required=True)
    for name, code, text in (("set", "RA2010E", "set a legal hold"), ("lift", "RA2011E", "lift a legal hold")):
        verb = _verb(verbs, name, text)
        verb.add_argument("about", metavar="SESSION|'ticket N'|everything", help="what is to be kept readable")
        verb.set_defaults(run=_hold, code=code)
    erase = _verb(acts, "erase", "destroy the keys of a session's sealed content; its records and their proofs stay")
    erase.add_argument("about", metavar="SESSION")
    erase.add_argument("--content-key", default="", metavar="ID", help="of this content key (k-…) only")
    erase.add_argument("--yes", action="store_true", help="it cannot be undone; without this nothing happens")
    erase.set_defaults(run=_erase)


async def _hold(arguments: argparse.Namespace) -> int:
    return await _ordered(arguments, arguments.code, ("reviewer", "operator"), {})


async def _erase(arguments: argparse.Namespace) -> int:
    log_name(arguments.about)
    if not arguments.yes:
        raise UsageError(
            f"erasing the content of {arguments.about} cannot be undone", advice="Add --yes if that is what you want."
        )
    key = {"key": arguments.content_key} if arguments.content_key else {}
    return await _ordered(arguments, "RA2012E", ("operator",), key)


async def _ordered(arguments: argparse.Namespace, code: str, roles: tuple[str, ...], details: dict[str, str]) -> int:
    printer, home = Printer(arguments), own_home()
    if not 0 < len(arguments.reason) <= MAX_REASON_CHARS or any(ord(sign) < 0x20 for sign in arguments.reason):
        raise UsageError(f"a reason is one line of 1 to {MAX_REASON_CHARS} characters")
    async with open_api(arguments) as api:
        credential, own = await own_records(api, home, trust_of(arguments, home), *roles)
        said = {**details, "reason": arguments.reason, "name": credential.certificate.name}
        given = await own.write(RecordDraft(code=code, actor=own.actor, about=arguments.about, details=said))
    printer.object({"about": arguments.about, "code": code, "index": given.index})
    if not printer.json:
        printer.value("about", arguments.about, f"{arguments.about}: recorded as leaf {given.index}")
    return Exit.DONE


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("--reason", required=True, metavar="TEXT", help="one line, in clear in the log")
    add_relay_options(parser, otherwise=", else the login's")
    add_trust_options(parser)
    add_output_options(parser)
    return parser
