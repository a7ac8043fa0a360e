"""When a checkpoint goes to a witness, how tries are spaced, and what the log says."""

import hashlib
from datetime import UTC, datetime, timedelta

from remote_assist.core.log.anchoring import (
    ANCHOR_FAILED,
    ANCHORED,
    Schedule,
    Standing,
    anchored_draft,
    failed_draft,
)
from remote_assist.core.record_codes import ORGANISATION_WRITERS

DAILY = Schedule(every_seconds=86400, retry_seconds=60, retry_most_seconds=600)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def after(**time: float) -> datetime:
    return NOON + timedelta(**time)


def test_the_first_checkpoint_is_due_at_once_and_the_next_in_a_day() -> None:
    assert Standing().is_due(DAILY, NOON)
    held = Standing().succeeded(7, NOON)
    assert (held.size, held.failures, held.fault) == (7, 0, "")
    assert not held.is_due(DAILY, after(hours=23.9))
    assert held.is_due(DAILY, after(hours=24))
    assert held.age_seconds(after(hours=1)) == 3600
    assert Standing().age_seconds(NOON) is None


def test_failed_tries_are_repeated_later_and_later_up_to_a_bound() -> None:
    standing, waits = Standing().succeeded(7, NOON), []
    for _ in range(6):
        standing = standing.failed("it is closed", NOON)
        due = standing.due(DAILY)
        assert due is not None
        waits.append((due - NOON).total_seconds())
    assert waits == [60, 120, 240, 480, 600, 600]
    assert standing.size == 7, "what the witness has is still known"
    assert not standing.is_due(DAILY, after(seconds=599))
    assert standing.is_due(DAILY, after(seconds=600))
    assert standing.succeeded(9, NOON).failures == 0


def test_a_clock_that_was_set_back_makes_no_witness_wait() -> None:
    assert Standing().succeeded(7, after(days=300)).is_due(DAILY, NOON)
    assert Standing().failed("closed", after(days=300)).is_due(DAILY, NOON)
    assert Standing().succeeded(7, after(days=300)).age_seconds(NOON) == 0


def test_an_outage_is_told_once() -> None:
    standing = Standing(asked="word")
    for _ in range(2):
        standing = standing.failed("closed", NOON)
        assert not standing.is_to_be_told
    standing = standing.failed("closed", NOON)
    assert standing.is_to_be_told
    assert standing.asked == "word"


def test_the_records_say_who_and_what_and_only_the_relay_may_write_them() -> None:
    draft = anchored_draft(
        "tsa", "rfc3161", receiver="tsa.example.com", note="note", size=5, receipt=b"r", stamped="2026"
    )
    assert (draft.code, draft.about, draft.sizes) == (ANCHORED, "anchor tsa", {"size": 5})
    assert draft.details == {
        "kind": "rfc3161",
        "receiver": "tsa.example.com",
        "checkpoint": hashlib.sha256(b"note").hexdigest(),
        "receipt": hashlib.sha256(b"r").hexdigest(),
        "stamped": "2026",
    }
    plain = anchored_draft("a", "url", receiver="w.example.com", note="note", size=5, receipt=b"")
    assert "stamped" not in plain.details
    told = failed_draft("tsa", Standing(failures=3))
    assert (told.code, told.details) == (ANCHOR_FAILED, {"failures": "3", "last": "never"})
    assert ORGANISATION_WRITERS[ANCHORED] == ORGANISATION_WRITERS[ANCHOR_FAILED] == {"relay"}
