"""The customer's verb `join`, and what the customer's other verbs share."""

import argparse
import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from remote_assist.agent.texts import LANGUAGES, language_of, use_language
from remote_assist.commands.relay_options import RELAY_VARIABLE, add_relay_options, proxy_url, relay_origins
from remote_assist.core.codes import SupportCode, parse_code, relay_origin
from remote_assist.core.durations import parse_duration
from remote_assist.core.signing.keys import load_public
from remote_assist.core.wishes import SCOPES, parse_wishes
from remote_assist.errors import AssistError, ConsentDenied, ContentError, UsageError
from remote_assist.settings import AgentSettings

HOME_VARIABLE = "REMOTE_ASSIST_HOME"
MAX_CODE_CHARS = 200
MAX_CA_BYTES = 16 << 10
STDIN = "-"


def add_commands(verbs: Any) -> None:
    """Add join."""
    _add_join(verbs)


def _add_join(verbs: Any) -> None:
    parser = verbs.add_parser(
        "join",
        help="let a technician help: type the support code, see who asks, decide",
        description="Asks for the support code, shows who asks for what, and lets them do what you tick, nothing else. "
        "Press e at any time to end it.",
    )
    parser.add_argument("--code", metavar="-", default="", help="`-` reads the code from standard input")
    add_session_options(parser)
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.set_defaults(run=_join)


def add_session_options(parser: argparse.ArgumentParser) -> None:
    """What a customer can say beforehand about a session, whoever makes its code."""
    add_relay_options(parser)
    parser.add_argument("--ca", metavar="FILE", type=Path, help="the organisation's ca.pub, if they gave it to you")
    parser.add_argument("--accept", metavar="SCOPES", default="", help=f"answer yes beforehand: {', '.join(SCOPES)}")
    parser.add_argument("--accept-second", action="store_true", help="with --accept: second technicians may come too")
    parser.add_argument("--until", metavar="30m", default="", help="at most so long (with --accept)")
    parser.add_argument("--large", action="store_true", help="large letters, where the terminal can show them")
    parser.add_argument(
        "--language", metavar="CODE", default="", help=f"{', '.join(LANGUAGES)} (else as the system is set)"
    )
    parser.add_argument("--ask-each", action="store_true", help="ask before each plan runs")
    parser.add_argument(
        "--strike", metavar="ITEMS", default="", help="never look at these (`remote-assist preview` lists them)"
    )
    parser.add_argument("--services", metavar="FOLDER", type=Path, help="services of the `process` kind live here")
    parser.add_argument(
        "--winrm-certificate",
        metavar="FILE",
        type=Path,
        help="how Windows machines behind this one know you: your certificate and its key, PEM, in one file",
    )
    parser.add_argument(
        "--keep",
        metavar="KINDS",
        default="bundles",
        help="what else is kept, sealed for the organisation's reviewers, besides what terminals show: "
        "bundles, files, input (what is typed), separated by commas, or none",
    )


async def _join(arguments: argparse.Namespace) -> int:
    _refuse_code_on_the_command_line(arguments)
    use_language(chosen_language(arguments.language))
    settings = relay_settings(arguments)
    accepted = accepted_wishes(arguments.accept)
    ca_line = ca_line_of(arguments.ca)
    at_terminal = sys.stdin.isatty() or (arguments.code == STDIN and not accepted and sys.stderr.isatty())
    if at_terminal:
        return await _join_at_terminal(arguments, settings, accepted, ca_line)
    if not accepted:
        raise nobody_to_ask()
    return await _join_unattended(arguments, settings, accepted, ca_line)


def relay_settings(arguments: argparse.Namespace) -> AgentSettings:
    """The agent's settings with a relay. Raises UsageError when none is named."""
    settings = agent_settings(arguments, os.environ)
    if not settings.relay_url:
        raise UsageError("no relay was named", advice=f"Use --relay URL, or set {RELAY_VARIABLE}.")
    return settings


def nobody_to_ask() -> ConsentDenied:
    """Why nothing can begin without a terminal and without --accept."""
    return ConsentDenied(
        "there is no terminal to ask at, and --accept was not given, so the answer is no",
        reason="no-terminal",
        advice="Start it in a terminal window, or say beforehand what you allow with --accept.",
    )


async def _join_unattended(
    arguments: argparse.Namespace, settings: AgentSettings, accepted: frozenset[str], ca_line: str | None
) -> int:
    from remote_assist.agent.join import join
    from remote_assist.agent.prompt.unattended import PromptUnattended

    if arguments.code != STDIN:
        raise UsageError("there is no support code", advice="Pipe it in and say --code -.")
    seconds, second = consent_seconds(arguments.until, settings), arguments.accept_second
    prompt = PromptUnattended(accepted, seconds, write_line=line_on_stderr, welcomes=second)
    with ending_by_signal(prompt):
        return await join(surroundings_of(arguments, settings), _code_from_stdin(), prompt, ca_line=ca_line)


async def _join_at_terminal(
    arguments: argparse.Namespace, settings: AgentSettings, accepted: frozenset[str], ca_line: str | None
) -> int:
    from remote_assist.agent.join import join
    from remote_assist.agent.prompt.terminal import PromptTerminal
    from remote_assist.agent.prompt.unattended import PromptUnattended
    from remote_assist.transport.posix.terminal import open_terminal

    piped = _code_from_stdin() if arguments.code == STDIN else None
    terminal = open_terminal()
    try:
        screen = PromptTerminal(terminal, ask_each=arguments.ask_each, large=arguments.large)
        code = piped or parse_code(await screen.ask_code())
        seconds, second = consent_seconds(arguments.until, settings), arguments.accept_second
        prompt = PromptUnattended(accepted, seconds, screen=screen, welcomes=second) if accepted else screen
        with ending_by_signal(prompt):
            return await join(surroundings_of(arguments, settings), code, prompt, ca_line=ca_line)
    finally:
        terminal.close()


def chosen_language(wanted: str) -> str:
    """The language asked for, or the system's. Raises UsageError for one there is no table of."""
    if wanted and wanted not in LANGUAGES:
        raise UsageError(f"there is no language '{wanted[:20]}'", advice=f"There are: {', '.join(LANGUAGES)}.")
    return wanted or language_of(os.environ)


def agent_settings(arguments: argparse.Namespace, environment: Mapping[str, str]) -> AgentSettings:
    """Settings from options and environment."""
    keep = _kept_kinds(arguments.keep)
    origins = relay_origins(arguments, environment)
    return AgentSettings(
        home=home_folder(environment),
        relay_url=origins[0] if origins else "",
        other_relay_urls=origins[1:],
        ca_file=arguments.ca,
        tls_ca_file=arguments.ca_file,
        winrm_certificate=_client_certificate(arguments.winrm_certificate),
        proxy_url=proxy_url(arguments),
        record_input="input" in keep,
        keep_bundles="bundles" in keep,
        keep_files="files" in keep,
    )


def _client_certificate(path: Path | None) -> Path | None:
    """The file, looked at. Raises UsageError for one that holds no certificate and key, or that others can read."""
    if path is None:
        return None
    from remote_assist.transport.private_files import read_private  # only for who has one

    try:
        raw = read_private(path)
    except (OSError, AssistError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if b"-----BEGIN CERTIFICATE-----" not in raw or b"PRIVATE KEY-----" not in raw:
        raise UsageError(f"{path} does not hold a certificate and its private key as PEM")
    return path.absolute()


def _kept_kinds(text: str) -> frozenset[str]:
    kinds = frozenset(kind.strip() for kind in text.split(",")) - {"none"}
    if kinds - {"bundles", "files", "input"}:
        raise UsageError(f"'{text}' does not say what is to be kept", advice="bundles, files and input, or none")
    return kinds


def home_folder(environment: Mapping[str, str]) -> Path:
    """The agent's state folder."""
    if chosen := environment.get(HOME_VARIABLE):
        return Path(chosen).absolute()
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or Path.home()) / "remote-assist-agent"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "remote-assist-agent"
    return Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "remote-assist-agent"


def surroundings_of(arguments: argparse.Namespace, settings: AgentSettings) -> Any:
    """Folders, clocks, dice and options of one session."""
    from remote_assist.agent.assembly import customers_shell
    from remote_assist.agent.keeper import system_moment
    from remote_assist.agent.memory import AgentHome
    from remote_assist.agent.surroundings import Surroundings

    return Surroundings(
        settings=settings,
        home=AgentHome(settings.home),
        origin=relay_origin(settings.relay_url),
        moment=system_moment,
        entropy=secrets.token_bytes,
        ask_each=arguments.ask_each,
        services=services_folder(arguments),
        struck=_struck(arguments.strike),
        shell=customers_shell(),
    )


def _struck(text: str) -> frozenset[str]:
    """Items of the shipped catalog by name. Raises UsageError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        return frozenset()
    from remote_assist.diagnostics.catalog_loader import load_catalog
    from remote_assist.diagnostics.preview import checked_items

    return checked_items(names, load_catalog())


def services_folder(arguments: argparse.Namespace) -> Path | None:
    """The folder of `--services`. Raises UsageError."""
    services: Path | None = arguments.services
    if services is not None and not services.is_dir():
        raise UsageError(f"{services} is not a folder")
    return services


def _refuse_code_on_the_command_line(arguments: argparse.Namespace) -> None:
    if arguments.words or arguments.code not in {"", STDIN}:
        raise UsageError(
            "a support code does not go on the command line, where other users of this computer can read it",
            advice="Type it when you are asked, or pipe it in with --code -. This one should not be used any more.",
        )


def _code_from_stdin() -> SupportCode:
    return parse_code(sys.stdin.readline(MAX_CODE_CHARS + 2))


def line_on_stderr(line: str) -> None:
    """A live line where there is no screen."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def accepted_wishes(text: str) -> frozenset[str]:
    """What --accept says. Raises UsageError."""
    return frozenset(parse_wishes(text)) if text.strip() else frozenset()


def consent_seconds(until: str, settings: AgentSettings) -> int:
    """What --until says, at most what the settings allow. Raises UsageError."""
    if not until:
        return settings.max_consent_seconds
    return min(int(parse_duration(until).total_seconds()), settings.max_consent_seconds)


def ca_line_of(path: Path | None) -> str | None:
    """The organisation's CA in a file (`ca.pub`), None for none. Raises ContentError."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            return load_public(file.read(MAX_CA_BYTES).decode("utf-8", "replace"))
    except OSError as error:
        raise ContentError(f"{path} cannot be read: {error.strerror}") from error


@contextmanager
def ending_by_signal(prompt: Any) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP end the session as the customer's key does."""
    loop = asyncio.get_running_loop()
    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    for name in names if sys.platform != "win32" else ():
        loop.add_signal_handler(getattr(signal, name), prompt.ask_to_end, "signal")
    try:
        yield
    finally:
        for name in names if sys.platform != "win32" else ():
            loop.remove_signal_handler(getattr(signal, name))
