"""How much of the labelled lines redaction finds: three files, with and without what a machine knows of itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from remote_assist.core.redaction import Redactor

DATA = Path(__file__).parent.parent / "diagnostics" / "data"
FILES = {"sample": "redaction_sample.jsonl", "tuned": "redaction_tuned.jsonl", "held out": "redaction_held_out.jsonl"}
"""sample and tuned: seen while the detectors were made; held out: never looked at by whoever changes one."""

SEEDS = {
    "weber-nb-04": "host",
    "praxis-weber.example": "host",
    "jweber": "user",
    "akoch": "user",
    "3c:52:82:0e:91:d4": "mac",
    "5CG1234XYZ": "serial",
}
"""What the facts of the made-up machine behind the lines would say."""

KEY = bytes(range(32))


@dataclass(frozen=True, slots=True)
class Line:
    """A labelled line; `secret` is empty where nothing may be touched."""

    kind: str
    secret: str
    line: str


def lines_of(name: str) -> list[Line]:
    """The lines of one of FILES."""
    return [Line(**json.loads(raw)) for raw in (DATA / FILES[name]).read_text("utf-8").splitlines()]


def found(line: Line, seeds: Mapping[str, str]) -> bool:
    """Whether the secret is gone, in whatever case it is written."""
    return line.secret.lower() not in Redactor(KEY, seeds=seeds).text(line.line).lower()


def touched(line: Line) -> bool:
    """Whether a line without a secret was changed."""
    return Redactor(KEY, seeds=SEEDS).text(line.line) != line.line


def table() -> str:
    """Rates per kind as a Markdown table; `+n`: so many more when the machine's own names are known."""
    files = {name: lines_of(name) for name in FILES}
    kinds = sorted({line.kind for lines in files.values() for line in lines if line.secret})
    rows = ["| kind | sample | tuned | held out |", "|---|---|---|---|"]
    rows += [f"| {kind} | {' | '.join(_cell(lines, kind) for lines in files.values())} |" for kind in kinds]
    rows.append(f"| **all** | {' | '.join(_cell(lines, '') for lines in files.values())} |")
    benign = [[line for line in lines if not line.secret] for lines in files.values()]
    cells = (f"{sum(touched(line) for line in lines)} of {len(lines)}" for lines in benign)
    rows.append(f"| benign lines touched | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _cell(lines: list[Line], kind: str) -> str:
    secrets = [line for line in lines if line.secret and kind in {"", line.kind}]
    if not secrets:
        return "–"
    alone = sum(found(line, {}) for line in secrets)
    more = sum(found(line, SEEDS) for line in secrets) - alone
    return f"{alone} of {len(secrets)}{f', +{more}' if more else ''}"
