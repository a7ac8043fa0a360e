"""`audit` as a reviewer types it: against a relay on loopback that may lie, and against files."""

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from msgspec.structs import replace

from remote_assist import cli
from remote_assist.audit.receipt import build_receipt, receipt_bytes
from remote_assist.core import codec
from remote_assist.core.api import (
    Anchorings,
    ApiError,
    Chains,
    ChainSummary,
    ListsAnswer,
    LoggedRecord,
    LoginAnswer,
    Records,
    Sessions,
    SessionSummary,
)
from remote_assist.core.identity.certificates import issue_certificate
from remote_assist.core.identity.lists import ReviewerKey
from remote_assist.core.log.sealing import wrap
from remote_assist.core.messages import Wrap
from remote_assist.core.records import Outcome
from remote_assist.core.signing.keys import new_key, public_line
from remote_assist.core.signing.reviewer_keys import reviewer_key_file, reviewer_public
from remote_assist.technician.home import Home, Identity
from remote_assist.technician.session_folder import SessionFacts
from tests.audit.own import ritas
from tests.audit.world import (
    ALICE,
    CA,
    CA_LINE,
    LOG,
    LOG_LINE,
    REVIEWER_PRIVATE,
    START,
    Log,
    Tree,
    World,
    new_world,
    play,
    seed,
    signed_lists,
)

PAGE = 4


class Relay:
    """What a relay answers a reviewer; tests change what it holds."""

    def __init__(self) -> None:
        self.logs: dict[str, list[LoggedRecord]] = {}
        self.chains: dict[str, list[LoggedRecord]] = {}
        self.wraps: dict[str, list[Wrap]] = {}
        self.states: dict[str, str] = {}
        self.signs_with = LOG
        self.signed_size: int | None = None
        self.url = ""

    def add(self, world: World, state: str = "ended") -> None:
        """Hold a session."""
        self.logs[world.session] = world.logged()
        self.states[world.session] = state
        reviewer = ReviewerKey(id="reviewers-1", public=reviewer_public(REVIEWER_PRIVATE))
        self.wraps[world.session] = [wrap(world.content_key, reviewer)]

    def summary(self, session: str) -> SessionSummary:
        return SessionSummary(
            id=session,
            ticket="T-1042",
            subject="Web server does not start",
            technician="Alice \x1b[31mExample",
            technician_key="SHA256:x",
            host_key="ssh-ed25519 x",
            opened="2026-03-01T09:30:00.000000Z",
            state=self.states[session],
            records=len(self.logs[session]),
        )

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/v1/lists", self._lists)
        application.router.add_get("/v1/log/checkpoint", self._checkpoint)
        application.router.add_get("/v1/sessions", self._sessions)
        application.router.add_get("/v1/sessions/{id}", self._session)
        application.router.add_get("/v1/sessions/{id}/records", self._records)
        application.router.add_get("/v1/log/anchorings", self._anchorings)
        application.router.add_get("/v1/chains", self._chains)
        application.router.add_get("/v1/chains/{id}", self._chain)
        application.router.add_get("/v1/chains/{id}/records", self._records)
        return application

    def chain(self, name: str) -> ChainSummary:
        last = self.chains[name][-1]
        return ChainSummary(
            id=name,
            owner="Rita Example",
            role="reviewer",
            key="SHA256:x",
            serial=9,
            opened=last.acknowledgement.time,
            records=len(self.chains[name]),
            head=last.acknowledgement.hash,
        )

    async def _anchorings(self, request: web.Request) -> web.Response:
        return web.Response(body=codec.encode(Anchorings(anchorings=())))

    async def _chains(self, request: web.Request) -> web.Response:
        return web.Response(body=codec.encode(Chains(chains=tuple(map(self.chain, self.chains)))))

    async def _chain(self, request: web.Request) -> web.Response:
        return web.Response(body=codec.encode(self.chain(request.match_info["id"])))

    def tree(self) -> Tree:
        return Tree(one.acknowledgement for log in (self.logs | self.chains).values() for one in log)

    async def _checkpoint(self, request: web.Request) -> web.Response:
        return web.Response(text=self.tree().checkpoint(self.signed_size, key=self.signs_with))

    async def _lists(self, request: web.Request) -> web.Response:
        return web.Response(body=codec.encode(ListsAnswer(lists=signed_lists())))

    async def _sessions(self, request: web.Request) -> web.Response:
        return web.Response(body=codec.encode(Sessions(sessions=tuple(map(self.summary, self.logs)))))

    async def _session(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        if name not in self.logs:
            return web.Response(status=404, body=codec.encode(ApiError(reason="absent", sentence="no such session")))
        return web.Response(body=codec.encode(self.summary(name)))

    async def _records(self, request: web.Request) -> web.Response:
        name, start = request.match_info["id"], int(request.query["from"])
        log = (self.logs | self.chains)[name]
        page, more = log[start : start + PAGE], start + PAGE < len(log)
        size = int(request.query.get("size", 0))
        tree = self.tree()
        proofs = tuple(tree.inclusion(one.acknowledgement.index, size) for one in page) if size else ()
        wraps = tuple(self.wraps.get(name, ()))
        answer = Records(session=name, records=tuple(page), wraps=wraps, more=more, proofs=proofs)
        return web.Response(body=codec.encode(answer))


@pytest.fixture
def relay() -> Iterator[Relay]:
    """A relay on a port of its own, in a thread: the command brings its own event loop."""
    held = Relay()
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(held.application())

    async def start() -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        held.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

    loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield held
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def played(folder: Path, name: str = "one") -> World:
    async def whole() -> World:
        world = new_world(folder, name=name)
        await play(world)
        await world.journal.close()
        return world

    return asyncio.run(whole())


@pytest.fixture
def world(tmp_path: Path, relay: Relay) -> World:
    made = played(tmp_path / "journal")
    relay.add(made)
    return made


@pytest.fixture(autouse=True)
def home(tmp_path: Path, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A reviewer who is logged in, with a certificate that expired long ago: its CA is all that is used."""
    monkeypatch.setenv("REMOTE_ASSIST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REMOTE_ASSIST_RELAY", relay.url)
    made = Home(tmp_path / "home")
    certificate = issue_certificate(
        CA,
        public_line(ALICE),
        name="Rita Example",
        role="reviewer",
        serial=9,
        valid_after=START,
        valid_before=START + timedelta(hours=1),
    )
    (tmp_path / "rita-cert.pub").write_text(certificate + "\n")
    made.remember_login(
        Identity(
            key_file="rita",
            certificate_file=str(tmp_path / "rita-cert.pub"),
            relay=relay.url,
            role="reviewer",
            name="Rita Example",
        ),
        LoginAnswer(token="t", expires="2026-03-02T00:00:00Z", role="reviewer", name="Rita Example", lists=()),
    )
    return made


def objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_list_prints_sessions_in_three_ways(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit", "list"]) == 0
    told = capsys.readouterr().out
    assert world.session in told and "\x1b" not in told
    assert cli.main(["audit", "list", "--plain"]) == 0
    assert capsys.readouterr().out == f"{world.session}\n"
    assert cli.main(["audit", "list", "--json"]) == 0
    assert objects(capsys.readouterr().out)[0]["id"] == world.session


def test_verify_believes_the_ca_of_ones_own_login(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit", "verify", world.session]) == 0
    told = capsys.readouterr().out
    assert f"{world.session}  verified: 10 records, ended, leaves 41 to 50; Alice Example, ticket T-1042" in told
    assert cli.main(["audit", "verify", world.session, "--json"]) == 0
    report = objects(capsys.readouterr().out)[0]
    assert (report["verified"], report["state"], report["records"]) == (True, "ended", 10)


def test_verify_names_the_place_and_ends_with_five(
    world: World, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    log = relay.logs[world.session]
    log[7] = replace(log[7], record=log[7].record.replace(b"dpkg.log", b"auth.log"))
    assert cli.main(["audit", "verify", world.session]) == 5
    assert f"record 7 of {world.session}" in capsys.readouterr().err


def test_verify_of_all_goes_on_after_one_that_fails(
    tmp_path: Path, world: World, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    other = played(tmp_path / "other", "two")
    relay.add(other)
    relay.logs[world.session].pop(3)
    assert cli.main(["audit", "verify", "--json"]) == 5
    found = {report["session"]: report for report in objects(capsys.readouterr().out)}
    assert found[other.session]["verified"] is True
    assert found[world.session]["where"] == f"record 3 of {world.session}"


def test_a_relay_that_hides_the_end_of_an_ended_session_is_caught(
    world: World, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    del relay.logs[world.session][8:]
    assert cli.main(["audit", "verify", world.session]) == 5
    assert "open at seq 7" in capsys.readouterr().err


def test_what_this_machine_was_shown_convicts_a_shortened_log(
    world: World, relay: Relay, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home.new_session(world.session)
    words = {name: "" for name in SessionFacts.__struct_fields__ if name not in {"session", "scopes"}}
    folder.write(SessionFacts(session=world.session, scopes=(), **words))
    folder.add_acknowledgement(relay.logs[world.session][9].acknowledgement)
    del relay.logs[world.session][8:]
    relay.states[world.session] = "away"
    assert cli.main(["audit", "verify", world.session]) == 5
    assert f"record 9 of {world.session}: is missing" in capsys.readouterr().err


def test_with_no_key_vouched_for_it_says_so(tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rita-cert.pub").unlink()
    assert cli.main(["audit", "verify", world.session]) == 5
    told = capsys.readouterr().err
    assert "no log key is vouched for" in told and "--log-key" in told
    (tmp_path / "log.pub").write_text(LOG_LINE + " log\n")
    assert cli.main(["audit", "verify", world.session, "--log-key", str(tmp_path / "log.pub")]) == 0
    assert "nobody here vouches for the technician's CA" in capsys.readouterr().err
    (tmp_path / "ca.pub").write_text(CA_LINE + "\n")
    assert cli.main(["audit", "verify", world.session, "--ca", str(tmp_path / "ca.pub")]) == 0
    (tmp_path / "other.pub").write_text(public_line(new_key(seed("other"))) + "\n")
    assert cli.main(["audit", "verify", world.session, "--log-key", str(tmp_path / "other.pub")]) == 5


def test_show_tells_the_story_and_keeps_what_is_sealed(
    tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["audit", "show", world.session]) == 0
    told = capsys.readouterr().out
    assert "Alice Example: Runs a program: ls" in told and "[arguments: sealed " in told and "/root" not in told
    key = tmp_path / "reviewers-1.key"
    key.write_bytes(reviewer_key_file(REVIEWER_PRIVATE))
    key.chmod(0o600)
    assert cli.main(["audit", "show", world.session, "--unseal", str(key), "--json"]) == 0
    assert objects(capsys.readouterr().out)[4]["sealed"] == {"arguments": '["ls","-l","/root"]'}


def test_another_reviewers_key_opens_nothing_and_erased_keys_stay_closed(
    tmp_path: Path, world: World, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "other.key"
    key.write_bytes(reviewer_key_file(seed("other reviewer")))
    key.chmod(0o600)
    assert cli.main(["audit", "show", world.session, "--unseal", str(key)]) == 3
    assert "this key opens none" in capsys.readouterr().err
    relay.wraps[world.session] = []
    assert cli.main(["audit", "show", world.session, "--unseal", str(key)]) == 0
    assert "1 sealed fields stay closed" in capsys.readouterr().err
    assert cli.main(["audit", "verify", world.session]) == 0  # erasing breaks no proof


def test_show_still_shows_a_log_that_does_not_hold_and_says_so(
    world: World, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    relay.logs[world.session].pop(3)
    assert cli.main(["audit", "show", world.session]) == 5
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2 + 9 and "NOT hold" in printed.out and "record 3" in printed.err


def test_an_export_verifies_offline_and_a_cut_one_does_not(
    tmp_path: Path, world: World, relay: Relay, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "log.jsonl"
    assert cli.main(["audit", "export", world.session, "--format", "jsonl", "-o", str(file)]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("REMOTE_ASSIST_RELAY", "http://127.0.0.1:9")
    monkeypatch.setenv("REMOTE_ASSIST_HOME", str(tmp_path / "nobody"))
    (tmp_path / "ca.pub").write_text(CA_LINE + "\n")
    assert cli.main(["audit", "verify", str(file), "--ca", str(tmp_path / "ca.pub")]) == 0
    assert world.session in capsys.readouterr().out
    assert cli.main(["audit", "verify", str(file)]) == 5
    assert "vouched for" in capsys.readouterr().err
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    assert cli.main(["audit", "verify", str(file), "--ca", str(tmp_path / "ca.pub")]) == 5
    assert "no trailer" in capsys.readouterr().err


def test_an_export_of_everything_may_add_what_was_sealed_with_its_proof(
    tmp_path: Path, world: World, relay: Relay
) -> None:
    relay.add(played(tmp_path / "other", "two"))
    key, file = tmp_path / "reviewers-1.key", tmp_path / "all.jsonl"
    key.write_bytes(reviewer_key_file(REVIEWER_PRIVATE))
    key.chmod(0o600)
    assert cli.main(["audit", "export", "-o", str(file), "--unseal", str(key)]) == 0
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["header", *["record"] * 20, "trailer"]
    assert set(lines[5]["disclosed"]["arguments"]) == {"value", "commitment_key"}
    assert cli.main(["audit", "verify", str(file)]) == 0


def test_an_export_of_a_log_that_does_not_hold_is_written_and_says_so(
    tmp_path: Path, world: World, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    relay.logs[world.session].pop(3)
    file = tmp_path / "log.jsonl"
    assert cli.main(["audit", "export", "-o", str(file)]) == 5
    assert "does not hold" in capsys.readouterr().err
    assert len(file.read_bytes().splitlines()) == 11


def test_a_receipt_verifies_offline(tmp_path: Path, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "receipt.json"
    raw = receipt_bytes(build_receipt(world.journal.records(), now=START))
    file.write_bytes(raw)
    (tmp_path / "ca.pub").write_text(CA_LINE + "\n")
    assert cli.main(["audit", "verify", str(file), "--ca", str(tmp_path / "ca.pub")]) == 0
    assert "verified: 10 records, ended" in capsys.readouterr().out
    file.write_bytes(raw.replace(b"Alice Example", b"Carol Example"))
    assert cli.main(["audit", "verify", str(file), "--ca", str(tmp_path / "ca.pub")]) == 5


async def _open_session(folder: Path) -> World:
    world = new_world(folder, name="three")
    await world.append("RA1000E", opening=world.opening)
    await world.append("RA1400I", world.technician, action="a1", program="id")
    await world.acknowledge_all()
    await world.append("RA1400O", action="a1", outcome=Outcome(status="done"))
    await world.append("RA1400I", world.technician, action="a2", program="id")
    await world.acknowledge_all()
    return world


def test_an_open_session_says_how_far_it_reaches(
    tmp_path: Path, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    world = asyncio.run(_open_session(tmp_path / "open"))
    relay.add(world, "live")
    assert cli.main(["audit", "verify", world.session]) == 0
    printed = capsys.readouterr()
    assert "open at seq 3" in printed.out and "RA1400I run has no outcome" in printed.err


@pytest.mark.parametrize("words", [["verify", ""], ["show", ""], ["show", "x"], ["export", ""], ["verify", "/nowhere"]])
def test_what_names_nothing_is_a_usage_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit", *words]) == 2


def test_a_session_the_relay_does_not_have_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit", "verify", "s-" + "a" * 16]) == 2
    assert "no such session" in capsys.readouterr().err


def test_an_export_holds_a_checkpoint_and_each_records_proof(
    tmp_path: Path, world: World, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "log.jsonl"
    assert cli.main(["audit", "export", world.session, "-o", str(file)]) == 0
    lines = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert lines[-1]["checkpoint"].startswith("remote-assist/log/")
    assert all(line["proof"] for line in lines[1:-1])
    lines[2]["proof"] = lines[3]["proof"]
    file.write_text(
        "".join(json.dumps(one, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n" for one in lines)
    )
    assert cli.main(["audit", "verify", str(file)]) == 5
    assert f"record 1 of {world.session}" in capsys.readouterr().err


def test_a_log_whose_checkpoint_another_key_signed_is_refused(
    world: World, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    relay.signs_with = new_key(seed("another log"))
    assert cli.main(["audit", "verify", world.session]) == 5
    assert "another log" in capsys.readouterr().err


def test_records_newer_than_the_checkpoint_are_counted(
    tmp_path: Path, world: World, relay: Relay, capsys: pytest.CaptureFixture[str]
) -> None:
    relay.signed_size = relay.tree().size - 2
    file = tmp_path / "log.jsonl"
    assert cli.main(["audit", "export", "-o", str(file)]) == 0
    assert cli.main(["audit", "verify", str(file)]) == 0
    assert "2 records are newer than the export's checkpoint" in capsys.readouterr().err


def test_records_of_no_session_are_shown_verified_and_exported(
    relay: Relay, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = ritas(Log(first_index=60), world.session)
    chain = log[0].acknowledgement.session
    relay.chains[chain] = log
    assert cli.main(["audit", "show", chain]) == 0
    assert f"A reviewer signed off a session: {world.session}" in capsys.readouterr().out
    assert cli.main(["audit", "verify"]) == 0
    assert "Rita Example, reviewer" in capsys.readouterr().out
    assert cli.main(["audit", "export", "-o", str(tmp_path / "all")]) == 0
    assert cli.main(["audit", "verify", str(tmp_path / "all"), "--json"]) == 0
    assert [one["records"] for one in objects(capsys.readouterr().out)] == [10, 2]
    relay.chains[chain] = [log[0], replace(log[1], head=log[0].head)]
    assert cli.main(["audit", "verify", chain]) == 5


@pytest.mark.parametrize("form", ["ocsf", "cef"])
def test_export_for_a_siem_writes_a_line_for_every_record(
    world: World, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["audit", "export", "--format", form, "-o", str(tmp_path / form)]) == 0
    lines = (tmp_path / form).read_text().splitlines()
    assert len(lines) == 10 and "Alice Example" in lines[2]
    assert cli.main(["audit", "export", "--format", form, "--unseal", "no.key"]) == 2
    assert "does not go to a SIEM" in capsys.readouterr().err
