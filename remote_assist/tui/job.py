"""What the bridge does for a screen."""

from enum import StrEnum


class Job(StrEnum):
    """The value is what a person reads. `seconds`: how long a screen waits; the agent's own limits are shorter."""

    seconds: float

    def __new__(cls, words: str, seconds: float) -> "Job":
        job = str.__new__(cls, words)
        job._value_ = words
        job.seconds = seconds
        return job

    TICKETS = "load tickets", 60
    SESSIONS = "load sessions", 30
    NOTE = "write a note", 60
    TICKET = "load the ticket", 60
    NEW_TICKET = "open a ticket", 60
    INVITE = "make a support code", 60
    PAIRING = "wait for the customer", 900
    ACCEPT = "take the customer's code", 600
    CONNECT = "connect", 60
    STATUS = "ask for the state", 30
    COLLECT = "look at the computer", 1800
    FINDINGS = "evaluate known issues", 120
    FACTS = "read the bundle", 60
    LIST = "list a folder", 120
    LIST_HERE = "list a folder here", 60
    PEEK = "look into a file", 120
    MOVE = "move files", 24 * 3600
    RUN = "run a program", 8 * 3600
    PLAN = "plan a fix", 180
    APPLY = "apply a fix", 1800
    SCOPES = "ask the customer for more", 180
    LOG = "read the log", 60
    CHAT = "follow the chat", 24 * 3600
    SAY = "write to the customer", 60
    TRANSLATE = "translate a line", 30
    SEARCH = "search a text", 3600
    LOOK_UP = "search the facts", 60
    COMPARE = "compare two bundles", 120
    TEXTS = "read a text", 60
    TERMINAL = "open a terminal", 24 * 3600
    ARTICLES = "read the knowledge base", 60
    BUNDLES = "list the bundles of this machine", 60
    SHARE = "ask the customer to let a colleague in", 300
    RECORDINGS = "list what is recorded", 120
    REPLAY = "fetch a recording", 1800
    OUTBOX = "load the outbox", 30
    RETRY = "have notes tried again", 60
    MACHINES = "list the enrolled machines", 60
    CALL = "call a machine", 120
    PREVIEW = "prepare what goes onto the ticket", 120
    DISCLOSE = "put it onto the ticket", 900
    END = "end the session", 120
