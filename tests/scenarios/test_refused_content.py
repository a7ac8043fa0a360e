"""Catalog files with words that mean nothing: `kb lint` names file, line, key and the nearest key, and exits 2."""

import json
from pathlib import Path

from remote_assist.diagnostics.catalog_loader import shipped_folder
from tests.scenarios.world import World

MISSPELT = {
    "collector": ("sensitivity: pii", "sensitivty: pii", "sensitivity"),
    "collector's limits": ("max_bytes: 16KiB", "max_byte: 16KiB", "max_bytes"),
    "bundle": ("collectors:\n", "colectors:\n", "collectors"),
    "known issue": ("explanation: |", "explanaton: |", "explanation"),
    "known issue's metadata": ("  severity: critical", "  sevrity: critical", "severity"),
    "fix": ("elevation: required", "elevaton: required", "elevation"),
    "fix's consent": ("consent: {required: true", "consent: {requird: true", "required"),
}
"""Where → a piece of the shipped catalog, the same with a slip, and the key that was meant."""


def test_every_unknown_key_is_named_with_its_place_and_the_nearest_key(tmp_path: Path) -> None:
    world = World(tmp_path)
    folder = tmp_path / "catalog"
    folder.mkdir()
    places: dict[str, tuple[str, int, str, str]] = {}
    texts = {path.name: path.read_text() for path in sorted(shipped_folder().glob("*.yaml"))}
    for what, (right, wrong, meant) in MISSPELT.items():
        [name, *_] = [name for name, text in texts.items() if right in text]
        before, _, after = texts[name].partition(right)
        texts[name] = before + wrong + after
        word = wrong.replace("consent: {", "").partition(":")[0].strip()
        places[what] = (name, before.count("\n") + 1, word, meant)
    for name, text in texts.items():
        (folder / name).write_text(text)
    done = world.command("kb", "lint", str(folder), expect=2)
    told = [
        json.loads(line) for line in world.command("kb", "lint", str(folder), "--json", expect=2).stdout.splitlines()
    ]
    for what, (name, line, word, meant) in places.items():
        sentences = [one["problem"] for one in told if one["file"] == str(folder / name) and one["line"] == line]
        [sentence] = [one for one in sentences if f"unknown key '{word}'" in one]
        assert sentence.endswith(f"; did you mean '{meant}'?"), what
        assert f"{folder / name}:{line}: {sentence}" in done.stdout.splitlines()
    assert done.stderr == ""


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = World(tmp_path).command("kb", "lint", "nowhere.yaml", expect=2)
    assert done.stdout == "nowhere.yaml:1: there is no such file or folder\n"
