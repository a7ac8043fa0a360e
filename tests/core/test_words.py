"""The rule of the word list, as its docstring gives it."""

import hashlib
import re

from remote_assist.core.words import WORDS


def by_ear(word: str) -> str:
    """A word as somebody might write it down who only heard it."""
    for written, heard in (
        ("ph", "f"), ("ght", "t"), ("gh", "g"), ("kn", "n"), ("wr", "r"), ("ck", "k"), ("sc", "s"), ("x", "ks"),
        ("q", "k"), ("c", "k"), ("z", "s"), ("dge", "j"), ("wh", "w"), ("y", "i"),
    ):  # fmt: skip
        word = word.replace(written, heard)
    word = re.sub(r"(.)\1+", r"\1", word)
    return re.sub(r"[aeiou]+", "a", re.sub(r"e$", "", word))


def neighbours(word: str) -> set[str]:
    """Every text one missing, swapped or changed letter away (an added letter is a missing one of the other word)."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    missing = {word[:at] + word[at + 1 :] for at in range(len(word))}
    swapped = {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)}
    changed = {word[:at] + letter + word[at + 1 :] for at in range(len(word)) for letter in letters}
    return (missing | swapped | changed) - {word}


def test_there_are_2048_words_in_order_and_the_known_ones_are_among_them() -> None:
    assert len(WORDS) == len(set(WORDS)) == 2048
    assert list(WORDS) == sorted(WORDS)
    assert {"tulip", "rocket", "amber"} <= set(WORDS)


def test_words_have_three_to_eight_plain_letters() -> None:
    assert all(re.fullmatch("[a-z]{3,8}", word) for word in WORDS)


def test_the_first_four_letters_are_a_words_own_and_no_word_begins_another() -> None:
    assert len({word[:4] for word in WORDS}) == 2048
    known = set(WORDS)
    assert not [word for word in WORDS if any(word[:length] in known for length in range(3, len(word)))]


def test_one_slip_of_the_finger_never_gives_another_word() -> None:
    known = set(WORDS)
    assert not [(word, known & neighbours(word)) for word in WORDS if known & neighbours(word)]


def test_no_two_words_sound_alike() -> None:
    assert len({by_ear(word) for word in WORDS}) == 2048


def test_the_list_never_changes() -> None:
    """Both ends need the same list: a code is made of places in it."""
    assert (
        hashlib.sha256(" ".join(WORDS).encode()).hexdigest()
        == "eb2fc746e6165f47d229f4b24e75b032ad00b33b6ce76793462e620f3716653c"
    )
