"""The README's session, run as it stands, under plain and under strict bash."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scenarios.world import free_port

HERE = Path(__file__).parent
SCRIPT = HERE / "session.sh"
ROOT = HERE.parent.parent

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a bash script")


def test_the_script_is_the_one_of_the_readme() -> None:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert SCRIPT.read_text() in blocks


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [pytest.param([], id="bash", marks=pytest.mark.full), pytest.param(["-euo", "pipefail"], id="bash -euo pipefail")],
)
def test_the_script_works_as_it_stands(tmp_path: Path, options: list[str]) -> None:
    script = SCRIPT.read_text().replace("8470", str(free_port()))
    log = Path("/var/log/dpkg.log")
    if not os.access(log, os.R_OK):
        log = tmp_path / "some.log"
        log.write_text("2026-03-01 installed apache2\n")
        script = script.replace("/var/log/dpkg.log", str(log))
    before = log.stat().st_size
    program = subprocess.Popen(
        ["bash", *options, "-c", script],
        cwd=tmp_path,
        env=_environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, errors = program.communicate(timeout=100)
    finally:
        _end_group(program.pid)
    assert program.returncode == 0, out + errors
    _check(out, tmp_path, log, before)


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REMOTE_ASSIST")}
    return {**kept, "HOME": str(folder), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def _check(out: str, folder: Path, log: Path, size_before: int) -> None:
    kernel = os.uname()
    assert f"{kernel.sysname} {kernel.nodename} {kernel.release}" in out
    assert (folder / "bundle.tar.zst").stat().st_size > 1000
    got = (folder / "got" / log.name).read_bytes()
    assert len(got) >= size_before
    assert log.read_bytes().startswith(got)
    assert "Port 80 was taken; freed and verified." in out
    assert re.search(r"^s-[a-z2-7]{16}  verified: \d+ records, ended", out, re.MULTILINE)
    for line in out.splitlines():
        if line.startswith("{"):
            assert json.loads(line)["outcome"] in {"fail", "warn", "unknown"}
    [session] = (folder / "alice-home" / "sessions").iterdir()
    assert not (session / "session_key").exists()
    assert not (session / "resume").exists()
    assert (session / "acks.jsonl").exists()


def _end_group(process_id: int) -> None:
    try:
        os.killpg(process_id, signal.SIGKILL)
    except ProcessLookupError:
        return
