"""What an agent remembers of how its looks fared."""

from pathlib import Path

import pytest

from remote_assist.agent.look_history import LookHistory


def test_the_newest_run_of_each_collector_counts(tmp_path: Path) -> None:
    history = LookHistory(tmp_path)
    assert history.earlier() == {}
    history.remember({"cpu": (0.5, 100), "users": (0.1, 10)})
    history.remember({"cpu": (0.25, 90)})
    assert history.earlier() == {"cpu": (0.25, 90), "users": (0.1, 10)}


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"cpu": [-1, 5]}', b'{"cpu": ["x", 5]}', b'{"a": [1e999, 1]}', b"x" * 300_000]
)
def test_what_cannot_be_is_as_if_it_had_never_been(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "looks.json"
    path.write_bytes(raw)
    path.chmod(0o600)
    assert LookHistory(tmp_path).earlier() == {}
    LookHistory(tmp_path).remember({"cpu": (1.0, 1)})
    assert LookHistory(tmp_path).earlier() == {"cpu": (1.0, 1)}
