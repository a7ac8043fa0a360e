"""The consent screen as a value: what it shows, what a key does, when it answers. No terminal, no clock.

Rule 1: only keys typed here lead to a yes, and none before the wait is over.
Rule 2: time is handed in as seconds since the screen appeared; at the deadline the answer is no. Who reads the list
of what a look reads is not silent: each key pressed there begins the wait anew, up to a limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import IntEnum

from remote_assist.agent.prompt.columns import cells, padded
from remote_assist.agent.prompt.look_list import CLOSING_KEYS, LookList
from remote_assist.agent.texts import say, scope_words, wish_words
from remote_assist.core.catalog.preview import PreviewItem
from remote_assist.core.hostile import HostileStr
from remote_assist.core.prompt import ConsentAnswer, ConsentQuestion
from remote_assist.core.wishes import in_order, scope_of

TICKED_AT_FIRST = ("diagnose", "files:read")
"""Scopes that only look are ticked when the screen appears; the others wait for the customer's own tick."""

ENTER, ESCAPE, BACKSPACE, INTERRUPT, UP, DOWN = "enter", "escape", "backspace", "interrupt", "up", "down"
"""Names of keys that are not one printable character (transport/posix/terminal.py gives these)."""

MAX_TYPED = 253
"""Longest host name there is."""

NO = ConsentAnswer(scopes=(), seconds=0)


class Brevity(IntEnum):
    """How much is left away: nothing; empty lines; what each scope means, but of the one the cursor is on (d: more)."""

    FULL = 0
    CLOSE = 1
    CURSOR = 2


@dataclass(frozen=True, slots=True)
class ConsentScreen:
    """One question on its way to an answer. `answer` is None until there is one."""

    question: ConsentQuestion
    now: datetime
    words: Mapping[str, tuple[str, str]] = field(default_factory=scope_words)
    ticked: frozenset[str] = frozenset()
    cursor: int = 0
    details: bool = False
    typing: bool = False
    typed: str = ""
    remark: str = ""
    listing: LookList | None = None
    struck: frozenset[str] = frozenset()
    touched_seconds: float = 0.0
    answer: ConsentAnswer | None = None

    @property
    def offered(self) -> tuple[str, ...]:
        """The wishes asked for, in the order of the screen."""
        return in_order(self.question.scopes)

    def after_key(self, key: str, elapsed_seconds: float) -> "ConsentScreen":
        """The screen once `key` was pressed, `elapsed_seconds` after it appeared."""
        screen = self.after_time(elapsed_seconds)
        if screen.answer is not None:
            return screen
        screen = replace(screen, remark="")
        if key == INTERRUPT:
            return replace(screen, answer=NO)
        if screen.listing is not None:
            return screen._read_on(screen.listing, key, elapsed_seconds)
        return screen._type(key, elapsed_seconds) if screen.typing else screen._choose(key, elapsed_seconds)

    def after_time(self, elapsed_seconds: float) -> "ConsentScreen":
        """The screen at this time: past the deadline the answer is a no that says so."""
        if self.answer is not None or elapsed_seconds < self._deadline:
            return self
        return replace(self, answer=ConsentAnswer(scopes=(), seconds=0, timed_out=True))

    def lines(self, elapsed_seconds: float, brevity: Brevity = Brevity.FULL) -> list[str]:
        """What the customer reads, top to bottom; every value of a peer is safe text. `brevity`: for a low window."""
        if self.listing is not None:
            return [f"  {line}" if line else "" for line in self.listing.lines(self._left(elapsed_seconds))]
        body = [*self._head(), "", *self._scopes(brevity), *self._more(brevity)]
        body += self._foot(elapsed_seconds)
        if self.remark:
            body.append(self.remark)
        body = body if brevity is Brevity.FULL else [line for line in body if line]
        return [f"  {line}" if line else "" for line in body]

    def _choose(self, key: str, elapsed_seconds: float) -> "ConsentScreen":
        if key in {"n", "N", ESCAPE}:
            return replace(self, answer=NO)
        if key in {"y", "Y"}:
            return self._yes(elapsed_seconds)
        if key in {"d", "D"}:
            return replace(self, details=not self.details)
        if key in {"l", "L"} and self._looks:
            return replace(self, listing=LookList(self._items, self.struck), touched_seconds=elapsed_seconds)
        if key in {UP, DOWN}:
            step = 1 if key == DOWN else -1
            return replace(self, cursor=(self.cursor + step) % max(1, len(self.offered)))
        if key == " " and self.offered:
            return self._toggle(self.cursor)
        if key.isdecimal() and len(key) == 1 and 1 <= int(key) <= len(self.offered):
            return self._toggle(int(key) - 1)
        return self

    def _read_on(self, listing: LookList, key: str, elapsed_seconds: float) -> "ConsentScreen":
        if key in CLOSING_KEYS:
            return replace(self, listing=None, struck=listing.struck, touched_seconds=elapsed_seconds)
        return replace(self, listing=listing.after_key(key), touched_seconds=elapsed_seconds)

    def _type(self, key: str, elapsed_seconds: float) -> "ConsentScreen":
        if key == ESCAPE:
            return replace(self, typing=False, typed="")
        if key == BACKSPACE:
            return replace(self, typed=self.typed[:-1])
        if key == ENTER:
            return self._name_typed(elapsed_seconds)
        if len(key) == 1 and key.isprintable() and len(self.typed) < MAX_TYPED:
            return replace(self, typed=self.typed + key)
        return self

    def _toggle(self, index: int) -> "ConsentScreen":
        return replace(self, ticked=self.ticked ^ {self.offered[index]}, cursor=index)

    def _yes(self, elapsed_seconds: float) -> "ConsentScreen":
        if not self.ticked and self.offered:
            return replace(self, remark=say("ask.nothing-ticked"))
        if not self.question.verified:
            return replace(self, typing=True)
        return self._allow(elapsed_seconds)

    def _name_typed(self, elapsed_seconds: float) -> "ConsentScreen":
        if self.typed.strip().rstrip(".").lower() != self.question.relay_host.lower():
            return replace(self, typed="", remark=say("ask.type-wrong"))
        return self._allow(elapsed_seconds)

    def _allow(self, elapsed_seconds: float) -> "ConsentScreen":
        left = self.question.wait_seconds - elapsed_seconds
        if left > 0:
            return replace(self, remark=say("ask.too-early", seconds=_whole(left)))
        scopes = tuple(scope for scope in self.offered if scope in self.ticked)
        welcome = bool(self.question.newcomer)
        seconds, struck = self.question.seconds, self.struck
        return replace(self, answer=ConsentAnswer(scopes=scopes, seconds=seconds, struck=struck, welcome=welcome))

    @property
    def _looks(self) -> bool:
        """A look is asked for, and what it reads is known."""
        return bool(self._items) and "diagnose" in self.offered

    @property
    def _items(self) -> tuple[PreviewItem, ...]:
        return () if self.question.preview is None else self.question.preview.items

    @property
    def _deadline(self) -> float:
        """Seconds from the screen's appearance to the no."""
        ask = self.question
        return min(self.touched_seconds, ask.reading_seconds) + ask.deadline_seconds

    def _left(self, elapsed_seconds: float) -> int:
        return _whole(max(0.0, self._deadline - elapsed_seconds))

    def _head(self) -> list[str]:
        ask = self.question
        names = {"organisation": ask.organisation, "name": ask.name, "ticket": ask.ticket, "subject": ask.subject}
        if ask.newcomer:
            return self._share_head(names)
        title = say("ask.further-title" if ask.further else "ask.title", **names)
        if ask.verified:
            who = say("ask.verified", name=ask.name, organisation=ask.organisation)
        else:
            who = say(self._vouched, name=ask.name, relay=ask.relay_host, ca=ask.ca_fingerprint)
        reason = [say("ask.reason", reason=ask.reason)] if ask.reason else []
        return [title, "", who, *reason, say("ask.question")]

    def _share_head(self, names: Mapping[str, HostileStr]) -> list[str]:
        """Two names: who asks, and who would come. Both certificates are of the same organisation."""
        ask = self.question
        both = {"name": ask.name, "newcomer": ask.newcomer}
        known = {
            "name": ask.newcomer,
            "organisation": ask.organisation,
            "relay": ask.relay_host,
            "ca": ask.ca_fingerprint,
        }
        return [
            say("ask.share-title", **names, newcomer=ask.newcomer),
            "",
            say("ask.verified" if ask.verified else self._vouched, **known),
            say(f"ask.share-{ask.part}", **both, until=self._until()),
            say("ask.share-question", name=ask.name),
        ]

    @property
    def _vouched(self) -> str:
        """The sentence for a name that nothing here proves: it is as good as whom the code was shared with."""
        return "ask.vouched-asked" if self.question.asked else "ask.vouched"

    def _until(self) -> str:
        return f"{(self.now + timedelta(seconds=self.question.seconds)).astimezone():%H:%M}"

    def _scopes(self, brevity: Brevity) -> list[str]:
        if not self.offered:
            return []
        lines: list[str] = [say("ask.wants", until=self._until())]
        shown = [wish_words(wish, self.words) for wish in self.offered]
        width = max((cells(title) for title, _ in shown), default=0)
        for index, (title, detail) in enumerate(shown):
            tick = "x" if self.offered[index] in self.ticked else " "
            mark = ">" if index == self.cursor and not self.typing else " "
            said = f"   {detail}" if brevity < Brevity.CURSOR or index == self.cursor else ""
            lines.append(f"{mark}{index + 1} [{tick}] {padded(title, width) if said else title}{said}")
        return lines

    def _more(self, brevity: Brevity) -> list[str]:
        lines = self._look_lines()
        if self.details:
            ask = self.question
            lines.append(say("ask.detail-ca", ca=ask.ca_fingerprint, relay=ask.relay_host))
        reaches = brevity < Brevity.CURSOR and {"terminal", "files:write"} & set(map(scope_of, self.offered))
        if self.details or reaches:
            terminal, write = self.words["terminal"][0], self.words["files:write"][0]
            lines.append(say("ask.detail-reach", terminal=terminal, write=write))
        return ["", *lines] if lines else []

    def _look_lines(self) -> list[str]:
        """What a look reads, in one line, and the key to the whole list."""
        preview = self.question.preview
        if preview is None or not self._looks:
            return []
        whole = preview.whole
        counts = {"items": len(preview.items), "reads": preview.reads, "struck": len(self.struck)}
        size = {"kib": max(1, whole.size_bytes // 1024), "seconds": _about(whole.seconds)}
        line = say("ask.look", **counts, **size, first=_about(preview.first.seconds))
        return [line, say("ask.look-struck", **counts)] if self.struck else [line]

    def _foot(self, elapsed_seconds: float) -> list[str]:
        left = self.question.wait_seconds - elapsed_seconds
        wait = say("ask.wait", seconds=_whole(left)) if left > 0 else ""
        deadline = self._left(elapsed_seconds)
        if self.typing:
            field_line = say("ask.type") + self.typed + "▏"
            return ["", field_line, say("ask.type-keys", wait=wait, deadline=deadline)]
        if self.question.verified and not self.offered:
            watch = {"newcomer": self.question.newcomer, "wait": wait, "deadline": deadline}
            return ["", say("ask.keys-watch", **watch)]
        numbers = "1" if len(self.offered) == 1 else f"1-{len(self.offered)}"
        others = say("ask.keys-others", numbers=numbers, deadline=deadline)
        if self.question.verified:
            return ["", say("ask.keys", wait=wait, others=others)]
        return ["", say("ask.keys-first", others=others)]


def open_screen(question: ConsentQuestion, now: datetime, *, ask_each: bool = False) -> ConsentScreen:
    """The screen as it first appears. `ask_each`: plans are asked one by one, and the words say so."""
    screen = ConsentScreen(question=question, now=now, words=scope_words(ask_each=ask_each))
    return replace(screen, ticked=frozenset(wish for wish in screen.offered if scope_of(wish) in TICKED_AT_FIRST))


def _about(seconds: float) -> str:
    """`0.4`, `12`: a time nobody knows exactly."""
    return f"{seconds:.1f}" if seconds < 3 else f"{seconds:.0f}"


def _whole(seconds: float) -> int:
    return int(-(-seconds // 1))
