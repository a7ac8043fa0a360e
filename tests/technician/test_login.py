"""Logging in: the key proves, the lists are checked against the CA in one's own certificate."""

import shutil
import subprocess
from pathlib import Path

import pytest

from remote_assist.core.signing.keys import private_bytes, public_line
from remote_assist.errors import ContentError, RefusedError, UnreachableError, UsageError, VerificationError
from remote_assist.settings import TechnicianSettings
from remote_assist.technician.desk import Desk
from remote_assist.technician.home import Home
from remote_assist.technician.login import login, verify_lists
from tests.relay.world import Organisation
from tests.technician.conftest import Technician


async def test_a_login_names_who_where_and_until_when(technician: Technician) -> None:
    done = await technician.login()
    assert (done.identity.name, done.identity.role, done.identity.relay) == (
        "Alice Example",
        "technician",
        technician.world.url,
    )
    assert done.lists.organisation.name == "Example Support"
    async with await technician.desk() as desk:
        assert (desk.name, desk.organisation) == ("Alice Example", "Example Support")
        assert desk.log_keys == (technician.world.organisation.log_key,)


async def test_an_expired_certificate_says_when_before_anything_is_sent(technician: Technician) -> None:
    technician.world.clock.turn(hours=13)
    with pytest.raises(VerificationError, match="expired"):
        await technician.login()


async def test_a_certificate_for_another_key_is_not_used(technician: Technician) -> None:
    other = technician.world.person("Bob Example")
    (technician.folder / "alice-cert.pub").write_text(other.certificate)
    with pytest.raises(ContentError, match="another key"):
        await technician.login()


async def test_missing_files_are_named(technician: Technician) -> None:
    with pytest.raises(ContentError, match="no certificate at"):
        await technician.login(key_file=technician.folder / "nobody")
    technician.key_file.unlink()
    with pytest.raises(ContentError, match="no key at"):
        await technician.login()


async def test_a_key_others_can_read_is_refused(technician: Technician) -> None:
    technician.key_file.chmod(0o644)
    with pytest.raises(ContentError, match="read by others"):
        await technician.login()


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not here")
async def test_an_encrypted_key_asks_for_its_passphrase(technician: Technician) -> None:
    pytest.importorskip("bcrypt")
    words = ["ssh-keygen", "-q", "-p", "-N", "open sesame", "-P", "", "-f", str(technician.key_file)]
    subprocess.run(words, check=True, capture_output=True)
    asked: list[str] = []

    def ask(question: str) -> bytes:
        asked.append(question)
        return b"open sesame"

    assert (await technician.login(ask_passphrase=ask)).identity.name == "Alice Example"
    assert asked == [f"Passphrase of {technician.key_file}: "]
    with pytest.raises(ContentError, match="wrong passphrase"):
        await technician.login(ask_passphrase=lambda question: b"wrong")


async def test_the_reviewers_role_comes_from_the_certificate(technician: Technician) -> None:
    technician.write_files(technician.world.person("Rita Example", "reviewer"))
    assert (await technician.login()).identity.role == "reviewer"
    with pytest.raises(VerificationError, match="technician"):
        await technician.login(role="technician")
    with pytest.raises(UsageError, match="did you mean 'reviewer'"):
        await technician.login(role="reviever")


async def test_lists_of_another_ca_are_refused(technician: Technician, tmp_path: Path) -> None:
    done = await technician.login()
    log_key = technician.world.organisation.log_key
    stranger = Organisation(tmp_path / "stranger", technician.world.clock, log_key=log_key)
    stranger.write_lists(tmp_path / "stranger", number=2)
    forged = tuple(path.read_bytes() for path in sorted((tmp_path / "stranger" / "lists").iterdir()))
    with pytest.raises(VerificationError):
        verify_lists(Home(technician.settings.home), forged, done.certificate, now=technician.world.clock())
    async with await technician.desk() as desk:
        desk.home.remember_lists(forged)
    async with await technician.desk() as desk:  # the stored ones do not hold, so the relay's true ones are taken
        assert desk.lists.organisation.number == 1


async def test_a_list_older_than_one_seen_before_is_refused(technician: Technician) -> None:
    done = await technician.login()
    async with await technician.desk() as desk:
        desk.home.raise_floors(done.certificate.ca_fingerprint, {"revocations": 5})
    with pytest.raises(VerificationError, match="older than number 5"):
        await technician.login()
    with pytest.raises(VerificationError, match="older than number 5"):
        await technician.desk()


async def test_a_revoked_certificate_cannot_log_in(technician: Technician) -> None:
    organisation = technician.world.organisation
    await technician.world.relay.stop()
    organisation.write_lists(organisation.data, number=2, revoked=(technician.person.serial,))
    await technician.world.start()
    with pytest.raises((RefusedError, VerificationError), match="revoked"):
        await technician.login()


async def test_without_a_relay_it_says_so(technician: Technician) -> None:
    await technician.world.relay.stop()
    with pytest.raises(UnreachableError, match="cannot be reached"):
        await technician.login()
    await technician.world.start()


@pytest.mark.parametrize(
    ("url", "words"),
    [("", "no relay was named"), ("http://relay.example.com", "plain HTTP"), ("ftp://x", "https://")],
)
async def test_an_unsafe_or_missing_relay_is_a_usage_error(technician: Technician, url: str, words: str) -> None:
    settings = TechnicianSettings(home=technician.folder / "home", relay_url=url)
    with pytest.raises(UsageError, match=words):
        await login(settings, key_file=technician.key_file, ask_passphrase=lambda _: b"", clock=technician.world.clock)


async def test_a_desk_opens_only_at_the_relay_of_its_login(technician: Technician) -> None:
    with pytest.raises(RefusedError, match="nobody is logged in"):
        await technician.desk()
    await technician.login()
    elsewhere = TechnicianSettings(home=technician.settings.home, relay_url="https://other.example.com")
    with pytest.raises(RefusedError, match=r"not at https://other\.example\.com:443"):
        await Desk.open(elsewhere)
    anywhere = TechnicianSettings(home=technician.settings.home, relay_url="")
    async with await Desk.open(anywhere) as desk:
        assert desk.identity.relay == technician.world.url


async def test_a_login_that_is_over_asks_to_log_in_again(technician: Technician) -> None:
    await technician.login()
    async with await technician.desk() as desk:
        technician.world.clock.turn(hours=13)
        with pytest.raises(RefusedError) as refusal:
            await desk.tickets()
    assert "log in" in refusal.value.advice.lower()


async def test_an_expired_reviewers_certificate_says_expired_not_another_role(technician: Technician) -> None:
    technician.write_files(technician.world.person("Rita Example", "reviewer"))
    technician.world.clock.turn(hours=13)
    with pytest.raises(VerificationError, match="expired"):
        await technician.login()


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not here")
async def test_of_several_roles_one_must_be_chosen(technician: Technician) -> None:
    ca = technician.folder / "ca"
    ca.write_bytes(private_bytes(technician.world.organisation.ca))
    ca.chmod(0o600)
    public = technician.folder / "alice.pub"
    public.write_text(public_line(technician.person.key))
    words = ["ssh-keygen", "-q", "-s", str(ca), "-I", "Alice Example", "-n", "technician,reviewer", "-V", "+1h"]
    subprocess.run([*words, "-z", "7", "-O", "clear", str(public)], check=True, capture_output=True)
    with pytest.raises(UsageError, match="technician, reviewer"):
        await technician.login()
    assert (await technician.login(role="reviewer")).identity.role == "reviewer"
