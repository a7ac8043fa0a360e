"""One picture of the customer's screen on its way into a private file."""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

from remote_assist.core.picture.png import Picture, decode_png
from remote_assist.core.requests import MAX_PICTURE_BYTES, TakeScreenshot
from remote_assist.errors import RemoteProtocolError, VerificationError
from remote_assist.technician.conversation import Conversation, check_done
from remote_assist.technician.session_folder import SessionFolder
from remote_assist.transport.private_files import write_private


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture that is kept: where, of how many bytes (PNG), and what it shows."""

    path: Path
    size: int
    picture: Picture


async def take_picture(
    conversation: Conversation, folder: SessionFolder, out: Path | None, deadline_seconds: float
) -> Shot:
    """Ask; keep what comes (0600) in `out`, else in the session's folder. Raises ConsentDenied, ContentError."""
    accepted = await conversation.begin(TakeScreenshot(), deadline_seconds=deadline_seconds)
    raw = bytearray()

    async def take(_kind: int, data: bytes) -> None:
        raw.extend(data)
        if len(raw) > MAX_PICTURE_BYTES:
            raise RemoteProtocolError("the picture is longer than one may be")

    done = (await conversation.finish(on_data=take)).done
    assert done is not None
    check_done(done)
    path = out or folder.path / f"screenshot-{accepted.action}.png"
    return await asyncio.to_thread(_kept, bytes(raw), done.sha256, path)


def _kept(raw: bytes, sha256: str, path: Path) -> Shot:
    if hashlib.sha256(raw).hexdigest() != sha256:
        raise VerificationError("the picture is not the one that the agent recorded")
    picture = decode_png(raw)
    write_private(path, raw)
    return Shot(path, len(raw), picture)
