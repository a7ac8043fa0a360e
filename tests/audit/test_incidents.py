"""Figures of incidents as files: kept or not, nothing a spreadsheet or a browser would run."""

from xml.etree import ElementTree

from remote_assist.audit.reports.bars import MAX_BARS, Series, bars
from remote_assist.audit.reports.incidents import Incident, Targets, _sum
from remote_assist.audit.reports.report import Table
from remote_assist.audit.reports.sheets import csv_of


def incident(response: float | None, repair: float | None) -> Incident:
    return Incident(
        ticket="1001",
        subject="=cmd()",
        opened="2026-11-22T10:00:00.000000Z",
        closed="",
        category="disk",
        customer="",
        technician="Alice Example",
        sessions=1,
        fix="",
        mechanical=False,
        response_seconds=response,
        repair_seconds=repair,
    )


def test_what_was_agreed_on_is_counted_among_those_that_came_to_it() -> None:
    group = [incident(60, 7200), incident(90, None), incident(3601, 3600), incident(None, None)]
    assert _sum(group, Targets(3600, 3600))[-2:] == ("2 of 3", "1 of 2")
    assert _sum(group, Targets())[-2:] == ("", "")


def test_a_cell_that_would_be_a_formula_is_text() -> None:
    table = Table("t", ("a", "b"), (("=1+1", 'say "no", please'), ("-x", "\x1b[2J")))
    assert csv_of(table).split("\r\n")[1:3] == ['\'=1+1,"say ""no"", please"', "'-x,\\x1b[2J"]


def test_bars_are_one_picture_whose_text_is_escaped_and_whose_lengths_are_the_values() -> None:
    labels = tuple(f"<m{number}>" for number in range(MAX_BARS + 2))
    values = tuple(float(number) for number in range(MAX_BARS + 2))
    drawn = ElementTree.fromstring(bars("a & b", labels, (Series("one", values, tuple(map(str, values))),)))
    rects = [float(rect.attrib["width"]) for rect in drawn.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert len(rects) == MAX_BARS and rects == sorted(rects) and rects[-1] == 330
    assert bars("t", (), ()).startswith("<svg")
