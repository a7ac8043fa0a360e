"""An authority in a folder: what is written, with which mode, and that numbers and serials only rise."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from remote_assist.authority.certifying import DEFAULT_LIFE, Signed, revoke, sign_certificate
from remote_assist.authority.folder import AuthorityFolder, read_bytes, read_text
from remote_assist.authority.founding import REVIEWERS_LIFE, found_authority
from remote_assist.authority.lock import locked
from remote_assist.authority.vouching import (
    add_pack_key,
    add_reviewer,
    adopt,
    new_reviewer,
    remove_pack_key,
    remove_reviewer,
)
from remote_assist.core.identity.certificates import check_certificate
from remote_assist.core.identity.lists import KINDS, MAX_SERIALS, PacksList, RevocationsList, adopt_request, open_lists
from remote_assist.core.signing import keys
from remote_assist.core.signing.reviewer_keys import load_reviewer_key, reviewer_public, reviewer_public_file
from remote_assist.errors import ContentError, RefusedError, UsageError, VerificationError
from tests.core.pairs import ALICE_LINE, ISSUED, LOG, NOW, OTHER_CA, dice


@pytest.fixture
def org(tmp_path: Path) -> AuthorityFolder:
    return found_authority(tmp_path / "org", now=NOW, entropy=dice(b"org"))


@pytest.fixture
def relay(tmp_path: Path) -> Path:
    folder = tmp_path / "relay-data"
    folder.mkdir()
    (folder / "adopt-request").write_bytes(adopt_request("Example Support", LOG))
    return folder


@pytest.fixture
def alice(tmp_path: Path) -> Path:
    path = tmp_path / "alice.pub"
    path.write_text(f"{ALICE_LINE} alice@example.com\n")
    return path


def sign(org: AuthorityFolder, key: Path, **changes: object) -> Signed:
    fields: dict[str, object] = {"name": "Alice Example", "role": "technician", "life": DEFAULT_LIFE, "now": NOW}
    return sign_certificate(org, key, **(fields | changes))  # type: ignore[arg-type]  # tests change one at a time


def trusted(folder: Path, now: datetime = NOW, floors: dict[str, int] | None = None) -> dict[str, int]:
    raw = [(folder / "lists" / f"{kind}.json").read_bytes() for kind in KINDS]
    return open_lists(raw, ca_line=read_text(folder / "ca.pub"), now=now, floors=floors).numbers


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- founding -----------------------------------------------------------------------------------------


def test_a_new_authority_has_its_secrets_in_files_of_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        org = found_authority(tmp_path / "deep" / "org", now=NOW, entropy=dice(b"org"))
    finally:
        os.umask(before)
    assert mode(org.path) == mode(org.path / "lists") == 0o700
    for name in ("ca", "reviewers-1.key", "issued.jsonl"):
        assert mode(org.path / name) == 0o600, name
    assert keys.public_line(keys.load_private((org.path / "ca").read_bytes())) == org.ca_line
    private = load_reviewer_key((org.path / "reviewers-1.key").read_bytes())
    assert [(key.id, key.public) for key in org.reviewers().keys] == [("reviewers-1", reviewer_public(private))]
    assert (org.packs().keys, org.revocations().serials, org.organisation()) == ((), (), None)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["org"]


def test_an_authority_is_never_overwritten(org: AuthorityFolder, tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="is not empty"):
        found_authority(org.path, now=NOW, entropy=dice(b"again"))
    (tmp_path / "file").touch()
    with pytest.raises(ContentError):
        found_authority(tmp_path / "file", now=NOW, entropy=dice(b"again"))


def test_an_empty_folder_may_become_an_authority(tmp_path: Path) -> None:
    (tmp_path / "org").mkdir()
    assert found_authority(tmp_path / "org", now=NOW, entropy=dice(b"org")).ca_line


def test_a_founding_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    draw, draws = dice(b"org"), iter(range(10))

    def broken(count: int) -> bytes:
        if next(draws) == 2:
            raise OSError("no more randomness")
        return draw(count)

    with pytest.raises(OSError, match="no more randomness"):
        found_authority(tmp_path / "org", now=NOW, entropy=broken)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_an_authority_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no authority"):
        AuthorityFolder.open(tmp_path)


def test_a_key_that_others_can_read_is_refused(org: AuthorityFolder, alice: Path) -> None:
    (org.path / "ca").chmod(0o644)
    with pytest.raises(ContentError, match="can be read by others"):
        sign(org, alice)


def test_a_missing_key_is_named(org: AuthorityFolder, alice: Path) -> None:
    (org.path / "ca").unlink()
    with pytest.raises(ContentError, match="the CA's private key is not in"):
        sign(org, alice)


# --- certificates -------------------------------------------------------------------------------------


def test_a_certificate_lies_beside_its_key_and_holds_twelve_hours(org: AuthorityFolder, alice: Path) -> None:
    signed = sign(org, alice)
    assert signed.path == alice.with_name("alice-cert.pub")
    found = check_certificate(signed.path.read_text(), ca_line=org.ca_line, now=NOW, role="technician")
    assert (found.name, found.serial, found.key_line) == ("Alice Example", 1, ALICE_LINE)
    assert found.valid_before == NOW + timedelta(hours=12)
    assert mode(signed.path) == 0o644


def test_stock_ssh_keygen_reads_the_certificate(org: AuthorityFolder, alice: Path) -> None:
    shown = subprocess.run(
        ["ssh-keygen", "-Lf", sign(org, alice).path], check=True, capture_output=True, text=True
    ).stdout
    assert "Principals: \n                technician" in shown
    assert "Critical Options: (none)" in shown


def test_serials_rise_and_every_certificate_is_remembered(org: AuthorityFolder, alice: Path) -> None:
    for role in ("technician", "reviewer", "operator"):
        sign(org, alice, role=role)
    lines = [json.loads(line) for line in (org.path / "issued.jsonl").read_text().splitlines()]
    assert [(line["serial"], line["role"]) for line in lines] == [(1, "technician"), (2, "reviewer"), (3, "operator")]
    assert lines[0]["key"] == keys.fingerprint(ALICE_LINE)
    assert lines[0]["valid_before"] == "2026-03-02T00:00:00.000000Z"


def test_a_serial_revoked_before_it_was_given_is_skipped(org: AuthorityFolder, alice: Path) -> None:
    revoke(org, [1, 2], now=NOW)
    assert sign(org, alice).certificate.serial == 3


def test_two_commands_at_once_never_give_one_serial_twice(org: AuthorityFolder, tmp_path: Path) -> None:
    def one(number: int) -> int:
        path = tmp_path / f"key{number}.pub"
        path.write_text(keys.public_line(keys.new_key(bytes([number + 1]) * 32)))
        return sign(org, path).certificate.serial

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(one, range(16))) == list(range(1, 17))


@pytest.mark.parametrize("life", [timedelta(seconds=1), timedelta(days=30)])
def test_lives_up_to_thirty_days_are_possible(org: AuthorityFolder, alice: Path, life: timedelta) -> None:
    line = sign(org, alice, life=life).path.read_text()
    assert check_certificate(line, ca_line=org.ca_line, now=NOW, role="technician").valid_before == NOW + life


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "31 days": ({"life": timedelta(days=31)}, "at most 30 days"),
    "no life": ({"life": timedelta(0)}, "at most 30 days"),
    "no such role": ({"role": "technician "}, "did you mean 'technician'"),
    "no name": ({"name": " "}, "a name is"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_certificate_nobody_would_accept_is_not_given_and_takes_no_serial(
    org: AuthorityFolder, alice: Path, case: str
) -> None:
    changes, sentence = REFUSED[case]
    with pytest.raises(UsageError, match=sentence):
        sign(org, alice, **changes)
    assert org.issued() == []
    assert not alice.with_name("alice-cert.pub").exists()


def test_keys_that_are_none_are_refused(org: AuthorityFolder, alice: Path, tmp_path: Path) -> None:
    signed = sign(org, alice)
    for path, kind in (
        (org.path / "ca", ContentError),
        (org.path / "ca.pub", ContentError),
        (signed.path, ContentError),
        (tmp_path / "none.pub", UsageError),
        (tmp_path, ContentError),
        (Path(sys.executable), ContentError),
    ):
        with pytest.raises(kind):
            sign(org, path)


def test_a_damaged_memory_of_serials_stops_everything(org: AuthorityFolder, alice: Path) -> None:
    (org.path / "issued.jsonl").write_text('{"serial": 1}\n')
    with pytest.raises(ContentError, match="is damaged"):
        sign(org, alice)


def test_no_memory_of_serials_begins_one(org: AuthorityFolder, alice: Path) -> None:
    (org.path / "issued.jsonl").unlink()
    assert sign(org, alice).certificate.serial == 1
    assert mode(org.path / "issued.jsonl") == 0o600


# --- revoking -----------------------------------------------------------------------------------------


def test_a_revoked_certificate_is_refused_by_the_next_list(org: AuthorityFolder, alice: Path) -> None:
    line = sign(org, alice).path.read_text()
    done = revoke(org, [1], now=NOW)
    assert (done.number, done.added, done.unknown) == (2, (1,), ())
    with pytest.raises(VerificationError, match="revoked"):
        check_certificate(line, ca_line=org.ca_line, now=NOW, role="technician", revoked=org.revocations().serials)


def test_revoking_twice_changes_nothing_and_an_unknown_serial_is_named(org: AuthorityFolder, alice: Path) -> None:
    sign(org, alice)
    assert revoke(org, [1, 1, 99], now=NOW).unknown == (99,)
    assert revoke(org, [1, 99], now=NOW).added == ()
    assert (org.revocations().number, org.revocations().serials) == (2, (1, 99))


def test_serials_whose_certificates_expired_leave_the_list_and_unknown_ones_stay(
    org: AuthorityFolder, alice: Path
) -> None:
    sign(org, alice)
    revoke(org, [1, 99], now=NOW)
    sign(org, alice, now=NOW + timedelta(days=3))
    revoke(org, [2], now=NOW + timedelta(days=3))
    assert org.revocations().serials == (2, 99)


def test_the_list_of_serials_is_bounded(org: AuthorityFolder) -> None:
    revoke(org, range(100, 100 + MAX_SERIALS), now=NOW)
    with pytest.raises(UsageError, match=f"at most {MAX_SERIALS}"):
        revoke(org, [1], now=NOW)


def test_a_list_never_gets_a_lower_or_equal_number(org: AuthorityFolder) -> None:
    revoke(org, [1], now=NOW)
    with org.change() as ca_key, pytest.raises(VerificationError, match="has number 2 already"):
        org.write_list(ca_key, RevocationsList(number=2, serials=(), issued=ISSUED))


# --- reviewers and packs ------------------------------------------------------------------------------


def test_a_second_reviewers_key_is_made_or_added(org: AuthorityFolder, tmp_path: Path) -> None:
    made = new_reviewer(org, now=NOW, entropy=dice(b"second"))
    assert (made.name, mode(made)) == ("reviewers-2.key", 0o600)
    own = tmp_path / "rita.pem"
    own.write_bytes(reviewer_public_file(reviewer_public(b"\x21" * 32)))
    assert add_reviewer(org, own, now=NOW) == "reviewers-3"
    assert [key.id for key in org.reviewers().keys] == ["reviewers-1", "reviewers-2", "reviewers-3"]
    assert org.reviewers().number == 3
    with pytest.raises(UsageError, match="already, as reviewers-3"):
        add_reviewer(org, own, now=NOW)
    with pytest.raises(UsageError, match="there is no file"):
        add_reviewer(org, tmp_path / "none.pem", now=NOW)


def test_a_removed_reviewers_id_is_never_given_again_and_the_last_key_stays(org: AuthorityFolder) -> None:
    new_reviewer(org, now=NOW, entropy=dice(b"second"))
    remove_reviewer(org, "reviewers-2", now=NOW)
    assert new_reviewer(org, now=NOW, entropy=dice(b"third")).name == "reviewers-3.key"
    remove_reviewer(org, "reviewers-1", now=NOW)
    with pytest.raises(UsageError, match="the last reviewers' key"):
        remove_reviewer(org, "reviewers-3", now=NOW)
    with pytest.raises(UsageError, match="there is no reviewers' key 'reviewers-1'"):
        remove_reviewer(org, "reviewers-1", now=NOW)


def test_pack_keys_come_and_go(org: AuthorityFolder, alice: Path) -> None:
    mark = keys.fingerprint(ALICE_LINE)
    assert add_pack_key(org, alice, now=NOW) == add_pack_key(org, alice, now=NOW) == mark
    assert (org.packs().number, org.packs().keys) == (2, (ALICE_LINE,))
    assert remove_pack_key(org, alice, now=NOW) == mark
    assert (org.packs().number, org.packs().keys) == (3, ())
    with pytest.raises(UsageError, match="not on the packs' list"):
        remove_pack_key(org, alice, now=NOW)


@pytest.mark.parametrize("kind", ["reviewers", "packs", "revocations"])
def test_a_missing_or_foreign_list_is_refused(org: AuthorityFolder, kind: str) -> None:
    read: Callable[[], object] = getattr(org, kind)
    path = org.path / "lists" / f"{kind}.json"
    whole = path.read_bytes()
    path.unlink()
    with pytest.raises(ContentError, match=f"the {kind} list is not in"):
        read()
    path.write_bytes(whole.replace(b"signature", b"Signature"))
    with pytest.raises(VerificationError):
        read()


# --- adopting -----------------------------------------------------------------------------------------


def test_an_adopted_relay_has_everything_a_technician_needs(org: AuthorityFolder, relay: Path) -> None:
    done = adopt(org, relay, None, now=NOW)
    assert (done.organisation, done.fingerprint) == ("Example Support", keys.fingerprint(keys.public_line(LOG)))
    assert trusted(relay) == done.numbers == dict.fromkeys(KINDS, 1)
    assert keys.load_public(read_text(relay / "ca.pub")) == org.ca_line
    assert not list(relay.rglob("ca")) + list(relay.rglob("*.key"))


def test_adopting_again_changes_nothing_until_something_changed(org: AuthorityFolder, relay: Path) -> None:
    adopt(org, relay, None, now=NOW)
    first = {path: path.read_bytes() for path in relay.rglob("*.json")}
    adopt(org, relay, None, now=NOW)
    assert {path: path.read_bytes() for path in relay.rglob("*.json")} == first
    revoke(org, [1], now=NOW)
    new_reviewer(org, now=NOW, entropy=dice(b"second"))
    assert trusted(relay)["revocations"] == 1
    adopt(org, relay, None, now=NOW)
    assert trusted(relay, floors={"revocations": 2}) == {
        "organisation": 1,
        "reviewers": 2,
        "packs": 1,
        "revocations": 2,
    }


def test_a_request_from_elsewhere_is_signed_into_a_folder(org: AuthorityFolder, relay: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs -o OUT"):
        adopt(org, relay / "adopt-request", None, now=NOW)
    adopt(org, relay / "adopt-request", tmp_path / "out", now=NOW)
    assert trusted(tmp_path / "out") == dict.fromkeys(KINDS, 1)
    assert not (relay / "ca.pub").exists()


def test_earlier_log_keys_stay_so_old_records_still_verify(org: AuthorityFolder, relay: Path) -> None:
    adopt(org, relay, None, now=NOW)
    (relay / "adopt-request").write_bytes(adopt_request("Example Help", OTHER_CA))
    assert adopt(org, relay, None, now=NOW).renamed_from == "Example Support"
    organisation = org.organisation()
    assert organisation is not None
    assert organisation.name == "Example Help"
    assert organisation.log_keys == (keys.public_line(LOG), keys.public_line(OTHER_CA))


def test_adopting_renews_a_reviewers_list_in_the_second_half_of_its_life(org: AuthorityFolder, relay: Path) -> None:
    later = NOW + REVIEWERS_LIFE / 2 + timedelta(days=1)
    adopt(org, relay, None, now=later)
    assert trusted(relay, now=NOW + REVIEWERS_LIFE + timedelta(days=1))["reviewers"] == 2


def test_another_cas_relay_is_left_alone(org: AuthorityFolder, relay: Path, tmp_path: Path) -> None:
    adopt(org, relay, None, now=NOW)
    other = found_authority(tmp_path / "other", now=NOW, entropy=dice(b"other"))
    with pytest.raises(RefusedError, match="adopted by another CA"):
        adopt(other, relay, None, now=NOW)
    assert trusted(relay) == dict.fromkeys(KINDS, 1)


def test_a_request_that_is_forged_or_missing_is_refused(org: AuthorityFolder, relay: Path) -> None:
    raw = (relay / "adopt-request").read_bytes()
    (relay / "adopt-request").write_bytes(raw.replace(b"Example Support", b"Evil Example"))
    with pytest.raises(VerificationError):
        adopt(org, relay, None, now=NOW)
    assert org.organisation() is None
    (relay / "adopt-request").unlink()
    with pytest.raises(UsageError, match="there is no request"):
        adopt(org, relay, None, now=NOW)


# --- files and the lock -------------------------------------------------------------------------------


def test_a_second_command_waits_for_the_first_and_gives_up_in_time(org: AuthorityFolder) -> None:
    lock = org.path / ".lock"
    with locked(lock), pytest.raises(UsageError, match="another command"), locked(lock, wait_seconds=0):
        raise AssertionError("both hold the lock")
    with locked(lock, wait_seconds=0):
        pass


def test_public_files_are_read_within_bounds(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(11))
    assert len(read_bytes(tmp_path / "file", 11)) == 11
    with pytest.raises(ContentError, match="longer than 10 bytes"):
        read_bytes(tmp_path / "file", 10)


def test_a_list_outlives_its_own_reader(org: AuthorityFolder) -> None:
    with org.change() as ca_key:
        org.write_list(ca_key, PacksList(number=7, keys=(), issued=datetime.now(UTC).isoformat()))
    assert org.packs().number == 7
