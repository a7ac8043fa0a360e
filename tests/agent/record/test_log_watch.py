"""An agent's look at the log beside other sessions of its computer: one saw a new key first, one looks at once."""

from pathlib import Path

from remote_assist.agent.record.log_watch import LogWatch
from remote_assist.audit.log_memory import LogMemory
from remote_assist.core.checkpoint import open_checkpoint
from remote_assist.core.log.succession import sign_succession
from remote_assist.core.messages import AskCheckpoint, CheckpointGiven
from remote_assist.core.signing.keys import new_key, public_line
from tests.audit.world import LOG, LOG_LINE, RELAY, START, Clock, Log, Tree, seed

NEXT = new_key(seed("next"))
TREE = Tree([Log(first_index=-1).sign("s-aaaaaaaaaaaaaaaa", 8, seed("8").hex(), "2026-03-01T09:30:00.000000Z", 8)])


class Relay:
    """Shows its log of so many records, signed by the key that followed."""

    def __init__(self, size: int) -> None:
        self.size = size

    async def ask(self, question: AskCheckpoint) -> CheckpointGiven:
        proof = TREE.consistency(question.since, self.size) if 0 < question.since < self.size else ()
        return CheckpointGiven(since=question.since, checkpoint=TREE.checkpoint(self.size, key=NEXT), consistency=proof)

    async def successions(self) -> tuple[str, ...]:
        return (sign_succession(LOG, NEXT, open_checkpoint(TREE.checkpoint(4), (LOG_LINE,)).head, START),)


async def test_an_older_session_follows_a_note_that_another_one_stored(tmp_path: Path) -> None:
    told: list[str] = []
    older, newer = (LogWatch(LogMemory(tmp_path, RELAY, [LOG_LINE], clock=Clock()), tell=told.append) for _ in range(2))
    older.memory.take(TREE.checkpoint(4), ())
    await newer.agree(Relay(6), "")
    note, _ = await older.agree(Relay(9), "")
    assert (note, told) == (TREE.checkpoint(9, key=NEXT), [])
    assert not (tmp_path / "evidence").exists()


class Meanwhile(Relay):
    """Shows the same, and another session of this computer remembers it before this one can."""

    def __init__(self, size: int, other: LogMemory) -> None:
        super().__init__(size)
        self._other = other

    async def ask(self, question: AskCheckpoint) -> CheckpointGiven:
        given = await super().ask(question)
        seen = self._other.last()
        if seen is not None and seen.size < self.size:
            self._other.take(given.checkpoint, TREE.consistency(seen.size, self.size))
        return given


async def test_two_sessions_of_one_computer_that_look_at_once_are_no_contradiction(tmp_path: Path) -> None:
    told: list[str] = []
    ours, other = (LogMemory(tmp_path, RELAY, [public_line(NEXT)], clock=Clock()) for _ in range(2))
    watch, relay = LogWatch(ours, tell=told.append), Meanwhile(6, other)
    ours.take(TREE.checkpoint(4, key=NEXT), ())
    assert (await watch.agree(relay, ""))[0] == TREE.checkpoint(6, key=NEXT)
    relay.size = 8
    assert (await watch.agree(relay, TREE.checkpoint(6, key=NEXT)))[0] == TREE.checkpoint(8, key=NEXT)
    assert told == []
    assert not (tmp_path / "evidence").exists()
