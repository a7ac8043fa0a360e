"""F9: a log that shows two faces. Both ends refuse, and each keeps the two notes that prove it."""

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from remote_assist.audit.log_memory import note_file
from remote_assist.audit.receipt import read_receipt, verify_receipt
from remote_assist.core.checkpoint import open_checkpoint, sign_checkpoint
from remote_assist.core.messages import CheckpointGiven
from remote_assist.core.signing.keys import load_private, public_line
from remote_assist.core.tree import TreeHead
from remote_assist.errors import VerificationError
from tests.faults.evil_relay import Data, Passage, text
from tests.faults.parties import PATIENCE_SECONDS, Parties, opened


@pytest.fixture(autouse=True)
def fresh_memory(parties: Parties) -> Iterator[None]:
    """Alice has seen nothing of the log before, and forgets what the lie made her see."""
    seen = note_file(_alice(parties), parties.world.relay_url)
    seen.unlink(missing_ok=True)
    yield
    seen.unlink(missing_ok=True)
    parties.evil.answer_http = lambda path, body: body


def _alice(parties: Parties) -> Path:
    return parties.world.folder / "alice-home"


def _forged(parties: Parties, size: int) -> str:
    """A checkpoint of a tree that never was, signed with the log key: only who runs the relay can do this."""
    key = load_private((parties.world.folder / "relay-data" / "log_key").read_bytes())
    return sign_checkpoint(key, TreeHead(size, bytes(range(32))))


def _evidence(home: Path) -> list[Path]:
    return sorted((home / "evidence").glob("log-*.json")) if (home / "evidence").is_dir() else []


def _shown_over_http(parties: Parties, note: str) -> Callable[[str, bytes], bytes]:
    return lambda path, body: note.encode() if path == "/v1/log/checkpoint" else body


async def test_a_technician_and_an_agent_who_are_shown_the_same_log_agree(parties: Parties) -> None:
    async with opened(parties) as desk:
        session = await parties.session(desk)
        async with await desk.connect(session) as connected:
            await connected.status()
    mine = note_file(_alice(parties), parties.world.relay_url).read_text()
    key = public_line(load_private((parties.world.folder / "relay-data" / "log_key").read_bytes()))
    assert open_checkpoint(mine, [key]).size > 0
    assert note_file(parties.customer_home, parties.world.relay_url).stat().st_mode & 0o777 == 0o600
    assert _evidence(parties.customer_home) == []


async def test_the_receipt_proves_that_the_session_is_in_the_log(parties: Parties) -> None:
    async with opened(parties) as desk:
        session = await parties.session(desk)
        assert (await desk.end(session, "looked at it")).acknowledged
        assert parties.joining is not None
        assert await asyncio.wait_for(parties.joining, PATIENCE_SECONDS) == 0
    receipt = read_receipt((parties.customer_home / "receipts" / f"{session}.json").read_bytes())
    key = public_line(load_private((parties.world.folder / "relay-data" / "log_key").read_bytes()))
    assert open_checkpoint(receipt.checkpoint, [key]).size > receipt.evidence[-1].acknowledgement.index  # type: ignore[union-attr]
    assert all(one.proof for one in receipt.evidence)
    assert verify_receipt(receipt, log_keys=[key], ca_line=None).state == "ended"


async def test_a_technician_who_was_shown_another_log_is_found_out_by_the_agent(parties: Parties) -> None:
    before = _evidence(_alice(parties))
    parties.evil.answer_http = _shown_over_http(parties, _forged(parties, 1))
    async with opened(parties) as desk:
        session = await parties.session(desk)
        with pytest.raises(VerificationError, match="contradicts"):
            await asyncio.wait_for(desk.connect(session), PATIENCE_SECONDS)
        assert parties.joining is not None
        assert await asyncio.wait_for(parties.joining, PATIENCE_SECONDS) == 5
    (kept,) = _evidence(parties.customer_home)
    assert kept.stat().st_mode & 0o777 == 0o600
    evidence = json.loads(kept.read_text())
    assert evidence["seen"] == _forged(parties, 1)
    assert evidence["shown"].startswith("remote-assist/log/")
    assert any(kept.name in line or "Evidence: " in line for line in parties.customer.shown)
    assert len(_evidence(_alice(parties))) == len(before) + 1


async def test_an_agent_that_is_shown_another_log_ends_the_session_when_the_technician_shows_theirs(
    parties: Parties,
) -> None:
    note = _forged(parties, 100_000)

    async def lie(passage: Passage) -> Sequence[Data]:
        if passage.road == "agent" and not passage.to_relay and isinstance(passage.message(), CheckpointGiven):
            message = passage.message()
            assert isinstance(message, CheckpointGiven)
            return [text(CheckpointGiven(since=message.since, checkpoint=note, consistency=message.consistency))]
        return [passage.data]

    async with opened(parties) as desk:
        parties.evil.tamper = lie
        session = await parties.session(desk)
        with pytest.raises(VerificationError, match="contradicts"):
            await asyncio.wait_for(desk.connect(session), PATIENCE_SECONDS)
        assert parties.joining is not None
        assert await asyncio.wait_for(parties.joining, PATIENCE_SECONDS) == 5
    assert json.loads(_evidence(parties.customer_home)[0].read_text())["shown"] == note


async def test_an_agent_that_saw_more_than_the_relay_now_shows_refuses_it(parties: Parties) -> None:
    """F10 seen from outside: the whole data folder was put back, so the relay itself finds nothing wrong."""
    seen = note_file(parties.customer_home, parties.world.relay_url)
    seen.parent.mkdir(parents=True, mode=0o700)
    seen.parents[1].chmod(0o700)
    seen.write_text(_forged(parties, 100_000))
    async with opened(parties) as desk:
        invitation = await parties.invite(desk)
        joining = parties.join(invitation.code)
        pairing = asyncio.create_task(invitation.paired())
        await asyncio.wait({joining, pairing}, timeout=PATIENCE_SECONDS, return_when=asyncio.ALL_COMPLETED)
        pairing.cancel()
        await asyncio.gather(pairing, return_exceptions=True)
        assert joining.done()
    assert len(_evidence(parties.customer_home)) == 1
    assert seen.read_text() == _forged(parties, 100_000)


async def test_a_technician_who_saw_more_than_the_relay_now_shows_refuses_to_invite(parties: Parties) -> None:
    seen = note_file(_alice(parties), parties.world.relay_url)
    seen.parent.mkdir(parents=True, exist_ok=True)
    seen.write_text(_forged(parties, 100_000))
    async with opened(parties) as desk:
        with pytest.raises(VerificationError, match="contradicts"):
            await parties.invite(desk)
