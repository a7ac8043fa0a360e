"""F11: clocks an hour apart and clocks that jump back, on each party: order is the tree's, nothing runs backwards."""

from datetime import timedelta
from pathlib import Path

import pytest

from remote_assist.audit.timeline import span_words, timeline
from remote_assist.audit.verify import verify_session
from remote_assist.core.messages import Acknowledged
from remote_assist.core.records import decode_record, parse_time
from tests.audit.world import CA_LINE, LOG_LINE, new_world, play
from tests.relay.world import RelayWorld

HOUR = timedelta(hours=1)


@pytest.mark.parametrize("ahead", [HOUR, -HOUR], ids=["agent-ahead", "agent-behind"])
async def test_f11_agent_and_relay_an_hour_apart_still_record_and_verify(tmp_path: Path, ahead: timedelta) -> None:
    world = new_world(tmp_path / "journal")
    world.log.clock.now = world.clock.now - ahead
    await play(world)
    report = verify_session(world.logged(), log_keys=[LOG_LINE], ca_line=CA_LINE)
    assert report.ended and report.notes == ()


async def test_f11_an_agents_clock_that_jumps_back_is_named_and_makes_no_negative_duration(tmp_path: Path) -> None:
    world = new_world(tmp_path / "journal")
    await world.append("RA1000E", opening=world.opening)
    await world.append("RA1400I", world.technician, action="a1", scope="terminal", program="ls")
    world.clock.now -= HOUR
    await world.append("RA1400O", world.technician, action="a1", program="ls")
    await world.acknowledge_all()
    log = world.logged()
    report = verify_session(log, log_keys=[LOG_LINE], ca_line=CA_LINE)
    (note,) = report.notes
    assert "record 2" in note and "the agent's clock went back by 3599." in note
    lines = timeline(decode_record(one.record) for one in log)
    assert [line.seq for line in lines] == [0, 1, 2] and all(line.seconds is None for line in lines)
    records = [decode_record(one.record) for one in log]
    assert span_words(records[1].time, records[2].time) == "no time"


async def test_f11_a_relay_whose_clock_is_set_back_never_gives_an_earlier_time(tmp_path: Path) -> None:
    async with RelayWorld(tmp_path) as world:
        alice, token = await world.technician()
        agent = world.agent(alice, await world.ticket(token))
        await agent.open()
        times = []
        for turn in (0, -1, 1, -1):
            world.clock.turn(hours=turn)
            answer = await agent.append(agent.record("RA1006E"))
            assert isinstance(answer, Acknowledged), answer
            times += [one.time for one in answer.acknowledgements]
        assert times == sorted(times)
        await world.relay.stop()
        world.clock.turn(hours=-1)
        await world.start()
        await agent.connect()
        answer = await agent.append(agent.record("RA1006E"))
        assert isinstance(answer, Acknowledged), answer
        assert answer.acknowledgements[0].time >= times[-1], "not even across a restart"


async def test_f11_a_technician_whose_clock_is_an_hour_off_is_told_so_at_login(tmp_path: Path) -> None:
    async with RelayWorld(tmp_path) as world:
        for hours in (1, -1):
            person = world.person()
            true = world.clock()
            world.clock.turn(hours=hours)
            moment = world.clock()
            world.clock.turn(hours=-hours)
            assert abs((moment - true).total_seconds()) > 3500
            status, raw = await world.try_login(person, time=moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
            assert status == 403 and b"clock" in raw
            world.clock.turn(minutes=20)  # past the penalty


def test_f11_a_time_that_cannot_be_is_refused() -> None:
    assert parse_time("2026-03-01T09:30:00.000000Z").tzinfo is not None
    for text in ("2026-02-30T09:30:00.000000Z", "2026-03-01T25:30:00.000000Z", "2026-03-01T09:30:00Z"):
        with pytest.raises(Exception, match="time"):
            parse_time(text)
