"""Records that belong to no session enter the log by the key of whoever wrote them, and by no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from relay.storage.data_folder import read_log_key
from remote_assist.audit.own_chain import verify_chain
from remote_assist.core.api import LoggedRecord
from remote_assist.core.identity.certificates import check_certificate
from remote_assist.core.log.organisation import relays_opening
from remote_assist.core.records import Actor, RecordDraft, verify_acknowledgement
from remote_assist.core.signing.keys import public_line
from remote_assist.errors import RefusedError, UsageError
from remote_assist.technician.api import RelayApi
from remote_assist.technician.login import Credential
from remote_assist.technician.own_records import OwnRecords
from tests.relay.world import Person, RelayWorld

HOLD = "RA2010E"


@asynccontextmanager
async def written_by(
    world: RelayWorld, person: Person, role: str, **login: str
) -> AsyncIterator[tuple[OwnRecords, RelayApi]]:
    """A person's own records at the relay, and the API they go through."""
    token = (await world.login(person, role)).token
    certificate = check_certificate(
        person.certificate, ca_line=public_line(world.organisation.ca), now=world.clock(), role=role
    )
    async with RelayApi(world.url, token=token) as api:
        credential = Credential(person.key, certificate)
        yield OwnRecords(api, credential, role, (world.organisation.log_key,), clock=world.clock), api


def hold(actor: Actor, about: str = "s-abcdefghijklmnop") -> RecordDraft:
    return RecordDraft(code=HOLD, actor=actor, about=about, details={"reason": "court order 7"})


async def logged(api: RelayApi, chain: str) -> list[LoggedRecord]:
    return [one async for page in api.record_pages(chain) for one in page.records]


async def test_a_persons_records_are_kept_in_the_same_log_and_verify(world: RelayWorld) -> None:
    rita = world.person("Rita Example", "reviewer")
    async with written_by(world, rita, "reviewer") as (own, api):
        first, second = await own.write(hold(own.actor)), await own.write(hold(own.actor, "s-bbbbbbbbbbbbbbbb"))
        assert (first.index, second.index, second.seq) == (1, 2, 2)
        verify_acknowledgement(second, [world.organisation.log_key])
        report = verify_chain(
            await logged(api, own.chain),
            log_keys=[world.organisation.log_key],
            ca_line=public_line(world.organisation.ca),
            strict=True,
        )
        assert (report.owner, report.records) == ("Rita Example", 3)
        (summary,) = await api.chains()
        assert (summary.id, summary.owner, summary.role, summary.records) == (own.chain, rita.name, "reviewer", 3)


async def test_two_programs_of_one_person_lose_no_record(world: RelayWorld) -> None:
    rita = world.person("Rita Example", "reviewer")
    async with written_by(world, rita, "reviewer") as (one, api), written_by(world, rita, "reviewer") as (two, _):
        await asyncio.gather(one.write(hold(one.actor)), two.write(hold(two.actor, "s-bbbbbbbbbbbbbbbb")))
        assert (await api.chain(one.chain)).records == 3


async def test_a_technician_may_not_write_what_is_a_reviewers_nor_read_others(world: RelayWorld) -> None:
    alice, rita = world.person(), world.person("Rita Example", "reviewer")
    async with written_by(world, rita, "reviewer") as (own, _):
        await own.write(hold(own.actor))
    async with written_by(world, alice, "technician") as (hers, api):
        with pytest.raises(Exception, match="not for a technician"):
            await hers.write(hold(hers.actor))
        with pytest.raises(UsageError, match="no such records"):
            await api.chain(own.chain)
        with pytest.raises(RefusedError):
            await api.chains()


async def test_a_login_cannot_write_into_anothers_records(world: RelayWorld) -> None:
    rita, oscar = world.person("Rita Example", "reviewer"), world.person("Oscar Example", "operator")
    async with written_by(world, rita, "reviewer") as (own, _), written_by(world, oscar, "operator") as (his, api):
        await his.write(hold(his.actor))
        head = await own._head()
        assert head is None
        with pytest.raises(RefusedError, match="another person"):
            await api.new_records(own._linked(None, hold(own.actor)))


async def test_the_relays_own_records_are_linked_across_restarts(world: RelayWorld) -> None:
    rita = world.person("Rita Example", "reviewer")
    draft = RecordDraft(code="RA2002E", actor=Actor(kind="reviewer", key="SHA256:x"), about="s-abcdefghijklmnop")
    for _ in range(2):
        await world.relay.log.chains.write(draft)
        await world.relay.stop()
        await world.start()
    async with written_by(world, rita, "reviewer") as (_, api):
        name, _ = relays_opening_of(world)
        report = verify_chain(await logged(api, name), log_keys=[world.organisation.log_key], ca_line=None)
        assert (report.role, report.records) == ("relay", 3)


def relays_opening_of(world: RelayWorld) -> tuple[str, RecordDraft]:
    return relays_opening(read_log_key(world.organisation.data))
