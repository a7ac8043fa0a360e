"""A real relay that serves in a thread, for verbs that bring their own event loop; people with key files; sessions."""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest

from remote_assist import cli
from remote_assist.core.messages import Wrap
from remote_assist.core.records import Actor, Outcome
from remote_assist.core.signing.keys import private_bytes, public_line
from tests.relay.world import Agent, Person, RelayWorld

T = TypeVar("T")
CUSTOMER = Actor(kind="customer")


class Served:
    """The relay and what fills its log. Use as `with`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.world = RelayWorld(folder / "org", **settings)

    def __enter__(self) -> Self:
        (self._folder / "org").mkdir()
        self._thread.start()
        self.do(self.world.__aenter__())
        (self._folder / "ca.pub").write_text(public_line(self.world.organisation.ca) + "\n")
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self.world.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the relay's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def become(self, name: str, role: str) -> Person:
        """Log in as somebody; from now on the verbs are theirs."""
        person = self.world.person(name, role)
        key = self._folder / f"{name.split()[0].lower()}"
        key.write_bytes(private_bytes(person.key))
        key.chmod(0o600)
        key.with_name(key.name + "-cert.pub").write_text(person.certificate + "\n")
        self._monkeypatch.setenv("REMOTE_ASSIST_HOME", str(self._folder / f"{key.name}-home"))
        self._monkeypatch.setenv("REMOTE_ASSIST_RELAY", self.world.url)
        assert cli.main(["login", "--key", str(key), "--plain"]) == 0
        return person

    def session(self, *, subject: str = "Web server does not start", ended: bool = True, wraps: bool = False) -> Agent:
        """A session with a bundle, a known fix, a refusal and its end."""
        return self.do(self._session(subject, ended, wraps))

    async def _session(self, subject: str, ended: bool, wraps: bool) -> Agent:
        alice, token = await self.world.technician()
        agent = self.world.agent(alice, await self.world.ticket(token, subject))
        await agent.open()
        acts = [
            agent.record("RA1001E", actor=CUSTOMER, scope="diagnose fix", grant="g1"),
            agent.record("RA1100I", action="a1", scope="diagnose", catalog="first-look@1"),
            agent.record("RA1100O", action="a1", outcome=Outcome(status="done", size=9)),
            agent.record("RA1301I", action="a2", scope="fix", catalog="free-port@2", plan="cd" * 32),
            agent.record("RA1301O", action="a2", outcome=Outcome(status="done")),
            agent.record("RA1900R", paths=("/etc/\x1b[31mshadow",), outcome=Outcome(status="refused", reason="scope")),
        ]
        keys = (Wrap(key_id="k-1", reviewer="r-1", sealed=b"x" * 64),) if wraps else ()
        await agent.append(*acts, *([agent.ending()] if ended else []), wraps=keys)
        return agent
