"""E-mail to a real SMTP server on loopback (aiosmtpd): threads by Message-ID, the same note never two mails' worth."""

from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from remote_assist.errors import ContentError, Fault, TicketSystemError
from remote_assist.settings import TicketSystemSettings
from remote_assist.tickets.kinds import open_system
from remote_assist.tickets.marks import events_in, marked, note_key
from remote_assist.tickets.system import CUSTOMER, INTERNAL, Attachment, Draft, TicketSystem
from tests.tickets.servers import free_port


class Mailbox:
    """Takes mails; `refuse` answers the next ones instead."""

    def __init__(self) -> None:
        self.mails: list[Message] = []
        self.refuse: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        if self.refuse:
            return self.refuse.pop(0)
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box, port = Mailbox(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, f"smtp://127.0.0.1:{port}"
    controller.stop()


def system(url: str, **more: str) -> TicketSystem:
    settings = TicketSystemSettings("mail", url, user="assist@example.com", queue="support@example.com", **more)  # type: ignore[arg-type]
    return open_system("mail", settings, "")


async def test_a_thread_is_begun_and_answered_by_message_id(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    there = system(url)
    assert await there.verify() == "assist@example.com"
    ticket = await there.create(Draft("Web server does not start", "words", note_key("draft")))
    key = note_key("note")
    events = ("s-abcdefghijklmnop/0", "s-abcdefghijklmnop/1")
    for _ in range(2):  # sent again after an unclear failure
        await there.add_note(ticket.id, marked("what happened", key, events), visibility=CUSTOMER, key=key)
    first, answer, again = box.mails
    assert answer["In-Reply-To"] == answer["References"] == first["Message-ID"]
    assert answer["Message-ID"] == again["Message-ID"] != first["Message-ID"]
    assert (first["To"], first["From"], first["Auto-Submitted"]) == (
        "support@example.com",
        "assist@example.com",
        "auto-generated",
    )
    assert events_in(str(answer.get_content())) == events  # type: ignore[attr-defined]


async def test_an_existing_tickets_number_stands_in_the_subject(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    await system(url, subject="[#{ticket}] support").add_note("123456", "x", visibility=CUSTOMER, key=note_key("n"))
    assert box.mails[0]["Subject"] == "Re: [#123456] support"


async def test_a_file_goes_along_and_nothing_internal_does(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    there = system(url)
    file = Attachment("facts.txt", b"the facts", CUSTOMER, note_key("f"), media_type="text/plain")
    await there.attach("42", file)
    (part,) = [one for one in box.mails[0].walk() if one.get_filename()]
    assert (part.get_filename(), part.get_payload(decode=True)) == ("facts.txt", b"the facts")
    with pytest.raises(TicketSystemError) as refused:
        await there.add_note("42", "for us", visibility=INTERNAL, key=note_key("n"))
    assert refused.value.fault is Fault.UNABLE and len(box.mails) == 1


@pytest.mark.parametrize(("said", "fault"), [("451 later", Fault.SLOW_DOWN), ("554 no", Fault.REJECTED)])
async def test_what_the_server_says_means_what_it_means(mailbox: tuple[Mailbox, str], said: str, fault: Fault) -> None:
    box, url = mailbox
    box.refuse = [said]
    with pytest.raises(TicketSystemError) as failed:
        await system(url).add_note("42", "x", visibility=CUSTOMER, key=note_key("n"))
    assert failed.value.fault is fault


async def test_nobody_there_means_nothing_was_sent() -> None:
    with pytest.raises(TicketSystemError) as failed:
        await system(f"smtp://127.0.0.1:{free_port()}").verify()
    assert failed.value.fault is Fault.NOT_SENT


async def test_no_line_break_reaches_a_header(mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    await system(url).create(Draft("evil\r\nBcc: eve@example.com", "x", note_key("d")))
    assert box.mails[0]["Bcc"] is None and "Bcc: eve" in str(box.mails[0]["Subject"])
    with pytest.raises(TicketSystemError):
        await system(url).add_note("1\r\nBcc: eve", "x", visibility=CUSTOMER, key=note_key("n"))
    with pytest.raises(ContentError):
        open_system("mail", TicketSystemSettings("mail", url, user="a@b\r\nBcc: c", queue="s@example.com"), "")
