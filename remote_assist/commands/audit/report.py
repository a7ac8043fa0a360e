"""`audit report NAME`: a report over the whole log, for people or as JSON, with what proves it at its end."""

import argparse
from dataclasses import replace
from pathlib import Path

import msgspec

from remote_assist.audit.reports.catalog import REPORTS
from remote_assist.audit.reports.incidents import Targets, figures, incidents, plots
from remote_assist.audit.reports.people import review_log
from remote_assist.audit.reports.report import Report, foundation_of
from remote_assist.audit.reports.sheets import csv_of, page_of
from remote_assist.audit.whole_log import SessionLog, WholeLog
from remote_assist.commands.audit.fetch import open_api, output, own_home
from remote_assist.commands.audit.trust import trust_of
from remote_assist.commands.audit.whole import add_period, read_whole
from remote_assist.commands.printing import Printer, ascii_json
from remote_assist.core.durations import parse_duration
from remote_assist.errors import Exit, UsageError


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """What `audit report` takes beside trust and output."""
    parser.add_argument("name", metavar="NAME", choices=tuple(REPORTS), help=", ".join(REPORTS))
    parser.add_argument("--ticket", default="", help="sessions of this ticket only; completeness is still of the whole")
    parser.add_argument("--percent", type=float, default=100.0, metavar="P", help="review-log: size of the sample")
    parser.add_argument("--unseal", type=Path, metavar="KEY", help="a reviewers' key: show what was sealed")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="a new file; else standard output")
    parser.add_argument(
        "--format",
        choices=("text", "json", "csv", "html"),
        default="",
        help="csv and html: for incidents; html is one page with plots, which a browser prints as PDF",
    )
    parser.add_argument("--response-within", metavar="1h", default="", help="incidents: the first response agreed on")
    parser.add_argument("--repair-within", metavar="8h", default="", help="incidents: the time to repair agreed on")
    add_period(parser)


async def print_report(arguments: argparse.Namespace) -> int:
    """Run `audit report`."""
    printer, targets = Printer(arguments), _targets(arguments)
    form = arguments.format or ("json" if printer.json else "text")
    if form in {"csv", "html"} and arguments.name != "incidents":
        raise UsageError(f"there is no {form} of {arguments.name}", advice="Ask for text or json.")
    async with open_api(arguments) as api:
        log = await read_whole(arguments, api, trust_of(arguments, own_home()))
    narrowed = replace(log, sessions=_of_ticket(log, arguments.ticket)) if arguments.ticket else log
    report = report_of(arguments.name, log, ticket=arguments.ticket, percent=arguments.percent, targets=targets)
    with output(arguments.output) as file:
        file.write(_formed(form, report, narrowed, targets).encode())
        file.flush()
    if not report.foundation.holds:
        printer.note(report.foundation.sentence)
    return Exit.DONE if report.foundation.holds else Exit.UNVERIFIED


def _formed(form: str, report: Report, log: WholeLog, targets: Targets) -> str:
    if form == "json":
        return ascii_json(msgspec.to_builtins(report.values())) + "\n"
    if form == "csv":
        return csv_of(figures(log, targets))
    return page_of(report, plots(log)) if form == "html" else "".join(f"{line}\n" for line in report.lines())


def _targets(arguments: argparse.Namespace) -> Targets:
    spans = (arguments.response_within, arguments.repair_within)
    return Targets(*(parse_duration(span).total_seconds() if span else None for span in spans))


def report_of(
    name: str, log: WholeLog, *, ticket: str = "", percent: float = 100.0, targets: Targets | None = None
) -> Report:
    """The report; narrowed to a ticket it still rests on the whole log's completeness."""
    narrowed = replace(log, sessions=_of_ticket(log, ticket)) if ticket else log
    if name == "incidents":
        made = incidents(narrowed, targets)
    else:
        made = review_log(narrowed, percent) if name == "review-log" else REPORTS[name](narrowed)
    return replace(made, foundation=foundation_of(log)) if ticket else made


def _of_ticket(log: WholeLog, ticket: str) -> tuple[SessionLog, ...]:
    return tuple(one for one in log.sessions if one.summary.ticket == ticket)
