"""Many machines: inventories as people write them."""

from pathlib import Path

import pytest

from remote_assist.errors import UsageError
from remote_assist.technician.machines import checked, read_inventory

HERE, THERE = "ssh://root@a.example.com", "ssh://root@b.example.com"


def test_an_inventory_is_places_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "inventory"
    path.write_text(f"# all\n\n{HERE}:22 # the first\n{THERE}\n{HERE}\n")
    assert read_inventory(path) == (HERE, THERE)


@pytest.mark.parametrize(
    ("text", "sentence"), [("", "names no machine"), ("ssh://x\n", ":1: "), ("#\n\nroot@a\n", ":3: ")]
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "inventory"
    path.write_text(text)
    with pytest.raises(UsageError, match=sentence):
        read_inventory(path)


def test_there_is_a_bound() -> None:
    with pytest.raises(UsageError, match="more than the 256"):
        checked([f"ssh://root@{number}.example.com" for number in range(300)])
