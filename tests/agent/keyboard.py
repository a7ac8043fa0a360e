"""A terminal made of a list: keys are pressed by the test, what was written is kept, time is turned by hand."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from remote_assist.core.hostile import HostileStr
from remote_assist.core.prompt import ConsentQuestion

NOW = datetime(2026, 3, 1, 14, 5, tzinfo=UTC)
CA = "SHA256:7f21"
SCOPES = ("diagnose", "files:read", "fix")


def question(**changes: object) -> ConsentQuestion:
    """What the sketch in TUI.md asks."""
    fields: dict[str, object] = {
        "organisation": HostileStr("Example Support"),
        "name": HostileStr("Alice Example"),
        "ticket": HostileStr("#4711"),
        "subject": HostileStr("Web server does not start"),
        "scopes": SCOPES,
        "seconds": 1620,
        "verified": True,
        "ca_fingerprint": CA,
        "relay_host": "relay.example.com",
        "wait_seconds": 3.0,
        "deadline_seconds": 60.0,
    }
    return ConsentQuestion(**{**fields, **changes})  # type: ignore[arg-type]  # a table of its fields


@dataclass
class Keyboard:
    """Implements prompt_terminal.Terminal."""

    on_key: Callable[[str], None] | None = None
    written: list[str] = field(default_factory=list)
    width: int = 200
    height: int = 60
    now: float = 0.0

    def forget_keys(self) -> None:
        self.written.append("<forget>")

    def write(self, text: str) -> None:
        self.written.append(text)

    def columns(self) -> int:
        return self.width

    def rows(self) -> int:
        return self.height

    async def press(self, *keys: str) -> None:
        """Press keys one after the other; the prompt gets time to look at each."""
        for key in keys:
            assert self.on_key is not None
            self.on_key(key)
            for _ in range(5):
                await asyncio.sleep(0)

    @property
    def text(self) -> str:
        return "".join(self.written)
