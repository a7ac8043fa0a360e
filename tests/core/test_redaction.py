"""What redaction finds in the labelled sample, what it leaves alone, and that nobody can go around it."""

import json
import re
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.catalog.model import FieldSpec
from remote_assist.core.detect.spans import Span, merge
from remote_assist.core.redaction import Collected, Redacted, Redactor
from remote_assist.errors import LocalProtocolError, RefusedError

SAMPLE = Path(__file__).parent.parent / "diagnostics" / "data" / "redaction_sample.jsonl"
LINES = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
SECRETS = [each for each in LINES if each["secret"]]
BENIGN = [each["line"] for each in LINES if not each["secret"]]
KEY = b"0123456789abcdef0123456789abcdef"
STRICT = Redactor(KEY)


@pytest.mark.parametrize("case", SECRETS, ids=[each["kind"] for each in SECRETS])
def test_every_labelled_secret_of_the_sample_is_taken_out(case: dict[str, str]) -> None:
    redacted = STRICT.text(case["line"])
    assert case["secret"] not in redacted
    assert re.search(r"<\w+:[0-9a-f]{8}>", redacted)


def test_the_sample_has_42_secrets_and_no_benign_line_is_touched() -> None:
    assert len(SECRETS) == 42
    assert [line for line in BENIGN if STRICT.text(line) != line] == []


@pytest.mark.parametrize(
    "line",
    [
        "getty@tty1.service entered failed state",
        "Listening on 0.0.0.0:80 and [::]:443",
        "2026-11-20T10:22:33Z systemd[1]: Started nginx.service",
        "std::vector<int> at a::b::c",
        "inode 16777216, 4096 bytes, sector 1234567890123456",
        "PasswordAuthentication no",
        "password: yes",
        "PWD=/srv/app",
        "max_tokens=4096",
        "SHA256 fingerprint 3A:5B:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22",
        "org.freedesktop.NetworkManager.service activated",
        "user=root",
        "git version 2.39.5 at 10:20:30",
        "mask 255.255.255.0",
        "cpu0: 3.5 GHz, temp +54.0 C",
    ],
)
def test_ordinary_lines_stay_as_they_are(line: str) -> None:
    assert STRICT.text(line) == line


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        ("export SMTP_PASSWORD='two words here'", "two words here"),
        ("the password is Winter-2024x", "Winter-2024x"),
        ("--api-key 9f8e7d6c5b4a", "9f8e7d6c5b4a"),
        ("redis://:s3cr3tpw@cache:6379/0", "s3cr3tpw"),
        ("curl -u admin:hunter22 https://example.com", "hunter22"),
        ('{"client_secret": "abc-def-123"}', "abc-def-123"),
        ("X-Auth-Token: 0a1b2c3d4e5f", "0a1b2c3d4e5f"),
        ("proxy-authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("Set-Cookie: session=deadbeef; Path=/", "deadbeef"),
        ("wpa_passphrase=Sommer2024", "Sommer2024"),
        ("token hvs.CAESIJx0aabbccddeeff00112233", "hvs.CAESIJx0aabbccddeeff00112233"),
        ("IBAN GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 32"),
        ("card 378282246310005 declined", "378282246310005"),
        ("Invalid user mlopez from 198.51.100.7", "198.51.100.7"),
        ("Failed password for invalid user mlopez", "mlopez"),
        ("fe80::5054:ff:fea1:b2c3%eth0 unreachable", "fe80::5054:ff:fea1:b2c3"),
        ("seen AKIAQX7ZLM3TPW5N2RCB today", "AKIAQX7ZLM3TPW5N2RCB"),
        ("path C:\\\\Users\\\\maria\\\\x", "maria"),
    ],
)
def test_further_phrasings_are_found(line: str, secret: str) -> None:
    assert secret not in STRICT.text(line)


def test_a_private_key_is_taken_out_whole_even_without_its_end() -> None:
    text = "before\n-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\nAAAA\n"
    assert "b3Bl" not in STRICT.text(text)
    assert STRICT.text(text).startswith("before\n<key:")


def test_wrong_checksums_are_no_cards_and_no_accounts() -> None:
    assert STRICT.text("ref 4539 5787 6362 1487") == "ref 4539 5787 6362 1487"
    assert STRICT.text("IBAN DE89370400440532013001") == "IBAN DE89370400440532013001"


def test_the_secrets_profile_leaves_personal_data_and_takes_secrets() -> None:
    redactor = Redactor(KEY, profile="secrets")
    assert redactor.text("mail alice@example.com from 203.0.113.7") == "mail alice@example.com from 203.0.113.7"
    assert "hunter2x" not in redactor.text("password=hunter2x")


def test_equal_values_get_equal_tokens_and_another_key_gives_others() -> None:
    one = STRICT.text("a 203.0.113.7 b 203.0.113.7 c 203.0.113.8")
    tokens = re.findall(r"<ip:\w{8}>", one)
    assert tokens[0] == tokens[1] != tokens[2]
    assert tokens[0] not in Redactor(bytes(32)).text("a 203.0.113.7")


def test_overlapping_hits_become_one_token_of_the_gravest_class() -> None:
    counts: Counter[str] = Counter()
    redacted = STRICT.text("password=eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.SflKxwRJSMeKKF2Q", counts)
    assert re.fullmatch(r"password=<token:\w{8}>", redacted)
    assert counts == {"token": 1}


def test_merging_keeps_spans_apart_that_only_touch() -> None:
    assert merge([Span(0, 3, "ip"), Span(3, 5, "mac")]) == [Span(0, 3, "ip"), Span(3, 5, "mac")]
    assert merge([Span(2, 9, "mail"), Span(0, 4, "secret")]) == [Span(0, 9, "secret")]
    assert merge([Span(4, 4, "ip")]) == []


def test_seeds_are_replaced_as_words_everywhere_and_nowhere_inside_others() -> None:
    redactor = Redactor(KEY, seeds={"web-prod-7": "host", "abc": "user"})
    text = redactor.text("on WEB-PROD-7: web-prod-77 abc")
    assert re.fullmatch(r"on <host:\w{8}>: web-prod-77 abc", text)


def test_facts_keep_their_structure_and_lose_what_is_personal() -> None:
    fields = {
        "mount": FieldSpec("path"),
        "unit": FieldSpec("unit"),
        "used_pct": FieldSpec("double"),
        "port": FieldSpec("int"),
        "mac": FieldSpec("string", "pii"),
        "note": FieldSpec("string"),
    }
    raw = [
        {
            "mount": "/home/maria.lopez",
            "unit": "getty@tty1.service",
            "used_pct": 91.5,
            "port": 8080,
            "mac": "52:54:00:a1:b2:c3",
            "note": "asked by maria@example.com",
            "password": "x",
        }
    ]
    redacted = STRICT.redact(Collected(raw, "pii", fields))
    value = json.loads(redacted.raw)[0]
    assert (value["mount"], value["unit"]) == ("/home/maria.lopez", "getty@tty1.service")
    assert (value["used_pct"], value["port"]) == (91.5, 8080)
    assert re.fullmatch(r"<mac:\w{8}>", value["mac"])
    assert re.fullmatch(r"asked by <mail:\w{8}>", value["note"])
    assert re.fullmatch(r"<secret:\w{8}>", value["password"])
    assert redacted.counts == {"mac": 1, "mail": 1, "secret": 1}


def test_even_structural_fields_lose_a_sure_secret() -> None:
    fields = {"unit": FieldSpec("unit")}
    redacted = STRICT.redact(Collected([{"unit": "x-AKIAQX7ZLM3TPW5N2RCB.service"}], "internal", fields))
    assert b"AKIA" not in redacted.raw


def test_keys_of_facts_are_swept_too_and_fail_closed() -> None:
    with pytest.raises(RefusedError, match="would leave"):
        STRICT.redact(Collected({"AKIAQX7ZLM3TPW5N2RCB": 1}, "internal"))


def test_only_a_redactor_makes_redacted_content() -> None:
    with pytest.raises(LocalProtocolError):
        Redacted(b"x", None, {}, "public", maker=object())


def test_a_weak_key_or_an_unknown_profile_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError):
        Redactor(b"short")
    with pytest.raises(LocalProtocolError):
        Redactor(KEY, profile="some")


def test_a_path_loses_a_seed_and_a_unit_keeps_it() -> None:
    fields = {"path": FieldSpec("path"), "unit": FieldSpec("unit")}
    redactor = Redactor(KEY, seeds={"backup7": "user"})
    row = {"path": "/srv/backup7/x", "unit": "backup7.service"}
    value = json.loads(redactor.redact(Collected([row], "internal", fields)).raw)[0]
    assert value["unit"] == "backup7.service"
    assert re.fullmatch(r"/srv/<user:\w{8}>/x", value["path"])


def test_the_last_sweep_refuses_a_secret_in_packed_bytes_and_a_seed_in_a_file_name() -> None:
    redactor = Redactor(KEY, seeds={"mlopez": "user"})
    redactor.sweep("texts/app.log.txt", b"nothing <token:0a1b2c3d> here")
    with pytest.raises(RefusedError, match="token"):
        redactor.sweep("texts/app.log.txt", b"key AKIAQX7ZLM3TPW5N2RCB")
    with pytest.raises(RefusedError, match="seed"):
        redactor.sweep("texts/app.mlopez.txt", b"")


def test_only_personal_data_is_remembered_for_the_customer() -> None:
    redactor = Redactor(KEY, seeds={"mlopez": "user"})
    redactor.text("mlopez at 203.0.113.7, password=hunter2x, AKIAQX7ZLM3TPW5N2RCB")
    assert sorted(redactor.remembered.values()) == ["203.0.113.7", "mlopez"]


@given(st.text(max_size=400))
def test_any_text_is_redacted_without_error(text: str) -> None:
    assert isinstance(STRICT.text(text), str)


GLUED = ["a://", "b:", "@", " ", "\n", "password=", "alice", "1.2.3.4", "AKIAQX7ZLM3TPW5N2RCB", "/home/", "x@y.com",
         '"', "ghp_", "a" * 22, "+49 171 5551234", "00:11:22:33:44:55", "4539 5787 6362 1486", "C:\\Users\\bob",
         "-----BEGIN PRIVATE KEY-----", "eyJabcdefghij.", "<ip:12345678>"]  # fmt: skip


@given(st.lists(st.sampled_from(GLUED), max_size=10).map("".join))
def test_pieces_glued_together_leave_no_sure_secret_and_no_seed(text: str) -> None:
    redactor = Redactor(KEY, seeds={"alice": "user"})
    redacted = redactor.redact(Collected(text, "pii")).raw.decode()
    assert not re.search(r"(?<![A-Za-z0-9])(?:alice|AKIAQX7ZLM3TPW5N2RCB)(?![A-Za-z0-9])", redacted)


@given(st.text(alphabet="ab01:.-@/ =\"'\\{}[]\n", max_size=300))
def test_text_full_of_separators_is_redacted_without_error(text: str) -> None:
    STRICT.redact(Collected({"a": text, "b": [text]}, "pii"))


@pytest.mark.parametrize(
    "text",
    ["a" * 50_000, "a." * 25_000, "1 " * 25_000, ":" * 50_000, "::" * 10_000, "-----BEGIN PRIVATE KEY-----" * 1500,
     "password" * 6000, "@" * 50_000, "mysql " * 8000, "A" * 50_000, "0-" * 25_000, "curl " * 10_000],
)  # fmt: skip
def test_hostile_text_costs_time_in_proportion_to_its_length(text: str) -> None:
    begun = time.monotonic()
    STRICT.text(text)
    assert time.monotonic() - begun < 2.0
