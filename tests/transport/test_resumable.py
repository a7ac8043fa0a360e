"""A stream over many links: what a cut at any moment costs, and what ends the waiting."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from remote_assist.core.resume import LinkNews, Role
from remote_assist.errors import RefusedError, UnreachableError
from remote_assist.transport.dial import dial
from remote_assist.transport.link import Link
from remote_assist.transport.resumable import ResumeTerms
from remote_assist.transport.streams import StreamTransport, StreamTunnel
from tests.transport.splice import Splice, Tamper, spliced
from tests.transport.test_streams import Listener

KEY = bytes(range(32))
Redial = Callable[[int, int], Awaitable[Link]]


@dataclass
class Ends:
    """Both ends of one stream. A redial of the technician brings the agent its new link, as a relay does."""

    splice: Splice
    links: list[Link] = field(default_factory=list)
    news: list[LinkNews] = field(default_factory=list)
    near: StreamTransport = field(init=False)
    far: StreamTransport = field(init=False)
    heard: Listener = field(init=False)
    other: Listener = field(init=False)
    far_tunnel: StreamTunnel = field(init=False)
    taking: list["asyncio.Task[None]"] = field(default_factory=list)

    async def dial(self, epoch: int) -> tuple[Link, Link]:
        return await asyncio.gather(
            dial(self.splice.url, f"/e{epoch}/technician"), dial(self.splice.url, f"/e{epoch}/agent")
        )

    async def redial(self, _stream: int, epoch: int) -> Link:
        technician, agent = await self.dial(epoch)
        self.links.append(technician)
        self.taking.append(asyncio.create_task(self.far_tunnel.take(agent, epoch)))
        return technician

    def tell(self, news: LinkNews, _since: datetime) -> None:
        self.news.append(news)


@asynccontextmanager
async def ends(
    tamper: Tamper | None = None, *, redial: Redial | None = None, patience: float = 20.0, agent_key: bytes = KEY
) -> AsyncIterator[Ends]:
    async with spliced(tamper) as splice:
        found = Ends(splice)
        technician, agent = await found.dial(1)
        found.links.append(technician)
        terms = ResumeTerms(
            key=KEY, role=Role.TECHNICIAN, patience_seconds=patience, redial=redial or found.redial,
            on_news=found.tell, dice=lambda: 0.0,
        )  # fmt: skip
        near = StreamTunnel(technician, stream=1, epoch=1, resume=terms)
        waits = ResumeTerms(key=agent_key, role=Role.AGENT, patience_seconds=patience)
        found.far_tunnel = StreamTunnel(agent, stream=1, epoch=1, resume=waits)
        found.near, found.heard = await near.create_connection(Listener)
        found.far, found.other = await found.far_tunnel.create_connection(Listener)
        try:
            yield found
        finally:
            found.near.abort()
            found.far.abort()
            await asyncio.gather(*found.taking, return_exceptions=True)
            await asyncio.wait_for(asyncio.gather(near.closed(), found.far_tunnel.closed()), 10)


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_cut_again_during_the_replay_not_a_byte_is_lost_or_doubled(seed: int) -> None:
    dice = random.Random(seed)
    there, back = dice.randbytes(3 << 20), dice.randbytes(3 << 20)
    left = [dice.randrange(1, 2 << 20) for _ in range(4)]

    def cut_in_time(_who: str, raw: bytes) -> bytes | None:
        if left:
            left[0] -= len(raw)
            if left[0] <= 0:
                left.pop(0)
                found.links[-1].abort()
        return raw

    async with ends(cut_in_time) as found:
        for content, end in ((there, found.near), (back, found.far)):
            for start in range(0, len(content), 50_000):
                end.write(content[start : start + 50_000])
        await until(lambda: len(found.other.got) == len(there) and len(found.heard.got) == len(back), 60)
        assert found.other.got == there
        assert found.heard.got == back
        assert not left
    assert found.news.count(LinkNews.CUT) == found.news.count(LinkNews.BACK) >= 2


async def test_writing_and_closing_during_a_cut_still_arrives() -> None:
    async with ends() as found:
        found.links[-1].abort()
        await until(lambda: found.news)
        found.near.write(b"said while cut")
        found.near.close()
        await until(lambda: "lost" in found.other.events)
        assert found.other.got == b"said while cut"
        assert found.other.events == ["eof", "lost"]


async def test_an_end_in_order_is_no_cut() -> None:
    async with ends() as found:
        found.near.write(b"bye")
        found.near.close()
        await until(lambda: "lost" in found.other.events)
        assert found.other.got == b"bye"
    assert found.news == []


@pytest.mark.slow
async def test_an_end_with_another_key_never_gets_the_stream() -> None:
    async with ends(agent_key=bytes(32), patience=3.0) as found:
        found.links[-1].abort()
        await until(lambda: "lost" in found.heard.events)
        assert isinstance(found.heard.lost, UnreachableError)
        assert "did not come back within 3 s" in str(found.heard.lost)
    assert len(found.links) > 2, "it tried more than once"
    assert found.news == [LinkNews.CUT, LinkNews.OVER]


@pytest.mark.parametrize("reason", ["ended", "not-logged-in"])
async def test_a_no_that_lasts_ends_the_waiting_at_once(reason: str) -> None:
    async def refused(_stream: int, _epoch: int) -> Link:
        raise RefusedError("the customer ended the session", reason=reason)

    async with ends(redial=refused) as found:
        found.links[-1].abort()
        await until(lambda: "lost" in found.heard.events, 5)
        assert isinstance(found.heard.lost, RefusedError)


@pytest.mark.slow
async def test_a_no_that_passes_is_asked_again() -> None:
    tries: list[int] = []

    async def away_twice(stream: int, epoch: int) -> Link:
        tries.append(epoch)
        if len(tries) < 3:
            raise RefusedError("the customer's agent is not connected", reason="agent-away")
        return await found.redial(stream, epoch)

    async with ends(redial=away_twice) as found:
        found.links[-1].abort()
        await until(lambda: LinkNews.BACK in found.news)
        assert tries == [2, 3, 4], "each try has an epoch of its own"
        found.near.write(b"on")
        await until(lambda: found.other.got == b"on")


async def test_a_bug_while_redialling_ends_the_stream_instead_of_hanging() -> None:
    async def broken(_stream: int, _epoch: int) -> Link:
        raise ZeroDivisionError

    async with ends(redial=broken) as found:
        found.links[-1].abort()
        await until(lambda: "lost" in found.heard.events, 5)
        assert "ZeroDivisionError" in str(found.heard.lost)


async def test_a_link_for_an_epoch_that_does_not_rise_is_dropped_and_the_stream_goes_on() -> None:
    async with ends() as found:
        _, stale = await found.dial(1001)
        with pytest.raises(RefusedError, match="epoch 1"):
            await found.far_tunnel.take(stale, 1)
        with pytest.raises(UnreachableError):
            await stale.receive()
        found.near.write(b"on")
        await until(lambda: found.other.got == b"on")
    assert found.news == []


async def test_a_stream_without_a_resume_key_takes_no_other_link() -> None:
    async with spliced() as splice:
        found = Ends(splice)
        near, far = await found.dial(1)
        tunnel = StreamTunnel(far, stream=1, epoch=1)
        _, other = await found.dial(2)
        with pytest.raises(RefusedError, match="cannot be resumed"):
            await tunnel.take(other, 2)
        assert not tunnel.is_cut
        await asyncio.gather(near.close(), far.close())
