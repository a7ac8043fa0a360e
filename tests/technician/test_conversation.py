"""One request at a time: answers sorted, refusals as errors, what is out of turn refused."""

import asyncio
from pathlib import Path

import pytest

from remote_assist.core.messages import Message
from remote_assist.core.requests import (
    KIND_DATA,
    KIND_ERROR,
    AskStatus,
    Done,
    EndSession,
    ListFolder,
    Plan,
    PlanFix,
    Progress,
    Refused,
    Run,
    Status,
)
from remote_assist.errors import (
    AssistError,
    AuditUnavailable,
    ConsentDenied,
    RefusedError,
    RemoteProtocolError,
    UnreachableError,
)
from remote_assist.technician.conversation import Conversation, check_done, error_of
from remote_assist.transport.channel import MessageChannel
from tests.technician.world import SESSION, Log, Script, session_folder, talking

STATUS = Status(session=SESSION, ticket="1", grants=(), ends="2026-03-01T10:00:00Z", host_name="web-07", recorded=3)


def answering(*answers: Message) -> Script:
    async def agent(channel: MessageChannel) -> None:
        await channel.receive()
        for answer in answers:
            await channel.send(answer)
        await channel.receive()

    return agent


async def test_a_status_is_no_action_and_needs_no_acceptance(tmp_path: Path) -> None:
    async with talking(session_folder(tmp_path), Log(), answering(STATUS)) as conversation:
        assert (await conversation.ask(AskStatus())).status == STATUS


async def test_an_end_is_answered_by_done_alone(tmp_path: Path) -> None:
    log, folder = Log(), session_folder(tmp_path)
    async with talking(folder, log, answering(log.done(acknowledgement=log.acknowledge()))) as conversation:
        result = await conversation.ask(EndSession())
    assert result.done is not None
    assert folder.acknowledgements() == [result.done.acknowledgement]


async def test_output_keeps_its_kind_and_order(tmp_path: Path) -> None:
    log, got = Log(), list[tuple[int, bytes]]()

    async def agent(channel: MessageChannel) -> None:
        await channel.receive()
        await channel.send(log.accepted())
        await channel.send_data(b"out")
        await channel.send_data(b"err", kind=KIND_ERROR)
        await channel.send(log.done(exit=3))

    async def take(kind: int, data: bytes) -> None:
        got.append((kind, data))

    async with talking(session_folder(tmp_path), log, agent) as conversation:
        await conversation.begin(Run(argv=("x",)))
        result = await conversation.finish(on_data=take)
    assert got == [(KIND_DATA, b"out"), (KIND_ERROR, b"err")]
    assert result.done is not None
    assert result.done.exit == 3


async def test_a_plan_and_its_progress_come_between_acceptance_and_done(tmp_path: Path) -> None:
    log, seen = Log(), list[Progress]()
    plan = Plan(
        fix="f",
        version=1,
        digest="d",
        title="t",
        risk="low",
        consent="c",
        prechecks=(),
        steps=(),
        verify=(),
        runnable=True,
    )
    script = answering(log.accepted(), Progress(item="step", status="ok", done=1, total=2), plan, log.done())
    async with talking(session_folder(tmp_path), log, script) as conversation:
        await conversation.begin(PlanFix(fix="f", version=1, digest="d", parameters={}))
        result = await conversation.finish(on_progress=seen.append)
    assert result.plan == plan
    assert [one.item for one in seen] == ["step"]


async def out_of_turn(conversation: Conversation) -> None:
    with pytest.raises(RemoteProtocolError):
        await conversation.ask(ListFolder(path=b"/"))


@pytest.mark.parametrize("case", ["no acceptance", "two acceptances", "status"])
async def test_an_answer_out_of_turn_ends_the_conversation(tmp_path: Path, case: str) -> None:
    log = Log()
    answers: dict[str, list[Message]] = {
        "no acceptance": [log.done()],
        "two acceptances": [log.accepted(), log.accepted()],
        "status": [log.accepted(), STATUS],
    }
    async with talking(session_folder(tmp_path), log, answering(*answers[case])) as conversation:
        await out_of_turn(conversation)
        assert not conversation.is_quiet


async def test_data_nobody_asked_for_ends_the_conversation(tmp_path: Path) -> None:
    log = Log()

    async def agent(channel: MessageChannel) -> None:
        await channel.receive()
        await channel.send(log.accepted())
        await channel.send_data(b"surprise")
        await channel.receive()

    async with talking(session_folder(tmp_path), log, agent) as conversation:
        await out_of_turn(conversation)


async def test_a_refused_request_leaves_room_for_the_next(tmp_path: Path) -> None:
    refused = Refused(reason="out-of-scope", sentence="not granted")
    async with talking(session_folder(tmp_path), Log(), answering(refused, STATUS)) as conversation:
        with pytest.raises(RefusedError):
            await conversation.ask(ListFolder(path=b"/"))
        assert conversation.is_quiet


async def test_an_agent_that_never_accepts_is_given_up(tmp_path: Path) -> None:
    async with talking(session_folder(tmp_path), Log(), answering()) as conversation:
        with pytest.raises(UnreachableError, match="did not answer in time"):
            await conversation.begin(ListFolder(path=b"/"), deadline_seconds=0.05)


async def test_an_agent_that_goes_away_is_unreachable(tmp_path: Path) -> None:
    log = Log()

    async def agent(channel: MessageChannel) -> None:
        await channel.receive()
        await channel.send(log.accepted())

    async with talking(session_folder(tmp_path), log, agent) as conversation:
        async with asyncio.timeout(5):
            with pytest.raises(UnreachableError):
                await conversation.ask(ListFolder(path=b"/"))


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("out-of-scope", RefusedError),
        ("expired", RefusedError),
        ("denied", ConsentDenied),
        ("timed-out", ConsentDenied),
        ("unacknowledged", AuditUnavailable),
        ("store-full", AuditUnavailable),
        ("failed", AssistError),
    ],
)
def test_a_refusal_becomes_the_error_of_its_reason(reason: str, kind: type[AssistError]) -> None:
    error = error_of(Refused(reason=reason, sentence="s", advice="a"))
    assert type(error) is kind
    assert (error.message, error.advice) == ("s", "a")


@pytest.mark.parametrize(
    ("status", "kind"), [("aborted", AuditUnavailable), ("denied", ConsentDenied), ("failed", AssistError)]
)
def test_an_outcome_that_is_no_success_is_an_error(status: str, kind: type[AssistError]) -> None:
    with pytest.raises(kind, match="why"):
        check_done(Done(action="1", status=status, sentence="why"))
    assert check_done(Done(action="1", status="resolved")).status == "resolved"
