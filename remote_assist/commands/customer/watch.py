"""`watch`: look at this machine again and again, and say beforehand what will be wrong."""

import argparse
import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from remote_assist.commands.alarms import read_source_secret
from remote_assist.commands.printing import Printer, add_output_options
from remote_assist.commands.relay_options import RELAY_VARIABLE
from remote_assist.commands.stopping import stopped_by_signal, waited
from remote_assist.core.codes import relay_origin
from remote_assist.core.durations import parse_duration
from remote_assist.errors import ContentError, Exit, UsageError

if TYPE_CHECKING:  # only a name for types: it loads the rule engine
    from remote_assist.agent.alone.alarm_targets import AlarmTarget
    from remote_assist.agent.alone.watch import Watched, Watching
    from remote_assist.core.watching.samples import Ending

LEAST_SECONDS, MOST_SECONDS = 60, 3600
MAX_DATES_BYTES = 64 << 10
MAX_HOST_CHARS = 64
SOURCE = re.compile(r"[a-z0-9-]{1,16}")


def add_commands(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `watch`."""
    parser = verbs.add_parser(
        "watch",
        help="look at this machine again and again, and say what will be wrong",
        description="Keeps a short ring of samples and raises an alarm when a disk will be full within a day, a "
        "certificate or licence ends, errors rise, a service stays failed, the clock drifts, a disk wears out, or a "
        "configuration file changed. Nothing leaves this machine but what --notify is told.",
    )
    parser.add_argument("--once", action="store_true", help="one look, then end (for timers)")
    parser.add_argument("--interval", metavar="5m", default="5m", help="time between looks, 1m to 1h (5m)")
    parser.add_argument(
        "--notify", metavar="PROGRAM|URL", action="append", default=[], help="told each alarm as JSON; may be repeated"
    )
    parser.add_argument(
        "--tell-relay",
        metavar="NAME",
        default="",
        help="the relay finds or opens a ticket for each alarm; NAME is this source in its settings",
    )
    parser.add_argument("--relay", metavar="URL", default="", help=f"which relay (else ${RELAY_VARIABLE})")
    parser.add_argument("--secret-file", metavar="FILE", type=Path, help="the secret of that source")
    parser.add_argument("--ca-file", metavar="FILE", type=Path, help="CA of the relay's TLS certificate")
    parser.add_argument("--dates", metavar="FILE", type=Path, help="last days of licences: lines of YYYY-MM-DD NAME")
    parser.add_argument("--services", metavar="FOLDER", type=Path, help="services of the `process` kind live here")
    add_output_options(parser)
    parser.set_defaults(run=_watch)


async def _watch(arguments: argparse.Namespace) -> int:
    from remote_assist.agent.alone.watch import held

    seconds = _seconds(arguments.interval)
    watching = _watching(arguments)
    printer = Printer(arguments)
    with held(watching.home), stopped_by_signal() as stopping:
        while True:
            await _look(printer, watching)
            if arguments.once or await waited(stopping, seconds):
                return Exit.DONE


async def _look(printer: Printer, watching: "Watching") -> None:
    from remote_assist.agent.alone.watch import look_once

    watched = await look_once(watching)
    for alarm in watched.alarms:
        printer.object({"alarm": alarm})
        if not printer.json:
            mark = "✖" if alarm.state == "raised" else "✔"
            printer.value("alarm", alarm.key, f"{mark} {alarm.state:<7} {alarm.severity:<8}  {alarm.message}")
    for sentence in watched.untold:
        printer.note(f"not told: {sentence}")
    printer.object({"looked": _summary(watched)})
    printer.line(_summary_line(watched))


def _summary(watched: "Watched") -> dict[str, object]:
    return {
        "time": watched.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "hours": watched.hours,
        "passed": watched.passed,
        "findings": watched.findings,
    }


def _summary_line(watched: "Watched") -> str:
    troubles = sum(each.outcome in {"fail", "warn"} for each in watched.findings)
    unknown = sum(each.outcome == "unknown" for each in watched.findings)
    also = f", {unknown} could not be judged" if unknown else ""
    return (
        f"{watched.at.astimezone():%H:%M:%S}  {troubles} coming or here, {watched.passed} well{also} "
        f"({watched.hours:.1f} h of samples)"
    )


def _watching(arguments: argparse.Namespace) -> "Watching":
    from remote_assist.agent.alone.watch import Watching
    from remote_assist.agent.keeper import system_moment
    from remote_assist.commands.customer.join import home_folder, services_folder

    return Watching(
        home=home_folder(os.environ),
        moment=system_moment,
        services=services_folder(arguments),
        notify=_targets(arguments),
        host=platform.node()[:MAX_HOST_CHARS] or "this computer",
        dates=_dates(arguments.dates) if arguments.dates else (),
    )


def _targets(arguments: argparse.Namespace) -> "tuple[AlarmTarget, ...]":
    """Whom to tell. Raises UsageError for what is neither a program nor an address an alarm may go to."""
    from remote_assist.agent.alone.alarm_targets import AlarmTarget, relay_target
    from remote_assist.transport.alarm_post import check_address

    targets = [AlarmTarget(each) for each in arguments.notify]
    if arguments.tell_relay:
        relay = arguments.relay or os.environ.get(RELAY_VARIABLE, "")
        if not relay or not SOURCE.fullmatch(arguments.tell_relay) or arguments.secret_file is None:
            raise UsageError(
                "to tell a relay it takes --relay URL, --tell-relay NAME and --secret-file FILE",
                advice="NAME has 1 to 16 small letters, digits and hyphens.",
            )
        secret = read_source_secret(arguments.secret_file)
        targets.append(relay_target(relay_origin(relay), arguments.tell_relay, secret, arguments.ca_file))
    for target in targets:
        if "://" in target.place:
            check_address(target.place)
        elif not (Path(target.place).is_absolute() and os.access(target.place, os.X_OK)):
            raise UsageError(
                f"{target.place} is not a program by its whole path", advice="Or give an https:// address."
            )
    return tuple(targets)


def _seconds(text: str) -> float:
    seconds = parse_duration(text).total_seconds()
    if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
        raise UsageError("the interval is between 1m and 1h")
    return seconds


def _dates(path: Path) -> "tuple[Ending, ...]":
    """Last days by name. Raises ContentError when the file cannot be read, UsageError for a line that is no date."""
    from remote_assist.core.watching.samples import Ending

    try:
        with path.open("rb") as file:
            lines = file.read(MAX_DATES_BYTES).decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise ContentError(f"{path} cannot be read: {error.strerror}") from error
    found = []
    for number, line in enumerate(lines, 1):
        day, _, name = line.strip().partition(" ")
        if not day or day.startswith("#"):
            continue
        try:
            at = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
        except ValueError as error:
            raise UsageError(f"{path}:{number} does not begin with a day", advice="Write 2027-03-01 NAME.") from error
        found.append(Ending(kind="licence", name=name.strip() or day, at=at))
    return tuple(found)
