"""`check` without --wait: each thing an operator must know is a line, right when well, with advice when not."""

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from relay.__main__ import main
from relay.examination import Finding, examine
from remote_assist.settings import RelaySettings
from tests.relay.links.test_front_door import tls_files
from tests.relay.test_backup import append, opened
from tests.relay.world import Organisation, RelayWorld, TurnableClock

WHAT = [
    "configuration",
    "permissions",
    "database",
    "migrations",
    "bus",
    "disk",
    "clock",
    "certificate",
    "adoption",
    "lists",
]


@pytest.fixture
def organisation(tmp_path: Path) -> Organisation:
    made = Organisation(tmp_path, TurnableClock())
    made.found()
    return made


def wrong(organisation: Organisation, **settings: object) -> dict[str, Finding]:
    made = RelaySettings(**{"data": organisation.data, **settings})  # type: ignore[arg-type]
    found = list(examine(made, now=organisation.clock()))
    assert [one.what for one in found] == WHAT
    return {one.what: one for one in found if not one.ok}


def test_a_relay_in_order_is_a_tick_a_line(organisation: Organisation, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--data", str(organisation.data)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"✔ {what}" for what in WHAT]


def test_json_is_an_object_a_line_and_a_fault_is_exit_1(
    organisation: Organisation, capsys: pytest.CaptureFixture[str]
) -> None:
    (organisation.data / "log_key").chmod(0o644)
    assert main(["check", "--data", str(organisation.data), "--json"]) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["what"] for one in found] == WHAT
    fault = next(one for one in found if one["what"] == "permissions")
    assert fault["ok"] is False and "chmod" in fault["advice"]


def test_settings_that_are_wrong_are_a_line_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "relay.toml").write_text('data = "x"\nprot = 1\n')
    assert main(["check", "--config", str(tmp_path / "relay.toml")]) == 1
    assert "✖ configuration" in (said := capsys.readouterr().out) and "'port'" in said


def test_a_folder_that_is_none_is_said_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--data", str(tmp_path / "absent")]) == 1
    said = capsys.readouterr().out
    assert "✖ permissions" in said and "✖ database" in said and "Traceback" not in said
    assert "Errno" not in said


def test_a_damaged_or_newer_database_is_found(organisation: Organisation) -> None:
    file = organisation.data / "relay.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version=99")
    assert "version 99" in wrong(organisation)["migrations"].sentence
    file.write_bytes(b"no database" * 1000)
    assert "database" in wrong(organisation)


async def test_a_database_that_holds_less_than_was_signed_for_is_found(world: RelayWorld) -> None:
    agent, _ = await opened(world)
    await append(agent, 2)
    await world.relay.stop()
    await world.start()
    assert wrong(world.organisation) == {}
    with closing(sqlite3.connect(world.organisation.data / "relay.db")) as database:
        database.execute('DELETE FROM records WHERE "index" = 2')
        database.commit()
    assert "signed for 3 records, and the database holds 2" in wrong(world.organisation)["database"].sentence


async def test_a_clock_behind_the_last_acknowledgement_is_found(world: RelayWorld) -> None:
    await opened(world)
    world.clock.turn(hours=-1)
    found = wrong(world.organisation)["clock"]
    assert "was acknowledged at" in found.sentence and "timedatectl" in found.advice


def test_a_disk_that_is_nearly_full_is_found(organisation: Organisation) -> None:
    assert "every write is refused" in wrong(organisation, min_free_bytes=1 << 60)["disk"].sentence


def test_a_certificate_that_ends_soon_is_found(organisation: Organisation, tmp_path: Path) -> None:
    cert, key = tls_files(tmp_path)  # valid for a year
    organisation.clock.turn(days=364)
    assert "ends on" in wrong(organisation, tls_cert=cert, tls_key=key)["certificate"].sentence
    organisation.clock.turn(days=2)
    assert "ended on" in wrong(organisation, tls_cert=cert, tls_key=key)["certificate"].sentence
    assert "no certificate" in wrong(organisation, tls_cert=key, tls_key=key)["certificate"].sentence


def test_lists_that_end_soon_and_an_adoption_that_is_missing_are_found(organisation: Organisation) -> None:
    organisation.clock.turn(days=360)
    assert "reviewers' list ends on" in wrong(organisation)["lists"].sentence
    organisation.clock.offset = timedelta(0)
    (organisation.data / "lists" / "packs.json").unlink()
    assert "packs.json is missing" in wrong(organisation)["lists"].sentence
    (organisation.data / "ca.pub").unlink()
    assert "not adopted" in wrong(organisation)["adoption"].sentence
