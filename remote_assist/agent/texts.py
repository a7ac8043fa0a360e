"""Every sentence the customer reads, in one table, so that it can be translated and read as a whole.

Rule 1: `say` is the only way a text reaches the screen, and every value put into one goes through `safe_text`.
Rule 2: the language is the customer's, chosen once when their program starts; each other language is a table of the
same names (texts_de.py …), and a test fails where one is missing. What a peer or the system says stays as it was said.
"""

import importlib
import re
from collections.abc import Mapping
from typing import NamedTuple

from remote_assist.core.hostile import HostileStr, SafeStr, safe_text
from remote_assist.core.wishes import place_of, scope_of
from remote_assist.errors import AssistError

MAX_VALUE_CHARS = 200
"""Longest value of a peer shown inside a sentence; the end is cut and marked."""

TEXTS: Mapping[str, str] = {
    # the code
    "code.ask": "Support code (six digits and three words): ",
    "code.connecting": "Connecting to {relay} …",
    "code.waiting": "Waiting for the technician …",
    "code.pairing": "Checking the code with the technician …",
    # the code the customer made
    "asked.title": "Read this code to the person you called, and to nobody else:",
    "asked.say": "say  “{spoken}”",
    "asked.digits": "zero one two three four five six seven eight nine",
    "asked.never": "Did you call us? Never give this code to somebody who called you: we never call you first.",
    "asked.if-told": "If somebody rang you up or wrote to you and told you to run this, press Esc.",
    "asked.left": "waiting … {minutes}:{seconds} left    Esc or Ctrl-C take the code back",
    # the consent screen
    "ask.title": "{organisation} asks for help with: {ticket} {subject}",
    "ask.further-title": "{name} asks for more in: {ticket} {subject}",
    "ask.share-title": "{name} asks to let {newcomer} into: {ticket} {subject}",
    "ask.share-observer": "{newcomer} would only watch what is done and could do nothing, until {until}.",
    "ask.share-active": "{newcomer} would take part beside {name}.",
    "ask.share-successor": "{newcomer} would go on instead of {name}, who then has no access any more.",
    "ask.share-question": "Do you want that? You do not have to: {name} can go on alone.",
    "ask.welcomed": "You let {newcomer} in.",
    "ask.keys-watch": "y let {newcomer} in{wait}    d details    n no (also if you do nothing for {deadline} s)",
    "ask.verified": "{name}, {organisation} (certificate verified)",
    "ask.vouched": '"{name}" is vouched for only by whoever gave you the code. Relay: {relay}, CA {ca}',
    "ask.vouched-asked": '"{name}" is vouched for only by the person you told the code. Relay: {relay}, CA {ca}',
    "ask.question": (
        "Did you ask for this? We never call you first. If somebody rang you up and told you to run this, press n."
    ),
    "ask.reason": "The technician says why: {reason}",
    "ask.wants": "wants to, until {until}:",
    "ask.detail": "{detail}",
    "ask.keys": "y allow what is ticked{wait}    {others}",
    "ask.keys-first": "y go on with what is ticked    {others}",
    "ask.keys-others": "{numbers} or space tick    d details    n no (also if you do nothing for {deadline} s)",
    "ask.wait": " (in {seconds} s)",
    "ask.type": "To go on, type the relay's name as you know it from a bill or letter: ",
    "ask.type-keys": "Enter to allow{wait}    Esc back    Ctrl-C no (also if you do nothing for {deadline} s)",
    "ask.type-wrong": "That is not the name of the relay this program is connected to.",
    "ask.nothing-ticked": "Nothing is ticked. Tick what you allow, or press n.",
    "ask.too-early": "Please read first: y works in {seconds} s.",
    "ask.look": (
        "Looking: at most {items} things by {reads} commands and files, {kib} KiB; a first look "
        "takes about {first} s, everything {seconds} s. l lists them, to strike what is not to be read."
    ),
    "ask.look-struck": "You struck {struck} of {items}: they are not read.",
    "look.title": "All that a look may read here (row {row} of {rows}, {struck} struck)",
    "look.keys": (
        "space strike or take back    n next    ↑ ↓ PgUp PgDn move    Enter back (nothing pressed for {deadline} s: no)"
    ),
    "ask.detail-ca": "Organisation's CA {ca}; relay {relay}.",
    "ask.detail-reach": (
        'What runs under "{terminal}" or "{write}" can reach beyond this program and go on after the session; '
        "the record of it ends with the last line this program could write."
    ),
    "ask.allowed": "You allowed: {scopes}, until {until}.",
    "ask.denied": "You said no. Nothing was done.",
    "ask.timed-out": "No answer in {seconds} s, so the answer is no. Nothing was done.",
    # what only the customer can type
    "typed.keys": "Enter to go on    Esc no (also if you do nothing for {deadline} s)",
    "hop.key": "The machine {place} shows this key for the first time: {fingerprint}",
    "hop.key-compare": "Compare it with what the machine's owner tells you, or with its console. Only then type yes.",
    "hop.key-label": "Is it the right one? ",
    "hop.password": "{name} wants to reach {place} through this computer.",
    "hop.password-whose": "Only you see what you type; it is used once and kept nowhere.",
    "hop.password-label": "Password of {user}: ",
    "root.why": "{name} {what}. This needs an administrator.",
    "root.label": "Your own password on this computer: ",
    # plans
    "plan.title": "Plan: {title} (risk: {risk})",
    "plan.step": "{number}  {step}",
    "plan.keys": "y run exactly this    n no (also if you do nothing for {deadline} s)    {digest}",
    "plan.allowed": "You allowed this plan.",
    "plan.denied": "You did not allow this plan. Nothing was done.",
    "ask-step.title": 'The fix "{title}" is at work and needs you:',
    "ask-step.keys": "y yes, done    n no, undo the fix (also if you do nothing for {deadline} s)",
    "screen.title": "{name} asks for one picture of this screen, as it is now.",
    "screen.keys": "y take it and send it    n no (also if you do nothing for {deadline} s)",
    "screen.taken": "One picture of this screen is sent to the technician; the next one is asked about again.",
    "restart.now": 'The fix "{title}" restarts this computer now. Start this program again afterwards.',
    "restart.helped": 'The fix "{title}" helped: looked at after the restart.',
    "restart.did-not-help": 'The fix "{title}" did not help: {why}',
    "pack.refused": "not used: {why}",
    "undo.title": 'The fix "{title}" was stopped in the middle. Undo what it did?',
    "undo.step": "undo: {step}",
    "undo.keys": "y undo it    n leave it as it is (also if you do nothing for {deadline} s)",
    "undo.done": "what the fix did was undone",
    "undo.failed": "not everything could be undone: {sentence}",
    "undo.left": "the half-applied fix is left as it is",
    # while the session runs
    "live.keys": "Session {session} runs until {until}. Press e (or Ctrl-C) to end it at once.",
    "live.foot": "e end at once    p pause    c write to the technician",
    "live.foot-paused": "PAUSED    p go on    e end    c write to the technician",
    "live.paused": "you paused: what ran was stopped, nothing new starts until you press p",
    "live.resumed": "you let it go on",
    "live.resuming": "going on",
    "live.granted": "allowed: {scopes} until {until}",
    "live.joined-observer": "{name} is here and watches",
    "live.joined-active": "{name} is here and takes part",
    "live.left": "{name} is out of the session",
    "live.log-differs": "WARNING: {fault}",
    "live.link-lost": "connection to the relay lost; nothing new can start until it is back",
    "live.reconnecting": "the technician's connection is cut; reconnecting… since {since}; what runs goes on",
    "live.reconnected": "the technician's connection is back; it was cut at {since}",
    "live.link-back": "connection to the relay is back",
    "live.began": "{what}",
    "live.ended": "{what}: {status}",
    "live.ended-sentence": "{what}: {status} ({sentence})",
    "live.refused": "refused: {what}: {why}",
    "status.aborted": "broken off",
    "status.cancelled": "stopped",
    "status.cut": "cut off",
    "status.denied": "not allowed",
    "status.done": "done",
    "status.failed": "did not work",
    "status.refused": "refused",
    "status.resolved": "mended",
    "status.rolled-back": "undone",
    "status.restarting": "goes on after a restart",
    "why.not-allowed": "you have not allowed this",
    "live.survivors": "left running by the technician's programs, ended now: {names}",
    "live.shell-line": "│ {line}",
    "live.shell-left-out": "│ … {count} more lines went by",
    "live.no-recording": "the recording cannot go on, so the terminal was closed: {why}",
    "disk.here": "this computer's disk",
    "disk.relay": "the relay's disk",
    "disk.low": "WARNING: {where} has little room left for the record",
    "disk.ends": "{where} has no room left for the record: nothing new begins; in {seconds} s the session ends",
    "disk.fine": "there is room for the record again",
    "live.expired": "your consent to {scopes} has ended",
    # the chat
    "chat.theirs": "{name}: {text}",
    "chat.yours": "you: {text}",
    "chat.unsent": "not sent: {why}",
    "chat.prompt": "to the technician (Enter sends, Esc leaves): ",
    # what actions are called
    "strike.title": "{count} things would be looked at, about {seconds} s and {kib} KiB; every command and file:",
    "strike.ask": "Numbers of what is not to be read (Enter: read all, Esc: read nothing): ",
    "strike.struck": "left out: {count}",
    "what.bundle": "looks at this computer's state ({bundle})",
    "what.save": "saves a redacted bundle as {path}",
    "what.tell": "tells {target} about an alarm",
    "what.run": "runs {program}",
    "what.shell-string": "runs a command line with {program}",
    "what.shell": "opens a terminal with {program}; what it shows is recorded",
    "what.screenshot": "takes one picture of the screen",
    "what.list": "lists {path}",
    "what.list-many": "lists {count} folders in {path}",
    "what.read": "reads {path}",
    "what.read-many": "reads {count} files in {path}",
    "what.write": "writes {path}",
    "what.read-write": "reads and writes {path}",
    "what.rename": "renames {path} to {new}",
    "what.remove": "removes {path}",
    "what.make-folder": "makes the folder {path}",
    "what.remove-folder": "removes the folder {path}",
    "what.change": "changes size, owner, mode or times of {path}",
    "what.link": "makes the link {path} to {target}",
    "what.look": "looks whether {path} is there",
    "what.plan": "prepares the fix {fix}",
    "what.undo": "undoes the fix {fix}",
    "what.apply": "runs the fix {fix}",
    "what.hop": "reaches {place}",
    "what.there": "{what} on {place}",
    "what.elevate": "becomes administrator: {what}",
    "what.forward": "connects to {endpoint}",
    "what.share": "asks to let {name} in",
    "what.attach": "came as a second technician",
    "what.door": "tried {door}",
    "what.chat": "writes to you",
    "what.disclose-internal": "puts {name} ({size} bytes) on the ticket; the organisation reads it",
    "what.disclose-customer": "puts {name} ({size} bytes) on the ticket; you can read it there too",
    "what.scopes": "asks for {scopes}",
    # the end
    "end.local": "You ended the session.",
    "end.technician": "The technician ended the session.",
    "end.expired": "The time you allowed is over; the session has ended.",
    "end.signal": "This program was told to stop; the session has ended.",
    "end.distrust": "The relay's log does not hold; the session has ended. The evidence is kept in {folder}.",
    "end.ticket": "The ticket of this session was closed; the session has ended.",
    "end.revoked": "The organisation has revoked the certificate of your technician; the session has ended.",
    "end.relay": "The relay does not take this session (any more); it has ended.",
    "end.disk-full": "There was no room left to write down what happens; the session has ended.",
    "end.undelivered": "Records that could not be delivered: {count}; they are kept in {folder}.",
    "end.receipt": "Receipt: {path}",
    "recover.found": "Session {session} was open when this program last stopped; it is being closed.",
    "recover.incomplete": "It is not known how this ended: {what}",
    "recover.torn": "Session {session}: {torn}; it was never acted upon.",
    "recover.failed": "Session {session} of an earlier start could not be closed: {why}",
    # no screen
    "unattended.first-contact": (
        "the organisation's CA is not known here, and without a terminal nobody can type the relay's name"
    ),
    "unattended.no-answer": "there is no terminal to ask at, and --accept was not given",
}
"""Name → sentence. Names are `where.what`."""

SCOPE_WORDS: Mapping[str, tuple[str, str]] = {
    "diagnose": (
        "look at this computer's state",
        "programs, disks, network, logs; what we recognise as secret is removed",
    ),
    "files:read": ("read files you name", "each is listed here when it is read; nothing is removed from them"),
    "files:write": ("put files on this computer", "each is listed here; it can change how this computer works"),
    "fix": ("change things by known fixes", "you see each plan before it runs"),
    "terminal": ("run programs as you", "can do whatever you can do here, and what it starts may go on afterwards"),
    "forward": ("reach a service through this computer", "only the addresses named to you"),
    "hop": ("reach another computer through this one", "only the computers named to you"),
}
"""Scope → what it is called and what it allows, in plain words."""

FIX_WITHOUT_ASKING = ("change things by known fixes", "each is listed here when it runs; risky ones ask you first")
"""The words for `fix` when plans of up to medium risk are not asked one by one (no `--ask-each`)."""


class Language(NamedTuple):
    """One language's sentences, what scopes are called, and `fix` when plans are not asked one by one."""

    texts: Mapping[str, str]
    scopes: Mapping[str, tuple[str, str]]
    fix_without_asking: tuple[str, str]


ENGLISH = Language(TEXTS, SCOPE_WORDS, FIX_WITHOUT_ASKING)

LANGUAGES = ("en", "de", "es", "fr", "ja")
"""What can be chosen; English is what nobody chose."""

_LOCALE_VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
_chosen = ENGLISH


def use_language(code: str) -> None:
    """Speak this language from now on. Raises KeyError for one that is not in LANGUAGES."""
    global _chosen  # one customer, one program, one language: as gettext does it
    _chosen = language(code)


def language(code: str) -> Language:
    """The table of one language. Raises KeyError for one that is not in LANGUAGES."""
    if code not in LANGUAGES:
        raise KeyError(code)
    if code == "en":
        return ENGLISH
    table = importlib.import_module(f"remote_assist.agent.translations.{code}")
    return Language(table.TEXTS, table.SCOPE_WORDS, table.FIX_WITHOUT_ASKING)


def language_of(environment: Mapping[str, str]) -> str:
    """The language the system is set to (POSIX locale variables, the first one set); English when it is not ours."""
    value = next((environment[name] for name in _LOCALE_VARIABLES if environment.get(name)), "")
    for wanted in value.split(":"):
        code = re.split(r"[_.@-]", wanted, maxsplit=1)[0].lower()
        if code in LANGUAGES:
            return code
    return "en"


def say(name: str, /, **values: object) -> SafeStr:
    """The text `name` with its values, each made safe. Raises KeyError for a text or value that is not there."""
    text = _chosen.texts[name] if name in _chosen.texts else TEXTS[name]
    return SafeStr(text.format(**{key: _safe(value) for key, value in values.items()}))


def status_words(status: str) -> SafeStr:
    """How an action ended, for the customer; a word that is in no table stays as it is."""
    name = f"status.{status}"
    return say(name) if name in TEXTS else _safe(status)


def why_refused(error: AssistError) -> SafeStr:
    """Why something was refused: in the customer's language where it is about their own consent."""
    return say("why.not-allowed") if getattr(error, "reason", "") == "out-of-scope" else _safe(error.message)


def scope_words(*, ask_each: bool = True) -> Mapping[str, tuple[str, str]]:
    """Scope → what it is called and what it allows. `ask_each`: plans are asked one by one."""
    return _chosen.scopes if ask_each else {**_chosen.scopes, "fix": _chosen.fix_without_asking}


def wish_title(wish: str) -> str:
    """What a wish is called, with the place it names."""
    words = scope_words()
    return wish_words(wish, words)[0] if scope_of(wish) in words else _safe(wish)


def wish_words(wish: str, words: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
    """What a wish is called and what it allows; a place it names is part of the name."""
    title, detail = words[scope_of(wish)]
    place = place_of(wish)
    return (f"{title}: {_safe(place)}" if place else title), detail


def _safe(value: object) -> SafeStr:
    raw = value if isinstance(value, str | bytes) else str(value)
    text = safe_text(HostileStr(raw) if isinstance(raw, str) else raw)
    return text if len(text) <= MAX_VALUE_CHARS else SafeStr(text[: MAX_VALUE_CHARS - 1] + "…")
