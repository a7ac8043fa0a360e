"""Disclosures: what of a session's sealed content a technician puts on the ticket, as agent and technician name it.

Rule: what is told in clear is the kind, its size, who will read it and the ids of known issues (they are the
catalog's); the name and the digest of a file are sealed in the record.
"""

import re

from remote_assist.core.requests import Disclose, Disclosed
from remote_assist.errors import RefusedError

FINDINGS, FILE, BUNDLE, TEXT, SCREENSHOT = "findings", "file", "bundle", "text", "screenshot"
KINDS = (FINDINGS, FILE, BUNDLE, TEXT, SCREENSHOT)
"""What can be disclosed."""

INTERNAL, CUSTOMER = "internal", "customer"
READERS = (INTERNAL, CUSTOMER)
"""Who will read it on the ticket: the organisation alone, or the customer too."""

STATUSES = ("done", "failed")
"""How the technician's program says it ended."""

MAX_ISSUES = 50
MAX_NAME_CHARS = 200
MAX_WHERE_CHARS = 200
_ISSUE = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_disclosure(request: Disclose) -> None:
    """Raise RefusedError for what no record could tell truly."""
    if request.kind not in KINDS or request.readers not in READERS:
        raise RefusedError("this is not a disclosure this agent knows", reason="out-of-scope")
    if not _SHA256.fullmatch(request.sha256) or not 0 <= request.size < 1 << 40:
        raise RefusedError("the disclosure does not say what it holds", reason="malformed")
    if len(request.issues) > MAX_ISSUES or not all(map(_ISSUE.fullmatch, request.issues)):
        raise RefusedError(f"a disclosure names at most {MAX_ISSUES} known issues, by their ids", reason="malformed")
    if len(request.name) > MAX_NAME_CHARS or len(request.where) > MAX_WHERE_CHARS:
        raise RefusedError("the disclosure's name is too long", reason="malformed")


def catalog_of(request: Disclose) -> str:
    """What the record says in clear: the kind and who reads it, then the known issues."""
    return ",".join((f"{request.kind}:{request.readers}", *request.issues))


def check_outcome(said: Disclosed) -> Disclosed:
    """What the technician's program says came of it. Raises RefusedError."""
    if said.status not in STATUSES or len(said.remote) > MAX_NAME_CHARS or len(said.sentence) > MAX_WHERE_CHARS:
        raise RefusedError("the disclosure's outcome cannot be read", reason="malformed")
    return said
