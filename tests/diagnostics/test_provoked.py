# ruff: noqa: E501 - a table of faults, each with its shell script
"""Faults made for real, each in mount, network and process namespaces of its own; found, mended where there is a fix.

Outside nothing changes: a mount hides a folder from the test's own processes only, and the network has no cable.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
NAMESPACES = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


def _possible() -> bool:
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return False
    return subprocess.run([*NAMESPACES, "true"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not _possible(), reason="namespaces need root and a kernel that allows them")


@dataclass(frozen=True)
class Fault:
    """`setup` is a shell script; `$D` is a folder of the test's own. `says` must be in the message."""

    issue: str
    outcome: str
    setup: str
    says: str = ""
    fix: bool = False
    needs: str = ""
    missing: tuple[str, ...] = ()


FILES = """over() { cat > "$D/file"; mount --bind "$D/file" "$1"; }\n"""


def log(name: str, *lines: str) -> str:
    text = "\n".join(f"Nov 20 10:00:0{number} web1 kernel: {line}" for number, line in enumerate(lines))
    return f"mount -t tmpfs logs /var/log; cat > /var/log/{name} <<'END'\n{text}\nEND\n"


NO_LOG_TOOLS = ("journalctl", "dmesg")
HOLD = "import os,socket,sys,time"

FAULTS = [
    Fault("linux.filesystem.nearly-full", "fail", 'mkdir "$D/m"; mount -t tmpfs -o size=1m t "$D/m"; '
          'dd if=/dev/zero of="$D/m/x" bs=1k count=1000 2>/dev/null', "% full"),
    Fault("linux.filesystem.nearly-full", "fail", 'mkdir "$D/m"; mount -t tmpfs -o nr_inodes=20 t "$D/m"; '
          'for n in $(seq 18); do : > "$D/m/$n"; done', "inodes"),
    Fault("linux.filesystem.nearly-full", "fail", 'truncate -s 4M "$D/i"; mkfs.ext4 -q "$D/i"; mkdir "$D/m"; '
          'mount -o loop "$D/i" "$D/m"; dd if=/dev/zero of="$D/m/x" bs=64k 2>/dev/null || true', "% full", needs="mkfs.ext4"),
    Fault("linux.disk.boot-full", "fail", "mount -t tmpfs -o size=1m t /boot; "
          "dd if=/dev/zero of=/boot/vmlinuz bs=1k count=1000 2>/dev/null", "next kernel update"),
    Fault("linux.disk.not-mounted", "warn", 'mkdir "$D/m"; echo "t $D/m tmpfs size=1m 0 0" | over /etc/fstab',
          "is named in /etc/fstab", fix=True),
    Fault("linux.disk.became-read-only", "fail", 'mkdir "$D/m"; echo "t $D/m tmpfs rw 0 0" | over /etc/fstab; '
          'mount -t tmpfs -o ro t "$D/m"', "read-only"),
    Fault("linux.disk.tmp-not-shared-safely", "fail", "mount -t tmpfs -o mode=0777 t /var/tmp", "mode 0777", fix=True),
    Fault("linux.disk.tmp-not-shared-safely", "warn", "mount -t tmpfs -o mode=0755 t /var/tmp", "mode 0755", fix=True),
    Fault("linux.permissions.system-writable", "fail", "mount -t tmpfs -o mode=0777 t /etc/cron.d", "/etc/cron.d", fix=True),
    Fault("linux.disk.deleted-but-open", "warn", 'fallocate -l 1100M "$D/big"; '
          f'{sys.executable} -c "import os,sys,time; f=open(sys.argv[1]); os.unlink(sys.argv[1]); time.sleep(60)" "$D/big" & '
          'while [ -e "$D/big" ]; do sleep 0.05; done', "deleted files"),
    Fault("linux.processes.zombies", "warn", f"{sys.executable} -c \"{HOLD}\n"
          "for n in range(12):\n  if not os.fork(): os._exit(0)\nopen(sys.argv[1],'w').close(); time.sleep(60)\" \"$D/up\" & "
          'while [ ! -e "$D/up" ]; do sleep 0.05; done', "ended processes are left over"),
    Fault("linux.network.no-default-route", "fail", "ip link set lo up", "no default route"),
    Fault("linux.network.gateway-silent", "fail", "ip link add name left type veth peer name right; ip addr add 192.0.2.2/24 dev left; "
          "ip link set left up; ip link set right up; ip route add default via 192.0.2.1; "
          f"{sys.executable} -c \"{HOLD}; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.sendto(b'x',('192.0.2.1',9))\"; "
          "sleep 0.3", "192.0.2.1 does not answer"),
    Fault("linux.dns.lookup-fails", "fail", "ip link set lo up; echo 'nameserver 127.0.0.1' | over /etc/resolv.conf",
          "cannot be looked up"),
    Fault("linux.dns.no-nameserver", "fail", "echo 'search example.com' | over /etc/resolv.conf", "no name server"),
    Fault("linux.network.connections-not-closed", "warn", "ip link set lo up; "
          f"{sys.executable} -c \"{HOLD}\nl=socket.create_server(('127.0.0.1',9),backlog=200); held=[]\nfor n in range(120):\n"
          "  c=socket.create_connection(('127.0.0.1',9)); held.append(l.accept()); c.close()\n"
          "open(sys.argv[1],'w').close(); time.sleep(60)\" \"$D/up\" & "
          'while [ ! -e "$D/up" ]; do sleep 0.05; done', "never closed here"),
    Fault("linux.network.proxy-password", "warn", "echo 'http_proxy=http://alice:x@proxy.example.com:3128' | over /etc/environment",
          "proxy.example.com"),
    Fault("linux.memory.programs-killed", "warn", log("kern.log", "Out of memory: Killed process 812 (java) total-vm:1kB"),
          "(java)", missing=NO_LOG_TOOLS),
    Fault("linux.disk.read-write-errors", "warn", log("kern.log", "blk_update_request: I/O error, dev sdb, sector 8"),
          "sdb", missing=NO_LOG_TOOLS),
    Fault("linux.disk.filesystem-damaged", "fail", log("kern.log", "EXT4-fs error (device sda1): ext4_lookup: bad inode"),
          "sda1", missing=NO_LOG_TOOLS),
    Fault("linux.programs.crash", "warn", log("kern.log", "viewer[9]: segfault at 0 ip 05 sp 07 error 4 in viewer"),
          "viewer", missing=NO_LOG_TOOLS),
    Fault("linux.kernel.hung-tasks", "fail", log("kern.log", "INFO: task jbd2/sda1-8:9 blocked for more than 120 seconds."),
          "blocked for more than", missing=NO_LOG_TOOLS),
    Fault("linux.logins.many-failed", "warn", log("auth.log", *["Failed password for root from 192.0.2.7"] * 40),
          "40 logins failed", missing=NO_LOG_TOOLS),
    Fault("linux.accounts.second-root", "fail", "(cat /etc/passwd; echo 'toor:x:0:0::/root:/bin/sh') > \"$D/p\"; "
          'over /etc/passwd < "$D/p"', "2 accounts"),
    Fault("linux.updates.restart-pending", "warn", "mount -t tmpfs t /run; : > /run/reboot-required", "restart"),
    Fault("linux.updates.lists-old", "warn", "mount -t tmpfs t /var/lib/apt/lists; touch -d '90 days ago' /var/lib/apt/lists/x",
          "days old", needs="apt-get"),
    Fault("linux.web.configuration-wrong", "fail", "echo 'http { server { lisen 80; } }' | over /etc/nginx/nginx.conf",
          'unknown directive "lisen"', needs="nginx"),
    Fault("linux.ssh.root-by-password", "warn", "mkdir -p /run/sshd; printf 'PermitRootLogin yes\\nPasswordAuthentication yes\\n' "
          "| over /etc/ssh/sshd_config", "root", needs="sshd"),
    Fault("linux.ssh.empty-passwords", "fail", "echo 'PermitEmptyPasswords yes' | over /etc/ssh/sshd_config",
          "without a password", needs="sshd"),
    Fault("linux.packages.half-installed", "fail",
          'cp -a /var/lib/dpkg "$D/dpkg"; '
          'p=$(for f in /var/lib/dpkg/info/*.list; do n=${f##*/}; n=${n%.list}; case $n in *:*) continue;; esac; '
          '[ -e "/var/lib/dpkg/info/$n.postinst" ] || [ -e "/var/lib/dpkg/info/$n.conffiles" ] || '
          '[ -e "/var/lib/dpkg/info/$n.config" ] || { echo "$n"; break; }; done); '
          'sed -i "/^Package: $p\\$/,/^\\$/s/^Status: install ok installed/Status: install ok half-configured/" "$D/dpkg/status"; '
          'sed -i "/^Package: $p\\$/,/^\\$/s/^Version: \\(.*\\)/&\\nConfig-Version: \\1/" "$D/dpkg/status"; '
          'mount --bind "$D/dpkg" /var/lib/dpkg', "installed half way", fix=True, needs="dpkg"),
]  # fmt: skip


def ids(fault: Fault) -> str:
    return f"{fault.issue.removeprefix('linux.')}-{fault.outcome}"


@pytest.mark.parametrize("fault", FAULTS, ids=ids)
def test_a_fault_made_for_real_is_found_and_mended(fault: Fault, tmp_path: Path) -> None:
    if fault.needs and not shutil.which(fault.needs, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        pytest.skip(f"there is no {fault.needs} here")
    asked = {"issue": fault.issue, "setup": FILES + fault.setup, "missing": fault.missing, "fix": fault.fix}
    done = subprocess.run(
        [*NAMESPACES, sys.executable, "-m", "tests.diagnostics.inside"],
        input=json.dumps(asked),
        cwd=ROOT,
        env={**os.environ, "D": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    wrong = [(outcome, message) for outcome, _, message, _ in told["before"] if fault.says in message]
    assert fault.outcome in [outcome for outcome, _ in wrong], told["before"]
    if fault.fix:
        assert told["plan"][:2] == [True, ""], told["plan"]
        assert told["result"][0] == "resolved", told["result"]
        subjects = {subject for outcome, subject, message, _ in told["before"] if fault.says in message}
        left = [each for each in told["after"] if each[1] in subjects and each[0] in {"fail", "warn"}]
        assert left == []
