"""Reviews: the sample is drawn by the log and by nobody, and what is signed says who, when and what it means."""

import hashlib

import pytest
from msgspec.structs import replace

from remote_assist.audit.review import DRAW_EVERY, MAX_NOTE_CHARS, MEANINGS, Reviewed, draw_size, is_drawn, review_of
from remote_assist.core.records import Actor, Record, SignedText
from remote_assist.errors import UsageError

SESSION = "s-" + "a" * 16
REVIEWED = Reviewed(
    log="remote-assist/log/x",
    session=SESSION,
    records=10,
    head="1" * 64,
    ticket="T-7",
    name="Rita Example",
    key="SHA256:x",
    time="2026-03-01T09:30:00.000000Z",
    meaning="reviewed",
)


def record(text: str, about: str = SESSION) -> Record:
    return Record(
        session="o-" + "a" * 16,
        seq=1,
        prev="1" * 64,
        time="2026-03-01T09:30:00.000000Z",
        code="RA2001E",
        actor=Actor(kind="reviewer", key="SHA256:x", serial=9),
        about=about,
        signed=SignedText(purpose="review", text=text, signature="x"),
    )


def test_the_sample_follows_from_the_root_alone_and_is_about_as_large_as_asked() -> None:
    root = hashlib.sha256(b"root").digest()
    names = [f"s-{number:016d}" for number in range(2000)]
    drawn = [name for name in names if is_drawn(name, root, 10)]
    assert drawn == [name for name in names if is_drawn(name, root, 10)]
    assert 140 < len(drawn) < 260
    assert drawn != [name for name in names if is_drawn(name, hashlib.sha256(b"other").digest(), 10)]
    assert set(drawn) <= {name for name in names if is_drawn(name, root, 50)}
    assert all(is_drawn(name, root, 100) for name in names)


def test_a_session_is_drawn_by_records_that_came_after_it() -> None:
    for last in range(100):
        size = draw_size(last)
        assert size > last and size % DRAW_EVERY == 0 and size - last <= DRAW_EVERY


@pytest.mark.parametrize("meaning", MEANINGS)
def test_what_is_signed_reads_back(meaning: str) -> None:
    said = Reviewed(**{name: getattr(REVIEWED, name) for name in REVIEWED.__slots__} | {"meaning": meaning})
    found = review_of(record(said.text()), "Rita Example")
    assert found is not None
    assert (found.session, found.meaning, found.name, found.records) == (SESSION, meaning, "Rita Example", 10)


def test_a_review_in_anothers_name_or_of_another_session_is_none() -> None:
    text = REVIEWED.text()
    assert review_of(record(text), "Mallory Example") is None
    assert review_of(record(text, about="s-" + "b" * 16), "Rita Example") is None
    assert review_of(record("remote-assist/1 review\n"), "Rita Example") is None
    assert review_of(replace(record(text), code="RA2010E"), "Rita Example") is None


@pytest.mark.parametrize("change", [{"meaning": "liked"}, {"note": "two\nlines"}, {"note": "x" * (MAX_NOTE_CHARS + 1)}])
def test_what_cannot_be_signed_is_refused(change: dict[str, str]) -> None:
    values = {name: getattr(REVIEWED, name) for name in REVIEWED.__slots__}
    with pytest.raises(UsageError):
        Reviewed(**{**values, **change}).text()
