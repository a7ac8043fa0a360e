"""Records in other systems' logs: every event fits OCSF's published schema, and no value breaks a line or is lost."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from remote_assist.audit.cef import cef_line, cef_text, parse_cef
from remote_assist.audit.ocsf import VERSION, ocsf_event, ocsf_line
from remote_assist.audit.siem_event import Context, SiemEvent, context_of, event_of
from remote_assist.core.messages import Acknowledgement
from remote_assist.core.record_codes import CODES, ORGANISATION_WRITERS
from remote_assist.core.records import Actor, Outcome, Record, encode_record, record_hash
from remote_assist.core.signing.signed_note import log_origin
from remote_assist.errors import RemoteProtocolError
from tests.audit.own import relays, ritas
from tests.audit.world import LOG_LINE, Log, new_world, play

SESSION = "s-" + "a" * 16
CONTEXT = Context(log_origin(LOG_LINE), "7", "Printer", "Alice Example", "SHA256:a", LOG_LINE)


PUBLISHED = get_ocsf_schema(VERSION)
NAMES = {one["uid"]: name for name, one in PUBLISHED["classes"].items()}


@cache
def validator(name: str) -> Any:
    schema = OcsfJsonSchemaEmbedded(PUBLISHED).get_class_schema(name)
    return jsonschema.validators.validator_for(schema)(schema)


def check(event: dict[str, Any]) -> str:
    """The class's name, once the event fits the schema, its enumerations included."""
    name: str = NAMES[event["class_uid"]]
    faults = [f"{list(one.absolute_path)}: {one.message[:200]}" for one in validator(name).iter_errors(event)]
    assert faults == []
    declared = PUBLISHED["classes"][name]["attributes"]
    assert str(event["activity_id"]) in declared["activity_id"]["enum"]
    unknown = set(event) - set(declared)
    assert not unknown, unknown
    return name


def made(code: str, **fields: Any) -> SiemEvent:
    own = code in ORGANISATION_WRITERS
    record = Record(
        session=("o-" if own else "s-") + "a" * 16,
        seq=1,
        prev="1" * 64,
        time="2026-03-01T09:30:00.000000Z",
        code=code,
        **{"actor": Actor(kind="operator" if own else "technician", key="SHA256:a", serial=7), **fields},
    )
    raw = encode_record(record)
    said = Acknowledgement(
        session=record.session, seq=1, hash=record_hash(raw), time=record.time, index=41, signature="x"
    )
    return event_of(raw, said, CONTEXT)


@pytest.mark.parametrize("code", [one for one in CODES if not one.startswith(("RA1000", "RA2000"))])
def test_every_code_becomes_an_event_of_the_published_schema(code: str) -> None:
    outcome = None if code.endswith("I") else Outcome(status="done", reason="ok")
    check(ocsf_event(made(code, outcome=outcome, action="a1", scope="diagnose fix", paths=("/etc/hosts",))))
    check(ocsf_event(made(code)))


async def test_a_whole_session_and_records_of_none_fit_the_schema(tmp_path: Path) -> None:
    world = new_world(tmp_path / "journal")
    await play(world)
    seen = []
    for log in (world.logged(), ritas(Log(first_index=60)), relays(Log(first_index=70))):
        first = event_of(log[0].record, log[0].acknowledgement, CONTEXT)
        context = context_of(first.record, CONTEXT.log, technician="Alice Example", technician_key="SHA256:a")
        for one in log:
            line = ocsf_line(event_of(one.record, one.acknowledgement, context))
            event = json.loads(line)
            seen.append(check(event))
            assert (
                event["raw_data"].encode() == one.record and event["metadata"]["sequence"] == one.acknowledgement.index
            )
    assert {"ssh_activity", "authorize_session", "process_activity", "file_activity", "api_activity"} <= set(seen)


def test_a_failure_and_a_refusal_say_so() -> None:
    failed = ocsf_event(made("RA1400O", outcome=Outcome(status="failed", reason="no-such-program")))
    assert (failed["status_id"], failed["status_detail"], failed["severity_id"]) == (2, "no-such-program", 3)
    assert ocsf_event(made("RA1900R"))["status_id"] == 2
    assert ocsf_event(made("RA1400I"))["status_id"] == 0


hostile = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["a|b\\|c", "x=1 msg=forged", "line\nCEF:0|evil", "\r\n\x00\x1b[31m\x85\u2028", "\\", "\\n", " spaces  ", "\\u0041"]
)


@given(program=hostile, path=hostile, target=hostile, reason=hostile, about=hostile)
def test_t22_an_event_is_one_line_and_reads_back_whatever_it_holds(
    program: str, path: str, target: str, reason: str, about: str
) -> None:
    event = made(
        "RA1400O", program=program, paths=(path,), target=target, outcome=Outcome(status="failed", reason=reason)
    )
    line = ocsf_line(event)
    assert line.count(b"\n") == 1 and json.loads(line) == ocsf_event(event)
    assert event_of(json.loads(line)["raw_data"].encode(), event.acknowledgement, CONTEXT) == event
    written = cef_line(event)
    assert len(written.splitlines()) == 1 and not any(ord(sign) < 0x20 for sign in written)
    header, extension = parse_cef(written)
    assert header[3:5] == ("RA1400O", event.code.sentence)
    expected = {"sproc": program, "filePath": path, "dhost": target, "reason": reason or "failed", "msg": event.message}
    assert {key: extension.get(key, "") for key in expected} == expected


@given(st.tuples(*[hostile] * 6), st.dictionaries(st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,9}", fullmatch=True), hostile))
def test_t22_any_cef_header_and_extension_read_back(header: tuple[str, ...], extension: dict[str, str]) -> None:
    line = cef_text(header, extension)
    assert len(line.splitlines()) == 1
    assert parse_cef(line) == (header, {key: value for key, value in extension.items() if value})


@given(st.text(max_size=200))
def test_what_is_no_cef_line_is_refused_with_our_error(text: str) -> None:
    try:
        parse_cef(text)
    except RemoteProtocolError:
        return
    assert text.startswith("CEF:0|")
