"""The docs cannot drift: every message, field, verb and setting a user meets is named where the docs say it is."""

import inspect
import re
from pathlib import Path

import msgspec
import pytest

from remote_assist import cli
from remote_assist.core import api, messages, requests

ROOT = Path(__file__).parent.parent
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()


def _structs(module: object) -> list[type[msgspec.Struct]]:
    found = [value for _, value in inspect.getmembers(module, inspect.isclass) if issubclass(value, msgspec.Struct)]
    return [kind for kind in found if kind.__module__ == getattr(module, "__name__", "") and kind.__struct_fields__]


@pytest.mark.parametrize("module", [messages, requests, api], ids=lambda module: str(module.__name__))
def test_every_field_of_every_message_is_in_the_protocol(module: object) -> None:
    missing = [
        f"{kind.__name__}.{name}"
        for kind in _structs(module)
        for name in kind.__struct_fields__
        if not re.search(rf"[`{{ ]{name}[`, }}]", PROTOCOL)
    ]
    assert missing == []


@pytest.mark.parametrize("module", [messages, requests], ids=lambda module: str(module.__name__))
def test_every_tag_is_in_the_protocol(module: object) -> None:
    tags = [str(kind.__struct_config__.tag) for kind in _structs(module) if kind.__struct_config__.tag]
    assert [tag for tag in tags if f"`{tag}`" not in PROTOCOL] == []


def test_the_readme_is_short_and_every_link_in_it_exists() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < 150
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if not link.startswith("http")]
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_verb_is_in_the_overview_and_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    overview = capsys.readouterr().out
    for verb in cli.VERBS:
        assert verb in overview
        with pytest.raises(SystemExit) as left:
            cli.main([verb, "--help"])
        assert left.value.code == 0
        assert "usage: remote-assist" in capsys.readouterr().out
