"""The verbs of fixes beside writing and services: moved, deleted, kept, asked about, restarted; each taken back."""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from remote_assist.core.catalog.model import Step
from remote_assist.core.target import Command, Completed
from remote_assist.diagnostics.fixes import FixResult, apply_plan, undo_fix
from remote_assist.diagnostics.look import Look
from remote_assist.diagnostics.planned import Surroundings
from remote_assist.diagnostics.steps import plan_step
from remote_assist.diagnostics.verifying import Restarted
from remote_assist.errors import ContentError, RefusedError
from tests.diagnostics.conftest import Journal, now
from tests.diagnostics.real_target import RealTarget
from tests.diagnostics.test_steps import Fixing, write

NEVER = 'params.keep == "never"'


@pytest.fixture
def fixing(tmp_path: Path, target: RealTarget, journal: Journal) -> Fixing:
    return Fixing(tmp_path, target, journal)


async def done(fixing: Fixing, steps: str, verify: str = "true") -> FixResult:
    prepared = await fixing.plan(steps, verify)
    assert prepared.plan.runnable, prepared.plan.why_not
    return await apply_plan(prepared, fixing.target, progress=lambda _: None, undo=fixing.journal)


def move(path: Path, to: Path) -> str:
    return f"  - {{name: aside, file.move: {{from: '{path}', to: '{to}'}}}}\n"


def delete(path: Path, more: str = "") -> str:
    return f"  - {{name: delete, file.delete: {{path: {path}}}{more}}}\n"


async def test_a_folder_is_set_aside_and_comes_back_when_it_did_not_help(fixing: Fixing) -> None:
    cache = fixing.folder / "cache"
    cache.mkdir()
    (cache / "x").write_text("kept")
    result = await done(fixing, move(cache, fixing.folder / "cache.old"), NEVER)
    assert result.status == "rolled-back"
    assert (cache / "x").read_text() == "kept"
    assert not (fixing.folder / "cache.old").exists()


async def test_what_is_set_aside_may_be_named_by_the_run_and_stays_there(fixing: Fixing) -> None:
    fixing.file.write_text("old")
    result = await done(fixing, move(fixing.file, fixing.folder / "app.{run.id}"))
    assert result.status == "resolved"
    (aside,) = fixing.folder.glob("app.2*")
    assert aside.read_text() == "old"


async def test_nothing_is_moved_over_something_or_out_of_nothing(fixing: Fixing) -> None:
    fixing.file.write_text("old")
    (fixing.folder / "there").write_text("mine")
    assert "is there already" in (await fixing.plan(move(fixing.file, fixing.folder / "there"))).plan.why_not
    assert "no file or folder" in (await fixing.plan(move(fixing.folder / "no", fixing.folder / "x"))).plan.why_not


async def test_a_move_is_not_taken_back_over_what_came_meanwhile(fixing: Fixing) -> None:
    fixing.file.write_text("old")
    await done(fixing, move(fixing.file, fixing.folder / "aside"))
    fixing.file.write_text("new")
    result = await undo_fix(fixing.journal.records, fixing.target, progress=lambda _: None, clock=now)
    assert result.status == "failed"
    assert fixing.file.read_text() == "new"


async def test_a_deleted_file_comes_back_with_its_bytes_mode_and_owner(fixing: Fixing) -> None:
    fixing.file.write_bytes(b"\x00old\xff")
    fixing.file.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(fixing.file, 1234, 2345)
    before = fixing.file.stat()
    assert (await done(fixing, delete(fixing.file))).status == "resolved"
    assert not fixing.file.exists()
    await undo_fix(fixing.journal.records, fixing.target, progress=lambda _: None, clock=now)
    after = fixing.file.stat()
    assert fixing.file.read_bytes() == b"\x00old\xff"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


async def test_a_large_file_is_deleted_only_where_the_step_says_it_cannot_come_back(fixing: Fixing) -> None:
    fixing.file.write_bytes(bytes(2 << 20))
    assert "at most" in (await fixing.plan(delete(fixing.file))).plan.why_not
    result = await done(fixing, delete(fixing.file, ", irreversible: it is only a cache"), NEVER)
    assert result.status == "failed"
    assert "delete cannot be undone" in result.sentence


async def test_a_snapshot_brings_back_files_links_and_folders_and_takes_away_what_came(fixing: Fixing) -> None:
    kept = fixing.folder / "conf"
    (kept / "deep").mkdir(parents=True)
    (kept / "deep" / "a").write_text("a")
    (kept / "b").write_text("b")
    (kept / "link").symlink_to("deep/a")
    script = fixing.folder / "change"
    script.write_text(f"#!/bin/sh\nrm -r {kept}/deep\necho other > {kept}/b\nrm {kept}/link\n> {kept}/new\nexit 0\n")
    script.chmod(0o755)
    steps = (
        f"  - {{name: keep, file.snapshot: {{paths: [{kept}, {fixing.folder}/none]}}}}\n"
        f"  - {{name: change, command: {{argv: [{script}]}}, check: skip, undo: snapshot}}\n"
    )
    result = await done(fixing, steps, NEVER)
    assert result.status == "rolled-back", result
    assert (kept / "deep" / "a").read_text() == "a"
    assert (kept / "b").read_text() == "b"
    assert (kept / "link").readlink() == Path("deep/a")
    assert not (kept / "new").exists()


async def test_a_snapshot_keeps_so_much_and_no_more(fixing: Fixing) -> None:
    for number in range(5):
        (fixing.folder / f"big{number}").write_bytes(bytes(1 << 20))
    steps = f"  - {{name: keep, file.snapshot: {{paths: [{fixing.folder}]}}}}\n"
    assert "keeps at most" in (await fixing.plan(steps)).plan.why_not


async def test_two_steps_may_not_change_the_same_file(fixing: Fixing) -> None:
    fixing.file.write_text("old")
    plan = (await fixing.plan(write(fixing.file) + delete(fixing.file))).plan
    assert "two steps change" in plan.why_not


async def test_the_customer_is_asked_at_the_machine_and_a_no_undoes_the_fix(fixing: Fixing) -> None:
    asked: list[str] = []

    async def no(question: str) -> bool:
        asked.append(question)
        return False

    steps = write(fixing.file) + "  - {name: look, ask: {text: 'Does it print with {params.keep}?'}}\n"
    assert "nobody can be asked" in (await fixing.plan(steps)).plan.why_not
    prepared = await fixing.plan(steps, can_ask=True)
    assert prepared.plan.steps[1].after == "asks there: Does it print with 10M?"
    result = await apply_plan(prepared, fixing.target, progress=lambda _: None, undo=fixing.journal, ask=no)
    assert asked == ["Does it print with 10M?"]
    assert (result.status, fixing.file.exists()) == ("rolled-back", False)


class Unstoppable(RealTarget):
    """A machine that is told to restart and does not."""

    async def run(self, command: Command) -> Completed:
        if command.argv[0] in {"systemctl", "shutdown"}:
            self.log.append(("run", *command.argv))
            return Completed(0, b"", b"", 0.0)
        return await super().run(command)


async def test_a_restart_comes_last_and_is_verified_by_the_next_start(fixing: Fixing) -> None:
    fixing.target = Unstoppable()
    steps = write(fixing.file) + "  - {name: restart, reboot: {}}\n"
    assert "needs root" in (await fixing.plan(steps)).plan.why_not
    prepared = await fixing.plan(steps, 'params.keep == "10M"', elevated=True)
    result = await apply_plan(prepared, fixing.target, progress=lambda _: None, undo=fixing.journal)
    assert result.status == "restarting"
    assert fixing.target.log[-1][-2:] in {("-r", "now"), ("systemctl", "reboot")}
    restarted = Restarted.of(fixing.journal.records)
    assert restarted is not None
    assert not await restarted.is_over(fixing.target), "this machine has not restarted"
    assert await restarted.why_not(prepared.catalog, fixing.target, now, "") == ""
    other = fixing.catalog(write(fixing.file))
    with pytest.raises(RefusedError, match="not the one of before"):
        await restarted.why_not(other, fixing.target, now, "")


def test_a_step_after_a_restart_and_a_snapshot_too_late_are_problems_of_the_file(fixing: Fixing) -> None:
    with pytest.raises(ContentError, match="must be the last step"):
        fixing.catalog("  - {name: restart, reboot: {}}\n" + write(fixing.file))
    with pytest.raises(ContentError, match="no step before it makes a snapshot"):
        fixing.catalog("  - {name: c, command: {argv: ['true']}, check: skip, undo: snapshot}\n")


# --- what may never run -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        "systemctl, stop, x11vnc.service",
        "systemctl, restart, tailscaled",
        "systemctl, disable, sshd.socket",
        "killall, Xvnc",
        "pkill, remote-assist",
        "service, NetworkManager, stop",
        "env, systemctl, stop, sshd",
        "sh, -c, 'systemctl stop sshd'",
        "shutdown, now",
        "kill, '1'",
    ],
)
async def test_no_command_cuts_the_customer_or_the_technician_off(fixing: Fixing, argv: str) -> None:
    steps = f"  - {{name: cut, command: {{argv: [{argv}]}}, check: skip, undo: none}}\n"
    assert not (await fixing.plan(steps, elevated=True)).plan.runnable


async def test_the_agent_itself_is_not_killed_by_its_number(fixing: Fixing) -> None:
    steps = f"  - {{name: cut, command: {{argv: [kill, '{os.getpid()}']}}, check: skip, undo: none}}\n"
    assert "remote access" in (await fixing.plan(steps, elevated=True)).plan.why_not


# --- the file that was looked at is the file that is changed ----------------------------------------


@pytest.mark.parametrize("swap", ["another file", "a link", "nothing"])
@pytest.mark.parametrize("make", [write, delete], ids=["write", "delete"])
async def test_a_file_swapped_between_the_look_and_the_change_is_left_alone(
    fixing: Fixing, swap: str, make: Callable[[Path], str]
) -> None:
    fixing.file.write_text("mine\n")
    victim = fixing.folder / "victim"
    victim.write_text("precious\n")
    prepared = await fixing.plan(make(fixing.file))
    target = _Swapping(fixing.file, victim, swap)
    result = await apply_plan(prepared, target, progress=lambda _: None, undo=fixing.journal)
    assert result.status != "resolved"
    assert victim.read_text() == "precious\n"
    assert not fixing.file.is_symlink() or fixing.file.readlink() == victim


class _Swapping(RealTarget):
    """Swaps the file at the last moment: after every check of the plan, right before the change."""

    def __init__(self, file: Path, victim: Path, swap: str) -> None:
        super().__init__()
        self.swap = partial(_swap, file, victim, swap)

    async def replace_file(
        self, path: str, content: bytes, *, mode: int, owner: tuple[int, int] | None = None, seen: str | None = None
    ) -> None:
        if seen:
            self.swap()
        await super().replace_file(path, content, mode=mode, owner=owner, seen=seen)

    async def remove_file(self, path: str, *, seen: str | None = None) -> None:
        if seen:
            self.swap()
        await super().remove_file(path, seen=seen)


def _swap(file: Path, victim: Path, swap: str) -> None:
    file.unlink()
    if swap == "a link":
        file.symlink_to(victim)
    elif swap == "another file":
        file.write_text("another\n")


@pytest.mark.slow
async def test_links_raced_into_the_way_never_carry_a_fix_elsewhere(fixing: Fixing) -> None:
    """Somebody who owns the folder swaps file, link and folder all the time; what they point at stays as it is."""
    outside = fixing.folder / "outside"
    outside.mkdir()
    victim = outside / "app.conf"
    victim.write_text("precious\n")
    inside = fixing.folder / "inside"
    inside.mkdir()
    file = inside / "app.conf"
    file.write_text("mine\n")
    racing = asyncio.create_task(asyncio.to_thread(_race, fixing.folder, inside, file, victim))
    outcomes: set[str] = set()
    while not racing.done():
        try:
            prepared = await fixing.plan(write(file))
            if prepared.plan.runnable:
                result = await apply_plan(prepared, fixing.target, progress=lambda _: None, undo=fixing.journal)
                outcomes.add(result.status)
        except (RefusedError, FileNotFoundError):
            outcomes.add("refused")
    await racing
    assert outcomes
    assert victim.read_text() == "precious\n"
    assert sorted(path.name for path in outside.iterdir()) == ["app.conf"]


def _race(folder: Path, inside: Path, file: Path, victim: Path) -> None:
    for number in range(300):
        if number % 2:
            link = folder / f"l{number}"
            link.symlink_to(victim)
            link.rename(file)
        else:
            fresh = folder / f"f{number}"
            fresh.write_text("mine\n")
            fresh.rename(file)
        if number % 5 == 0:
            inside.rename(folder / "away")
            inside.symlink_to(victim.parent)
            inside.unlink()
            (folder / "away").rename(inside)


async def test_a_command_with_a_dry_run_that_cannot_be_started_blocks_the_plan(target: RealTarget) -> None:
    target.missing = {"no-such-program"}
    look = Look(target, now=now())
    step = Step("x", "command", {"argv": ("true",), "env": {}, "timeout": 1.0}, check=("no-such-program",))
    planned = await plan_step(step, Surroundings(look, {}, elevated=False, needs_root=False))
    assert "no-such-program" in planned.blocked
