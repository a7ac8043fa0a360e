"""The connector on a real Redmine 5 (Debian); python-redmine, a client of others, reads back what ours has written."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import redminelib

from remote_assist.errors import Fault, TicketSystemError
from remote_assist.technician.disclosing import OwnSystem, of_text
from remote_assist.tickets.http import Http
from remote_assist.tickets.marks import marked, note_key
from remote_assist.tickets.redmine import Redmine
from remote_assist.tickets.system import CUSTOMER, INTERNAL, Attachment, TicketSystem
from tests.tickets import contract
from tests.tickets.servers.redmine import Served, redmine

SESSION = "s-k3vq2m7x4nbdw6zu"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with redmine(Path(tmp_path_factory.mktemp("redmine"))) as running:
        yield running


def connector(served: Served, key: str) -> Redmine:
    return Redmine("redmine", Http(served.url, headers={"X-Redmine-API-Key": key}), project="support")


@pytest.fixture
async def system(served: Served) -> AsyncIterator[Redmine]:
    one = connector(served, served.key)
    yield one
    await one.close()


@pytest.fixture
async def weak(served: Served) -> AsyncIterator[Redmine]:
    one = connector(served, served.weak_key)
    yield one
    await one.close()


@pytest.mark.parametrize("promise", contract.ALL, ids=lambda promise: str(promise.__name__))
async def test_redmine_keeps(system: Redmine, promise: Callable[[TicketSystem], Awaitable[None]]) -> None:
    await promise(system)


async def test_verify_names_who_the_key_belongs_to_and_refuses_a_wrong_one(served: Served, system: Redmine) -> None:
    assert await system.verify() == "connector"
    stranger = connector(served, "0" * 40)
    with pytest.raises(TicketSystemError) as refused:
        await stranger.verify()
    assert refused.value.fault is Fault.CREDENTIAL
    await stranger.close()


async def test_a_file_for_the_organisation_alone_is_refused_before_anything_is_sent(system: Redmine) -> None:
    ticket = await contract.opened(system, "private file")
    with pytest.raises(TicketSystemError, match="cannot keep a file for the organisation alone") as refused:
        await system.attach(ticket.id, Attachment("facts.txt", b"secret", INTERNAL, note_key("f")))
    assert refused.value.fault is Fault.UNABLE
    assert (await system._issue(ticket.id)).attachments == []


async def test_a_file_the_customer_may_see_is_attached_once(system: Redmine) -> None:
    ticket = await contract.opened(system, "public file")
    key = note_key("file")
    assert await system.attach(ticket.id, Attachment("facts.txt", b"words", CUSTOMER, key, "the facts"))
    assert await system.find(ticket.id, key)


async def test_a_note_that_redmine_makes_public_by_itself_is_noticed(weak: Redmine) -> None:
    ticket = await contract.opened(weak, "weak role")
    key = note_key("weak")
    with pytest.raises(TicketSystemError, match="public although") as refused:
        await weak.add_note(ticket.id, marked("for us only", key), visibility=INTERNAL, key=key)
    assert refused.value.fault is Fault.CREDENTIAL


async def test_time_and_fields_and_links_are_written_once(system: Redmine) -> None:
    ticket = await contract.opened(system, "extras")
    key = note_key("time")
    await system.add_time(ticket.id, 90, text="session", key=key)
    assert await system.find(ticket.id, key)
    await system.set_fields(ticket.id, {"Resolution": "port freed"})
    for _ in range(2):
        await system.link(ticket.id, "https://relay.example.com/s", title="session")
    issue = await system._issue(ticket.id)
    assert [one.value for one in issue.custom_fields if one.name == "Resolution"] == ["port freed"]
    assert sum("relay.example.com/s" in one.notes for one in issue.journals) == 1
    with pytest.raises(TicketSystemError, match="no field 'Nope'"):
        await system.set_fields(ticket.id, {"Nope": "x"})


async def test_a_ticket_that_does_not_exist_is_absent(system: Redmine) -> None:
    with pytest.raises(TicketSystemError) as refused:
        await system.add_note("99999", "words", visibility=INTERNAL, key=note_key("x"))
    assert refused.value.fault is Fault.ABSENT


async def test_redmines_own_tables_hold_a_disclosure_once_and_as_private_as_was_said(
    served: Served, system: Redmine
) -> None:
    ticket = await contract.opened(system, "disclosed")
    place = OwnSystem(system, ticket.id)
    for _ in range(2):  # the second try finds what the first one left
        await place.send(of_text("for us alone", INTERNAL), SESSION)
        await place.send(of_text("for everybody", CUSTOMER), SESSION)
    with contextlib.closing(sqlite3.connect(f"file:{served.folder}/redmine.sqlite3?mode=ro", uri=True)) as database:
        query = "SELECT notes, private_notes FROM journals WHERE journalized_id = ? ORDER BY id"
        rows = database.execute(query, (ticket.id,)).fetchall()
    told = [(text.splitlines()[1], bool(private)) for text, private in rows]
    assert told == [("for us alone", True), ("for everybody", False)], rows


async def test_the_client_of_others_reads_what_ours_wrote_and_ours_what_it_wrote(
    served: Served, system: Redmine
) -> None:
    oracle = redminelib.Redmine(served.url, key=served.key)
    ticket, key = await contract.opened(system, "seen by another client"), note_key("oracle")
    await system.add_note(ticket.id, marked("for us alone", key), visibility=INTERNAL, key=key)
    await system.attach(
        ticket.id, Attachment("facts.txt", b"every byte", CUSTOMER, note_key("oracle-file"), "the facts")
    )
    await system.set_fields(ticket.id, {"Resolution": "port freed"})
    await system.add_time(ticket.id, 90, text="session", key=note_key("oracle-time"))

    def read_back() -> None:
        issue = oracle.issue.get(int(ticket.id), include=["journals", "attachments"])
        (note,) = [one for one in issue.journals if "for us alone" in getattr(one, "notes", "")]
        assert note.private_notes
        (file,) = issue.attachments
        assert (file.filename, b"".join(file.download().iter_content(64))) == ("facts.txt", b"every byte")
        assert [one.value for one in issue.custom_fields if one.name == "Resolution"] == ["port freed"]
        assert [entry.hours for entry in oracle.time_entry.filter(issue_id=issue.id)] == [1.5]
        oracle.issue.update(issue.id, notes="It fails again.", subject="renamed by another")

    await asyncio.to_thread(read_back)
    assert (await system.get(ticket.id)).subject == "renamed by another"
    assert [note.text for note in await system.notes(ticket.id) if not note.mark][-1] == "It fails again."
