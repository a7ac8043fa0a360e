# ruff: noqa: E501 - a table of faults, each with its shell script
"""Fixes run for real, each in namespaces of its own: real servers, real apt, real sysctl; found, mended, verified.

Where the fault itself would be the whole machine's (limits of the kernel), the file of /proc is one of the test's own, and
the real program writes into it.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.diagnostics.test_provoked import NAMESPACES, ROOT, Fault, _possible, ids

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _possible(), reason="namespaces need root and a kernel that allows them"),
]

WORDS = r"""
over() { n=$(mktemp "$D/fileXXXX"); cat > "$n"; chmod 644 "$n"; mount --bind "$n" "$1"; }
layer() { mkdir -p "$D/layers"; mountpoint -q "$D/layers" || mount -t tmpfs layers "$D/layers"; n=$(mktemp -d "$D/layers/XXXX")
  chmod 755 "$n"; mkdir "$n/u" "$n/w"; chown --reference="$1" "$n/u"; chmod --reference="$1" "$n/u"
  mount -t overlay overlay -o "lowerdir=$1,upperdir=$n/u,workdir=$n/w" "$1"; }
deb() { n="$D/deb/$1-$2"; mkdir -p "$n/DEBIAN" "$D/repo"
  printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: T <t@example.com>\nDescription: t\n' "$1" "$2" > "$n/DEBIAN/control"
  dpkg-deb --build "$n" "$D/repo/$1_$2_all.deb" >/dev/null; }
repo() { rm -f "$D/repo/Packages" "$D/repo/Release"
  (cd "$D/repo"; for f in *.deb; do dpkg-deb -f "$f"; printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$f" "$(stat -c %s "$f")" "$(sha256sum < "$f" | cut -d' ' -f1)"; done > "$D/P"; mv "$D/P" Packages)
  printf 'Origin: Debian\nLabel: Debian-Security\nSuite: bookworm-security\nCodename: bookworm-security\nSHA256:\n %s %s Packages\n' "$(sha256sum < "$D/repo/Packages" | cut -d' ' -f1)" "$(stat -c %s "$D/repo/Packages")" > "$D/repo/Release"
  echo "deb [trusted=yes] file:$D/repo ./" > /etc/apt/sources.list; chmod -R a+rX "$D"; apt-get -q update >&2; }
apart() { for d in /etc /var/lib/apt /var/cache/apt /var/lib/dpkg /var/log; do layer $d; done
  rm -rf /etc/apt/sources.list.d /etc/apt/apt.conf.d; mkdir /etc/apt/sources.list.d /etc/apt/apt.conf.d
  echo 'APT::Sandbox::User "root";' > /etc/apt/apt.conf.d/own; }
lo() { ip link set lo up; }
"""
"""A file of one's own over one of the system; a layer over a folder; packages and a repository of one's own; a system
that knows no other repository."""

FIRST = ["sh", "-c", 'exec 3<&0; "$@" <&3 & wait $!', "sh"]
"""A first process that takes in the orphans of servers, as an init does."""

SYSCTL = "mount -t tmpfs t /etc/sysctl.d; "

SYSLOG_INIT = r"""cat > /etc/init.d/rsyslog <<'E'
#!/bin/sh
### BEGIN INIT INFO
# Provides: rsyslog
# Default-Start: 2 3 4 5
### END INIT INFO
case $1 in
  start) start-stop-daemon --start --quiet --pidfile /run/rsyslogd.pid --exec /usr/sbin/rsyslogd ;;
  stop) start-stop-daemon --stop --quiet --retry 5 --pidfile /run/rsyslogd.pid --exec /usr/sbin/rsyslogd ;;
  status) start-stop-daemon --status --pidfile /run/rsyslogd.pid ;;
esac
E
chmod 755 /etc/init.d/rsyslog; sed -i '/imklog/d' /etc/rsyslog.conf"""
"""Debian's rsyslog has a unit only; this is the script a system without systemd starts it by. Not the kernel's log."""

FAULTS = [
    Fault("linux.disk.became-read-only", "fail", 'mkdir "$D/m"; echo "t $D/m tmpfs rw 0 0" | over /etc/fstab; '
          'mount -t tmpfs t "$D/m"; mount -o remount,ro "$D/m"', "read-only", fix=True),
    Fault("linux.disk.clutter", "fail", "mount -t tmpfs -o size=4m t /var/cache/apt/archives; mkdir -p /var/cache/apt/archives/partial; "
          "dd if=/dev/zero of=/var/cache/apt/archives/x_1_all.deb bs=1k count=3900 2>/dev/null", "installation files", fix=True, needs="apt-get"),
    Fault("linux.disk.clutter", "fail", "layer /etc; mkdir -p /var/log/journal; mount -t tmpfs -o size=250m t /var/log/journal; "
          'm=$(cat /etc/machine-id); d=/var/log/journal/$m; mkdir "$d"; for n in 1 2 3 4 5 6 7 8 9; do '
          'head -c 26m /dev/zero > "$d/system@0000000000000000000000000000000$n-000000000000000$n-000000000000000$n.journal"; done',
          "The journal takes", fix=True, needs="journalctl"),
    Fault("linux.accounts.second-root", "fail", "layer /etc; echo 'toor:x:0:0::/root:/bin/sh' >> /etc/passwd; "
          "echo 'toor:!:19000::::::' >> /etc/shadow", "2 accounts", fix=True, needs="usermod"),
    Fault("linux.limits.open-files", "fail", r"printf '99000\t0\t100000\n' | over /proc/sys/fs/file-nr; "
          "echo 100000 | over /proc/sys/fs/file-max; " + SYSCTL, "files", fix=True, needs="sysctl"),
    Fault("linux.limits.processes", "fail", "echo '0.1 0.1 0.1 1/990 7' | over /proc/loadavg; echo 1000 | over /proc/sys/kernel/pid_max; "
          "echo 2000 | over /proc/sys/kernel/threads-max; " + SYSCTL, "possible processes", fix=True, needs="sysctl"),
    Fault("linux.limits.connections-tracked", "fail", "echo 99000 | over /proc/sys/net/netfilter/nf_conntrack_count; "
          "echo 100000 | over /proc/sys/net/netfilter/nf_conntrack_max; " + SYSCTL, "connections", fix=True, needs="sysctl"),
    Fault("linux.time.no-service", "warn", "apart; : > /var/lib/dpkg/status; deb chrony 1; repo; mkdir \"$D/bin\"; printf '#!/bin/sh\\necho kvm\\n' > \"$D/bin/systemd-detect-virt\"; "
          "chmod 755 \"$D/bin/systemd-detect-virt\"", "No time service", fix=True, needs="apt-get"),
    Fault("linux.updates.security-waiting", "warn", 'apart; deb ra-one 1; dpkg -i "$D/repo/ra-one_1_all.deb" >&2; deb ra-one 2; repo',
          "security updates wait", fix=True, needs="apt-get"),
    Fault("linux.updates.lists-old", "warn", "apart; deb ra-one 1; repo; mount -t tmpfs t /var/lib/apt/lists; touch -d '90 days ago' /var/lib/apt/lists/x",
          "days old", fix=True, needs="apt-get"),
    Fault("linux.database.postgresql-down", "fail", "lo; layer /var/lib/postgresql; mount -t tmpfs t /run; layer /var/log; layer /etc; "
          "mkdir /run/postgresql; chown postgres:postgres /run/postgresql", "", fix=True, needs="pg_ctlcluster"),
    Fault("linux.database.mysql-down", "fail", "lo; layer /var/lib/mysql; mount -t tmpfs t /run; mkdir /run/mysqld; "
          "chown mysql:mysql /run/mysqld; layer /var/log", "", fix=True, needs="mariadbd"),
    Fault("linux.cron.not-running", "fail", "mount -t tmpfs t /run", "", fix=True, needs="cron"),
    Fault("linux.logging.not-running", "warn", "layer /etc; layer /var/log; layer /var/spool; mount -t tmpfs t /run; "
          + SYSLOG_INIT, "does not run", fix=True, needs="rsyslogd"),
    Fault("linux.printer.stopped", "fail", "lo; layer /etc; layer /var/spool; layer /var/log; layer /var/cache; mount -t tmpfs t /run; "
          "mkdir -p /run/cups/certs; printf 'FileDevice Yes\\n' >> /etc/cups/cups-files.conf; cupsd; "
          "for n in 1 2 3 4 5 6 7 8 9; do lpstat -r 2>/dev/null | grep -q 'is running' && break; sleep 0.2; done; "
          "lpadmin -p Office -E -v file:/dev/null; cupsdisable Office; echo hello | lp -d Office >&2",
          "Office is stopped and 1 jobs wait", fix=True, needs="cupsd"),
    Fault("linux.disk.deleted-but-open", "warn", "lo; mount -t tmpfs t /run; layer /var/log; service nginx start >&2; "
          "fallocate -l 1100M /var/log/nginx/error.log; rm /var/log/nginx/error.log", "deleted files", fix=True, needs="nginx"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=ids)
def test_a_fix_mends_what_was_broken_for_real(fault: Fault, tmp_path: Path) -> None:
    if fault.needs and not shutil.which(fault.needs, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
        assert os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") != "1", f"CI must have {fault.needs}"
        pytest.skip(f"there is no {fault.needs} here")
    tmp_path.chmod(0o755)
    asked = {"issue": fault.issue, "setup": WORDS + fault.setup, "missing": (*fault.missing, "dmesg"), "fix": fault.fix}
    done = subprocess.run(
        [*NAMESPACES, *FIRST, sys.executable, "-m", "tests.diagnostics.inside"],
        input=json.dumps(asked),
        cwd=ROOT,
        env={
            **os.environ,
            "D": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "PATH": f"{tmp_path}/bin:{os.environ['PATH']}:/usr/sbin:/sbin",
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    wrong = [(outcome, message) for outcome, _, message, _ in told["before"] if fault.says in message]
    assert fault.outcome in [outcome for outcome, _ in wrong], told["before"]
    if fault.fix:
        assert told["plan"][:2] == [True, ""], told["plan"]
        assert told["result"][0] == "resolved", told["result"]
