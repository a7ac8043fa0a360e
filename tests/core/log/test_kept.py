"""What a session keeps: told by its records alone, gaps included."""

from remote_assist.core.log.kept import BUNDLE, RECORDING, kept_in
from remote_assist.core.records import Actor, Outcome, Record


def record(code: str, seq: int, **fields: object) -> Record:
    place = {
        "session": "s-abcdefghijklmnop",
        "seq": seq,
        "prev": "1" * 64,
        "time": f"2026-03-01T09:30:{seq:02}.000000Z",
    }
    return Record(code=code, actor=Actor(kind="agent"), **place, **fields)  # type: ignore[arg-type]  # a test's table


def chunk(seq: int, number: int, name: str = "a1", code: str = "RA1410E") -> Record:
    return record(code, seq, action=name, recording=name, stored="a" * 64, sizes={"chunk": number, "bytes": 10})


INTENT = record("RA1401I", 1, action="a1", program="bash")


def outcome(seq: int, chunks: int) -> Record:
    return record("RA1401O", seq, action="a1", recording="a1", sizes={"chunks": chunks}, outcome=Outcome(status="done"))


def test_a_recording_is_whole_when_its_outcome_says_as_many_chunks_as_there_are() -> None:
    (kept,) = kept_in([INTENT, chunk(2, 0), chunk(3, 1), outcome(4, 2)])
    assert (kept.name, kept.kind, kept.what, kept.began) == ("a1", RECORDING, "bash", INTENT.time)
    assert (kept.count, kept.size, kept.missing) == (2, 20, ())


def test_a_gap_shows_in_the_middle_and_at_the_end() -> None:
    (kept,) = kept_in([INTENT, chunk(2, 0), chunk(3, 2), outcome(4, 4)])
    assert kept.missing == (1, 3)


def test_an_action_without_outcome_is_open() -> None:
    (kept,) = kept_in([INTENT, chunk(2, 1)])
    assert (kept.count, kept.missing) == (None, (0,))


def test_bundles_are_named_by_their_catalog_item_and_chunks_without_an_intent_by_nothing() -> None:
    first, second = kept_in(
        [record("RA1100I", 1, action="a2", catalog="first-look@1"), chunk(2, 0, "a2", "RA1411E"), chunk(3, 0, "a9")]
    )
    assert (first.kind, first.what) == (BUNDLE, "first-look@1")
    assert (second.kind, second.what) == (RECORDING, "")


def test_an_outcome_without_chunks_is_an_empty_recording() -> None:
    (kept,) = kept_in([INTENT, outcome(2, 0)])
    assert (kept.count, kept.size, kept.missing) == (0, 0, ())


def test_files_are_named_by_their_path() -> None:
    (kept,) = kept_in([record("RA1201I", 1, action="a3", paths=("/etc/hosts",)), chunk(2, 0, "a3", "RA1412E")])
    assert (kept.kind, kept.what) == ("file", "/etc/hosts")
    many = record("RA1210I", 1, action="a3", paths=("/etc/hosts", "/etc/fstab", "/etc/motd"))
    (kept,) = kept_in([many, chunk(2, 0, "a3", "RA1412E")])
    assert kept.what == "/etc/hosts and 2 more"
