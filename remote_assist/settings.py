"""Every tunable number and path, one frozen dataclass a program, defaults visible, units in the names.

This file holds values only. Files and environment are read by the composition root (cli, relay.__main__).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20

DEFAULT_SCOPES = ("diagnose", "files:read", "fix")
"""What `invite` asks for when nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class PairingSettings:
    """Limits of support codes; each end keeps them on its own clock."""

    code_lifetime_seconds: int = 600
    handshake_deadline_seconds: float = 20.0
    consent_deadline_seconds: int = 60
    reading_seconds: int = 240
    """How much longer a customer may take who reads what would be looked at."""

    failures_before_lock: int = 3
    failure_window_seconds: int = 3600
    verified_wait_seconds: float = 3.0
    first_contact_wait_seconds: float = 10.0
    message_max_bytes: int = 64 << 10


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """The customer's side."""

    home: Path
    relay_url: str
    other_relay_urls: tuple[str, ...] = ()
    ca_file: Path | None = None
    tls_ca_file: Path | None = None
    winrm_certificate: Path | None = None
    """A client certificate and its key (PEM, one file) for Windows machines behind this one."""
    proxy_url: str = ""
    acknowledgement_deadline_seconds: float = 10.0
    outage_grace_seconds: float = 60.0
    record_input: bool = False
    keep_bundles: bool = True
    keep_files: bool = False
    keep_bytes: int = 64 * MIB
    disk_warn_bytes: int = 4 * MIB
    disk_refuse_bytes: int = 256 << 10
    disk_end_bytes: int = 128 << 10
    resume_patience_seconds: float = 900.0
    journal_days: int = 30
    max_consent_seconds: int = 8 * 3600
    max_channels: int = 32
    pairing: PairingSettings = PairingSettings()


@dataclass(frozen=True, slots=True)
class TechnicianSettings:
    """The technician's side."""

    home: Path
    relay_url: str
    other_relay_urls: tuple[str, ...] = ()
    tls_ca_file: Path | None = None
    proxy_url: str = ""
    connect_deadline_seconds: float = 20.0
    request_deadline_seconds: float = 60.0
    away_patience_seconds: float = 10.0
    resume_patience_seconds: float = 900.0
    pairing: PairingSettings = PairingSettings()


@dataclass(frozen=True, slots=True)
class TicketSystemSettings:
    """One table `[ticket_systems.NAME]` of the relay's settings file (docs/tickets.md)."""

    kind: str
    url: str = ""
    credential: Path | None = None
    user: str = ""
    queue: str = ""
    closed_status: str = ""
    subject: str = ""
    tls_ca: Path | None = None
    deadline_seconds: float = 30.0
    digest_seconds: float = 30.0
    hook_secret: Path | None = None
    watch_seconds: float = 60.0
    events_to: str = "internal"
    words_to: str = "customer"
    closes: bool = False
    books_time: bool = True
    resolution_field: str = ""
    issues_field: str = ""
    survey_url: str = ""
    start_link: bool = False
    people: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlarmSourceSettings:
    """One table `[alarm_sources.NAME]` of the relay's settings file (docs/tickets.md)."""

    secret: Path
    closes: bool = False
    storm_tickets: int = 10
    storm_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class TicketRules:
    """The table `[ticket_rules]` of the relay's settings file (docs/tickets.md)."""

    default: str = "built-in"
    unreachable: str = "allow"
    assignee: str = "any"
    settle_seconds: float = 20.0
    lease_seconds: float = 120.0
    most_attempts: int = 12


@dataclass(frozen=True, slots=True)
class PushSettings:
    """One table `[push.NAME]` of the relay's settings file (docs/operations/audit.md)."""

    kind: str
    address: str = ""
    path: Path | None = None
    format: str = "ocsf"
    tls_ca: Path | None = None
    token_file: Path | None = None
    batch_records: int = 100
    deadline_seconds: float = 30.0
    lag_alert_seconds: float = 60.0
    retry_most_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class AnchorSettings:
    """One table `[anchors.NAME]` of the relay's settings file: a witness outside that gets each day's checkpoint."""

    kind: str
    command: tuple[str, ...] = ()
    address: str = ""
    tls_ca: Path | None = None
    token_file: Path | None = None
    timestamp_ca: Path | None = None
    every_seconds: float = 86400.0
    deadline_seconds: float = 30.0
    retry_seconds: float = 60.0
    retry_most_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """The service. Every field is a key of the settings file (relay/configuration.py, docs/operations/relay.md)."""

    data: Path
    database: str = ""
    bus: str = ""
    bus_ca: Path | None = None
    node: str = ""
    host: str = "127.0.0.1"
    port: int = 8470
    tls_cert: Path | None = None
    tls_key: Path | None = None
    origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    metrics_listen: str = ""
    drain_seconds: float = 2.0
    handshake_deadline_seconds: float = 20.0
    answer_deadline_seconds: float = 300.0
    stalled_reader_seconds: float = 600.0
    unauthenticated_connections: int = 8192
    unauthenticated_per_address: int = 512
    penalty_seconds: float = 5.0
    penalty_holds_seconds: float = 10.0
    penalty_most_seconds: float = 600.0
    penalty_forget_seconds: float = 3600.0
    joins_per_address_per_hour: int = 120
    asks_per_address_per_hour: int = 60
    failed_pairings_per_technician_per_hour: int = 20
    nameplates: int = 10_000
    nameplates_per_technician: int = 20
    asks: int = 1_000
    asks_per_address: int = 5
    sessions_per_technician: int = 50
    streams_per_session: int = 32
    session_bytes_per_second: int = 0
    token_lifetime_seconds: int = 12 * 3600
    login_nonce_seconds: int = 60
    log_key_overlap_seconds: int = 12 * 3600
    nameplate_lifetime_seconds: int = 600
    nameplate_early_leaves: int = 2
    pairing_deadline_seconds: float = 180.0
    pairing_message_max_bytes: int = 64 << 10
    opening_deadline_seconds: float = 120.0
    message_max_bytes: int = 1 * MIB
    body_max_bytes: int = 1 * MIB
    pipe_buffer_bytes: int = 1 * MIB
    stream_ticket_seconds: int = 30
    min_free_bytes: int = 16 * MIB
    new_session_free_bytes: int = 64 * MIB
    warn_free_bytes: int = 256 * MIB
    chunk_bytes_per_session: int = 256 * MIB
    chunk_bytes: int = 16 << 30
    outbox_interval_seconds: float = 0.5
    ticket_systems: Mapping[str, TicketSystemSettings] = field(default_factory=dict)
    ticket_rules: TicketRules = TicketRules()
    alarm_sources: Mapping[str, AlarmSourceSettings] = field(default_factory=dict)
    checkpoint_interval_seconds: float = 1.0
    push: dict[str, PushSettings] = field(default_factory=dict)
    anchors: dict[str, AnchorSettings] = field(default_factory=dict)
    retention: dict[str, str] = field(default_factory=dict)
    retention_interval_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """The resumable byte stream (PROTOCOL 2)."""

    replay_bytes: int = 4 * MIB
    frame_bytes: int = 256 << 10
    acknowledge_every_bytes: int = 512 << 10
