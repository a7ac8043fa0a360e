"""What tools print that this machine may not have, as recorded elsewhere: parsed into typed facts."""

import pytest

from remote_assist.diagnostics.collectors_linux import hardware, history, kernel, paths, reach, schedule, servers
from remote_assist.diagnostics.look import Unavailable


def test_smart_of_an_ata_and_an_nvme_disk() -> None:
    ata = (
        '{"smart_status":{"passed":false},"temperature":{"current":41},"ata_smart_attributes":{"table":['
        '{"id":5,"raw":{"value":8}},{"id":9,"raw":{"value":12000}},{"id":197,"raw":{"value":2}}]}}'
    )
    assert hardware.parse_smart(ata) == {"healthy": False, "bad_sectors": 10, "celsius": 41}
    nvme = (
        '{"smart_status":{"passed":true},"nvme_smart_health_information_log":{"percentage_used":93,"media_errors":0}}'
    )
    assert hardware.parse_smart(nvme) == {"healthy": True, "worn_pct": 93, "bad_sectors": 0}
    assert hardware.parse_smart('{"device":{"name":"/dev/sda"}}') == {}


def test_a_battery_tells_what_is_left_of_its_capacity() -> None:
    text = (
        "POWER_SUPPLY_NAME=BAT0\nPOWER_SUPPLY_TYPE=Battery\nPOWER_SUPPLY_STATUS=Discharging\nPOWER_SUPPLY_CAPACITY=71\n"
        "POWER_SUPPLY_ENERGY_FULL=20000\nPOWER_SUPPLY_ENERGY_FULL_DESIGN=50000\n"
    )
    row = hardware.parse_power_supply(text)[0]
    assert row == {"name": "BAT0", "kind": "battery", "state": "discharging", "charge_pct": 71, "health_pct": 40.0}
    assert hardware.parse_power_supply("") == []


def test_printers_with_their_jobs() -> None:
    states = (
        "printer Office_Laser is idle.  enabled since Mon 01 Jan\n"
        "printer Label disabled since Tue 02 Jan 2026 -\n\treason unknown\n"
        "printer Big now printing Big-7.  enabled since Wed\n"
    )
    jobs = "Label-5   alice   1024   Tue\nLabel-6   alice   1024   Tue\n"
    rows = hardware.parse_lpstat(states, jobs)
    assert [(row["name"], row["state"], row["jobs"]) for row in rows] == [
        ("Office_Laser", "idle", 0),
        ("Label", "disabled", 2),
        ("Big", "printing", 0),
    ]


def test_devices_of_both_buses() -> None:
    pci = hardware.parse_devices("pci", "00:02.0 VGA compatible controller: Example Corp. Graphics 5 (rev 02)\n")
    assert pci == [{"bus": "pci", "kind": "VGA compatible controller", "name": "Example Corp. Graphics 5 (rev 02)"}]
    usb = hardware.parse_devices(
        "usb", "Bus 001 Device 004: ID 0a12:0001 Example Dongle\nBus 001 Device 005: ID 0a12:0002\n"
    )
    assert [row["name"] for row in usb] == ["Example Dongle", "0a12:0002"]


def test_apt_tells_security_updates_apart() -> None:
    text = (
        "Inst libssl3 [3.0.1] (3.0.2 Debian-Security:12/stable-security [amd64])\n"
        "Inst bash [5.2] (5.2.1 Debian:12.5/stable [amd64])\n"
        "2 upgraded, 0 newly installed, 0 to remove and 3 not upgraded.\n"
    )
    assert history.parse_apt_simulation(text) == {"count": 2, "security": 1, "held": 3, "names": ["libssl3", "bash"]}


def test_a_start_without_a_stop_before_it_was_not_clean() -> None:
    text = (
        "reboot   system boot  6.1.0 Tue Nov 17 08:00:00 2026   still running\n"
        "reboot   system boot  6.1.0 Mon Nov 16 08:00:00 2026   still running\n"
        "shutdown system down  6.1.0 Sun Nov 15 20:00:00 2026 - Mon Nov 16 08:00:00 2026\n"
        "reboot   system boot  6.1.0 Sun Nov 15 08:00:00 2026 - Sun Nov 15 20:00:00 2026\n"
    )
    rows = history.parse_boots(text)
    assert [(row["kind"], row["clean"]) for row in rows] == [
        ("start", False), ("start", True), ("stop", True), ("start", True)]  # fmt: skip


def test_logins_and_crashes() -> None:
    text = (
        "alice    pts/0        192.0.2.7        Mon Nov 16 09:12:00 2026   still logged in\n"
        "reboot   system boot  6.1.0            Mon Nov 16 08:00:00 2026\n\nwtmp begins Mon Nov  2 08:00:00 2026\n"
    )
    assert [(row["name"], row["origin"]) for row in history.parse_last(text)] == [("alice", "192.0.2.7")]
    dumps = history.parse_coredumps('[{"time":1,"pid":7,"sig":11,"exe":"/usr/bin/viewer","size":4096}]')
    assert dumps == [{"program": "viewer", "signal": 11, "size_bytes": 4096}]
    assert history.crashed_program("_usr_sbin_nginx.0.crash") == "nginx"
    assert history.crashed_program("core.nginx.0.abc.812.zst") == "nginx"


def test_updates_are_counted_by_day() -> None:
    log = "2026-11-01 10:00:00 upgrade a:amd64 1 2\n2026-11-01 10:00:01 upgrade b 1 2\n2026-11-01 10:00:02 status x\n"
    assert history.parse_dpkg_log(log) == [{"day": "2026-11-01", "action": "upgrade", "count": 2}]


def test_of_a_scheduled_job_only_the_program_is_told() -> None:
    text = (
        "# m h dom mon dow user command\nSHELL=/bin/sh\n"
        "17 *\t* * *\troot    cd / && run-parts --report /etc/cron.hourly\n"
        "@daily www-data PASSWORD=secret /usr/local/bin/report --token secret\n"
        "5 3 * * 0 root test -e /run/systemd/system || SERVICE_MODE=1 /usr/lib/e2fsprogs/e2scrub_all_cron\n"
    )
    rows = schedule.parse_crontab(text)
    assert [(row["owner"], row["name"]) for row in rows] == [
        ("root", "run-parts"), ("www-data", "report"), ("root", "e2scrub_all_cron")]  # fmt: skip
    assert "secret" not in str(rows)


def test_dead_and_stuck_processes_are_counted_by_parent() -> None:
    text = "1 0 S init\n7 1 S shop\n8 7 Z worker\n9 7 Z worker\n10 1 Z other\n11 2 D kworker/u8:1\n"
    facts = schedule.parse_process_counts(text)
    assert (facts["zombies"], facts["zombie_parent"], facts["zombie_parent_pid"]) == (3, "shop", 7)
    assert (facts["stuck"], facts["stuck_names"]) == (1, ["kworker/u8:1"])


def test_a_proxy_is_told_without_its_password() -> None:
    text = (
        'https_proxy="http://alice:hunter2@proxy.example.com:3128"\nexport no_proxy=localhost\n'
        'Acquire::http::Proxy "http://cache.example.com:3142";\nhttp_proxy=http://[bad\n'
    )
    rows = reach.parse_proxy(text)
    assert [(row["host"], row["port"], row["has_credentials"]) for row in rows] == [
        ("proxy.example.com", 3128, True), ("cache.example.com", 3142, False)]  # fmt: skip
    assert "hunter2" not in str(rows) and "alice" not in str(rows)


def test_neighbours_rules_and_tunnels() -> None:
    text = '[{"dst":"192.0.2.1","dev":"eth0","state":["FAILED"]},{"dst":"192.0.2.9","state":["REACHABLE"]}]'
    assert reach.neighbour_state(text, "192.0.2.1") == "failed"
    assert reach.neighbour_state(text, "192.0.2.5") == "unknown"
    rules: list[dict[str, object]] = [
        {"metainfo": {}}, {"chain": {"hook": "input", "policy": "drop"}}, {"rule": {"expr": ["x"]}}]  # fmt: skip
    assert reach.parse_nft(rules) == {"tool": "nft", "rules": 1, "input_policy": "drop"}
    assert [reach.tunnel_kind(name) for name in ("wg0", "tun1", "eth0")] == ["wireguard", "tunnel", "cable"]


def test_findmnt_and_fstab() -> None:
    text = (
        '{"filesystems":[{"target":"/","fstype":"ext4","options":"ro,relatime"},'
        '{"target":"/proc","fstype":"proc","options":"rw"},{"target":"/data","fstype":"nfs4","options":"rw"}]}'
    )
    rows = paths.parse_findmnt(text)
    assert [(row["mount"], row["read_only"], row["network"]) for row in rows] == [
        ("/", True, False), ("/data", False, True)]  # fmt: skip
    table = "# c\nUUID=1 / ext4 errors=remount-ro 0 1\nUUID=2 none swap sw 0 0\nsrv:/x /mnt/a\\040b nfs ro,noauto 0 0\n"
    assert paths.parse_fstab(table) == [("/", "ext4", ("errors=remount-ro",)), ("/mnt/a b", "nfs", ("ro", "noauto"))]


def test_a_deleted_file_counts_once_and_by_its_blocks() -> None:
    text = "/proc/7/fd\t8:11\t9000\t16\n/proc/8/fd\t8:11\t9000\t16\n/proc/8/fd\t8:12\t100\t8\nnoise\n"
    assert paths.parse_deleted(text) == {7: 8192, 8: 4096}


def test_du_largest_first() -> None:
    rows = paths.parse_du("4\t/var/a\n400\t/var/b b\nwarning\n")
    assert [(row["path"], row["size_bytes"]) for row in rows] == [("/var/b b", 409600), ("/var/a", 4096)]


def test_hugepages() -> None:
    text = "MemTotal: 8192000 kB\nHugePages_Total:    1000\nHugePages_Free:     900\nHugepagesize:       2048 kB\n"
    facts = kernel.parse_hugepages(text)
    assert (facts["hugepages_pct"], facts["hugepages_free_bytes"]) == (25.0, 900 * 2048 * 1024)
    assert kernel.parse_hugepages("MemTotal: 1 kB\n") == {}


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("oom", "Out of memory: Killed process 812 (java) total-vm:1kB"),
        ("io_errors", "blk_update_request: I/O error, dev sda, sector 2048 op 0x0:(READ)"),
        ("io_errors", "Buffer I/O error on dev sdb1, logical block 0, async page read"),
        ("filesystem_errors", "EXT4-fs error (device sda1): ext4_lookup:1594: inode #2: deleted inode referenced"),
        ("filesystem_errors", "XFS (sdb1): Metadata corruption detected at xfs_agf_read_verify"),
        ("remounts", "EXT4-fs (sda1): Remounting filesystem read-only"),
        ("segfaults", "viewer[812]: segfault at 0 ip 00005 sp 00007 error 4 in viewer[5+1]"),
        ("hung_tasks", "INFO: task jbd2/sda1-8:203 blocked for more than 120 seconds."),
    ],
)
def test_lines_of_the_kernel_are_recognised(kind: str, line: str) -> None:
    assert kernel.KERNEL_EVENTS[kind].search(line)
    assert not any(each.search("usb 1-1: new high-speed USB device") for each in kernel.KERNEL_EVENTS.values())


def test_failed_logins_and_no_others() -> None:
    assert kernel.LOGIN_FAILURE.search("sshd[1]: Failed password for invalid user x from 192.0.2.7 port 5 ssh2")
    assert kernel.LOGIN_FAILURE.search("login[1]: pam_unix(login:auth): authentication failure; logname=LOGIN")
    assert not kernel.LOGIN_FAILURE.search("sshd[1]: Accepted publickey for alice")


def test_the_telling_line_of_a_web_server() -> None:
    nginx = 'nginx: [warn] x\nnginx: [emerg] unknown directive "lisen" in /etc/nginx/sites-enabled/shop:3\n'
    assert servers.complaint(nginx).startswith('nginx: [emerg] unknown directive "lisen"')
    apache = "AH00558: could not reliably determine\nAH00526: Syntax error on line 2 of /etc/apache2/a.conf:\n"
    assert "Syntax error on line 2" in servers.complaint(apache)
    assert servers.complaint("") == ""


def test_databases_mail_and_ssh() -> None:
    assert servers.parse_mysql("open\t148\t151\n")["connections_pct"] == 98.0
    with pytest.raises(Unavailable):
        servers.parse_mysql("ERROR 1045")
    queue = (
        '{"queue_name":"deferred","arrival_time":1000}\n{"queue_name":"active","arrival_time":8200,"recipients":[]}\n'
    )
    assert servers.parse_postqueue(queue, 8200.0) == {"waiting": 2, "deferred": 1, "oldest_hours": 2.0}
    assert servers.parse_postqueue("", 0.0) == {"waiting": 0, "deferred": 0, "oldest_hours": 0.0}
    ssh = servers.parse_sshd("Port 2222\n#PermitRootLogin no\nPermitRootLogin yes\nPermitRootLogin no\n")
    assert ssh == {"port": 2222, "permitrootlogin": "yes"}


def test_containers_without_environment() -> None:
    text = "/shop\trestarting\t137\ttrue\t14\tregistry.example.com/shop:1\nbroken line\n"
    assert servers.parse_containers("docker", text) == [
        {"name": "shop", "state": "restarting", "exit": 137, "out_of_memory": True, "restarts": 14,
         "image": "registry.example.com/shop:1", "engine": "docker"}]  # fmt: skip
    assert "Env" not in servers.INSPECTED
