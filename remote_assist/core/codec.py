"""Bytes ↔ message. Refuses what is too long, unknown, misspelt or not JSON; says so in one sentence.

Rule: nothing else in the product decodes what a peer sent.
"""

from typing import TypeVar

import msgspec

from remote_assist.errors import LocalProtocolError, RemoteProtocolError

T = TypeVar("T")

_ENCODER = msgspec.json.Encoder()
_DECODERS: dict[object, msgspec.json.Decoder[object]] = {}


def encode(message: msgspec.Struct, *, max_bytes: int = 1 << 20) -> bytes:
    """Bytes of one message. Raises LocalProtocolError when it would be longer than the peer accepts."""
    raw = _ENCODER.encode(message)
    if len(raw) > max_bytes:
        raise LocalProtocolError(f"a {type(message).__name__} of {len(raw)} bytes exceeds the limit of {max_bytes}")
    return raw


def decode(raw: bytes | str, kind: type[T], *, max_bytes: int = 1 << 20) -> T:
    """One message of type `kind` (a Struct or a union of tagged ones).

    Raises RemoteProtocolError for anything else: too long, not JSON, unknown tag or field, wrong type.
    """
    if len(raw) > max_bytes:
        raise RemoteProtocolError(f"a message of {len(raw)} bytes exceeds the limit of {max_bytes}")
    decoder = _DECODERS.get(kind)
    if decoder is None:
        decoder = _DECODERS[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(raw)  # type: ignore[return-value]  # the decoder was made for T
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"a message that is not of this protocol: {error}") from error
