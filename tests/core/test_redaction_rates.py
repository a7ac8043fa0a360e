"""The published detection rates are the ones the detectors have."""

from pathlib import Path

import pytest

from tests.core.redaction_rates import FILES, SEEDS, found, lines_of, table, touched

PAGE = Path(__file__).parent.parent.parent / "docs" / "redaction.md"


def test_the_page_shows_the_rates_of_this_very_code() -> None:
    """After a change of detectors: `python -m bench.redaction --write` puts the new table there."""
    assert table() in PAGE.read_text("utf-8")


def test_there_are_120_lines_beyond_the_sample_and_half_of_them_were_never_tuned_on() -> None:
    counted = {name: sum(bool(line.secret) for line in lines_of(name)) for name in FILES}
    assert counted == {"sample": 42, "tuned": 60, "held out": 60}


@pytest.mark.parametrize("name", ["sample", "tuned"])
def test_what_was_seen_while_tuning_is_found_without_knowing_the_machine(name: str) -> None:
    assert [line.line for line in lines_of(name) if line.secret and not found(line, {})] == []


def test_of_the_held_out_lines_at_least_four_of_five_are_found_and_no_benign_one_is_touched() -> None:
    lines = lines_of("held out")
    secrets = [line for line in lines if line.secret]
    assert sum(found(line, SEEDS) for line in secrets) >= 0.8 * len(secrets)
    assert not any(touched(line) for name in FILES for line in lines_of(name) if not line.secret)
