"""Minors: what is said to whom, who is named as the older, and that the document says the same."""

import re
from pathlib import Path

import pytest

from remote_assist.core.messages import PROTOCOL_VERSION, Acknowledged, Message, StoreRoom
from remote_assist.core.requests import ListMany, Run
from remote_assist.core.spoken import (
    GREETING,
    OWN,
    SINCE,
    NewerPeer,
    Spoken,
    check_caller,
    check_version,
    check_word,
    explained,
    spoken_by,
    too_new,
)
from remote_assist.errors import RefusedError, RemoteProtocolError

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol-compatibility.md"
OLDER, NEWER = Spoken(PROTOCOL_VERSION, 0), Spoken(PROTOCOL_VERSION, OWN.minor + 1)


@pytest.mark.parametrize(
    ("told", "spoken"),
    [
        (str(OWN), OWN),
        (f"SSH-2.0-remote-assist_0.1.0 {GREETING}", OWN),
        ("2.7", Spoken(2, 7)),
        ("", OLDER),
        ("SSH-2.0-OpenSSH_9.2p1", OLDER),
        ("SSH-2.0-remote-assist_1.7", OLDER),
        ("1.99999", OLDER),
        ("1.1 and more", OLDER),
        ("١.١", OLDER),
    ],
)
def test_what_is_said_is_read_and_everything_else_is_minor_0(told: str, spoken: Spoken) -> None:
    assert spoken_by(told) == spoken


@pytest.mark.parametrize("word", [StoreRoom, ListMany])
def test_a_later_word_is_not_said_to_who_does_not_know_it(word: type[Message]) -> None:
    assert not OLDER.knows(word) and OWN.knows(word)
    check_word(OWN, word, "customer's program")
    with pytest.raises(RefusedError, match="the customer's program is older than this program") as refused:
        check_word(OLDER, word, "customer's program")
    assert refused.value.reason == "older" and refused.value.advice


@pytest.mark.parametrize("word", [Acknowledged, Run])
def test_what_was_there_from_the_beginning_is_said_to_everybody(word: type[Message]) -> None:
    check_word(OLDER, word, "customer's program")


@pytest.mark.parametrize(("version", "older"), [(0, "the relay"), (PROTOCOL_VERSION + 1, "this program")])
def test_another_version_is_refused_and_the_older_is_named(version: int, older: str) -> None:
    with pytest.raises(RefusedError, match=f"version {version}, this program 1: {older} is older") as refused:
        check_version(Spoken(version, 0), "relay")
    assert refused.value.reason == "version"
    with pytest.raises(RefusedError, match=f"the agent speaks protocol version {version}, this relay 1: "):
        check_caller(Spoken(version, 0), "agent")


def test_any_minor_of_the_version_is_taken() -> None:
    for peer in (OLDER, OWN, NEWER):
        check_version(peer, "relay")
        check_caller(peer, "agent")


def test_only_a_newer_peers_unknown_words_are_told_as_such() -> None:
    fault = RemoteProtocolError("a message that is not of this protocol")
    assert explained(fault, OWN, "relay") is fault and explained(fault, OLDER, "relay") is fault
    told = explained(fault, NEWER, "relay")
    assert isinstance(told, NewerPeer) and f"it speaks {NEWER}, this one {OWN}" in told.message
    assert f"it speaks {OWN}, yours {NEWER}" in too_new(NEWER).message


def test_the_document_has_every_later_word_with_its_minor() -> None:
    rows = re.findall(r"^\| ((?:`[a-z-]+`(?:, )?)+) \| (\d+) \|", DOCUMENT.read_text(), re.MULTILINE)
    told = {word: int(minor) for words, minor in rows for word in re.findall(r"`([a-z-]+)`", words)}
    assert told == {str(kind.__struct_config__.tag): minor for kind, minor in SINCE.items()}
    assert max(SINCE.values()) == OWN.minor
