"""Alarms as their sources write them: what names one, when it is over, and that hostile texts stay texts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.errors import UsageError
from remote_assist.tickets.alarms import (
    FIRING,
    RESOLVED,
    from_alertmanager,
    from_cloud_event,
    from_monitoring_macros,
    from_trap,
    from_words,
    note_text,
)

ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "DiskFull", "instance": "web-1", "severity": "critical", "agent": "a-42"},
    "annotations": {"summary": "/var is full", "runbook_url": "https://kb.example.com/disk"},
    "startsAt": "2026-11-22T10:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus",
    "fingerprint": "0123456789abcdef",
}


def alertmanager(*alerts: dict[str, Any], version: str = "4") -> bytes:
    return json.dumps({"version": version, "groupKey": "x", "alerts": alerts}).encode()


def test_alertmanagers_alert_is_named_by_fingerprint_and_start() -> None:
    (alarm,) = from_alertmanager(alertmanager(ALERT))
    assert (alarm.fingerprint, alarm.started, alarm.status) == ("0123456789abcdef", "2026-11-22T10:00:00Z", FIRING)
    assert (alarm.title, alarm.host, alarm.agent) == ("DiskFull: /var is full", "web-1", "a-42")
    assert alarm.url == "https://kb.example.com/disk"


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"version": "4"}', alertmanager(version="3"), alertmanager(*[ALERT] * 201)]
)
def test_what_is_not_alertmanagers_is_refused(raw: bytes) -> None:
    with pytest.raises(UsageError):
        from_alertmanager(raw)


def test_a_cloud_event_is_read_structured_and_binary_alike() -> None:
    data = {"title": "Battery low", "host": "ups-1", "started": "2026-11-22T10:00:00Z", "fingerprint": "ups"}
    attributes = {"specversion": "1.0", "id": "1", "source": "/ups", "type": "com.example.ups.alarm"}
    (whole,) = from_cloud_event(json.dumps({**attributes, "data": data}).encode(), {})
    headers = {f"Ce-{name}": value for name, value in attributes.items()}
    assert from_cloud_event(json.dumps(data).encode(), headers) == (whole,)
    (over,) = from_cloud_event(json.dumps({**attributes, "type": "com.example.ups.cleared", "data": data}).encode(), {})
    assert (whole.status, over.status, over.fingerprint) == (FIRING, RESOLVED, whole.fingerprint)


@pytest.mark.parametrize("prefix", ["", "NAGIOS_"])
def test_icinga_and_nagios_speak_by_their_environment(prefix: str) -> None:
    said = {
        "NOTIFICATIONTYPE": "PROBLEM",
        "HOSTNAME": "web-1",
        "SERVICEDESC": "http",
        "SERVICESTATE": "CRITICAL",
        "SERVICEOUTPUT": "connection refused",
    }
    alarm = from_monitoring_macros({prefix + name: value for name, value in said.items()})
    assert alarm is not None
    assert (alarm.title, alarm.status, alarm.text) == ("web-1: http is CRITICAL", FIRING, "connection refused")
    over = from_monitoring_macros({**said, "NOTIFICATIONTYPE": "RECOVERY", "SERVICESTATE": "OK"})
    assert over is not None and (over.status, over.fingerprint) == (RESOLVED, alarm.fingerprint)
    assert from_monitoring_macros({**said, "NOTIFICATIONTYPE": "ACKNOWLEDGEMENT"}) is None


TRAP = """router-1.example.com
UDP: [192.0.2.1]:49152->[192.0.2.9]:162
iso.3.6.1.2.1.1.3.0 0:0:10:00.00
iso.3.6.1.6.3.1.1.4.1.0 iso.3.6.1.6.3.1.1.5.3
iso.3.6.1.2.1.2.2.1.1.7 7
"""


def test_a_link_that_comes_up_resolves_the_trap_that_it_went_down() -> None:
    down, up = from_trap(TRAP), from_trap(TRAP.replace("1.1.5.3", "1.1.5.4"))
    other = from_trap(TRAP.replace(".7 7", ".8 8"))
    assert (down.status, up.status) == (FIRING, RESOLVED)
    assert down.fingerprint == up.fingerprint != other.fingerprint
    with pytest.raises(UsageError):
        from_trap("host only")


@given(st.text(), st.text())
def test_no_control_character_of_an_alarm_reaches_a_note(title: str, text: str) -> None:
    raw = json.dumps({"fingerprint": "x", "started": "", "status": FIRING, "title": title, "text": text}).encode()
    (alarm,) = from_words(raw)
    shown = note_text(alarm, offer="")
    assert not [sign for sign in shown if (ord(sign) < 32 and sign != "\n") or 127 <= ord(sign) < 160]
