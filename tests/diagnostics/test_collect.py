"""A whole first look on this machine: real facts, streamed, bounded, cancellable."""

import asyncio
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from remote_assist.core.catalog.model import Catalog
from remote_assist.core.requests import Progress
from remote_assist.core.target import Command, Completed
from remote_assist.diagnostics.bundle import Bundle, read_bundle
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.collect import BundleSummary, collect_bundle, collect_facts
from remote_assist.errors import UnreachableError, UsageError
from tests.diagnostics.conftest import Services, now
from tests.diagnostics.real_target import RealTarget

SIXTEEN = {
    "host", "cpu", "memory", "filesystems", "disks", "processes", "services", "listening_ports", "interfaces",
    "routes", "dns", "time_sync", "log_digest", "packages", "certificates", "users",
}  # fmt: skip


class Sink:
    """What a bundle is streamed into."""

    def __init__(self) -> None:
        self.raw = bytearray()
        self.pieces = 0

    async def write(self, raw: bytes) -> None:
        self.raw += raw
        self.pieces += 1

    def bundle(self) -> Bundle:
        return read_bundle(bytes(self.raw))


async def first_look(
    catalog: Catalog, target: RealTarget, sink: Sink, seen: list[Progress] | None = None, services: str = ""
) -> BundleSummary:
    return await collect_bundle(
        catalog,
        "first-look",
        target,
        write=sink.write,
        progress=(seen if seen is not None else []).append,
        clock=now,
        entropy=lambda size: b"k" * size,
        services_folder=services,
    )


async def test_a_first_look_brings_real_typed_facts_within_a_second(catalog: Catalog, target: RealTarget) -> None:
    sink = Sink()
    begun = time.monotonic()
    summary = await first_look(catalog, target, sink)
    assert time.monotonic() - begun < 3.0  # about 0.3 s here when nothing else runs
    bundle = sink.bundle()
    assert summary.status == bundle.manifest.status == "complete"
    assert set(bundle.statuses) >= SIXTEEN
    assert {name for name, status in bundle.statuses.items() if status not in {"ok", "unavailable"}} == set()
    assert {"host", "cpu", "memory", "filesystems", "processes", "users", "interfaces"} <= set(bundle.facts)
    memory, cpu = bundle.facts["memory"], bundle.facts["cpu"]
    assert isinstance(memory, dict) and memory["total_bytes"] > 1 << 20
    assert isinstance(cpu, dict) and cpu["count"] >= 1


async def test_every_item_of_the_manifest_has_its_digest_status_and_time(catalog: Catalog, target: RealTarget) -> None:
    sink = Sink()
    summary = await first_look(catalog, target, sink)
    manifest = sink.bundle().manifest
    assert manifest.items == summary.items
    assert manifest.digest == catalog.bundles["first-look"].digest
    for item in manifest.items:
        assert item.digest == catalog.collectors[item.collector].digest
        assert item.seconds >= 0
        assert (len(item.sha256) == 64 and item.size > 0) if item.file else item.reason
    assert summary.size == len(sink.raw)


async def test_progress_says_started_and_how_it_ended_for_each_item(catalog: Catalog, target: RealTarget) -> None:
    seen: list[Progress] = []
    await first_look(catalog, target, Sink(), seen)
    names = set(catalog.bundles["first-look"].collectors) - {"trend"}  # watch keeps no samples here
    assert {each.item for each in seen if each.status == "started"} == names
    ends = [each for each in seen if each.status != "started"]
    assert {each.item for each in ends} == names
    assert {each.status for each in ends} <= {"ok", "failed", "timed-out", "unavailable", "cut"}
    assert [each.done for each in ends] == list(range(1, len(names) + 1))
    assert all(each.total == len(names) for each in seen)


async def test_a_machine_without_tools_still_yields_what_proc_and_etc_say(catalog: Catalog, target: RealTarget) -> None:
    target.missing = {"ip", "ss", "lsblk", "systemctl", "dpkg-query", "rpm", "timedatectl", "dmesg", "ps", "who"}
    sink = Sink()
    await first_look(catalog, target, sink)
    statuses = sink.bundle().statuses
    assert statuses["packages"] == statuses["kernel_log"] == "unavailable"
    for name in ("interfaces", "routes", "listening_ports", "disks", "processes", "users", "time_sync"):
        assert statuses[name] == "ok", name
    reasons = {item.collector: item.reason for item in sink.bundle().manifest.items}
    assert "rpm" in reasons["packages"]


async def test_proc_and_ss_agree_on_who_listens(catalog: Catalog, target: RealTarget, services: Services) -> None:
    services.write("web-a")
    process = services.start("web-a")
    rows = []
    for missing in (set[str](), {"ss"}):
        target.missing = missing
        found = await collect_facts(
            catalog, ["listening_ports"], target, clock=now, services_folder=str(services.folder)
        )
        facts = found.facts["listening_ports"]
        assert isinstance(facts, list)
        rows += [row for row in facts if row["port"] == services.port]
    assert len(rows) == 2
    assert rows[0]["pid"] == rows[1]["pid"] == process.pid
    assert rows[0]["unit"] == rows[1]["unit"] == "web-a"
    assert rows[0]["address"] == rows[1]["address"] == "127.0.0.1"


class Slow(RealTarget):
    """A machine on which one program hangs."""

    def __init__(self, program: str) -> None:
        super().__init__()
        self.program = program
        self.began = asyncio.Event()

    async def run(self, command: Command) -> Completed:
        if command.argv[0] == self.program:
            self.began.set()
            return await super().run(Command(("sleep", "30"), timeout_seconds=60))
        return await super().run(command)


def short(tmp_path: Path, collector: str, timeout: str) -> Catalog:
    """The shipped catalog plus a bundle of one hanging collector and two quick ones."""
    (tmp_path / "own.yaml").write_text(
        f"kind: Collector\nmetadata: {{id: {collector}, version: 1, title: hangs}}\nsensitivity: public\n"
        f"limits: {{timeout: {timeout}}}\n"
        f"implementations: [{{os: linux, command: {{argv: [hang], timeout: 60s}}}}]\n"
        "---\nkind: Bundle\nmetadata: {id: short, version: 1, title: Short}\n"
        f"collectors: [{collector}, cpu, memory]\nlimits: {{timeout: 20s}}\n"
    )
    return load_catalog([tmp_path])


async def test_a_hanging_collector_times_out_alone_and_the_others_are_kept(tmp_path: Path) -> None:
    sink, target = Sink(), Slow("hang")
    summary = await collect_bundle(
        short(tmp_path, "hanging", "200ms"), "short", target, write=sink.write, progress=lambda _: None, clock=now
    )
    assert summary.status == "complete"
    assert sink.bundle().statuses == {"hanging": "timed-out", "cpu": "ok", "memory": "ok"}
    assert not _sleepers()


async def test_cancelling_ends_everything_and_the_manifest_says_so(tmp_path: Path) -> None:
    sink, target = Sink(), Slow("hang")
    work = asyncio.create_task(
        collect_bundle(
            short(tmp_path, "hanging", "60s"), "short", target, write=sink.write, progress=lambda _: None, clock=now
        )
    )
    await target.began.wait()
    while not len(sink.raw):
        await asyncio.sleep(0.01)
    before = asyncio.all_tasks()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert asyncio.all_tasks() <= before - {work}
    bundle = sink.bundle()
    assert bundle.manifest.status == "cancelled"
    assert bundle.statuses["hanging"] == "cancelled"
    assert {"cpu", "memory"} & set(bundle.facts)
    assert not _sleepers()


async def test_a_peer_that_is_gone_ends_the_collection_with_its_error(catalog: Catalog, target: RealTarget) -> None:
    async def gone(raw: bytes) -> None:
        raise UnreachableError("the link is gone")

    with pytest.raises(UnreachableError, match="the link is gone"):
        await collect_bundle(catalog, "first-look", target, write=gone, progress=lambda _: None, clock=now)
    assert len(asyncio.all_tasks()) == 1


async def test_a_collector_that_breaks_is_failed_and_harms_nobody(catalog: Catalog, target: RealTarget) -> None:
    class Nonsense(RealTarget):
        async def run(self, command: Command) -> Completed:
            return Completed(0, b"\xff{]nonsense 7", b"", 0.0)

    sink = Sink()
    summary = await first_look(catalog, Nonsense(), sink)
    statuses = {item.collector: item.status for item in summary.items}
    assert "failed" in statuses.values()
    assert statuses["memory"] == "ok"
    assert sink.bundle().manifest.status == "complete"


async def test_rows_beyond_the_limit_are_cut_and_said_so(tmp_path: Path, target: RealTarget) -> None:
    (tmp_path / "own.yaml").write_text(
        "kind: Collector\nmetadata: {id: few, version: 1, title: Few}\nsensitivity: public\n"
        "limits: {max_rows: 2}\nimplementations: [{os: linux, builtin: users}]\n"
        "rows: {name: string, uid: int, gid: int, home: string, shell: path, person: bool, logged_in: bool}\n"
    )
    found = await collect_facts(load_catalog([tmp_path]), ["few"], target, clock=now)
    facts = found.facts["few"]
    assert isinstance(facts, list) and len(facts) == 2
    assert found.statuses["few"] == "cut"


async def test_shadow_keys_and_environments_are_never_read(catalog: Catalog, target: RealTarget) -> None:
    await first_look(catalog, target, Sink())
    asked = " ".join(" ".join(act) for act in target.log)
    assert "shadow" not in asked
    assert "environ" not in asked
    assert "cmdline" not in asked
    assert ".key" not in asked


async def test_nothing_is_changed_by_looking(catalog: Catalog, target: RealTarget) -> None:
    await first_look(catalog, target, Sink())
    assert {act[0] for act in target.log} == {"run", "read"}


async def test_the_host_name_is_taken_out_of_every_file(catalog: Catalog, target: RealTarget) -> None:
    class Named(RealTarget):
        async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
            if path == "/proc/sys/kernel/hostname":
                return b"praxis-mueller-7\n"
            if path.startswith("/var/log/") and path.endswith("syslog"):
                return b"Nov 20 10:00:00 praxis-mueller-7 app[1]: fatal error on praxis-mueller-7 for alice.example\n"
            return await super().read(path, max_bytes=max_bytes, tail=tail)

    sink = Sink()
    await first_look(catalog, Named(), sink)
    bundle = sink.bundle()
    everything = json.dumps(bundle.facts) + json.dumps(bundle.texts)
    assert "praxis" not in everything
    assert "fatal error on <host:" in everything


async def test_an_unknown_bundle_names_the_nearest(catalog: Catalog, target: RealTarget) -> None:
    with pytest.raises(UsageError, match="did you mean 'first-look'"):
        await collect_bundle(catalog, "first-lok", target, write=Sink().write, progress=lambda _: None, clock=now)


async def test_a_bundle_is_read_by_stock_tar_and_zstd(catalog: Catalog, target: RealTarget, tmp_path: Path) -> None:
    if not (shutil.which("tar") and shutil.which("zstd")):
        pytest.skip("tar and zstd are not installed")
    sink = Sink()
    await first_look(catalog, target, sink)
    file = tmp_path / "bundle.tar.zst"
    file.write_bytes(sink.raw)
    listed = subprocess.run(["tar", "--zstd", "-tf", file], capture_output=True, text=True, check=True)
    assert listed.stderr == ""
    assert listed.stdout.splitlines()[-1] == "manifest.json"
    shown = subprocess.run(["tar", "--zstd", "-xOf", file, "facts/cpu.json"], capture_output=True, check=True)
    assert json.loads(shown.stdout) == sink.bundle().facts["cpu"]


def test_a_full_tmpfs_is_found(tmp_path: Path) -> None:
    """In a user and mount namespace of its own, so that no root is needed and nothing outside is touched."""
    program = tmp_path / "look.py"
    program.write_text(
        "import asyncio, sys\n"
        "from datetime import UTC, datetime\n"
        "from remote_assist.core.findings import evaluate\n"
        "from remote_assist.diagnostics.catalog_loader import load_catalog\n"
        "from remote_assist.diagnostics.collect import collect_facts\n"
        "from remote_assist.transport.local_target import LocalTarget\n"
        "catalog = load_catalog()\n"
        "found = asyncio.run(collect_facts(catalog, ['filesystems'], LocalTarget(), clock=lambda: datetime.now(UTC)))\n"
        "for finding in evaluate(catalog, found.facts):\n"
        "    if finding.subject == sys.argv[1]: print(finding.issue, finding.outcome, finding.message)\n"
    )
    mount = tmp_path / "small"
    mount.mkdir()
    script = 'mount -t tmpfs -o size=1m tmpfs "$1" && head -c 1000000 /dev/zero > "$1/fill" && exec "$2" "$3" "$1"'
    unshare = ["unshare", "-Urm", "sh", "-c", script, "sh", str(mount), sys.executable, str(program)]
    if not shutil.which("unshare") or subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        pytest.skip("no user namespaces here")
    done = subprocess.run(unshare, capture_output=True, text=True, check=False)
    assert f"linux.filesystem.nearly-full fail {mount} is 9" in done.stdout, done.stderr


def _sleepers() -> list[str]:
    done = subprocess.run(["ps", "-eo", "args="], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if line == "sleep 30"]
