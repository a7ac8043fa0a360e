"""A full disk, on the customer's machine and at the relay: nothing acted, nothing lost, both told, and it goes on.

Real file systems, a megabyte or a few: mounted as root, else in a namespace of our own.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.refusals import Refusal, refusal, told_by_run, wait_until
from tests.scenarios.world import World, founded, served_world

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")]

MIB = 1 << 20
OWN_NAMESPACE = ["unshare", "-U", "-r", "-m"]
AGENT_FULL = "no room is left on the customer's machine to write the record, so nothing was done"
RELAY_FULL = "the relay's disk is full"


def mount(folder: Path, size: int) -> bool:
    """Make `folder` a file system of `size` bytes of its own; false when that is not allowed here."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    try:
        return subprocess.run(words, capture_output=True, timeout=20).returncode == 0
    except FileNotFoundError:
        return False


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, timeout=20)


@pytest.fixture(scope="module")
def may_mount(tmp_path_factory: pytest.TempPathFactory) -> bool:
    folder = tmp_path_factory.mktemp("try")
    allowed = mount(folder, MIB)
    if allowed:
        unmount(folder)
    return allowed


@pytest.fixture
def mounting(may_mount: bool) -> None:
    if not may_mount:
        pytest.skip("no file system may be mounted here; the last test of this file does it in a namespace")


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """`folder` with what is in it on a disk of its own."""
    aside = folder.with_name(folder.name + ".aside")
    folder.rename(aside)
    folder.mkdir(mode=0o700)
    assert mount(folder, size)
    try:
        for path in aside.iterdir():
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, folder / path.name)
        yield
    finally:
        unmount(folder)


def fill(folder: Path, *, leave: int = 0) -> Path:
    """Take all space but `leave` bytes; remove the answer to give it back."""
    filler = folder / "filler"
    found = os.statvfs(folder)
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        left = found.f_bavail * found.f_frsize - leave
        while left > 0:
            left -= file.write(bytes(min(left, MIB)))
        while not leave:
            file.write(bytes(512))
    return filler


def records(world: World, session: str) -> list[dict[str, str]]:
    """The session as the relay holds it."""
    return [json.loads(line) for line in world.command("audit", "show", session, "--json").stdout.splitlines()]


def test_a_full_disk_under_the_agents_journal(mounting: None, tmp_path: Path) -> None:
    home = tmp_path / "customer-home"
    home.mkdir(mode=0o700)
    with small_disk(home, MIB), served_world(tmp_path) as world:
        _, session, agent = world.session()
        filler = fill(home)
        marks = [tmp_path / f"mark{number}" for number in range(6)]
        for mark in marks:  # the last page of a file may still take a record or two, with their outcomes
            told = world.command("run", session, "--json", "--", "touch", str(mark), expect=None)
            if told.returncode:
                break
        refused = told_by_run(told)
        assert (refused["error"], refused["reason"], refused["cause"]) == (AGENT_FULL, "store-full", 3)
        assert not mark.exists()
        for words in (("get", session, "/etc/hostname", "."), ("put", session, "alice.pub", str(tmp_path / "org"))):
            assert refusal(world.command(*words, expect=3)) == Refusal(
                3, AGENT_FULL, "Free disk space there and try again."
            )
        assert not (tmp_path / "hostname").exists()
        assert not (tmp_path / "org" / "alice.pub").exists()
        assert f"refused: runs touch: {AGENT_FULL}" in world.log("agent.log")
        filler.unlink()
        world.command("run", session, "--", "touch", str(mark))
        assert mark.exists()
        fill(home)
        world.command("end", session, "--note", "The disk was full.")
        assert agent.wait(10) == 0
        assert ", ended, " in world.command("audit", "verify", session).stdout
        _check_nothing_is_lost(records(world, session), [one for one in marks if one.exists()])


def _check_nothing_is_lost(found: list[dict[str, str]], done: list[Path]) -> None:
    """Every act that left a mark has its intent and its outcome, and nothing else was begun."""
    codes = [record["code"] for record in found]
    assert codes.count("RA1400I") == codes.count("RA1400O") == len(done)
    assert [code for code in codes if code.endswith("I") and code != "RA1400I"] == []
    assert codes[-1] == "RA1990E"


def test_a_full_disk_under_the_relays_store(mounting: None, tmp_path: Path) -> None:
    world = World(tmp_path)
    shutil.copytree(founded(), tmp_path, dirs_exist_ok=True)
    data, mark, later = tmp_path / "relay-data", tmp_path / "mark", tmp_path / "later"
    with small_disk(data, 96 * MIB):
        try:
            world.serve()
            world.login()
            _, session, agent = world.session()
            typing = world.start("remote-assist", "run", "--stdin", session, log="run.log")
            assert typing.stdin is not None
            typing.stdin.write("true\n")
            typing.stdin.flush()
            wait_until(lambda: "runs true: done" in world.log("agent.log"))
            filler = fill(data, leave=12 * MIB)
            typing.stdin.write(f"touch {mark}\n")
            typing.stdin.flush()
            assert typing.wait(20) == 255
            said = "(the relay did not take the record: store-full|the relay's disk is full, so nothing was done)"
            assert re.search(said, world.log("run.log"))
            assert re.search(f"refused: runs touch: {said}", world.log("agent.log"))
            wait_until(lambda: "the relay's disk has no room left for the record" in world.log("agent.log"))
            for words in (("ls", session, "/"), ("tickets", "new", "--subject", "x"), ("end", session, "--note", "x")):
                told = refusal(world.command(*words, expect=3))
                assert told == Refusal(3, RELAY_FULL, "Ask the relay's operator to free disk space.")
            assert agent.poll() is None
            assert not mark.exists()
            filler.unlink()
            wait_until(
                lambda: "the relay's disk has little room left" in world.log("agent.log").rpartition("no room")[2]
            )
            world.command("run", session, "--", "touch", str(later))
            assert later.exists()
            world.command("end", session, "--note", "The relay's disk was full.")
            assert agent.wait(10) == 0
            assert ", ended, " in world.command("audit", "verify", session).stdout
            assert not mark.exists()
            codes = [record["code"] for record in records(world, session)]
            assert codes.count("RA1400I") == codes.count("RA1400O") + codes.count("RA1901E") >= 2
        finally:
            world.close()


def test_the_same_in_a_namespace_when_nothing_may_be_mounted_here(may_mount: bool, tmp_path: Path) -> None:
    if may_mount:
        pytest.skip("mounted directly")
    if subprocess.run([*OWN_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)], capture_output=True).returncode:
        pytest.skip("neither root nor a namespace of our own may mount a tmpfs here")
    words = [
        *OWN_NAMESPACE,
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        __file__,
        "-k",
        "full_disk",
    ]
    inside = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parent.parent.parent, timeout=110)
    assert inside.returncode == 0, inside.stdout
    assert "2 passed" in inside.stdout, inside.stdout
