"""F23: what peers of earlier releases say, byte for byte, is still understood (docs/protocol-compatibility.md).

A file of tests/vectors/wire/ holds two sentences of each message, one with every field and one with only those that
have no default, as the release said them that made it. A file never changes. Every release adds one when it
is made: `python -m tests.core.test_wire_vectors > tests/vectors/wire/NAME.json`.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from remote_assist.core import codec, messages, requests
from remote_assist.core.messages import Message
from remote_assist.errors import RemoteProtocolError

FILES = sorted((Path(__file__).parents[1] / "vectors" / "wire").glob("*.json"))
KINDS: dict[str, type[Message]] = {
    str(kind.__struct_config__.tag): kind
    for module in (messages, requests)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Message) and kind is not Message
}


def sample(kind: msgspec.inspect.Type) -> Any:
    """A value of a type, as JSON has it."""
    match kind:
        case msgspec.inspect.StructType():
            return said(kind, whole=True)
        case msgspec.inspect.VarTupleType() | msgspec.inspect.ListType():
            return [sample(kind.item_type)]
        case msgspec.inspect.TupleType():
            return [sample(one) for one in kind.item_types]
        case msgspec.inspect.DictType():
            return {"name": sample(kind.value_type)}
        case msgspec.inspect.UnionType():
            return sample(next(one for one in kind.types if not isinstance(one, msgspec.inspect.NoneType)))
        case msgspec.inspect.LiteralType():
            return kind.values[0]
        case msgspec.inspect.EnumType():
            return next(iter(kind.cls)).value
        case msgspec.inspect.BytesType():
            return "AQID"
        case msgspec.inspect.BoolType():
            return True
        case msgspec.inspect.IntType():
            return 7
        case msgspec.inspect.FloatType():
            return 1.5
    return "text"


def said(kind: msgspec.inspect.StructType, *, whole: bool) -> dict[str, Any]:
    """One sentence: with every field, or with those that have no default."""
    fields = {one.encode_name: sample(one.type) for one in kind.fields if whole or one.required}
    return ({kind.tag_field: kind.tag} if kind.tag_field else {}) | fields


def sentences() -> Iterator[str]:
    """Two sentences of each message, as this release says them."""
    for kind in KINDS.values():
        shape = msgspec.inspect.type_info(kind)
        assert isinstance(shape, msgspec.inspect.StructType)
        for whole in (True, False):
            yield codec.encode(msgspec.convert(said(shape, whole=whole), kind)).decode()


def old_sentences() -> list[str]:
    return [one for file in FILES for one in json.loads(file.read_text())]


def test_every_sentence_of_an_earlier_release_is_understood_and_said_the_same() -> None:
    assert FILES
    for raw in old_sentences():
        tag = str(json.loads(raw)["type"])
        message = codec.decode(raw, KINDS[tag])
        again = json.loads(codec.encode(message))
        assert json.loads(raw).items() <= again.items(), f"{tag}: a peer of before would not know its own words"


@pytest.mark.parametrize("tag", ["store-room", "ticket-closed", "successions"])
def test_a_word_a_peer_does_not_know_is_refused_and_never_passed_over(tag: str) -> None:
    with pytest.raises(RemoteProtocolError, match="not of this protocol"):
        codec.decode(json.dumps({"type": f"{tag}-of-tomorrow"}), messages.ToAgent)  # type: ignore[arg-type]  # a union
    raw = next(one for one in old_sentences() if json.loads(one)["type"] == tag)
    with pytest.raises(RemoteProtocolError, match="not of this protocol"):
        codec.decode(json.dumps(json.loads(raw) | {"tomorrow": 1}), messages.ToAgent)  # type: ignore[arg-type]  # a union


if __name__ == "__main__":
    sys.stdout.write(json.dumps(list(sentences()), indent=0, ensure_ascii=False) + "\n")
