"""Recordings for the screens: read and checked by the same reader as `audit replay`."""

import argparse
import asyncio
import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from remote_assist.commands.audit.fetch import log_name, open_api
from remote_assist.commands.audit.kept import KeptReader, damaged_line
from remote_assist.commands.audit.trust import add_trust_options
from remote_assist.core.log.asciicast import Event, Header, read_cast
from remote_assist.core.log.kept import RECORDING, Kept

READ_BYTES = 256 << 10


class Recording:
    """A fetched recording, in a file without a name that is gone when it is closed."""

    def __init__(self, title: str, file: BinaryIO, faults: Sequence[str]) -> None:
        self.title = title
        self.faults = faults
        self._file = file

    def open(self) -> tuple[Header, Iterator[Event]]:
        """Read it from its beginning. Raises ContentError, also from the iterator."""
        return read_cast(self._pieces())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _pieces(self) -> Iterator[bytes]:
        position = 0
        while True:
            self._file.seek(position)  # several iterators share the file
            if not (piece := self._file.read(READ_BYTES)):
                return
            position += len(piece)
            yield piece


class Recordings:
    """What is recorded of the sessions whoever is logged in may see. `tui`: what that verb was told of the relay."""

    def __init__(self, tui: argparse.Namespace) -> None:
        parser = argparse.ArgumentParser(add_help=False)
        add_trust_options(parser)
        self._told = {**vars(parser.parse_args([])), **vars(tui)}

    async def listed(self, session: str) -> tuple[Kept, ...]:
        """What a session keeps, by its log."""
        arguments = self._with_key(None)
        async with open_api(arguments) as api:
            reader = await KeptReader.of(api, arguments, log_name(session))
        return tuple(reader.kept)

    async def fetched(self, session: str, name: str, key: Path) -> Recording:
        """One recording, each chunk checked against the log; what does not hold is a marker and a fault."""
        arguments = self._with_key(key)
        async with open_api(arguments) as api:
            reader = await KeptReader.of(api, arguments, log_name(session))
            kept = reader.named(name, RECORDING)
            with contextlib.ExitStack() as until_read:
                file = until_read.enter_context(tempfile.TemporaryFile())
                async for piece in reader.pieces(kept):
                    await asyncio.to_thread(file.write, damaged_line(piece) if piece.fault else piece.content)
                until_read.pop_all()  # the recording closes it
        return Recording(f"{session} {kept.name} {kept.what}", file, tuple(reader.faults))

    def _with_key(self, key: Path | None) -> argparse.Namespace:
        """What one reading is told: listing and fetching go on beside each other."""
        return argparse.Namespace(**{**self._told, "unseal": key})
