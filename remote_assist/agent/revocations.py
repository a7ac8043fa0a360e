"""Which certificates count no more, as the organisation's CA said last; told by the relay, believed for the signature.

Rule: a list only ever narrows. The relay can withhold one, and can show nothing that the CA did not sign.
"""

from collections.abc import Collection

from remote_assist.core.identity.lists import RevocationsList, open_list
from remote_assist.core.identity.statement import VerifiedTechnician
from remote_assist.core.signing.keys import load_public


class Revocations:
    """The list of one session: first the one of its pairing, then whatever newer one is shown."""

    def __init__(self, technician: VerifiedTechnician) -> None:
        self._ca_line = load_public(technician.statement.organisation_ca)
        self._newest = technician.lists.revocations

    def newer(self, signed: bytes) -> Collection[int]:
        """Serials that a newer list revokes; none for another kind of list or one that is not newer.

        Raises VerificationError for what the session's CA did not sign.
        """
        shown = open_list(signed, ca_line=self._ca_line)
        if not isinstance(shown, RevocationsList) or shown.number <= self._newest.number:
            return ()
        self._newest = shown
        return shown.serials
