"""Verbs about the customer's screen: screenshot, and desktop for a VNC or RDP server that is there already."""

import argparse
import asyncio
import contextlib
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.progress_line import size_words
from remote_assist.commands.technician.options import (
    add_session_argument,
    add_technician_options,
    checked_session,
    open_desk,
)
from remote_assist.core.picture.in_terminal import WAYS, shown, way_of
from remote_assist.core.wishes import Endpoint, parse_endpoint
from remote_assist.errors import AssistError, Exit, UsageError

PORTS = {"vnc": 5900, "rdp": 3389}
VIEWERS = {
    "vnc": (("vncviewer", "{host}::{port}"), ("xtightvncviewer", "{host}::{port}"), ("gvncviewer", "{host}::{port}")),
    "rdp": (("xfreerdp", "/v:{host}:{port}"), ("xfreerdp3", "/v:{host}:{port}"), ("rdesktop", "{host}:{port}")),
}
"""Viewers that are looked for, in this order, where none is named."""

VIEWER_VARIABLE = "REMOTE_ASSIST_VIEWER"
MARGIN_ROWS = 3
"""Rows left for what is written below a picture, and the next prompt."""


def add_commands(verbs: Any) -> None:
    """Add screenshot and desktop."""
    shot = verbs.add_parser(
        "screenshot",
        help="ask for one picture of the customer's screen",
        description="The customer is asked each time. The picture is shown here and kept in the session's folder "
        "(0600); it goes onto the ticket only by `disclose --screenshot`.",
    )
    add_technician_options(shot)
    add_session_argument(shot)
    shot.add_argument("-o", "--output", metavar="FILE.png", type=Path, help="keep it here instead")
    shot.add_argument("--show", choices=(*WAYS, "no"), help="how to show it (else by what the terminal says it is)")
    shot.set_defaults(run=_screenshot)
    desktop = verbs.add_parser(
        "desktop",
        help="reach the customer's own VNC or RDP server with your viewer",
        description="A port of this machine leads to the desktop server as the customer's machine reaches it; the "
        "customer must have allowed forward=HOST:PORT. Your viewer is started on it; the way ends with it.",
    )
    add_technician_options(desktop)
    add_session_argument(desktop)
    desktop.add_argument(
        "endpoint", metavar="HOST:PORT", nargs="?", default="", help="else 127.0.0.1 and the usual port"
    )
    desktop.add_argument("--kind", choices=tuple(PORTS), default="", help="else by the port; 3389 is rdp")
    desktop.add_argument(
        "--viewer",
        metavar="COMMAND",
        default="",
        help=f"with {{host}} and {{port}} in it (else ${VIEWER_VARIABLE}, else a known one; `none` starts nothing)",
    )
    desktop.set_defaults(run=_desktop)


async def _screenshot(arguments: argparse.Namespace) -> int:
    session = checked_session(arguments.session)
    printer = Printer(arguments)
    async with await open_desk(arguments) as desk, await desk.connect(session) as connected:
        if not (printer.json or printer.plain):
            printer.note("asking the customer")
        shot = await connected.screenshot(arguments.output)
    path, picture = shot.path, shot.picture
    fields = {"file": str(path), "width": picture.width, "height": picture.height, "size": shot.size}
    printer.object(fields)
    way = arguments.show or (way_of(os.environ) if sys.stdout.isatty() else "no")
    if way != "no" and not (printer.json or printer.plain):
        columns, rows = shutil.get_terminal_size()
        sys.stdout.write(shown(picture, way, columns, max(1, rows - MARGIN_ROWS)))
        sys.stdout.flush()
    told = f"{path}  {picture.width} × {picture.height}, {size_words(shot.size)}"
    printer.value("file", str(path), told)
    if not printer.plain:
        printer.note(f"on the ticket it is only after: remote-assist disclose {session} --screenshot {path}")
    return Exit.DONE


async def _desktop(arguments: argparse.Namespace) -> int:
    session = checked_session(arguments.session)
    endpoint, kind = _endpoint(arguments)
    viewer = viewer_words(arguments.viewer or os.environ.get(VIEWER_VARIABLE, ""), kind)
    printer = Printer(arguments)
    async with (
        await open_desk(arguments) as desk,
        await desk.connect(session) as connected,
        connected.forward(endpoint) as port,
    ):
        printer.value("port", str(port), f"127.0.0.1:{port} leads to {endpoint}")
        if not viewer:
            printer.note(f"no viewer was started: open 127.0.0.1:{port} with yours; Ctrl-C ends it")
            await asyncio.Event().wait()
        return await _view([word.format(host="127.0.0.1", port=port) for word in viewer])


def _endpoint(arguments: argparse.Namespace) -> tuple[Endpoint, str]:
    if not arguments.endpoint:
        kind = arguments.kind or "vnc"
        return Endpoint("127.0.0.1", PORTS[kind]), kind
    endpoint = parse_endpoint(arguments.endpoint)
    return endpoint, arguments.kind or ("rdp" if endpoint.port == PORTS["rdp"] else "vnc")


def viewer_words(command: str, kind: str) -> list[str]:
    """The viewer's argv with `{host}` and `{port}` in it; empty when none is to be started or none is there.

    Raises UsageError for a command that names no port or is not there.
    """
    if command == "none":
        return []
    if not command:
        found = (list(words) for words in VIEWERS[kind] if shutil.which(words[0]))
        return next(found, [])
    try:
        words = shlex.split(command)
        one, other = ([word.format(host="h", port=port) for word in words] for port in (1, 2))
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise UsageError(
            f"this is no viewer's command: {command[:100]}", advice="For example: vncviewer {host}::{port}"
        ) from error
    if one == other:
        raise UsageError("the viewer's command names no {port}", advice="For example: vncviewer {host}::{port}")
    if shutil.which(words[0]) is None:
        raise UsageError(f"there is no program {words[0][:100]} here")
    return words


async def _view(argv: list[str]) -> int:
    """Run the viewer to its end; it goes with us."""
    viewer = await asyncio.create_subprocess_exec(*argv)
    try:
        status = await viewer.wait()
    finally:
        if viewer.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                viewer.terminate()
            await viewer.wait()
    if status != 0:
        raise AssistError(f"{argv[0]} ended with status {status}")
    return Exit.DONE
