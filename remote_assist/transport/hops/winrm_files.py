"""What is asked of Windows' files over WinRM: constant PowerShell, values as base64 of JSON, answers as JSON.

Rule: nothing is put into a script's text; no quoting can be broken out of.
"""

import base64
import json

import msgspec

from remote_assist.core.catalog.powershell import powershell_argv
from remote_assist.core.target import FileStatus
from remote_assist.errors import AssistError

_STATUS = """
function Show-One($i) {
  [pscustomobject]@{
    path = $i.FullName
    kind = if ($i.Attributes -band [IO.FileAttributes]::ReparsePoint) { 'link' }
      elseif ($i.PSIsContainer) { 'folder' } else { 'file' }
    size_bytes = if ($i.PSIsContainer) { 0 } else { $i.Length }
    modified = ([DateTimeOffset]$i.LastWriteTimeUtc).ToUnixTimeMilliseconds() / 1000
  }
}
"""

STATUS = _STATUS + "Show-One (Get-Item -LiteralPath $p.path -Force)"
LIST = (
    _STATUS
    + "Get-ChildItem -LiteralPath $p.path -Force | Sort-Object Name | Select-Object -First $p.max | % { Show-One $_ }"
)
READ = """
$i = Get-Item -LiteralPath $p.path -Force
if ($i.PSIsContainer -or ($i.Attributes -band [IO.FileAttributes]::ReparsePoint)) { throw 'not a plain file' }
$s = [IO.File]::Open($i.FullName, 'Open', 'Read', 'ReadWrite')
try {
  if ($p.tail -and $s.Length -gt $p.max) { [void]$s.Seek(-$p.max, 'End') }
  $b = New-Object byte[] $p.max
  $n = 0
  while ($n -lt $p.max -and ($k = $s.Read($b, $n, $p.max - $n)) -gt 0) { $n += $k }
  [Convert]::ToBase64String($b, 0, $n)
} finally { $s.Dispose() }
"""


def read_argv(path: str, max_bytes: int, *, tail: bool) -> tuple[str, ...]:
    """What prints a file as base64."""
    return powershell_argv(READ, {"path": path, "max": max_bytes, "tail": tail})


def status_argv(path: str) -> tuple[str, ...]:
    """What prints one path's status."""
    return powershell_argv(STATUS, {"path": path})


def list_argv(path: str, max_entries: int) -> tuple[str, ...]:
    """What prints a folder's entries."""
    return powershell_argv(LIST, {"path": path, "max": max_entries})


def content_of(raw: bytes) -> bytes:
    """The bytes that READ printed. Raises AssistError."""
    try:
        return base64.b64decode("".join(json.loads(raw)), validate=True)
    except (ValueError, TypeError) as error:
        raise AssistError("that machine answered with something that is no file") from error


class _Shown(msgspec.Struct):
    path: str
    kind: str
    size_bytes: int
    modified: float


def statuses_of(raw: bytes) -> list[FileStatus]:
    """What STATUS and LIST print. Raises AssistError."""
    try:
        shown = msgspec.json.decode(raw or b"[]", type=list[_Shown])
    except msgspec.DecodeError as error:
        raise AssistError("that machine answered with something that is no listing") from error
    return [FileStatus(one.path, one.kind, one.size_bytes, 0, one.modified) for one in shown]
