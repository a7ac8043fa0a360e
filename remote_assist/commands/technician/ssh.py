"""The verbs proxy and ssh-config: the way in for ssh, sftp, scp, rsync, git and whatever else speaks SSH."""

import argparse
import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from remote_assist.commands.printing import Printer
from remote_assist.commands.technician.options import (
    add_session_argument,
    add_technician_options,
    checked_session,
    technician_settings,
)
from remote_assist.core.hostile import HostileStr, safe_text
from remote_assist.errors import AssistError, Exit, UsageError

QUERY_SECONDS = 5.0


def add_commands(verbs: Any) -> None:
    """Add proxy and ssh-config."""
    proxy = verbs.add_parser(
        "proxy",
        help="carry ssh's bytes to a session (for ProxyCommand)",
        description="Standard input and output become one SSH connection's bytes to the session's agent. "
        "Exits with 0 when the connection ended, with 255 and the cause when there was none or it was lost.",
    )
    add_technician_options(proxy)
    add_session_argument(proxy)
    proxy.set_defaults(run=_proxy)
    config = verbs.add_parser(
        "ssh-config",
        help="print the host entry with which ssh, sftp, scp … reach a session",
        description="Print an entry for ssh's configuration: both keys pinned, nothing forwarded. "
        "Use it as `ssh -F FILE SESSION`, or Include it in ~/.ssh/config.",
    )
    add_technician_options(config)
    add_session_argument(config)
    config.add_argument(
        "--write", metavar="FILE", type=Path, help="write FILE (0600) instead; it is replaced next time"
    )
    config.set_defaults(run=_ssh_config)


async def _proxy(arguments: argparse.Namespace) -> int:
    from remote_assist.technician.proxy import carry

    try:
        settings = technician_settings(arguments, os.environ)
        session = checked_session(arguments.session)
        await carry(settings, session, source=0, goal=1, clock=lambda: datetime.now(UTC))
    except AssistError as error:
        sys.stderr.write(f"remote-assist: {safe_text(HostileStr(error.message))}\n")
        if error.advice:
            sys.stderr.write(f"  {safe_text(HostileStr(error.advice))}\n")
        return Exit.REMOTE_STATUS_UNKNOWN
    return Exit.DONE


async def _ssh_config(arguments: argparse.Namespace) -> int:
    from remote_assist.technician.home import Home
    from remote_assist.technician.ssh_config import host_entry, write_config

    session = checked_session(arguments.session)
    settings = technician_settings(arguments, os.environ)
    entry = host_entry(
        Home(settings.home).session(session),
        _proxy_words(arguments, session),
        environment={"REMOTE_ASSIST_HOME": str(settings.home.absolute())},
        known=await asyncio.to_thread(_known_key_exchanges),
        now=datetime.now(UTC),
    )
    printer = Printer(arguments)
    if arguments.write is not None:
        write_config(arguments.write, entry)
        printer.line(f"ssh -F {arguments.write} {session}")
        printer.object({"host": session, "file": str(arguments.write)})
        return Exit.DONE
    printer.object({"host": session, "entry": entry})
    if not printer.json:
        sys.stdout.write(entry)
        sys.stdout.flush()
    return Exit.DONE


def _proxy_words(arguments: argparse.Namespace, session: str) -> list[str]:
    """This very program, with full paths: ssh runs it wherever and by whomever it is started."""
    script = Path(sys.argv[0]).absolute()
    program = [str(script)] if script.name == "remote-assist" and os.access(script, os.X_OK) else []
    ca_file = [] if arguments.ca_file is None else ["--ca-file", str(arguments.ca_file.absolute())]
    relays = [word for url in arguments.relay or () for word in ("--relay", url)]
    proxy = ["--proxy", arguments.proxy] if arguments.proxy else []
    words = [*(program or [sys.executable, "-m", "remote_assist"]), "proxy", *ca_file, *relays, *proxy, session]
    if any("\n" in word for word in words):
        raise UsageError("ssh cannot take a path with a line break")
    return words


def _known_key_exchanges() -> list[str]:
    """What this machine's ssh knows; empty when there is none to ask."""
    try:
        done = subprocess.run(["ssh", "-Q", "kex"], capture_output=True, text=True, timeout=QUERY_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split()
