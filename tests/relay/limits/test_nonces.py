"""A login nonce is ours, fresh, and good once."""

import secrets
from datetime import UTC, datetime, timedelta

import pytest

from relay.limits.nonces import LoginNonces
from remote_assist.errors import RefusedError

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def make() -> LoginNonces:
    return LoginNonces(lifetime_seconds=60, entropy=secrets.token_bytes)


def refused(nonces: LoginNonces, nonce: bytes, now: datetime = NOW) -> str:
    with pytest.raises(RefusedError) as caught:
        nonces.take(nonce, now)
    return caught.value.message


def test_a_nonce_is_good_once() -> None:
    nonces = make()
    nonce = nonces.give(NOW)
    assert len(nonce) == 32
    nonces.take(nonce, NOW + timedelta(seconds=60))
    assert "already" in refused(nonces, nonce)


def test_a_nonce_is_good_for_a_minute_and_not_before_it_was_given() -> None:
    nonces = make()
    assert "too long" in refused(nonces, nonces.give(NOW), NOW + timedelta(seconds=61))
    assert "too long" in refused(nonces, nonces.give(NOW), NOW - timedelta(seconds=1))


@pytest.mark.parametrize("change", range(32))
def test_a_nonce_changed_anywhere_is_not_ours(change: int) -> None:
    nonces = make()
    nonce = bytearray(nonces.give(NOW))
    nonce[change] ^= 1
    assert "not asked for here" in refused(nonces, bytes(nonce))


def test_nonces_of_another_process_or_length_are_not_ours() -> None:
    nonces = make()
    for nonce in (make().give(NOW), b"", nonces.give(NOW)[:31], nonces.give(NOW) + b"\0"):
        assert "not asked for here" in refused(nonces, nonce)


def test_when_too_many_came_back_logins_are_refused_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.limits.nonces.MAX_SPENT", 2)
    nonces = make()
    first = nonces.give(NOW)
    for nonce in (first, nonces.give(NOW)):
        nonces.take(nonce, NOW)
    assert "too many" in refused(nonces, nonces.give(NOW))
    assert "already" in refused(nonces, first)
    later = NOW + timedelta(seconds=61)
    nonces.take(nonces.give(later), later)
