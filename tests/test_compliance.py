"""docs/compliance.md names only reports and tests that exist, and every report is evidence for something."""

import re
from pathlib import Path

from remote_assist.audit.reports.catalog import REPORTS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "compliance.md").read_text()
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", TEXT, flags=re.MULTILINE)
CLAIMS = [row for row in ROWS if row[0] != "requirement" and not row[0].startswith("---")]


def test_every_claim_names_a_report_and_a_test_that_exist() -> None:
    assert len(CLAIMS) > 30
    missing = [row for row in CLAIMS if row[2] not in REPORTS or not (ROOT / row[3]).is_file()]
    assert missing == []


def test_every_report_is_evidence_for_something() -> None:
    assert {row[2] for row in CLAIMS} == set(REPORTS)


def test_each_rule_says_what_stays_the_organisations_own_duty() -> None:
    parts = TEXT.split("\n## ")[1:]
    assert len(parts) == 5 and all("The organisation's own duty:" in part for part in parts)
