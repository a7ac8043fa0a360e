"""Findings over time → alarms: one when something begins, one when it is over, none in between.

Rule 1: `unknown` neither raises nor clears: who cannot look says nothing.
Rule 2: what is gone must stay gone for CLEAR_SECONDS, so that a swing around a limit is one alarm.
"""

from collections.abc import Iterable, Mapping

import msgspec

from remote_assist.core.findings import Finding

CLEAR_SECONDS = 3600.0
MAX_OPEN = 500


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One event for whoever wants to know. `state`: raised or cleared; times RFC 3339 UTC; `key` names the trouble."""

    format: int = 1
    key: str
    state: str
    issue: str
    version: int
    title: str
    severity: str
    subject: str
    message: str
    explanation: str
    since: str
    time: str


class OpenAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm that was raised and not cleared. Seconds since the epoch; `gone_since` is 0 while it lasts."""

    finding: Finding
    since: float
    gone_since: float = 0.0


def key_of(finding: Finding) -> str:
    """Issue and subject: the same trouble has the same key."""
    return f"{finding.issue}/{finding.subject}" if finding.subject else finding.issue


def compare(
    before: Mapping[str, OpenAlarm], findings: Iterable[Finding], now: float
) -> tuple[dict[str, OpenAlarm], list[tuple[str, OpenAlarm]]]:
    """What is open now, and what changed: (raised|cleared, alarm)."""
    bad = {key_of(each): each for each in findings if each.outcome in {"fail", "warn"}}
    unknown = {each.issue for each in findings if each.outcome == "unknown"}
    after: dict[str, OpenAlarm] = {}
    changes: list[tuple[str, OpenAlarm]] = []
    for key, alarm in before.items():
        if key in bad:
            after[key] = OpenAlarm(finding=bad[key], since=alarm.since)
        elif alarm.finding.issue in unknown:
            after[key] = alarm
        elif now - (gone := alarm.gone_since or now) >= CLEAR_SECONDS:
            changes.append(("cleared", alarm))
        else:
            after[key] = OpenAlarm(finding=alarm.finding, since=alarm.since, gone_since=gone)
    for key, finding in bad.items():
        if key not in before and len(after) < MAX_OPEN:
            after[key] = OpenAlarm(finding=finding, since=now)
            changes.append(("raised", after[key]))
    return after, changes
