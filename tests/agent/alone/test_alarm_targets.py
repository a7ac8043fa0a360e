"""What an alarm looks like to whom it is told, and what waits."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from remote_assist.agent.alone.alarm_queue import MAX_WAITING, AlarmQueue
from remote_assist.agent.alone.alarm_targets import AlarmTarget, alertmanager_form, relay_form, relay_target
from remote_assist.core.watching.alarms import Alarm
from remote_assist.tickets.alarms import from_alertmanager, from_words

NOW = datetime(2026, 11, 29, 10, tzinfo=UTC).timestamp()
ALARM = Alarm(
    key="trend.disk.filling//var",
    state="raised",
    issue="trend.disk.filling",
    version=1,
    title="A disk will be full",
    severity="high",
    subject="/var",
    message="/var is 81 % full",
    explanation="It fills up.",
    since="2026-11-29T09:00:00Z",
    time="2026-11-29T10:00:00Z",
)
OVER = msgspec.structs.replace(ALARM, state="cleared", time="2026-11-29T11:00:00Z")


def test_an_alarm_has_the_form_alertmanager_uses() -> None:
    (read,) = from_alertmanager(msgspec.json.encode(alertmanager_form(ALARM, "shop-pc")))
    assert (read.status, read.started, read.host, read.severity) == ("firing", ALARM.since, "shop-pc", "high")
    (over,) = from_alertmanager(msgspec.json.encode(alertmanager_form(OVER, "shop-pc")))
    assert (over.status, over.started, over.fingerprint) == ("resolved", read.started, read.fingerprint)


def test_the_relay_gets_the_same_name_for_beginning_and_end_and_another_for_another_machine() -> None:
    (raised,) = from_words(msgspec.json.encode(relay_form(ALARM, "shop-pc")))
    over, other = relay_form(OVER, "shop-pc"), relay_form(ALARM, "till-2")
    assert (raised.fingerprint, raised.started) == (over.fingerprint, over.started)
    assert (raised.status, over.status) == ("firing", "resolved")
    assert raised.fingerprint != other.fingerprint
    assert "/var is 81 % full" in raised.text


def test_only_the_relay_gets_the_secret() -> None:
    relay = relay_target("https://relay.example.com", "site-1", "s3cret")
    assert relay.place == "https://relay.example.com/v1/alarms/site-1/alarm"
    assert [each.secret for each in (relay, AlarmTarget("https://other.example.com"), AlarmTarget("/bin/cat"))] == [
        "s3cret",
        "",
        "",
    ]


def test_what_waits_is_bounded_in_number_and_age(tmp_path: Path) -> None:
    (tmp_path / "watch").mkdir(mode=0o700)
    queue = AlarmQueue(tmp_path)
    queue.keep({"a": []})
    assert not (tmp_path / "watch" / "untold.json").exists()
    queue.keep({"a": [msgspec.structs.replace(ALARM, version=n) for n in range(MAX_WAITING + 5)], "b": []})
    assert [each.version for each in queue.waiting(NOW)["a"]] == list(range(5, MAX_WAITING + 5))
    assert queue.waiting(NOW + 86400.0) == {"a": []}
    (tmp_path / "watch" / "untold.json").write_bytes(b"{")
    assert queue.waiting(NOW) == {}
