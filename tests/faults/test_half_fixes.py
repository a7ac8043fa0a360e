"""A fix killed at every boundary of journal and verbs: what changed is asked about at the next start, and undone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.diagnostics.test_mended import FIRST, WORDS
from tests.diagnostics.test_provoked import NAMESPACES, ROOT, _possible

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs a subreaper"),
    pytest.mark.timeout(660),
]

OWN_PACKAGES = WORDS + 'apart; deb ra-one 1; repo; exec "$@"'


def swept(folder: Path, every: int, ground: str = "files", around: tuple[str, ...] = ()) -> dict[str, Any]:
    argv = [*around, sys.executable, "-m", "tests.faults.half_fix", str(folder), str(every), ground]
    environment = {**os.environ, "D": str(folder), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["wrong"] == []
    assert told["asked"] >= 9, "most were killed before anything changed"
    return told


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.full)], ids=["some", "all"])
def test_a_fix_killed_at_its_boundaries_is_undone_whole(tmp_path: Path, every: int) -> None:
    told = swept(tmp_path, every)
    assert told["boundaries"] >= 25
    assert {"cache.old/x", "lock", "mark", "new.conf", "tree/deep/y"} <= set(told["changed"]), "the fix did little"


@pytest.mark.full
def test_services_of_a_fix_killed_at_every_boundary_are_as_before(tmp_path: Path) -> None:
    assert swept(tmp_path, 1, "services")["changed"] == ["holder", "wanted"]


@pytest.mark.full
@pytest.mark.skipif(not _possible() or not shutil.which("apt-get"), reason="needs root, namespaces and apt")
def test_a_package_of_a_fix_killed_at_every_boundary_is_gone_again(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    around = (*NAMESPACES, *FIRST, "sh", "-euc", OWN_PACKAGES, "sh")
    assert swept(tmp_path, 1, "packages", around)["changed"] == ["ra-one"]
