"""Constant PowerShell of the catalog → one argv list. Parameters arrive as JSON in `$p`, results leave as JSON.

Rule: a text is constant. Nothing is put into it; values travel as base64 of JSON, which no quoting can break out of.
"""

import base64
import json
from collections.abc import Mapping

from remote_assist.core.target import Command

RESULT = "ConvertTo-Json -InputObject @($result) -Depth 6 -Compress"


def powershell_argv(
    text: str, parameters: Mapping[str, object] | None = None, *, result: bool = True
) -> tuple[str, ...]:
    """argv that runs `text` and stops at its first error. `result`: its objects are printed as a JSON list."""
    given = base64.b64encode(json.dumps(dict(parameters or {})).encode()).decode()
    lines = [
        "$ErrorActionPreference = 'Stop'",
        "$ProgressPreference = 'SilentlyContinue'",
        "[Console]::OutputEncoding = [Text.Encoding]::UTF8",
        f"$p = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('{given}')) | ConvertFrom-Json",
        f"$result = & {{\n{text}\n}}",
        *([RESULT] if result else []),
    ]
    encoded = base64.b64encode("\n".join(lines).encode("utf-16-le")).decode()
    return ("powershell.exe", "-NoProfile", "-NonInteractive", "-EncodedCommand", encoded)


def powershell_command(
    text: str, parameters: Mapping[str, object] | None = None, *, timeout_seconds: float = 30.0, result: bool = True
) -> Command:
    """The same as a Command."""
    return Command(powershell_argv(text, parameters, result=result), timeout_seconds=timeout_seconds)


def script_of(argv: tuple[str, ...]) -> str:
    """The text an argv of ours runs: for the dry run, and for whoever reads a record."""
    return base64.b64decode(argv[-1]).decode("utf-16-le")
