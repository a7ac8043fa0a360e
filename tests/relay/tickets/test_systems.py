"""Which ticket belongs to which system, and that credentials come from files nobody else can read."""

from pathlib import Path

import pytest
from aiohttp import web

from relay.examination import examine
from relay.tickets.systems import TicketSystems, read_credential
from remote_assist.errors import ContentError, RefusedError
from remote_assist.settings import RelaySettings, TicketSystemSettings
from tests.relay.world import Organisation, TurnableClock
from tests.tickets.peer import Request, peer


def test_a_credential_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n")
    file.chmod(0o640)
    settings = TicketSystemSettings("redmine", "https://tickets.example.com", file)
    with pytest.raises(ContentError, match="open to others"):
        read_credential(settings)
    file.chmod(0o600)
    assert read_credential(settings) == "secret"


async def test_an_unknown_system_is_absent() -> None:
    with pytest.raises(RefusedError, match="knows no ticket system 'rt'"):
        TicketSystems({}, "built-in").of("rt")


async def test_check_says_who_we_are_and_advises_on_a_wrong_key(tmp_path: Path) -> None:
    async def decide(request: Request) -> web.StreamResponse:
        if request.headers.get("X-Redmine-API-Key") != "right":
            return web.Response(status=401)
        return web.json_response({"user": {"login": "connector"}})

    file = tmp_path / "key"
    file.write_text("right")
    file.chmod(0o600)
    async with peer(decide) as one:
        systems = TicketSystems({"redmine": TicketSystemSettings("redmine", one.url, file)}, "built-in")
        assert await systems.check("redmine") == f"redmine at {one.url} knows us as connector"
        file.write_text("wrong")
        await systems.renew("redmine")
        with pytest.raises(ContentError, match="does not know us"):
            await systems.check("redmine")
        await systems.close()


def test_the_examination_has_a_line_for_each_system(tmp_path: Path) -> None:
    organisation = Organisation(tmp_path, TurnableClock())
    organisation.found()
    file = tmp_path / "key"
    file.write_text("x")
    file.chmod(0o600)
    systems = {"redmine": TicketSystemSettings("redmine", "http://127.0.0.1:9", file)}
    found = list(examine(RelaySettings(data=organisation.data, ticket_systems=systems), now=organisation.clock()))
    assert (found[-1].what, found[-1].ok) == ("tickets redmine", False)
    assert "cannot be reached" in found[-1].sentence
