"""The control connection's patience: its first wait is jittered, not short, so that a relay's return is no stampede."""

import asyncio
import secrets
from typing import NoReturn, cast

import pytest

from remote_assist.agent.control import Control, Identity
from remote_assist.agent.record.recorder import Recorder
from remote_assist.core.resume import FIRST_WAIT_SECONDS
from remote_assist.core.signing.keys import new_key
from remote_assist.errors import UnreachableError


@pytest.mark.slow
async def test_of_many_agents_that_cannot_reach_the_relay_none_dials_again_at_once_nor_all_together() -> None:
    dials: dict[int, list[float]] = {}
    loop = asyncio.get_running_loop()

    async def run(number: int) -> None:
        async def dial() -> NoReturn:
            dials.setdefault(number, []).append(loop.time())
            raise UnreachableError("the relay is away")

        identity = Identity("s-aaaaaaaaaaaaaaaa", "http://127.0.0.1:1", new_key(secrets.token_bytes(32)))
        nothing_to_write = cast(Recorder, None)  # it is not asked before there is a connection
        control = Control(
            identity, nothing_to_write, dial=dial, on_stream=lambda _offer: None, on_change=lambda _up: None
        )
        await control.run()

    tasks = [asyncio.create_task(run(number)) for number in range(20)]
    await asyncio.sleep(FIRST_WAIT_SECONDS[1] + 0.5)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    first_waits = [times[1] - times[0] for times in dials.values()]
    assert len(first_waits) == 20 and min(first_waits) >= FIRST_WAIT_SECONDS[0]
    assert max(first_waits) < FIRST_WAIT_SECONDS[1] + 0.4
    assert max(first_waits) - min(first_waits) > 0.5
