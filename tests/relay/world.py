"""An organisation for relay tests: a CA, a real relay on a loopback port, technicians and agents that speak its wire.

Everything goes through sockets; only the clock is ours (it can be turned forward).
"""

import base64
import io
import json
import secrets
import shutil
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec
from websockets.asyncio.client import ClientConnection, connect

from relay.server import Relay
from relay.storage.data_folder import DATABASE, adopt, initialise, open_database
from remote_assist.core.api import ChallengeAnswer, Login, LoginAnswer
from remote_assist.core.codec import decode, encode
from remote_assist.core.codes import session_id
from remote_assist.core.identity.certificates import issue_certificate
from remote_assist.core.identity.lists import (
    AnyList,
    OrganisationList,
    PacksList,
    ReviewerKey,
    ReviewersList,
    RevocationsList,
    kind_of,
    open_adopt_request,
    sign_list,
)
from remote_assist.core.messages import (
    PROTOCOL_VERSION,
    Acknowledged,
    Append,
    Challenge,
    Join,
    Joined,
    ListGiven,
    SignedStatement,
    StoredRecord,
    ToAgent,
    Wrap,
)
from remote_assist.core.records import (
    NO_RECORD,
    Actor,
    Opening,
    Outcome,
    Record,
    encode_record,
    format_time,
    head_bytes,
    join_bytes,
    login_bytes,
    record_hash,
)
from remote_assist.core.signing import sshsig
from remote_assist.core.signing.keys import PrivateKey, fingerprint, new_key, public_line
from remote_assist.core.spoken import HEADER, OWN
from remote_assist.settings import RelaySettings
from tests.relay.postgres import copy_database

T = TypeVar("T")

ISSUED = "2026-01-01T00:00:00Z"


@dataclass
class TurnableClock:
    """The real time plus what it was turned forward."""

    offset: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def turn(self, **forward: float) -> None:
        self.offset += timedelta(**forward)


@dataclass
class Person:
    """Somebody with a key and a certificate."""

    name: str
    key: PrivateKey
    certificate: str
    serial: int


@dataclass
class Organisation:
    """CA, lists and the relay's data folder."""

    folder: Path
    clock: TurnableClock
    database: str = ""
    ca: PrivateKey = field(default_factory=lambda: new_key(secrets.token_bytes(32)))
    serials: int = 0
    log_key: str = ""
    reviewers_key: bytes = bytes(32)
    """The reviewers' public key; nothing can be sealed to zeros."""

    @property
    def data(self) -> Path:
        return self.folder / "relay-data"

    def found(self) -> None:
        """Init and adopt, as an operator would."""
        initialise(self.data, "Example Support", entropy=secrets.token_bytes, database=self.database)
        self.log_key = open_adopt_request((self.data / "adopt-request").read_bytes()).log_key
        self.write_lists(self.folder / "out", number=1)
        adopt(self.folder / "out", self.data, now=self.clock())

    def write_lists(
        self, out: Path, *, number: int, revoked: tuple[int, ...] = (), log_key: str = "", more: tuple[str, ...] = ()
    ) -> None:
        """ca.pub and the four signed lists with this number."""
        expires = (self.clock() + timedelta(days=365)).strftime("%Y-%m-%dT%H:%M:%SZ")
        bodies: tuple[AnyList, ...] = (
            OrganisationList(
                number=number, name="Example Support", log_keys=(log_key or self.log_key, *more), issued=ISSUED
            ),
            ReviewersList(
                number=number, keys=(ReviewerKey(id="r-1", public=self.reviewers_key),), issued=ISSUED, expires=expires
            ),
            PacksList(number=number, keys=(), issued=ISSUED),
            RevocationsList(number=number, serials=revoked, issued=ISSUED),
        )
        (out / "lists").mkdir(parents=True, exist_ok=True)
        (out / "ca.pub").write_text(public_line(self.ca) + "\n")
        for body in bodies:
            (out / "lists" / f"{kind_of(body)}.json").write_bytes(sign_list(self.ca, body))

    def person(self, name: str = "Alice Example", role: str = "technician", hours: float = 12) -> Person:
        """A key with a fresh certificate."""
        self.serials += 1
        key, now = new_key(secrets.token_bytes(32)), self.clock()
        line = issue_certificate(
            self.ca,
            public_line(key),
            name=name,
            role=role,
            serial=self.serials,
            valid_after=now - timedelta(minutes=1),
            valid_before=now + timedelta(hours=hours),
        )
        return Person(name, key, line, self.serials)


class RelayWorld:
    """The organisation with its relay running."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = TurnableClock()
        self.organisation = Organisation(folder, self.clock, settings.get("database", ""))
        self.settings = settings
        self.tls: ssl.SSLContext | None = None
        self.http: aiohttp.ClientSession

    async def __aenter__(self) -> "RelayWorld":
        self.organisation.found()
        self.http = aiohttp.ClientSession()
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()
        await self.relay.stop()

    async def start(self, *, accept_rollback: bool = False) -> None:
        """Start the relay (again)."""
        settings = RelaySettings(
            **{"data": self.organisation.data, "port": 0, "outbox_interval_seconds": 0.02, **self.settings}
        )
        self.relay = Relay(settings, clock=self.clock, entropy=secrets.token_bytes, accept_rollback=accept_rollback)
        await self.relay.start()

    @property
    def url(self) -> str:
        return self.relay.address

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """What somebody with the database in their hands does."""
        engine = open_database(self.organisation.data, self.organisation.database).engine
        with engine.begin() as connection:
            done = connection.exec_driver_sql(statement)
            rows = [tuple(row) for row in done.all()] if done.returns_rows else []
        engine.dispose()
        return rows

    def keep_copy(self) -> None:
        """Copy the database of the relay, which is stopped."""
        if self.organisation.database:
            copy_database(self.organisation.database, "", "_copy")
        else:
            shutil.copy(self.organisation.data / DATABASE, self.organisation.folder / "copy.db")

    def put_back_copy(self) -> None:
        """The database is again what it was when it was copied."""
        if self.organisation.database:
            copy_database(self.organisation.database, "_copy", "")
            return
        for leftover in self.organisation.data.glob(f"{DATABASE}*"):
            leftover.unlink()
        shutil.copy(self.organisation.folder / "copy.db", self.organisation.data / DATABASE)
        (self.organisation.data / DATABASE).chmod(0o600)

    def person(self, name: str = "Alice Example", role: str = "technician", hours: float = 12) -> Person:
        return self.organisation.person(name, role, hours)

    async def login(self, person: Person, role: str = "technician") -> LoginAnswer:
        """A token, as the technician's program gets it."""
        status, raw = await self.try_login(person, role)
        assert status == 200, raw
        return decode(raw, LoginAnswer)

    async def try_login(self, person: Person, role: str = "technician", **changes: Any) -> tuple[int, bytes]:
        """One login; `changes` replace fields of the request after signing."""
        challenge = decode((await self.call("POST", "/v1/login/challenge"))[1], ChallengeAnswer)
        time = format_time(self.clock())
        origin = changes.pop("origin", self.url)
        nonce = changes.pop("nonce", challenge.nonce)
        body = Login(
            certificate=person.certificate,
            nonce=nonce,
            time=time,
            role=role,
            signature=sshsig.sign(person.key, "login", login_bytes(origin, nonce, time, role)),
        )
        return await self.call("POST", "/v1/login", encode(msgspec.structs.replace(body, **changes)))

    async def call(
        self, method: str, path: str, body: bytes | msgspec.Struct | None = None, *, token: str = "", **headers: str
    ) -> tuple[int, bytes]:
        """One HTTP exchange: status and body."""
        if token:
            headers["Authorization"] = f"Bearer {token}"
        raw = encode(body) if isinstance(body, msgspec.Struct) else body
        data = None if raw is None else io.BytesIO(raw)
        async with self.http.request(
            method, f"{self.url}{path}", data=data, headers=headers, ssl=self.tls or True
        ) as answer:
            return answer.status, await answer.read()

    async def get(self, path: str, kind: type[T], token: str) -> T:
        status, raw = await self.call("GET", path, token=token)
        assert status == 200, raw
        return decode(raw, kind, max_bytes=16 << 20)

    async def technician(self, name: str = "Alice Example") -> tuple[Person, str]:
        person = self.person(name)
        return person, (await self.login(person)).token

    async def ticket(self, token: str, subject: str = "Web server does not start") -> str:
        status, raw = await self.call("POST", "/v1/tickets", json.dumps({"subject": subject}).encode(), token=token)
        assert status == 201, raw
        return str(json.loads(raw)["id"])

    def socket(self, path: str, *, token: str = "", **more: Any) -> connect:
        """A WebSocket to the relay, to be used as `async with`."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = self.url.replace("http", "ws", 1) + path
        if self.tls is not None:
            more["ssl"] = self.tls
        spoken = {HEADER: str(OWN), **headers}
        return connect(url, additional_headers=spoken, compression=None, proxy=None, max_size=2 << 20, **more)

    def agent(self, person: Person, ticket: str, *, seconds: int = 1800, **changes: Any) -> "Agent":
        """An agent whose customer consented to `person` helping with `ticket`."""
        return Agent(self, person, ticket, seconds, changes)


class Agent:
    """The customer's side, as far as the relay sees it. `changes` replace fields of the technician's statement."""

    def __init__(self, world: RelayWorld, person: Person, ticket: str, seconds: int, changes: dict[str, Any]) -> None:
        self.world = world
        self.person = person
        self.key = new_key(secrets.token_bytes(32))
        self.journal_key = new_key(secrets.token_bytes(32))
        statement = SignedStatement(
            version=PROTOCOL_VERSION,
            transcript=secrets.token_bytes(32),
            agent_host_key=public_line(self.key),
            session_key=public_line(new_key(secrets.token_bytes(32))),
            ticket=ticket,
            subject="Web server does not start",
            scopes=("diagnose",),
            seconds=seconds,
            relay=world.url,
            organisation_ca=public_line(world.organisation.ca),
        )
        self.statement = encode(msgspec.structs.replace(statement, **changes))
        self.session = session_id(self.statement)
        self.seq = 0
        self.prev = NO_RECORD
        self.link: ClientConnection
        self.lists_given: list[bytes] = []

    @property
    def technician(self) -> Actor:
        """The technician as records name them."""
        return Actor(kind="technician", key=fingerprint(public_line(self.person.key)), serial=self.person.serial)

    async def connect(self, key: PrivateKey | None = None, origin: str = "") -> Joined:
        """Dial and prove the host key."""
        key = key or self.key
        self.link = await self.world.socket("/v1/agent")
        challenge = decode(await self.link.recv(), Challenge)
        message = join_bytes(origin or self.world.url, self.session, challenge.nonce)
        await self.send(
            Join(
                version=PROTOCOL_VERSION,
                session=self.session,
                host_key=public_line(key),
                signature=sshsig.sign(key, "join", message),
            )
        )
        answer = await self.receive()
        assert isinstance(answer, Joined), answer
        return answer

    async def open(self) -> None:
        """Connect and open the session."""
        await self.connect()
        answer = await self.append(self.opening())
        assert isinstance(answer, Acknowledged), answer

    def opening(self, **changes: Any) -> StoredRecord:
        opening = Opening(
            statement=self.statement,
            signature=sshsig.sign(self.person.key, "pair", self.statement),
            certificate=self.person.certificate,
            host_key=public_line(self.key),
            journal_key=public_line(self.journal_key),
        )
        return self.record("RA1000E", opening=msgspec.structs.replace(opening, **changes))

    def record(
        self, code: str, *, signer: PrivateKey | None = None, advance: bool = True, **fields: Any
    ) -> StoredRecord:
        """The next record of the chain."""
        record = Record(
            session=self.session,
            seq=fields.pop("seq", self.seq),
            prev=fields.pop("prev", self.prev),
            time=format_time(self.world.clock()),
            code=code,
            actor=fields.pop("actor", self.technician),
            **fields,
        )
        raw = encode_record(record)
        if advance:
            self.seq, self.prev = record.seq + 1, record_hash(raw)
        head = sshsig.sign(signer or self.key, "head", head_bytes(self.session, record.seq, record_hash(raw)))
        return StoredRecord(record=raw, head=head)

    def ending(self, reason: str = "done") -> StoredRecord:
        return self.record("RA1990E", outcome=Outcome(status="ended", reason=reason), actor=Actor(kind="customer"))

    async def append(self, *records: StoredRecord, wraps: tuple[Wrap, ...] = ()) -> object:
        """Send records and return the relay's answer."""
        await self.send(Append(session=self.session, records=records, wraps=wraps))
        return await self.receive()

    async def send_records(self, *records: StoredRecord) -> None:
        """Send records and leave the answer unread."""
        await self.send(Append(session=self.session, records=records))

    async def send(self, message: msgspec.Struct) -> None:
        await self.link.send(encode(message).decode(), text=True)

    async def receive(self) -> object:
        """The next message, but for newer lists, which may come at any moment and are only kept."""
        while True:
            answer = understood(await self.link.recv(), ToAgent | Joined)
            if not isinstance(answer, ListGiven):
                return answer
            self.lists_given.append(answer.signed)


def understood(raw: str | bytes, kind: Any) -> Any:
    """A text message of the relay."""
    assert isinstance(raw, str), "the relay speaks text"
    return decode(raw, kind)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
