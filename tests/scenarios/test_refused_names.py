"""Names that would lead out of the chosen folder, here or at the customer's: refused, and nothing is written."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from remote_assist.core.hostile import safe_text
from tests.scenarios.refusals import refusal, typed
from tests.scenarios.world import World

pytestmark = pytest.mark.slow

HOSTILE = {
    "escape": b"a\x1b]0;owned\x07.txt",
    "newline": b"one\ntwo.txt",
    "C1": b"c\xc2\x9b31m.txt",
    "direction": "invoice\u202efdp.exe".encode(),
    "backslash": b"..\\..\\boot.ini",
}
"""Names a file may really have on the customer's disk, and none may have here."""


@dataclass
class Names:
    """A session, a folder of the customer, and the folder the technician chose."""

    world: World
    session: str
    there: Path
    got: Path

    def __call__(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return typed(self.world, *words)


@pytest.fixture(scope="module")
def names(world: World) -> Iterator[Names]:
    there, got = world.folder / "there", world.folder / "got"
    there.mkdir()
    got.mkdir()
    for name in HOSTILE.values():
        Path(os.fsdecode(os.path.join(os.fsencode(there), name))).write_text("hostile")
    (there / "plain.txt").write_text("plain")
    (world.folder / "elsewhere").mkdir()
    (world.folder / "elsewhere" / "secret").write_text("secret")
    (there / "to-a-folder").symlink_to(world.folder / "elsewhere")
    (there / "to-a-file").symlink_to(world.folder / "elsewhere" / "secret")
    _, session, _ = world.session()
    yield Names(world, session, there, got)


def everything(names: Names) -> set[str]:
    """Every file under the organisation's folder, but what the two programs keep for themselves."""
    own = {"alice-home", "customer-home", "relay-data"}
    found = {path.relative_to(names.world.folder) for path in names.world.folder.rglob("*")}
    return {str(path) for path in found if path.parts[0] not in own}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_name_of_the_customers_disk_that_means_harm_is_fetched_nowhere(names: Names, kind: str) -> None:
    before = everything(names)
    path = f"{names.there}/{HOSTILE[kind].decode()}"
    told = refusal(names("get", names.session, path, "got"))
    assert told.exit == 3
    assert told.sentence.startswith(f"the name '{safe_text(path[:120])}")
    assert told.advice == "Fetch it under another name, for example with `run … -- cp`."
    assert everything(names) == before


@pytest.mark.parametrize("end", ["..", ".", "", "plain.txt/..", "../there/.."])
def test_a_path_that_names_no_file_is_fetched_nowhere(names: Names, end: str) -> None:
    before = everything(names)
    told = refusal(names("get", names.session, f"{names.there}/{end}", "got"))
    assert told.exit == 3
    assert told.sentence.endswith("it names no file")
    assert everything(names) == before


def test_a_listing_shows_every_name_as_one_line_and_keeps_its_bytes_for_programs(names: Names) -> None:
    people = names("ls", names.session, str(names.there)).stdout
    assert not [sign for sign in people if not (sign.isprintable() or sign == "\n")]
    assert len(people.splitlines()) == len(HOSTILE) + 3
    assert "a\\x1b]0;owned\\x07.txt" in people
    lines = names("ls", names.session, str(names.there), "--json").stdout.splitlines()
    assert {json.loads(line)["name"] for line in lines} >= {safe_text(name) for name in HOSTILE.values()}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("get", "SESSION", "THERE/to-a-file", "got"), "to-a-file is a link"),
        (("get", "SESSION", "THERE/to-a-folder/secret", "got"), "to-a-folder is a link"),
        (("put", "SESSION", "alice.pub", "THERE/to-a-folder"), "to-a-folder is a link"),
        (("ls", "SESSION", "THERE/to-a-folder"), "to-a-folder is a link"),
    ],
    ids=["get a link", "get through a link", "put through a link", "list through a link"],
)
def test_a_link_at_the_customers_is_named_and_not_followed(names: Names, words: tuple[str, ...], sentence: str) -> None:
    before = everything(names)
    told = refusal(
        names(*(word.replace("SESSION", names.session).replace("THERE", str(names.there)) for word in words))
    )
    assert told.exit == 3
    assert sentence in told.sentence
    assert everything(names) == before
    assert (names.world.folder / "elsewhere" / "secret").read_text() == "secret"


def test_a_link_planted_in_the_chosen_folder_is_replaced_when_that_is_asked_for_and_never_written_through(
    names: Names,
) -> None:
    target, planted = names.world.folder / "elsewhere" / "secret", names.got / "plain.txt"
    planted.symlink_to(target)
    told = refusal(names("get", names.session, f"{names.there}/plain.txt", "got"))
    assert (told.exit, told.sentence) == (3, "got/plain.txt is there already")
    assert names("get", names.session, f"{names.there}/plain.txt", "got", "--force").returncode == 0
    assert not planted.is_symlink()
    assert planted.read_text() == "plain"
    assert target.read_text() == "secret"
    planted.unlink()
