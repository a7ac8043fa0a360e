"""Disclosures at the customer: recorded and shown before anything goes, and what came of them afterwards."""

from pathlib import Path

import pytest

from remote_assist.core.codec import encode
from remote_assist.core.messages import Message
from remote_assist.core.requests import Cancel, Disclose, Disclosed, InputEnd
from tests.agent.world import agent_world

pytestmark = pytest.mark.slow

SECRET = "error_log of the shop.txt"
REQUEST = Disclose(
    kind="file", readers="internal", name=SECRET, size=11, sha256="ab" * 32, where="rt:17", issues=("nginx.port",)
)


def said(status: str, **more: str) -> list[Message | bytes]:
    return [encode(Disclosed(status=status, **more)), InputEnd()]


async def test_a_disclosure_is_on_record_and_on_the_screen_before_and_after_it_is_sent(tmp_path: Path) -> None:
    async with agent_world(tmp_path) as world, world.session() as session:
        assert (await session.ask(REQUEST, *said("done", remote="transaction 36"))).done.status == "done"
        intent, outcome = (one for one in world.journal() if one.code.startswith("RA1700"))
        assert intent.catalog == "file:internal,nginx.port"
        assert set(intent.sealed) == {"name", "sha256", "where"}
        assert outcome.outcome is not None and outcome.outcome.status == "done"
        assert any(SECRET in line and "11 bytes" in line for line in world.customer.lines)
        assert SECRET.encode() not in b"".join(one.record for one in await world.logged())

        assert (await session.ask(REQUEST, *said("failed", sentence="it was not taken"))).done.status == "failed"
        assert (await session.ask(REQUEST, Cancel())).done.status == "cancelled"
        assert (await session.ask(REQUEST, b"nonsense", InputEnd())).done.status == "failed"
        strange = Disclose(kind="soul", readers="internal", name="x", size=1, sha256="ab" * 32, where="1001")
        assert (await session.ask(strange)).refused.reason == "out-of-scope"
