"""What no bundle may hold: the whole catalog is collected for real, and every act and every byte is looked at."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote_assist.core.catalog.model import Catalog
from remote_assist.core.requests import Progress
from remote_assist.diagnostics import collectors_linux, collectors_macos
from remote_assist.diagnostics.bundle import read_bundle
from remote_assist.diagnostics.collect import collect_bundle
from remote_assist.diagnostics.never_collect import NEVER_IN_POWERSHELL, NEVER_OPENED, NEVER_RUN
from tests.diagnostics.conftest import now
from tests.diagnostics.real_target import RealTarget

DECOY = "decoy-Tr0ub4dor-ninety"


@pytest.fixture
def keeper_of_a_secret() -> Iterator[None]:
    """A process with a secret in its environment and another in its arguments."""
    argv = [sys.executable, "-c", "import time; time.sleep(60)", f"--token={DECOY}-argument"]
    process = subprocess.Popen(argv, env={**os.environ, "APP_TOKEN": f"{DECOY}-environment"})
    yield
    process.kill()
    process.wait()


@pytest.mark.usefixtures("keeper_of_a_secret")
async def test_the_full_bundle_opens_nothing_that_must_never_be_collected(catalog: Catalog, target: RealTarget) -> None:
    target.missing = {"du", "apt-get"}  # slow, and nothing this test asks about
    raw = bytearray()

    async def write(part: bytes) -> None:
        raw.extend(part)

    seen: list[Progress] = []
    await collect_bundle(catalog, "full", target, write=write, progress=seen.append, clock=now)
    opened = [path for act, *rest in target.log if act == "read" for path in rest]
    opened += [
        word for act, program, *words in (x for x in target.log if x[0] == "run") if program == "cat" for word in words
    ]
    assert len(opened) > 20
    assert [path for path in opened if NEVER_OPENED.search(path)] == []
    ran = [" ".join(words) for act, *words in target.log if act == "run"]
    assert [line for line in ran if NEVER_RUN.search(line)] == []
    bundle = read_bundle(bytes(raw))
    everything = str(bundle.facts) + str(bundle.texts)
    assert DECOY not in everything
    assert "PRIVATE KEY" not in everything


async def test_nothing_is_changed_by_looking(catalog: Catalog, target: RealTarget) -> None:
    target.missing = {"du", "apt-get"}

    async def write(part: bytes) -> None:
        pass

    await collect_bundle(catalog, "full", target, write=write, progress=lambda _: None, clock=now)
    assert {act for act, *_ in target.log} <= {"run", "read"}


def test_no_collector_names_a_path_of_the_list() -> None:
    folders = [Path(str(room.__file__)).parent for room in (collectors_linux, collectors_macos)]
    shown = "reads.py"  # the list that `preview` shows: names that are looked at, whether or not they are opened
    for file in (file for folder in folders for file in folder.glob("*.py") if file.name != shown):
        for literal in re.findall(r'"(/[^"\n]+)"', file.read_text()):
            assert not NEVER_OPENED.search(literal), f"{file.name}: {literal}"
    assert NEVER_OPENED.search("/proc/1/environ") and NEVER_OPENED.search("/etc/shadow")
    assert NEVER_OPENED.search("/home/alice/.mozilla/firefox/x/key4.db") and not NEVER_OPENED.search("/etc/passwd")


def test_catalog_commands_are_none_of_the_list(catalog: Catalog) -> None:
    for collector in catalog.collectors.values():
        for each in collector.implementations:
            if each.command is not None:
                line = " ".join(each.command.argv)
                assert not NEVER_RUN.search(line) and not NEVER_OPENED.search(line), collector.id
            assert not NEVER_IN_POWERSHELL.search(each.powershell), collector.id
