"""The command `remote-assist-relay`: init, adopt, cosigner, rotate-log-key, serve, check, anchor, backup, restore.

Real clock, dice, signals and streams enter here.
"""

import argparse
import asyncio
import http.client
import os
import secrets
import signal
import ssl
import sys
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from relay.configuration import read_settings
from relay.memory import keep_freed_memory
from relay.storage.data_folder import adopt, initialise, read_address, require_data, require_private
from relay.storage.postgres import server_url
from remote_assist import __version__
from remote_assist.core.hostile import safe_text
from remote_assist.errors import AssistError, Exit, UnreachableError, UsageError
from remote_assist.settings import RelaySettings

if TYPE_CHECKING:
    from relay.backup import Copied

# A verb loads what it needs when it runs: `check --wait` and `init` need no server, and scripts call them often.

SWITCH_SECONDS = 0.0005
"""How soon a waiting thread gets its turn: the default of 5 ms would be added to every acknowledgement under load."""

MAX_FILES = 65536

CHECK_SECONDS = 5.0
RETRY_SECONDS = 0.1


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    arguments = build_parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except AssistError as error:
        _complain(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    parser = argparse.ArgumentParser(prog="remote-assist-relay", description="The relay of a support organisation.")
    parser.add_argument("--version", action="version", version=f"remote-assist-relay {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    making = _verb(verbs, "init", _init, "make a data folder with a log key and a request to be adopted")
    making.add_argument("--organisation", required=True, metavar="NAME", help="the name customers will see")
    _shared(making, config=True)
    adopting = _verb(verbs, "adopt", _adopt, "take over what `remote-assist ca adopt … -o OUT` signed")
    adopting.add_argument("source", type=Path, metavar="OUT")
    _verb(verbs, "cosigner", _cosigner, "make a second key (ML-DSA-44) that signs checkpoints as well")
    _verb(verbs, "rotate-log-key", _rotate, "make the log key that will follow the present one, also while it serves")
    serving = _verb(verbs, "serve", _serve, "serve until SIGTERM", config=True)
    _shared(serving)
    serving.add_argument("--bus", metavar="URL", help="NATS server that says which node an agent is at: nats://HOST")
    serving.add_argument("--node", metavar="URL", help="where people reach this node, when there are several")
    serving.add_argument("--listen", metavar="HOST:PORT", help="where to listen (127.0.0.1:8470)")
    serving.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain, PEM")
    serving.add_argument("--tls-key", type=Path, metavar="FILE", help="its key, PEM, mode 0600")
    serving.add_argument(
        "--origin",
        action="append",
        metavar="URL",
        help="a URL under which people reach this relay, when it is not HOST:PORT; may be repeated",
    )
    serving.add_argument(
        "--accept-rollback",
        action="store_true",
        help="serve although relay.db is older than the last checkpoint, and sign that records were lost",
    )
    checking = _verb(
        verbs, "check", _check, "look at everything a relay needs; with --wait: see whether it answers", config=True
    )
    _shared(checking)
    checking.add_argument("--bus", metavar="URL", help="as for serve")
    checking.add_argument("--wait", type=float, metavar="S", help="only ask whether it answers, for so many seconds")
    checking.add_argument("--json", action="store_true", help="one JSON object a line")
    checking.add_argument("--tls-ca", type=Path, metavar="FILE", help="CA of the relay's TLS certificate")
    anchoring = _verb(
        verbs, "anchor", _anchor, "have the serving relay give its checkpoint to all [anchors.NAME] now", config=True
    )
    anchoring.add_argument("--json", action="store_true", help="one JSON object a line")
    saving = _verb(verbs, "backup", _back_up, "copy a relay into one file, also while it serves", config=True)
    saving.add_argument("file", type=Path, metavar="FILE", help="a file that does not exist yet; made 0600")
    _shared(saving)
    restoring = _verb(verbs, "restore", _restore, "make a data folder from a copy; refuses one that lost records")
    restoring.add_argument("file", type=Path, metavar="FILE")
    restoring.add_argument("--known-index", type=int, metavar="N", help="the last index somebody saw acknowledged")
    restoring.add_argument("--known-checkpoint", type=Path, metavar="NOTE", help="the last checkpoint somebody holds")
    restoring.add_argument("--accept-rollback", action="store_true", help="put it back although records are lost")
    _shared(restoring, config=True)
    return parser


def _verb(verbs: Any, name: str, run: Any, text: str, *, config: bool = False) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    if config:
        parser.add_argument("--config", type=Path, metavar="FILE", help="settings, TOML; options here win")
    parser.add_argument("--data", type=Path, required=not config, metavar="DIR", help="the relay's data folder")
    parser.set_defaults(run=run)
    return parser


def _shared(parser: argparse.ArgumentParser, *, config: bool = False) -> None:
    if config:
        parser.add_argument("--config", type=Path, metavar="FILE", help="settings file that says `database`")
    parser.add_argument(
        "--database", metavar="URL", help="postgresql://USER@HOST/NAME, instead of a file in the data folder"
    )


def _database(arguments: argparse.Namespace) -> str:
    """The server that the command line or the settings file names."""
    return _told(arguments).database


def _told(arguments: argparse.Namespace) -> RelaySettings:
    """Data folder and server, of the command line, else of the settings file."""
    return read_settings(arguments.config, {"data": arguments.data, "database": _url(arguments) or None})


def _url(arguments: argparse.Namespace) -> str:
    """The server named on the command line. Raises UsageError when a password stands there for all to see."""
    url: str = arguments.database or ""
    if url and server_url(url).password:
        raise UsageError(
            "a password on the command line is seen by every user of this machine",
            advice="Put `database` into a settings file (0600), or the password into ~/.pgpass.",
        )
    return url


def _init(arguments: argparse.Namespace) -> int:
    initialise(arguments.data, arguments.organisation, entropy=secrets.token_bytes, database=_database(arguments))
    _tell(f"made {arguments.data}; next: remote-assist ca adopt {arguments.data} --dir ORG")
    return Exit.DONE


def _adopt(arguments: argparse.Namespace) -> int:
    numbers = adopt(arguments.source, arguments.data, now=_now())
    _tell("adopted: " + ", ".join(f"{kind} {number}" for kind, number in numbers.items()))
    return Exit.DONE


def _cosigner(arguments: argparse.Namespace) -> int:
    from relay.log.keys import add_cosigner

    line = add_cosigner(arguments.data, entropy=secrets.token_bytes)
    _tell(line)
    _tell(f"next: remote-assist ca adopt {arguments.data} --dir ORG; it signs from the next start of the relay on")
    return Exit.DONE


def _rotate(arguments: argparse.Namespace) -> int:
    from relay.log.keys import NEXT, prepare_next

    require_private(arguments.data, folder=True)
    prepare_next(arguments.data, secrets.token_bytes)
    data = arguments.data
    _tell(f"made {data / NEXT}, which signs nothing yet; next: remote-assist ca adopt {data} --dir ORG")
    _tell("a serving relay changes over by itself when the list names it; live sessions keep the old key to their end")
    return Exit.DONE


def _serve(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    _log_to_stderr()
    sys.setswitchinterval(SWITCH_SECONDS)
    _allow_many_files()
    return _run(_serve_until_told(settings, accept_rollback=arguments.accept_rollback))


def _settings(arguments: argparse.Namespace) -> RelaySettings:
    """The settings of a serving relay: the file's, and over them what the command line says."""
    from relay.links.front_door import split_listen

    host, port = (None, None) if arguments.listen is None else split_listen(arguments.listen)
    said = {
        "data": arguments.data,
        "database": _url(arguments) or None,
        "bus": arguments.bus,
        "node": arguments.node,
        "host": host,
        "port": port,
        "tls_cert": arguments.tls_cert,
        "tls_key": arguments.tls_key,
        "origins": arguments.origin,
    }
    return read_settings(arguments.config, said)


def _allow_many_files() -> None:
    """Each connection is a file; the usual 1,024 are a quarter of a busy relay's."""
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with suppress(OSError, ValueError):  # a service manager may forbid it
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _check(arguments: argparse.Namespace) -> int:
    if arguments.wait is None:
        return _examine(arguments)
    settings = _settings_of_check(arguments)
    data = settings.data
    require_data(data, settings.database)
    end = time.monotonic() + arguments.wait
    while True:
        fault = _fault_of(data, arguments.tls_ca)
        if not fault:
            _tell(f"{read_address(data)} answers")
            return Exit.DONE
        if time.monotonic() >= end:
            raise UnreachableError(fault, advice="Start it: remote-assist-relay serve --data DIR.")
        time.sleep(RETRY_SECONDS)


def _examine(arguments: argparse.Namespace) -> int:
    from relay.examination import Finding, examine

    try:
        findings = examine(_settings_of_check(arguments), now=_now())
    except AssistError as error:
        findings = iter([Finding("configuration", False, error.message, error.advice)])
    well = True
    for one in findings:
        well = well and one.ok
        if arguments.json:
            _tell(msgspec.json.encode(one).decode())
            continue
        _tell(f"{'✔' if one.ok else '✖'} {one.what}: {one.sentence}")
        if one.advice:
            _tell(f"    {one.advice}")
    return Exit.DONE if well else Exit.FAILED


def _anchor(arguments: argparse.Namespace) -> int:
    from relay.witness.anchor_wish import anchor_now

    settings = read_settings(arguments.config, {"data": arguments.data})
    require_data(settings.data, settings.database)
    well = True
    for name, standing in anchor_now(settings, secrets.token_hex(8)):
        well = well and not standing.failures
        if arguments.json:
            _tell(msgspec.json.encode({"anchor": name, **asdict(standing)}).decode())
        elif standing.failures:
            _tell(f"✖ {name}: {standing.fault}")
        else:
            _tell(f"✔ {name}: has the checkpoint of {standing.size} records")
    return Exit.DONE if well else Exit.FAILED


def _settings_of_check(arguments: argparse.Namespace) -> RelaySettings:
    said = {"data": arguments.data, "database": _url(arguments) or None, "bus": arguments.bus}
    return read_settings(arguments.config, said)


def _back_up(arguments: argparse.Namespace) -> int:
    from relay.backup import back_up

    settings = _told(arguments)
    copied = back_up(settings.data, arguments.file, database=settings.database)
    _tell(f"{arguments.file} holds {_up_to(copied)}; it holds the log key too: keep it as you keep the data folder")
    return Exit.DONE


def _restore(arguments: argparse.Namespace) -> int:
    from relay.backup import restore

    copied = restore(
        arguments.file,
        arguments.data,
        known_index=arguments.known_index,
        known_checkpoint=arguments.known_checkpoint,
        accept_rollback=arguments.accept_rollback,
        database=_database(arguments),
    )
    _tell(f"made {arguments.data} with {_up_to(copied)}")
    _tell(
        "not in a copy: logins (people log in again) and wrapped content keys (sealed fields of old sessions stay shut)"
    )
    return Exit.DONE


def _up_to(copied: "Copied") -> str:
    if copied.last_index < 0:
        return "no records yet"
    return f"the log up to record {copied.last_index}, acknowledged at {copied.last_time}"


async def _serve_until_told(settings: RelaySettings, *, accept_rollback: bool) -> int:
    from relay.server import Relay

    keep_freed_memory()
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell() -> None:
        if told.is_set():
            os._exit(Exit.INTERRUPTED)  # what was acknowledged is on disk; what was not, never counted
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows: Ctrl-C arrives as KeyboardInterrupt
            loop.add_signal_handler(number, tell)
    async with Relay(settings, clock=_now, entropy=secrets.token_bytes, accept_rollback=accept_rollback) as relay:
        _tell(f"serving {relay.address}")
        await told.wait()
        await relay.drain()
    return Exit.DONE


def _run(work: Coroutine[Any, Any, int]) -> int:
    """Run on uvloop where it exists; it relays a third faster."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _fault_of(data: Path, tls_ca: Path | None) -> str:
    """Why the relay does not answer, or nothing."""
    address = read_address(data)
    if not address:
        return "the relay has not served from this folder yet"
    parts = urlsplit(address)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=None if tls_ca is None else str(tls_ca))
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=CHECK_SECONDS, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=CHECK_SECONDS)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except ssl.SSLError as error:
        return f"{address} shows a TLS certificate that cannot be trusted: {error.reason}"
    except (OSError, http.client.HTTPException) as error:
        return f"{address} does not answer: {error}"
    finally:
        connection.close()
    return "" if status == 200 else f"{address} answers with HTTP status {status}"


def _log_to_stderr() -> None:
    """One JSON object a line; values of events are words and numbers of ours, never what peers said."""
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=lambda *_: _StandardError(),
        cache_logger_on_first_use=False,
    )


class _StandardError:
    """Writes log lines. A log nobody takes any more (closed, broken pipe, full disk) must not stop the relay."""

    def msg(self, line: str) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = msg


def _tell(line: str) -> None:
    sys.stdout.write(f"{safe_text(line)}\n")
    sys.stdout.flush()


def _complain(error: AssistError) -> None:
    sys.stderr.write(f"remote-assist-relay: {safe_text(error.message)}\n")
    if error.advice:
        sys.stderr.write(f"  {safe_text(error.advice)}\n")


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    sys.exit(main())
