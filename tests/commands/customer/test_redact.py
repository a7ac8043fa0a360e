"""`redact` as a person runs it."""

import io
import json
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from remote_assist.agent.token_map import TokenMap
from remote_assist.cli import main
from remote_assist.commands.customer.redact import MAX_PIECE_BYTES, PIECE_BYTES, pieces
from remote_assist.errors import UsageError


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], str]:
    status = main(list(words))
    shown = capsys.readouterr()
    return status, shown.out.splitlines(), shown.err


def test_redact_shows_the_text_and_counts_what_it_took(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "log"
    file.write_text("password=hunter2-x\nfrom alice@example.com\n")
    status, lines, notes = run(capsys, "redact", str(file))
    assert status == 0
    assert lines[0].startswith("password=<secret:")
    assert lines[1].startswith("from <mail:")
    assert "1 × mail, 1 × secret" in notes
    assert "alice@example.com" in run(capsys, "redact", "--profile", "secrets", str(file))[1][1]
    answer = [json.loads(line) for line in run(capsys, "redact", "--json", str(file))[1]]
    assert answer[1]["text"].startswith("from <mail:")
    assert answer[-1] == {"taken_out": {"secret": 1, "mail": 1}}


def test_redact_hides_words_it_is_told_and_can_only_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "log"
    file.write_text("the Falkenstein project\n")
    assert run(capsys, "redact", "--word", "falkenstein", str(file))[1][0].startswith("the <word:")
    status, lines, notes = run(capsys, "redact", "--counts", "--word", "falkenstein", str(file))
    assert (status, lines) == (0, [])
    assert "1 × word" in notes


def test_a_key_is_taken_out_whole_wherever_the_pieces_are_cut() -> None:
    key = b"-----BEGIN PRIVATE KEY-----\n" + b"QUJD\n" * 100 + b"-----END PRIVATE KEY-----\n"
    text = b"x" * (PIECE_BYTES - 40) + b"\n" + key + b"after\n"
    parts = list(pieces(io.BytesIO(text)))
    assert b"".join(parts) == text
    assert any(key in part for part in parts)


def test_text_of_many_pieces_is_cut_at_lines_and_an_endless_line_is_refused() -> None:
    text = b"a line of a log\n" * (2 * PIECE_BYTES // 16) + b"no end"
    parts = list(pieces(io.BytesIO(text)))
    assert b"".join(parts) == text
    assert len(parts) > 2
    assert all(part.endswith(b"\n") for part in parts[:-1])
    with pytest.raises(UsageError, match="longer than"):
        list(pieces(io.BytesIO(b"x" * (MAX_PIECE_BYTES + PIECE_BYTES))))
    begun = b"-----BEGIN CERTIFICATE-----\n" + b"cut off\n" * 400_000
    assert b"".join(pieces(io.BytesIO(begun))) == begun


def test_tokens_are_revealed_by_the_map_of_this_machine_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REMOTE_ASSIST_HOME", str(tmp_path / "home"))
    TokenMap(tmp_path / "home", secrets.token_bytes).remember({"<user:0a1b2c3d>": "mlopez"})
    file = tmp_path / "log"
    file.write_text("home of <user:0a1b2c3d> and <user:ffffffff>\n")
    assert run(capsys, "redact", "--reveal", str(file))[1] == ["home of mlopez and <user:ffffffff>"]


def test_redact_reads_standard_input_and_lets_no_control_sequence_through() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "remote_assist", "redact"],
        input=b"\x1b[31mred AKIAQX7ZLM3TPW5N2RCB\n",
        capture_output=True,
        check=True,
    )
    assert b"\x1b" not in done.stdout
    assert b"AKIA" not in done.stdout
    assert b"<token:" in done.stdout


def test_redact_of_a_file_that_is_not_there_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    status, lines, said = run(capsys, "redact", "/nonexistent/file")
    assert (status, lines) == (2, [])
    assert "No such file" in said
