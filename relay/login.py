"""Login by signed challenge: nonce out, signature by the certificate's key back, token out (PROTOCOL 1).

    POST /v1/login/challenge ─▶ nonce, origin        POST /v1/login {certificate, nonce, time, role, signature} ─▶ token

Rule: what is signed names this relay's origin, so a login made for another relay opens nothing here.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from relay.access import Caller, Tokens
from relay.limits.nonces import LoginNonces
from relay.nodes import SharedNonces
from relay.trust import TrustFolder
from remote_assist.core.api import Login, LoginAnswer
from remote_assist.core.identity.certificates import ROLES, check_certificate
from remote_assist.core.records import format_time, login_bytes, parse_time
from remote_assist.core.signing import sshsig
from remote_assist.errors import RefusedError, RemoteProtocolError, UsageError

MAX_SKEW = timedelta(seconds=300)
"""How far the clocks of technician and relay may differ; the nonce is what makes a login fresh."""


class Logins:
    """Gives nonces and turns signed answers into tokens."""

    def __init__(
        self,
        tokens: Tokens,
        nonces: LoginNonces,
        trust: TrustFolder,
        *,
        clock: Callable[[], datetime],
        lifetime_seconds: int,
        shared: SharedNonces | None = None,
    ) -> None:
        self._shared = shared
        self._tokens = tokens
        self._nonces = nonces
        self._trust = trust
        self._clock = clock
        self._lifetime = timedelta(seconds=lifetime_seconds)

    def challenge(self) -> bytes:
        """A nonce for one login."""
        return self._nonces.give(self._clock())

    async def login(self, asked: Login, *, origin: str) -> LoginAnswer:
        """A token. Raises RefusedError (stale, skew), VerificationError (certificate, signature), UsageError."""
        now = self._clock()
        self._nonces.take(asked.nonce, now)
        if self._shared is not None:
            await self._shared.spend(asked.nonce, now, self._nonces.lifetime)
        if asked.role not in ROLES:
            raise UsageError(f"there is no role '{asked.role[:32]}'", advice=f"Roles: {', '.join(ROLES)}.")
        _check_skew(asked.time, now)
        trusted = self._trust.lists
        certificate = check_certificate(
            asked.certificate,
            ca_line=self._trust.ca_line,
            now=now,
            role=asked.role,
            revoked=trusted.revocations.serials,
        )
        message = login_bytes(origin, asked.nonce, asked.time, asked.role)
        sshsig.verify(asked.signature, certificate.key_line, "login", message)
        expires = min(now + self._lifetime, certificate.valid_before)
        caller = Caller(certificate.name, certificate.key_fingerprint, certificate.serial, asked.role, expires)
        return LoginAnswer(
            token=await self._tokens.give(caller),
            expires=format_time(expires),
            role=caller.role,
            name=caller.name,
            lists=self._trust.raw,
        )


def _check_skew(text: str, now: datetime) -> None:
    try:
        skew = abs(parse_time(text) - now)
    except RemoteProtocolError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise UsageError("the login's time is not RFC 3339") from error
        if moment.tzinfo is None:
            raise UsageError("the login's time names no time zone") from None
        skew = abs(moment - now)
    if skew > MAX_SKEW:
        raise RefusedError(
            f"your clock and the relay's differ by {int(skew.total_seconds())} seconds",
            reason="skew",
            advice="Set the clock of this machine.",
        )
