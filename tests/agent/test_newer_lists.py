"""Lists that change while a session lives: what counts no more is used no more, and nothing is added."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable

import pytest

from relay.trust import read_trust
from remote_assist.agent.newer_lists import NewerLists
from remote_assist.core.catalog.packs import PackTrust
from remote_assist.core.identity.approval import approve
from remote_assist.core.identity.lists import (
    AnyList,
    OrganisationList,
    PacksList,
    RevocationsList,
    sign_list,
)
from remote_assist.core.requests import ApplyFix, Plan, PlanFix, Refused
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.errors import VerificationError
from remote_assist.transport.pack_folder import PackFolder
from tests.agent.test_fixes import colleague, risky
from tests.agent.world import AgentWorld, LiveSession

__all__ = ["risky"]  # a fixture

ISSUED = "2026-11-29T10:00:00Z"
WITHIN_SECONDS = 10.0
"""The relay looks at its lists every second."""


def adopt(world: AgentWorld, kind: str, body: AnyList) -> None:
    """What the operator does about a newer list."""
    (world.relay.organisation.data / "lists" / f"{kind}.json").write_bytes(sign_list(world.relay.organisation.ca, body))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WITHIN_SECONDS):
        while not await condition():
            await asyncio.sleep(0.2)


async def planned(live: LiveSession, request: PlanFix) -> Plan:
    (made,) = [one for one in (await live.ask(request)).messages if isinstance(one, Plan)]
    return made


async def test_a_pack_revoked_in_mid_session_is_used_no_more_nor_is_a_plan_made_of_it(
    world: AgentWorld, risky: PlanFix
) -> None:
    key, line = colleague(world)
    async with world.session() as live:
        made = await planned(live, risky)
        (pack,) = PackFolder(world.home.path).installed()
        before = read_trust(world.relay.organisation.data, now=world.moment().utc)[2].packs
        body = PacksList(number=3, keys=before.keys, issued=ISSUED, revoked=(pack.opened().digest,))
        adopt(world, "packs", body)

        async def is_unknown() -> bool:
            last = (await live.ask(risky)).last
            return isinstance(last, Refused) and last.reason == "unknown-catalog-item"

        await until(is_unknown)
        theirs = approve(key, line, world.technician.session, made.digest)
        assert (await live.ask(ApplyFix(plan=made.digest, approval=theirs))).refused.reason == "unknown-catalog-item"
    assert any("not used: the pack acme is refused" in line for line in world.customer.lines)
    assert world.codes().count("RA1900R") == 1
    assert "RA1301I" not in world.codes()


async def test_a_pack_revoked_while_the_customer_thinks_about_its_plan_is_not_carried_out(
    world: AgentWorld, risky: PlanFix, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, line = colleague(world)
    async with world.session() as live:
        made = await planned(live, risky)

        async def is_unknown() -> bool:
            last = (await live.ask(risky)).last
            return isinstance(last, Refused) and last.reason == "unknown-catalog-item"

        async def think(_question: object) -> bool:
            adopt(world, "packs", PacksList(number=3, keys=(), issued=ISSUED))
            await until(is_unknown)
            return True

        monkeypatch.setattr(world.customer, "allow_plan", think)
        theirs = approve(key, line, world.technician.session, made.digest)
        assert (await live.ask(ApplyFix(plan=made.digest, approval=theirs))).refused.reason == "unknown-catalog-item"
    outcomes = [record.outcome.status for record in world.journal() if record.code == "RA1301O" and record.outcome]
    assert outcomes and "resolved" not in outcomes


async def test_who_was_revoked_in_mid_session_approves_nothing(world: AgentWorld, risky: PlanFix) -> None:
    key, line = colleague(world)
    async with world.session() as live:

        async def is_refused() -> bool:
            """A plan of this moment, approved by them."""
            made = await planned(live, risky)
            theirs = approve(key, line, world.technician.session, made.digest)
            last = (await live.ask(ApplyFix(plan=made.digest, approval=theirs))).last
            return isinstance(last, Refused) and "revoked" in last.sentence

        assert not await is_refused()
        adopt(world, "revocations", RevocationsList(number=2, serials=(4711,), issued=ISSUED))
        await until(is_refused)


async def test_lists_only_narrow_and_only_by_the_word_of_the_ca(world: AgentWorld) -> None:
    ca = world.relay.organisation.ca
    one, other = (public_line(new_key(secrets.token_bytes(32))) for _ in range(2))
    adopt(world, "packs", PacksList(number=2, keys=(one,), issued=ISSUED))
    _, raw, began = read_trust(world.relay.organisation.data, now=world.moment().utc)
    lists = NewerLists(began, ca_line=public_line(ca))
    with pytest.raises(VerificationError):
        lists.take(sign_list(new_key(bytes(32)), PacksList(number=9, keys=(), issued=ISSUED)))
    assert [lists.take(same) for same in raw] == [None] * 4
    assert lists.take(sign_list(ca, PacksList(number=1, keys=(), issued=ISSUED))) is None
    newer = OrganisationList(number=9, name="Another", log_keys=(one,), issued=ISSUED)
    assert lists.take(sign_list(ca, newer)) is None, "log keys are those of the pairing"
    assert lists.packs.keys == (one,)
    assert lists.take(sign_list(ca, PacksList(number=3, keys=(one, other), issued=ISSUED, revoked=("a" * 64,))))
    assert lists.packs == PackTrust((one,), ("a" * 64,))
    assert lists.take(sign_list(ca, PacksList(number=4, keys=(other,), issued=ISSUED)))
    assert lists.packs == PackTrust((), ("a" * 64,))
    assert lists.take(sign_list(ca, RevocationsList(number=2, serials=(1, 2), issued=ISSUED)))
    assert lists.revoked == (1, 2)
