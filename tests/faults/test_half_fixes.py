"""A fix killed at every boundary of journal and verbs: what changed is asked about at the next start, and undone."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper"), pytest.mark.timeout(660)]


def swept(folder: Path, every: int) -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.faults.half_fix", str(folder), str(every)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def check(told: dict[str, Any]) -> None:
    assert told["wrong"] == []
    assert told["boundaries"] >= 25
    assert {"cache.old/x", "lock", "mark", "new.conf", "tree/deep/y"} <= set(told["changed"]), "the fix did little"
    assert told["asked"] > told["runs"] / 2


@pytest.mark.slow
def test_a_fix_killed_at_some_boundaries_is_undone_whole(tmp_path: Path) -> None:
    check(swept(tmp_path, 6))


@pytest.mark.slow
@pytest.mark.full
def test_a_fix_killed_at_every_boundary_is_undone_whole(tmp_path: Path) -> None:
    check(swept(tmp_path, 1))
