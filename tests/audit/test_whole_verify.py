"""The whole log at once: as strict as a tree, a chain and a signed end can be, and it names what does not hold."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from remote_assist.audit.whole_verify import WholeCheck, WholeReport
from remote_assist.core.api import LoggedRecord
from remote_assist.core.checkpoint import open_checkpoint
from remote_assist.errors import VerificationError
from tests.audit.own import relays, ritas
from tests.audit.world import CA_LINE, LOG_LINE, Log, Tree, World, new_world, play


@pytest.fixture
async def logs(tmp_path: Path) -> list[list[LoggedRecord]]:
    """A session and two chains of none, the whole content of one log."""
    world: World = new_world(tmp_path / "journal")
    world.log = Log(first_index=-1)
    await play(world)
    return [world.logged(), ritas(world.log), relays(world.log)]


def verify(logs: list[list[LoggedRecord]], tree: Tree) -> WholeReport:
    check = WholeCheck(open_checkpoint(tree.checkpoint(), (LOG_LINE,)))
    for log in logs:
        for one in log:
            check.take(one.record, one.head, one.acknowledgement.time, one.acknowledgement.index)
    return check.finish(log_keys=(LOG_LINE,), ca_line=CA_LINE)


def tree_of(logs: list[list[LoggedRecord]]) -> Tree:
    return Tree(one.acknowledgement for log in logs for one in log)


def test_a_true_log_holds_as_a_whole(logs: list[list[LoggedRecord]]) -> None:
    assert verify(logs, tree_of(logs)) == WholeReport(records=14, chains=3)


def test_every_change_of_any_record_time_or_head_is_found(logs: list[list[LoggedRecord]]) -> None:
    tree = tree_of(logs)
    for at, log in enumerate(logs):
        for seq, one in enumerate(log):
            told = one.acknowledgement
            for changed in (
                replace(one, record=one.record.replace(b'"v":1', b'"v": 1')),
                replace(one, acknowledgement=replace(told, time=told.time.replace("2026", "2025"))),
                replace(one, acknowledgement=replace(told, index=told.index ^ 1)),
                None,
            ):
                forged = [list(other) for other in logs]
                forged[at][seq : seq + 1] = [] if changed is None else [changed]
                with pytest.raises(VerificationError) as caught:
                    verify(forged, tree)
                assert caught.value.where
        forged = [list(other) for other in logs]
        forged[at][-1] = replace(log[-1], head=log[0].head)
        with pytest.raises(VerificationError, match="head signature"):
            verify(forged, tree)


def test_a_log_that_lacks_a_chain_is_found(logs: list[list[LoggedRecord]]) -> None:
    with pytest.raises(VerificationError, match="leaf 10: missing"):
        verify([logs[0], logs[2]], tree_of(logs))


def test_another_ca_or_log_key_is_refused(logs: list[list[LoggedRecord]]) -> None:
    check = WholeCheck(open_checkpoint(tree_of(logs).checkpoint(), (LOG_LINE,)))
    for log in logs:
        for one in log:
            check.take(one.record, one.head, one.acknowledgement.time, one.acknowledgement.index)
    with pytest.raises(VerificationError):
        check.finish(log_keys=(LOG_LINE,), ca_line=LOG_LINE)
