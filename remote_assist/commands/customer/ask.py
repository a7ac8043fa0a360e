"""The customer's verb `ask`: the other order. A code is made here, shown, read out, and taken by a technician."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable
from typing import Any

from remote_assist.agent.prompt.code_screen import Offer
from remote_assist.agent.texts import say, use_language
from remote_assist.commands.customer.join import (
    accepted_wishes,
    add_session_options,
    ca_line_of,
    chosen_language,
    consent_seconds,
    ending_by_signal,
    line_on_stderr,
    nobody_to_ask,
    relay_settings,
    surroundings_of,
)
from remote_assist.commands.printing import Printer, add_output_options
from remote_assist.core.chat import checked_line


def add_commands(verbs: Any) -> None:
    """Add ask."""
    parser = verbs.add_parser(
        "ask",
        help="ask to be helped: show a code to read out, see who comes, decide",
        description="Makes a code and shows it; read it to the person you called. Whoever takes it is shown to you, "
        "with what they ask for, and may do what you tick, nothing else. Nobody can do anything with the code alone. "
        "With --accept and --json or --plain it needs no terminal.",
        epilog="Ends with 0 when the session ended, 2 for options that cannot be, 3 when the answer was no or the code "
        "was taken back, mistyped or too old, 4 when the relay cannot be reached, 5 when the log does not hold.",
    )
    add_output_options(parser)
    add_ask_options(parser)
    parser.set_defaults(run=ask_for_help)


def add_ask_options(parser: argparse.ArgumentParser) -> None:
    """All of `ask` but how it prints."""
    parser.add_argument(
        "--message",
        metavar="TEXT",
        default="",
        help="what the matter is; the technician reads it once you allowed them in",
    )
    add_session_options(parser)


def ask_options(**said: object) -> argparse.Namespace:
    """The options of `ask` as if `said` had been typed, for a verb that leads to it."""
    parser = argparse.ArgumentParser()
    add_output_options(parser)
    add_ask_options(parser)
    arguments = parser.parse_args([])
    for name, value in said.items():
        setattr(arguments, name, value)
    return arguments


async def ask_for_help(arguments: argparse.Namespace) -> int:
    """Make a code and be helped. Raises what agent.ask.ask raises; ConsentDenied without a terminal and --accept."""
    use_language(chosen_language(arguments.language))
    settings, accepted = relay_settings(arguments), accepted_wishes(arguments.accept)
    if arguments.message:
        checked_line(arguments.message)
    scripted = bool(accepted) and (arguments.json or arguments.plain)
    if not scripted and (sys.stdin.isatty() or sys.stderr.isatty()):
        return await _ask_at_terminal(arguments, settings, accepted)
    if not accepted:
        raise nobody_to_ask()
    return await _ask(arguments, settings, _unattended(arguments, settings, accepted), None)


async def _ask_at_terminal(arguments: argparse.Namespace, settings: Any, accepted: frozenset[str]) -> int:
    from remote_assist.agent.prompt.terminal import PromptTerminal
    from remote_assist.transport.posix.terminal import open_terminal

    terminal = open_terminal()
    try:
        screen = PromptTerminal(terminal, ask_each=arguments.ask_each, large=arguments.large)
        prompt = _unattended(arguments, settings, accepted, screen) if accepted else screen
        return await _ask(arguments, settings, prompt, screen)
    finally:
        terminal.close()


def _unattended(arguments: argparse.Namespace, settings: Any, accepted: frozenset[str], screen: Any = None) -> Any:
    from remote_assist.agent.prompt.unattended import PromptUnattended

    return PromptUnattended(
        accepted,
        consent_seconds(arguments.until, settings),
        write_line=line_on_stderr,
        screen=screen,
        welcomes=arguments.accept_second,
    )


async def _ask(arguments: argparse.Namespace, settings: Any, prompt: Any, screen: Any) -> int:
    """`prompt` answers, `screen` (if any) shows; with --json and --plain the code is printed instead."""
    from remote_assist.agent.ask import ask

    printer = Printer(arguments)
    shown = screen if not (printer.json or printer.plain) else None

    async def offering(offer: Offer) -> None:
        if shown is None:
            _print_code(printer, offer)
        await _first_of(prompt.told_to_end(), *([] if shown is None else [shown.offer_code(offer)]))

    def began(session: str) -> None:
        if shown is None:
            printer.value("session", session, f"session  {session}")

    with ending_by_signal(prompt):
        return await ask(
            surroundings_of(arguments, settings),
            prompt,
            offering,
            ca_line=ca_line_of(arguments.ca),
            message=arguments.message,
            began=began,
        )


def _print_code(printer: Printer, offer: Offer) -> None:
    """The warning goes with the code, wherever it goes."""
    printer.note(say("asked.never"))
    printer.value("code", str(offer.code), f"code     {offer.code}")
    printer.line(say("asked.say", spoken=offer.spoken))


async def _first_of(*waits: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(one) for one in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
