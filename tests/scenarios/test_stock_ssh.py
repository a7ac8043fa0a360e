"""Debian's own programs through a consented session: ssh, sftp, scp, rsync, git, sshfs, ansible, ControlMaster.

Each shows that it works, that the records are there, and that a consent without the scope refuses it in words.
"""

import os
import pty
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.ssh_machine import ssh_agent
from tests.scenarios.stock import Host, host_of, need
from tests.scenarios.world import World, served_world

pytestmark = pytest.mark.slow

MIB = 1 << 20
ALL_WANTED = os.environ.get("REMOTE_ASSIST_REQUIRE_ALL") == "1"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    need("ssh", "sftp", "scp")
    with served_world(tmp_path_factory.mktemp("stock")) as served:
        yield served


@pytest.fixture(scope="module")
def host_of_module(world: World) -> Host:
    return host_of(world, "all", "diagnose,files:read,files:write,fix,terminal")


@pytest.fixture
def host(host_of_module: Host) -> Host:
    """Everything is allowed."""
    host_of_module.skip_seen()
    return host_of_module


@pytest.fixture(scope="module")
def reader_of_module(world: World) -> Host:
    return host_of(world, "reader", "files:read")


@pytest.fixture
def reader(reader_of_module: Host) -> Host:
    """Only files:read is allowed."""
    reader_of_module.skip_seen()
    return reader_of_module


@pytest.fixture(scope="module")
def stranger_of_module(world: World) -> Host:
    return host_of(world, "stranger", "diagnose")


@pytest.fixture
def stranger(stranger_of_module: Host) -> Host:
    """Neither files nor programs are allowed."""
    stranger_of_module.skip_seen()
    return stranger_of_module


def _refused(done: subprocess.CompletedProcess[bytes], scope: str) -> None:
    assert f"the customer has not allowed {scope}".encode() in done.stderr, done
    assert b"remote-assist request" in done.stderr


# --- the configuration ----------------------------------------------------------------------------


def test_the_entry_pins_both_keys_and_forwards_nothing(host: Host) -> None:
    shown = host("ssh", "-G", "-F", "CONFIG", "HOST").stdout.decode().splitlines()
    options = dict(line.split(" ", 1) for line in shown if " " in line)
    assert options["stricthostkeychecking"] in {"true", "yes"}
    assert options["identitiesonly"] == "yes"
    assert options["serveraliveinterval"] == "0"
    assert (options["forwardagent"], options["forwardx11"]) == ("no", "no")
    assert options["hostkeyalias"] == host.session
    assert options["proxycommand"].split()[2].startswith("/")
    known = Path(options["userknownhostsfile"])
    assert (known.stat().st_mode & 0o777, known.read_text().split()[0]) == (0o600, host.session)


def test_another_host_key_is_refused_by_ssh_itself(host: Host, tmp_path: Path) -> None:
    host("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other"))
    other = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    (tmp_path / "known").write_text(f"{host.session} {other}\n")
    done = host("ssh", "-F", "CONFIG", "-o", f"UserKnownHostsFile={tmp_path}/known", "HOST", "true", expect=255)
    assert b"HOST IDENTIFICATION HAS CHANGED" in done.stderr
    assert host.new_codes() == []


def test_another_key_of_the_user_does_not_get_in(host: Host, tmp_path: Path) -> None:
    host("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "own"))
    plain = re.sub(r"IdentityFile .*", f"IdentityFile {tmp_path}/own", host.config.read_text())
    (tmp_path / "config").write_text(plain)
    done = host("ssh", "-F", str(tmp_path / "config"), "HOST", "true", expect=255)
    assert b"Permission denied" in done.stderr
    assert host.new_codes() == []


def test_a_file_of_the_user_is_not_overwritten(host: Host, tmp_path: Path) -> None:
    own = tmp_path / "config"
    own.write_text("Host mine\n")
    own.chmod(0o600)
    done = host.world.command("ssh-config", host.session, "--write", str(own), expect=2)
    assert "Include" in done.stderr
    assert own.read_text() == "Host mine\n"


def test_what_cannot_be_carried_is_255_with_the_cause(host: Host) -> None:
    done = host.world.command("proxy", "s-aaaaaaaaaaaaaaaa", expect=255)
    assert "not opened from" in done.stderr
    assert "SESSION is empty" in host.world.command("proxy", "", expect=255).stderr


# --- commands -------------------------------------------------------------------------------------


def test_ssh_runs_a_command_line_and_the_record_says_who_connected_how(host: Host) -> None:
    done = host.ssh("cat; echo error >&2; exit 7", stdin="in\n", expect=7)
    assert (done.stdout, done.stderr) == (b"in\n", b"error\n")
    records = host.records()[host.seen :]
    client, intent, outcome = records
    assert (client["code"], intent["code"], outcome["code"]) == ("RA1008E", "RA1400I", "RA1400O")
    assert "OpenSSH" in client["what"]
    assert "curve25519-sha256" in client["what"] or "mlkem768x25519-sha256" in client["what"]
    assert "exit 7" in outcome["outcome"]
    assert list(intent["sealed"]) == ["command"]
    assert "exit 7" not in intent["what"]


def test_a_signal_is_128_and_its_number(host: Host) -> None:
    host.ssh("kill -TERM $$", expect=143)


def test_bytes_pass_unchanged_and_in_bulk(host: Host) -> None:
    raw = os.urandom(8 * MIB)
    assert host.ssh("cat", stdin=raw).stdout == raw


def test_without_the_scope_a_command_is_refused_in_words_with_126(stranger: Host) -> None:
    _refused(stranger.ssh("touch should-not-be-there", expect=126), "terminal")
    assert stranger.new_codes("RA1900R") == ["RA1900R"]


def test_a_terminal_opens_and_is_recorded(host: Host) -> None:
    words = ["ssh", "-tt", "-F", str(host.config), host.session]
    seen = bytearray()

    def read(descriptor: int) -> bytes:
        raw = os.read(descriptor, 4096)
        seen.extend(raw)
        return raw

    child, master = pty.fork()
    if child == 0:
        os.execvpe(words[0], words, host.environment)
    try:
        os.write(master, b"echo $((6 * 7)); exit 3\n")
        while read(master):
            continue
    except OSError:
        pass  # how Linux says that the other end of a terminal is gone
    finally:
        os.close(master)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert b"42" in seen
    assert {"RA1401I", "RA1401O"} <= set(host.new_codes("RA1401I", "RA1401O"))


def test_several_commands_share_one_master(host: Host, tmp_path: Path) -> None:
    master = ["-o", f"ControlPath={tmp_path}/c"]
    host("ssh", "-F", "CONFIG", *master, "-o", "ControlMaster=yes", "-o", "ControlPersist=60", "-f", "-N", "HOST")
    try:
        for number in range(3):
            done = host("ssh", "-F", "CONFIG", *master, "HOST", f"echo {number}; exit {number}", expect=number)
            assert done.stdout == f"{number}\n".encode()
        connections = [one for one in host.records()[host.seen :] if one["code"] == "RA1008E"]
        assert len(connections) == 1
        assert host.new_codes() == ["RA1400I", "RA1400O"] * 3
    finally:
        host("ssh", "-F", "CONFIG", *master, "-O", "exit", "HOST", expect=None)


def test_forwards_are_refused(host: Host) -> None:
    done = host("ssh", "-F", "CONFIG", "-W", "127.0.0.1:22", "HOST", expect=255)
    assert b"the customer has not allowed forward" in done.stderr
    assert host.new_codes("RA1900R") == ["RA1900R"]


@pytest.mark.parametrize(("options", "words"), [("-A", "ssh-agent"), ("-X", "X11"), ("-R 0:127.0.0.1:9", "listening")])
def test_what_ssh_has_no_words_for_is_said_before_the_command_runs(
    host: Host, options: str, words: str, tmp_path: Path
) -> None:
    with ssh_agent(tmp_path) as socket:  # our entry names none, and then ssh asks for no forwarding of it either
        ssh = ["env", "DISPLAY=:9", "ssh", "-F", "CONFIG", "-o", f"IdentityAgent={socket}", *options.split()]
        done = host(*ssh, "HOST", "echo out; env")
    sentence = rf"remote-assist: .*{words}.* \({options[:2]}\) is not part of this session"
    assert re.search(sentence.encode(), done.stderr), done
    assert done.stdout.startswith(b"out\n")
    assert b"SSH_AUTH_SOCK" not in done.stdout
    assert b"DISPLAY" not in done.stdout
    assert host.new_codes("RA1400O").count("RA1900R") == 1


# --- files ----------------------------------------------------------------------------------------


def test_scp_there_and_back_is_one_action_for_each_open_file(host: Host, tmp_path: Path) -> None:
    raw = os.urandom(3 * MIB + 17)
    (tmp_path / "a").write_bytes(raw)
    host("scp", "-F", "CONFIG", f"{tmp_path}/a", f"HOST:{tmp_path}/b")
    assert (tmp_path / "b").read_bytes() == raw
    codes = host.new_codes("RA1202O", "RA1209E")
    assert [code for code in codes if code.startswith("RA1202")] == ["RA1202I", "RA1202O"]
    host("scp", "-F", "CONFIG", f"HOST:{tmp_path}/b", f"{tmp_path}/c")
    assert (tmp_path / "c").read_bytes() == raw
    records = host.records()[host.seen :]
    assert [one["code"] for one in records if one["code"].startswith("RA1201")] == ["RA1201I", "RA1201O"]
    (outcome,) = [one for one in records if one["code"] == "RA1201O"]
    assert f"{len(raw):,} bytes" in outcome["outcome"]
    assert list(outcome["sealed"]) == ["sha256"]


def test_the_legacy_protocol_of_scp_is_refused_in_words(host: Host, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    done = host("scp", "-O", "-F", "CONFIG", f"{tmp_path}/a", f"HOST:{tmp_path}/b", expect=1)
    assert b"legacy protocol of scp is not served" in done.stderr
    assert not (tmp_path / "b").exists()
    assert host.new_codes("RA1900R") == ["RA1900R"]


def test_sftp_does_everything_and_each_change_is_an_action(host: Host, tmp_path: Path) -> None:
    (tmp_path / "local").write_text("content\n")
    far = tmp_path / "far"
    host.sftp(
        f"mkdir {far}",
        f"cd {far}",
        f"put {tmp_path}/local one",
        "rename one two",
        "chmod 600 two",
        "ln -s two link",
        "ln two name",
        "ls -l",
        f"get two {tmp_path}/back",
        "rm link",
        "rm name",
        "mkdir inner",
        "rmdir inner",
    )
    assert (tmp_path / "back").read_text() == "content\n"
    assert sorted(path.name for path in far.iterdir()) == ["two"]
    assert (far / "two").stat().st_mode & 0o777 == 0o600
    numbers = ["1205", "1202", "1203", "1207", "1208", "1208", "1200", "1201", "1204", "1204", "1205", "1206"]
    codes = host.new_codes("RA1209E")
    assert [code for code in codes if code.endswith("I")] == [f"RA{number}I" for number in numbers]
    assert sorted(code for code in codes if code.endswith("O")) == sorted(f"RA{number}O" for number in numbers)
    assert codes[-1] == "RA1209E"


def test_a_link_is_not_followed_and_the_user_is_told_where_it_points(host: Host, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    done = host.sftp(f"get {tmp_path}/link {tmp_path}/out", expect=1)
    assert f"is a link to {tmp_path}/secret; links are not followed".encode() in done.stderr
    assert not (tmp_path / "out").exists()
    assert not any(code.startswith("RA1201") for code in host.new_codes())


def test_the_agents_own_folder_is_off_limits_to_sftp(host: Host) -> None:
    home = host.world.folder / "customer-home"
    for line in (f"ls {home}", f"get {home}/sessions", f"put /etc/hostname {home}/x", f"rename {home} {home}-x"):
        assert b"off limits" in host.sftp(line, expect=1).stderr, line
    assert b"holds what belongs to the agent" in host.sftp(f"rename {home.parent} {home.parent}-x", expect=1).stderr
    assert home.is_dir()


def test_who_may_only_read_changes_nothing(reader: Host, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    assert reader.sftp(f"get {tmp_path}/a {tmp_path}/b").returncode == 0
    lines = [f"put {tmp_path}/a {tmp_path}/c", f"rm {tmp_path}/a", f"mkdir {tmp_path}/d", f"chmod 700 {tmp_path}/a"]
    lines += [f"rename {tmp_path}/a {tmp_path}/e", f"ln -s x {tmp_path}/f", f"ln {tmp_path}/a {tmp_path}/g"]
    for line in lines:
        _refused(reader.sftp(line, expect=1), "files:write")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    codes = reader.new_codes()
    assert codes.count("RA1900R") == len(lines)
    assert not any(code.endswith("I") and code != "RA1201I" for code in codes)


def test_without_a_file_scope_sftp_and_scp_do_not_even_start(stranger: Host, tmp_path: Path) -> None:
    _refused(stranger.sftp("ls /", expect=255), "files:read")
    done = stranger("scp", "-F", "CONFIG", "HOST:/etc/hostname", f"{tmp_path}/x", expect=None)
    _refused(done, "files:read")
    assert stranger.new_codes() == ["RA1900R", "RA1900R"]


def test_a_big_file_and_many_small_ones_arrive_whole(host: Host, tmp_path: Path) -> None:
    raw = os.urandom(32 * MIB)
    (tmp_path / "big").write_bytes(raw)
    (tmp_path / "many").mkdir()
    for number in range(60):
        (tmp_path / "many" / str(number)).write_text(str(number) * 100)
    host("sftp", "-F", "CONFIG", "-b", "-", "HOST", stdin=f"get {tmp_path}/big {tmp_path}/got\n")
    assert (tmp_path / "got").read_bytes() == raw
    host("scp", "-r", "-q", "-F", "CONFIG", f"{tmp_path}/many", f"HOST:{tmp_path}/there")
    assert {path.name: path.read_text() for path in (tmp_path / "there").iterdir()} == {
        str(number): str(number) * 100 for number in range(60)
    }
    assert host.new_codes("RA1209E").count("RA1202O") == 60


# --- programs that use ssh ------------------------------------------------------------------------


def test_rsync_copies_and_is_one_action(host: Host, stranger: Host, tmp_path: Path) -> None:
    need("rsync")
    (tmp_path / "from").mkdir()
    for number in range(20):
        (tmp_path / "from" / f"{number}").write_bytes(os.urandom(100_000))
    host("rsync", "-a", "-e", "ssh -F CONFIG", f"{tmp_path}/from/", f"HOST:{tmp_path}/to")
    host("rsync", "-a", "-e", "ssh -F CONFIG", f"HOST:{tmp_path}/to/", f"{tmp_path}/back")
    for number in range(20):
        assert (tmp_path / "back" / f"{number}").read_bytes() == (tmp_path / "from" / f"{number}").read_bytes()
    assert host.new_codes() == ["RA1400I", "RA1400O"] * 2
    done = stranger("rsync", "-a", "-e", "ssh -F CONFIG", f"{tmp_path}/from/", f"HOST:{tmp_path}/no", expect=None)
    assert done.returncode != 0
    _refused(done, "terminal")
    assert not (tmp_path / "no").exists()


def test_git_clones_and_pushes(host: Host, stranger: Host, tmp_path: Path) -> None:
    need("git")
    far, near = tmp_path / "far.git", tmp_path / "near"
    host("git", "init", "-q", "--bare", str(far))
    via = ["git", "-c", "core.sshCommand=ssh -F CONFIG", "-c", "user.name=Alice", "-c", "user.email=a@example.com"]
    host(*via, "clone", "-q", f"HOST:{far}", str(near))
    (near / "file").write_text("content")
    host(*via, "-C", str(near), "add", "file")
    host(*via, "-C", str(near), "commit", "-q", "-m", "one")
    host(*via, "-C", str(near), "push", "-q", "origin", "HEAD:main")
    assert b"one" in host("git", "-C", str(far), "log", "--oneline", "main").stdout
    assert host.new_codes() == ["RA1400I", "RA1400O"] * 2
    done = stranger(*via, "clone", "-q", f"HOST:{far}", str(tmp_path / "no"), expect=128)
    _refused(done, "terminal")


def test_sshfs_mounts_a_folder(host: Host, stranger: Host, tmp_path: Path) -> None:
    need("sshfs", "fusermount3")
    far, mount = tmp_path / "far", tmp_path / "mount"
    far.mkdir()
    mount.mkdir()
    (far / "there").write_text("from afar")
    words = ["sshfs", "-F", "CONFIG", f"HOST:{far}", str(mount)]
    refused = stranger(*words, expect=None)
    assert refused.returncode != 0
    done = host(*words, expect=None)
    if done.returncode != 0:
        pytest.skip(f"this machine mounts nothing with FUSE: {done.stderr.decode(errors='replace').strip()}")
    try:
        assert [path.name for path in mount.iterdir()] == ["there"]
        assert (mount / "there").read_text() == "from afar"
        (mount / "new").write_text("written")
        (mount / "new").rename(mount / "newer")
        assert (far / "newer").read_text() == "written"
        (mount / "newer").unlink()
    finally:
        host("fusermount3", "-u", str(mount))
    codes = host.new_codes("RA1209E")
    for number in ("1200", "1201", "1202", "1203", "1204"):
        assert codes.count(f"RA{number}I") == codes.count(f"RA{number}O") >= 1


def test_ansible_pings_and_plays(host: Host, stranger: Host, tmp_path: Path) -> None:
    need("ansible", "ansible-playbook")
    inventory = tmp_path / "hosts"
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or "/usr/bin/python3"
    common = f"ansible_python_interpreter={python} ansible_ssh_common_args='-F {{}}' ansible_remote_tmp={tmp_path}/tmp"
    inventory.write_text(
        f"{host.session} {common.format(host.config)}\n{stranger.session} {common.format(stranger.config)}\n"
    )
    done = host("ansible", "-i", str(inventory), "HOST", "-m", "ping")
    assert b'"ping": "pong"' in done.stdout
    play = tmp_path / "play.yml"
    play.write_text(
        f"- hosts: {host.session}\n  gather_facts: false\n  tasks:\n"
        f"    - copy: {{content: 'played', dest: '{tmp_path}/played'}}\n"
    )
    host("ansible-playbook", "-i", str(inventory), str(play), seconds=120)
    assert (tmp_path / "played").read_text() == "played"
    codes = host.new_codes()
    assert codes.count("RA1400I") == codes.count("RA1400O") >= 2
    refused = stranger("ansible", "-vvv", "-i", str(inventory), "HOST", "-m", "ping", expect=None)
    assert refused.returncode != 0
    assert b"the customer has not allowed terminal" in refused.stdout + refused.stderr


# --- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["host", "reader", "stranger"])
def test_every_record_of_all_this_verifies(name: str, request: pytest.FixtureRequest) -> None:
    host: Host = request.getfixturevalue(name)
    host.world.command("audit", "verify", host.session)


def test_an_ended_session_lets_nobody_in_and_says_why(world: World) -> None:
    host = host_of(world, "ended", "terminal")
    assert host.ssh("echo in").stdout == b"in\n"
    world.command("end", host.session, "--note", "Done.")
    done = host.ssh("echo in", expect=255)
    assert b"has ended" in done.stderr
    assert "has ended" in world.command("ssh-config", host.session, expect=3).stderr
