"""What every technician's verb needs: relay and state folder from options and environment, the desk they open."""

import argparse
import contextlib
import getpass
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from remote_assist.commands.printing import add_output_options
from remote_assist.commands.relay_options import add_relay_options, proxy_url, relay_origins
from remote_assist.core.codes import is_session_id
from remote_assist.core.durations import parse_duration
from remote_assist.core.requests import UseMachine
from remote_assist.core.resume import LinkNews
from remote_assist.core.wishes import parse_hop
from remote_assist.errors import UsageError
from remote_assist.settings import TechnicianSettings

if TYPE_CHECKING:  # only a name for types: the desk loads SSH and HTTP, which `--help` need not wait for
    from remote_assist.technician.desk import Desk
    from remote_assist.technician.session import Session


def add_technician_options(parser: argparse.ArgumentParser) -> None:
    """Output form, relay, proxy, TLS."""
    add_output_options(parser)
    add_relay_options(parser, otherwise=", else the login's")


def add_session_argument(parser: argparse.ArgumentParser) -> None:
    """The SESSION a verb works on, and how long its connection may be cut."""
    parser.add_argument("session", metavar="SESSION", help="the session, as `invite` printed it")
    parser.add_argument(
        "--patience", metavar="15m", default="", help="how long a connection that was cut may take to come back"
    )


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """A machine behind the customer's, instead of their own."""
    parser.add_argument(
        "--on",
        metavar="PLACE",
        default="",
        help="act on ssh://USER@HOST[:PORT] or winrm://USER@HOST, as the customer's machine reaches it "
        "(they must have allowed hop=PLACE)",
    )
    parser.add_argument(
        "--ask-password",
        action="store_true",
        help="with --on: type the password here; else the customer's ssh-agent or the customer gives it",
    )


def machine_place(arguments: argparse.Namespace) -> str:
    """What `--on` names, in its one spelling; empty for the customer's own machine. Raises UsageError."""
    return str(parse_hop(arguments.on)) if arguments.on else ""


@contextlib.asynccontextmanager
async def connect(desk: "Desk", session: str, arguments: argparse.Namespace) -> "AsyncIterator[Session]":
    """The session, on the machine that `--on` names. Raises UsageError for a place that is none."""
    place = machine_place(arguments)
    password = getpass.getpass(f"password for {place}: ") if place and arguments.ask_password else ""
    async with await desk.connect(session) as connected:
        yield connected.on(UseMachine(place=place, password=password)) if place else connected


def technician_settings(arguments: argparse.Namespace, environment: Mapping[str, str]) -> TechnicianSettings:
    """Settings of the technician's side. An empty relay means: the one of the stored login."""
    from remote_assist.technician.home import default_home

    origins = relay_origins(arguments, environment)
    settings = TechnicianSettings(
        home=default_home(environment),
        relay_url=origins[0] if origins else "",
        other_relay_urls=origins[1:],
        tls_ca_file=getattr(arguments, "ca_file", None),
        proxy_url=proxy_url(arguments),
    )
    if patience := getattr(arguments, "patience", ""):
        return replace(settings, resume_patience_seconds=parse_duration(patience).total_seconds())
    return settings


async def open_desk(arguments: argparse.Namespace) -> "Desk":
    """The desk of the stored login. Raises RefusedError when nobody is logged in."""
    from remote_assist.technician.desk import Desk

    desk = await Desk.open(technician_settings(arguments, os.environ), ask_passphrase=ask_passphrase)
    desk.on_link = tell_link
    return desk


def tell_link(session: str, news: LinkNews, since: datetime) -> None:
    """One line on standard error when the way to a session's agent is cut, and one when it is back."""
    sentence = {
        LinkNews.CUT: f"reconnecting… since {since.astimezone():%H:%M:%S}",
        LinkNews.BACK: f"connected again; it was cut at {since.astimezone():%H:%M:%S}",
    }.get(news)
    if sentence is not None:
        sys.stderr.write(f"remote-assist: {session}: {sentence}\n")
        sys.stderr.flush()


def checked_session(text: str) -> str:
    """A session id. Raises UsageError for anything else; an empty one is what a failed `invite` leaves in a script."""
    if not text:
        raise UsageError("the SESSION is empty", advice="Did `invite` print one?")
    if not is_session_id(text):
        raise UsageError(f"'{text[:60]}' is not a session", advice="It looks like s-k3vq2m7x4nbdw6zu.")
    return text


def ask_passphrase(question: str) -> bytes:
    """Ask on the terminal, without echo. Raises UsageError when there is none."""
    if not sys.stdin.isatty():
        raise UsageError("the key has a passphrase, and there is no terminal to ask on", advice="Use a terminal.")
    return getpass.getpass(question).encode()


def two_or_more(paths: list[str], usage: str) -> list[str]:
    """The paths of a verb that takes sources and a folder. Raises UsageError with its `usage`."""
    if len(paths) < 2:
        raise UsageError("a source and a folder are needed", advice=f"remote-assist {usage}")
    if not all(paths):
        raise UsageError("a path is empty", advice=f"remote-assist {usage}")
    return paths
