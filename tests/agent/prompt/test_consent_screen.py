"""The consent screen: what it says, which keys do what, and that time says no."""

from dataclasses import replace
from datetime import timedelta

import pytest

from remote_assist.agent.prompt.consent_screen import ConsentScreen, open_screen
from remote_assist.core.catalog.estimates import Estimate
from remote_assist.core.catalog.preview import Preview, PreviewItem
from remote_assist.core.hostile import HostileStr
from tests.agent.keyboard import NOW, question

LATE = 30.0
PREVIEW = Preview(
    (
        PreviewItem("cpu", "Processors", "none", ("/proc/stat", "$ nproc")),
        PreviewItem("users", "Accounts", "low", ("$ w",)),
    ),
    first=Estimate(1, 0, 0.44, 2048, 30, 1 << 20),
    whole=Estimate(2, 0, 17.3, 40 << 10, 60, 1 << 20),
)


def screen(**changes: object) -> ConsentScreen:
    return open_screen(question(**changes), NOW)


def press(shown: ConsentScreen, *keys: str, at: float = LATE) -> ConsentScreen:
    for key in keys:
        shown = shown.after_key(key, at)
    return shown


def test_only_looking_is_ticked_at_first() -> None:
    assert screen(scopes=("terminal", "fix", "files:read", "diagnose")).ticked == {"diagnose", "files:read"}


def test_y_after_the_wait_allows_what_is_ticked() -> None:
    answer = press(screen(), "3", "y").answer
    assert answer is not None
    assert answer.scopes == ("diagnose", "files:read", "fix")
    assert answer.seconds == 1620


@pytest.mark.parametrize("elapsed", [0.0, 1.0, 2.99])
def test_y_before_the_wait_is_over_does_nothing(elapsed: float) -> None:
    early = press(screen(), "y", at=elapsed)
    assert early.answer is None
    assert "read first" in early.remark


@pytest.mark.parametrize("key", ["n", "N", "escape", "interrupt"])
def test_no_works_at_once(key: str) -> None:
    answer = press(screen(), key, at=0.0).answer
    assert answer is not None
    assert (answer.scopes, answer.timed_out) == ((), False)


def test_silence_is_a_no_that_says_so() -> None:
    answer = screen().after_time(60.0).answer
    assert answer is not None
    assert (answer.scopes, answer.timed_out) == ((), True)


def test_a_yes_at_the_deadline_comes_too_late() -> None:
    answer = press(screen(), "y", at=60.0).answer
    assert answer is not None
    assert answer.scopes == ()


def test_nothing_ticked_allows_nothing() -> None:
    shown = press(screen(), "1", "2", "y")
    assert shown.answer is None
    assert "Nothing is ticked" in shown.remark


def test_space_ticks_where_the_cursor_is() -> None:
    assert press(screen(), "down", "down", " ").ticked == {"diagnose", "files:read", "fix"}
    assert press(screen(), "up", " ").ticked == {"diagnose", "files:read", "fix"}


@pytest.mark.parametrize("key", ["4", "9", "0", "x", "enter", "backspace", "²"])
def test_other_keys_do_nothing(key: str) -> None:
    assert press(screen(), key) == screen()


def test_at_first_contact_y_leads_to_typing_the_relays_name() -> None:
    first = screen(verified=False, wait_seconds=10.0)
    typing = press(first, "y")
    assert typing.answer is None
    assert typing.typing
    answered = press(typing, *"Relay.Example.com", "enter").answer
    assert answered is not None
    assert answered.scopes == ("diagnose", "files:read")


@pytest.mark.parametrize("name", ["", "y", "relay.example.org", "example.com", "relay.example.com.evil.org"])
def test_another_name_allows_nothing(name: str) -> None:
    shown = press(screen(verified=False), "y", *name, "enter")
    assert shown.answer is None
    assert shown.typed == ""


def test_the_right_name_typed_too_early_allows_nothing_yet() -> None:
    shown = press(screen(verified=False, wait_seconds=10.0), "y", *"relay.example.com", "enter", at=9.9)
    assert shown.answer is None
    assert press(shown, "enter", at=10.0).answer is not None


def test_typing_can_be_corrected_and_left() -> None:
    shown = press(screen(verified=False), "y", "r", "x", "backspace")
    assert shown.typed == "r"
    assert not press(shown, "escape").typing


def test_the_screen_as_a_verified_technician_asks() -> None:
    assert screen().lines(0.0) == [
        "  Example Support asks for help with: #4711 Web server does not start",
        "",
        "  Alice Example, Example Support (certificate verified)",
        "  Did you ask for this? We never call you first. If somebody rang you up and told you to run this, press n.",
        "",
        f"  wants to, until {_clock()}:",
        "  >1 [x] look at this computer's state   "
        "programs, disks, network, logs; what we recognise as secret is removed",
        "   2 [x] read files you name             each is listed here when it is read; nothing is removed from them",
        "   3 [ ] change things by known fixes    each is listed here when it runs; risky ones ask you first",
        "",
        "  y allow what is ticked (in 3 s)    1-3 or space tick    d details    n no (also if you do nothing for 60 s)",
    ]


def test_the_screen_at_first_contact() -> None:
    lines = press(screen(verified=False, wait_seconds=10.0), "y", "r", at=1.0).lines(1.0)
    assert lines[2] == (
        '  "Alice Example" is vouched for only by whoever gave you the code. Relay: relay.example.com, CA SHA256:7f21'
    )
    assert lines[-2:] == [
        "  To go on, type the relay's name as you know it from a bill or letter: r▏",
        "  Enter to allow (in 9 s)    Esc back    Ctrl-C no (also if you do nothing for 59 s)",
    ]


def test_what_reaches_beyond_the_program_is_said() -> None:
    text = "\n".join(screen(scopes=("diagnose", "terminal")).lines(0.0))
    assert "can reach beyond this program and go on after the session" in text
    assert "can reach beyond" not in "\n".join(screen().lines(0.0))
    assert "can reach beyond" in "\n".join(press(screen(), "d").lines(0.0))


def test_with_ask_each_the_words_say_that_every_plan_is_shown() -> None:
    assert any(
        "you see each plan before it runs" in line for line in open_screen(question(), NOW, ask_each=True).lines(0)
    )


@pytest.mark.parametrize("name", ["organisation", "name", "ticket", "subject", "reason"])
def test_what_a_peer_says_cannot_draw_on_the_screen(name: str) -> None:
    evil = HostileStr("\x1b[2J\x9b31m\u202egnihtyna\nallow\r{0}{name}" + "x" * 500)
    lines = screen(**{name: evil}).lines(0.0)
    assert len(lines) == len(screen(**{name: HostileStr("plain")}).lines(0.0))
    assert all(sign.isprintable() for line in lines for sign in line)
    assert max(map(len, lines)) < 520


def test_a_screen_is_a_value() -> None:
    first = screen()
    press(first, "1", "d")
    assert first == screen()
    assert replace(first, details=True) != first


def _clock() -> str:
    return f"{(NOW + timedelta(seconds=1620)).astimezone():%H:%M}"


# --- a second technician ---------------------------------------------------------------------------

BOB = HostileStr("Bob \x1b[31mExample")


def test_both_names_stand_on_the_screen_that_lets_a_second_technician_in() -> None:
    for part, sentence in (("active", "beside Alice"), ("successor", "instead of Alice")):
        shown = screen(newcomer=BOB, part=part, further=True)
        text = "\n".join(shown.lines(0.0))
        assert sentence in text and "Bob" in text and "\x1b" not in text
        answer = press(shown, "y").answer
        assert answer is not None and answer.welcome and answer.scopes == ("diagnose", "files:read")


def test_an_observer_is_let_in_with_nothing_to_tick() -> None:
    shown = screen(newcomer=BOB, part="observer", scopes=(), further=True)
    text = "\n".join(shown.lines(LATE))
    assert "would only watch" in text and "[x]" not in text
    assert press(shown, "y", at=1.0).answer is None
    answer = press(shown, "y").answer
    assert answer is not None and (answer.welcome, answer.scopes) == (True, ())
    refusal = press(shown, "n").answer
    assert refusal is not None and not refusal.welcome
    late = shown.after_time(60.0).answer
    assert late is not None and not late.welcome and late.timed_out


def test_who_asks_for_themselves_lets_nobody_else_in() -> None:
    answer = press(screen(), "y").answer
    assert answer is not None and not answer.welcome


def test_what_a_look_reads_and_takes_is_said_before_the_yes() -> None:
    lines = screen(preview=PREVIEW).lines(0.0)
    (line,) = [line for line in lines if "Looking:" in line]
    for words in ("2 things", "3 commands and files", "40 KiB", "0.4 s", "17 s", "l lists them"):
        assert words in line


def test_items_are_struck_in_the_list_and_the_answer_says_which() -> None:
    listed = press(screen(preview=PREVIEW), "l", "n", " ")
    assert any("$ nproc" in line for line in listed.lines(LATE))
    assert listed.answer is None
    back = press(listed, "enter")
    assert any("struck 1 of 2" in line for line in back.lines(LATE))
    answer = press(back, "y").answer
    assert answer is not None
    assert answer.struck == {"users"}


def test_no_key_of_the_list_says_yes_and_ctrl_c_is_a_no() -> None:
    listed = press(screen(preview=PREVIEW), "l")
    assert press(listed, "y", "Y", " ", "n").answer is None
    refused = press(listed, "interrupt").answer
    assert refused is not None
    assert refused.scopes == ()


def test_who_reads_has_longer_but_not_for_ever() -> None:
    listed = screen(preview=PREVIEW, reading_seconds=100.0).after_key("l", 50.0)
    assert listed.after_time(61.0).answer is None
    reading = listed.after_key("down", 90.0).after_key("down", 140.0)
    assert reading.after_time(159.0).answer is None
    late = reading.after_key("down", 159.5).after_time(160.0).answer
    assert late is not None
    assert late.timed_out


def test_there_is_no_list_where_no_look_is_asked_for() -> None:
    for shown in (screen(), screen(preview=PREVIEW, scopes=("terminal",))):
        assert press(shown, "l").listing is None
        assert not any("Looking:" in line for line in shown.lines(0.0))


def test_a_name_nothing_here_proves_is_vouched_for_by_whom_the_code_was_shared_with() -> None:
    given = open_screen(question(verified=False), NOW).lines(0.0)
    told = open_screen(question(verified=False, asked=True), NOW).lines(0.0)
    assert '"Alice Example" is vouched for only by whoever gave you the code' in given[2]
    assert '"Alice Example" is vouched for only by the person you told the code' in told[2]
    second = question(verified=False, asked=True, newcomer=HostileStr("Bob Example"), part="observer")
    assert any(
        '"Bob Example" is vouched for only by the person you told' in one for one in open_screen(second, NOW).lines(0.0)
    )
    proven = open_screen(question(asked=True), NOW).lines(0.0)
    assert not any("vouched" in line for line in proven)
