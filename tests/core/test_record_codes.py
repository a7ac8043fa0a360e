"""Record codes: a family shares its number, an intent has its outcome, and the docs show the same table."""

import re
from pathlib import Path

from remote_assist.audit.export import Header, RecordLine, Trailer
from remote_assist.audit.receipt import Evidence, Receipt
from remote_assist.core.log.organisation import ChainStatement
from remote_assist.core.log.sealing import Disclosure
from remote_assist.core.record_codes import CODES, JOURNAL_KEY_CODES, NEVER_WAITING, Kind
from remote_assist.core.records import Actor, Opening, Outcome, Record, SealedField, SignedText

DOCS = Path(__file__).parent.parent.parent / "docs" / "audit-format.md"


def test_every_intent_has_its_outcome_and_shares_number_and_name() -> None:
    for code in CODES.values():
        assert re.fullmatch(r"RA[12][0-9]{3}[IOER]", code.code)
        if code.is_intent or code.is_outcome:
            twin = CODES[code.family + ("O" if code.is_intent else "I")]
            assert (twin.name, twin.is_intent) == (code.name, not code.is_intent)
        else:
            assert [one for one in CODES.values() if one.family == code.family] == [code]


def test_names_belong_to_one_family_each() -> None:
    names = {(code.family, code.name) for code in CODES.values()}
    assert len({name for _, name in names}) == len(names) == len({family for family, _ in names})


def test_what_never_waits_and_what_closes_a_journal_are_events() -> None:
    assert all(CODES[code].kind is Kind.EVENT for code in NEVER_WAITING | JOURNAL_KEY_CODES)


def test_the_docs_show_exactly_these_codes() -> None:
    rows = re.findall(r"^\| `(RA\w+)` \| `([\w-]+)` \| (.+?) \|$", DOCS.read_text(), flags=re.MULTILINE)
    assert rows == [(code.code, code.name, code.sentence) for code in CODES.values()]


def test_the_docs_name_what_a_journal_key_may_sign() -> None:
    assert f"may sign only {', '.join(sorted(JOURNAL_KEY_CODES))}." in DOCS.read_text()


def test_the_docs_name_every_field_that_is_written() -> None:
    text = DOCS.read_text()
    kinds = (
        Record,
        Actor,
        Outcome,
        Opening,
        SealedField,
        SignedText,
        ChainStatement,
        Header,
        RecordLine,
        Trailer,
        Disclosure,
        Receipt,
        Evidence,
    )
    assert [
        f"{kind.__name__}.{name}" for kind in kinds for name in kind.__struct_fields__ if not _named(name, text)
    ] == []


def _named(name: str, text: str) -> bool:
    return f"`{name}`" in text or f'"{name}"' in text
