"""The list the customer sees is complete: whatever a collector runs or reads is on it."""

import asyncio
import os
from datetime import UTC, datetime

import pytest

from remote_assist.core.catalog.model import Catalog
from remote_assist.core.target import Command, Completed, FileStatus
from remote_assist.diagnostics.builtins import BUILTINS
from remote_assist.diagnostics.bundle import read_bundle
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.collect import collect_bundle
from remote_assist.diagnostics.look import Look
from remote_assist.diagnostics.preview import BUILTIN_READS, checked_items, is_listed, preview, reads_of
from remote_assist.errors import AssistError, UsageError
from remote_assist.transport.local_target import LocalTarget

ENDLESS = {"big_folders", "pending_updates"}
"""What these do they do at once; the rest is waiting."""

LINUX = sorted(name for platform, name in BUILTINS if platform == "linux")


class Watched:
    """This machine, and everything that was done to it. Implements core.target.Target."""

    platform = "linux"

    def __init__(self) -> None:
        self._target = LocalTarget(())
        self.seen: set[str] = set()
        self.commands: list[Command] = []

    async def run(self, command: Command) -> Completed:
        self.seen.add("$ " + " ".join(command.argv))
        self.commands.append(command)
        return await self._target.run(command)

    async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
        self.seen.add(path)
        return await self._target.read(path, max_bytes=max_bytes, tail=tail)

    async def status(self, path: str) -> FileStatus:
        self.seen.add(path)
        return await self._target.status(path)

    async def list(self, path: str, *, max_entries: int) -> list[FileStatus]:
        self.seen.add(path)
        return await self._target.list(path, max_entries=max_entries)

    async def read_link(self, path: str) -> str:
        self.seen.add(path)
        return await self._target.read_link(path)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.mark.slow
@pytest.mark.parametrize("name", LINUX)
async def test_a_collector_does_nothing_that_is_not_on_its_list(name: str) -> None:
    target = Watched()
    look = Look(target, now=datetime.now(UTC), trend={})
    try:
        async with asyncio.timeout(2 if name in ENDLESS else 60):
            await BUILTINS["linux", name](look)
    except (AssistError, TimeoutError):
        pass  # what it did before that counts
    finally:
        await look.close()
    assert sorted(each for each in target.seen if not is_listed(each, BUILTIN_READS[name])) == []


def test_every_item_of_every_bundle_has_a_list(catalog: Catalog) -> None:
    for bundle in catalog.bundles.values():
        for name in bundle.collectors:
            collector = catalog.collectors[name]
            for platform in {each.platform for each in collector.implementations}:
                assert reads_of(collector, platform), (name, platform)
    assert {item.collector for item in preview(catalog, "first-look", "linux")} == {
        *catalog.bundles["first-look"].collectors
    }


@pytest.mark.parametrize(
    ("what", "reads", "listed"),
    [
        ("/proc/12/stat", ("/proc/*/stat",), True),
        ("/proc/12/fd/stat", ("/proc/*/stat",), False),
        ("$ systemctl show -p A -- x", ("$ systemctl show **",), True),
        ("$ systemctl stop x", ("$ systemctl show **",), False),
        ("$ getent ahosts a b", ("$ getent ahosts *",), False),
        ("/etc/x.conf", ("/etc/x?conf",), False),
    ],
)
def test_stars_stand_for_one_name_or_word(what: str, reads: tuple[str, ...], listed: bool) -> None:
    assert is_listed(what, reads) is listed


def test_an_item_that_is_not_there_is_named_with_the_nearest(catalog: Catalog) -> None:
    with pytest.raises(UsageError, match="users"):
        checked_items(["usres"], catalog)
    with pytest.raises(UsageError, match="first-look"):
        preview(catalog, "first-lok", "linux")


@pytest.mark.slow
async def test_what_the_customer_struck_is_not_run_and_the_manifest_says_declined(catalog: Catalog) -> None:
    target, raw = Watched(), bytearray()

    async def write(piece: bytes) -> None:
        raw.extend(piece)

    declined = frozenset({"users", "packages"})
    summary = await collect_bundle(
        catalog,
        "first-look",
        target,
        write=write,
        progress=lambda each: None,
        clock=lambda: datetime.now(UTC),
        declined=declined,
    )
    assert {item.collector for item in summary.items if item.status == "declined"} == declined
    statuses = read_bundle(bytes(raw)).statuses
    assert statuses["users"] == "declined"
    assert statuses["cpu"] == "ok"
    assert not any("dpkg-query" in each for each in target.seen)
    assert "$ who" not in target.seen


async def test_programs_of_a_bundle_stand_back_as_far_as_it_says(catalog: Catalog) -> None:
    here = os.getpriority(os.PRIO_PROCESS, 0)
    asked = Command(("sh", "-c", "read go; nice"), niceness=here + 7, stdin=b"go\n")
    assert int((await LocalTarget(()).run(asked)).stdout) == here + 7
    disk = Command(("sh", "-c", "read go; ionice"), niceness=7, stdin=b"go\n")
    assert (await LocalTarget().run(disk)).stdout.strip() == b"best-effort: prio 7"
    assert (catalog.bundles["full"].niceness, catalog.bundles["first-look"].niceness) == (10, 0)
    target = Watched()
    await Look(target, now=datetime.now(UTC), niceness=3).run("true")
    assert [command.niceness for command in target.commands] == [3]
