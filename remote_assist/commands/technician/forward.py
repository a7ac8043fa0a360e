"""The verb forward: a port of the technician's own machine that leads to an endpoint the customer granted."""

import argparse
import asyncio
from typing import Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.technician.options import (
    add_session_argument,
    add_technician_options,
    checked_session,
    open_desk,
)
from remote_assist.core.wishes import parse_endpoint
from remote_assist.errors import Exit, UsageError

MAX_PORT = 65535


def add_commands(verbs: Any) -> None:
    """Add forward."""
    forward = verbs.add_parser(
        "forward",
        help="reach a service of the customer's network at a port of this machine",
        description="Listen on this machine's loopback and carry each connection to HOST:PORT as the customer's "
        "machine reaches it. The customer must have allowed forward=HOST:PORT. Ctrl-C ends it.",
    )
    add_technician_options(forward)
    add_session_argument(forward)
    forward.add_argument("endpoint", metavar="HOST:PORT", help="what to reach, as it was granted")
    forward.add_argument("--port", type=int, default=0, metavar="N", help="listen on this port of 127.0.0.1 (any free)")
    forward.set_defaults(run=_forward)


async def _forward(arguments: argparse.Namespace) -> int:
    session = checked_session(arguments.session)
    endpoint = parse_endpoint(arguments.endpoint)
    if not 0 <= arguments.port <= MAX_PORT:
        raise UsageError(f"there is no port {arguments.port}", advice=f"Choose one from 1 to {MAX_PORT}.")
    printer = Printer(arguments)
    async with (
        await open_desk(arguments) as desk,
        await desk.connect(session) as connected,
        connected.forward(endpoint, arguments.port) as port,
    ):
        printer.value("port", str(port), f"127.0.0.1:{port} leads to {endpoint}; Ctrl-C ends it")
        await asyncio.Event().wait()
    return Exit.DONE
