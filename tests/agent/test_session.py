"""Whole sessions: agent, relay and technician over real sockets."""

import asyncio
import hashlib
import os
import time
from pathlib import Path

import pytest

from remote_assist.audit.verify import verify_session
from remote_assist.core.requests import (
    Accepted,
    AskStatus,
    Cancel,
    EndSession,
    InputEnd,
    ListFolder,
    Listing,
    ReadFile,
    RequestScopes,
    Run,
    Status,
    WriteFile,
)
from remote_assist.core.signing.keys import public_line
from remote_assist.errors import CodeBurned, ConsentDenied, RefusedError
from tests.agent.world import AgentWorld, ask


async def test_a_session_from_code_to_verified_log(world: AgentWorld) -> None:
    async with world.session() as live:
        ran = await live.ask(Run(argv=("sh", "-c", "echo out; echo err >&2; exit 3")))
        assert isinstance(ran.messages[0], Accepted)
        assert (ran.done.status, ran.done.exit) == ("done", 3)
        assert ran.data == b"out\nerr\n"
        ended = await live.ask(EndSession(reason="all done"))
        assert ended.done.acknowledgement is not None
        assert await live.ended() == 0
    assert world.codes() == ["RA1000E", *["RA1001E"] * 5, "RA1400I", "RA1400O", "RA1990E"]
    organisation = world.relay.organisation
    report = verify_session(
        await world.logged(), log_keys=[organisation.log_key], ca_line=public_line(organisation.ca), strict=True
    )
    assert report.ended
    assert world.home.receipt_file(world.technician.session).exists()


async def test_a_no_reaches_the_technician_and_the_log(world: AgentWorld) -> None:
    world.customer.allows = ()
    agent = world.join(await world.technician.make_code())
    await world.technician.greet()
    await world.technician.ask()
    verdict = await world.technician.verdict()
    assert (verdict.grants, verdict.reason) == ((), "denied")
    with pytest.raises(ConsentDenied):
        await agent
    assert world.codes() == ["RA1000E", "RA1002E", "RA1990E"]
    assert len(await world.logged()) == 3


async def test_what_was_not_allowed_is_refused_and_written_down(world: AgentWorld) -> None:
    world.customer.allows = ("diagnose",)
    async with world.session() as live:
        refused = (await live.ask(Run(argv=("touch", str(world.folder / "made"))))).refused
        assert refused.reason == "out-of-scope"
        assert refused.advice
    assert not (world.folder / "made").exists()
    record = next(record for record in world.journal() if record.code == "RA1900R")
    assert (record.scope, record.program) == ("terminal", "touch")
    assert "argv" in record.sealed
    assert any("refused: runs touch" in line for line in world.customer.lines)


async def test_a_program_gets_its_input_and_may_be_cancelled(world: AgentWorld) -> None:
    async with world.session() as live:
        echoed = await live.ask(Run(argv=("cat",), stdin=True), b"to the program", InputEnd())
        assert echoed.data == b"to the program"
        cancelled = await live.ask(Run(argv=("sleep", "60")), Cancel())
        assert cancelled.done.status == "cancelled"
    outcomes = [record.outcome for record in world.journal() if record.code == "RA1400O"]
    assert [outcome.status for outcome in outcomes if outcome] == ["done", "cancelled"]


async def test_a_program_ends_with_the_connection_that_started_it(world: AgentWorld) -> None:
    marker = world.folder / "pid"
    async with world.session() as live:
        async with world.technician.channel() as channel:
            await channel.send(Run(argv=("sh", "-c", f"echo $$ > {marker}; exec sleep 60")))
            await channel.receive()
            pid = await _pid_in(marker)
        await _until(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid))
        assert (await live.ask(AskStatus())).messages
    assert "RA1400O" in world.codes()


async def test_a_file_is_read_whole_and_from_where_an_earlier_try_stopped(world: AgentWorld) -> None:
    content = os.urandom(5_000_000)
    source = world.folder / "log.bin"
    source.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    async with world.session() as live:
        whole = await live.ask(ReadFile(path=os.fsencode(source)))
        assert whole.data == content
        assert (whole.done.sha256, whole.done.size) == (digest, len(content))
        prefix = hashlib.sha256(content[:1000]).hexdigest()
        rest = await live.ask(ReadFile(path=os.fsencode(source), offset=1000, prefix_sha256=prefix))
        assert rest.data == content[1000:]
        assert rest.done.sha256 == digest
        again = await live.ask(ReadFile(path=os.fsencode(source), offset=1000, prefix_sha256="0" * 64))
        assert again.data == content
    record = next(record for record in world.journal() if record.code == "RA1201O")
    assert record.sizes == {"bytes": len(content), "size": len(content)}
    assert digest not in repr(record)


async def test_a_growing_file_ends_where_it_was_when_it_was_opened(world: AgentWorld) -> None:
    source = world.folder / "growing"
    source.write_bytes(b"x" * 3_000_000)
    async with world.session() as live, world.technician.channel() as channel:
        await channel.send(ReadFile(path=os.fsencode(source)))
        accepted = await channel.receive()
        assert isinstance(accepted, Accepted)
        with source.open("ab") as file:
            file.write(b"y" * 3_000_000)
        got = b""
        while isinstance(piece := await channel.receive(), bytes):
            got += piece
        assert got == b"x" * 3_000_000
        assert live.agent.done() is False


async def test_a_file_without_a_size_is_read_too(world: AgentWorld) -> None:
    async with world.session() as live:
        got = await live.ask(ReadFile(path=b"/proc/meminfo"))
        assert b"MemTotal:" in got.data
        assert got.done.size == len(got.data)


async def test_a_file_is_written_whole_checked_and_durable(world: AgentWorld) -> None:
    content = os.urandom(700_000)
    digest = hashlib.sha256(content).hexdigest()
    folder = world.folder / "in"
    folder.mkdir()
    request = WriteFile(folder=os.fsencode(folder), name=b"new.bin", size=len(content), sha256=digest, mode=0o640)
    async with world.session() as live:
        done = (await live.ask(request, content, InputEnd())).done
        assert (done.status, done.sha256) == ("done", digest)
        assert (await live.ask(request, content, InputEnd())).refused.reason == "exists"
    assert (folder / "new.bin").read_bytes() == content
    assert (folder / "new.bin").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in folder.iterdir()] == ["new.bin"]


async def test_a_broken_transfer_goes_on_where_it_stopped(world: AgentWorld) -> None:
    content = os.urandom(400_000)
    digest = hashlib.sha256(content).hexdigest()
    request = WriteFile(folder=os.fsencode(world.folder), name=b"part.bin", size=len(content), sha256=digest)
    async with world.session() as live:
        async with world.technician.channel() as channel:
            await channel.send(request)
            await channel.receive()
            await channel.send_data(content[:150_000])
            await _until(lambda: any(path.stat().st_size == 150_000 for path in world.folder.glob(".remote-assist-*")))
        assert not (world.folder / "part.bin").exists()
        async with world.technician.channel() as channel:
            await channel.send(request)
            accepted = await channel.receive()
            assert isinstance(accepted, Accepted)
            assert accepted.offset == 150_000
            assert accepted.prefix_sha256 == hashlib.sha256(content[:150_000]).hexdigest()
            await channel.send_data(content[150_000:])
            await channel.send(InputEnd())
            done = await channel.receive()
        assert getattr(done, "status", "") == "done"
        assert live.agent.done() is False
    assert (world.folder / "part.bin").read_bytes() == content


async def test_what_came_wrong_is_not_kept(world: AgentWorld) -> None:
    request = WriteFile(folder=os.fsencode(world.folder), name=b"bad.bin", size=4, sha256="0" * 64)
    async with world.session() as live:
        done = (await live.ask(request, b"four", InputEnd())).done
        assert done.status == "failed"
    assert not (world.folder / "bad.bin").exists()
    assert not list(world.folder.glob(".remote-assist-*"))


async def test_a_folder_is_listed_with_names_that_are_not_text(world: AgentWorld) -> None:
    folder = world.folder / "names"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\x1b[31m")).write_bytes(b"x")
    async with world.session() as live:
        answers = await live.ask(ListFolder(path=os.fsencode(folder)))
        listing = next(message for message in answers.messages if isinstance(message, Listing))
        assert [entry.name for entry in listing.entries] == [b"\xff\x1b[31m"]
    assert not any("\x1b" in line for line in world.customer.lines)


async def test_the_agents_own_places_are_off_limits_by_every_way_there(world: AgentWorld) -> None:
    home = os.fsencode(world.home.path)
    program = os.fsencode(Path(__file__).parents[2] / "remote_assist" / "agent" / "gate.py")
    link = world.folder / "way-in"
    link.symlink_to(world.home.path)
    async with world.session() as live:
        for path in (home, home + b"/attempts.json", home + b"/../customer-home/attempts.json", program):
            refused = (await live.ask(ReadFile(path=path))).refused
            assert refused.reason in {"off-limits", "usage"}, path
        assert (await live.ask(ListFolder(path=os.fsencode(link) + b"/sessions"))).refused.reason == "link"
        write = WriteFile(folder=home, name=b"x", size=0, sha256=hashlib.sha256(b"").hexdigest())
        assert (await live.ask(write)).refused.reason == "off-limits"


async def test_a_consent_for_folders_holds_inside_them_only(world: AgentWorld) -> None:
    inside, outside = world.folder / "inside", world.folder / "outside"
    inside.write_text("yes")
    outside.write_text("no")
    world.customer.folders = (str(inside),)
    async with world.session() as live:
        assert (await live.ask(ReadFile(path=os.fsencode(inside)))).data == b"yes"
        assert (await live.ask(ReadFile(path=os.fsencode(outside)))).refused.reason == "outside-folders"


async def test_further_scopes_are_the_customers_to_give(world: AgentWorld) -> None:
    world.customer.allows = ("diagnose",)
    async with world.session() as live:
        asked = await live.ask(RequestScopes(scopes=("terminal",), seconds=60, reason="to see\x1b[2J"))
        assert asked.done.status == "denied"
        assert (await live.ask(Run(argv=("true",)))).refused.reason == "out-of-scope"
        world.customer.allows = ("terminal",)
        assert (await live.ask(RequestScopes(scopes=("terminal",), seconds=60))).done.status == "done"
        assert (await live.ask(Run(argv=("true",)))).done.status == "done"
        status = (await live.ask(AskStatus())).last
        assert isinstance(status, Status)
        assert [grant.scope for grant in status.grants] == ["diagnose", "terminal"]
    assert [question.further for question in world.customer.questions] == [False, True, True]


async def test_a_consent_that_expires_stops_what_runs_and_ends_the_session(world: AgentWorld) -> None:
    async with world.session(("terminal",), seconds=2) as live:
        answers = await live.ask(Run(argv=("sleep", "60")))
        assert answers.done.status == "aborted"
        assert await live.ended() == 0
    assert {"RA1004E", "RA1990E"} <= set(world.codes())
    assert world.journal()[-1].outcome.reason == "expired"  # type: ignore[union-attr]


async def test_the_end_key_kills_what_runs_and_closes_at_once(world: AgentWorld) -> None:
    marker = world.folder / "pid"
    async with world.session() as live, world.technician.channel() as channel:
        await channel.send(Run(argv=("sh", "-c", f"trap '' TERM; echo $$ > {marker}; sleep 60; sleep 60")))
        await channel.receive()
        pid = await _pid_in(marker)
        began = time.monotonic()
        world.customer.press_end()
        assert await live.ended() == 0
        assert time.monotonic() - began < 1.0
        assert not Path(f"/proc/{pid}").exists() or _is_zombie(pid)
    outcome = next(record.outcome for record in world.journal() if record.code == "RA1400O")
    assert outcome is not None
    assert (outcome.status, outcome.reason) == ("aborted", "customer")
    assert world.journal()[-1].actor.kind == "customer"


async def test_programs_that_outlive_their_action_are_ended_and_named(world: AgentWorld) -> None:
    marker = world.folder / "pid"
    async with world.session() as live:
        script = f"setsid sh -c 'echo $$ > {marker}; sleep 60' > /dev/null 2>&1 < /dev/null & sleep 0.2"
        assert (await live.ask(Run(argv=("sh", "-c", script)))).done.status == "done"
        pid = await _pid_in(marker)
        assert Path(f"/proc/{pid}").exists()
    await _until(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid))
    assert "RA1902E" in world.codes()
    assert any("left running" in line for line in world.customer.lines)


async def test_a_second_join_knows_the_organisation_and_refuses_another(world: AgentWorld) -> None:
    async with world.session():
        pass
    known = world.home.relay(world.relay.url)
    assert known is not None
    assert known.ca == public_line(world.relay.organisation.ca)
    world.relay.organisation.ca = world.technician.session_key
    with pytest.raises(RefusedError, match="another organisation"):
        await world.join(await world.technician.make_code())


async def test_a_code_is_burned_on_this_disk_before_anything_is_sent(world: AgentWorld) -> None:
    code = await world.technician.make_code()
    agent = world.join(code)
    await world.technician.greet()
    await world.technician.link.close()
    with pytest.raises((CodeBurned, RefusedError)):
        await agent
    with pytest.raises(CodeBurned, match="used here already"):
        await world.join(code)


async def test_stock_commands_run_under_terminal_and_other_doors_are_shut(world: AgentWorld) -> None:
    async with world.session(), world.technician.connection() as connection:
        done = await connection.run("echo $((6*7)); exit 4", encoding=None)
        assert (done.stdout, done.exit_status) == (b"42\n", 4)
        shell = await connection.run(encoding=None)
        assert shell.exit_status == 126
    refused = [record for record in world.journal() if record.code == "RA1900R"]
    assert [record.program for record in refused] == ["shell"]
    ran = next(record for record in world.journal() if record.code == "RA1400I")
    assert set(ran.sealed) == {"command"}


async def test_stock_commands_need_the_terminal_scope(world: AgentWorld) -> None:
    world.customer.allows = ("diagnose",)
    async with world.session(), world.technician.connection() as connection:
        done = await connection.run("touch /tmp/never", encoding=None)
        assert done.exit_status == 126
        assert b"not allowed terminal" in done.stderr  # type: ignore[operator]  # bytes, as asked for


async def test_requests_on_one_channel_follow_each_other(world: AgentWorld) -> None:
    async with world.session(), world.technician.channel() as channel:
        for number in range(20):
            answers = await ask(channel, Run(argv=("echo", str(number))))
            assert answers.data == f"{number}\n".encode()


async def _pid_in(path: Path) -> int:
    await _until(lambda: path.exists() and path.read_text().strip().isdecimal())
    return int(path.read_text())


async def _until(condition: object, seconds: float = 5.0) -> None:
    assert callable(condition)
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def _is_zombie(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
