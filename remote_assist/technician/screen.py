"""One picture of the customer's screen on its way into a private file."""

import hashlib
from pathlib import Path

from remote_assist.core.picture import decode_png
from remote_assist.core.requests import MAX_PICTURE_BYTES, TakeScreenshot
from remote_assist.errors import RemoteProtocolError, VerificationError
from remote_assist.technician.conversation import Conversation, check_done
from remote_assist.technician.session_folder import SessionFolder
from remote_assist.transport.private_files import write_private


async def take_picture(
    conversation: Conversation, folder: SessionFolder, out: Path | None, deadline_seconds: float
) -> tuple[Path, bytes]:
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
    if hashlib.sha256(raw).hexdigest() != done.sha256:
        raise VerificationError("the picture is not the one that the agent recorded")
    decode_png(bytes(raw))
    path = out or folder.path / f"screenshot-{accepted.action}.png"
    write_private(path, bytes(raw))
    return path, bytes(raw)
