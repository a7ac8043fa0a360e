"""`remote-assist ca` as an operator types it: what is printed, and the exit codes scripts rely on."""

import json
import subprocess
from pathlib import Path

import pytest

from remote_assist.cli import main
from remote_assist.core.identity.lists import adopt_request
from remote_assist.core.signing.cosignature import cosigner_key
from remote_assist.core.signing.keys import public_line
from remote_assist.core.signing.signed_note import log_origin
from remote_assist.errors import Exit
from tests.core.pairs import LOG


@pytest.fixture(autouse=True)
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "alice"], check=True)
    (tmp_path / "relay-data").mkdir()
    (tmp_path / "relay-data" / "adopt-request").write_bytes(adopt_request("Example Support", LOG))
    return tmp_path


def ca(*words: str) -> int:
    return main(["ca", *words, "--dir", "org"])


def sign(*words: str) -> int:
    return ca("sign", "alice.pub", "--name", "Alice Example", "--role", "technician", *words)


def test_the_operators_part_of_the_readme_works(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ca("init") == sign() == ca("adopt", "relay-data") == Exit.DONE
    printed = capsys.readouterr().out
    assert "alice-cert.pub: Alice Example, technician, serial 1, until " in printed
    assert "Organisation  Example Support" in printed
    assert "Log key       SHA256:" in printed
    assert sorted(path.name for path in (desk / "relay-data" / "lists").iterdir()) == [
        "organisation.json",
        "packs.json",
        "reviewers.json",
        "revocations.json",
    ]


def test_json_and_plain_answers(capsys: pytest.CaptureFixture[str]) -> None:
    ca("init", "--plain")
    assert capsys.readouterr().out.startswith("SHA256:")
    sign("--json", "--valid", "30m")
    answer = json.loads(capsys.readouterr().out)
    assert (answer["certificate"], answer["serial"], answer["role"]) == ("alice-cert.pub", 1, "technician")
    ca("adopt", "relay-data", "--json")
    assert json.loads(capsys.readouterr().out)["numbers"]["organisation"] == 1
    sign("--plain")
    assert capsys.readouterr().out == "alice-cert.pub\n"
    ca("revoke", "1", "--json")
    assert json.loads(capsys.readouterr().out) == {"revocations": 2}


def test_keys_are_listed_added_and_removed(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ca("init")
    assert ca("reviewers", "--new") == ca("packs", "--add", "alice.pub") == Exit.DONE
    assert ca("reviewers", "--add", "org/reviewers-2.pub") == Exit.USAGE
    capsys.readouterr()
    ca("reviewers", "--plain")
    assert capsys.readouterr().out.splitlines() == ["reviewers-1", "reviewers-2"]
    ca("packs", "--plain")
    assert capsys.readouterr().out.startswith("SHA256:")
    assert ca("reviewers", "--remove", "reviewers-2") == ca("packs", "--remove", "alice.pub") == Exit.DONE
    assert "Relays learn this when you run" in capsys.readouterr().out
    subprocess.run(["openssl", "genpkey", "-algorithm", "X25519", "-out", "rita"], check=True)
    subprocess.run(["openssl", "pkey", "-in", "rita", "-pubout", "-out", "rita.pem"], check=True)
    assert ca("reviewers", "--add", "rita.pem") == Exit.DONE
    assert "reviewers-3 added." in capsys.readouterr().out
    assert ca("reviewers", "--add", "rita") == Exit.USAGE


def test_show_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    ca("init")
    sign()
    sign()
    ca("show")
    assert "no relay adopted yet" in capsys.readouterr().out
    ca("adopt", "relay-data")
    assert ca("revoke", "2", "77") == ca("revoke", "2") == Exit.DONE
    said = capsys.readouterr().err
    assert "Serial 77 was not issued from this folder" in said
    assert "Revoked before" in said
    ca("show")
    shown = capsys.readouterr().out
    assert "Organisation  Example Support (list 1)" in shown
    assert "Revoked       2, 77 (list 2)" in shown
    assert [line.split()[1] for line in shown.splitlines() if "Alice" in line] == ["valid", "revoked"]
    ca("show", "--json")
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last == {"serial": 2, "name": "Alice Example", "role": "technician", "state": "revoked"}


def test_a_cosigner_is_named_and_its_long_key_left_out(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = cosigner_key(bytes(32), log_origin(public_line(LOG))).line
    assert "+" in line.rpartition("+")[0].partition("+")[2], "the key itself holds the sign between the parts"
    (desk / "relay-data" / "adopt-request").write_bytes(adopt_request("Example Support", LOG, cosigner=line))
    assert ca("init") == ca("adopt", "relay-data") == Exit.DONE
    capsys.readouterr()
    assert ca("show") == Exit.DONE
    [shown] = [text for text in capsys.readouterr().out.splitlines() if text.startswith("Cosigner")]
    assert shown.split() == ["Cosigner", "+".join(line.split("+")[:2])]


def test_a_renamed_organisation_is_pointed_out(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ca("init")
    ca("adopt", "relay-data")
    (desk / "relay-data" / "adopt-request").write_bytes(adopt_request("Example Help", LOG))
    ca("adopt", "relay-data/adopt-request", "-o", "out")
    assert "was called Example Support before" in capsys.readouterr().err
    assert (desk / "out" / "ca.pub").is_file()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("sign", "alice.pub", "--name", "A", "--role", "technican"), Exit.USAGE),
        (("sign", "alice.pub", "--name", "A", "--role", "technician", "--valid", "31d"), Exit.USAGE),
        (("sign", "alice.pub", "--name", "A", "--role", "technician", "--valid", "soon"), Exit.USAGE),
        (("sign", "alice", "--name", "A", "--role", "technician"), Exit.USAGE),
        (("sign", "none.pub", "--name", "A", "--role", "technician"), Exit.USAGE),
        (("init",), Exit.USAGE),
        (("adopt", "nowhere"), Exit.USAGE),
        (("adopt", "relay-data/adopt-request"), Exit.USAGE),
        (("adopt", "relay-data/evil", "-o", "out"), Exit.UNVERIFIED),
    ],
)
def test_what_cannot_be_done_ends_with_its_exit_code(
    desk: Path, words: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "relay-data" / "evil").write_bytes(adopt_request("Example", LOG).replace(b"Example", b"Eximple"))
    ca("init")
    assert ca(*words) == code
    assert capsys.readouterr().err.startswith("remote-assist: ")


def test_a_folder_that_cannot_be_written_is_said_in_one_sentence(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ca("init")
    (desk / "out").touch()
    assert ca("adopt", "relay-data", "-o", "out") == Exit.FAILED
    assert "out" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["revoke", "x"], ["revoke", "-1"], ["revoke"], ["sign", "alice.pub"], ["fly"], []])
def test_what_argparse_refuses_is_a_usage_error(words: list[str]) -> None:
    assert ca(*words) == Exit.USAGE


def test_a_certificate_authority_needs_its_folder_named() -> None:
    assert main(["ca", "init"]) == Exit.USAGE
    assert ca("show") == Exit.USAGE
