"""Clients that others keep for the live services speak with the peers our connectors are tested against.

What the one writes the other reads: a path, a header or a field that is known to our connector and its peer alone
fails here.
"""

import asyncio
from typing import Any

import github
import jira
import zammad_py

from remote_assist.tickets.marks import key_in, marked, note_key
from remote_assist.tickets.system import CUSTOMER, INTERNAL
from tests.tickets import contract
from tests.tickets.test_thin_connectors import CREDENTIAL, GithubShelf, JiraShelf, ZammadShelf, connected

KEY = note_key("seen by another client")
AT_ONCE: dict[str, Any] = {"seconds_between_requests": None, "seconds_between_writes": None}
"""PyGithub would spare the live service."""


async def test_zammads_client_reads_our_note_as_private_as_it_is_and_we_read_its_reply() -> None:
    async with connected(ZammadShelf) as (system, shelf):
        ticket = await contract.opened(system, "for zammad_py")
        await system.add_note(ticket.id, marked("for us alone", KEY), visibility=INTERNAL, key=KEY)

        def other(url: str) -> None:
            client = zammad_py.ZammadAPI(url=f"{url}/api/v1/", http_token=CREDENTIAL)
            assert client.user.me()["login"] == "connector"
            assert client.ticket.find(int(ticket.id))["title"].startswith("for zammad_py")
            (article,) = client.ticket.articles(int(ticket.id))
            assert (key_in(article["body"]), article["internal"]) == (KEY, True)
            reply = {"ticket_id": int(ticket.id), "body": "It fails again.", "internal": False}
            client.ticket_article.create({**reply, "content_type": "text/plain", "type": "note"})
            client.ticket.update(int(ticket.id), {"state": "closed"})

        await asyncio.to_thread(other, shelf.url)
        assert [(one.text, one.visibility) for one in await system.notes(ticket.id) if not one.mark] == [
            ("It fails again.", CUSTOMER)
        ]
        assert (await system.get(ticket.id)).closed


async def test_githubs_client_reads_our_note_and_we_read_its_comment() -> None:
    async with connected(GithubShelf) as (system, shelf):
        ticket = await contract.opened(system, "for PyGithub")
        await system.add_note(ticket.id, marked("for everybody", KEY), visibility=CUSTOMER, key=KEY)

        def other(url: str) -> None:
            with github.Github(
                base_url=url, auth=github.Auth.Token(CREDENTIAL), retry=None, lazy=True, **AT_ONCE
            ) as client:
                issue = client.get_repo("example/support").get_issue(int(ticket.id))
                assert issue.title == "for PyGithub"
                assert [key_in(one.body) for one in issue.get_comments()] == [KEY]
                issue.create_comment("It fails again.")
                issue.edit(state="closed")

        await asyncio.to_thread(other, shelf.url)
        assert [one.text for one in await system.notes(ticket.id) if not one.mark] == ["It fails again."]
        assert (await system.get(ticket.id)).closed


async def test_jiras_client_finds_our_request_and_we_see_its_transition() -> None:
    async with connected(JiraShelf) as (system, shelf):
        ticket = await contract.opened(system, "for jira")

        def other(url: str) -> None:
            login = ("eve@example.com", CREDENTIAL)
            options: dict[str, Any] = {"rest_api_version": "3"}
            client = jira.JIRA(url, options=options, basic_auth=login, get_server_info=False, max_retries=0)
            assert client.myself()["displayName"] == "connector"
            issue = client.issue(ticket.id)
            assert (issue.key, issue.fields.summary) == (ticket.id, "for jira")
            (done,) = [one for one in client.transitions(issue) if one["to"]["statusCategory"]["key"] == "done"]
            client.transition_issue(issue, done["id"])
            client.close()  # type: ignore[no-untyped-call]

        await asyncio.to_thread(other, shelf.url)
        assert (await system.get(ticket.id)).closed
