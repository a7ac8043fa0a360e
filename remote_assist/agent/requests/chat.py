"""Requests about the chat: say a line on the customer's screen, follow what is said.

Rule: saying is an action like any other (no scope, but intent, acknowledgement, outcome); following reads nothing
of the machine and is none.
"""

import asyncio
from collections.abc import Callable

from remote_assist.agent.actions import Ending, chat_action
from remote_assist.agent.chat import Chat
from remote_assist.agent.conversation import Caller
from remote_assist.agent.gate import Running
from remote_assist.agent.machine import Machine
from remote_assist.core.chat import checked_line
from remote_assist.core.requests import Done, FollowChat, SayChat


class ChatRequests:
    """Executors over one session's chat. `name_of`: key of who speaks → certified name."""

    def __init__(self, chat: Chat, name_of: Callable[[str], str]) -> None:
        self._chat = chat
        self._name_of = name_of

    async def say(self, caller: Caller, request: SayChat) -> None:
        """Show the line here; Done says that it is on the customer's screen."""
        text = checked_line(request.text)

        async def show(_machine: Machine, running: Running) -> Ending:
            await caller.accept(running)
            self._chat.hear(text, self._name_of(caller.key))
            return Ending()

        await caller.finish(await caller.perform(chat_action(text), show))

    async def follow(self, caller: Caller, request: FollowChat) -> None:
        """Send the lines after the one named; with `wait` also those to come, until InputEnd or Cancel."""
        if not request.wait:
            for line in self._chat.kept(request.after):
                await caller.channel.send(line)
            await caller.answer(Done(action="", status="done"))
            return
        leaving = asyncio.create_task(caller.input.read())
        try:
            await self._send_lines(caller, request.after, leaving)
        finally:
            leaving.cancel()
        await caller.answer(Done(action="", status="done"))

    async def _send_lines(self, caller: Caller, seen: int, leaving: "asyncio.Task[bytes]") -> None:
        while not leaving.done():
            news = asyncio.create_task(self._chat.after(seen))
            try:
                await asyncio.wait({news, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if not news.done():
                    return
                for line in news.result():
                    await caller.channel.send(line)
                    seen = line.number
            finally:
                news.cancel()
