"""Seeds are found as words, however many there are."""

from remote_assist.core.detect.anchors import Searched
from remote_assist.core.detect.seed_words import FEW, SeedWords


def found(seeds: dict[str, str], text: str) -> list[str]:
    words = SeedWords()
    words.add(seeds)
    return sorted(text[start:end] for start, end, _ in words.spans(Searched(text)))


def test_a_seed_is_a_word_of_its_own_in_any_case() -> None:
    assert found({"jweber": "user"}, "JWEBER, jweber2 xjweber jweber/mail") == ["JWEBER", "jweber"]


def test_many_seeds_are_found_as_few_are() -> None:
    many = {f"person-{number}.x": "user" for number in range(4 * FEW)}
    text = "for person-7.x and person-70.x, not person-7.xy"
    assert found(many, text) == ["person-7.x", "person-70.x"]
    assert found({"person-7.x": "user", "person-70.x": "user"}, text) == ["person-7.x", "person-70.x"]


def test_seeds_with_other_letters_or_without_any_are_found_too() -> None:
    many = {f"filler{number}": "user" for number in range(FEW)} | {"jürgen": "user", "__._": "host"}
    assert found(many, "JÜRGEN at __._ ") == ["JÜRGEN", "__._"]


def test_the_last_class_given_for_a_value_counts() -> None:
    words = SeedWords()
    words.add({"Alpha": "user"})
    words.add({"alpha": "host"})
    assert words.kind("ALPHA") == "host"
    assert words.kind("beta") == ""
