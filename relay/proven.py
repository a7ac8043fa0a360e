"""That whoever dialled holds a key: a signature over a nonce of this connection, for one of this relay's addresses."""

from collections.abc import Collection
from contextlib import suppress

from remote_assist.core.records import join_bytes
from remote_assist.core.signing import sshsig
from remote_assist.errors import ContentError, RefusedError, VerificationError


def check_proven(
    who: str, name: str, key_line: str, signature: str, *, purpose: str, origins: Collection[str], nonce: bytes
) -> None:
    """Raise RefusedError `bad-signature` unless the key signed `name` and nonce for one of the origins.

    `who`: as the refusal says it. `purpose`: the namespace of the signature.
    """
    for origin in origins:
        with suppress(VerificationError, ContentError):
            sshsig.verify(signature, key_line, purpose, join_bytes(origin, name, nonce))
            return
    raise RefusedError(
        f"{who}'s signature does not hold for this relay",
        reason="bad-signature",
        advice="Use the relay's address exactly as its operator gave it.",
    )
