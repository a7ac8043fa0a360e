"""`watch` on this very machine: looks, judges, tells; through the gate, written down."""

import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from remote_assist.agent.alone.alarm_targets import AlarmTarget
from remote_assist.agent.alone.watch import Watched, Watching, held, look_once
from remote_assist.agent.keeper import system_moment
from remote_assist.agent.sample_ring import SampleRing
from remote_assist.core.consent import Moment
from remote_assist.core.watching.samples import Ending
from remote_assist.errors import RefusedError

START = datetime.now(UTC)


def at(moment: datetime) -> Moment:
    return replace(system_moment(), utc=moment)


def licences(watched: Watched) -> list[tuple[str, str]]:
    """The alarms about last days; what else is wrong with this machine is not ours."""
    return [(each.state, each.subject) for each in watched.alarms if each.issue == "trend.licence.ending"]


async def test_a_look_is_kept_written_down_and_private(tmp_path: Path) -> None:
    watched = await look_once(Watching(home=tmp_path, moment=system_moment))
    assert watched.passed >= 1
    assert [each.mount for each in SampleRing(tmp_path).samples()[0].disks]
    log = [json.loads(line) for line in next((tmp_path / "watch").glob("2*.jsonl")).read_text().splitlines()]
    assert [line["code"] for line in log][:2] == ["RA1100I", "RA1100O"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "watch").iterdir()} == {0o600}


async def test_a_date_that_is_near_is_an_alarm_once_and_its_program_is_told(tmp_path: Path) -> None:
    teller = tmp_path / "teller"
    teller.write_text(f"#!/bin/sh\ncat >> {tmp_path}/told\n")
    teller.chmod(0o755)
    soon = Ending(kind="licence", name="Virus scanner", at=(START + timedelta(days=3)).timestamp())
    watching = Watching(home=tmp_path / "home", moment=system_moment, notify=(AlarmTarget(str(teller)),), dates=(soon,))
    first: Watched = await look_once(watching)
    assert licences(first) == [("raised", "Virus scanner")]
    assert first.untold == ()
    told = (tmp_path / "told").read_text()
    assert '"format":1,"key":"trend.licence.ending/Virus scanner","state":"raised"' in told
    assert licences(await look_once(watching)) == []
    later = replace(watching, dates=(), moment=lambda: at(datetime.now(UTC) + timedelta(minutes=5)))
    assert licences(await look_once(later)) == []
    much_later = replace(watching, dates=(), moment=lambda: at(datetime.now(UTC) + timedelta(minutes=70)))
    assert licences(await look_once(much_later)) == [("cleared", "Virus scanner")]
    codes = (tmp_path / "home" / "watch").glob("2*.jsonl")
    assert "RA1112E" in "".join(path.read_text() for path in codes)


async def test_a_program_that_fails_is_said_and_the_alarm_is_kept(tmp_path: Path) -> None:
    soon = Ending(kind="licence", name="x", at=START.timestamp())
    watching = Watching(home=tmp_path, moment=system_moment, notify=(AlarmTarget("/bin/false"),), dates=(soon,))
    assert "status 1" in (await look_once(watching)).untold[0]
    assert "trend.licence.ending/x" in SampleRing(tmp_path).alarms()


async def test_what_could_not_be_told_is_told_later_once_and_in_order(tmp_path: Path) -> None:
    teller = tmp_path / "teller"
    teller.write_text(f"#!/bin/sh\n[ -e {tmp_path}/open ] || exit 1\ncat >> {tmp_path}/told; echo >> {tmp_path}/told\n")
    teller.chmod(0o755)
    ends = [Ending(kind="licence", name=name, at=START.timestamp()) for name in ("one", "two")]
    watching = Watching(home=tmp_path / "home", moment=system_moment, notify=(AlarmTarget(str(teller)),))
    await look_once(replace(watching, dates=(ends[0],)))
    await look_once(replace(watching, dates=tuple(ends)))
    (tmp_path / "open").touch()
    assert (await look_once(replace(watching, dates=tuple(ends)))).untold == ()
    assert (await look_once(replace(watching, dates=tuple(ends)))).untold == ()
    told = [json.loads(line)["subject"] for line in (tmp_path / "told").read_text().splitlines()]
    assert [each for each in told if each in {"one", "two"}] == ["one", "two"]


def test_only_one_program_watches_with_a_state_folder(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(RefusedError, match="another"), held(tmp_path):
        pass
    with held(tmp_path):
        pass
