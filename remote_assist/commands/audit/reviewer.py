"""`audit`: what a reviewer can do with the log. Parses; each verb is in a file of its own."""

import argparse
from pathlib import Path

from remote_assist.commands.audit.anchors import add_anchor_options, list_anchors
from remote_assist.commands.audit.export import FORMATS, export_sessions
from remote_assist.commands.audit.hold import add_hold_and_erase
from remote_assist.commands.audit.kept import list_kept
from remote_assist.commands.audit.replay import HELP, add_replay_options, replay
from remote_assist.commands.audit.report import add_report_options, print_report
from remote_assist.commands.audit.review import add_review
from remote_assist.commands.audit.show import add_filters, list_sessions, show_session
from remote_assist.commands.audit.trust import add_trust_options
from remote_assist.commands.audit.verify import verify_log
from remote_assist.commands.printing import add_output_options
from remote_assist.commands.relay_options import add_relay_options


def add_commands(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `audit` and what it can do."""
    audit = verbs.add_parser("audit", help="list, show, verify, export, replay, review and report sessions")
    acts = audit.add_subparsers(
        metavar="list|show|verify|export|recordings|replay|review|report|anchors|hold|erase", required=True
    )
    listing = _act(acts, "list", list_sessions, "sessions you may see: a reviewer all, a technician their own")
    add_filters(listing)
    listing.add_argument("--chains", action="store_true", help="also records that belong to no session")
    add_output_options(listing)
    show = _act(acts, "show", show_session, "what happened, line by line")
    show.add_argument("session", metavar="SESSION")
    show.add_argument("--unseal", type=Path, metavar="KEY", help="a reviewers' key; without it sealed fields stay so")
    verify = _act(acts, "verify", verify_log, "check signatures, chain and acknowledgements; without argument: all")
    verify.add_argument(
        "what", nargs="?", metavar="SESSION|FILE", help="a session, an export, a receipt or a ticket's proof note"
    )
    verify.add_argument("--whole", action="store_true", help="FILE is an export of all: by hashes, much faster")
    export = _act(acts, "export", export_sessions, "sessions as lines that verify elsewhere; without argument: all")
    export.add_argument("session", nargs="?", metavar="SESSION")
    export.add_argument("--format", choices=FORMATS, default="jsonl")
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="a new file; else standard output")
    export.add_argument("--unseal", type=Path, metavar="KEY", help="a reviewers' key: add what was sealed, with proof")
    export.add_argument("--action", default="", metavar="aN", help="with cast or kept: which, when there are several")
    recordings = _act(acts, "recordings", list_kept, "what is kept of a session: recordings, bundles, files")
    recordings.add_argument("session", metavar="SESSION")
    play = _act(acts, "replay", replay, "play a terminal's recording: " + HELP)
    add_replay_options(play)
    report = _act(acts, "report", print_report, "a report over the log, with what proves that it is complete")
    add_report_options(report)
    anchors = _act(acts, "anchors", list_anchors, "checkpoints that witnesses outside have, checked against the log")
    anchors.add_argument("-o", "--output", type=Path, metavar="DIR", help="also write notes and receipts there")
    for parser in (verify, anchors):
        add_anchor_options(parser)
    for parser in (show, verify, export, recordings, play, report, anchors):
        add_trust_options(parser)
        add_output_options(parser)
    add_review(acts)
    add_hold_and_erase(acts)


def _act(
    acts: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: object, text: str
) -> argparse.ArgumentParser:
    parser = acts.add_parser(name, help=text, description=text)
    add_relay_options(parser, otherwise=", else the login's")
    parser.set_defaults(run=run)
    return parser
