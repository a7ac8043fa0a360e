"""A number and what is counted."""

import pytest

from remote_assist.core.counted import counted


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (counted(0, "file"), "0 files"),
        (counted(1, "file"), "1 file"),
        (counted(2000, "file"), "2,000 files"),
        (counted(1, "entry", "entries"), "1 entry"),
        (counted(3, "entry", "entries"), "3 entries"),
    ],
)
def test_one_is_not_many(said: str, words: str) -> None:
    assert said == words
