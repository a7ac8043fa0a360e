"""Reads the whole log for reviews and reports: all leaves, then the records of the time asked for, each verified."""

import argparse

from remote_assist.audit.own_chain import ChainReport
from remote_assist.audit.verify import SessionReport
from remote_assist.audit.whole_log import (
    FIRST_TIME,
    LAST_TIME,
    ChainLog,
    Entry,
    Leaf,
    SessionLog,
    TicketFacts,
    WholeLog,
    check_at_leaf,
    read_leaves,
)
from remote_assist.commands.audit.fetch import (
    Fetched,
    Report,
    current_checkpoint,
    each,
    own_home,
    readable,
    verify_records,
)
from remote_assist.commands.audit.trust import Trust, Unsealer
from remote_assist.commands.progress_line import ProgressLine
from remote_assist.core.api import ChainSummary, LoggedRecord, SessionSummary
from remote_assist.core.identity.lists import RevocationsList, open_list
from remote_assist.errors import VerificationError
from remote_assist.technician.api import RelayApi


def add_period(parser: argparse.ArgumentParser) -> None:
    """`--since`, `--until`."""
    parser.add_argument("--since", default=FIRST_TIME, metavar="TIME", help="records from this time on (2026-03-01)")
    parser.add_argument("--until", default=LAST_TIME, metavar="TIME", help="records before this time")


async def read_whole(arguments: argparse.Namespace, api: RelayApi, trust: Trust) -> WholeLog:
    """The log, proved against its checkpoint. Raises VerificationError when its leaves are not the signed tree's."""
    lists = await api.lists()
    checkpoint = await current_checkpoint(api, trust)
    if checkpoint is None:
        raise VerificationError(
            "no log key is vouched for, so nothing proves the log",
            where="checkpoint",
            advice="Name the relay's log key (--log-key KEY.pub) or the organisation's CA key (--ca CA.pub).",
        )
    leaves = read_leaves([bundle async for bundle in api.entries(checkpoint.size)], checkpoint)
    sessions = [one async for one in api.each_session(until=arguments.until if arguments.until != LAST_TIME else "")]
    wanted = [one for one in sessions if not one.ended or one.ended >= arguments.since]
    reader = _Reader(api, trust, trust.with_lists(lists), leaves, strict=arguments.strict)
    session_logs, chain_logs = await reader.read([*wanted, *await api.chains()])
    return WholeLog(
        checkpoint,
        leaves,
        session_logs,
        chain_logs,
        arguments.since,
        arguments.until,
        await ticket_facts(api),
        _revoked(lists, trust),
        _opened(arguments, session_logs),
    )


async def ticket_facts(api: RelayApi) -> tuple[TicketFacts, ...]:
    """What reports about incidents take from the tickets, as the relay knows them: dates, and who asked for help."""
    return tuple(
        TicketFacts(
            ticket=one.id,
            subject=one.subject,
            opened=one.opened,
            closed=one.closed,
            requester=one.requester,
        )
        for one in await api.tickets()
    )


NOBODY = Trust((), None)
"""Proofs come from the leaves here, so no checkpoint is asked for session by session."""


class _Reader:
    """Reads and verifies one log after the other."""

    def __init__(
        self, api: RelayApi, trust: Trust, log_keys: tuple[str, ...], leaves: tuple[Leaf, ...], *, strict: bool
    ) -> None:
        self._api = api
        self._trust = trust
        self._log_keys = log_keys
        self._leaves = leaves
        self._strict = strict
        self._progress = ProgressLine()

    async def read(
        self, wanted: list[SessionSummary | ChainSummary]
    ) -> tuple[tuple[SessionLog, ...], tuple[ChainLog, ...]]:
        """All of them."""
        sessions, chains, done = [], [], 0
        async for fetched in each(self._api, wanted, NOBODY, None):
            done += 1
            self._progress.say(f"reading and verifying {done} of {len(wanted)}")
            report, fault = self._verified(fetched)
            entries = tuple(map(_entry, _readable_pairs(fetched.records)))
            summary = fetched.summary
            if isinstance(summary, ChainSummary):
                chains.append(ChainLog(summary, entries, report if isinstance(report, ChainReport) else None, fault))
            else:
                held = report if isinstance(report, SessionReport) else None
                sessions.append(SessionLog(summary, entries, held, fault, tuple(fetched.wraps)))
        self._progress.clear()
        return tuple(sorted(sessions, key=lambda one: (one.summary.opened, one.summary.id))), tuple(chains)

    def _verified(self, fetched: Fetched) -> tuple[Report | None, str]:
        try:
            report = verify_records(fetched, self._log_keys, self._trust.ca_line, own_home(), strict=self._strict)
            for one in fetched.records:
                check_at_leaf(one.acknowledgement, self._leaves)
        except VerificationError as error:
            return None, error.message
        return report, ""


def _readable_pairs(logged: list[LoggedRecord]) -> list[LoggedRecord]:
    return [one for one in logged if readable([one])]


def _entry(one: LoggedRecord) -> Entry:
    return Entry(readable([one])[0], one.acknowledgement)


def _revoked(lists: tuple[bytes, ...], trust: Trust) -> tuple[int, ...]:
    if trust.ca_line is None:
        return ()
    opened = [open_list(raw, ca_line=trust.ca_line) for raw in lists]
    return tuple(serial for one in opened if isinstance(one, RevocationsList) for serial in one.serials)


def _opened(arguments: argparse.Namespace, sessions: tuple[SessionLog, ...]) -> dict[tuple[str, int, str], bytes]:
    """What `--unseal` opens, by session, seq and field."""
    found: dict[tuple[str, int, str], bytes] = {}
    if getattr(arguments, "unseal", None) is None:
        return found
    for log in sessions:
        unsealer = Unsealer.of(arguments.unseal, log.wraps)
        assert unsealer is not None
        for entry in log.entries:
            for name, one in unsealer.disclose(entry.record).items():
                found[log.summary.id, entry.record.seq, name] = one.value
    return found
