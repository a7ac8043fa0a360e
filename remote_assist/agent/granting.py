"""What the customer said yes or no to, written down before it counts: the opening, the grants, a no.

Rule 1: grants enter only from the prompt's answer. Rule 2: each is acknowledged first, then in force.
"""

import asyncio
from collections.abc import Mapping

from remote_assist.agent.keeper import Keeper
from remote_assist.agent.people import People, Technician
from remote_assist.agent.record.recorder import Recorder
from remote_assist.agent.session_facts import CUSTOMER, SessionFacts
from remote_assist.core.consent import Granted, grants_of
from remote_assist.core.messages import Grant
from remote_assist.core.prompt import ConsentAnswer
from remote_assist.core.records import Opening, Outcome, RecordDraft, parse_time
from remote_assist.errors import RefusedError


class Granting:
    """The grants of one session."""

    def __init__(self, facts: SessionFacts, keeper: Keeper, recorder: Recorder, people: People) -> None:
        self._facts = facts
        self._keeper = keeper
        self._recorder = recorder
        self._people = people

    async def open(
        self, answer: ConsentAnswer, by: tuple[RecordDraft, Mapping[str, bytes]] | None = None
    ) -> tuple[Grant, ...]:
        """Write the opening and the consent down. `by` is written between them: what the answer rests on, when nobody
        was asked. Raises AuditUnavailable; then nothing was granted.
        """
        await self._recorder.append(self._opening())
        if by is not None:
            await self._recorder.append(*by)
        return await self.grant(answer, self._facts.technician.statement.seconds)

    async def deny(self, answer: ConsentAnswer) -> None:
        """Write a no down; it is delivered if the relay can be reached."""
        await self._recorder.append(self._opening())
        reason = "timed-out" if answer.timed_out else "denied"
        await self._recorder.append(
            RecordDraft(code="RA1002E", actor=CUSTOMER, outcome=Outcome(status="denied", reason=reason))
        )

    async def grant(
        self, answer: ConsentAnswer, asked_seconds: int, asked: tuple[str, ...] = (), *, key: str = ""
    ) -> tuple[Grant, ...]:
        """Turn a local answer into grants for the technician of `key` (else the first): recorded and acknowledged
        first, then in force.
        """
        person = self._people.by_key(key or self._facts.first.key)
        if person is None:
            raise RefusedError("whoever asked is not in the session any more", reason="transferred")
        seconds = min(asked_seconds, answer.seconds, self._facts.settings.max_consent_seconds)
        wishes = asked or self._facts.technician.statement.scopes
        return await self._grant(person, wishes, answer.scopes, seconds, answer.folders)

    async def _grant(
        self,
        person: Technician,
        asked: tuple[str, ...],
        allowed: tuple[str, ...],
        seconds: int,
        folders: tuple[str, ...] = (),
    ) -> tuple[Grant, ...]:
        now = self._keeper.moment()
        grants = grants_of(
            asked,
            allowed,
            seconds=seconds,
            limit=person.until,
            now=now.utc,
            key=person.key,
            first_number=self._keeper.given + 1,
            folders=folders,
        )
        self._keeper.given += len(grants)
        acknowledgements = [self._recorder.intent(self._consent_record(grant)) for grant in grants]
        await asyncio.gather(*acknowledgements)
        self._keeper.consent.check_open()
        self._keeper.happen(Granted(self._facts.id, grants, now))
        return grants

    async def grant_second(self, newcomer: Technician, wishes: tuple[str, ...]) -> tuple[Grant, ...]:
        """What the customer allowed a newcomer, in force from now on. Raises AuditUnavailable."""
        left = int((newcomer.until - self._keeper.moment().utc).total_seconds())
        return await self._grant(newcomer, wishes, wishes, min(left, self._facts.settings.max_consent_seconds))

    def _opening(self) -> RecordDraft:
        technician = self._facts.technician
        opening = Opening(
            statement=technician.statement_bytes,
            signature=technician.signature,
            certificate=technician.certificate.line,
            host_key=self._facts.host_key_line,
            lists=technician.lists_raw,
        )
        return RecordDraft(code="RA1000E", actor=self._facts.first.actor, opening=opening)

    def _consent_record(self, grant: Grant) -> RecordDraft:
        return RecordDraft(
            code="RA1001E",
            actor=CUSTOMER,
            scope=grant.scope,
            grant=grant.id,
            paths=grant.folders,
            target=", ".join(grant.places or ()),
            sizes={"seconds": round((parse_time(grant.until) - self._keeper.moment().utc).total_seconds())},
        )
