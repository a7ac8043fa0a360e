"""An alarm is told once when it begins and once when it is over."""

from remote_assist.core.findings import Finding
from remote_assist.core.watching.alarms import CLEAR_SECONDS, OpenAlarm, compare, key_of


def finding(outcome: str, subject: str = "/var", issue: str = "trend.disk.filling") -> Finding:
    return Finding(
        issue=issue, version=1, digest="d", title="t", severity="high", category="disk", outcome=outcome,
        subject=subject, message=outcome,
    )  # fmt: skip


def told(changes: list[tuple[str, OpenAlarm]]) -> list[tuple[str, str]]:
    return [(state, key_of(alarm.finding)) for state, alarm in changes]


def test_it_is_raised_once_and_keeps_the_newest_words() -> None:
    opened, changes = compare({}, [finding("warn"), finding("pass", "/")], 100.0)
    assert told(changes) == [("raised", "trend.disk.filling//var")]
    opened, changes = compare(opened, [finding("fail")], 200.0)
    assert changes == []
    assert opened["trend.disk.filling//var"].since == 100.0
    assert opened["trend.disk.filling//var"].finding.outcome == "fail"


def test_it_is_cleared_after_it_was_gone_for_an_hour_and_a_swing_is_one_alarm() -> None:
    opened, _ = compare({}, [finding("fail")], 0.0)
    opened, changes = compare(opened, [finding("pass")], 100.0)
    assert changes == []
    opened, changes = compare(opened, [finding("fail")], 200.0)
    opened, changes = compare(opened, [finding("pass")], 300.0)
    assert changes == []
    opened, changes = compare(opened, [finding("pass")], 300.0 + CLEAR_SECONDS)
    assert told(changes) == [("cleared", "trend.disk.filling//var")]
    assert opened == {}


def test_who_cannot_look_neither_raises_nor_clears() -> None:
    opened, _ = compare({}, [finding("fail")], 0.0)
    still, changes = compare(opened, [finding("unknown", "")], 9 * CLEAR_SECONDS)
    assert (still, changes) == (opened, [])
    assert compare({}, [finding("unknown")], 0.0) == ({}, [])


def test_an_issue_without_a_subject_is_its_own_key() -> None:
    assert key_of(finding("fail", "", "trend.log.error-rate")) == "trend.log.error-rate"
