"""The changes of `MutableTarget` for a machine that is only looked at: each is refused with one sentence."""

from typing import NoReturn

from remote_assist.core.target import Command
from remote_assist.errors import RefusedError


class OnlyLookedAt:
    """Mix in beside a `Target`."""

    async def replace_file(
        self, path: str, content: bytes, *, mode: int, owner: tuple[int, int] | None = None, seen: str | None = None
    ) -> None:
        _refuse()

    async def remove_file(self, path: str, *, seen: str | None = None) -> None:
        _refuse()

    async def move(self, path: str, to: str) -> None:
        _refuse()

    async def make_folder(self, path: str, *, mode: int) -> None:
        _refuse()

    async def make_link(self, path: str, points_to: str) -> None:
        _refuse()

    async def spawn(self, command: Command) -> int:
        _refuse()

    async def signal(self, process_id: int, name: str) -> None:
        _refuse()


def _refuse() -> NoReturn:
    raise RefusedError("this machine is only looked at", reason="no-such-door")
