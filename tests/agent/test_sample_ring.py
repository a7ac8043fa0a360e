"""The ring keeps a bounded number of samples, privately, and outlives a death in mid-write."""

import stat
from pathlib import Path

import pytest

from remote_assist.agent import sample_ring
from remote_assist.agent.sample_ring import SampleRing
from remote_assist.core.watching.samples import DiskLevel, Latest, Sample
from remote_assist.errors import AuditUnavailable


def sample(at: float) -> Sample:
    return Sample(at=at, disks=(DiskLevel("/", 50.0, 1.0),))


def test_what_was_added_is_there_after_a_restart_and_private(tmp_path: Path) -> None:
    SampleRing(tmp_path).add(sample(1.0), Latest(began=1.0, at=1.0))
    assert SampleRing(tmp_path).samples() == [sample(1.0)]
    assert SampleRing(tmp_path).latest() == Latest(began=1.0, at=1.0)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "watch").iterdir()}
    assert set(modes.values()) == {0o600}


def test_the_ring_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_ring, "MAX_SAMPLES", 3)
    ring = SampleRing(tmp_path)
    for number in range(11):
        ring.add(sample(float(number)), Latest(began=0.0, at=float(number)))
    assert [each.at for each in ring.samples()] == [8.0, 9.0, 10.0]
    assert (tmp_path / "watch" / "ring.jsonl").read_bytes().count(b"\n") <= 6


def test_a_line_cut_short_and_damaged_files_cost_the_past_only(tmp_path: Path) -> None:
    ring = SampleRing(tmp_path)
    ring.add(sample(1.0), Latest(began=1.0, at=1.0))
    with (tmp_path / "watch" / "ring.jsonl").open("ab") as file:
        file.write(b'{"at":2.0,"di')
    ring.add(sample(3.0), Latest(began=1.0, at=3.0))
    assert [each.at for each in ring.samples()] == [1.0, 3.0]
    (tmp_path / "watch" / "latest.json").write_bytes(b"[" * 5000)
    assert ring.latest() is None
    assert ring.facts(4.0) is None


def test_without_samples_there_are_no_facts_and_no_alarms(tmp_path: Path) -> None:
    assert SampleRing(tmp_path).facts(1.0) is None
    assert SampleRing(tmp_path).alarms() == {}


def test_a_place_that_cannot_be_written_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "watch").write_text("in the way")
    with pytest.raises(Exception, match="watch") as caught:
        SampleRing(tmp_path).add(sample(1.0), Latest(began=1.0, at=1.0))
    assert not isinstance(caught.value, OSError | AuditUnavailable)
