"""Ticket ids: a number of the book, or a system's name and its own id; everything else is none."""

import pytest

from remote_assist.core.ticket_ids import BUILT_IN, TicketId, is_system_name, read_ticket_id, require_ticket_id
from remote_assist.errors import RefusedError


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("1001", TicketId(BUILT_IN, "1001")),
        ("rt:17", TicketId("rt", "17")),
        ("jira-cloud:SUP-42", TicketId("jira-cloud", "SUP-42")),
    ],
)
def test_an_id_is_read_in_its_parts_and_written_as_it_was(text: str, named: TicketId) -> None:
    assert read_ticket_id(text) == named and str(named) == text
    assert named.is_foreign == (":" in text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "1" * 13, "١", "1 ", "1\n", "https://example.com"),
        *("rt:", ":1", "RT:1", "rt:1:2", "rt:-1", "rt:a/b", "rt:1\n", "a" * 17 + ":1", "rt:" + "1" * 65),
        *(f"{BUILT_IN}:1", f"{BUILT_IN}:abc"),
    ],
)
def test_what_is_no_id_is_none(text: str) -> None:
    assert read_ticket_id(text) is None
    with pytest.raises(RefusedError) as refused:
        require_ticket_id(text)
    assert refused.value.reason == "absent"


def test_a_system_may_have_any_name_but_the_books() -> None:
    assert is_system_name("rt") and is_system_name("a-1")
    assert not any(map(is_system_name, ("", "1a", "Rt", "r_t", "a" * 17, BUILT_IN)))
