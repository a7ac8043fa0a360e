"""The technician's comparisons after the log changed its key, while their lists still name the key of before."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from remote_assist.audit.log_memory import LogContradiction, LogMemory
from remote_assist.core.checkpoint import open_checkpoint
from remote_assist.core.log.succession import sign_succession
from remote_assist.core.requests import CheckpointSeen
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.errors import UsageError
from remote_assist.technician.agent_link import AgentLink
from remote_assist.technician.api import RelayApi
from remote_assist.technician.log_watch import compare, look
from tests.audit.world import LOG, LOG_LINE, RELAY, START, Clock, Log, Tree, seed

NEXT = new_key(seed("next"))
TREE = Tree([Log(first_index=-1).sign("s-aaaaaaaaaaaaaaaa", 8, seed("8").hex(), "2026-03-01T09:30:00.000000Z", 8)])


class Agent:
    """What an agent shows: a log of `size` records that continues whatever the technician saw of it."""

    def __init__(self, size: int) -> None:
        self.size = size

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator["Agent"]:
        yield self

    async def show_checkpoint(self, note: str) -> CheckpointSeen:
        seen = open_checkpoint(note, (LOG_LINE, public_line(NEXT))).size if note else 0
        proof = TREE.consistency(seen, self.size) if 0 < seen < self.size else ()
        return CheckpointSeen(agrees=True, checkpoint=TREE.checkpoint(self.size, key=NEXT), consistency=proof)


async def compared(home: Path, size: int) -> LogMemory:
    """One connect of a program that starts anew, as each verb does."""
    at_four = open_checkpoint(TREE.checkpoint(4), (LOG_LINE,)).head
    note = sign_succession(LOG, NEXT, at_four, START)

    async def successions() -> tuple[str, ...]:
        return (note,)

    memory = LogMemory(home, RELAY, [LOG_LINE], clock=Clock())
    await compare(cast(AgentLink, Agent(size)), memory, successions)
    return memory


async def test_a_program_that_starts_after_a_rotation_takes_up_what_an_earlier_one_saw(tmp_path: Path) -> None:
    LogMemory(tmp_path, RELAY, [LOG_LINE], clock=Clock()).take(TREE.checkpoint(4), ())
    for size in (6, 6, 9):
        memory = await compared(tmp_path, size)
        assert memory.remembered() == TREE.checkpoint(size, key=NEXT)
    assert not (tmp_path / "evidence").exists()


async def test_a_log_that_shrank_after_a_rotation_is_still_refused(tmp_path: Path) -> None:
    LogMemory(tmp_path, RELAY, [LOG_LINE], clock=Clock()).take(TREE.checkpoint(4), ())
    await compared(tmp_path, 9)
    with pytest.raises(LogContradiction):
        await compared(tmp_path, 7)


class Node:
    """A relay whose last checkpoint is of `size` records, and whose database holds `stored`."""

    def __init__(self, size: int, stored: int) -> None:
        self.size = size
        self.stored = stored

    async def checkpoint(self, *, fresh: bool = True, covers: int = -1) -> str:
        if covers >= self.stored:
            raise UsageError("the log has no such leaf yet")
        self.size = max(self.size, covers + 1)
        return TREE.checkpoint(self.size)

    async def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        return TREE.consistency(old, new)

    async def successions(self) -> tuple[str, ...]:
        return ()


@pytest.mark.parametrize("size", [1, 4, 6, 9])
async def test_a_node_that_has_not_looked_yet_is_no_contradiction(tmp_path: Path, size: int) -> None:
    memory = LogMemory(tmp_path, RELAY, [LOG_LINE], clock=Clock())
    memory.take(TREE.checkpoint(6), ())
    await look(cast(RelayApi, Node(size, stored=9)), memory)
    assert memory.remembered() == TREE.checkpoint(max(6, size))


async def test_a_node_whose_database_lost_records_is_one(tmp_path: Path) -> None:
    memory = LogMemory(tmp_path, RELAY, [LOG_LINE], clock=Clock())
    memory.take(TREE.checkpoint(6), ())
    with pytest.raises(LogContradiction):
        await look(cast(RelayApi, Node(4, stored=4)), memory)
