"""F18: another log key and newer lists while sessions live. Nobody is cut; old proofs verify; no unsigned key enters.

(The TLS certificate: tests/relay/test_tls_files.py.)
"""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from remote_assist.audit.log_memory import note_file
from remote_assist.audit.receipt import read_receipt, verify_receipt
from remote_assist.core.messages import SuccessionsGiven
from remote_assist.core.records import verify_acknowledgement
from remote_assist.core.signing.keys import load_private, public_line
from remote_assist.core.signing.signed_note import log_origin
from remote_assist.errors import AssistError, VerificationError
from remote_assist.technician.desk import Desk
from tests.faults.evil_relay import Data, EvilRelay, Passage, honest, text
from tests.faults.parties import PATIENCE_SECONDS, Parties, opened
from tests.faults.wired import Counting
from tests.scenarios.world import World

pytestmark = pytest.mark.slow


def _data(world: World) -> Path:
    return world.folder / "relay-data"


def _present_key(world: World) -> str:
    return public_line(load_private((_data(world) / "log_key").read_bytes()))


async def _rotate(world: World) -> None:
    """What an operator does, and the wait until the serving relay has changed over."""
    await asyncio.to_thread(world.command, "remote-assist-relay", "rotate-log-key", "--data", "relay-data")
    assert (_data(world) / "log_key.next").exists(), "nothing changes before the CA's list names the key"
    await asyncio.to_thread(world.command, "ca", "adopt", "relay-data", "--dir", "org")
    async with asyncio.timeout(60):
        while (_data(world) / "log_key.next").exists():
            await asyncio.sleep(0.05)


async def _ended(parties: Parties, desk: Desk, session: str) -> None:
    assert (await desk.end(session, "looked at it")).acknowledged
    assert parties.joining is not None
    assert await asyncio.wait_for(parties.joining, PATIENCE_SECONDS) == 0


def _signed_by(desk: Desk, session: str, line: str) -> None:
    given = desk.shown_acknowledgements(session)
    assert given
    for one in given:
        verify_acknowledgement(one, [line])


async def test_f18_a_log_key_follows_while_sessions_live_and_all_of_them_verify(
    lying: tuple[World, EvilRelay], parties: Parties
) -> None:
    world, _ = lying
    old = _present_key(world)
    async with opened(parties) as desk:
        first = await parties.session(desk)
        async with await desk.connect(first) as connected:
            counting = await Counting.start(connected, count=40)
            await _rotate(world)
            await counting.check()
            await connected.compare_logs()
        new = _present_key(world)
        assert new != old
        async with await desk.connect(first) as connected:  # a new stream of the session that lived through it
            assert (await connected.run(["true"], stdin=None, on_output=lambda kind, data: None)).exit == 0
        _signed_by(desk, first, old)
        await _ended(parties, desk, first)
    receipt = read_receipt((parties.customer_home / "receipts" / f"{first}.json").read_bytes())
    assert (
        verify_receipt(receipt, log_keys=[old], ca_line=None).state == "ended"
    )  # who only knows the old key believes it

    await asyncio.to_thread(world.login)  # which brings the lists that name both
    async with opened(parties) as desk:  # the same customer's machine, which remembers the log of the old key
        second = await parties.session(desk)
        async with await desk.connect(second) as connected:
            await connected.run(["true"], stdin=None, on_output=lambda kind, data: None)
        _signed_by(desk, second, new)
        await _ended(parties, desk, second)
    assert note_file(parties.customer_home, world.relay_url).read_text().startswith(log_origin(new))
    assert not (parties.customer_home / "evidence").exists()
    for session in (first, second):
        assert "verified" in (await asyncio.to_thread(world.command, "audit", "verify", session)).stdout
    words = ("login", "--key", "rita", "--role", "reviewer")
    await asyncio.to_thread(world.command, *words, home="rita-home")
    listed = (await asyncio.to_thread(world.command, "audit", "list", "--chains", "--json", home="rita-home")).stdout
    assert listed.count("o-") == 1, "the old key wrote down who followed it"
    copy = world.folder / "log.jsonl"
    await asyncio.to_thread(world.command, "audit", "export", "--format", "jsonl", "-o", str(copy), home="rita-home")
    done = await asyncio.to_thread(
        world.command, "audit", "verify", str(copy), "--ca", str(world.folder / "org" / "ca.pub"), home="rita-home"
    )
    assert "verified" in done.stdout


async def test_f18_a_key_that_the_old_one_did_not_sign_for_is_refused_by_technician_and_agent(
    lying: tuple[World, EvilRelay], parties: Parties
) -> None:
    world, evil = lying
    alice = note_file(world.folder / "alice-home", world.relay_url)
    async with opened(parties) as desk:
        session = await parties.session(desk)
        await _ended(parties, desk, session)
        before = alice.read_text()
        await _rotate(world)
        await asyncio.to_thread(world.login)  # the CA vouches for the new key, but who signed for it?
        evil.answer_http = lambda path, body: b'{"notes":[]}' if path == "/v1/log/successions" else body
        try:
            async with await Desk.open(parties.desk_settings()) as later:
                with pytest.raises(VerificationError, match="did not sign for"):
                    await parties.invite(later)
        finally:
            evil.answer_http = lambda path, body: body
    assert alice.read_text() == before

    async def withhold(passage: Passage) -> Sequence[Data]:
        if passage.road == "agent" and not passage.to_relay and isinstance(passage.message(), SuccessionsGiven):
            return [text(SuccessionsGiven())]
        return [passage.data]

    async with opened(parties) as desk:
        invitation = await parties.invite(desk)
        evil.tamper = withhold
        joining = parties.join(invitation.code)
        pairing = asyncio.create_task(invitation.paired())
        with contextlib.suppress(AssistError):  # the agent may have left before the technician shows what they saw
            await asyncio.wait({joining, pairing}, timeout=PATIENCE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if pairing.done():
                await desk.connect(pairing.result())
        pairing.cancel()
        (outcome, _) = await asyncio.wait_for(
            asyncio.gather(joining, pairing, return_exceptions=True), 3 * PATIENCE_SECONDS
        )
        assert outcome == 5 or isinstance(outcome, AssistError)
        evil.tamper = honest
    (kept,) = (parties.customer_home / "evidence").glob("log-*.json")
    assert "did not sign for" in json.loads(kept.read_text())["fault"]
