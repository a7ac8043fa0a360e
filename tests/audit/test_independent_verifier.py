"""docs/verify/verify.py, run as a stranger would: it agrees with `audit verify` on what holds and what was changed."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from remote_assist import cli
from remote_assist.audit.export import ExportWriter
from remote_assist.audit.receipt import InTheLog, build_receipt, receipt_bytes
from remote_assist.core.api import LoggedRecord
from remote_assist.core.signing.keys import new_key, public_line
from tests.audit.own import relays, ritas
from tests.audit.world import CA_LINE, LOG_LINE, RELAY, START, Log, Tree, World, new_world, play, seed, signed_lists

VERIFIER = Path(__file__).parents[2] / "docs" / "verify" / "verify.py"
OTHER_KEY = new_key(seed("another log"))


@pytest.fixture
async def world(tmp_path: Path) -> World:
    made = new_world(tmp_path / "journal")
    await play(made)
    return made


@pytest.fixture
def tree(world: World) -> Tree:
    return Tree(one.acknowledgement for one in world.logged())


def exported(world: World, tree: Tree, checkpoint: str = "") -> list[bytes]:
    writer = ExportWriter(checkpoint or tree.checkpoint())
    first = writer.header(origin=RELAY, lists=signed_lists(), now=START)
    records = [writer.record(one, proof=tree.inclusion(one.acknowledgement.index)) for one in world.logged()]
    return [first, *records, writer.trailer()]


def receipted(world: World, tree: Tree) -> bytes:
    proofs = tuple(tree.inclusion(one.acknowledgement.index) for one in world.logged())
    proved = InTheLog(checkpoint=tree.checkpoint(), proofs=proofs)
    return receipt_bytes(build_receipt(world.journal.records(), now=START, proved=proved))


def both(file: Path, *trust: str) -> tuple[int, int]:
    """The exit codes of the independent verifier and of ours."""
    done = subprocess.run([sys.executable, "-I", str(VERIFIER), *trust, str(file)], capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, cli.main(["audit", "verify", str(file), *trust])


@pytest.fixture
def trusts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    monkeypatch.setenv("REMOTE_ASSIST_HOME", str(tmp_path / "nobody"))
    lines = {"ca": CA_LINE, "log": LOG_LINE, "other": public_line(OTHER_KEY)}
    for name, line in lines.items():
        (tmp_path / f"{name}.pub").write_text(line + "\n")
    return {
        "ca": ["--ca", str(tmp_path / "ca.pub")],
        "log": ["--log-key", str(tmp_path / "log.pub")],
        "other": ["--log-key", str(tmp_path / "other.pub")],
    }


def test_it_is_short_and_uses_none_of_our_code() -> None:
    text = VERIFIER.read_text()
    assert len([line for line in text.splitlines() if line.strip()]) < 200
    assert "import remote_assist" not in text and "from remote_assist" not in text


@pytest.mark.parametrize("trust", ["ca", "log"])
def test_both_accept_what_holds(
    tmp_path: Path, world: World, tree: Tree, trusts: dict[str, list[str]], trust: str
) -> None:
    (tmp_path / "export").write_bytes(b"".join(exported(world, tree)))
    (tmp_path / "receipt").write_bytes(receipted(world, tree))
    assert both(tmp_path / "export", *trusts[trust]) == (0, 0)
    assert both(tmp_path / "receipt", *trusts[trust]) == (0, 0)


def test_neither_believes_a_key_that_is_not_the_logs(
    tmp_path: Path, world: World, tree: Tree, trusts: dict[str, list[str]]
) -> None:
    (tmp_path / "export").write_bytes(b"".join(exported(world, tree)))
    (tmp_path / "receipt").write_bytes(receipted(world, tree))
    for trust in (trusts["other"], []):
        assert both(tmp_path / "export", *trust) == (5, 5)
        assert both(tmp_path / "receipt", *trust) == (5, 5)


Change = Callable[[list[dict[str, object]]], object]


def _flip(text: object) -> str:
    raw = bytearray(base64.b64decode(str(text)))
    raw[len(raw) // 2] ^= 1
    return base64.b64encode(raw).decode()


EXPORT_LIES: dict[str, Change] = {
    "record": lambda lines: lines[3].update(record=_flip(lines[3]["record"])),
    "record-missing": lambda lines: [lines.pop(4), lines[-1].update(count=len(lines) - 2)],
    "order": lambda lines: lines.insert(2, lines.pop(5)),
    "head": lambda lines: lines[3].update(head=lines[4]["head"]),
    "acknowledgement": lambda lines: lines[3].update(acknowledgement=lines[4]["acknowledgement"]),
    "time": lambda lines: lines[3].update(time=lines[4]["time"]),
    "proof-changed": lambda lines: lines[3].update(proof=[_flip(lines[3]["proof"][0]), *lines[3]["proof"][1:]]),  # type: ignore[index]
    "proof-dropped": lambda lines: lines[3].update(proof=[]),
    "proof-of-another": lambda lines: lines[3].update(proof=lines[4]["proof"]),
    "count": lambda lines: lines[-1].update(count=3),
    "no-checkpoint": lambda lines: lines[-1].update(checkpoint=""),
    "checkpoint-size": lambda lines: lines[-1].update(checkpoint=str(lines[-1]["checkpoint"]).replace("\n5", "\n6")),
    "no-trailer": lambda lines: lines.pop(),
    "lists": lambda lines: lines[0].update(lists=[_flip(lines[0]["lists"][0])]),  # type: ignore[index]
}  # fmt: skip


@pytest.mark.parametrize("lie", EXPORT_LIES)
def test_both_find_a_changed_export(
    tmp_path: Path, world: World, tree: Tree, trusts: dict[str, list[str]], lie: str
) -> None:
    lines = [json.loads(line) for line in exported(world, tree)]
    EXPORT_LIES[lie](lines)
    encoded = [json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n" for line in lines]
    (tmp_path / "export").write_text("".join(encoded))
    assert both(tmp_path / "export", *trusts["ca"]) == (5, 5)


def test_both_refuse_a_checkpoint_another_key_signed(
    tmp_path: Path, world: World, tree: Tree, trusts: dict[str, list[str]]
) -> None:
    lines = exported(world, tree, tree.checkpoint(key=OTHER_KEY))
    (tmp_path / "export").write_bytes(b"".join(lines))
    assert both(tmp_path / "export", *trusts["ca"]) == (5, 5)


async def test_both_refuse_a_tree_the_record_is_not_in(
    tmp_path: Path, world: World, tree: Tree, trusts: dict[str, list[str]]
) -> None:
    """The log key signs a second tree that lacks the session: the proofs of the first do not lead there."""
    other = Tree([replace(world.logged()[-1].acknowledgement, hash="0" * 64)])
    assert other.size == tree.size
    (tmp_path / "export").write_bytes(b"".join(exported(world, tree, other.checkpoint())))
    assert await _in_thread(lambda: both(tmp_path / "export", *trusts["ca"])) == (5, 5)


async def _in_thread(work: Callable[[], tuple[int, int]]) -> tuple[int, int]:
    import asyncio

    return await asyncio.to_thread(work)


RECEIPT_LIES: dict[str, Callable[[dict[str, object]], object]] = {
    "record": lambda r: r["evidence"][2].update(record=_flip(r["evidence"][2]["record"])),  # type: ignore[index]
    "proof": lambda r: r["evidence"][2].update(proof=r["evidence"][3]["proof"]),  # type: ignore[index]
    "no-proof": lambda r: r["evidence"][2].update(proof=[]),  # type: ignore[index]
    "checkpoint": lambda r: r.update(checkpoint=""),
    "head": lambda r: r["head"].update(seq=1),  # type: ignore[attr-defined]
    "session": lambda r: r.update(session="s-aaaaaaaaaaaaaaaa"),
    "ended": lambda r: r.update(ended=""),
    "cut": lambda r: r.update(evidence=r["evidence"][:-1]),  # type: ignore[index]
}  # fmt: skip


@pytest.mark.parametrize("lie", RECEIPT_LIES)
def test_both_find_a_changed_receipt(
    tmp_path: Path, world: World, tree: Tree, trusts: dict[str, list[str]], lie: str
) -> None:
    receipt = json.loads(receipted(world, tree))
    RECEIPT_LIES[lie](receipt)
    (tmp_path / "receipt").write_text(json.dumps(receipt, indent=2, ensure_ascii=False) + "\n")
    assert both(tmp_path / "receipt", *trusts["ca"]) == (5, 5)


async def test_records_newer_than_the_checkpoint_are_said_not_refused(
    tmp_path: Path, world: World, tree: Tree, trusts: dict[str, list[str]]
) -> None:
    older = tree.size - 2
    writer = ExportWriter(tree.checkpoint(older))
    lines = [writer.header(origin=RELAY, lists=signed_lists(), now=START)]
    lines += [writer.record(one, proof=tree.inclusion(one.acknowledgement.index, older)) for one in world.logged()]
    (tmp_path / "export").write_bytes(b"".join([*lines, writer.trailer()]))
    assert await _in_thread(lambda: both(tmp_path / "export", *trusts["ca"])) == (0, 0)


def test_both_read_records_of_no_session_and_both_find_what_was_changed(
    tmp_path: Path, world: World, trusts: dict[str, list[str]]
) -> None:
    log = Log(first_index=60)
    chains = [ritas(log, world.session), relays(log)]
    tree = Tree(one.acknowledgement for one in [*world.logged(), *chains[0], *chains[1]])

    def export(*changed: list[LoggedRecord]) -> bytes:
        writer = ExportWriter(tree.checkpoint())
        first = writer.header(origin=RELAY, lists=signed_lists(), now=START)
        lines = [writer.record(one, proof=tree.inclusion(one.acknowledgement.index)) for log in changed for one in log]
        return b"".join([first, *lines, writer.trailer()])

    file = tmp_path / "export"
    file.write_bytes(export(*chains))
    assert both(file, *trusts["ca"]) == both(file, *trusts["log"]) == (0, 0)
    assert both(file, *trusts["other"]) == (5, 5)
    late = ritas(Log(first_index=60), at=START + timedelta(hours=12))
    stranger = [replace(chains[1][0], head=chains[0][0].head), chains[1][1]]
    for forged in ([chains[0][1:]], [stranger], [[chains[0][0], chains[1][1]]], [late]):
        file.write_bytes(export(*forged))
        assert both(file, *trusts["ca"]) == (5, 5)
