"""Disclosures at the technician: what may go where, in which order, and what is said when it fails."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from remote_assist.core.findings import Finding
from remote_assist.core.requests import Disclose, Disclosed
from remote_assist.core.sealed_stream import open_stream
from remote_assist.core.signing.reviewer_keys import reviewer_public
from remote_assist.errors import ContentError, Fault, RefusedError, TicketSystemError, UsageError
from remote_assist.settings import TicketSystemSettings
from remote_assist.technician.disclosing import (
    Disclosure,
    OwnSystem,
    disclose,
    of_digest,
    of_file,
    of_findings,
    of_text,
    sealed,
)
from remote_assist.technician.own_tickets import open_own, own_systems
from tests.tickets.small_tracker import SmallTracker, small_tracker

SESSION = "s-k3vq2m7x4nbdw6zu"


class Recorded:
    """A session whose agent records: it keeps what it was told, in order."""

    def __init__(self) -> None:
        self.said: list[Disclose | Disclosed] = []

    @asynccontextmanager
    async def disclosing(self, request: Disclose) -> AsyncIterator[Callable[[Disclosed], Awaitable[None]]]:
        self.said.append(request)

        async def tell(what: Disclosed) -> None:
            self.said.append(what)

        yield tell


def own(tmp_path: Path, tracker: SmallTracker, kind: str = "request-tracker") -> TicketSystemSettings:
    token, table = tmp_path / "rt.token", tmp_path / "tickets.toml"
    token.write_text(tracker.token)
    table.write_text(f'[rt]\nkind = "{kind}"\nurl = "{tracker.url}"\ncredential = "rt.token"\n')
    for file in (token, table):
        file.chmod(0o600)
    return own_systems(tmp_path)["rt"]


async def test_a_text_is_recorded_first_then_sent_with_the_technicians_own_login_and_only_once(tmp_path: Path) -> None:
    async with small_tracker() as tracker:
        ticket, session = tracker.ticket(), Recorded()
        system = open_own("rt", own(tmp_path, tracker))
        place = OwnSystem(system, ticket)
        for _ in range(2):
            await disclose(of_text("the disk is full", "internal"), place, session, session=SESSION, where="rt:1")
        await system.close()
        (note,) = tracker.tickets[ticket].notes
        assert (note.kind, note.content.splitlines()[0]) == ("comment", "the disk is full")
        assert [type(one).__name__ for one in session.said] == ["Disclose", "Disclosed"] * 2


async def test_a_file_that_cannot_be_kept_from_the_customer_is_refused_before_anything_is_recorded(
    tmp_path: Path,
) -> None:
    async with small_tracker() as tracker:
        path = tmp_path / "shadow.txt"
        path.write_text("secret")
        session = Recorded()
        system = open_own("rt", own(tmp_path, tracker, kind="redmine"))
        with pytest.raises(TicketSystemError, match="cannot keep a file") as refused:
            await disclose(of_file(path, "internal"), OwnSystem(system, "1"), session, session=SESSION, where="rt:1")
        await system.close()
        assert refused.value.fault is Fault.UNABLE
        assert session.said == []


async def test_a_failure_is_told_to_the_record_as_what_it_is() -> None:
    class Broken:
        async def check(self, what: Disclosure) -> None:
            return

        async def send(self, what: Disclosure, session: str) -> str:
            raise TicketSystemError("cut in the middle", fault=Fault.UNCLEAR)

    session = Recorded()
    with pytest.raises(TicketSystemError):
        await disclose(of_text("a", "customer"), Broken(), session, session=SESSION, where="1001")
    told = session.said[-1]
    assert isinstance(told, Disclosed)
    assert (told.status, told.sentence.partition(":")[0]) == ("failed", "it may be on the ticket")


async def test_a_text_with_a_support_code_or_without_words_is_refused() -> None:
    for text, error in (("call 417203-tulip-rocket-amber", RefusedError), ("  ", UsageError)):
        session = Recorded()
        with pytest.raises(error):
            await disclose(of_text(text, "internal"), None, session, session=SESSION, where="1")  # type: ignore[arg-type]  # never reached
        assert session.said == []


def test_findings_are_told_by_issue_and_only_those_of_the_bundle() -> None:
    found = [
        Finding(
            issue=f"linux.{name}",
            version=1,
            digest="",
            title=f"About {name}",
            severity="high",
            category="disk",
            outcome=outcome,
            subject="",
            message="m\x1b[2J",
            fix="linux.mend",
        )
        for name, outcome in (("full", "fail"), ("fine", "pass"))
    ]
    told = of_findings(found, [], "internal")
    assert told.issues == ("linux.full",)
    assert told.text == "FAIL linux.full: About full\n  m\\x1b[2J\n  known fix: linux.mend"
    assert of_findings(found, ["linux.fine"], "internal").issues == ("linux.fine",)
    with pytest.raises(UsageError, match=r"nothing about linux\.other"):
        of_findings(found, ["linux.other"], "internal")


def test_a_sealed_file_opens_with_its_key_and_a_digest_says_what_it_is_of(tmp_path: Path) -> None:
    path = tmp_path / "dump.bin"
    path.write_bytes(b"x" * 200_000)
    private = bytes(range(32))
    shut = sealed(of_file(path, "internal"), reviewer_public(private), bytes(16))
    assert shut.name == "dump.bin.sealed" and b"xxxx" not in shut.raw
    assert open_stream(shut.raw, private) == path.read_bytes()
    assert "200000 bytes, SHA-256 " in of_digest(path, "internal").text
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(UsageError):
            of_file(missing, "internal")


def test_the_own_systems_file_is_read_strictly(tmp_path: Path) -> None:
    assert own_systems(tmp_path) == {}
    table = tmp_path / "tickets.toml"
    for text, fault in (
        ('[rt]\nkind = "request-tracker"\nulr = "x"', "nearest is 'url'"),
        ('[rt]\nkind = "request-tracer"', "no kind"),
        ("[rt", "no TOML"),
        ("rt = 1", "a table is named"),
    ):
        table.write_text(text)
        table.chmod(0o600)
        with pytest.raises(ContentError, match=fault):
            own_systems(tmp_path)
    table.chmod(0o644)
    with pytest.raises(ContentError, match="read by others"):
        own_systems(tmp_path)
