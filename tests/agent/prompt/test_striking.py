"""The customer strikes items of a bundle before anything is read."""

import pytest

from remote_assist.agent.prompt.striking import ask_to_strike, struck_numbers
from remote_assist.core.catalog.estimates import SLOW, estimate
from remote_assist.core.prompt import TypedQuestion
from remote_assist.diagnostics.catalog_loader import load_catalog
from remote_assist.diagnostics.preview import preview
from remote_assist.errors import ConsentDenied


class Screen:
    """Answers with what it was given; keeps what was shown. As much of a Prompt as is needed here."""

    can_ask = True

    def __init__(self, *answers: str | None) -> None:
        self._answers = list(answers)
        self.shown: list[str] = []

    def show(self, line: str) -> None:
        self.shown.append(line)

    async def typed(self, question: TypedQuestion) -> str | None:
        return self._answers.pop(0)


async def asked(screen: Screen) -> frozenset[str]:
    catalog = load_catalog()
    items = preview(catalog, "first-look", "linux")
    expected = estimate(catalog.bundles["first-look"], catalog.collectors, {})
    return await ask_to_strike(screen, items, expected, 60.0)  # type: ignore[arg-type]  # see Screen


async def test_every_command_and_file_is_shown_before_the_question() -> None:
    screen = Screen("")
    assert await asked(screen) == frozenset()
    text = "\n".join(screen.shown)
    for read in ("/etc/passwd", "$ who", "$ ss -H -tulpn", "/proc/meminfo", "$ dpkg-query"):
        assert read in text


async def test_numbers_strike_items_and_nonsense_is_asked_again() -> None:
    names = [item.collector for item in preview(load_catalog(), "first-look", "linux")]
    assert await asked(Screen("all of it", "2, 4-5")) == {names[1], names[3], names[4]}


@pytest.mark.parametrize("answers", [(None,), ("x", "0", "99")])
async def test_escape_silence_and_nonsense_to_the_end_are_a_no(answers: tuple[str | None, ...]) -> None:
    with pytest.raises(ConsentDenied):
        await asked(Screen(*answers))


@pytest.mark.parametrize("text", ["0", "5", "2-1", "a", "1-", "-1", "1 " + "9" * 30, "²"])
def test_what_is_no_number_of_the_list_is_none(text: str) -> None:
    assert struck_numbers(text, 4) is None
    assert struck_numbers(" 1,1 3-4 ", 4) == frozenset({1, 3, 4})


def test_an_estimate_trusts_an_earlier_bundle_and_keeps_to_the_limits() -> None:
    catalog = load_catalog()
    full = catalog.bundles["full"]
    guess = estimate(full, catalog.collectors, {})
    assert guess.seen == 0
    assert guess.seconds >= SLOW["big_folders"][0]
    told = estimate(full, catalog.collectors, dict.fromkeys(full.collectors, (0.01, 100)))
    assert told.seen == told.items == len(full.collectors)
    assert told.seconds < guess.seconds
    endless = estimate(full, catalog.collectors, dict.fromkeys(full.collectors, (1000000000.0, 10**12)))
    assert (endless.seconds, endless.size_bytes) == (full.timeout_seconds, full.max_bytes)
