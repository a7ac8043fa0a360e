"""An ended session's proof is on its ticket, once, and holds with the log's public key alone."""

import asyncio
import json
from pathlib import Path

import pytest

from remote_assist.audit.session_proof import holds_proof, verify_session_proof
from remote_assist.cli import main
from remote_assist.core.api import Ticket, TicketNote
from remote_assist.core.codes import is_session_id
from remote_assist.errors import Exit, VerificationError
from tests.relay.linked import acted, ended, linked_world
from tests.relay.push.test_live import filled, until
from tests.relay.world import Agent, RelayWorld


async def _proofs(world: RelayWorld, agent: Agent) -> list[TicketNote]:
    token = (await world.login(agent.person)).token
    number = world.sql(f"SELECT ticket FROM sessions WHERE id = '{agent.session}'")[0][0]
    ticket = await world.get(f"/v1/tickets/{number}", Ticket, token)
    assert holds_proof(ticket.notes[-1].text), "the end is told before its proof"
    return [note for note in ticket.notes if holds_proof(note.text)]


def _count(world: RelayWorld) -> int:
    return len(world.sql("SELECT id FROM notes WHERE key LIKE 'proof %'"))


async def test_a_sessions_proof_is_on_its_ticket_once_and_checked_offline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with RelayWorld(tmp_path, checkpoint_interval_seconds=0.05) as world:
        other = await filled(world, 2)
        agent = await filled(world, 5)
        await ended(agent)
        await until(lambda: _count(world) == 1)
        (note,) = await _proofs(world, agent)
        (world.organisation.data / "session-proofs.cursor").write_text('{"next":0}')  # as after a crash before it moved
        await world.relay.stop()
        await world.start()
        await other.connect()
        await ended(other)
        await until(lambda: _count(world) == 2)
        assert await _proofs(world, agent) == [note]
    assert len(note.text) < 3000
    keys = [world.organisation.log_key]
    proof, checkpoint = verify_session_proof(f"  On Sunday the relay wrote:\r\n{note.text}\n\n-- \nRT\n", keys)
    assert (proof.last.session, proof.first.index, proof.last.seq) == (agent.session, 3, 6)
    assert is_session_id(proof.last.session) and checkpoint.size > proof.last.index
    saved, key = tmp_path / "note.txt", tmp_path / "log.pub"
    saved.write_text(note.text)
    key.write_text(keys[0] + "\n")
    assert await asyncio.to_thread(main, ["audit", "verify", str(saved), "--log-key", str(key)]) == Exit.DONE
    assert "7 records, leaves 3 to 9" in capsys.readouterr().out
    saved.write_text(note.text.replace("leaves 3 to", "leaves 2 to"))
    assert await asyncio.to_thread(main, ["audit", "verify", str(saved), "--log-key", str(key)]) == Exit.UNVERIFIED


async def test_the_cursor_is_written_when_a_session_ended_and_not_at_each_checkpoint(tmp_path: Path) -> None:
    async with RelayWorld(tmp_path, checkpoint_interval_seconds=0.05) as world:
        cursor = world.organisation.data / "session-proofs.cursor"
        await until(cursor.exists)
        agent = await filled(world, 3)
        status, _ = await world.call("GET", "/v1/log/checkpoint?covers=3")
        await asyncio.sleep(0.3)
        assert status == 200 and json.loads(cursor.read_text()) == {"next": 0}
        await ended(agent)
        await until(lambda: json.loads(cursor.read_text())["next"] > 4)
        assert _count(world) == 1


async def test_no_byte_of_a_proof_note_can_be_changed(tmp_path: Path) -> None:
    async with RelayWorld(tmp_path, checkpoint_interval_seconds=0.05) as world:
        agent = await filled(world, 1)
        await ended(agent)
        await until(lambda: _count(world) == 1)
        (note,) = await _proofs(world, agent)
        keys, text = [world.organisation.log_key], note.text
    verify_session_proof(text, keys)
    for at, sign in enumerate(text.rstrip()):
        for other in {chr(ord(sign) ^ 1), "7"} - {sign}:
            if (sign + other).strip() != sign + other:
                continue  # a space at the end of a line is none of the note's words
            with pytest.raises(VerificationError):
                verify_session_proof(text[:at] + other + text[at + 1 :], keys)


async def test_a_foreign_ticket_gets_the_proof_after_the_end_and_not_for_the_customer(tmp_path: Path) -> None:
    async with linked_world(tmp_path) as linked:
        number = linked.tracker.ticket()
        agent = await linked.session(f"rt:{number}")
        await acted(agent, 1)
        await ended(agent)
        await linked.until(lambda: any(holds_proof(note.content) for note in linked.tracker.tickets[number].notes))
        notes = linked.tracker.tickets[number].notes
        assert [holds_proof(note.content) for note in notes].count(True) == 1
        assert holds_proof(notes[-1].content) and notes[-1].kind == "comment"
        verify_session_proof(notes[-1].content, [linked.world.organisation.log_key])
