"""Records enter the log once, in order, durably, and with the relay's signature; nothing else does."""

from remote_assist.core.api import Records, Sessions
from remote_assist.core.messages import Acknowledged
from remote_assist.core.records import Actor, verify_acknowledgement
from tests.relay.world import RelayWorld


async def test_an_opening_makes_a_session_and_each_record_is_acknowledged_by_the_log_key(world: RelayWorld) -> None:
    alice, token = await world.technician()
    agent = world.agent(alice, await world.ticket(token))
    await agent.open()
    answer = await agent.append(agent.record("RA1001E", actor=Actor(kind="customer")))
    assert isinstance(answer, Acknowledged)
    (acknowledgement,) = answer.acknowledgements
    assert (acknowledgement.session, acknowledgement.seq, acknowledgement.index) == (agent.session, 1, 1)
    verify_acknowledgement(acknowledgement, [world.organisation.log_key])
    (summary,) = (await world.get("/v1/sessions", Sessions, token)).sessions
    assert (summary.id, summary.state, summary.records) == (agent.session, "live", 2)
    page = await world.get(f"/v1/sessions/{agent.session}/records", Records, token)
    assert page.records[1].acknowledgement == acknowledgement
