"""What agent, technician and relay may say to each other outside SSH. The wire file: read this first.

    nameplate (technician)          join (agent)                     control (agent)
    WS /v1/nameplate                WS /v1/join/417203               WS /v1/agent
      ◀ NameplateAssigned             ◀ PeerJoined                     ◀ Challenge
      ◀ PeerJoined                                                     ▶ Join
      ▶◀ binary: PairingStart, PairingReply, PairingStatement,         ◀ Joined
               PairingVerdict, passed on unread                        ▶ Append …      ◀ Acknowledged | AppendRefused
      ▶ Burn                          ◀ PeerLeft                       ▶ StoreChunk …  ◀ ChunkStored | ChunkRefused
                                                                       ◀ StreamOffered
    WS /v1/sessions/{id}/stream (technician)   WS /v1/streams/{ticket} (agent)
      ◀ StreamOpened                             ◀ StreamOpened
      ▶◀ binary: frames of core/stream.py, spliced by the relay

Rule 1: a *text* message is between one end and the relay; a *binary* message is between the ends, and
the relay passes it on unread. Rule 2: unknown tags and unknown fields are refused (core/codec.py).
All are JSON; `bytes` fields are base64. Limits stand beside each field or in settings.py.
"""

import msgspec

PROTOCOL_VERSION = 1
"""In every key derivation and hello. There is one suite; nothing is negotiated down."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", kw_only=True):
    """Base of every message: frozen, tagged by class name, unknown fields refused."""


# --- pairing, end to end (binary; PROTOCOL 1) -----------------------------------------------------


class PairingStart(Message, frozen=True, tag="pairing-start"):
    """1, technician → agent. `x` is the SPAKE2 element (33 bytes with its side), `nonce` 32 bytes."""

    version: int
    x: bytes
    nonce: bytes


class PairingReply(Message, frozen=True, tag="pairing-reply"):
    """2, agent → technician. `sealed` is the AgentStatement; `mac` covers 1 and 2. Sending it burns the code."""

    version: int
    y: bytes
    nonce: bytes
    sealed: bytes
    mac: bytes


class PairingStatement(Message, frozen=True, tag="pairing-statement"):
    """4, technician → agent. `sealed` is the TechnicianEnvelope; `mac` covers 1 to 4."""

    sealed: bytes
    mac: bytes


class PairingVerdict(Message, frozen=True, tag="pairing-verdict"):
    """6, agent → technician. `sealed` is the Verdict; `mac` covers 1 to 6."""

    sealed: bytes
    mac: bytes


class EnrolmentWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A machine asks to be enrolled under `name`: plain lines of keys made for that (core/agreements/enrolment.py)."""

    name: str
    enrolment_key: str
    consent_key: str


class SignedEnrolment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The exact bytes of an Enrolment, the technician's signature (SSHSIG `enrol`) and certificate."""

    enrolment: bytes
    signature: str
    certificate: str


class EnrolmentProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An enrolled machine's proof for one pairing: SSHSIG `machine` by its enrolment key."""

    signed: SignedEnrolment
    signature: str


class AgentStatement(Message, frozen=True, tag="agent-statement"):
    """Sealed in 2. `host_key`: OpenSSH public key line, made for this session.

    `wish`: this machine asks to be enrolled; `proof`: it is enrolled and was called without a code.
    """

    host_key: str
    agent_version: str
    platform: str
    host_name: str
    checkpoint: str
    wish: EnrolmentWish | msgspec.UnsetType = msgspec.UNSET
    proof: EnrolmentProof | msgspec.UnsetType = msgspec.UNSET


class SignedStatement(Message, frozen=True, tag="signed-statement"):
    """What the technician signs (SSHSIG, namespace pair@remote-assist). Its bytes name the session."""

    version: int
    transcript: bytes
    agent_host_key: str
    session_key: str
    ticket: str
    subject: str
    scopes: tuple[str, ...]
    seconds: int
    relay: str
    organisation_ca: str


class TechnicianEnvelope(Message, frozen=True, tag="technician-envelope"):
    """Sealed in 4. `statement` is the exact bytes signed; `lists` are SignedList JSON (core/identity/lists.py).

    `enrolment`: the technician's yes to the machine's wish; then there is no session.
    """

    statement: bytes
    signature: str
    certificate: str
    lists: tuple[bytes, ...]
    enrolment: SignedEnrolment | msgspec.UnsetType = msgspec.UNSET


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One scope the customer allowed. `until` RFC 3339 UTC; `folders` narrows files:*, `places` forward and hop (as
    core/wishes.py spells them); `key` whom (fingerprint)."""

    id: str
    scope: str
    until: str
    key: str
    folders: tuple[str, ...] = ()
    places: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET


class Verdict(Message, frozen=True, tag="verdict"):
    """Sealed in 6. Granted when `grants` is not empty; else `reason` is denied, timed-out, unverified or enrolled."""

    grants: tuple[Grant, ...] = ()
    reason: str = ""
    sentence: str = ""


# --- relay to and from either end (text) ----------------------------------------------------------


class NameplateAssigned(Message, frozen=True, tag="nameplate"):
    """relay → technician: six digits that only route."""

    nameplate: str
    seconds: int


class PeerJoined(Message, frozen=True, tag="peer-joined"):
    """relay → both: the other end is here; binary messages pass from now on."""


class PeerLeft(Message, frozen=True, tag="peer-left"):
    """relay → the one who stayed. `reason`: gone, burned, expired, version."""

    reason: str


class Burn(Message, frozen=True, tag="burn"):
    """either end → relay: this nameplate is used up. `reason`: paired, wrong-code, malformed, refused, version."""

    reason: str


class RelayRefused(Message, frozen=True, tag="relay-refused"):
    """relay → either, then it closes. `reason` is a stable word, `sentence` and `advice` are for people."""

    reason: str
    sentence: str
    advice: str = ""


# --- agent's control connection (text) ------------------------------------------------------------


class Challenge(Message, frozen=True, tag="challenge"):
    """relay → agent. 32 bytes, good once, for this connection."""

    nonce: bytes


class Join(Message, frozen=True, tag="join"):
    """agent → relay: SSHSIG (namespace join@remote-assist) by the session's host key over `join_bytes`."""

    version: int
    session: str
    host_key: str
    signature: str


class Joined(Message, frozen=True, tag="joined"):
    """relay → agent. `records` is how many of the session's records the relay holds durably."""

    records: int
    relay_time: str


class StoredRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A record on its way: canonical bytes and the head signature over (session, seq, hash)."""

    record: bytes
    head: str


class Wrap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A session's content key, sealed by HPKE to one reviewer key. Outside hashes; erasing it erases the content."""

    key_id: str
    reviewer: str
    sealed: bytes


class Append(Message, frozen=True, tag="append"):
    """agent → relay: records in seq order, at most 64; `wraps` before their first use."""

    session: str
    records: tuple[StoredRecord, ...]
    wraps: tuple[Wrap, ...] = ()


class Acknowledgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The relay's signed promise that a record is durable.

    `time` RFC 3339 UTC, `index` global leaf index, `signature` SSHSIG (namespace ack@remote-assist) by the log
    key over `acknowledgement_bytes` (core/records.py).
    """

    session: str
    seq: int
    hash: str
    time: str
    index: int
    signature: str


class Acknowledged(Message, frozen=True, tag="acknowledged"):
    """relay → agent, only after commit."""

    acknowledgements: tuple[Acknowledgement, ...]


class AppendRefused(Message, frozen=True, tag="append-refused"):
    """relay → agent. Nothing from `seq` on was stored.

    `reason`: store-full, gap, fork, bad-signature, …
    """

    session: str
    seq: int
    reason: str
    sentence: str


class StoreChunk(Message, frozen=True, tag="store-chunk"):
    """agent → relay: the sealed bytes whose hash the acknowledged record `seq` names as `stored` (log/chunk.py)."""

    session: str
    seq: int
    body: bytes


class ChunkStored(Message, frozen=True, tag="chunk-stored"):
    """relay → agent, only after commit; also for one it had already."""

    session: str
    seq: int


class ChunkRefused(Message, frozen=True, tag="chunk-refused"):
    """relay → agent. `reason`: quota, store-full, no-record, mismatch. Passing ones are offered again."""

    session: str
    seq: int
    reason: str
    sentence: str


class StoreRoom(Message, frozen=True, tag="store-room"):
    """relay → agent, when it changes: how much room the relay's disk has (core/room.py): fine, warn, refuse, end."""

    level: str


class AskCheckpoint(Message, frozen=True, tag="ask-checkpoint"):
    """agent → relay: the log's last checkpoint, once it covers leaf `index` (-1: as it is).

    `since` is the size of the last one the agent saw (0: none); the answer proves that the log only grew.
    """

    since: int
    index: int = -1


class CheckpointGiven(Message, frozen=True, tag="checkpoint"):
    """relay → agent: `checkpoint`, a C2SP note ("": none in time), and `consistency`, the proof from `since`."""

    since: int
    checkpoint: str = ""
    consistency: tuple[bytes, ...] = ()


class AskProofs(Message, frozen=True, tag="ask-proofs"):
    """agent → relay: that the session's records from `start` on (at most 500) are in the tree of `size`."""

    start: int
    size: int


class ProofsGiven(Message, frozen=True, tag="proofs"):
    """relay → agent: `proofs` has the hashes for each record, in order; records newer than `size` are left out."""

    start: int
    size: int
    proofs: tuple[tuple[bytes, ...], ...] = ()


class AskSuccessions(Message, frozen=True, tag="ask-successions"):
    """agent → relay: how the log's keys followed each other; asked when a checkpoint is of a key not known yet."""


class SuccessionsGiven(Message, frozen=True, tag="successions"):
    """relay → agent: the notes (core/log/succession.py), in no order; none for a log whose key never changed."""

    notes: tuple[str, ...] = ()


class StreamOffered(Message, frozen=True, tag="stream-offered"):
    """relay → agent: a technician opened stream `stream`; dial /v1/streams/{ticket} (one use, 30 s)."""

    session: str
    stream: int
    epoch: int
    ticket: str


class StreamOpened(Message, frozen=True, tag="stream-opened"):
    """relay → both ends of a stream: the other end is there. Binary frames follow."""

    session: str
    stream: int
    epoch: int


class SessionClosed(Message, frozen=True, tag="session-closed"):
    """relay → agent: the relay holds the session's end record; the control connection may go."""

    session: str


class TicketClosed(Message, frozen=True, tag="ticket-closed"):
    """relay → agent: the ticket was closed, so the session is over. Ending only narrows: the agent believes it."""

    session: str


class ListGiven(Message, frozen=True, tag="list"):
    """relay → agent: the organisation's newest list of revoked certificates, or of packs (core/identity/lists.py).

    Whose certificate is revoked is out of the session at once, and a pack that counts no more is used no more. Only the
    CA's signature is believed.
    """

    signed: bytes


# --- an enrolled machine that waits to be called (text; WS /v1/standby) ---------------------------


class StandBy(Message, frozen=True, tag="stand-by"):
    """machine → relay, after its Challenge: who it is, and SSHSIG `standby` by its enrolment key over `join_bytes` of
    the relay's origin, the machine's id and the nonce."""

    version: int
    signed: SignedEnrolment
    signature: str


class StandingBy(Message, frozen=True, tag="standing-by"):
    """relay → machine: it can be called from now on."""

    machine: str


class Called(Message, frozen=True, tag="called"):
    """relay → machine: a technician waits at this nameplate; dial /v1/join/{nameplate}."""

    nameplate: str


ToMachine = Challenge | StandingBy | Called | RelayRefused

ToAgent = (
    Challenge
    | Joined
    | Acknowledged
    | AppendRefused
    | ChunkStored
    | ChunkRefused
    | StoreRoom
    | CheckpointGiven
    | ProofsGiven
    | SuccessionsGiven
    | StreamOffered
    | SessionClosed
    | TicketClosed
    | ListGiven
    | RelayRefused
)
FromAgent = Join | Append | StoreChunk | AskCheckpoint | AskProofs | AskSuccessions
Rendezvous = NameplateAssigned | PeerJoined | PeerLeft | Burn | RelayRefused
StreamControl = StreamOpened | RelayRefused
Pairing = PairingStart | PairingReply | PairingStatement | PairingVerdict
Sealed = AgentStatement | TechnicianEnvelope | Verdict | SignedStatement
