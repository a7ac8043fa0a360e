"""Whose viewer is started, and with which words."""

import pytest

from remote_assist.commands.technician.screen import viewer_words
from remote_assist.errors import UsageError


def test_a_viewers_command_keeps_its_words_and_its_places() -> None:
    assert viewer_words("true --at '{host} now'::{port}", "vnc") == ["true", "--at", "{host} now::{port}"]
    assert viewer_words("none", "vnc") == []


@pytest.mark.parametrize("command", ["true", "true {host}", "true {port", "true {0}", "true {other}"])
def test_a_command_that_could_not_find_the_desktop_is_refused(command: str) -> None:
    with pytest.raises(UsageError, match="viewer"):
        viewer_words(command, "vnc")
