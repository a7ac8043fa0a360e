"""Golden bytes of pairing, signatures, lists and certificates: one file a case, named by its fault, never changed."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from remote_assist.core import codec
from remote_assist.core.codes import parse_code
from remote_assist.core.identity.certificates import check_certificate
from remote_assist.core.identity.lists import open_lists
from remote_assist.core.messages import AgentStatement, PairingReply, PairingStart, TechnicianEnvelope, Verdict
from remote_assist.core.pairing import AgentPairing, TechnicianPairing
from remote_assist.core.signing import sshsig
from remote_assist.errors import CodeBurned, VerificationError
from tests.core.pairs import agent_statement

VECTORS = Path(__file__).parent.parent / "vectors"


def cases(folder: str) -> list[Any]:
    files = sorted((VECTORS / folder).glob("*.json"))
    assert files
    return [pytest.param(json.loads(file.read_text()), id=file.stem) for file in files]


def end(kind: type[Any], code: str, nonce: str, entropy: str) -> Any:
    def draw(count: int) -> bytes:
        drawn = bytes.fromhex(entropy)
        assert len(drawn) == count
        return drawn

    return kind(parse_code(code), nonce=bytes.fromhex(nonce), entropy=draw)


def test_a_whole_pairing_gives_exactly_these_bytes() -> None:
    case = json.loads((VECTORS / "pairing" / "good.json").read_text())
    technician = end(TechnicianPairing, case["code"], case["technician_nonce"], case["technician_entropy"])
    agent = end(AgentPairing, case["code"], case["agent_nonce"], case["agent_entropy"])
    start = technician.start()
    reply = agent.receive_start(start, codec.decode(case["agent_statement"], AgentStatement))
    technician.receive_reply(reply)
    statement = technician.statement(codec.decode(case["envelope"], TechnicianEnvelope))
    agent.receive_statement(statement)
    verdict = agent.verdict(codec.decode(case["verdict"], Verdict))
    technician.receive_verdict(verdict)
    said = [msgspec.json.encode(message).decode() for message in (start, reply, statement, verdict)]
    assert said == case["messages"]
    assert technician.transcript.hex() == agent.transcript.hex() == case["transcript"]
    assert technician.resume_key.hex() == agent.resume_key.hex() == case["resume_key"]


@pytest.mark.parametrize("case", [case for case in cases("pairing") if case.id != "good"])
def test_a_pairing_message_with_a_fault_burns_the_code(case: dict[str, str]) -> None:
    if case["role"] == "technician":
        technician = end(TechnicianPairing, case["code"], case["nonce"], case["entropy"])
        technician.start()
        with pytest.raises(CodeBurned) as caught:
            technician.receive_reply(codec.decode(case["message"], PairingReply))
    else:
        agent = end(AgentPairing, case["code"], case["nonce"], case["entropy"])
        with pytest.raises(CodeBurned) as caught:
            agent.receive_start(codec.decode(case["message"], PairingStart), agent_statement())
    assert caught.value.reason == case["reason"]


@pytest.mark.parametrize("case", cases("sshsig"))
def test_signatures(case: dict[str, str]) -> None:
    def verify() -> None:
        sshsig.verify(case["signature"], case["key"], case["purpose"], bytes.fromhex(case["message"]))

    if not case["refused"]:
        verify()
        return
    with pytest.raises(VerificationError):
        verify()


@pytest.mark.parametrize("case", cases("lists"))
def test_lists(case: dict[str, Any]) -> None:
    raw = [text.encode() for text in case["lists"]]
    now = datetime.fromisoformat(case["now"])
    if not case["refused"]:
        open_lists(raw, ca_line=case["ca"], now=now, floors=case["floors"])
        return
    with pytest.raises(VerificationError) as caught:
        open_lists(raw, ca_line=case["ca"], now=now, floors=case["floors"])
    assert caught.value.message.split(":")[0] == case["refused"].split(":")[0]


@pytest.mark.parametrize("case", cases("certificates"))
def test_certificates(case: dict[str, Any]) -> None:
    def check() -> None:
        now = datetime.fromisoformat(case["now"])
        check_certificate(case["certificate"], ca_line=case["ca"], now=now, role=case["role"], revoked=case["revoked"])

    if not case["refused"]:
        check()
        return
    with pytest.raises(VerificationError) as caught:
        check()
    assert caught.value.message.split(":")[:2] == case["refused"].split(":")[:2]
