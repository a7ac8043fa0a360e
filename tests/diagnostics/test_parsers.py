"""Parsers of what Linux says, on text as real systems print it."""

from remote_assist.diagnostics import linux_formats, socket_tables
from remote_assist.diagnostics.collectors_linux import activity, logs, machine, network, people, storage
from remote_assist.diagnostics.seeds import seeds_of
from remote_assist.diagnostics.services.unit import is_remote_access, port_in_use
from remote_assist.diagnostics.socket_tables import Listener


def test_ss_lines_become_listeners_with_owner() -> None:
    text = (
        'tcp LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=812,fd=6),("nginx",pid=811,fd=6))\n'
        'tcp LISTEN 0 511 [::]:443 [::]:* users:(("ng inx",pid=812,fd=7))\n'
        "udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:*\n"
        "tcp LISTEN 0 128 *:22 *:*\n"
        "garbage\n"
    )
    assert socket_tables.parse_ss(text) == [
        Listener("tcp", "0.0.0.0", 80, 812, "nginx"),
        Listener("tcp", "::", 443, 812, "ng inx"),
        Listener("udp", "127.0.0.53", 53),
        Listener("tcp", "0.0.0.0", 22),
    ]


def test_proc_net_tables_become_listeners() -> None:
    tcp = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100\n"
        "   1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100\n"
    )
    tcp6 = (
        "  sl  local_address                         remote_address                        st tx_queue rx_queue\n"
        "   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 "
        "00:00000000 00000000 0 0 4713 1 0 100\n"
    )
    udp = (
        "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode ref "
        "pointer drops\n"
        "  10: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 4714 2 0 0\n"
    )
    assert socket_tables.parse_proc_net(tcp + tcp6 + udp) == [
        Listener("tcp", "127.0.0.1", 8080, inode="4711"),
        Listener("tcp", "::1", 80, inode="4713"),
        Listener("udp", "0.0.0.0", 68, inode="4714"),
    ]


def test_df_rows_have_inodes_and_images_and_empty_ones_are_left_out() -> None:
    text = (
        "Type     1K-blocks     Used    Avail   Inodes  IUsed Mounted on\n"
        "ext4         1000      900      100      100     50 /srv/with space\n"
        "squashfs      100      100        0       10     10 /snap/x\n"
        "proc            0        0        0        0      0 /proc\n"
        "btrfs        1000      100      900        0      0 /data\n"
        "nfs4            -        -        -        -      - /net\n"
    )
    rows = storage.parse_df(text)
    assert [row["mount"] for row in rows] == ["/srv/with space", "/data"]
    assert rows[0]["used_pct"] == 90.0
    assert rows[0]["inodes_used_pct"] == 50.0
    assert rows[0]["available_bytes"] == 102_400
    assert rows[1]["inodes_used_pct"] == 0.0


def test_posix_df_is_understood_where_there_is_no_gnu_one() -> None:
    text = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/my disk 1000 850 150 85% /mnt/a b\n"
    assert [(row["mount"], row["used_pct"]) for row in storage.parse_posix_df(text)] == [("/mnt/a b", 85.0)]


def test_mount_points_lose_their_escapes() -> None:
    assert storage.parse_mounts("/dev/sda1 /mnt/a\\040b ext4 ro,noatime 0 0\n") == {"/mnt/a b": ("ro", "noatime")}


def test_lsblk_is_flattened_in_its_old_and_its_new_form() -> None:
    text = (
        '{"blockdevices":[{"name":"sda","type":"disk","size":"1000","model":" X ","serial":"S1","rota":"1","ro":"0",'
        '"children":[{"name":"sda1","type":"part","size":500,"rota":true,"ro":false}]},'
        '{"name":"loop0","type":"loop","size":5},{"name":"zram0","type":"disk","size":0}]}'
    )
    rows = storage.parse_lsblk(text)
    assert [(row["name"], row["size_bytes"], row["rotational"]) for row in rows] == [
        ("sda", 1000, True),
        ("sda1", 500, True),
    ]


def test_ps_and_stat_give_names_and_never_arguments() -> None:
    rows = activity.parse_ps("  1  0 root  S  20152  0.2  1391 my prog\nbad line\n")
    assert rows[0]["name"] == "my prog"
    assert rows[0]["memory_bytes"] == 20152 * 1024
    stat = linux_formats.parse_stat("42 (a (b) c) Z 7 " + " ".join(["0"] * 19) + " 10 0")
    assert (stat["pid"], stat["name"], stat["state"], stat["parent"]) == (42, "a (b) c", "Z", 7)
    assert linux_formats.parse_stat("") == {}


def test_stuck_and_dead_processes_are_kept_beside_the_largest() -> None:
    rows: list[dict[str, object]] = [
        {"pid": n, "memory_bytes": n, "cpu_pct": 0.0, "state": "S"} for n in range(1000, 2000)
    ]
    rows.append({"pid": 1, "memory_bytes": 0, "cpu_pct": -1.0, "state": "D"})
    kept = activity.most_relevant(rows)
    assert len(kept) < 100
    assert kept[-1]["pid"] == 1


def test_ip_json_and_its_fallbacks_agree_on_the_route() -> None:
    by_tool = network.parse_ip_route('[{"dst":"default","gateway":"192.0.2.1","dev":"eth0"}]')
    header = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
    by_proc = network.parse_proc_route(header + "eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n")
    assert by_tool == by_proc
    assert network.parse_proc_route(header + "eth0 000200C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\n")[0][
        "destination"
    ] == "192.0.2.0/24"  # fmt: skip


def test_interfaces_have_addresses_and_error_counts() -> None:
    text = (
        '[{"ifname":"eth0","operstate":"UP","mtu":1500,"link_type":"ether","address":"52:54:00:a1:b2:c3",'
        '"addr_info":[{"local":"192.0.2.7","prefixlen":24}],'
        '"stats64":{"rx":{"bytes":10,"errors":1,"dropped":2},"tx":{"bytes":20,"errors":3,"dropped":4}}}]'
    )
    row = network.parse_ip_address(text)[0]
    assert (row["addresses"], row["errors"], row["dropped"], row["state"]) == (["192.0.2.7/24"], 4, 6, "up")
    counters = "eth0: 10 1 1 2 0 0 0 0 20 1 3 4 0 0 0 0\n"
    by_proc = network.parse_net_dev("Inter-|\n face |\n" + counters)[0]
    assert (by_proc["errors"], by_proc["dropped"], by_proc["rx_bytes"], by_proc["tx_bytes"]) == (4, 6, 10, 20)


def test_resolv_conf() -> None:
    facts = network.parse_resolv_conf("# nameserver 9\nnameserver 127.0.0.53\nsearch a.example b.example\n")
    assert (facts["nameserver_count"], facts["search"], facts["stub"]) == (1, ["a.example", "b.example"], True)
    assert network.parse_resolv_conf("")["nameserver_count"] == 0


def test_log_lines_become_templates_whose_names_stay_whole() -> None:
    lines = [
        "Nov 20 10:00:01 web1 app[12]: request 17 failed on pc-17",
        "Nov 20 10:00:02 web1 app[13]: request 18 failed on pc-17",
        "2026-11-20T10:00:03+01:00 web1 kernel: error 0xdeadbeef",
    ]
    rows = logs.digest(lines, "syslog")
    assert [(row["template"], row["count"]) for row in rows] == [
        ("app[#]: request # failed on pc-17", 2),
        ("kernel: error #", 1),
    ]
    assert rows[0]["last"] == "app[13]: request 18 failed on pc-17"


def test_passwd_knows_people_and_leaves_their_full_names_out() -> None:
    rows = people.parse_passwd(
        "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000:Alice Example:/home/alice:/bin/sh\n?\n"
    )
    assert [(row["name"], row["person"]) for row in rows] == [("root", False), ("alice", True)]
    assert "Alice Example" not in str(rows)


def test_seeds_are_people_and_real_names_only() -> None:
    rows = [
        {"name": "www-data", "person": False},
        {"name": "alice", "person": True},
        {"name": "debian", "person": True},
    ]
    assert seeds_of(["users.name", "host.hostname"], "users", rows) == {"alice": "user"}
    assert seeds_of(["host.hostname"], "host", {"hostname": "praxis7"}) == {"praxis7": "host"}
    assert seeds_of(["host.hostname"], "host", {"hostname": "localhost"}) == {}
    assert seeds_of(["interfaces.mac"], "interfaces", [{"mac": "00:00:00:00:00:00"}, {"mac": ""}, "x"]) == {}


def test_meminfo_and_os_release() -> None:
    assert machine.parse_meminfo("MemTotal: 10 kB\nHugePages_Total: 0\n") == {"MemTotal": 10240}
    assert linux_formats.parse_assignments('NAME="A B"\nID=debian\n') == {"NAME": "A B", "ID": "debian"}


def test_the_port_is_read_from_what_servers_log() -> None:
    for line in (
        "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
        "AH00072: make_sock: could not bind to address [::]:80",
        "Error: listen EADDRINUSE: address already in use :::80",
        "OSError: [Errno 98] error while attempting to bind on address ('127.0.0.1', 80): address already in use",
    ):
        assert port_in_use(("started", line)) == 80, line
    assert port_in_use(("connected to 10.0.0.1:80",)) == 0


def test_remote_access_is_recognised_by_every_name() -> None:
    for name in ("ssh", "sshd.service", "ssh@1.service", "ssh.socket", "remote-assist", "remote-assist-agent.service"):
        assert is_remote_access(name), name
    assert not is_remote_access("sshx-web.service", "nginx", "web-ssh")
    assert is_remote_access("alias.service", "sshd.service")
