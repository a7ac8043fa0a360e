"""Seven connectors against a local peer that holds the shape of each system's published API.

None of them was run against the live service: the peer knows the paths, headers and fields of the descriptions, and
answers with 400 to anything else. What it cannot know are the real systems' surprises.
"""

import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from remote_assist.errors import Fault, TicketSystemError
from remote_assist.settings import TicketSystemSettings
from remote_assist.tickets.kinds import open_system
from remote_assist.tickets.marks import note_key
from remote_assist.tickets.system import CUSTOMER, INTERNAL, Attachment, TicketSystem
from remote_assist.tickets.thin import from_html
from tests.tickets import contract
from tests.tickets.peer import Request, peer

CREDENTIAL = "secret-8472"


class Shelf:
    """Tickets in memory; a subclass speaks one system's words. `KeyError` is a 400, so that a missing field shows."""

    authorization = ""
    url = ""

    def __init__(self) -> None:
        self.tickets: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        self.files: list[tuple[str, bytes]] = []

    async def decide(self, request: Request) -> web.StreamResponse:
        if not self.admits(request.headers.get("Authorization", "")):
            return web.Response(status=401)
        try:
            found = self.answer(request.method, request.path, request)
        except (KeyError, ValueError, AssertionError) as error:
            return web.Response(status=400, text=f"{type(error).__name__}: {error}")
        if found is None:
            return web.Response(status=404)
        return web.json_response(found)

    def admits(self, authorization: str) -> bool:
        return authorization == self.authorization

    def answer(self, method: str, path: str, request: Request) -> Any:
        raise NotImplementedError

    def ticket(self, number: str) -> dict[str, Any]:
        return self.tickets[int(number) - 1]

    def add(self, **fields: Any) -> dict[str, Any]:
        self.tickets.append({"id": len(self.tickets) + 1, **fields})
        return self.tickets[-1]

    def note(self, ticket: str, **fields: Any) -> dict[str, Any]:
        if not 0 < int(ticket) <= len(self.tickets):
            raise web.HTTPNotFound
        self.notes.append({"id": len(self.notes) + 1, "of": int(ticket), **fields})
        return self.notes[-1]

    def of(self, ticket: str) -> list[dict[str, Any]]:
        return [note for note in self.notes if note["of"] == int(ticket)]


def basic(words: str) -> str:
    return "Basic " + base64.b64encode(words.encode()).decode()


class ZammadShelf(Shelf):
    kind, user, queue = "zammad", "", "Users"
    authorization = f"Token token={CREDENTIAL}"

    def answer(self, method: str, path: str, request: Request) -> Any:
        if path == "/api/v1/users/me":
            return {"id": 3, "login": "connector"}
        if path == "/api/v1/tickets/search":
            words = request.query["query"].strip('"')
            return [one for one in self.tickets if words in one["title"] or (":" in words and one["state"] == "open")]
        if path == "/api/v1/tickets" and method == "POST":
            body = request.json()
            article = body["article"]
            assert article["content_type"] == "text/plain" and body["group"] and body["customer"]
            return self.add(title=body["title"], state="open", owner="-", customer=body["customer"])
        if path == "/api/v1/ticket_articles":
            body = request.json()
            assert body["content_type"] == "text/plain" and body["type"] == "note"
            for file in body.get("attachments", []):
                self.files.append((file["filename"], base64.b64decode(file["data"])))
            return self.note(str(body["ticket_id"]), body=body["body"], internal=body["internal"])
        if found := re.fullmatch(r"/api/v1/ticket_articles/by_ticket/(\d+)", path):
            return self.of(found[1])
        if found := re.fullmatch(r"/api/v1/tickets/(\d+)", path):
            if method == "PUT":
                self.ticket(found[1])["state"] = request.json()["state"]
            return self.ticket(found[1])
        return None


class JiraShelf(Shelf):
    kind, user, queue = "jira-service", "eve@example.com", "10/25"
    authorization = basic(f"eve@example.com:{CREDENTIAL}")

    def answer(self, method: str, path: str, request: Request) -> Any:
        if path == "/rest/api/3/myself":
            return {"displayName": "connector"}
        if path == "/rest/api/3/search/jql":
            jql = request.query["jql"]
            words = re.search(r'~ "((?:[^"\\]|\\.)*)"', jql)
            field = "summary" if jql.startswith("summary") else "description"
            hits = [one for one in self.tickets if (words[1] in one[field] if words else one["state"] != "done")]
            return {"issues": [self.issue(one) for one in hits]}
        if path == "/rest/servicedeskapi/request":
            body = request.json()
            assert (body["serviceDeskId"], body["requestTypeId"]) == ("10", "25")
            values = body["requestFieldValues"]
            made = self.add(summary=values["summary"], description=values["description"], state="new")
            return {"issueKey": f"SUP-{made['id']}", "issueId": "1"}
        if path == "/rest/servicedeskapi/servicedesk/10/attachTemporaryFile":
            assert request.headers["X-Atlassian-Token"] == "no-check"
            self.files.append(("temp1", request.body))
            return {"temporaryAttachments": [{"temporaryAttachmentId": "temp1", "fileName": "x"}]}
        found = re.fullmatch(r"/rest/(?:servicedeskapi/request|api/3/issue)/SUP-(\d+)(?:/(\w+))?", path)
        return None if found is None else self.one(method, found[1], found[2] or "", request)

    def one(self, method: str, number: str, what: str, request: Request) -> Any:
        ticket = self.ticket(number)
        if what == "comment" and method == "POST":
            body = request.json()
            return self.comment(self.note(number, body=body["body"], public=body["public"]))
        if what == "comment":
            return {"values": [self.comment(one) for one in self.of(number)], "isLastPage": True}
        if what == "transitions" and method == "GET":
            names = {"1": "new", "2": "done"}
            return {"transitions": [{"id": id, "to": {"statusCategory": {"key": key}}} for id, key in names.items()]}
        if what == "transitions":
            ticket["state"] = {"1": "new", "2": "done"}[str(request.json()["transition"]["id"])]
            return {}
        if what == "attachment":
            body = request.json()
            assert body["temporaryAttachmentIds"] == ["temp1"]
            return self.comment(self.note(number, body=body["additionalComment"]["body"], public=body["public"]))
        return self.issue(ticket)

    def comment(self, note: dict[str, Any]) -> dict[str, Any]:
        return {"id": str(note["id"]), "body": note["body"], "public": note["public"], "author": {"displayName": "x"}}

    def issue(self, one: dict[str, Any]) -> dict[str, Any]:
        status = {"name": one["state"], "statusCategory": {"key": one["state"]}}
        return {"key": f"SUP-{one['id']}", "fields": {"summary": one["summary"], "status": status, "assignee": None}}


class ZendeskShelf(Shelf):
    kind, user, queue = "zendesk", "eve@example.com", ""
    authorization = basic(f"eve@example.com/token:{CREDENTIAL}")

    def answer(self, method: str, path: str, request: Request) -> Any:
        if path == "/api/v2/users/me.json":
            return {"user": {"id": 7, "email": "connector"}}
        if path == "/api/v2/search.json":
            words = re.search(r'subject:"([^"]*)"', request.query["query"])
            hits = [one for one in self.tickets if (words[1] in one["subject"] if words else one["status"] == "open")]
            return {"results": hits}
        if path == "/api/v2/tickets.json" and method == "GET":
            return {"tickets": [one for one in self.tickets if one["external_id"] == request.query["external_id"]]}
        if path == "/api/v2/tickets.json":
            body = request.json()["ticket"]
            assert request.headers["Idempotency-Key"] == body["external_id"] and body["comment"]["body"]
            return {"ticket": self.add(subject=body["subject"], status="open", external_id=body["external_id"])}
        if path == "/api/v2/uploads.json":
            self.files.append((request.query["filename"], request.body))
            return {"upload": {"token": "t1"}}
        if found := re.fullmatch(r"/api/v2/tickets/(\d+)/comments.json", path):
            return {"comments": self.of(found[1]), "next_page": None}
        if found := re.fullmatch(r"/api/v2/tickets/(\d+).json", path):
            ticket = self.ticket(found[1])
            if method == "PUT":
                change = request.json()["ticket"]
                ticket["status"] = change.get("status", ticket["status"])
                if comment := change.get("comment"):
                    self.note(found[1], plain_body=comment["body"], public=comment["public"])
            return {"ticket": ticket}
        return None


class FreshdeskShelf(Shelf):
    kind, user, queue = "freshdesk", "", ""
    authorization = basic(f"{CREDENTIAL}:X")

    def answer(self, method: str, path: str, request: Request) -> Any:
        if path == "/api/v2/agents/me":
            return {"id": 1, "contact": {"email": "connector"}}
        if path == "/api/v2/search/tickets":
            tag = re.fullmatch(r"\"tag:'([^']+)'\"", request.query["query"])
            assert tag
            return {"total": 0, "results": [one for one in self.tickets if tag[1] in one["tags"]]}
        if path == "/api/v2/tickets" and method == "POST":
            body = request.json()
            assert body["email"] and body["priority"] == 1 and "<script" not in body["description"]
            return self.add(subject=body["subject"], status=body["status"], tags=body["tags"])
        if path == "/api/v2/tickets":
            return self.tickets[::-1]
        if found := re.fullmatch(r"/api/v2/tickets/(\d+)/notes", path):
            if request.headers["Content-Type"].startswith("multipart/"):
                self.files.append(("file", request.body))
                private = b'name="private"\r\n\r\ntrue' in request.body
                mark = re.search(rb"\[ra-note:[0-9a-f]+\]", request.body)
                return self.note(found[1], body_text=(mark[0] if mark else b"").decode(), private=private)
            body = request.json()
            return self.note(found[1], body_text=from_html(body["body"]), private=body["private"])
        if found := re.fullmatch(r"/api/v2/tickets/(\d+)/conversations", path):
            return self.of(found[1])
        if found := re.fullmatch(r"/api/v2/tickets/(\d+)", path):
            if method == "PUT":
                self.ticket(found[1])["status"] = request.json()["status"]
            return self.ticket(found[1])
        return None


class ServiceNowShelf(Shelf):
    kind, user, queue = "servicenow", "connector", ""
    authorization = basic(f"connector:{CREDENTIAL}")

    def answer(self, method: str, path: str, request: Request) -> Any:
        if path == "/api/now/table/sys_user":
            assert request.query["sysparm_query"] == "user_name=connector"
            return {"result": [{"user_name": "connector"}]}
        if path == "/api/now/table/incident" and method == "POST":
            body = request.json()
            made = self.add(
                short_description=body["short_description"], correlation_id=body["correlation_id"], state="1"
            )
            made.update(number=f"INC{made['id']:07d}", sys_id=f"sys{made['id']}")
            return {"result": made}
        if path == "/api/now/table/incident":
            name, _, value = request.query["sysparm_query"].partition("^")[0].replace("LIKE", "=").partition("=")
            if name == "active":
                return {"result": [one for one in self.tickets if one["state"] == "1"]}
            return {"result": [one for one in self.tickets if value in one[name]]}
        if path == "/api/now/table/sys_journal_field":
            id = re.match(r"element_id=sys(\d+)\^", request.query["sysparm_query"])
            assert id
            return {"result": [{**one, "sys_id": str(one["id"])} for one in self.of(id[1])]}
        if path == "/api/now/attachment/file":
            self.files.append((request.query["file_name"], request.body))
            return {"result": {}}
        if found := re.fullmatch(r"/api/now/table/incident/sys(\d+)", path):
            for name, value in request.json().items():
                if name in {"work_notes", "comments"}:
                    self.note(found[1], element=name, value=value)
                else:
                    self.ticket(found[1])[name] = value
            return {"result": self.ticket(found[1])}
        return None


class GlpiShelf(Shelf):
    kind, user, queue = "glpi", "", ""
    sessions = 0

    async def decide(self, request: Request) -> web.StreamResponse:
        if request.path == "/apirest.php/initSession":
            if request.headers.get("Authorization") != f"user_token {CREDENTIAL}":
                return web.Response(status=401)
            self.sessions += 1
            return web.json_response({"session_token": f"s{self.sessions}"})
        if request.headers.get("Session-Token") != f"s{self.sessions}" or not self.sessions:
            return web.Response(status=401)
        self.authorization = request.headers.get("Authorization", "")
        return await super().decide(Request(**{**vars(request), "headers": {"Authorization": self.authorization}}))

    def answer(self, method: str, path: str, request: Request) -> Any:
        if path == "/apirest.php/getFullSession":
            return {"session": {"glpiname": "connector"}}
        if path == "/apirest.php/Ticket" and method == "POST":
            given = request.json()["input"]
            return {"id": self.add(name=given["name"], status=1, externalid=given["externalid"])["id"]}
        if path == "/apirest.php/Ticket":
            for name, field in (("searchText[externalid]", "externalid"), ("searchText[name]", "name")):
                if name in request.query:
                    return [one for one in self.tickets if request.query[name] in one[field]]
            return self.tickets
        if path == "/apirest.php/ITILFollowup":
            given = request.json()["input"]
            assert given["itemtype"] == "Ticket" and "<script" not in given["content"]
            content = given["content"].replace("&", "&#38;").replace("<", "&#60;").replace(">", "&#62;")
            return self.note(str(given["items_id"]), content=content, is_private=given["is_private"])
        if found := re.fullmatch(r"/apirest.php/Ticket/(\d+)/ITILFollowup", path):
            return self.of(found[1])
        if found := re.fullmatch(r"/apirest.php/Ticket/(\d+)", path):
            if method == "PUT":
                self.ticket(found[1])["status"] = request.json()["input"]["status"]
            return self.ticket(found[1])
        return None


class GithubShelf(Shelf):
    kind, user, queue = "github", "", "example/support"
    authorization = f"Bearer {CREDENTIAL}"

    def admits(self, authorization: str) -> bool:
        return super().admits(authorization) or authorization == f"token {CREDENTIAL}"

    def answer(self, method: str, path: str, request: Request) -> Any:
        if request.headers["Authorization"] == self.authorization:  # ours names the version it was written for
            assert request.headers["X-GitHub-Api-Version"] == "2022-11-28"
        if path == "/user":
            return {"login": "connector"}
        if path == "/search/issues":
            words = request.query["q"]
            assert "repo:example/support" in words
            text = re.match(r'"([^"]*)" in:(title|body)', words)
            return {
                "items": [one for one in self.tickets if (text[1] in one[text[2]] if text else one["state"] == "open")]
            }
        if path == "/repos/example/support/issues" and method == "POST":
            body = request.json()
            made = self.add(title=body["title"], body=body["body"], state="open")
            return {**made, "number": made["id"]} if not made.update(number=made["id"]) else None
        if found := re.fullmatch(r"/repos/example/support/issues/(\d+)/comments", path):
            if method == "POST":
                return self.note(found[1], body=request.json()["body"])
            return self.of(found[1])
        if found := re.fullmatch(r"/repos/example/support/issues/(\d+)", path):
            if method == "PATCH":
                self.ticket(found[1])["state"] = request.json()["state"]
            return self.ticket(found[1])
        return None


SHELVES = (ZammadShelf, JiraShelf, ZendeskShelf, FreshdeskShelf, ServiceNowShelf, GlpiShelf, GithubShelf)
Shape = type[Any]


@asynccontextmanager
async def connected(shape: Shape, credential: str = CREDENTIAL) -> AsyncIterator[tuple[TicketSystem, Any]]:
    shelf = shape()
    async with peer(shelf.decide) as one:
        shelf.url = one.url
        settings = TicketSystemSettings(shape.kind, one.url, user=shape.user, queue=shape.queue)
        system = open_system("there", settings, credential)
        try:
            yield system, shelf
        finally:
            await system.close()


@pytest.mark.parametrize("shape", SHELVES, ids=lambda shape: str(shape.kind))
@pytest.mark.parametrize("promise", contract.ALL, ids=lambda promise: str(promise.__name__))
async def test_the_shape_of_each_system_keeps(shape: Shape, promise: Callable[[TicketSystem], Awaitable[None]]) -> None:
    async with connected(shape) as (system, _):
        await promise(system)


@pytest.mark.parametrize("shape", SHELVES, ids=lambda shape: str(shape.kind))
async def test_verify_says_who_we_are_and_refuses_a_wrong_credential(shape: Shape) -> None:
    async with connected(shape) as (system, _):
        assert await system.verify() == "connector"
    async with connected(shape, "wrong") as (system, _):
        with pytest.raises(TicketSystemError) as refused:
            await system.verify()
        assert refused.value.fault is Fault.CREDENTIAL


@pytest.mark.parametrize("shape", SHELVES, ids=lambda shape: str(shape.kind))
@pytest.mark.parametrize("visibility", [INTERNAL, CUSTOMER])
async def test_a_file_reaches_exactly_who_was_said_or_is_refused_before_anything_is_sent(
    shape: Shape, visibility: str
) -> None:
    async with connected(shape) as (system, shelf):
        ticket = await contract.opened(system)
        able = system.capabilities()
        can = able.attach_internal if visibility == INTERNAL else able.attach_customer
        file = Attachment("facts.txt", b"the-facts-8472", visibility, note_key("file"), "the facts")
        if not can:
            with pytest.raises(TicketSystemError) as refused:
                await system.attach(ticket.id, file)
            assert refused.value.fault is Fault.UNABLE and shelf.files == [] and shelf.notes == []
            return
        await system.attach(ticket.id, file)
        assert any(b"the-facts-8472" in content for _, content in shelf.files)
        (note,) = [one for one in await system.notes(ticket.id) if one.mark == file.key]
        assert note.visibility == visibility


async def test_zendesk_answers_a_stranger_and_is_not_believed() -> None:
    async def stranger(request: Request) -> web.StreamResponse:
        return web.json_response({"user": {"id": None, "email": None}})

    async with peer(stranger) as one:
        system = open_system("there", TicketSystemSettings("zendesk", one.url, user="eve@example.com"), CREDENTIAL)
        with pytest.raises(TicketSystemError, match="does not know us"):
            await system.verify()
        await system.close()


async def test_glpi_opens_its_session_again_when_it_was_forgotten() -> None:
    async with connected(GlpiShelf) as (system, shelf):
        await system.verify()
        shelf.sessions += 1
        assert await system.verify() == "connector"
