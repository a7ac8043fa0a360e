"""A report's proof is whole wherever it is printed, also when a cosigner's line makes it long."""

import html
from collections.abc import Callable

import pytest

from remote_assist.audit.reports.report import Foundation, Report
from remote_assist.audit.reports.sheets import page_of
from remote_assist.core.checkpoint import open_checkpoint
from remote_assist.core.tree import subtree_root
from tests.audit.world import LOG_LINE, Tree

LONG = "— {origin}/ml-dsa-44 " + "A" * 3231 + "=\n"
"""A line as long as an ML-DSA-44 signature makes it; whoever does not know its key passes it over."""


def text_of(report: Report) -> str:
    return "\n".join(report.lines()) + "\n"


def html_of(report: Report) -> str:
    return html.unescape(page_of(report).rpartition("</pre>")[0])


@pytest.mark.parametrize("printed", [text_of, html_of])
def test_a_long_checkpoint_is_printed_whole_and_verifies(printed: Callable[[Report], str]) -> None:
    note = Tree([]).checkpoint(0) + LONG.format(origin="example")
    root = subtree_root([]).hex()
    found = Foundation(
        population=0, missing=(), faults=(), origin="x", size=0, root=root, checkpoint=note, since="", until=""
    )
    shown = printed(Report("access-list", "Access", (), (), found))
    assert note in shown
    assert open_checkpoint(note, (LOG_LINE,)).size == 0
