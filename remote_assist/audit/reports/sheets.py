"""A report as files for other programs and people: CSV for a spreadsheet, one HTML page that prints well.

Rule 1: a cell that a spreadsheet would run as a formula is made text.
Rule 2: the page has no scripts and loads nothing.
"""

import csv
import html
import io
from collections.abc import Sequence

from remote_assist.audit.reports.report import Report, Table
from remote_assist.core.hostile import HostileStr, safe_text
from remote_assist.core.signing.signed_note import MAX_NOTE_BYTES

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>body{{font:14px system-ui,sans-serif;max-width:75em;margin:2em auto;padding:0 1em}}
table{{border-collapse:collapse;width:100%;margin-bottom:2em}}td,th{{border-bottom:1px solid #ccc;padding:.3em .6em;
text-align:left;vertical-align:top}}pre{{white-space:pre-wrap;overflow-wrap:anywhere;font-size:80%}}
svg{{max-width:100%;height:auto;margin:1em 0}}h2{{break-after:avoid}}tr,svg{{break-inside:avoid}}</style>
<h1>{title}</h1>
{body}
<pre>{foundation}</pre></html>
"""


def csv_of(table: Table) -> str:
    """One table, its columns first, as RFC 4180 has it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table.columns)
    writer.writerows([_cell(cell) for cell in row] for row in table.rows)
    return out.getvalue()


def page_of(report: Report, plots: Sequence[str] = ()) -> str:
    """The whole report; `plots` are SVG made here (bars.py) and stand first."""
    parts = [*plots, *map(_table, report.tables), *(f"<p>{_h(remark)}</p>" for remark in report.remarks)]
    found = report.foundation
    log = f"log {found.origin}, tree size {found.size}, root {found.root}"
    ending = "\n".join((_h(found.sentence), _h(log), _proof(found.checkpoint)))
    return PAGE.format(title=_h(report.title), body="\n".join(parts), foundation=ending)


def _table(table: Table) -> str:
    if not table.rows:
        return f"<h2>{_h(table.title)}</h2><p>{_h(table.empty)}</p>"
    head = "".join(f"<th>{_h(column)}" for column in table.columns)
    rows = "\n".join("<tr>" + "".join(f"<td>{_h(cell)}" for cell in row) for row in table.rows)
    return f"<h2>{_h(table.title)}</h2>\n<table><tr>{head}\n{rows}</table>"


def _cell(text: str) -> str:
    safe = str(safe_text(HostileStr(text), max_chars=1000))
    return f"'{safe}" if safe.startswith(FORMULA_SIGNS) else safe


def _proof(note: str) -> str:
    """A checkpoint, whole: a cosigner's line is longer than any cell, and cut it proves nothing."""
    return html.escape(str(safe_text(HostileStr(note), lines=True, max_chars=MAX_NOTE_BYTES)))


def _h(text: str) -> str:
    return html.escape(str(safe_text(HostileStr(text), max_chars=1000)))
