"""A log of any size by offsets: lines forward and back, words found once a line, endless lines cut."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.errors import ContentError
from remote_assist.technician import log_file
from remote_assist.technician.log_file import MAX_LINE_BYTES, LogFile

TEXT = b"first line\nsecond Port 80 line\n\nfourth port 80, port 81\nlast without end"


def all_hits(log: LogFile, word: str) -> list[int]:
    return [hit for step in log.search(word, lambda: False) for hit in step.hits]


def test_lines_are_read_from_an_offset_and_counted_back() -> None:
    log = LogFile("x", TEXT)
    lines = log.lines(0, 10)
    assert [line for _, line in lines] == TEXT.split(b"\n")
    assert log.lines(lines[1][0], 1) == [lines[1]]
    assert log.back(lines[3][0], 2) == lines[1][0]
    assert log.back(lines[1][0], 99) == 0
    assert log.line_start(lines[3][0] + 5) == lines[3][0]


@given(st.lists(st.binary(max_size=40).filter(lambda raw: b"\n" not in raw), min_size=1, max_size=30))
def test_going_back_undoes_going_forward(lines: list[bytes]) -> None:
    log = LogFile("x", b"\n".join(lines) + b"\n")
    read = log.lines(0, 100)
    assert [line for _, line in read] == lines
    for number, (offset, _) in enumerate(read):
        assert log.back(offset, number) == 0
        assert log.line_start(offset) == offset


def test_a_word_in_small_letters_is_found_in_any_case_and_once_a_line() -> None:
    log = LogFile("x", TEXT)
    starts = [offset for offset, _ in log.lines(0, 10)]
    assert all_hits(log, "port 80") == [starts[1], starts[3]]
    assert all_hits(log, "Port") == [starts[1]]
    assert all_hits(log, "not there") == all_hits(log, "") == []


def test_a_word_across_two_pieces_is_found_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "PIECE_BYTES", 7)
    log = LogFile("x", TEXT)
    starts = [offset for offset, _ in log.lines(0, 10)]
    assert all_hits(log, "port 8") == [starts[1], starts[3]]
    assert [step.done for step in log.search("x", lambda: False)][-1] == len(TEXT)


def test_a_search_ends_when_it_is_told_to_or_has_found_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogFile("x", b"a\n" * 1000)
    assert list(log.search("a", lambda: True)) == []
    monkeypatch.setattr(log_file, "MAX_HITS", 10)
    assert len(all_hits(log, "a")) == 10


def test_an_endless_line_is_shown_in_pieces() -> None:
    log = LogFile("x", b"a" * (3 * MAX_LINE_BYTES) + b"b\nc")
    assert [len(line) for _, line in log.lines(0, 9)] == [MAX_LINE_BYTES] * 3 + [1, 1]
    assert all_hits(log, "b")


def test_a_file_is_mapped_and_an_empty_or_missing_one_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(TEXT)
    with LogFile.open(tmp_path / "log") as log:
        assert (log.name, log.size, log.lines(0, 1)) == ("log", len(TEXT), [(0, b"first line")])
    (tmp_path / "empty").touch()
    with LogFile.open(tmp_path / "empty") as log:
        assert log.lines(0, 5) == [] and log.back(0, 3) == 0
    with pytest.raises(ContentError):
        LogFile.open(tmp_path / "none")
