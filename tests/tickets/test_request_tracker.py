"""The connector on a real Request Tracker 5 (Debian)."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from remote_assist.errors import Fault, TicketSystemError
from remote_assist.technician.disclosing import OwnSystem, of_text
from remote_assist.tickets.http import Http
from remote_assist.tickets.marks import note_key
from remote_assist.tickets.request_tracker import RequestTracker
from remote_assist.tickets.system import CUSTOMER, INTERNAL, Attachment, TicketSystem
from tests.tickets import contract
from tests.tickets.servers.request_tracker import Served, request_tracker

SESSION = "s-k3vq2m7x4nbdw6zu"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with request_tracker(Path(tmp_path_factory.mktemp("rt"))) as running:
        yield running


def connector(served: Served, token: str = "") -> RequestTracker:
    token = token or served.token
    http = Http(served.url, headers={"Authorization": f"token {token}"})
    return RequestTracker("rt", http, queue="General", token=token)


@pytest.fixture
async def system(served: Served) -> AsyncIterator[RequestTracker]:
    one = connector(served)
    yield one
    await one.close()


@pytest.mark.parametrize("promise", contract.ALL, ids=lambda promise: str(promise.__name__))
async def test_request_tracker_keeps(
    system: RequestTracker, promise: Callable[[TicketSystem], Awaitable[None]]
) -> None:
    await promise(system)


async def test_verify_names_who_the_token_belongs_to_and_refuses_a_wrong_one(
    served: Served, system: RequestTracker
) -> None:
    assert await system.verify() == "connector"
    stranger = connector(served, "1-27-00000000000000000000000000000000")
    with pytest.raises(TicketSystemError, match="does not know us") as refused:
        await stranger.verify()
    assert refused.value.fault is Fault.CREDENTIAL
    await stranger.close()


async def test_only_what_the_customer_may_see_is_mailed_to_the_customer(served: Served, system: RequestTracker) -> None:
    ticket = await contract.opened(system, "mail")
    for visibility, words in ((INTERNAL, "for-us-only-8472"), (CUSTOMER, "for-you-too-8472")):
        await system.add_note(ticket.id, words, visibility=visibility, key=note_key(words))
    mails = served.mails()
    assert "for-you-too-8472" in mails
    assert "for-us-only-8472" not in mails


async def test_a_file_is_attached_once_and_kept_from_the_customer_when_said(
    served: Served, system: RequestTracker
) -> None:
    ticket = await contract.opened(system, "file")
    key = note_key("file")
    file = Attachment("facts.txt", b"secret-content-8472", INTERNAL, key, "the facts")
    await system.attach(ticket.id, file)
    assert await system.find(ticket.id, key)
    assert "secret-content-8472" not in served.mails()


async def test_time_and_fields_and_links_are_written(system: RequestTracker) -> None:
    ticket = await contract.opened(system, "extras")
    await system.add_time(ticket.id, 25, text="session", key=note_key("time"))
    await system.set_fields(ticket.id, {"Resolution": "port freed"})
    await system.link(ticket.id, "https://relay.example.com/s", title="session")
    await system.link(ticket.id, "https://relay.example.com/s", title="session")
    raw = (await system._http.call("GET", f"/REST/2.0/ticket/{ticket.id}")).body.decode()
    assert '"TimeWorked" : "25"' in raw
    assert "port freed" in raw
    assert raw.count("https://relay.example.com/s") == 1


@pytest.mark.parametrize("ticket", ["99999", "1/comment", "../user/1", ""])
async def test_a_ticket_that_does_not_exist_is_absent(system: RequestTracker, ticket: str) -> None:
    with pytest.raises(TicketSystemError) as refused:
        await system.add_note(ticket, "words", visibility=INTERNAL, key=note_key("x"))
    assert refused.value.fault is Fault.ABSENT


async def test_rts_own_tables_hold_a_disclosure_once_and_as_private_as_was_said(
    served: Served, system: RequestTracker
) -> None:
    ticket = await contract.opened(system, "disclosed")
    place = OwnSystem(system, ticket.id)
    for _ in range(2):  # the second try finds what the first one left
        await place.send(of_text("for us alone", INTERNAL), SESSION)
        await place.send(of_text("for everybody", CUSTOMER), SESSION)
    with contextlib.closing(sqlite3.connect(f"file:{served.folder}/rt.sqlite3?mode=ro", uri=True)) as database:
        query = (
            "SELECT Transactions.Type, Attachments.Content FROM Attachments JOIN Transactions "
            "ON Transactions.id = Attachments.TransactionId WHERE Transactions.ObjectId = ? "
            "AND Attachments.Content LIKE '%[ra-note:%' ORDER BY Attachments.id"
        )
        rows = database.execute(query, (ticket.id,)).fetchall()
    told = [(kind, str(text).splitlines()[0]) for kind, text in rows if kind in {"Comment", "Correspond"}]
    assert told == [("Comment", "for us alone"), ("Correspond", "for everybody")], rows
