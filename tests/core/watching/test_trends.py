"""From facts to samples to trend facts, over made-up days."""

from collections.abc import Callable

from remote_assist.core.watching.forecast import DAY, HOUR, NEVER_HOURS
from remote_assist.core.watching.samples import MAX_NEW, MAX_TEMPLATES, Ending, Latest, Sample, take
from remote_assist.core.watching.trends import trend_facts

STEP = 300.0
START = 1_800_000_000.0

Facts = dict[str, object]


def played(hours: float, facts_at: Callable[[float], Facts]) -> tuple[list[Sample], Latest, float]:
    """Looks every five minutes; `facts_at` is told the hour."""
    samples: list[Sample] = []
    latest: Latest | None = None
    at = START
    for step in range(int(hours * HOUR / STEP) + 1):
        at = START + step * STEP
        sample, latest = take(facts_at(step * STEP / HOUR), latest, at)
        samples.append(sample)
    assert latest is not None
    return samples, latest, at


def trend(hours: float, facts_at: Callable[[float], Facts]) -> Facts:
    return trend_facts(*played(hours, facts_at))


def disk(used_pct: float, **more: object) -> dict[str, object]:
    return {"mount": "/", "type": "ext4", "used_pct": used_pct, "inodes_used_pct": 5.0, **more}


def test_a_disk_that_fills_is_forecast_and_its_inodes_are_not() -> None:
    rows = trend(9, lambda hour: {"filesystems": [disk(70 + hour)]})["filesystems"]
    assert isinstance(rows, list)
    space, inodes = rows
    assert (space["kind"], space["used_pct"], space["full_in_h"]) == ("space", 79.0, 21.0)
    assert 22.0 < space["longest_forecast_h"] < 24.0
    assert inodes["full_in_h"] == NEVER_HOURS


def test_filesystems_that_are_full_by_nature_or_cannot_be_written_are_left_out() -> None:
    rows = [disk(100.0, type="squashfs"), disk(100.0, read_only=True), disk("much"), {}]  # type: ignore[arg-type]
    assert trend(0, lambda hour: {"filesystems": rows})["filesystems"] == []


def test_new_kinds_of_messages_are_news_only_after_a_day_of_learning() -> None:
    def facts(hour: float) -> Facts:
        kinds = ["usual"] + (["late"] if hour >= 30 else [])
        return {"log_digest": [{"template": kind, "count": 1} for kind in kinds]}

    assert trend(20, facts)["new_templates"] == []
    assert trend(31, facts)["new_templates"] == [{"template": "late", "hours_ago": 1.0}]
    assert trend(56, facts)["new_templates"] == []


def test_errors_that_rise_after_a_change_of_configuration_are_told_together() -> None:
    def facts(hour: float) -> Facts:
        return {
            "log_digest": [{"template": "x", "count": 20 if hour > 22 else 1}],
            "config_files": [{"path": "/etc/fstab", "sha256": "b" * 64 if hour >= 20 else "a" * 64}],
        }

    found = trend(23, facts)
    assert found["errors"] == {"known": True, "changed": True, "usual": 1.0, "recent": 20.0}
    assert found["changed_files"] == [{"path": "/etc/fstab", "hours_ago": 3.0, "hours_before_errors": 2.0}]


def test_a_file_seen_for_the_first_time_has_not_changed() -> None:
    found = trend(1, lambda hour: {"config_files": [{"path": "/etc/x", "sha256": "a" * 64}] if hour else []})
    assert found["changed_files"] == []


def test_a_failed_unit_is_counted_from_its_last_failure() -> None:
    def facts(hour: float) -> Facts:
        state = "failed" if hour < 1 or hour >= 2 else "running"
        return {"services": [{"name": "nginx.service", "state": state}, {"name": "b", "state": "running"}]}

    assert trend(3, facts)["failed_units"] == [{"unit": "nginx.service", "hours": 1.0}]


def test_a_clock_that_drifts_and_one_nobody_knows() -> None:
    drifting = trend(6, lambda hour: {"time_sync": {"known": True, "offset_seconds": hour / 4}})["clock"]
    assert drifting == {"known": True, "offset_seconds": 1.5, "drift_a_day": 6.0}
    unknown = trend(6, lambda hour: {"time_sync": {"known": False, "offset_seconds": 3.0}})["clock"]
    assert unknown == {"known": False, "offset_seconds": 0.0, "drift_a_day": 0.0}


def test_a_disk_that_loses_sectors_and_one_that_is_worn() -> None:
    def facts(hour: float) -> Facts:
        rows = [{"name": "/dev/sda", "bad_sectors": int(hour), "healthy": True}, {"name": "/dev/sdb", "worn_pct": 90}]
        return {"smart": rows}

    rows = trend(4, facts)["disks"]
    assert isinstance(rows, list)
    first, second = rows
    assert (first["bad_sectors"], first["more_bad_sectors"], first["healthy"]) == (4, 4, True)
    assert (second["worn_pct"], second["bad_sectors"]) == (90, 0)


def test_a_restart_is_pending_since_it_last_was_not() -> None:
    facts = trend(8, lambda hour: {"updates": {"reboot_required": hour < 1 or hour >= 5}} if hour != 6 else {})
    assert facts["reboot"] == {"pending_hours": 3.0}
    assert trend(1, lambda hour: {"updates": {"reboot_required": False}})["reboot"] == {"pending_hours": 0.0}


def test_last_days_come_from_certificates_and_from_what_the_customer_wrote_down() -> None:
    certificates = [{"path": "/etc/a.pem", "not_after": "2027-01-20T12:00:00Z"}, {"path": "x", "not_after": "never"}]
    dates = (Ending(kind="licence", name="scanner", at=START + 3 * DAY),)
    sample, latest = take({"certificates": certificates}, None, START, dates)
    endings = trend_facts([sample], latest, START)["endings"]
    assert isinstance(endings, list)
    assert [(each["kind"], each["name"]) for each in endings] == [("certificate", "/etc/a.pem"), ("licence", "scanner")]
    assert endings[1]["days_left"] == 3.0


def test_a_clock_set_back_leaves_samples_of_the_future_out() -> None:
    samples, latest, now = played(2, lambda hour: {"filesystems": [disk(50.0)]})
    assert trend_facts(samples, latest, now - HOUR)["hours"] == 1.0
    assert trend_facts([], latest, now)["hours"] == 0.0


def test_whatever_the_facts_say_a_sample_stays_small() -> None:
    many = [{"template": f"kind {n}" + "x" * 999, "count": 1} for n in range(3 * MAX_TEMPLATES)]
    sample, latest = take({"log_digest": many, "services": [{"state": "failed"}] * 999}, None, START)
    assert len(sample.new_templates) == MAX_NEW
    assert len(latest.templates) == MAX_TEMPLATES
    assert all(len(each) <= 300 for each in sample.new_templates)
    odd: Facts = {"log_digest": "text", "filesystems": [1], "time_sync": [], "updates": None, "smart": {}}
    assert take(odd, None, START)[0].errors == 0
