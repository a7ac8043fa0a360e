"""Any other system, by e-mail: one address that makes tickets of mails, threads held by Message-ID.

A ticket's id is ours for a thread we began (its Message-ID is made of it), or the number of a ticket that exists there,
which goes into the subject as the settings say. Sent by the standard library in a thread; nothing can be read back.

Rule: the same event key makes the same Message-ID, so a mail sent twice after an unclear failure is one to any reader
that looks at it. Headers come from our words or are refused: no line break gets into one.
"""

import asyncio
import re
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path
from urllib.parse import urlsplit

from remote_assist.errors import ContentError, Fault, TicketSystemError
from remote_assist.tickets.system import (
    Attachment,
    Capabilities,
    Draft,
    RemoteNote,
    RemoteTicket,
    Retry,
    check_attachment,
    check_visible,
    unable,
)

ABLE = Capabilities(
    internal_note=False,
    attach_customer=True,
    max_attachment_bytes=8 << 20,
    search=False,
    state=False,
    retry=Retry.NATIVE,
)
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Server:
    """Where mails are handed over. `user` and `password` are empty for a server that needs none."""

    url: str
    user: str = ""
    password: str = ""
    tls_ca: Path | None = None
    deadline_seconds: float = 30.0


class Mail:
    """`TicketSystem` on a mailbox that makes tickets."""

    def __init__(self, name: str, server: Server, *, sender: str, recipient: str, subject: str) -> None:
        self.name = name
        self._server = checked(server)
        for address in (sender, recipient):
            if not _ADDRESS.fullmatch(address):
                raise ContentError(f"ticket system {name}: {address!r} is no mail address")
        self._sender, self._recipient = sender, recipient
        self._subject = subject or "[{ticket}]"
        self._domain = sender.rpartition("@")[2]

    def capabilities(self) -> Capabilities:
        return ABLE

    async def verify(self) -> str:
        await asyncio.to_thread(self._deliver, None)
        return self._sender

    async def get(self, ticket: str) -> RemoteTicket:
        if not _ID.fullmatch(ticket):
            raise TicketSystemError("this is no ticket's id", fault=Fault.ABSENT)
        return RemoteTicket(id=ticket, subject=f"Mail thread {ticket}", status="unknown", closed=False)

    async def search(self, text: str) -> tuple[RemoteTicket, ...]:
        raise unable(f"{self.name} is reached by mail, which cannot search")

    async def create(self, draft: Draft) -> RemoteTicket:
        ticket = f"ra{draft.key[:16]}"
        mail = self._mail(draft.subject, draft.text)
        mail["Message-ID"] = self._thread(ticket)
        await asyncio.to_thread(self._deliver, mail)
        return RemoteTicket(id=ticket, subject=draft.subject, status="unknown", closed=False)

    async def notes(self, ticket: str) -> tuple[RemoteNote, ...]:
        raise unable(f"{self.name} is reached by mail, which cannot be read back")

    async def find(self, ticket: str, key: str) -> str | None:
        return None  # sent again under the same Message-ID

    async def add_note(self, ticket: str, text: str, *, visibility: str, key: str) -> str:
        check_visible(ABLE, visibility, self.name)
        return await self._answer(ticket, text, key, None)

    async def attach(self, ticket: str, attachment: Attachment) -> str:
        check_attachment(ABLE, attachment, self.name)
        return await self._answer(ticket, attachment.text or attachment.name, attachment.key, attachment)

    async def transition(self, ticket: str, *, closed: bool) -> None:
        raise unable(f"{self.name} is reached by mail, which closes nothing")

    async def add_time(self, ticket: str, minutes: int, *, text: str, key: str) -> None:
        raise unable(f"{self.name} is reached by mail, which books no time")

    async def set_fields(self, ticket: str, fields: dict[str, str]) -> None:
        raise unable(f"{self.name} is reached by mail, which has no fields")

    async def link(self, ticket: str, url: str, *, title: str) -> None:
        raise unable(f"{self.name} is reached by mail, which has no links")

    async def close(self) -> None:
        return

    async def _answer(self, ticket: str, text: str, key: str, file: Attachment | None) -> str:
        await self.get(ticket)
        mail = self._mail(f"Re: {self._subject.replace('{ticket}', ticket)}", text)
        mail["Message-ID"] = f"<ra-note-{key}@{self._domain}>"
        mail["In-Reply-To"] = mail["References"] = self._thread(ticket)
        if file is not None:
            kind, _, detail = file.media_type.partition("/")
            mail.add_attachment(file.content, maintype=kind, subtype=detail, filename=file.name)
        await asyncio.to_thread(self._deliver, mail)
        return str(mail["Message-ID"])

    def _thread(self, ticket: str) -> str:
        return f"<ra-ticket-{ticket}@{self._domain}>"

    def _mail(self, subject: str, text: str) -> EmailMessage:
        mail = EmailMessage()
        mail["From"], mail["To"] = self._sender, self._recipient
        mail["Subject"] = " ".join(subject.split())
        mail["Date"] = formatdate()
        mail["Auto-Submitted"] = "auto-generated"  # so that no holiday notice answers it
        mail.set_content(text)
        return mail

    def _deliver(self, mail: EmailMessage | None) -> None:
        sent = False
        try:
            with self._connect() as smtp:
                if self._server.user:
                    smtp.login(self._server.user, self._server.password)
                if mail is None:
                    smtp.noop()
                    return
                sent = True
                smtp.send_message(mail)
                sent = False  # what goes wrong while parting is nobody's concern
        except smtplib.SMTPAuthenticationError as error:
            raise TicketSystemError("the mail server does not know us", fault=Fault.CREDENTIAL) from error
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused) as error:
            raise TicketSystemError("the mail server refused an address", fault=Fault.REJECTED) from error
        except smtplib.SMTPResponseException as error:
            fault = Fault.SLOW_DOWN if 400 <= error.smtp_code < 500 else Fault.REJECTED
            raise TicketSystemError(f"the mail server answered {error.smtp_code}", fault=fault) from error
        except (smtplib.SMTPException, OSError) as error:
            fault = Fault.UNCLEAR if sent else Fault.NOT_SENT
            raise TicketSystemError(f"the mail server broke off: {type(error).__name__}", fault=fault) from error

    def _connect(self) -> smtplib.SMTP:
        server, parts = self._server, urlsplit(self._server.url)
        host, seconds = parts.hostname or "", server.deadline_seconds
        context = ssl.create_default_context(cafile=None if server.tls_ca is None else str(server.tls_ca))
        if parts.scheme == "smtps":
            return smtplib.SMTP_SSL(host, parts.port or 465, timeout=seconds, context=context)
        smtp = smtplib.SMTP(host, parts.port or 25, timeout=seconds)
        if host not in LOOPBACK:
            smtp.starttls(context=context)
        return smtp


LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def checked(server: Server) -> Server:
    """The server, if its address is smtp or smtps. Raises ContentError. TLS is used always, except on loopback."""
    parts = urlsplit(server.url)
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ContentError(f"{server.url!r} is no mail server", advice="Write smtp://HOST:587 or smtps://HOST.")
    return server
