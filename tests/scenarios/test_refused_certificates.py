"""Certificates that open nothing: at `login`, at `invite`, and at the customer's, who is then not even asked."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from remote_assist.core.signing import keys
from remote_assist.core.signing.keys import PrivateKey, fingerprint, load_private, new_key, public_line
from remote_assist.errors import VerificationError
from tests.agent.world import agent_world
from tests.core.raw_certificates import RawCertificate
from tests.scenarios.refusals import Refusal, refusal, told_as_json, typed, wait_until
from tests.scenarios.world import World

MALLORY = new_key(b"m" * 32)
OTHER_CA = new_key(b"o" * 32)
NOW = int(time.time())
NESTED_CA = RawCertificate(ca=OTHER_CA, key_line=public_line(MALLORY)).line()
EXPIRED = f"it expired {time.strftime('%Y-%m-%d %H:%M', time.gmtime(NOW - 3600))} UTC"

FAULTS: dict[str, tuple[dict[str, object], str]] = {
    "expired": ({"after": NOW - 7200, "before": NOW - 3600}, EXPIRED),
    "other CA": ({"ca": OTHER_CA}, "it is signed by another CA ({other}, expected {ours})"),
    "nested": (
        {"signer": keys.blob_of(NESTED_CA)},
        "it is nested: its CA is itself a certificate, where a plain key must stand",
    ),
    "host certificate": ({"kind": 2}, "it is a host certificate, not a user certificate"),
    "no principals": ({"principals": ()}, "it names no role: it has no principals"),
    "no such role": ({"principals": (b"root",)}, "its principal 'root' is not a role"),
    "another role": ({"principals": (b"reviewer",)}, "it is for reviewer, not for technician"),
    "revoked": ({"serial": 77}, "it is revoked: serial 77 is on the organisation's list"),
}
"""What is wrong → the fields that make it so, and the sentence after `the certificate is refused: `."""


def certificate(ca: PrivateKey, holder: PrivateKey, fault: str) -> str:
    fields = {"after": NOW - 300, "before": NOW + 3600, **FAULTS[fault][0]}
    return RawCertificate(ca=ca, key_line=public_line(holder)).but(**fields).line()


def sentence(ca: PrivateKey, fault: str) -> str:
    ours, other = (fingerprint(public_line(key)) for key in (ca, OTHER_CA))
    return f"the certificate is refused: {FAULTS[fault][1].format(ours=ours, other=other)}"


@pytest.fixture(scope="module")
def revoking(world: World) -> World:
    """The organisation, with serial 77 revoked and its relay told."""
    world.command("ca", "revoke", "77", "--dir", "org")
    world.command("ca", "adopt", "relay-data", "--dir", "org")
    wait_until(lambda: "lists-taken" in world.log("relay.log"))
    world.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "mallory")
    return world


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_login_refuses_it_with_its_own_sentence_and_5(revoking: World, fault: str) -> None:
    folder = revoking.folder
    ca, mallory = (load_private((folder / name).read_bytes()) for name in ("org/ca", "mallory"))
    (folder / "mallory-cert.pub").write_text(certificate(ca, mallory, fault) + " mallory@example.com\n")
    words = ("login", "--key", "mallory", "--role", "technician", "--json")
    done = typed(revoking, *words, home="mallory-home", expect=5)
    assert told_as_json(done)["reason"] == "VerificationError"
    assert refusal(done).sentence == sentence(ca, fault)
    assert not (folder / "mallory-home" / "token.json").exists()


def test_a_role_that_does_not_exist_names_the_nearest(world: World) -> None:
    done = typed(world, "login", "--key", "alice", "--role", "technicien", home="mallory-home", expect=2)
    assert refusal(done) == Refusal(
        2, "there is no role 'technicien'; did you mean 'technician'?", "Roles: technician, reviewer, operator."
    )


def test_a_certificate_that_expired_after_the_login_invites_nobody(world: World) -> None:
    folder = world.folder
    ca, alice = (load_private((folder / name).read_bytes()) for name in ("org/ca", "alice"))
    ticket = world.new_ticket()
    good = (folder / "alice-cert.pub").read_text()
    (folder / "alice-cert.pub").write_text(certificate(ca, alice, "expired") + "\n")
    try:
        done = world.command("invite", "--ticket", ticket, expect=5)
    finally:
        (folder / "alice-cert.pub").write_text(good)
    assert refusal(done) == Refusal(5, f"the certificate is refused: {EXPIRED}", "Ask your operator for a new one.")
    assert done.stdout == ""


def test_the_certificate_of_another_key_is_not_used(world: World) -> None:
    words = ("login", "--key", "rita", "--cert", "alice-cert.pub")
    done = typed(world, *words, home="rita-home", expect=2)
    assert refusal(done) == Refusal(2, "the certificate is for another key than rita", "Name the key that was signed.")


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_agent_refuses_it_and_the_customer_is_not_asked(tmp_path: Path, fault: str) -> None:
    async with agent_world(tmp_path) as world:
        organisation, half = world.relay.organisation, world.technician
        organisation.write_lists(organisation.data, number=2, revoked=(77,))
        half.person = replace(half.person, certificate=certificate(organisation.ca, half.person.key, fault))
        joining = world.join(await half.make_code())
        await half.greet()
        await half.ask()
        verdict = await half.verdict()
        expected = sentence(organisation.ca, fault)
        assert (verdict.grants, verdict.reason, verdict.sentence) == ((), "unverified", expected[:200])
        with pytest.raises(VerificationError) as refused:
            await asyncio.wait_for(joining, 10)
        assert (refused.value.message, refused.value.exit_code) == (expected, 5)
        assert world.customer.questions == []
        assert list((world.home.path / "sessions").iterdir()) == []
