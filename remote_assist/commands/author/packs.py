"""`kb pack`: an organisation's own catalog files, built, signed, installed here, listed."""

import argparse
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from remote_assist.commands.printing import Printer, add_output_options
from remote_assist.commands.technician.options import ask_passphrase
from remote_assist.core.catalog.packs import MAX_PACK_BYTES, OpenedPack, Pack, build_pack, open_pack, sign_pack
from remote_assist.core.records import format_time
from remote_assist.core.signing.keys import fingerprint, public_line
from remote_assist.diagnostics.catalog_lint import lint
from remote_assist.diagnostics.pack_catalog import check_pack, stock
from remote_assist.errors import ContentError, Exit, UsageError
from remote_assist.technician.evidence import pack_trust
from remote_assist.technician.home import Home, default_home
from remote_assist.technician.login import load_key
from remote_assist.transport.pack_folder import PackFolder


def add_pack_commands(acts: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `pack build | sign | install | remove | list`."""
    pack = acts.add_parser("pack", help="packs of your organisation's own: build, sign, install, list")
    verbs = pack.add_subparsers(metavar="build|sign|install|remove|list", required=True)
    building = verbs.add_parser("build", help="make one file of a folder of catalog files, and lint it")
    building.add_argument("folder", type=Path, metavar="FOLDER")
    building.add_argument("--id", required=True, help="the pack's name; its items begin with it: NAME.… and NAME_…")
    building.add_argument("--version", type=int, required=True, metavar="N", help="from 1, rising")
    building.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    building.set_defaults(run=_build)
    signing = verbs.add_parser("sign", help="sign a pack with a key of the organisation's packs' list")
    signing.add_argument("file", type=Path, metavar="FILE")
    signing.add_argument("--key", type=Path, required=True, metavar="KEY", help="the private key")
    signing.set_defaults(run=_sign)
    installing = verbs.add_parser("install", help="install a pack on this computer and pin its version")
    installing.add_argument("file", type=Path, metavar="FILE")
    installing.set_defaults(run=_install)
    removing = verbs.add_parser("remove", help="take a pack away; an older version cannot come back")
    removing.add_argument("id", metavar="ID")
    removing.set_defaults(run=_remove)
    listing = verbs.add_parser("list", help="packs installed here, and whether they count")
    listing.set_defaults(run=_list)
    for parser in (building, signing, installing, removing, listing):
        add_output_options(parser)


def _build(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    files = {file.name: _text(file) for file in sorted(arguments.folder.glob("*.yaml"))}
    if not files:
        raise UsageError(f"{arguments.folder} holds no file NAME.yaml")
    _, problems = lint(arguments.folder)
    if problems:
        raise ContentError(str(problems[0]), advice=f"`remote-assist kb lint {arguments.folder}` lists every problem.")
    issued = format_time(datetime.now(UTC))
    raw = build_pack(Pack(id=arguments.id, version=arguments.version, issued=issued, files=files))
    check_pack(open_pack(raw))
    arguments.output.write_bytes(raw)
    printer.value("pack", open_pack(raw).digest, f"{arguments.output}: not signed yet. {_told(open_pack(raw))}")
    return Exit.DONE


def _sign(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    key = load_key(arguments.key, ask_passphrase)
    raw = sign_pack(_raw(arguments.file), key)
    arguments.file.write_bytes(raw)
    printer.value("pack", open_pack(raw).digest, f"{arguments.file}: signed by {fingerprint(public_line(key))}.")
    return Exit.DONE


def _install(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    home = _home()
    trust = pack_trust(home)
    raw = _raw(arguments.file)
    opened = open_pack(raw)
    if trust.keys:
        opened.check(trust)
    check_pack(opened)
    PackFolder(home.path).put(opened, raw)
    later = "" if trust.keys else " Its signature is checked against the organisation's list at every session."
    printer.value("pack", opened.digest, f"{_told(opened)} It is installed and pinned.{later}")
    return Exit.DONE


def _remove(arguments: argparse.Namespace) -> int:
    PackFolder(_home().path).remove(arguments.id)
    Printer(arguments).value("removed", arguments.id, f"The pack {arguments.id} is not used here any more.")
    return Exit.DONE


def _list(arguments: argparse.Namespace) -> int:
    printer = Printer(arguments)
    home = _home()
    packs = stock(PackFolder(home.path).installed(), pack_trust(home)).packs
    for pack in packs:
        state = pack.why_not or f"signed by {pack.signer}"
        printer.object(asdict(pack))
        if not printer.json:
            printer.value("pack", pack.id, f"{pack.id:<16} {pack.version:>3}  {pack.digest}  {state}")
    if not packs:
        printer.line("no pack is installed here")
    return Exit.DONE


def _home() -> Home:
    return Home(default_home(os.environ))


def _told(opened: OpenedPack) -> str:
    return f"Pack {opened.pack.id}, version {opened.pack.version}, SHA-256 {opened.digest}."


def _raw(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_PACK_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    if len(raw) > MAX_PACK_BYTES:
        raise ContentError(f"{file} is longer than a pack may be ({MAX_PACK_BYTES} bytes)")
    return raw


def _text(file: Path) -> str:
    try:
        return _raw(file).decode()
    except UnicodeDecodeError as error:
        raise ContentError(f"{file} is no UTF-8 text") from error
