"""What can be disclosed, as it is chosen: the impossible is said before anything is read."""

from pathlib import Path

import pytest

from remote_assist.errors import UsageError
from remote_assist.technician.disclosure_choice import Choice

KEY = Path("partner.pub")


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        (Choice("everything"), "findings, a bundle, a file, a picture or a text"),
        (Choice("text", words="  "), "there is no text yet"),
        (Choice("file"), "no file is named yet"),
        (Choice("screenshot"), "no file is named yet"),
        (Choice("text", words="w", seal_to=KEY), "only a file is sealed"),
        (Choice("findings", digest_only=True), "only a file is sealed, or named by its digest alone"),
        (Choice("bundle", seal_to=KEY, digest_only=True), "either sealed or named by its digest alone"),
    ],
)
def test_what_nothing_can_be_made_of_is_said(choice: Choice, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        choice.check()


@pytest.mark.parametrize(
    "choice",
    [
        Choice("findings", issues=("tls.expired",)),
        Choice("text", words="w"),
        Choice("file", words="/tmp/core", digest_only=True),
        Choice("screenshot", words="a.png"),
        Choice("bundle", seal_to=KEY),
    ],
)
def test_what_can_be_made_passes(choice: Choice) -> None:
    choice.check()
