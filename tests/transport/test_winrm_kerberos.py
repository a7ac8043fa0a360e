"""Kerberos with a real KDC of MIT's (Debian's krb5-kdc), unmodified pywinrm, and a peer that holds a keytab.

Needs pykerberos (extra `kerberos`) here, and gssapi and krb5 for the peer; none of them belongs to the project's tests.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from remote_assist.core.target import Command
from remote_assist.errors import RefusedError
from remote_assist.transport.hops.winrm_connection import takes_tickets
from tests.scenarios.world import free_port, wait_for_port
from tests.transport.test_winrm_hop import Windows, peer

pytestmark = [pytest.mark.slow, pytest.mark.full]

REALM, PASSWORD = "EXAMPLE.COM", "a pass word"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@dataclass(frozen=True)
class Realm:
    """A running KDC; `environment` is what programs that belong to it have."""

    folder: Path
    environment: dict[str, str]

    def admin(self, *words: str) -> None:
        self._run("kadmin.local", "-r", REALM, "-q", " ".join(words))

    def take_ticket(self, user: str) -> None:
        self._run("kinit", f"{user}@{REALM}", stdin=f"{PASSWORD}\n")

    def _run(self, *argv: str, stdin: str = "") -> None:
        environment = {**os.environ, **self.environment, "PATH": PATH}
        subprocess.run(argv, input=stdin, env=environment, check=True, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    for name in ("kerberos", "gssapi", "krb5"):
        pytest.importorskip(name)
    if missing := [
        name for name in ("krb5kdc", "kdb5_util", "kadmin.local", "kinit") if not shutil.which(name, path=PATH)
    ]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    folder, port = tmp_path_factory.mktemp("kerberos"), free_port()
    (folder / "krb5.conf").write_text(
        f"[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\nrdns = false\n"
        "dns_canonicalize_hostname = false\nudp_preference_limit = 1\n"
        f"[realms]\n{REALM} = {{\n kdc = 127.0.0.1:{port}\n}}\n"
    )
    (folder / "kdc.conf").write_text(
        f"[realms]\n{REALM} = {{\n database_name = {folder}/principal\n key_stash_file = {folder}/stash\n"
        f" kdc_listen = 127.0.0.1:{port}\n kdc_tcp_listen = 127.0.0.1:{port}\n}}\n"
    )
    made = Realm(
        folder,
        {
            "KRB5_CONFIG": str(folder / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(folder / "kdc.conf"),
            "KRB5CCNAME": str(folder / "tickets"),
        },
    )
    made._run("kdb5_util", "create", "-r", REALM, "-s", "-P", "master pass")
    made.admin("addprinc", "-pw", f'"{PASSWORD}"', "admin")
    made.admin("addprinc", "-randkey", "HTTP/localhost")
    made.admin("ktadd", "-k", str(folder / "keytab"), "HTTP/localhost")
    server = subprocess.Popen(
        [str(shutil.which("krb5kdc", path=PATH)), "-n", "-r", REALM], env={**os.environ, **made.environment}
    )
    try:
        wait_for_port(port, 60)
        yield made
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture
def windows(realm: Realm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Windows]:
    for name, value in realm.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("KRB5_KTNAME", str(realm.folder / "keytab"))
    with peer(tmp_path, user=f"admin@{REALM}") as made:
        yield made


async def test_the_customers_ticket_opens_a_machine_and_no_password_is_needed(realm: Realm, windows: Windows) -> None:
    assert takes_tickets(windows.place)
    with pytest.raises(RefusedError, match="does not take these credentials"):
        await windows.hop("")
    realm.take_ticket("admin")
    hop = await windows.hop("")
    try:
        done = await hop.run(Command(("sh", "-c", "printf said; exit 4")))
        assert (done.stdout, done.status) == (b"said", 4)
    finally:
        hop.close()
