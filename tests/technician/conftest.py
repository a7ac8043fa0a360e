"""A running relay, and a technician whose key and certificate are files."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from remote_assist.core.signing.keys import private_bytes
from remote_assist.settings import TechnicianSettings
from remote_assist.technician.desk import Desk
from remote_assist.technician.login import LoggedIn, login
from tests.relay.world import Person, RelayWorld


def nobody_asks(question: str) -> bytes:
    raise AssertionError(question)


@dataclass
class Technician:
    """Alice at her machine."""

    world: RelayWorld
    folder: Path
    person: Person

    @property
    def key_file(self) -> Path:
        return self.folder / "alice"

    @property
    def settings(self) -> TechnicianSettings:
        return TechnicianSettings(home=self.folder / "home", relay_url=self.world.url)

    def write_files(self, person: Person) -> None:
        self.key_file.write_bytes(private_bytes(person.key))
        self.key_file.chmod(0o600)
        (self.folder / "alice-cert.pub").write_text(person.certificate + " alice@example.com\n")

    async def login(self, **changes: Any) -> LoggedIn:
        usual: dict[str, Any] = {
            "settings": self.settings,
            "key_file": self.key_file,
            "ask_passphrase": nobody_asks,
            "clock": self.world.clock,
        }
        return await login(**{**usual, **changes})

    async def desk(self) -> Desk:
        return await Desk.open(self.settings, clock=self.world.clock)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[RelayWorld]:
    async with RelayWorld(tmp_path) as running:
        yield running


@pytest.fixture
def technician(world: RelayWorld, tmp_path: Path) -> Technician:
    made = Technician(world, tmp_path, world.person())
    made.write_files(made.person)
    return made
