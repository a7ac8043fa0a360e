"""What counts no more, as the organisation's CA said last: shown by the relay, believed for the signature.

Rule: what comes later only narrows what the session began with: further certificates and packs are revoked, keys that
sign packs go, none is added. The relay can withhold a list, and can show nothing that the CA did not sign.
"""

from collections.abc import Collection

from remote_assist.core.catalog.packs import PackTrust
from remote_assist.core.identity.lists import AnyList, PacksList, RevocationsList, TrustedLists, kind_of, open_list


class NewerLists:
    """The lists of one session: first those of its pairing, then whatever newer one is shown."""

    def __init__(self, lists: TrustedLists, *, ca_line: str) -> None:
        self._ca_line = ca_line
        self._numbers = dict(lists.numbers)
        self.revoked: Collection[int] = lists.revocations.serials
        """Serials of certificates that count no more."""
        self.packs = PackTrust(lists.packs.keys, lists.packs.revoked)
        """Whose packs count, and which do not."""

    def take(self, signed: bytes) -> AnyList | None:
        """What a newer list says, once it is in force; None for one that is not newer, or no business of a session.

        Raises VerificationError for what the session's CA did not sign.
        """
        shown = open_list(signed, ca_line=self._ca_line)
        kind = kind_of(shown)
        if shown.number <= self._numbers[kind]:
            return None
        match shown:
            case RevocationsList():
                self.revoked = shown.serials
            case PacksList():
                keys = tuple(key for key in self.packs.keys if key in shown.keys)
                self.packs = PackTrust(keys, tuple(dict.fromkeys((*self.packs.revoked, *shown.revoked))))
            case _:
                return None
        self._numbers[kind] = shown.number
        return shown
