"""What no collector may open or run, whoever wrote it: shipped ones by a test, those of packs when they are read.

Shadow files, private keys, credential stores, browser secrets, environments, arguments and memory of processes.
"""

import re

from remote_assist.core.catalog.model import Collector

NEVER_OPENED = re.compile(
    r"shadow|/\.ssh/|ssh_host_\w+_key(?!\.pub)|\.key$|private[-_]?key|keyring|/\.gnupg|/\.aws|/\.netrc|\.pgpass"
    r"|[Cc]ookies|[Ll]ogin ?[Dd]ata|logins\.json|key\d\.db|wallet"
    r"|/environ$|/proc/[^/]+/(?:mem|maps|cmdline|auxv)$|/proc/kcore|/dev/k?mem"
    r"|/var/crash/.+|/coredump/.+|system-connections"
)
"""Paths that are never opened."""

NEVER_RUN = re.compile(
    r"^(?:wg show|gpg|secret-tool|security (?!find-certificate)|mysqldump|pg_dump|strings|gcore|gdb"
    r"|coredumpctl (?:dump|debug|info))"
    r"|^ps .*(?:args|cmd|environ|-f\b)|^docker inspect(?! --format)|^podman inspect(?! --format)|\.Config\.Env|^env$"
    r"|^fdesetup (?!status)|^(?:cmdkey|vaultcmd|certutil .*-exportpfx|reg save|manage-bde .*-protectors)"
)
"""Command lines that are never run."""

NEVER_IN_POWERSHELL = re.compile(
    r"(?i)RecoveryPassword|KeyProtector|Export-PfxCertificate|ConvertFrom-SecureString|Get-Credential|Get-StoredCredential"
    r"|CommandLine|Get-Clipboard|MiniDumpWriteDump|\\SAM\b|Lsa\b|EnvironmentVariables|Invoke-WebRequest|Invoke-Expression"
    r"|\biex\b|DownloadString|Start-Process|Set-\w+|Remove-\w+|New-Item|Stop-\w+|Restart-\w+"
)
"""What PowerShell of a collector never says: keys, arguments, and anything that changes the machine."""


def forbidden_in(collector: Collector) -> str:
    """What a collector would do that none may, or empty."""
    for each in collector.implementations:
        if each.command is not None:
            words = each.command.argv
            line = " ".join((words[0].rpartition("/")[2], *words[1:]))
            if NEVER_RUN.search(line) or any(NEVER_OPENED.search(word) for word in words):
                return f"'{line[:120]}' is never run to collect facts"
        found = NEVER_IN_POWERSHELL.search(each.powershell)
        if found:
            return f"'{found[0]}' is never said in PowerShell that collects facts"
    return ""
