"""What one machine saw of a log: only a continuation replaces it, anything else is kept as evidence and refused."""

import json
from pathlib import Path

import pytest

from remote_assist.audit.log_memory import LogContradiction, LogMemory, note_file, read_note
from remote_assist.core.messages import Acknowledgement
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.errors import VerificationError
from tests.audit.world import LOG, LOG_LINE, RELAY, Clock, Log, Tree, seed


def _tree(size: int, salt: str = "") -> Tree:
    log = Log(first_index=-1)
    given: list[Acknowledgement] = [
        log.sign("s-aaaaaaaaaaaaaaaa", seq, seed(f"{salt}{seq}").hex(), "2026-03-01T09:30:00.000000Z", seq)
        for seq in range(size)
    ]
    return Tree(given)


TREE = _tree(20)


@pytest.fixture
def memory(tmp_path: Path) -> LogMemory:
    return LogMemory(tmp_path, RELAY, [LOG_LINE], clock=Clock())


def _evidence(home: Path) -> list[Path]:
    return list((home / "evidence").glob("*.json")) if (home / "evidence").is_dir() else []


def test_nothing_was_seen_at_first(memory: LogMemory, tmp_path: Path) -> None:
    assert memory.last() is None
    assert read_note(tmp_path, RELAY) == ""


def test_a_log_that_grows_is_followed_and_the_file_is_private(memory: LogMemory, tmp_path: Path) -> None:
    memory.take(TREE.checkpoint(3), ())
    memory.take(TREE.checkpoint(3), ())
    memory.take(TREE.checkpoint(11), TREE.consistency(3, 11))
    assert read_note(tmp_path, RELAY) == TREE.checkpoint(11)
    assert note_file(tmp_path, RELAY).stat().st_mode & 0o777 == 0o600
    assert note_file(tmp_path, RELAY).parent.stat().st_mode & 0o777 == 0o700
    assert _evidence(tmp_path) == []


@pytest.mark.parametrize(
    ("note", "proof"),
    [
        (TREE.checkpoint(7), ()),
        (_tree(11, "x").checkpoint(11), ()),
        (_tree(15, "x").checkpoint(15), _tree(15, "x").consistency(11, 15)),
        (TREE.checkpoint(15), TREE.consistency(11, 16)),
        (TREE.checkpoint(15), ()),
    ],
    ids=["rolled back", "another tree of this size", "another history", "proof of another size", "no proof"],
)
def test_a_log_that_does_not_continue_is_refused_and_kept(
    memory: LogMemory, tmp_path: Path, note: str, proof: tuple[bytes, ...]
) -> None:
    memory.take(TREE.checkpoint(11), ())
    with pytest.raises(LogContradiction, match="contradicts") as caught:
        memory.take(note, proof)
    (kept,) = _evidence(tmp_path)
    assert str(kept) in caught.value.evidence and str(kept) in caught.value.advice
    assert kept.stat().st_mode & 0o777 == 0o600
    evidence = json.loads(kept.read_text())
    assert (evidence["seen"], evidence["shown"], evidence["relay"]) == (TREE.checkpoint(11), note, RELAY)
    assert read_note(tmp_path, RELAY) == TREE.checkpoint(11)


def test_a_note_of_another_key_is_no_evidence_and_changes_nothing(memory: LogMemory, tmp_path: Path) -> None:
    memory.take(TREE.checkpoint(3), ())
    with pytest.raises(VerificationError, match="another log"):
        memory.take(TREE.checkpoint(5, key=new_key(seed("other"))), TREE.consistency(3, 5))
    assert read_note(tmp_path, RELAY) == TREE.checkpoint(3)
    assert _evidence(tmp_path) == []


def test_a_log_key_that_the_ca_replaced_begins_a_log_anew(tmp_path: Path) -> None:
    LogMemory(tmp_path, RELAY, [LOG_LINE], clock=Clock()).take(TREE.checkpoint(3), ())
    key = new_key(seed("next"))
    later = LogMemory(tmp_path, RELAY, [public_line(key)], clock=Clock())
    assert later.last() is None
    assert later.take(TREE.checkpoint(1, key=key), ()).size == 1


def test_a_damaged_memory_is_said_not_passed_over(memory: LogMemory, tmp_path: Path) -> None:
    memory.take(TREE.checkpoint(3), ())
    path = note_file(tmp_path, RELAY)
    path.write_text(path.read_text().replace("\n3\n", "\n2\n"))
    with pytest.raises(VerificationError, match="damaged"):
        memory.last()
    assert public_line(LOG) == LOG_LINE


def test_two_programs_of_one_folder_that_look_at_once_do_not_contradict_each_other(
    memory: LogMemory, tmp_path: Path
) -> None:
    since = memory.take(TREE.checkpoint(3), ())
    memory.take(TREE.checkpoint(11), TREE.consistency(3, 11))  # the other program
    assert memory.take_since(since, TREE.checkpoint(7), TREE.consistency(3, 7)).size == 7
    assert memory.take_since(since, TREE.checkpoint(11), TREE.consistency(3, 11)).size == 11
    assert memory.take_since(since, TREE.checkpoint(15), TREE.consistency(3, 15)).size == 15
    assert read_note(tmp_path, RELAY) == TREE.checkpoint(11), "what was not proven from it does not replace it"
    assert _evidence(tmp_path) == []


def test_two_first_looks_at_once_do_not_contradict_each_other(memory: LogMemory, tmp_path: Path) -> None:
    memory.take(TREE.checkpoint(7), ())  # the other program
    assert memory.take_since(None, TREE.checkpoint(11), ()).size == 11
    assert memory.take_since(None, TREE.checkpoint(7), ()).size == 7
    assert read_note(tmp_path, RELAY) == TREE.checkpoint(7)
    assert _evidence(tmp_path) == []
    with pytest.raises(LogContradiction):
        memory.take_since(None, _tree(7, "x").checkpoint(7), ())


@pytest.mark.parametrize(
    ("note", "proof"),
    [
        (_tree(7, "x").checkpoint(7), _tree(7, "x").consistency(3, 7)),
        (TREE.checkpoint(7), ()),
        (_tree(11, "x").checkpoint(11), TREE.consistency(3, 11)),
    ],
    ids=["another history", "no proof", "another tree of the size seen meanwhile"],
)
def test_looking_at_once_excuses_no_lie(memory: LogMemory, tmp_path: Path, note: str, proof: tuple[bytes, ...]) -> None:
    since = memory.take(TREE.checkpoint(3), ())
    memory.take(TREE.checkpoint(11), TREE.consistency(3, 11))
    with pytest.raises(LogContradiction):
        memory.take_since(since, note, proof)
    assert read_note(tmp_path, RELAY) == TREE.checkpoint(11)
    assert len(_evidence(tmp_path)) == 1
