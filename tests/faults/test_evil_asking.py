"""The other order through a relay that lies: the customer's code burns at both ends, nobody is asked (T9, T12)."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from remote_assist.core.codec import decode, encode
from remote_assist.core.codes import SupportCode
from remote_assist.core.messages import PairingReply, PairingVerdict, PeerJoined, PeerLeft, Rendezvous
from remote_assist.errors import AssistError, CodeBurned
from remote_assist.technician.desk import Desk
from tests.faults.evil_relay import Data, Passage
from tests.faults.parties import PATIENCE_SECONDS, Parties, opened
from tests.faults.test_evil_pairing import ATTACKS, OnRoad, _field_changed

OTHER_WORDS = ("tulip-rocket-amber", "amber-rocket-tulip")


async def accepting(parties: Parties, desk: Desk, code: SupportCode) -> "asyncio.Task[str]":
    ticket = await desk.new_ticket("Web server does not start")
    return asyncio.create_task(desk.accept(code, ticket, parties.wishes, 1800))


async def both_failed(*tasks: "asyncio.Task[int] | asyncio.Task[str]") -> None:
    done, _ = await asyncio.wait(tasks, timeout=PATIENCE_SECONDS)
    assert done == set(tasks)
    assert all(isinstance(task.exception(), AssistError) for task in tasks)


def nothing_happened(parties: Parties) -> bool:
    sessions = parties.customer_home / "sessions"
    return parties.customer.asked == [] and not (sessions.exists() and any(sessions.iterdir()))


def wrong(code: SupportCode) -> SupportCode:
    return SupportCode(code.nameplate, next(words for words in OTHER_WORDS if words != code.words))


@pytest.mark.parametrize("fault", ATTACKS)
async def test_a_changed_pairing_message_burns_the_code_and_asks_nobody(parties: Parties, fault: str) -> None:
    kind, change = ATTACKS[fault]
    attack = OnRoad(kind, change)
    async with opened(parties) as desk:
        parties.evil.tamper = attack
        asking, code = await parties.ask()
        await both_failed(asking, await accepting(parties, desk, code))
        assert attack.hits
        assert nothing_happened(parties)


async def test_a_changed_verdict_gives_the_technician_no_session(parties: Parties) -> None:
    attack = OnRoad(PairingVerdict, _field_changed("sealed"))
    async with opened(parties) as desk:
        parties.evil.tamper = attack
        _, code = await parties.ask()
        with pytest.raises(CodeBurned):
            await asyncio.wait_for(await accepting(parties, desk, code), PATIENCE_SECONDS)
        assert attack.hits == 1


async def test_a_technicians_guess_burns_the_code_for_everybody(parties: Parties) -> None:
    async with opened(parties) as desk:
        asking, code = await parties.ask()
        guessing = await accepting(parties, desk, wrong(code))
        with pytest.raises(CodeBurned) as told:
            await asyncio.wait_for(guessing, PATIENCE_SECONDS)
        assert told.value.reason == "wrong-code"
        with pytest.raises(CodeBurned, match="not this code"):
            await asyncio.wait_for(asking, PATIENCE_SECONDS)
        forget_tried(desk)
        with pytest.raises(CodeBurned, match="used already"):
            await asyncio.wait_for(await accepting(parties, desk, code), PATIENCE_SECONDS)
        assert nothing_happened(parties)


async def test_a_relay_that_plays_the_customer_gets_one_answer_for_one_code(parties: Parties) -> None:
    """It would make many tries of one: each further one is refused here, before anything is dialled."""
    answers: list[bytes] = []

    async def play(passage: Passage) -> Sequence[Data]:
        if passage.road == "accept" and not passage.to_relay and isinstance(passage.data, bytes):
            answers.append(passage.data)
            return [encode(msgspec.structs.replace(decode(passage.data, PairingReply), mac=bytes(32)))]
        return [passage.data]

    async with opened(parties) as desk:
        parties.evil.tamper = play
        _, code = await parties.ask()
        with pytest.raises(CodeBurned) as told:
            await asyncio.wait_for(await accepting(parties, desk, code), PATIENCE_SECONDS)
        assert told.value.reason == "wrong-code"
        dialled = parties.evil.seen.get("accept", 0)
        for _ in range(3):
            with pytest.raises(CodeBurned, match="tried here already"):
                await asyncio.wait_for(await accepting(parties, desk, code), PATIENCE_SECONDS)
        assert (len(answers), parties.evil.seen.get("accept", 0)) == (1, dialled)


async def test_a_relay_that_plays_the_technician_gets_one_answer_and_the_agent_remembers(parties: Parties) -> None:
    """After the agent's answer the code is burned on its disk, also when the relay hides that anybody came."""
    answered = asyncio.Event()

    async def keep(passage: Passage) -> Sequence[Data]:
        if passage.road == "ask" and passage.to_relay and isinstance(passage.data, bytes):
            answered.set()
            return []  # the technician hears nothing
        return [passage.data]

    async with opened(parties) as desk:
        parties.evil.tamper = keep
        asking, code = await parties.ask()
        guessing = await accepting(parties, desk, wrong(code))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await answered.wait()
        used = [nameplate for nameplate, _ in parties.attempts().used]
        assert used == [code.nameplate]
        guessing.cancel()
        await asyncio.wait({guessing, asking}, timeout=PATIENCE_SECONDS)
        assert isinstance(asking.exception(), CodeBurned)
        assert nothing_happened(parties)


async def test_a_relay_that_says_somebody_left_after_the_answer_does_not_set_the_code_free(parties: Parties) -> None:
    async def left(passage: Passage) -> Sequence[Data]:
        """Before message 4 the relay says that the technician is gone, and that another one came."""
        if passage.road == "ask" and not passage.to_relay and passage.between_ends and seen:
            return [encode(PeerLeft(reason="gone")).decode(), encode(PeerJoined()).decode()]
        if passage.road == "ask" and passage.to_relay and passage.between_ends:
            seen.append(True)
        return [passage.data]

    seen: list[bool] = []
    async with opened(parties) as desk:
        parties.evil.tamper = left
        asking, code = await parties.ask()
        await both_failed(asking, await accepting(parties, desk, code))
        assert isinstance(asking.exception(), CodeBurned)
        assert nothing_happened(parties)


async def test_swapped_numbers_pair_nobody(parties: Parties) -> None:
    """The relay tells the customer another number than the one it keeps: the words are bound to the number."""
    told: list[str] = []

    async def swap(passage: Passage) -> Sequence[Data]:
        if passage.road == "ask" and isinstance(passage.data, str) and "nameplate" in passage.data:
            message = decode(passage.data, Rendezvous)  # type: ignore[arg-type, var-annotated]  # a union
            told.append(message.nameplate)
            other = f"{(int(message.nameplate) + 1) % 1_000_000:06d}"
            return [passage.data.replace(message.nameplate, other)]
        return [passage.data]

    async with opened(parties) as desk:
        parties.evil.tamper = swap
        asking, code = await parties.ask()
        crossed = SupportCode(told[0], code.words)
        await both_failed(asking, await accepting(parties, desk, crossed))
        assert nothing_happened(parties)


def forget_tried(desk: Desk) -> None:
    """What another technician's machine would know: nothing."""
    for path in (desk.home.path / "tried").iterdir():
        path.unlink()
