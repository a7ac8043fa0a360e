"""Two ends and three words: what a pairing gives, and that whatever goes wrong burns it."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.codes import SupportCode, parse_code
from remote_assist.core.messages import (
    AgentStatement,
    Grant,
    PairingReply,
    PairingStart,
    PairingStatement,
    PairingVerdict,
    Verdict,
)
from remote_assist.core.pairing import (
    AGENT_NEXT,
    MAX_SEALED_BYTES,
    TECHNICIAN_NEXT,
    AgentPairing,
    TechnicianPairing,
    version_only,
)
from remote_assist.errors import AssistError, CodeBurned, LocalProtocolError
from tests.core.pairs import CODE, agent, agent_statement, dice, envelope, technician

OTHER_WORDS = parse_code("417203-tulip-rocket-zebra")
OTHER_NAMEPLATE = parse_code("417204-tulip-rocket-amber")
GRANTED = Verdict(grants=(Grant(id="g1", scope="diagnose", until="2026-03-01T12:30:00Z", key="SHA256:x"),))


class Talk:
    """A whole pairing, step by step; any message may be changed on its way."""

    def __init__(self, technician_code: SupportCode = CODE, agent_code: SupportCode = CODE) -> None:
        self.technician = technician(technician_code)
        self.agent = agent(agent_code)

    def reply(self) -> PairingReply:
        return self.agent.receive_start(self.technician.start(), agent_statement())

    def statement(self) -> PairingStatement:
        self.technician.receive_reply(self.reply())
        return self.technician.statement(envelope(self.technician.transcript))

    def verdict(self) -> PairingVerdict:
        self.agent.receive_statement(self.statement())
        return self.agent.verdict(GRANTED)


def burned(call: Callable[[], object], reason: str) -> str:
    with pytest.raises(CodeBurned) as caught:
        call()
    assert caught.value.reason == reason
    assert caught.value.advice
    return caught.value.message


def test_two_ends_with_the_same_words_agree_on_everything() -> None:
    talk = Talk()
    reply = talk.reply()
    assert talk.technician.receive_reply(reply) == agent_statement()
    assert talk.technician.transcript == talk.agent.transcript
    sent = envelope(talk.technician.transcript)
    assert talk.agent.receive_statement(talk.technician.statement(sent)) == sent
    assert talk.technician.receive_verdict(talk.agent.verdict(GRANTED)) == GRANTED
    assert talk.technician.resume_key == talk.agent.resume_key
    assert len(talk.agent.resume_key) == len(talk.agent.transcript) == 32
    assert talk.technician.state == talk.agent.state == "done"


@pytest.mark.parametrize("other", [OTHER_WORDS, OTHER_NAMEPLATE], ids=["other words", "swapped nameplate"])
def test_another_code_burns_the_technicians_end_at_the_first_mac(other: SupportCode) -> None:
    talk = Talk(agent_code=other)
    reply = talk.reply()
    assert "wrong" in burned(lambda: talk.technician.receive_reply(reply), "wrong-code")
    assert talk.technician.state == "burned"
    with pytest.raises(LocalProtocolError):
        talk.technician.statement(envelope(b""))


@pytest.mark.parametrize("field", ["x", "nonce"])
def test_a_changed_start_is_noticed_by_the_technician(field: str) -> None:
    talk = Talk()
    start = talk.technician.start()
    other = technician(OTHER_WORDS).start()
    changed = msgspec.structs.replace(start, **{field: other.x if field == "x" else b"n" * 32})
    reply = talk.agent.receive_start(changed, agent_statement())
    burned(lambda: talk.technician.receive_reply(reply), "wrong-code")


@pytest.mark.parametrize("field", ["nonce", "sealed", "mac"])
def test_a_changed_reply_burns_the_code(field: str) -> None:
    talk = Talk()
    reply = talk.reply()
    changed = msgspec.structs.replace(reply, **{field: _flipped(getattr(reply, field))})
    burned(lambda: talk.technician.receive_reply(changed), "wrong-code")


@pytest.mark.parametrize("field", ["sealed", "mac"])
def test_a_changed_statement_burns_the_code(field: str) -> None:
    talk = Talk()
    message = talk.statement()
    changed = msgspec.structs.replace(message, **{field: _flipped(getattr(message, field))})
    burned(lambda: talk.agent.receive_statement(changed), "wrong-code")


@pytest.mark.parametrize("field", ["sealed", "mac"])
def test_a_changed_verdict_burns_the_code(field: str) -> None:
    talk = Talk()
    message = talk.verdict()
    changed = msgspec.structs.replace(message, **{field: _flipped(getattr(message, field))})
    burned(lambda: talk.technician.receive_verdict(changed), "wrong-code")


def test_a_verdict_of_another_pairing_does_not_fit() -> None:
    other = Talk()
    other.agent = AgentPairing(CODE, nonce=b"B" * 32, entropy=dice(b"another"))
    foreign, talk = other.verdict(), Talk()
    talk.verdict()
    burned(lambda: talk.technician.receive_verdict(foreign), "wrong-code")


MALFORMED_ELEMENTS = {
    "empty": b"",
    "too short": b"A" + bytes(31),
    "too long": b"A" + bytes(33),
    "not on the curve": b"A" + bytes([2]) + bytes(31),
    "zero": b"A" + bytes([1]) + bytes(31),
    "small order": b"A" + bytes(32),
    "unknown side": b"Z" + bytes(32),
    "same side": b"B" + bytes(32),
    "above the field": b"A" + b"\xff" * 32,
}


@pytest.mark.parametrize("element", MALFORMED_ELEMENTS.values(), ids=MALFORMED_ELEMENTS.keys())
def test_a_malformed_element_burns_the_agents_end(element: bytes) -> None:
    end = agent()
    burned(
        lambda: end.receive_start(PairingStart(version=1, x=element, nonce=bytes(32)), agent_statement()), "malformed"
    )
    assert end.state == "burned"


@pytest.mark.parametrize("element", MALFORMED_ELEMENTS.values(), ids=MALFORMED_ELEMENTS.keys())
def test_a_malformed_element_burns_the_technicians_end(element: bytes) -> None:
    talk = Talk()
    reply = talk.reply()
    swapped = {b"A": b"B", b"B": b"A"}.get(element[:1], element[:1]) + element[1:]
    burned(lambda: talk.technician.receive_reply(msgspec.structs.replace(reply, y=swapped)), "malformed")


def test_an_element_sent_back_is_refused() -> None:
    end = technician()
    start = end.start()
    reply = PairingReply(version=1, y=b"B" + start.x[1:], nonce=bytes(32), sealed=b"", mac=bytes(32))
    burned(lambda: end.receive_reply(reply), "malformed")


@pytest.mark.parametrize(("version", "older"), [(0, "the customer's program"), (2, "this program")])
def test_a_technician_is_told_which_of_both_programs_is_the_older(version: int, older: str) -> None:
    end = technician()
    end.start()
    with pytest.raises(CodeBurned) as caught:
        end.receive_reply(msgspec.structs.replace(version_only(), version=version))
    assert caught.value.reason == "version"
    assert (
        f"the customer's program speaks protocol version {version}, this program 1: {older} is older"
        == caught.value.message
    )
    assert caught.value.advice.startswith(f"Update {older}. Make a new support code")


def test_another_version_is_refused_at_both_ends() -> None:
    talk = Talk()
    start = talk.technician.start()
    reply = talk.agent.receive_start(start, agent_statement())
    burned(lambda: talk.technician.receive_reply(msgspec.structs.replace(reply, version=2)), "version")
    end = agent()
    burned(lambda: end.receive_start(msgspec.structs.replace(start, version=0), agent_statement()), "version")


@pytest.mark.parametrize("nonce", [b"", bytes(31), bytes(33)])
def test_a_nonce_of_another_length_is_refused(nonce: bytes) -> None:
    end = agent()
    start = msgspec.structs.replace(technician().start(), nonce=nonce)
    burned(lambda: end.receive_start(start, agent_statement()), "malformed")
    with pytest.raises(LocalProtocolError):
        TechnicianPairing(CODE, nonce=nonce, entropy=dice(b""))


def test_a_mac_of_another_length_or_an_endless_sealed_part_is_malformed() -> None:
    talk = Talk()
    reply = talk.reply()
    burned(lambda: talk.technician.receive_reply(msgspec.structs.replace(reply, mac=reply.mac[:31])), "malformed")
    talk = Talk()
    reply = msgspec.structs.replace(talk.reply(), sealed=bytes(MAX_SEALED_BYTES + 1))
    burned(lambda: talk.technician.receive_reply(reply), "malformed")


@pytest.mark.parametrize("host_key", ["", "ssh-ed25519", "not a key"])
def test_an_agent_that_knows_the_words_but_names_no_key_is_refused(host_key: str) -> None:
    talk = Talk()
    reply = talk.agent.receive_start(talk.technician.start(), agent_statement(host_key))
    burned(lambda: talk.technician.receive_reply(reply), "malformed")


def test_a_sealed_part_of_another_kind_is_malformed() -> None:
    talk = Talk()
    talk.technician.receive_reply(talk.reply())
    wrong = talk.technician.statement(agent_statement())  # type: ignore[arg-type]  # a technician that misbehaves
    burned(lambda: talk.agent.receive_statement(wrong), "malformed")


def test_a_code_that_parse_code_would_not_give_is_a_bug_of_ours() -> None:
    with pytest.raises(LocalProtocolError):
        technician(SupportCode("417203", "TULIP-rocket-amber"))


def test_secrets_do_not_appear_in_the_form_that_logs_show() -> None:
    talk = Talk()
    talk.verdict()
    assert "tulip" not in f"{CODE!r} {talk.agent!r} {talk.agent._shared!r}"
    assert talk.agent._shared.shared.hex() not in repr(talk.agent._shared)


def test_each_key_is_of_its_own_use() -> None:
    talk = Talk()
    talk.verdict()
    shared = talk.agent._shared
    macs = {shared.confirm(direction, [b"x"]) for direction in ("a→t", "t→a")}
    sealed = {shared.seal(use, b"x", []) for use in ("statement a→t", "statement t→a", "verdict a→t")}
    assert len(macs) == 2
    assert len(sealed) == 3
    assert shared.confirm("a→t", [b"ab", b"c"]) != shared.confirm("a→t", [b"a", b"bc"])


def test_nothing_is_known_before_its_message() -> None:
    end = technician()
    for peek in (lambda: end.transcript, lambda: end.resume_key, lambda: end._shared):
        with pytest.raises(LocalProtocolError):
            peek()
    talk = Talk()
    talk.reply()
    with pytest.raises(LocalProtocolError):
        _ = talk.agent.resume_key


# --- the tables: every state and event ----------------------------------------------------------------

TECHNICIAN_EVENTS: dict[str, Callable[[TechnicianPairing], object]] = {
    "start": lambda end: end.start(),
    "receive_reply": lambda end: end.receive_reply(
        PairingReply(version=1, y=b"", nonce=b"", sealed=b"", mac=bytes(32))
    ),
    "statement": lambda end: end.statement(envelope(b"")),
    "receive_verdict": lambda end: end.receive_verdict(PairingVerdict(sealed=b"", mac=bytes(32))),
}
AGENT_EVENTS: dict[str, Callable[[AgentPairing], object]] = {
    "receive_start": lambda end: end.receive_start(PairingStart(version=1, x=b"", nonce=b""), agent_statement()),
    "receive_statement": lambda end: end.receive_statement(PairingStatement(sealed=b"", mac=bytes(32))),
    "verdict": lambda end: end.verdict(GRANTED),
}


def _technician_in(state: str) -> TechnicianPairing:
    talk = Talk()
    if state == "started":
        talk.technician.start()
    elif state == "burned":
        talk.technician.start()
        with pytest.raises(CodeBurned):
            TECHNICIAN_EVENTS["receive_reply"](talk.technician)
    elif state == "confirmed":
        talk.technician.receive_reply(talk.reply())
    elif state == "stated":
        talk.statement()
    elif state == "done":
        talk.technician.receive_verdict(talk.verdict())
    assert talk.technician.state == state
    return talk.technician


def _agent_in(state: str) -> AgentPairing:
    talk = Talk()
    if state == "replied":
        talk.reply()
    elif state == "burned":
        with pytest.raises(CodeBurned):
            AGENT_EVENTS["receive_start"](talk.agent)
    elif state == "stated":
        talk.agent.receive_statement(talk.statement())
    elif state == "done":
        talk.verdict()
    assert talk.agent.state == state
    return talk.agent


@pytest.mark.parametrize("state", TECHNICIAN_NEXT)
@pytest.mark.parametrize("event", TECHNICIAN_EVENTS)
def test_every_pair_of_the_technicians_table(state: str, event: str) -> None:
    end = _technician_in(state)
    if event not in TECHNICIAN_NEXT[state]:
        with pytest.raises(LocalProtocolError):
            TECHNICIAN_EVENTS[event](end)
        assert end.state == state
        return
    try:
        TECHNICIAN_EVENTS[event](end)
        assert end.state == TECHNICIAN_NEXT[state][event]
    except CodeBurned:
        assert end.state == "burned"


@pytest.mark.parametrize("state", AGENT_NEXT)
@pytest.mark.parametrize("event", AGENT_EVENTS)
def test_every_pair_of_the_agents_table(state: str, event: str) -> None:
    end = _agent_in(state)
    if event not in AGENT_NEXT[state]:
        with pytest.raises(LocalProtocolError):
            AGENT_EVENTS[event](end)
        assert end.state == state
        return
    try:
        AGENT_EVENTS[event](end)
        assert end.state == AGENT_NEXT[state][event]
    except CodeBurned:
        assert end.state == "burned"


@given(element=st.binary(max_size=40), nonce=st.binary(max_size=40), version=st.integers(0, 3))
def test_whatever_a_stranger_sends_first_the_agent_answers_or_burns(element: bytes, nonce: bytes, version: int) -> None:
    end = agent()
    try:
        end.receive_start(PairingStart(version=version, x=element, nonce=nonce), agent_statement())
    except AssistError as error:
        assert isinstance(error, CodeBurned)
        assert end.state == "burned"


@given(tail=st.binary(min_size=32, max_size=32))
def test_whatever_element_of_the_right_length_arrives_the_technician_burns(tail: bytes) -> None:
    end = technician()
    end.start()
    with pytest.raises(CodeBurned):
        end.receive_reply(PairingReply(version=1, y=b"B" + tail, nonce=bytes(32), sealed=bytes(40), mac=bytes(32)))


def _flipped(raw: bytes) -> bytes:
    return bytes([raw[0] ^ 1]) + raw[1:]


def test_the_agents_statement_is_sealed_and_so_is_the_verdict() -> None:
    talk = Talk()
    reply = talk.reply()
    assert b"web1" not in msgspec.json.encode(reply)
    assert isinstance(talk.technician.receive_reply(reply), AgentStatement)


def test_a_sealed_part_opens_only_where_and_as_it_was_sealed() -> None:
    talk = Talk()
    talk.verdict()
    shared = talk.agent._shared
    sealed = shared.seal("verdict a→t", b"x", [b"said"])
    assert shared.open("verdict a→t", sealed, [b"said"]) == b"x"
    for use, raw, said in (
        ("statement a→t", sealed, b"said"),
        ("verdict a→t", sealed, b"other"),
        ("verdict a→t", b"", b"said"),
    ):
        with pytest.raises(ValueError, match="does not open"):
            shared.open(use, raw, [said])
