"""Records enter the log once, in order, durably, and with the relay's signature; nothing else does."""

import os
import resource
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from remote_assist.core.api import Records, Sessions
from remote_assist.core.messages import (
    Acknowledged,
    Acknowledgement,
    Append,
    AppendRefused,
    RelayRefused,
    SessionClosed,
    StoredRecord,
    Wrap,
)
from remote_assist.core.records import Actor, verify_acknowledgement
from tests.relay.world import Agent, RelayWorld

CUSTOMER = Actor(kind="customer")


async def opened(world: RelayWorld, **changes: Any) -> tuple[Agent, str]:
    alice, token = await world.technician()
    agent = world.agent(alice, await world.ticket(token), **changes)
    await agent.open()
    return agent, token


def pause(agent: Agent, **changes: Any) -> StoredRecord:
    return agent.record("RA1006E", actor=CUSTOMER, **changes)


async def acknowledged(agent: Agent, *records: StoredRecord) -> tuple[Acknowledgement, ...]:
    answer = await agent.append(*records)
    assert isinstance(answer, Acknowledged), answer
    return answer.acknowledgements


async def refused(agent: Agent, *records: StoredRecord) -> AppendRefused:
    answer = await agent.append(*records)
    assert isinstance(answer, AppendRefused), answer
    return answer


async def test_an_opening_makes_a_session_and_each_record_is_acknowledged_by_the_log_key(world: RelayWorld) -> None:
    agent, token = await opened(world)
    (acknowledgement,) = await acknowledged(agent, pause(agent))
    assert (acknowledgement.session, acknowledgement.seq, acknowledgement.index) == (agent.session, 1, 1)
    verify_acknowledgement(acknowledgement, [world.organisation.log_key])
    (summary,) = (await world.get("/v1/sessions", Sessions, token)).sessions
    assert (summary.id, summary.state, summary.records) == (agent.session, "live", 2)
    page = await world.get(f"/v1/sessions/{agent.session}/records", Records, token)
    assert page.records[1].acknowledgement == acknowledgement


async def test_a_record_offered_again_gets_the_same_acknowledgement(world: RelayWorld) -> None:
    agent, token = await opened(world)
    record = pause(agent)
    first = await acknowledged(agent, record)
    assert await acknowledged(agent, record) == first
    page = await world.get(f"/v1/sessions/{agent.session}/records", Records, token)
    assert len(page.records) == 2


async def test_another_record_at_a_taken_place_is_a_fork(world: RelayWorld) -> None:
    agent, _ = await opened(world)
    prev = agent.prev
    await acknowledged(agent, pause(agent))
    other = pause(agent, seq=1, prev=prev, advance=False, target="elsewhere")
    answer = await refused(agent, other)
    assert (answer.seq, answer.reason) == (1, "fork")


async def test_a_record_that_does_not_follow_the_last_hash_is_a_fork(world: RelayWorld) -> None:
    agent, _ = await opened(world)
    assert (await refused(agent, pause(agent, prev="1" * 64, advance=False))).reason == "fork"


async def test_a_record_that_skips_a_place_is_a_gap_and_what_came_before_it_is_kept(world: RelayWorld) -> None:
    agent, token = await opened(world)
    good, skipping = pause(agent), pause(agent, seq=5)
    await agent.send(Append(session=agent.session, records=(good, skipping)))
    first = await agent.receive()
    assert isinstance(first, Acknowledged) and [one.seq for one in first.acknowledgements] == [1]
    second = await agent.receive()
    assert isinstance(second, AppendRefused) and (second.seq, second.reason) == (5, "gap")
    page = await world.get(f"/v1/sessions/{agent.session}/records", Records, token)
    assert len(page.records) == 2


async def test_a_head_signature_by_another_key_is_refused(world: RelayWorld) -> None:
    agent, _ = await opened(world)
    answer = await refused(agent, pause(agent, signer=agent.person.key, advance=False))
    assert answer.reason == "bad-signature"


async def test_the_journal_key_may_sign_only_what_a_next_start_adds(world: RelayWorld) -> None:
    agent, _ = await opened(world)
    await agent.link.close()
    joined = await agent.connect(agent.journal_key)
    assert joined.records == 1
    assert (await refused(agent, pause(agent, signer=agent.journal_key, advance=False))).reason == "bad-signature"
    left = agent.record("RA1303E", actor=CUSTOMER, signer=agent.journal_key)
    await acknowledged(agent, left)


async def test_a_record_of_another_session_or_form_is_refused(world: RelayWorld) -> None:
    agent, _ = await opened(world)
    raw = pause(agent, advance=False).record
    spaced = StoredRecord(record=raw.replace(b":", b": ", 1), head="")
    assert (await refused(agent, spaced)).reason == "malformed"
    stranger = raw.replace(agent.session.encode(), b"s-" + b"a" * 16)
    assert (await refused(agent, StoredRecord(record=stranger, head=""))).reason == "wrong-session"
    await acknowledged(agent, pause(agent))


async def test_a_session_ends_with_its_end_record_and_takes_no_more(world: RelayWorld) -> None:
    agent, token = await opened(world)
    await acknowledged(agent, agent.ending("done"))
    assert await agent.receive() == SessionClosed(session=agent.session)
    assert (await refused(agent, pause(agent, advance=False))).reason == "ended"
    (summary,) = (await world.get("/v1/sessions", Sessions, token)).sessions
    assert (summary.state, summary.end_reason) == ("ended", "done")


async def test_an_agent_that_is_gone_is_away_and_an_intent_without_outcome_is_counted(world: RelayWorld) -> None:
    agent, token = await opened(world)
    await acknowledged(
        agent,
        agent.record("RA1100I", action="1", scope="diagnose"),
        agent.record("RA1100O", action="1"),
        agent.record("RA1400I", action="2", scope="terminal"),
        agent.record("RA1400I", action="3", scope="terminal"),
        agent.record("RA1901E", action="3"),
    )
    await agent.link.close()
    await agent.link.wait_closed()
    for _ in range(100):
        (summary,) = (await world.get("/v1/sessions", Sessions, token)).sessions
        if summary.state != "live":
            break
    assert (summary.state, summary.incomplete) == ("away", 1)


async def test_an_opening_that_does_not_hold_opens_nothing(world: RelayWorld) -> None:
    alice, token = await world.technician()
    ticket = await world.ticket(token)
    mallory = world.person("Mallory Example")
    reviewer = world.person("Rita Example", role="reviewer")
    cases: list[tuple[Agent, dict[str, Any], str]] = [
        (world.agent(alice, ticket), {"signature": "not a signature"}, "bad-opening"),
        (world.agent(alice, ticket), {"certificate": mallory.certificate}, "bad-opening"),
        (world.agent(reviewer, ticket), {}, "bad-opening"),
        (world.agent(alice, ticket, agent_host_key="ssh-ed25519 AAAA"), {}, "bad-opening"),
        (world.agent(alice, ticket, relay="http://127.0.0.1:1"), {}, "bad-opening"),
        (world.agent(alice, ticket, organisation_ca="ssh-ed25519 AAAA"), {}, "bad-opening"),
        (world.agent(alice, "not-a-ticket"), {}, "bad-opening"),
        (world.agent(alice, "4242"), {}, "unknown-ticket"),
        (world.agent(alice, ticket, seconds=10**7), {}, "bad-opening"),
    ]
    for agent, changes, reason in cases:
        await agent.connect()
        answer = await refused(agent, agent.opening(**changes))
        assert (answer.seq, answer.reason) == (0, reason), answer.sentence
        await agent.link.close()
    assert (await world.get("/v1/sessions", Sessions, token)).sessions == ()


async def test_a_certificate_that_expired_or_was_revoked_opens_no_session(world: RelayWorld) -> None:
    alice, token = await world.technician()
    ticket = await world.ticket(token)
    agent = world.agent(alice, ticket)
    world.clock.turn(hours=13)
    await agent.connect()
    assert "expired" in (await refused(agent, agent.opening())).sentence


async def test_without_an_opening_there_is_no_session(world: RelayWorld) -> None:
    alice, token = await world.technician()
    agent = world.agent(alice, await world.ticket(token))
    await agent.connect()
    assert (await refused(agent, pause(agent, seq=1, prev="1" * 64, advance=False))).reason == "gap"


async def test_another_host_key_cannot_join_a_session(world: RelayWorld) -> None:
    agent, _ = await opened(world)
    impostor = Agent(world, agent.person, "1001", 60, {})
    impostor.session = agent.session
    with pytest.raises(AssertionError, match="bad-signature"):
        await impostor.connect()


async def test_a_join_signed_for_another_relay_is_refused(world: RelayWorld) -> None:
    alice, token = await world.technician()
    agent = world.agent(alice, await world.ticket(token))
    with pytest.raises(AssertionError, match="bad-signature"):
        await agent.connect(origin="https://relay.example.com:443")


async def test_the_newest_control_connection_counts(world: RelayWorld) -> None:
    agent, _ = await opened(world)
    old = agent.link
    assert (await agent.connect()).records == 1
    assert isinstance(refusal := await _said(old), RelayRefused) and refusal.reason == "replaced"
    with pytest.raises(ConnectionClosed):
        await old.recv()
    await acknowledged(agent, pause(agent))


async def test_after_a_restart_the_chain_and_the_index_go_on(world: RelayWorld) -> None:
    agent, token = await opened(world)
    record = pause(agent)
    before = await acknowledged(agent, record)
    port = int(world.url.rpartition(":")[2])
    await world.relay.stop()
    world.settings["port"] = port
    await world.start()
    assert (await agent.connect()).records == 2
    assert await acknowledged(agent, record) == before
    (after,) = await acknowledged(agent, pause(agent))
    assert (after.seq, after.index) == (2, 2)
    assert (await world.get("/v1/sessions", Sessions, token)).sessions[0].state == "live"


async def test_the_log_never_runs_backwards_when_the_clock_does(world: RelayWorld) -> None:
    agent, _ = await opened(world)
    (first,) = await acknowledged(agent, pause(agent))
    world.clock.turn(hours=-1)
    (second,) = await acknowledged(agent, pause(agent))
    assert second.time >= first.time


async def test_a_full_disk_refuses_records_and_nothing_is_half_stored(world: RelayWorld) -> None:
    if world.organisation.database:
        pytest.skip("the disk of a server is filled in test_postgres.py")
    agent, token = await opened(world)
    record = pause(agent, target="x" * 20000)
    log = world.organisation.data / "relay.db-wal"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.stat(log).st_size, hard))
    try:
        answer = await refused(agent, record)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (answer.seq, answer.reason) == (1, "store-full")
    page = await world.get(f"/v1/sessions/{agent.session}/records", Records, token)
    assert len(page.records) == 1
    (acknowledgement,) = await acknowledged(agent, record)
    assert acknowledgement.index == 1


async def test_wraps_come_with_the_first_page_and_are_kept_once(world: RelayWorld) -> None:
    agent, token = await opened(world)
    wraps = tuple(Wrap(key_id="k-1", reviewer=f"r-{number}", sealed=b"sealed") for number in (1, 2))
    for record in (pause(agent), pause(agent)):
        answer = await agent.append(record, wraps=wraps)
        assert isinstance(answer, Acknowledged)
    page = await world.get(f"/v1/sessions/{agent.session}/records", Records, token)
    assert page.wraps == wraps
    assert (await world.get(f"/v1/sessions/{agent.session}/records?from=1", Records, token)).wraps == ()
    bad = await agent.append(pause(agent, advance=False), wraps=(Wrap(key_id="", reviewer="r", sealed=b""),))
    assert isinstance(bad, AppendRefused) and bad.reason == "malformed"


async def test_records_are_read_in_pages(world: RelayWorld) -> None:
    agent, token = await opened(world)
    for _ in range(8):
        await acknowledged(agent, *(pause(agent) for _ in range(64)))
    first = await world.get(f"/v1/sessions/{agent.session}/records", Records, token)
    assert (len(first.records), first.more) == (500, True)
    rest = await world.get(f"/v1/sessions/{agent.session}/records?from=500", Records, token)
    assert (len(rest.records), rest.more) == (13, False)


async def test_appends_sent_without_waiting_are_all_answered_in_order(world: RelayWorld) -> None:
    agent, _ = await opened(world)
    for _ in range(100):
        await agent.send(Append(session=agent.session, records=(pause(agent),)))
    seqs: list[int] = []
    while len(seqs) < 100:
        answer = await agent.receive()
        assert isinstance(answer, Acknowledged)
        seqs += [one.seq for one in answer.acknowledgements]
    assert seqs == list(range(1, 101))


@pytest.mark.parametrize(
    "said",
    [
        b"{}",
        b"not json",
        b'{"type":"append","session":"s-aaaaaaaaaaaaaaaa","records":[]}',
        b'{"type":"joined","records":0,"relay_time":""}',
    ],
)
async def test_what_is_not_of_this_protocol_ends_the_connection_with_a_sentence(world: RelayWorld, said: bytes) -> None:
    agent, _ = await opened(world)
    await agent.link.send(said.decode(), text=True)
    answer = await agent.receive()
    assert isinstance(answer, RelayRefused) and answer.reason == "malformed" and answer.sentence
    with pytest.raises(ConnectionClosed):
        await agent.link.recv()


async def test_a_binary_message_on_the_control_connection_is_refused(world: RelayWorld) -> None:
    agent, _ = await opened(world)
    await agent.link.send(b"\0")
    answer = await agent.receive()
    assert isinstance(answer, RelayRefused) and answer.reason == "malformed"


async def test_an_append_beyond_the_limit_is_refused(world: RelayWorld) -> None:
    agent, _ = await opened(world)
    record = pause(agent)
    await agent.send(Append(session=agent.session, records=(record,) * 65))
    assert isinstance(answer := await agent.receive(), RelayRefused) and "too many" in answer.sentence


async def _said(link: Any) -> object:
    raw = await link.recv()
    return msgspec.json.decode(raw, type=RelayRefused)
