"""Bundles and fixes through the agent: own items only, plans once, the customer asked, half-done work settled."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from remote_assist.core.catalog.packs import Pack, PackTrust, build_pack, open_pack, sign_pack
from remote_assist.core.identity.approval import approve
from remote_assist.core.identity.certificates import issue_certificate
from remote_assist.core.identity.lists import PacksList, sign_list
from remote_assist.core.requests import (
    Accepted,
    ApplyFix,
    AskStatus,
    Cancel,
    Collect,
    EstimateLook,
    Expected,
    Plan,
    PlanFix,
    Progress,
    Status,
)
from remote_assist.core.signing.keys import PrivateKey, fingerprint, new_key, public_line
from remote_assist.diagnostics.bundle import read_bundle
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.pack_catalog import stock
from remote_assist.errors import ContentError
from remote_assist.transport.pack_folder import PackFolder
from tests.agent.world import AgentWorld, LiveSession
from tests.scenarios.world import TakenPort

FIX = "linux.service.free-port"
CATALOG = load_catalog()


def plan_request(trouble: TakenPort, **changes: object) -> PlanFix:
    item = CATALOG.fixes[FIX]
    fields: dict[str, object] = {
        "fix": FIX,
        "version": item.version,
        "digest": item.digest,
        "parameters": {"unit": "shop-web", "holder": "old-web", "port": str(trouble.port)},
    }
    return PlanFix(**{**fields, **changes})  # type: ignore[arg-type]  # a table of its fields


@pytest.fixture
async def trouble(world: AgentWorld, tmp_path: Path) -> AsyncIterator[TakenPort]:
    made = await asyncio.to_thread(TakenPort.provoke, tmp_path / "services")
    world.services = made.folder
    yield made
    made.close()


async def plan(live: LiveSession, trouble: TakenPort) -> Plan:
    answers = await live.ask(plan_request(trouble))
    assert answers.done.status == "done", answers
    (found,) = [message for message in answers.messages if isinstance(message, Plan)]
    return found


async def test_a_bundle_streams_while_it_is_made_and_can_be_read(world: AgentWorld) -> None:
    item = CATALOG.bundles["first-look"]
    async with world.session() as live:
        answers = await live.ask(Collect(bundle=item.id, version=item.version, digest=item.digest))
    assert isinstance(answers.messages[0], Accepted)
    assert any(isinstance(message, Progress) for message in answers.messages)
    assert answers.done.size == len(answers.data)
    assert read_bundle(answers.data).manifest.bundle == "first-look"
    outcome = next(record for record in world.journal() if record.code == "RA1100O")
    assert outcome.sizes["bytes"] == len(answers.data)


async def test_an_estimate_is_what_the_agent_saw_before_and_no_action(world: AgentWorld) -> None:
    item = CATALOG.bundles["first-look"]
    asked = EstimateLook(bundle=item.id, version=item.version, digest=item.digest)
    async with world.session() as live:
        guess = (await live.ask(asked)).last
        records = world.codes()
        await live.ask(Collect(bundle=item.id, version=item.version, digest=item.digest))
        known = (await live.ask(asked)).last
        other = await live.ask(EstimateLook(bundle=item.id, version=item.version, digest="0" * 64))
    assert isinstance(guess, Expected)
    assert isinstance(known, Expected)
    assert (guess.seen, guess.items) == (0, len(item.collectors))
    assert known.seen > known.items // 2
    assert records == world.codes()[: len(records)]
    assert other.refused.reason == "catalog-differs"


async def test_what_the_customer_struck_on_the_consent_screen_is_not_read(world: AgentWorld) -> None:
    item = CATALOG.bundles["first-look"]
    world.customer.strikes = frozenset({"users", "processes"})
    async with world.session() as live:
        answers = await live.ask(Collect(bundle=item.id, version=item.version, digest=item.digest))
    preview = world.customer.questions[0].preview
    assert preview is not None
    assert {each.collector for each in preview.items} >= set(item.collectors) - {"trend"}
    bundle = read_bundle(answers.data)
    assert {name for name, status in bundle.statuses.items() if status == "declined"} == {"users", "processes"}
    assert not {"users", "processes"} & set(bundle.facts)


async def test_damaged_catalog_files_cost_the_preview_and_not_the_session(
    world: AgentWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged() -> None:
        raise ContentError("collectors.yaml:3: unknown key")

    monkeypatch.setattr("remote_assist.agent.shelf._shipped", damaged)
    async with world.session() as live:
        assert isinstance((await live.ask(AskStatus())).last, Status)
    assert world.customer.questions[0].preview is None


async def test_a_bundle_can_be_cancelled_and_keeps_what_there_is(world: AgentWorld) -> None:
    item = CATALOG.bundles["first-look"]
    async with world.session() as live:
        request = Collect(bundle=item.id, version=item.version, digest=item.digest)
        answers = await live.ask(request, Cancel())
        assert answers.done.status == "cancelled"
        assert (await live.ask(request)).done.status == "done"


@pytest.mark.parametrize("change", [{"digest": "0" * 64}, {"version": 99}, {"fix": "linux.no-such-fix"}], ids=str)
async def test_only_the_agents_own_items_run(world: AgentWorld, trouble: TakenPort, change: dict[str, object]) -> None:
    async with world.session() as live:
        refused = (await live.ask(plan_request(trouble, **change))).refused
    assert refused.reason in {"catalog-differs", "unknown-catalog-item"}
    assert "RA1300I" not in world.codes()


async def test_a_fix_is_planned_applied_once_and_named_by_its_plan(world: AgentWorld, trouble: TakenPort) -> None:
    async with world.session() as live:
        made = await plan(live, trouble)
        assert made.runnable, made.why_not
        applied = await live.ask(ApplyFix(plan=made.digest))
        assert applied.done.status == "resolved", applied.done.sentence
        assert (await live.ask(ApplyFix(plan=made.digest))).refused.reason == "no-such-plan"
    assert world.customer.plans == []
    by_code = {record.code: record for record in world.journal()}
    assert by_code["RA1300O"].plan == by_code["RA1301I"].plan == made.digest
    assert by_code["RA1301O"].outcome is not None
    assert by_code["RA1301O"].outcome.status == "resolved"


async def test_with_ask_each_the_customer_sees_the_plan_and_may_say_no(world: AgentWorld, trouble: TakenPort) -> None:
    world.ask_each = True
    world.customer.allows_plans = False
    async with world.session() as live:
        made = await plan(live, trouble)
        assert (await live.ask(ApplyFix(plan=made.digest))).refused.reason == "denied"
        (asked,) = world.customer.plans
        assert (asked.title, asked.digest) == (made.title, made.digest)
        world.customer.allows_plans = True
        again = await plan(live, trouble)
        assert (await live.ask(ApplyFix(plan=again.digest))).done.status == "resolved"
    outcomes = [record.outcome for record in world.journal() if record.code == "RA1301O"]
    assert [outcome.status for outcome in outcomes if outcome] == ["denied", "resolved"]


async def test_a_plan_of_a_machine_that_changed_is_not_carried_out(world: AgentWorld, trouble: TakenPort) -> None:
    async with world.session() as live:
        made = await plan(live, trouble)
        trouble.close()
        async with asyncio.timeout(5):
            while trouble.holder():
                await asyncio.sleep(0.02)
        done = (await live.ask(ApplyFix(plan=made.digest))).done
    assert done.status == "failed"
    assert "changed since the plan" in done.sentence
    assert trouble.holder() == "", "a step was carried out"


@pytest.mark.parametrize("undo", [True, False], ids=["undo", "leave"])
async def test_a_fix_stopped_in_the_middle_is_the_customers_to_decide(
    world: AgentWorld, trouble: TakenPort, undo: bool
) -> None:
    world.customer.allows_plans = undo
    async with world.session() as live:
        made = await plan(live, trouble)
        async with world.technician.channel() as channel:
            await channel.send(ApplyFix(plan=made.digest))
            while not _is_first_step(await channel.receive()):
                continue
            world.customer.press_end()
            assert await live.ended() == 0
    (asked,) = world.customer.plans
    assert asked.undo
    assert asked.steps
    codes = world.codes()
    assert codes[-1] == "RA1990E"
    assert ("RA1302E" if undo else "RA1303E") in codes
    outcome = next(record.outcome for record in world.journal() if record.code == "RA1301O")
    assert outcome is not None
    assert outcome.status == "aborted"


def _is_first_step(message: object) -> bool:
    return isinstance(message, Progress) and message.status == "ok"


# --- high risk: a second technician ----------------------------------------------------------------

HIGH = """kind: Fix
metadata: {id: acme.risky, version: 1, title: Risky}
platforms: [linux]
consent: {text: Touch a file.}
risk: {impact: none, downtime: none, reversible: none}
precheck: [{when: 'true', message: never, says: nothing is needed}]
steps: [{name: touch, command: {argv: ['true']}, check: skip, irreversible: it is risky}]
verify: [{when: 'true', says: it is so}]
"""


@pytest.fixture
def risky(world: AgentWorld) -> PlanFix:
    """A fix of high risk, installed as a pack."""
    key = new_key(secrets.token_bytes(32))
    raw = sign_pack(build_pack(Pack(id="acme", version=1, issued="", files={"a.yaml": HIGH})), key)
    PackFolder(world.home.path).put(open_pack(raw), raw)
    body = PacksList(number=2, keys=(public_line(key),), issued="2026-11-29T10:00:00Z")
    lists = world.relay.organisation.data / "lists"
    (lists / "packs.json").write_bytes(sign_list(world.relay.organisation.ca, body))
    item = stock(PackFolder(world.home.path).installed(), PackTrust(body.keys)).catalog.fixes["acme.risky"]
    return PlanFix(fix=item.id, version=item.version, digest=item.digest, parameters={})


def colleague(world: AgentWorld, name: str = "Bob Example") -> tuple[PrivateKey, str]:
    key = new_key(secrets.token_bytes(32))
    now = world.moment().utc
    line = issue_certificate(
        world.relay.organisation.ca,
        public_line(key),
        name=name,
        role="technician",
        serial=4711,
        valid_after=now - timedelta(minutes=5),
        valid_before=now + timedelta(hours=1),
    )
    return key, line


async def test_a_plan_of_high_risk_needs_a_second_technician_and_the_record_names_them(
    world: AgentWorld, risky: PlanFix
) -> None:
    key, line = colleague(world)
    async with world.session() as live:
        answers = await live.ask(risky)
        (made,) = [message for message in answers.messages if isinstance(message, Plan)]
        assert made.risk == "high"
        alone = (await live.ask(ApplyFix(plan=made.digest))).refused
        assert alone.reason == "not-approved"
        assert f"remote-assist approve {world.technician.session} {made.digest}" in alone.advice
        person = world.technician.person
        own = approve(person.key, person.certificate, world.technician.session, made.digest)
        assert (await live.ask(ApplyFix(plan=made.digest, approval=own))).refused.reason == "not-approved"
        theirs = approve(key, line, world.technician.session, made.digest)
        assert (await live.ask(ApplyFix(plan=made.digest, approval=theirs))).done.status == "resolved"
    codes = world.codes()
    assert codes.count("RA1900R") == 2
    (intent,) = [record for record in world.journal() if record.code == "RA1301I"]
    assert intent.approver == fingerprint(public_line(key))
    assert "approval" in intent.sealed
    assert len(world.customer.plans) == 1, "the customer is asked all the same, once"
