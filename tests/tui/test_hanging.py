"""Long lines go on below their own words."""

import pytest
from rich.text import Text

from remote_assist.tui.widgets.hanging import hanging

WORDS = "one two three four five six seven eight nine ten eleven twelve"


@pytest.mark.parametrize(
    ("line", "columns", "broken"),
    [
        ("severity    high", 40, ["severity    high"]),
        (
            f"looks at    {WORDS}",
            40,
            ["looks at    one two three four five six", f"{' ' * 12}seven eight nine ten eleven", f"{' ' * 12}twelve"],
        ),
        (f"      {WORDS}", 40, ["      one two three four five six seven", "      eight nine ten eleven twelve"]),
        (WORDS, 40, ["one two three four five six seven eight", "nine ten eleven twelve"]),
        (f"  logs#/0  {'x' * 45}", 40, ["  logs#/0  " + "x" * 29, " " * 11 + "x" * 16]),
        (f"{'a' * 30}  one two three four", 40, ["a" * 30 + "  one two", "three four"]),
        ("first\n\nlast", 40, ["first", "", "last"]),
        ("端末  " + "漢字" * 10, 26, ["端末  " + "漢字" * 5, "      " + "漢字" * 5]),
    ],
)  # fmt: skip
def test_a_line_goes_on_below_its_own_words(line: str, columns: int, broken: list[str]) -> None:
    assert [one.rstrip() for one in hanging(Text(line), columns).plain.split("\n")] == broken


def test_styles_and_buttons_stay_on_their_words() -> None:
    text = Text("Fix  ").append("one two three four five six", "bold").append(" seven eight nine")
    broken = hanging(text, 25)
    assert [broken.plain[span.start : span.end].strip() for span in broken.spans if span.style == "bold"] == [
        "one two three four", "five six",
    ]  # fmt: skip
