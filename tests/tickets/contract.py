"""What every connector promises, whatever is behind it. A test of one system calls these with a connector on it."""

from remote_assist.tickets.marks import events_in, key_in, marked, note_key
from remote_assist.tickets.system import CUSTOMER, INTERNAL, Draft, RemoteTicket, TicketSystem

EVENTS = ("s-abcdefghijklmnop/0", "s-abcdefghijklmnop/1", "s-abcdefghijklmnop/2")
HOSTILE = 'disk <script>alert(1)</script> & "quotes" \\ *bold* {{macro}} h1. 100 %'


async def opened(system: TicketSystem, subject: str = "Web server does not start") -> RemoteTicket:
    """A new ticket of its own."""
    return await system.create(
        Draft(subject, "It says: address in use.", note_key("draft", subject), "eve@example.com")
    )


async def one_key_opens_one_ticket(system: TicketSystem) -> None:
    first = await opened(system, "once only")
    again = await opened(system, "once only")
    other = await opened(system, "another one")
    assert (again.id, first.closed) == (first.id, False)
    assert other.id != first.id
    assert (await system.get(first.id)).subject.startswith("once only")


async def a_note_is_found_by_its_key_and_by_no_other(system: TicketSystem) -> None:
    ticket = await opened(system, "marks")
    key, other = note_key("one"), note_key("two")
    assert await system.find(ticket.id, key) is None
    visibility = INTERNAL if system.capabilities().internal_note else CUSTOMER
    added = await system.add_note(ticket.id, marked(HOSTILE, key, EVENTS), visibility=visibility, key=key)
    found = await system.find(ticket.id, key)
    assert found is not None
    assert added in {found, ""}
    assert await system.find(ticket.id, other) is None


async def a_note_comes_back_as_plain_text_with_its_events(system: TicketSystem) -> None:
    ticket = await opened(system, "plain text")
    for number, visibility in enumerate((INTERNAL, CUSTOMER)):
        if visibility == INTERNAL and not system.capabilities().internal_note:
            continue
        key = note_key("plain", str(number))
        await system.add_note(ticket.id, marked(HOSTILE, key, EVENTS), visibility=visibility, key=key)
        (note,) = [one for one in await system.notes(ticket.id) if one.mark == key]
        assert note.visibility == visibility
        assert HOSTILE in note.text
        assert events_in(note.text) == EVENTS
        assert key_in(note.text) == key


async def a_ticket_is_closed_and_opened_again(system: TicketSystem) -> None:
    ticket = await opened(system, "to be closed")
    await system.transition(ticket.id, closed=True)
    await system.transition(ticket.id, closed=True)
    assert (await system.get(ticket.id)).closed
    await system.transition(ticket.id, closed=False)
    assert not (await system.get(ticket.id)).closed


async def search_finds_by_subject_what_is_there(system: TicketSystem) -> None:
    ticket = await opened(system, "zebra in the cellar's store")
    assert ticket.id in {one.id for one in await system.search("zebra in the cellar's")}
    assert ticket.id in {one.id for one in await system.search("")}
    assert await system.search("no-such-subject-8472") == ()


ALL = (
    one_key_opens_one_ticket,
    a_note_is_found_by_its_key_and_by_no_other,
    a_note_comes_back_as_plain_text_with_its_events,
    a_ticket_is_closed_and_opened_again,
    search_finds_by_subject_what_is_there,
)
