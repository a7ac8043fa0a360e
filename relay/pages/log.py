"""The log for whoever checks it: checkpoint, tiles, entries as C2SP tlog-tiles under /v1/log, and consistency proofs.

    /v1/log/checkpoint                     the signed note; `?covers=INDEX` waits until it covers that leaf of the log,
                                           `?fresh=1` until it covers all there is
    /v1/log/tile/L/N[.p/W]                 hashes; N in groups of three digits, all but the last with x before
    /v1/log/tile/entries/N[.p/W]           entries (59 bytes each: time, record hash), each with its length before it
    /v1/log/successions                    how the log's keys followed each other
    /v1/log/consistency?from=M&to=N        the proof, ready made
    /v1/log/anchorings?from=LEAF           checkpoints that witnesses outside took, and what they answered

Rule: tiles never change, so anybody may keep them; nothing here tells what a record says or whose it is.
"""

import asyncio
import re

from aiohttp import web
from sqlalchemy import Connection, select

from relay.access import Caller
from relay.bodies import answer, query_numbers
from relay.log.checkpoints import Checkpoints
from relay.log.tree import MAX_LEVEL, WIDTH, TreeReader, tree_size
from relay.storage.schema import anchorings
from relay.storage.store import Store
from remote_assist.core.api import Anchoring, Anchorings, ConsistencyAnswer, SuccessionsAnswer
from remote_assist.errors import RefusedError, UsageError

_TILE = re.compile(r"(?:(0|[1-9][0-9]?)/)?((?:x[0-9]{3}/){0,4}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
PAGE_ANCHORINGS = 20
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
BRIEFLY = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class LogPages:
    """Answers about the log as a whole."""

    def __init__(self, store: Store, checkpoints: Checkpoints) -> None:
        self._store = store
        self._checkpoints = checkpoints

    async def checkpoint(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/log/checkpoint."""
        numbers = query_numbers(request, "covers", "fresh")
        index = numbers.get("covers", -1)
        if index >= self._checkpoints.current.size or numbers.get("fresh"):
            last = await self._store.read(tree_size) - 1
            if index > last:  # whoever has an acknowledgement asks for less: no stranger makes us wait
                raise RefusedError(
                    f"the log has no leaf {index} yet", reason="not-yet", advice="Ask for an earlier one."
                )
            index = last if numbers.get("fresh") else index
        found = await self._checkpoints.covering(index)
        return web.Response(text=found.note, headers=BRIEFLY)

    async def consistency(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/log/consistency?from=M&to=N."""
        numbers = query_numbers(request, "from", "to")
        old, new = numbers.get("from", 0), numbers.get("to", 0)
        if not 0 <= old <= new <= self._checkpoints.current.size:
            raise UsageError(
                "`from` and `to` are sizes of the log, the smaller one first",
                advice="/v1/log/checkpoint says how large the log is.",
            )
        hashes = await self._store.read(lambda connection: TreeReader(connection).consistency(old, new))
        return answer(ConsistencyAnswer(hashes=hashes))

    async def anchorings(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/log/anchorings?from=LEAF."""
        start = query_numbers(request, "from").get("from", 0)
        return answer(await self._store.read(lambda connection: _anchorings(connection, start)))

    async def successions(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/log/successions."""
        return answer(SuccessionsAnswer(notes=await asyncio.to_thread(lambda: self._checkpoints.successions)))

    async def tile(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/log/tile/L/N[.p/W]."""
        level, number, width = tile_place(request.match_info["tile"], entries=False)
        self._check_signed(level, number, width)
        return _bytes(await self._store.read(lambda connection: TreeReader(connection).tile(level, number, width)))

    async def entries(self, request: web.Request, caller: Caller | None) -> web.StreamResponse:
        """GET /v1/log/tile/entries/N[.p/W]."""
        _, number, width = tile_place(request.match_info["tile"], entries=True)
        self._check_signed(0, number, width)
        return _bytes(await self._store.read(lambda connection: TreeReader(connection).entries(number, width)))

    def _check_signed(self, level: int, number: int, width: int) -> None:
        """What no checkpoint covers is not shown: nobody could check it."""
        if (number * WIDTH + width) << (8 * level) > self._checkpoints.current.size:
            raise _absent()


def tile_place(path: str, *, entries: bool) -> tuple[int, int, int]:
    """Level, number and width that a tile's path names. Raises RefusedError `absent` for any other path."""
    found = _TILE.fullmatch(path)
    if found is None or (found[1] is None) != entries:
        raise _absent()
    level, groups = int(found[1] or 0), found[2].replace("x", "").split("/")
    width = WIDTH if found[3] is None else int(found[3])
    number = int("".join(groups))
    leading_zeroes = len(groups) > 1 and groups[0] == "000"
    if level > MAX_LEVEL or leading_zeroes or (found[3] is not None and width >= WIDTH):
        raise _absent()
    return level, number, width


def _anchorings(connection: Connection, start: int) -> Anchorings:
    query = select(anchorings).where(anchorings.c.record >= start).order_by(anchorings.c.record).limit(PAGE_ANCHORINGS)
    return Anchorings(anchorings=tuple(Anchoring(**row._mapping) for row in connection.execute(query)))


def _bytes(raw: bytes | None) -> web.Response:
    if raw is None:
        raise _absent()
    return web.Response(body=raw, content_type="application/octet-stream", headers=FOREVER)


def _absent() -> RefusedError:
    return RefusedError("there is no such tile in the log", reason="absent")
