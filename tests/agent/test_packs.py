"""What an agent runs of packs: those installed here and signed by a key on the list, and nothing else anybody sends."""

import secrets

import pytest

from remote_assist.core.catalog.packs import InstalledPack, Pack, PackTrust, build_pack, open_pack, sign_pack
from remote_assist.core.identity.lists import PacksList, sign_list
from remote_assist.core.requests import Collect, Refused
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.diagnostics.bundle import read_bundle
from remote_assist.diagnostics.pack_catalog import stock
from remote_assist.transport.pack_folder import PackFolder
from tests.agent.world import AgentWorld

ISSUED = "2026-11-29T10:00:00Z"
KEY = new_key(secrets.token_bytes(32))
FILES = {
    "acme.yaml": """kind: Collector
metadata: {id: acme_hosts, version: 1, title: Names}
sensitivity: internal
implementations: [{os: linux, command: {argv: [cat, /etc/hosts]}, extract: {first: '^(?P<first>\\S+)'}}]
fields: {first: string}
---
kind: Bundle
metadata: {id: acme.look, version: 1, title: Look}
collectors: [acme_hosts]
"""
}


def pack(version: int = 1, signer: object = KEY) -> bytes:
    raw = build_pack(Pack(id="acme", version=version, issued="", files=FILES))
    return sign_pack(raw, signer)  # type: ignore[arg-type]  # a key, or another one


def install(world: AgentWorld, raw: bytes) -> None:
    PackFolder(world.home.path).put(open_pack(raw), raw)


def allow(world: AgentWorld, *keys: str, revoked: tuple[str, ...] = ()) -> None:
    """What the organisation's CA says about packs."""
    body = PacksList(number=2, keys=keys, issued=ISSUED, revoked=revoked)
    file = world.relay.organisation.data / "lists" / "packs.json"
    file.write_bytes(sign_list(world.relay.organisation.ca, body))


async def collect(world: AgentWorld) -> "bytes | Refused":
    trusted = stock(_as_technician(world), PackTrust((public_line(KEY),))).catalog.bundles["acme.look"]
    async with world.session() as live:
        request = Collect(bundle=trusted.id, version=trusted.version, digest=trusted.digest)
        answers = await live.ask(request)
        return answers.data or answers.refused


def _as_technician(world: AgentWorld) -> list[InstalledPack]:
    folder = PackFolder(world.folder / "technician")
    folder.put(open_pack(pack()), pack())
    return folder.installed()


async def test_an_installed_pack_of_a_key_on_the_list_runs(world: AgentWorld) -> None:
    allow(world, public_line(KEY))
    install(world, pack())
    got = await collect(world)
    assert isinstance(got, bytes)
    assert "first" in str(read_bundle(got).facts["acme_hosts"])


@pytest.mark.parametrize("case", ["not installed", "not signed", "another key", "not on the list", "revoked"])
async def test_nothing_else_runs_whatever_a_technician_sends(world: AgentWorld, case: str) -> None:
    other = new_key(secrets.token_bytes(32))
    raw = {"not signed": build_pack(open_pack(pack()).pack), "another key": pack(signer=other)}.get(case, pack())
    if case != "not installed":
        install(world, raw)
    digest = (open_pack(raw).digest,) if case == "revoked" else ()
    allow(world, *([] if case == "not on the list" else [public_line(KEY)]), revoked=digest)
    got = await collect(world)
    assert isinstance(got, Refused)
    assert got.reason == "unknown-catalog-item"
    assert "RA1100I" not in world.codes()
    if case != "not installed":
        assert any("not used: the pack acme is refused" in line for line in world.customer.lines)
