"""F6: room that runs out, here or at the relay: told, refused, ended at grace, and the ends are still recorded."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remote_assist.agent.record.disk_watch import DiskWatch, check_disk
from remote_assist.audit.verify import verify_session
from remote_assist.core.hostile import SafeStr
from remote_assist.core.requests import Run
from remote_assist.core.room import Marks, Room
from remote_assist.core.signing.keys import public_line
from remote_assist.errors import AuditUnavailable
from tests.agent.test_shell import eventually
from tests.agent.world import AgentWorld, agent_world, ask

ROOMY, SHORT = Marks(0, 0, 0), Marks(1 << 62, 1 << 62, 1 << 62)


class Watched:
    """A disk watch with a clock and a relay that say what a test wants."""

    def __init__(self, folder: Path, marks: Marks) -> None:
        self.relay = Room.FINE
        self.now = 0.0
        self.said: list[SafeStr] = []
        self.watch = DiskWatch(
            folder,
            marks,
            grace_seconds=60,
            relay_room=lambda: self.relay,
            show=self.said.append,
            seconds=lambda: self.now,
        )


def test_a_relay_that_runs_out_is_told_and_ends_the_session_after_grace(tmp_path: Path) -> None:
    watched = Watched(tmp_path, ROOMY)
    for room in (Room.FINE, Room.WARN, Room.REFUSE):
        watched.relay = room
        assert not watched.watch.look()
        watched.watch.check()
    watched.relay = Room.END
    assert not watched.watch.look()
    with pytest.raises(AuditUnavailable, match="the relay's disk is full"):
        watched.watch.check()
    watched.now = 59
    assert not watched.watch.look()
    watched.now = 60
    assert watched.watch.look()
    assert len(watched.said) == 3
    assert "in 60 s the session ends" in watched.said[-1]


def test_room_that_comes_back_starts_grace_anew(tmp_path: Path) -> None:
    watched = Watched(tmp_path, ROOMY)
    watched.relay = Room.END
    watched.watch.look()
    watched.relay, watched.now = Room.FINE, 30
    assert not watched.watch.look()
    assert "room for the record again" in watched.said[-1]
    watched.relay, watched.now = Room.END, 70
    assert not watched.watch.look()


def test_a_machine_without_room_begins_no_session(tmp_path: Path) -> None:
    check_disk(tmp_path, ROOMY)
    with pytest.raises(AuditUnavailable, match="no room is left on this computer"):
        check_disk(tmp_path, SHORT)
    with pytest.raises(AuditUnavailable, match="customer's machine"):
        Watched(tmp_path, SHORT).watch.check()


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[AgentWorld]:
    async with agent_world(tmp_path) as world:
        world.limit(outage_grace_seconds=3.0)
        yield world


@pytest.mark.slow
async def test_a_relay_without_room_ends_sessions_and_their_ends_are_stored_from_the_reserve(small: AgentWorld) -> None:
    relay = small.relay.relay
    assert relay._store is not None
    async with small.session() as live, small.technician.channel() as channel:
        assert (await ask(channel, Run(argv=("true",)))).done.status == "done"
        free = relay._store.free_bytes
        assert free is not None
        # The disk is as it is; what the relay wants left of it is more than there is, but not twice as much.
        relay._store._min_free_bytes = int(free * 1.5)
        object.__setattr__(relay._settings, "min_free_bytes", int(free * 1.5))
        await eventually(lambda: any("the relay's disk has no room" in line for line in small.customer.lines))
        refused = (await ask(channel, Run(argv=("true",)))).refused
        assert refused.reason == "store-full"
        async with asyncio.timeout(60):
            assert await live.agent == 0
    logged = await small.logged()
    organisation = small.relay.organisation
    report = verify_session(logged, log_keys=[organisation.log_key], ca_line=public_line(organisation.ca), strict=True)
    assert report.ended
    assert len(logged) == len(small.journal())
    assert any("no room left to write down" in line for line in small.customer.lines)
