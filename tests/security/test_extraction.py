"""T20: archives are never extracted. Collected files are named by content or by one checked name, and lint says so."""

import ast
from pathlib import Path

from tests.test_architecture import parsed

ROOT = Path(__file__).parent.parent.parent
FORBIDDEN = {"extractall", "extract", "unpack_archive", "extractfile"}


def test_nothing_here_extracts_archives() -> None:
    found = []
    for path in [*(ROOT / "remote_assist").rglob("*.py"), *(ROOT / "relay").rglob("*.py")]:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FORBIDDEN:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.func.attr}")
    assert found == []


def test_nothing_here_opens_a_tar_or_zip_file_by_a_library_that_could() -> None:
    """The bundle is written and read member by member (diagnostics/bundle*.py): TarInfo for headers, nothing else."""
    for path in [*(ROOT / "remote_assist").rglob("*.py"), *(ROOT / "relay").rglob("*.py")]:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in {"tarfile.open", "tarfile.TarFile", "zipfile.ZipFile", "shutil.unpack_archive"}, path
