"""A fix that ends with a restart: the session is left open, and the next start looks whether it helped."""

import os
import secrets
from pathlib import Path

import pytest

from remote_assist.agent.recovery import recover
from remote_assist.core.catalog.packs import Pack, PackTrust, build_pack, open_pack, sign_pack
from remote_assist.core.identity.lists import PacksList, sign_list
from remote_assist.core.requests import ApplyFix, Plan, PlanFix
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.diagnostics import verifying
from remote_assist.diagnostics.pack_catalog import stock
from remote_assist.transport.pack_folder import PackFolder
from tests.agent.world import AgentWorld

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a restart needs root")

FIX = """kind: Fix
metadata: {id: acme.restart, version: 1, title: Restart}
platforms: [linux]
consent: {text: Restart.}
risk: {impact: none, downtime: short, reversible: full}
precheck: [{when: 'true', message: never, says: nothing is needed}]
steps:
  - {name: setting, file.write: {path: '%s', content: "on\\n"}}
  - {name: restart, reboot: {}}
verify: [{when: 'VERIFY', says: it is so}]
"""


def install(world: AgentWorld, changed: Path, verify: str) -> PlanFix:
    key = new_key(secrets.token_bytes(32))
    text = FIX.replace("%s", str(changed)).replace("VERIFY", verify)
    raw = sign_pack(build_pack(Pack(id="acme", version=1, issued="", files={"a.yaml": text})), key)
    PackFolder(world.home.path).put(open_pack(raw), raw)
    body = PacksList(number=2, keys=(public_line(key),), issued="2026-11-29T10:00:00Z")
    lists = world.relay.organisation.data / "lists"
    (lists / "packs.json").write_bytes(sign_list(world.relay.organisation.ca, body))
    item = stock(PackFolder(world.home.path).installed(), PackTrust(body.keys)).catalog.fixes["acme.restart"]
    return PlanFix(fix=item.id, version=item.version, digest=item.digest, parameters={})


async def run(world: AgentWorld, request: PlanFix, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply it on a machine whose `shutdown` only says yes."""
    programs = world.folder / "programs"
    programs.mkdir()
    for name in ("shutdown", "systemctl"):
        (programs / name).write_text("#!/bin/sh\nexit 0\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    async with world.session() as live:
        answers = await live.ask(request)
        (plan,) = [message for message in answers.messages if isinstance(message, Plan)]
        assert plan.runnable, plan.why_not
        assert (await live.ask(ApplyFix(plan=plan.digest))).done.status == "restarting"
    assert "RA1990E" not in world.codes(), "the session is left open for the next start"
    assert world.customer.plans == [], "nobody is asked about a fix that only waits for its restart"


def restarted(world: AgentWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    other = world.folder / "boot-id"
    other.write_text("another-start\n")
    monkeypatch.setattr(verifying, "BOOT_ID", str(other))


async def test_after_the_restart_the_fix_is_verified_and_the_session_ended(
    world: AgentWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "setting"
    await run(world, install(world, changed, "true"), monkeypatch)
    restarted(world, monkeypatch)
    await recover(world.around, world.customer)
    assert world.codes()[-2:] == ["RA1304E", "RA1990E"]
    assert changed.read_text() == "on\n"
    assert any("helped" in line for line in world.customer.lines)
    assert world.customer.plans == []


@pytest.mark.parametrize("did_restart", [True, False], ids=["did not help", "did not restart"])
async def test_what_did_not_help_is_the_customers_to_decide(
    world: AgentWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, did_restart: bool
) -> None:
    changed = tmp_path / "setting"
    await run(world, install(world, changed, "false" if did_restart else "true"), monkeypatch)
    if did_restart:
        restarted(world, monkeypatch)
    await recover(world.around, world.customer)
    assert [plan.undo for plan in world.customer.plans] == [True]
    assert world.codes()[-3:] == ["RA1304E", "RA1302E", "RA1990E"]
    assert not changed.exists(), "undone, as the customer said"
