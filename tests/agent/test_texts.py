"""The customer's sentences: every language says everything, with the same values, and the screen fits them."""

import asyncio
import string
from collections.abc import Iterator

import pytest

from remote_assist.agent import texts
from remote_assist.agent.prompt.columns import cells, wrapped
from remote_assist.agent.prompt.consent_screen import open_screen
from remote_assist.agent.prompt.terminal import PromptTerminal
from remote_assist.agent.texts import ENGLISH, LANGUAGES, language, language_of, say, use_language
from tests.agent.keyboard import NOW, Keyboard, question

OTHERS = [code for code in LANGUAGES if code != "en"]


@pytest.fixture(autouse=True)
def _english_afterwards() -> Iterator[None]:
    yield
    use_language("en")


def places(text: str) -> set[str]:
    """The values a sentence takes."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("code", OTHERS)
def test_no_sentence_is_missing_and_none_is_left_over(code: str) -> None:
    other = language(code)
    assert set(other.texts) == set(ENGLISH.texts)
    assert set(other.scopes) == set(ENGLISH.scopes)


@pytest.mark.parametrize("code", OTHERS)
def test_every_sentence_takes_the_same_values(code: str) -> None:
    other = language(code)
    assert {name: places(text) for name, text in other.texts.items()} == {
        name: places(text) for name, text in ENGLISH.texts.items()
    }


@pytest.mark.parametrize("code", OTHERS)
def test_sentences_are_translated_and_not_copied(code: str) -> None:
    other = language(code)
    same = [name for name, text in other.texts.items() if text == ENGLISH.texts[name] and any(map(str.isalpha, text))]
    only_values = {
        "ask.detail",
        "plan.step",
        "live.began",
        "live.ended",
        "live.ended-sentence",
        "chat.theirs",
        "live.shell-line",
    }
    assert set(same) <= only_values | {"plan.title", "ask.wait"}
    assert not set(other.scopes.values()) & set(ENGLISH.scopes.values())


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("columns", [40, 80])
def test_the_consent_screen_fits_in_every_language(code: str, columns: int) -> None:
    use_language(code)
    screen = open_screen(question(scopes=tuple(ENGLISH.scopes)[:5]), NOW)
    for line in screen.lines(0.0):
        assert all(cells(part) <= columns for part in wrapped(line, columns))


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("columns", [80, 40])
async def test_who_asks_and_the_keys_are_seen_at_once_in_a_usual_window(
    code: str, verified: bool, columns: int
) -> None:
    """80×24, and the same with letters twice as wide: nothing of the question scrolls away above the window."""
    use_language(code)
    keyboard = Keyboard(width=80, height=24)
    asked = PromptTerminal(keyboard, large=columns == 40, steady=lambda: keyboard.now, now=lambda: NOW)
    asking = asyncio.create_task(asked.consent(question(scopes=tuple(ENGLISH.scopes)[:5], verified=verified)))
    await asyncio.sleep(0)
    rows = keyboard.written[-1].split("\x1b[J")[1].rstrip("\n").split("\n")
    await keyboard.press("n")
    await asking
    assert len(rows) < 24
    assert "Example Support" in "".join(rows[:3])


@pytest.mark.parametrize("code", OTHERS)
def test_scopes_line_up_by_columns_not_by_characters(code: str) -> None:
    use_language(code)
    rows = [line for line in open_screen(question(), NOW).lines(0.0) if "[" in line and "]" in line[:12]]
    details = [detail for scope, (_, detail) in texts.scope_words(ask_each=False).items() if scope in question().scopes]
    assert len({cells(row[: row.index(detail)]) for row, detail in zip(rows, details, strict=True)}) == 1


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, "en"),
        ({"LANG": "de_AT.UTF-8"}, "de"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LC_ALL": "ja_JP.UTF-8", "LANG": "de_DE"}, "ja"),
        ({"LANGUAGE": "pt:es:en", "LANG": "de_DE"}, "es"),
        ({"LC_MESSAGES": "fr", "LANG": "en_GB.UTF-8"}, "fr"),
        ({"LANG": "xx_YY"}, "en"),
    ],
)
def test_the_language_is_the_systems_unless_it_is_none_of_ours(environment: dict[str, str], code: str) -> None:
    assert language_of(environment) == code


def test_a_chosen_language_speaks_and_values_stay_safe() -> None:
    use_language("de")
    assert say("chat.theirs", name="\x1b[2J", text="x") == "\\x1b[2J: x"
    assert say("end.local") == "Sie haben die Sitzung beendet."
    with pytest.raises(KeyError):
        use_language("../../x")
