"""Root by polkit, where there is no sudo: who asks for the password is our own program, at a terminal nobody sees.

    sh -c 'wait for a line; "$@"' sh pkexec ARGV    asks polkit, then becomes ARGV as root
    pkttyagent --process THAT-SH --notify-fd 1      asks the customer, while `asking` lasts

Rule 1: the password goes to the first question that hides what is typed, once, and only when it is this user's own
that is asked for: nobody else's account is tried. Rule 2: what polkit may keep for a while, it
keeps for a process that is gone after this (the `sh`), or for a session, and there it is told to forget it.
"""

import asyncio
import contextlib
import os
import pwd
import re
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from remote_assist.core.target import Command
from remote_assist.errors import AssistError
from remote_assist.transport.posix.programs import clean_environment, run_to_end
from remote_assist.transport.posix.pty import RunningTerminal, Window, start_terminal

PKEXEC, AGENT, CHECK = "pkexec", "pkttyagent", "pkcheck"
BUS = Path("/run/dbus/system_bus_socket")
REGISTER_SECONDS = 10.0
LOOK_SECONDS = 0.02
MAX_TALK_BYTES = 64 << 10
ENVIRONMENT = {"LC_ALL": "C", "LANG": "C"}

_LISTED = re.compile(r"^ *(\d{1,3})\. +(.+)$", re.MULTILINE)
_ALONE = re.compile(r"^Authenticating as: (.+)$", re.MULTILINE)
_WAIT_AND_ASK = 'read -r _ || exit; "$@"; exit "$?"'
_CHOOSE = "Choose identity to authenticate as"


def polkit_is_here() -> bool:
    """Whether this system has polkit, and what asks for it at a terminal."""
    return all(shutil.which(name) for name in (PKEXEC, AGENT, CHECK)) and BUS.exists()


def pkexec_argv(argv: Sequence[str]) -> list[str]:
    """A program that asks polkit once it reads a line, and then becomes `argv`."""
    return ["/bin/sh", "-c", _WAIT_AND_ASK, "sh", PKEXEC, "--disable-internal-agent", *argv]


@contextlib.asynccontextmanager
async def asking(process_id: int, password: str) -> AsyncIterator[None]:
    """While it lasts, we ask for that program. Raises AssistError where polkit does not let us."""
    terminal = await _registered(process_id)
    typing = asyncio.create_task(_type(terminal, password))
    try:
        yield
    finally:
        typing.cancel()
        await asyncio.gather(typing, return_exceptions=True)
        await terminal.finish()
        await run_to_end(Command((CHECK, "--revoke-temp"), ENVIRONMENT))


async def _registered(process_id: int) -> RunningTerminal:
    """Our agent, once polkit knows it: it closes the descriptor we gave it."""
    reading, writing = os.pipe()
    try:
        try:
            argv = [str(shutil.which(AGENT)), "--process", str(process_id), "--notify-fd", "1"]
            terminal = await start_terminal(
                argv, window=Window(), environment=clean_environment(ENVIRONMENT), output=writing
            )
        finally:
            os.close(writing)
        try:
            await _ended(reading)
            if terminal.is_over:
                raise AssistError("polkit cannot be asked on this computer")
        except BaseException:
            await terminal.finish()
            raise
        return terminal
    finally:
        os.close(reading)


async def _ended(reading: int) -> None:
    """Until nobody holds the other end. Raises AssistError when that takes too long."""
    loop = asyncio.get_running_loop()
    closed = asyncio.Event()
    loop.add_reader(reading, closed.set)
    try:
        async with asyncio.timeout(REGISTER_SECONDS):
            await closed.wait()
    except TimeoutError as error:
        raise AssistError("polkit does not answer on this computer") from error
    finally:
        loop.remove_reader(reading)


async def _type(terminal: RunningTerminal, password: str) -> None:
    """Answer for this user, or hang up; then let nothing more be typed."""
    own = pwd.getpwuid(os.getuid()).pw_name
    talk = ""
    async for _, raw in terminal.output():
        talk = (talk + raw.decode("utf-8", "replace"))[-MAX_TALK_BYTES:].replace("\r", "")
        if _CHOOSE in talk:
            number = next((number for number, who in _LISTED.findall(talk) if _names(who, own)), "")
            await (terminal.feed(f"{number}\n".encode()) if number else _hang_up(terminal))
            talk = f"Authenticating as: {own}\n" if number else ""
        alone = _ALONE.search(talk)
        if alone is not None:
            if not _names(alone[1], own):
                await _hang_up(terminal)
                return
            await _hidden(terminal)
            await terminal.feed(f"{password}\n".encode())
            return


async def _hidden(terminal: RunningTerminal) -> None:
    """Until what is typed is not shown: what comes before that moment is thrown away by who asks."""
    while terminal.shows_keys:  # noqa: ASYNC110  # a terminal tells nobody of that
        await asyncio.sleep(LOOK_SECONDS)


async def _hang_up(terminal: RunningTerminal) -> None:
    terminal.terminate()


def _names(who: str, user: str) -> bool:
    """Whether polkit's way to name somebody (`Full Name (name)` or `name`) means this user."""
    return who.strip() == user or who.strip().endswith(f"({user})")
