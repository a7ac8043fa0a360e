"""Writing records of one's own: signed here with the key one logs in with, kept by the relay, its answer checked.

Rule: what the relay says of the chain decides only where the next record goes; a wrong answer yields a record that
does not fit, never one that says something else. Two programs of one person at once: the later one tries again.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from remote_assist.core.log.chain import Chain, link
from remote_assist.core.log.organisation import persons_opening, sign_head
from remote_assist.core.messages import Acknowledgement, StoredRecord
from remote_assist.core.records import Actor, RecordDraft, record_hash, verify_acknowledgement
from remote_assist.errors import RefusedError, UsageError, VerificationError
from remote_assist.technician.api import RelayApi
from remote_assist.technician.login import Credential

ATTEMPTS = 3


class OwnRecords:
    """A person's chain at one log. `role`: as which they write; `log_keys`: public lines that vouch for keeping,
    the one the log began with first: it names the chain, whatever key signs now."""

    def __init__(
        self,
        api: RelayApi,
        credential: Credential,
        role: str,
        log_keys: Sequence[str],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._key = credential.key
        self._log_keys = tuple(log_keys)
        self._clock = clock
        self.chain, self._first = persons_opening(credential.key, credential.certificate, role, log_keys[0])
        self.actor: Actor = self._first.actor

    async def write(self, draft: RecordDraft) -> Acknowledgement:
        """Write one record and return when it is durable at the relay.

        Raises RefusedError (not allowed, held), VerificationError (the acknowledgement), UnreachableError.
        """
        for attempt in range(ATTEMPTS):
            offered = self._linked(await self._head(), draft)
            try:
                given = await self._api.new_records(offered)
            except RefusedError as error:
                if error.reason not in {"gap", "fork"} or attempt == ATTEMPTS - 1:
                    raise
            else:
                return self._checked(offered, given)
        raise AssertionError("the loop returns or raises")

    async def _head(self) -> Chain | None:
        try:
            found = await self._api.chain(self.chain)
        except UsageError:
            return None  # nothing was written yet
        return Chain(self.chain, found.records - 1, found.head)

    def _linked(self, head: Chain | None, draft: RecordDraft) -> tuple[StoredRecord, ...]:
        chain, drafts = (Chain(self.chain), (self._first, draft)) if head is None else (head, (draft,))
        stored = []
        for one in drafts:
            record, raw = link(chain, one, self._clock())
            stored.append(sign_head(self._key, record, raw))
            chain = Chain(self.chain, record.seq, record_hash(raw))
        return tuple(stored)

    def _checked(self, offered: tuple[StoredRecord, ...], given: tuple[Acknowledgement, ...]) -> Acknowledgement:
        hashes = [record_hash(one.record) for one in offered]
        if [one.hash for one in given] != hashes or any(one.session != self.chain for one in given):
            raise VerificationError("the relay acknowledged other records than those it was given", where=self.chain)
        for one in given:
            verify_acknowledgement(one, self._log_keys)
        return given[-1]
