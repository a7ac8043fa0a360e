"""The log of a relay, put together: what keeps records, signs for them, forgets what is old, and tells others."""

import socket
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass

from relay.links.appends import Appends
from relay.log.chains import Chains
from relay.log.checkpoints import Checkpoints
from relay.log.chunks import Chunks
from relay.log.ledger import Ledger
from relay.log.retention import Retention, consequences
from relay.log.rotation import Rotation
from relay.parts.ground import Ground
from relay.parts.tickets import Delivery
from relay.push.live import Push, open_pushes
from relay.storage.data_folder import read_cosign_seed
from relay.tickets.session_proofs import SessionProofs
from relay.witness.anchors import Anchor, open_anchors


@dataclass(frozen=True, slots=True)
class LogParts:
    """The parts others ask, and those that only work."""

    appends: Appends
    checkpoints: Checkpoints
    chains: Chains
    chunks: Chunks
    retention: Retention
    rotation: Rotation
    proofs: SessionProofs
    pushes: tuple[Push, ...]
    anchors: tuple[Anchor, ...]

    def works(self) -> Iterator[Coroutine[None, None, None]]:
        """What runs as long as the relay serves."""
        yield self.checkpoints.work()
        yield self.proofs.work()
        yield self.retention.work()
        yield self.rotation.work()
        yield from (push.work() for push in self.pushes)
        yield from (anchor.work() for anchor in self.anchors)


async def open_log(ground: Ground, delivery: Delivery, *, accept_rollback: bool) -> LogParts:
    """Catch up with the database and compare it with what was signed.

    Raises VerificationError for a log that lost something, ContentError, AuditUnavailable.
    """
    settings, store, clock = ground.settings, ground.store, ground.clock
    ledger = Ledger(ground.keys, clock=clock)
    store.on_undo(ledger.forget)
    await store.write(ledger.catch_up)
    checkpoints = Checkpoints(
        store,
        ground.keys,
        settings.data,
        clock=clock,
        interval_seconds=settings.checkpoint_interval_seconds,
        several=ground.nodes.several,
        cosign_seed=read_cosign_seed(settings.data),
    )
    ordered = consequences(lambda: chunks.forget(), clock)
    chains = Chains(store, ledger, checkpoints, ground.trust, ground.keys, clock=clock, consequences=ordered)
    await checkpoints.start(chains.write if accept_rollback else None)
    chunks = Chunks(
        store,
        chains.write,
        clock=clock,
        session_bytes=settings.chunk_bytes_per_session,
        all_bytes=settings.chunk_bytes,
    )
    retention = Retention(
        store,
        chains,
        settings.retention,
        clock=clock,
        destroyed=chunks.forget,
        interval_seconds=settings.retention_interval_seconds,
    )
    rotation = Rotation(
        ground.keys,
        ground.trust,
        store,
        chains,
        checkpoints,
        clock=clock,
        overlap_seconds=settings.log_key_overlap_seconds,
    )
    await rotation.look()
    return LogParts(
        appends=Appends(store, ledger, delivery.outbox, checkpoints, ground.trust, origins=ground.origins, clock=clock),
        checkpoints=checkpoints,
        chains=chains,
        chunks=chunks,
        retention=retention,
        rotation=rotation,
        proofs=SessionProofs(store, checkpoints, settings.data, clock=clock, written=delivery.courier.notice),
        pushes=open_pushes(
            settings.push, store, checkpoints, chains, settings.data, host_name=socket.gethostname(), clock=clock
        ),
        anchors=open_anchors(settings.anchors, store, checkpoints, chains, settings.data, clock=clock),
    )
