"""Each day's checkpoint goes to witnesses outside; what they answered is kept and recorded; outages are told."""

import asyncio
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import asdict

from relay import __main__
from relay.configuration import read_settings
from relay.witness.anchors import read_standing
from remote_assist.core.api import Anchorings, Chains, Records
from remote_assist.core.checkpoint import open_checkpoint
from remote_assist.core.records import Record, decode_record
from remote_assist.errors import ContentError
from remote_assist.settings import AnchorSettings
from tests.relay.push.test_live import filled, until
from tests.relay.world import RelayWorld
from tests.stamping import StampServer

KEEPS = "import sys; note = sys.stdin.read(); open(sys.argv[1], 'a').write(note); print('kept', len(note))"


def settings(**anchors: AnchorSettings) -> dict[str, Any]:
    return {"anchors": anchors, "checkpoint_interval_seconds": 0.05}


def command(*words: str, **more: Any) -> AnchorSettings:
    return AnchorSettings(kind="command", command=(sys.executable, "-c", *words), **more)


async def anchorings(world: RelayWorld, token: str) -> Anchorings:
    return await world.get("/v1/log/anchorings", Anchorings, token)


async def relays_own(world: RelayWorld, token: str) -> list[Record]:
    (own,) = (await world.get("/v1/chains", Chains, token)).chains
    page = await world.get(f"/v1/chains/{own.id}/records", Records, token)
    return [decode_record(one.record) for one in page.records]


async def reviewer(world: RelayWorld) -> str:
    return (await world.login(world.person("Rita Example", "reviewer"), "reviewer")).token


async def test_a_command_gets_a_checkpoint_each_day_and_the_log_says_so(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    async with RelayWorld(tmp_path, **settings(vault=command(KEEPS, str(kept)))) as world:
        data = world.organisation.data
        await filled(world, pauses=2)
        await until(lambda: read_standing(data, "vault").size > 0)
        world.clock.turn(hours=25)
        await until(lambda: read_standing(data, "vault").size > 3)
        token = await reviewer(world)
        first, second = (await anchorings(world, token)).anchorings
        page = await world.get(f"/v1/log/anchorings?from={first.record + 1}", Anchorings, token)
        assert page.anchorings == (second,)
        told = [one for one in await relays_own(world, token) if one.code == "RA2024E"]
        text = (await world.call("GET", "/metrics"))[1].decode()
    assert kept.read_text() == first.checkpoint + second.checkpoint
    assert open_checkpoint(second.checkpoint, (world.organisation.log_key,)).size == second.size
    assert first.receipt == f"kept {len(first.checkpoint)}\n".encode()
    assert told[0].about == "anchor vault" and told[0].sizes == {"size": first.size}
    assert told[0].details["receiver"] == Path(sys.executable).name
    assert told[0].details["receipt"] == hashlib.sha256(first.receipt).hexdigest()
    assert re.search(r'remote_assist_anchor_failures\{anchor="vault"\} 0', text)
    assert re.search(r'remote_assist_anchor_age_seconds\{anchor="vault"\} \d', text)


async def test_a_command_that_fails_is_tried_again_and_the_outage_is_told_once(tmp_path: Path) -> None:
    programs = {
        "refuses": ("import sys; sys.exit('the vault is shut')", "ended with status 1: the vault is shut"),
        "hangs": ("import time; time.sleep(600)", "was not done after 0.3 s"),
        "talks": ("print('x' * 99999)", "more than 65536 bytes"),
    }
    often = {"retry_seconds": 0.01, "retry_most_seconds": 0.02}
    anchors = {
        name: command(program, **often, deadline_seconds=0.3 if name == "hangs" else 60.0)
        for name, (program, _) in programs.items()
    }
    async with RelayWorld(tmp_path, **settings(**anchors)) as world:
        data = world.organisation.data
        await filled(world, pauses=1)
        for name, (_, said) in programs.items():
            await until(lambda name=name: read_standing(data, name).told)  # type: ignore[misc]  # mypy: a lambda's default
            assert said in read_standing(data, name).fault
        told = [one.about for one in await relays_own(world, await reviewer(world)) if one.code == "RA2025E"]
        assert sorted(told) == ["anchor hangs", "anchor refuses", "anchor talks"]
        assert (await anchorings(world, await reviewer(world))).anchorings == ()


async def test_a_url_gets_the_note_and_its_answer_is_the_receipt(tmp_path: Path) -> None:
    taken: list[tuple[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        taken.append((request.headers["Authorization"], await request.text()))
        return web.Response(text="taken 7", status=201)

    application = web.Application()
    application.router.add_post("/witness", take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (tmp_path / "token").write_text("secret-7\n")
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/witness"
    anchor = AnchorSettings(kind="url", address=address, token_file=tmp_path / "token")
    async with RelayWorld(tmp_path, **settings(neighbour=anchor)) as world:
        await filled(world, pauses=1)
        await until(lambda: read_standing(world.organisation.data, "neighbour").size > 0)
        (one,) = (await anchorings(world, await reviewer(world))).anchorings
    await runner.cleanup()
    assert taken == [("Bearer secret-7", one.checkpoint)]
    assert (one.receiver, one.receipt) == ("127.0.0.1", b"taken 7")


async def test_an_authority_that_was_away_stamps_later_and_one_nobody_chose_is_refused(tmp_path: Path) -> None:
    with StampServer(tmp_path / "tsa") as good, StampServer(tmp_path / "other", "Wrong Time") as other:
        good.stamps = False
        anchors = {
            name: AnchorSettings(
                kind="rfc3161", address=one.url, timestamp_ca=good.ca, retry_seconds=0.05, retry_most_seconds=0.1
            )
            for name, one in (("good", good), ("other", other))
        }
        async with RelayWorld(tmp_path, **settings(**anchors)) as world:
            data = world.organisation.data
            await filled(world, pauses=1)
            await until(lambda: read_standing(data, "good").failures and read_standing(data, "other").failures)
            assert read_standing(data, "good").fault == "127.0.0.1 answered 503"
            assert "time-stamp does not hold" in read_standing(data, "other").fault
            good.stamps = True
            await until(lambda: read_standing(data, "good").size > 0)
            (one,) = (await anchorings(world, await reviewer(world))).anchorings
            told = [one for one in await relays_own(world, await reviewer(world)) if one.code == "RA2024E"]
        assert told[0].details["stamped"].startswith("20")
        (tmp_path / "note").write_text(one.checkpoint)
        (tmp_path / "token").write_bytes(one.receipt)
        assert good.verifies(tmp_path / "note", tmp_path / "token")
        assert "secret" not in json.dumps([asdict(entry) for entry in told], default=str)


async def test_an_operator_anchors_now_and_check_says_how_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept"
    anchors = {"vault": command(KEEPS, str(kept)), "shut": command("raise SystemExit('shut')", retry_seconds=9999)}
    async with RelayWorld(tmp_path, **settings(**anchors)) as world:
        data = world.organisation.data
        file = tmp_path / "relay.toml"
        tables = (
            f"[anchors.{name}]\nkind = 'command'\ncommand = {list(one.command)!r}\n" for name, one in anchors.items()
        )
        file.write_text(f"data = '{data}'\n" + "".join(tables))
        await filled(world, pauses=1)
        await until(lambda: read_standing(data, "vault").size and read_standing(data, "shut").failures)
        before = kept.read_text()
        assert await asyncio.to_thread(__main__.main, ["anchor", "--config", str(file)]) == 1
        said = capsys.readouterr().out
        assert "✔ vault: has the checkpoint of" in said and "✖ shut: " in said and "shut\n" in said
        assert kept.read_text().startswith(before) and len(kept.read_text()) > len(before)
        assert not (data / "anchor-now").exists()
        await asyncio.to_thread(__main__.main, ["check", "--config", str(file)])
        said = capsys.readouterr().out
        assert re.search(r"✔ anchor vault: has \d+ records since 20", said)
        assert "✖ anchor shut: never had a checkpoint; 2 tries failed since" in said


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("kind = 'fax'", "kind is one of command, url, rfc3161"),
        ("kind = 'command'", "a command needs `command`"),
        ("kind = 'url'\naddress = 'http://example.com/'", "address is an https URL"),
        ("kind = 'rfc3161'\naddress = 'http://tsa.example.com/'", "timestamp_ca"),
        ("kind = 'url'\nadress = 'x'", "there is no setting 'adress'; the nearest is 'address'"),
        ("kind = 'command'\ncommand = ['x']\nevery_seconds = 0", "every_seconds is 0.0"),
    ],
)
def test_a_table_that_says_nonsense_is_refused(tmp_path: Path, table: str, said: str) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(f"data = 'x'\n[anchors.one]\n{table}\n")
    with pytest.raises(ContentError, match=re.escape(said)):
        read_settings(file, {})
