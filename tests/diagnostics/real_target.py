"""The agent's own target on this machine, writing down what is asked of it."""

from remote_assist.core.target import Command, Completed
from remote_assist.errors import AssistError
from remote_assist.transport.local_target import LocalTarget


class RealTarget(LocalTarget):
    """`log` is what was done, so that a test can say that nothing was; programs in `missing` do not exist."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[str, ...]] = []
        self.missing: set[str] = set()

    async def run(self, command: Command) -> Completed:
        self.log.append(("run", *command.argv))
        if command.argv[0] in self.missing:
            raise AssistError(f"there is no program '{command.argv[0]}'")
        return await super().run(command)

    async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
        self.log.append(("read", path))
        return await super().read(path, max_bytes=max_bytes, tail=tail)

    async def replace_file(
        self, path: str, content: bytes, *, mode: int, owner: tuple[int, int] | None = None, seen: str | None = None
    ) -> None:
        self.log.append(("replace_file", path))
        await super().replace_file(path, content, mode=mode, owner=owner, seen=seen)

    async def remove_file(self, path: str, *, seen: str | None = None) -> None:
        self.log.append(("remove_file", path))
        await super().remove_file(path, seen=seen)

    async def move(self, path: str, to: str) -> None:
        self.log.append(("move", path, to))
        await super().move(path, to)

    async def spawn(self, command: Command) -> int:
        self.log.append(("spawn", *command.argv))
        return await super().spawn(command)

    async def signal(self, process_id: int, name: str) -> None:
        self.log.append(("signal", str(process_id), name))
        await super().signal(process_id, name)
