"""The operator's verb `ca`: found an authority, adopt relays, give and take certificates. Parses and prints only."""

import argparse
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from remote_assist.authority.certifying import revoke, sign_certificate
from remote_assist.authority.folder import AuthorityFolder, IssuedCertificate
from remote_assist.authority.founding import found_authority
from remote_assist.authority.vouching import (
    add_pack_key,
    add_reviewer,
    adopt,
    new_reviewer,
    remove_pack_key,
    remove_reviewer,
    revoke_pack,
)
from remote_assist.commands.printing import Printer, add_output_options
from remote_assist.core.durations import parse_duration
from remote_assist.core.identity.certificates import ROLES
from remote_assist.core.signing.cosignature import read_cosigner
from remote_assist.core.signing.keys import fingerprint
from remote_assist.errors import AssistError, Exit

AGAIN = "Relays learn this when you run `remote-assist ca adopt` for each of them again."

Command = Callable[[argparse.Namespace, Printer], None]
Subparsers = argparse._SubParsersAction  # argparse names this type only privately


def add_commands(verbs: "Subparsers[argparse.ArgumentParser]") -> None:
    """Give the parser the verb `ca` with its subcommands."""
    ca = verbs.add_parser("ca", help="the organisation's certificate authority")
    actions = ca.add_subparsers(metavar="ACTION", required=True)
    _action(actions, "init", _init, "found an authority in a new folder")
    adopting = _action(actions, "adopt", _adopt, "vouch for a relay; again after every change")
    adopting.add_argument("request", type=Path, metavar="RELAY-DATA|REQUEST")
    adopting.add_argument("-o", dest="out", type=Path, metavar="OUT", help="write there instead of into RELAY-DATA")
    signing = _action(actions, "sign", _sign, "give a certificate for a public key")
    signing.add_argument("key", type=Path, metavar="KEY.pub")
    signing.add_argument("--name", required=True, help="the name that customers will see")
    signing.add_argument("--role", required=True, metavar="ROLE", help=", ".join(ROLES))
    signing.add_argument("--valid", default="12h", metavar="TIME", help="12h unless said otherwise, 30d at most")
    reviewing = _action(actions, "reviewers", _reviewers, "list, add or remove reviewers' keys")
    _one_of(reviewing, ("--add", "PUB"), ("--remove", "ID")).add_argument("--new", action="store_true")
    packing = _action(actions, "packs", _packs, "list, add or remove keys that sign catalog packs")
    _one_of(packing, ("--add", "KEY.pub"), ("--remove", "KEY.pub"), ("--revoke", "SHA256"))
    revoking = _action(actions, "revoke", _revoke, "take certificates back")
    revoking.add_argument("serials", type=_serial, nargs="+", metavar="SERIAL")
    _action(actions, "show", _show, "show keys, lists and certificates")


def _action(
    actions: "Subparsers[argparse.ArgumentParser]", name: str, command: Command, text: str
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=text)
    parser.add_argument("--dir", type=Path, required=True, metavar="DIR", help="the authority's folder")
    add_output_options(parser)
    parser.set_defaults(run=lambda arguments: _run(command, arguments))
    return parser


def _one_of(parser: argparse.ArgumentParser, *options: tuple[str, str]) -> argparse._MutuallyExclusiveGroup:
    group = parser.add_mutually_exclusive_group()
    for option, metavar in options:
        group.add_argument(option, metavar=metavar)
    return group


def _run(command: Command, arguments: argparse.Namespace) -> int:
    try:
        command(arguments, Printer(arguments))
    except OSError as error:
        raise AssistError(
            f"{error.filename or arguments.dir}: {error.strerror or error}", advice="Nothing was handed out."
        ) from error
    return Exit.DONE


def _init(arguments: argparse.Namespace, printer: Printer) -> None:
    folder = found_authority(arguments.dir, now=_now(), entropy=secrets.token_bytes)
    mark = fingerprint(folder.ca_line)
    printer.value("ca", mark, f"CA {mark}")
    printer.line(f"Customers and relays get {arguments.dir / 'ca.pub'}; the key `ca` stays here.")
    printer.line(f"Hand {arguments.dir / 'reviewers-1.key'} to the reviewers, and remove it here.")


def _adopt(arguments: argparse.Namespace, printer: Printer) -> None:
    done = adopt(AuthorityFolder.open(arguments.dir), arguments.request, arguments.out, now=_now())
    if printer.json:
        printer.object({"organisation": done.organisation, "log_key": done.fingerprint, "numbers": done.numbers})
        return
    if done.renamed_from:
        printer.note(f"The organisation was called {done.renamed_from} before.")
    printer.line(f"Organisation  {done.organisation}")
    printer.value("log_key", done.fingerprint, f"Log key       {done.fingerprint}")
    printer.line(f"Lists         {', '.join(f'{kind} {number}' for kind, number in done.numbers.items())}")
    printer.line(f"Written to    {done.out}")


def _sign(arguments: argparse.Namespace, printer: Printer) -> None:
    signed = sign_certificate(
        AuthorityFolder.open(arguments.dir),
        arguments.key,
        name=arguments.name,
        role=arguments.role,
        life=parse_duration(arguments.valid),
        now=_now(),
    )
    entry = signed.certificate
    if printer.json:
        printer.object(
            {"certificate": str(signed.path), "serial": entry.serial, "role": entry.role, "until": entry.valid_before}
        )
        return
    text = f"{signed.path}: {entry.name}, {entry.role}, serial {entry.serial}, until {_clock(entry.valid_before)}"
    printer.value("certificate", signed.path, text)


def _reviewers(arguments: argparse.Namespace, printer: Printer) -> None:
    folder = AuthorityFolder.open(arguments.dir)
    if arguments.new:
        path = new_reviewer(folder, now=_now(), entropy=secrets.token_bytes)
        printer.value("reviewer", path, f"{path}: hand it to the reviewers, and remove it here. {AGAIN}")
    elif arguments.add is not None:
        name = add_reviewer(folder, Path(arguments.add), now=_now())
        printer.value("reviewer", name, f"{name} added. {AGAIN}")
    elif arguments.remove is not None:
        remove_reviewer(folder, arguments.remove, now=_now())
        printer.value("removed", arguments.remove, f"{arguments.remove} removed. {AGAIN}")
    else:
        body = folder.reviewers()
        for key in body.keys:
            printer.value("reviewer", key.id)
        printer.line(f"List {body.number}, until {_clock(body.expires)}.")


def _packs(arguments: argparse.Namespace, printer: Printer) -> None:
    folder = AuthorityFolder.open(arguments.dir)
    if arguments.add is not None:
        mark = add_pack_key(folder, Path(arguments.add), now=_now())
        printer.value("pack_key", mark, f"{mark} may sign packs. {AGAIN}")
    elif arguments.remove is not None:
        mark = remove_pack_key(folder, Path(arguments.remove), now=_now())
        printer.value("removed", mark, f"{mark} may sign packs no more. {AGAIN}")
    elif arguments.revoke is not None:
        revoke_pack(folder, arguments.revoke, now=_now())
        printer.value("revoked", arguments.revoke, f"The pack {arguments.revoke} counts no more. {AGAIN}")
    else:
        body = folder.packs()
        for digest in body.revoked:
            printer.value("revoked_pack", digest)
        for line in body.keys:
            printer.value("pack_key", fingerprint(line))
        printer.line(f"List {body.number}, {len(body.keys)} keys.")


def _revoke(arguments: argparse.Namespace, printer: Printer) -> None:
    done = revoke(AuthorityFolder.open(arguments.dir), arguments.serials, now=_now())
    for serial in done.unknown:
        printer.note(f"Serial {serial} was not issued from this folder; it is listed all the same.")
    if not done.added:
        printer.note("Revoked before; the list is as it was.")
    text = f"Revocations list {done.number}. {AGAIN}" if done.added else f"Revocations list {done.number}."
    printer.value("revocations", done.number, text)


def _show(arguments: argparse.Namespace, printer: Printer) -> None:
    folder = AuthorityFolder.open(arguments.dir)
    organisation, revoked, now = folder.organisation(), folder.revocations(), _now()
    printer.value("ca", fingerprint(folder.ca_line), f"CA            {fingerprint(folder.ca_line)}")
    if organisation is None:
        printer.line("Organisation  no relay adopted yet")
    else:
        printer.line(f"Organisation  {organisation.name} (list {organisation.number})")
        for line in organisation.log_keys:
            printer.value("log_key", fingerprint(line), f"Log key       {fingerprint(line)}")
        for line in organisation.cosigners:
            key = read_cosigner(line)
            said = f"{key.name}+{key.key_id.hex()}"
            printer.value("cosigner", said, f"Cosigner      {said}")
    printer.line(
        f"Reviewers     {', '.join(key.id for key in folder.reviewers().keys)} (list {folder.reviewers().number})"
    )
    printer.line(f"Pack keys     {len(folder.packs().keys)} (list {folder.packs().number})")
    printer.line(f"Revoked       {', '.join(map(str, revoked.serials)) or 'none'} (list {revoked.number})")
    for entry in folder.issued():
        state = _state(entry, revoked.serials, now)
        if printer.json:
            printer.object({"serial": entry.serial, "name": entry.name, "role": entry.role, "state": state})
        printer.line(f"{entry.serial:>6}  {state:<8} {_clock(entry.valid_before)}  {entry.role:<10}  {entry.name}")


def _state(entry: IssuedCertificate, revoked: tuple[int, ...], now: datetime) -> str:
    if now >= datetime.fromisoformat(entry.valid_before):
        return "expired"
    return "revoked" if entry.serial in revoked else "valid"


def _serial(text: str) -> int:
    value = int(text)
    if not 0 <= value < 1 << 64:
        raise argparse.ArgumentTypeError("a serial is a number from 0 on")
    return value


def _clock(time: str) -> str:
    return datetime.fromisoformat(time).strftime("%Y-%m-%d %H:%M UTC")


def _now() -> datetime:
    return datetime.now(UTC)
