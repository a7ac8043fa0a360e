"""Support codes as typed, session ids, relay origins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote_assist.core.codes import (
    SupportCode,
    choose_words,
    contains_live_code,
    is_session_id,
    new_code,
    parse_code,
    relay_origin,
    session_id,
    spoken,
)
from remote_assist.core.words import WORDS
from remote_assist.errors import LocalProtocolError, RemoteProtocolError, UsageError

CODE = SupportCode("417203", "tulip-rocket-amber")


@pytest.mark.parametrize(
    "typed",
    [
        "417203-tulip-rocket-amber",
        "  417203 TULIP  Rocket\tamber\n",
        "417203 – tulip — rocket ‑ amber",
        "４１７２０３-ｔｕｌｉｐ-rocket-amber",
        "remote-assist:417203-tulip-rocket-amber",
        "Remote-Assist:417203 tulip rocket amber",
        "417203-\u00a0tulip-rocket-amber",
    ],
)
def test_a_code_is_read_however_a_person_types_it(typed: str) -> None:
    assert parse_code(typed) == CODE


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "a number and three words"),
        ("417203-tulip-rocket", "a number and three words"),
        ("417203-tulip-rocket-amber-amber", "a number and three words"),
        ("417203-tulip-rocket-amber" + " " * 200, "a number and three words"),
        ("41720-tulip-rocket-amber", "begins with 6 digits"),
        ("4172033-tulip-rocket-amber", "begins with 6 digits"),
        ("٤١٧٢٠٣-tulip-rocket-amber", "begins with 6 digits"),
        ("tulip-417203-rocket-amber", "begins with 6 digits"),
        ("417203-tulip-rokcet-amber", "'rokcet' is not a word .* did you mean 'rocket'"),
        ("417203-tulip-xqzvw-amber", "'xqzvw' is not a word of support codes$"),
        ("417203-tulip-rocket-\x1b[2J", "is not a word"),
    ],
)
def test_a_code_with_a_fault_is_refused_before_anything_is_sent(typed: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        parse_code(typed)


@given(st.text(max_size=300))
def test_any_text_is_a_code_or_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        parse_code(text)


def test_a_code_shows_its_words_only_when_asked_for_as_text() -> None:
    assert str(CODE) == "417203-tulip-rocket-amber"
    assert repr(CODE) == "SupportCode(nameplate='417203')"


@given(st.binary(min_size=5, max_size=40))
def test_chosen_words_are_a_code(entropy: bytes) -> None:
    words = choose_words(entropy)
    assert parse_code(f"000000 {words}") == SupportCode("000000", words)


def test_the_first_33_bits_choose_the_words_and_the_rest_does_not_matter() -> None:
    assert choose_words(bytes(5)) == "-".join([WORDS[0]] * 3)
    assert choose_words(b"\xff" * 5) == "-".join([WORDS[-1]] * 3)
    assert choose_words(((1 << 39) | 0x7F).to_bytes(5, "big")) == f"{WORDS[1024]}-{WORDS[0]}-{WORDS[0]}"
    assert choose_words((1 << 7).to_bytes(5, "big")) == f"{WORDS[0]}-{WORDS[0]}-{WORDS[1]}"
    assert choose_words(bytes(5) + b"more") == choose_words(bytes(5))
    with pytest.raises(LocalProtocolError):
        choose_words(bytes(4))


@pytest.mark.parametrize(
    "text",
    [
        "the code is 417203-tulip-rocket-amber, hurry",
        "TULIP ROCKET AMBER",
        "tulip, rocket & amber!",
        "tuliprocketamber",
        "t u l i p r o c k e t a m b e r",
        "tu\u200blip-rock\u0301et-ａｍｂｅｒ",
        "1. tulip\n2. rocket\n3. amber",
    ],
)
def test_a_live_code_is_found_in_a_line(text: str) -> None:
    assert contains_live_code(text, CODE.words)


@pytest.mark.parametrize("text", ["", "tulip rocket", "amber rocket tulip", "a rocket, an amber tulip", "417203"])
def test_other_words_are_not_taken_for_the_code(text: str) -> None:
    assert not contains_live_code(text, CODE.words)


def test_session_ids_come_from_the_statement_and_have_one_form() -> None:
    assert session_id(b"") == "s-4oymiquy7qobjgx3"
    assert is_session_id(session_id(b"a statement"))
    for text in ("", "s-", "s-4OYMIQUY7QOBJGX3", "s-4oymiquy7qobjgx", "s-4oymiquy7qobjgx3\n", "./s-4oymiquy7qobjgx3"):
        assert not is_session_id(text)
    assert not is_session_id("s-4oymiquy7qobjgx1")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:8470", "http://127.0.0.1:8470"),
        ("HTTPS://Relay.Example.com", "https://relay.example.com:443"),
        ("https://relay.example.com./", "https://relay.example.com:443"),
        ("http://localhost", "http://localhost:80"),
        ("wss://relay.example.com:8443/", "https://relay.example.com:8443"),
        ("ws://[::1]:9", "http://[::1]:9"),
        (" https://bücher.example.com ", "https://xn--bcher-kva.example.com:443"),
    ],
)
def test_an_origin_has_one_form(url: str, origin: str) -> None:
    assert relay_origin(url) == origin
    assert relay_origin(origin) == origin


@pytest.mark.parametrize(
    "url",
    [
        "",
        "relay.example.com",
        "ftp://relay.example.com",
        "https://",
        "https://relay.example.com:0",
        "https://relay.example.com:99999",
        "https://relay.example.com:x",
        "https://alice@relay.example.com",
        "https://relay.example.com/path",
        "https://relay.example.com?x=1",
        "https://relay.example.com#x",
        "https://re lay.example.com",
        "https://[::1",
        "https://a..ü.example.com",
        "https://-relay.example.com",
    ],
)
def test_what_is_no_origin_is_refused(url: str) -> None:
    with pytest.raises(UsageError):
        relay_origin(url)


@given(st.text(max_size=80))
def test_any_text_is_an_origin_or_a_usage_error(text: str) -> None:
    try:
        assert relay_origin(relay_origin(f"https://{text}")) == relay_origin(f"https://{text}")
    except UsageError as error:
        assert error.advice


def test_a_new_code_is_the_relays_number_and_words_of_ones_own() -> None:
    code = new_code("417203", bytes(5))
    assert code == SupportCode("417203", choose_words(bytes(5)))
    assert parse_code(str(code)) == code


@pytest.mark.parametrize("number", ["", "41720", "4172033", "41720x", "４１７２０３", "417203\n"])
def test_a_number_that_no_code_begins_with_makes_none(number: str) -> None:
    with pytest.raises(RemoteProtocolError):
        new_code(number, bytes(5))


def test_a_code_is_spoken_digit_by_digit_in_any_language() -> None:
    assert spoken(CODE) == "four one seven, two zero three, tulip, rocket, amber"
    german = ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
    assert spoken(CODE, german) == "vier eins sieben, zwei null drei, tulip, rocket, amber"
