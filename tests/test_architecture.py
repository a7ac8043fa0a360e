"""The floors are a test: who may import whom, which library belongs to which room, what no room may do."""

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ALLOWED: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "settings": frozenset(),
    "core": frozenset({"errors"}),
    "transport": frozenset({"core", "errors", "settings"}),
    "diagnostics": frozenset({"core", "errors", "settings"}),
    "audit": frozenset({"core", "errors", "settings"}),
    "tickets": frozenset({"core", "errors", "settings"}),
    "authority": frozenset({"transport", "core", "errors", "settings"}),
    "agent": frozenset({"transport", "diagnostics", "audit", "tickets", "core", "errors", "settings"}),
    "technician": frozenset({"transport", "diagnostics", "audit", "tickets", "core", "errors", "settings"}),
    "tui": frozenset({"technician", "core", "errors", "settings"}),
    "relay": frozenset({"core", "audit", "tickets", "errors", "settings"}),
}
"""Room → rooms it may import besides itself. `commands` and `cli` compose, so they may import everything."""

LIBRARIES: dict[str, tuple[str, ...]] = {
    "asyncssh": ("remote_assist/transport/ssh_library.py",),
    "websockets": ("remote_assist/transport/", "remote_assist/core/web_frames.py"),
    "aiohttp_socks": ("remote_assist/technician/relay_http.py",),
    "aiohttp": ("relay/", "remote_assist/technician/relay_http.py", "remote_assist/tickets/http.py"),
    "sqlalchemy": ("relay/",),
    "alembic": ("relay/migrations/",),
    "nats": ("relay/bus.py",),
    "uvloop": ("relay/",),
    "prometheus_client": ("relay/metrics.py",),
    "structlog": ("relay/",),
    "textual": ("remote_assist/tui/",),
    "rich": ("remote_assist/tui/",),
    "pyte": ("remote_assist/tui/",),
    "segno": ("remote_assist/tui/",),
    "paramiko": ("remote_assist/transport/",),
    "winrm": ("remote_assist/transport/",),
    "mss": ("remote_assist/transport/screen.py",),
    "requests": ("remote_assist/transport/hops/winrm.py", "remote_assist/transport/hops/winrm_connection.py"),
    "spake2": ("remote_assist/core/pairing.py",),
    "cel_expr_python": ("remote_assist/core/conditions.py",),
    "yaml": ("remote_assist/diagnostics/",),
    "psutil": ("remote_assist/transport/", "remote_assist/diagnostics/"),
    "msgspec": ("remote_assist/", "relay/"),
    "cryptography": (
        "remote_assist/core/",
        "remote_assist/transport/",
        "remote_assist/diagnostics/",
        "remote_assist/audit/timestamp.py",
        "remote_assist/audit/anchored.py",
        "relay/tls_dates.py",
    ),
    "rfc3161_client": ("remote_assist/audit/timestamp.py",),
    "backports": ("remote_assist/diagnostics/",),
}
"""Third-party library → where it may be imported. A library that is not listed may not be imported at all."""

PURE_STANDARD = {
    "abc", "argparse", "ast", "base64", "binascii", "bisect", "codecs", "collections", "contextlib", "copy",
    "dataclasses", "datetime", "difflib", "enum", "errno", "fnmatch", "functools", "hashlib", "heapq", "hmac",
    "ipaddress", "itertools", "json", "math", "operator", "re", "statistics", "string", "struct", "types",
    "typing", "unicodedata", "urllib", "zlib", "__future__",
}  # fmt: skip
"""What core may import of the standard library: nothing that reads a clock, dice, a file or a socket."""

MACHINE = {"subprocess", "pty", "shutil", "tempfile", "fcntl"}
"""Modules that act on a machine; agent and diagnostics reach it only through the gate's Target."""

OS_CHANGES = {
    "chmod", "chown", "fchmod", "kill", "killpg", "link", "makedirs", "mkdir", "popen", "posix_spawn", "remove",
    "rename", "replace", "rmdir", "setxattr", "spawnv", "symlink", "system", "truncate", "ftruncate", "unlink", "write",
    "execv", "execve", "fork", "open",
}  # fmt: skip
STARTS_A_PROGRAM = {"run", "Popen", "call", "check_call", "check_output", "create_subprocess_exec"}
PATH_CHANGES = {"write_text", "write_bytes", "touch", "chmod", "unlink", "mkdir", "rmdir", "rename", "symlink_to"}


def _sources() -> list[Path]:
    return sorted([*(ROOT / "remote_assist").rglob("*.py"), *(ROOT / "relay").rglob("*.py")])


@functools.cache
def parsed(path: Path) -> ast.Module:
    """A source file's tree."""
    return ast.parse(path.read_text())


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _room(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    if parts[0] == "relay":
        return "relay"
    return parts[1].removesuffix(".py")


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.lineno


def _faults_in(path: Path) -> Iterator[str]:
    room = _room(path)
    for module, line in _imports(path):
        top = module.split(".")[0]
        where = f"{_name(path)}:{line} imports {module}"
        if top in {"remote_assist", "relay"}:
            other = "relay" if top == "relay" else ([*module.split(".")[1:], ""])[0]
            if room in ALLOWED and other not in {room, ""} and other not in ALLOWED[room]:
                yield f"{where}: {room} may import {sorted(ALLOWED[room])}"
        elif top not in {*sys.stdlib_module_names, "compression"}:  # compression.zstd: standard from 3.14
            if top not in LIBRARIES:
                yield f"{where}: not a library this project uses"
            elif not _name(path).startswith(LIBRARIES[top]) and room not in {"commands", "cli"}:
                yield f"{where}: belongs to {LIBRARIES[top]}"
        elif room == "core" and top not in PURE_STANDARD:
            yield f"{where}: core decides and touches nothing"


def _machine_touches(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Call) and _acts(node):
            yield f"{_name(path)}:{line} calls {ast.unparse(node.func)}"
    for module, line in _imports(path):
        if module.split(".")[0] in MACHINE:
            yield f"{_name(path)}:{line} imports {module}"


def _acts(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    changes_path = isinstance(call.func, ast.Attribute) and call.func.attr in PATH_CHANGES
    changes_system = name == "open" or (name.startswith("os.") and name.removeprefix("os.") in OS_CHANGES)
    return changes_path or changes_system or name.startswith("asyncio.create_subprocess")


def test_imports_point_down_and_every_library_has_its_room() -> None:
    assert [fault for path in _sources() for fault in _faults_in(path)] == []


def test_only_the_gate_holds_the_machine() -> None:
    rooms = [p for p in _sources() if _room(p) in {"agent", "diagnostics"} and p.name != "gate.py"]
    assert [fault for path in rooms for fault in _machine_touches(path)] == []


def test_no_shell_strings_and_no_archive_extraction_anywhere() -> None:
    found = []
    for path in _sources():
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            starts = name.rpartition(".")[2] in STARTS_A_PROGRAM
            shell = starts and any(k.arg == "shell" and not _is_false(k.value) for k in node.keywords)
            if shell or name.endswith(("create_subprocess_shell", "os.system", "os.popen")):
                found.append(f"{_name(path)}:{node.lineno} {name}")
            if isinstance(node.func, ast.Attribute) and node.func.attr in {"extractall", "unpack_archive", "extract"}:
                found.append(f"{_name(path)}:{node.lineno} {name}")
    assert found == []


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.parametrize("module", ["remote_assist.commands.customer.join", "remote_assist.agent.join"])
def test_the_agent_never_loads_what_only_other_sides_need(module: str) -> None:
    unwanted = {
        "textual",
        "rich",
        "aiohttp",
        "sqlalchemy",
        "cel_expr_python",
        "structlog",
        "uvloop",
        "paramiko",
        "winrm",
        "mss",
    }
    assert unwanted & loaded_with(module) == set()


def test_a_relay_that_is_alone_needs_no_library_of_several_nodes_and_loads_no_migration() -> None:
    assert {"nats", "psycopg", "alembic"} & loaded_with("relay.server") == set()


def loaded_with(module: str) -> set[str]:
    """Packages that are there once a module is."""
    program = f"import sys, {module}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


SHOWS = ("remote_assist/tui/screens/", "remote_assist/tui/panes/", "remote_assist/tui/widgets/")
TOOLKIT_WAITS = {"mount", "remove"}
"""What a screen may wait for: its own widgets. All else is a job of tui/jobs or tui/work, which answers by message."""

NOT_SHOWN = {"asyncio", "threading", "socket", "subprocess", "time"}
BLOCKS = {"read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "stat", "unlink", "sleep", "iterdir", "glob"}


def test_what_shows_waits_for_no_network_no_file_and_no_clock() -> None:
    faults = []
    for path in _sources():
        if not _name(path).startswith(SHOWS):
            continue
        for node in ast.walk(parsed(path)):
            waited = node.value if isinstance(node, ast.Await) else None
            if isinstance(node, ast.AsyncFor | ast.AsyncWith) or (waited and _called(waited) not in TOOLKIT_WAITS):
                faults.append(f"{_name(path)} waits: {ast.unparse(node)[:60]}")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in BLOCKS:
                faults.append(f"{_name(path)}:{node.lineno} blocks: {ast.unparse(node)[:60]}")
        faults += [f"{_name(path)}:{line} imports {name}" for name, line in _imports(path) if name in NOT_SHOWN]
    assert faults == []


def _called(waited: ast.expr) -> str:
    return waited.func.attr if isinstance(waited, ast.Call) and isinstance(waited.func, ast.Attribute) else ""


def test_every_module_says_what_truth_lives_in_it() -> None:
    assert [_name(p) for p in _sources() if not ast.get_docstring(parsed(p))] == []


def test_tests_mirror_the_source() -> None:
    rooms = {p.name for p in (ROOT / "remote_assist").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert {room for room in rooms if not (ROOT / "tests" / room).is_dir()} == set()


PACKAGES = sorted({path.parent for path in _sources() if path.parent.name != "__pycache__"})


@pytest.mark.parametrize("package", PACKAGES, ids=[_name(package) for package in PACKAGES])
def test_nothing_in_a_folder_imports_in_circles(package: Path) -> None:
    """Files and sub-folders of one folder stand above each other: each may be read once those below it are."""
    arrows: dict[str, set[str]] = {}
    prefix = _name(package).replace("/", ".") + "."
    for path in package.rglob("*.py"):
        inside = path.relative_to(package).with_suffix("").parts[0]
        for module, _ in _imports(path):
            other = module.removeprefix(prefix).split(".")[0]
            if module.startswith(prefix) and other != inside:
                arrows.setdefault(inside, set()).add(other)
    assert _circle(arrows) == []


def _circle(arrows: dict[str, set[str]]) -> list[str]:
    """Everything that leads back to itself."""
    leads = {one: set(others) for one, others in arrows.items()}
    for between in leads:
        for one, others in leads.items():
            if between in others:
                leads[one] = others | leads[between]
    return sorted(one for one, others in leads.items() if one in others)
