"""What redaction looks for: two tables of detectors. Data of core/redaction.py.

Rule 1: `secret`, `key` and `token` are taken out always, the other classes only in the strict profile.
Rule 2: a pattern that is easy to hit by chance has a validator (Luhn, mod 97, a parsed address).
"""

from remote_assist.core.detect.detectors_personal import PERSONAL
from remote_assist.core.detect.detectors_secret import SECRETS

SECRET_CLASSES = frozenset({"key", "token", "secret"})
"""Taken out in every profile; a bundle that still holds one is not sent."""

RANK = {"key": 9, "token": 8, "secret": 7, "card": 6, "iban": 6, "id": 5, "mail": 4, "ip": 3, "mac": 3, "phone": 2}
"""Which class names a span when two detectors hit the same text; classes not listed rank 1."""

DETECTORS = (*SECRETS, *PERSONAL)
