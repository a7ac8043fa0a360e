"""A relay that lies while two people pair: the code burns, nobody is asked, nobody may go on (T9, T12)."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from remote_assist.core.codec import decode, encode
from remote_assist.core.codes import SupportCode
from remote_assist.core.messages import Pairing, PairingReply, PairingStart, PairingStatement, PairingVerdict
from remote_assist.errors import AssistError, CodeBurned
from tests.faults.evil_relay import Data, Passage, flipped
from tests.faults.parties import PATIENCE_SECONDS, Parties, opened

Change = Callable[[bytes], bytes]


def _said(passage: Passage) -> object:
    return decode(passage.data, Pairing) if passage.between_ends else None  # type: ignore[arg-type]  # a union


class OnRoad:
    """Tampers with one kind of pairing message on its last leg."""

    def __init__(self, kind: type[object], change: Callable[[bytes], Sequence[bytes]]) -> None:
        self.kind = kind
        self.change = change
        self.hits = 0

    async def __call__(self, passage: Passage) -> Sequence[Data]:
        if isinstance(passage.data, bytes) and not passage.to_relay and isinstance(_said(passage), self.kind):
            self.hits += 1
            return self.change(passage.data)
        return [passage.data]


def _nonce_changed(raw: bytes) -> list[bytes]:
    message = decode(raw, Pairing)  # type: ignore[arg-type, var-annotated]  # a union
    return [encode(type(message)(**{**_fields(message), "nonce": flipped(message.nonce, 5)}))]


def _field_changed(name: str) -> Callable[[bytes], list[bytes]]:
    def change(raw: bytes) -> list[bytes]:
        message = decode(raw, Pairing)  # type: ignore[arg-type, var-annotated]  # a union
        return [encode(type(message)(**{**_fields(message), name: flipped(getattr(message, name), 7)}))]

    return change


def _fields(message: object) -> dict[str, object]:
    return {name: getattr(message, name) for name in message.__struct_fields__}  # type: ignore[attr-defined]


ATTACKS: dict[str, tuple[type[object], Callable[[bytes], Sequence[bytes]]]] = {
    "start-nonce-changed": (PairingStart, _nonce_changed),
    "start-element-changed": (PairingStart, _field_changed("x")),
    "start-not-of-this-protocol": (PairingStart, lambda raw: [b"{}"]),
    "start-twice": (PairingStart, lambda raw: [raw, raw]),
    "reply-element-changed": (PairingReply, _field_changed("y")),
    "reply-nonce-changed": (PairingReply, _nonce_changed),
    "reply-sealed-changed": (PairingReply, _field_changed("sealed")),
    "reply-mac-changed": (PairingReply, _field_changed("mac")),
    "reply-garbled": (PairingReply, lambda raw: [raw[:-3]]),
    "reply-too-long": (PairingReply, lambda raw: [raw + b" " * (70 << 10)]),
    "statement-sealed-changed": (PairingStatement, _field_changed("sealed")),
    "statement-mac-changed": (PairingStatement, _field_changed("mac")),
    "statement-garbled": (PairingStatement, lambda raw: [raw[:40]]),
}
"""Name of the fault → the message it meets, and what arrives instead."""


@pytest.mark.parametrize("fault", ATTACKS)
async def test_a_changed_pairing_message_burns_the_code_and_asks_nobody(parties: Parties, fault: str) -> None:
    kind, change = ATTACKS[fault]
    attack = OnRoad(kind, change)
    async with opened(parties) as desk:
        parties.evil.tamper = attack
        invitation = await parties.invite(desk)
        joining = parties.join(invitation.code)
        paired = asyncio.create_task(invitation.paired())
        done, _ = await asyncio.wait({joining, paired}, timeout=PATIENCE_SECONDS)
        assert attack.hits
        assert done == {joining, paired}
        assert isinstance(joining.exception(), AssistError)
        assert isinstance(paired.exception(), AssistError)
        assert parties.customer.asked == []
        assert not (parties.customer_home / "sessions").exists() or not any(
            (parties.customer_home / "sessions").iterdir()
        )


async def test_a_changed_verdict_gives_the_technician_no_session(parties: Parties) -> None:
    attack = OnRoad(PairingVerdict, _field_changed("sealed"))
    async with opened(parties) as desk:
        parties.evil.tamper = attack
        invitation = await parties.invite(desk)
        parties.join(invitation.code)
        with pytest.raises(CodeBurned):
            await asyncio.wait_for(invitation.paired(), PATIENCE_SECONDS)
        assert attack.hits == 1


async def test_the_relay_cannot_let_both_retry_after_dropping_the_statement(parties: Parties) -> None:
    async with opened(parties) as desk:
        parties.evil.tamper = OnRoad(PairingStatement, lambda raw: [b"{}"])
        invitation = await parties.invite(desk)
        first = parties.join(invitation.code)
        paired = asyncio.create_task(invitation.paired())
        await asyncio.wait({first, paired}, timeout=PATIENCE_SECONDS)
        assert isinstance(first.exception(), AssistError)
        parties.evil.tamper = _honest_again
        again = parties.join(invitation.code)
        await asyncio.wait({again}, timeout=PATIENCE_SECONDS)
        assert isinstance(again.exception(), CodeBurned)
        assert parties.customer.asked == []


async def _honest_again(passage: Passage) -> Sequence[Data]:
    return [passage.data]


async def test_a_wrong_word_burns_the_code_for_both_and_the_right_ones_come_too_late(parties: Parties) -> None:
    async with opened(parties) as desk:
        invitation = await parties.invite(desk)
        wrong = SupportCode(invitation.code.nameplate, "tulip-rocket-amber")
        joining = parties.join(wrong)
        with pytest.raises(CodeBurned) as told:
            await asyncio.wait_for(invitation.paired(), PATIENCE_SECONDS)
        assert told.value.reason == "wrong-code"
        with pytest.raises(CodeBurned):
            await asyncio.wait_for(joining, PATIENCE_SECONDS)
        parties.customer_home.rename(parties.folder / "another-home")
        with pytest.raises(AssistError):
            await asyncio.wait_for(parties.join(invitation.code), PATIENCE_SECONDS)
        assert parties.customer.asked == []


async def test_swapped_nameplates_pair_nobody(parties: Parties) -> None:
    async with opened(parties) as desk:
        one, other = await parties.invite(desk), await parties.invite(desk)
        crossed = SupportCode(other.code.nameplate, one.code.words)
        joining = parties.join(crossed)
        waiting = asyncio.create_task(one.paired())
        with pytest.raises(CodeBurned):
            await asyncio.wait_for(other.paired(), PATIENCE_SECONDS)
        with pytest.raises(AssistError):
            await asyncio.wait_for(joining, PATIENCE_SECONDS)
        assert not waiting.done()
        await one.cancel()
        waiting.cancel()
        assert parties.customer.asked == []
