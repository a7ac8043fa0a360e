"""The image and the compose file of deploy/, as far as they can be tried without a container engine.

The compose file: by docker-compose's own reader and schema. The image: the steps of the Containerfile, one by one, in
roots made by mmdebstrap. The services themselves: two real nodes run in tests/faults/test_node_loss.py.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from relay.configuration import read_settings
from tests.scenarios.test_deployment import DEPLOY, program, running
from tests.scenarios.world import free_port, wait_for_port

ROOT = DEPLOY.parent


CONFIGURATION = (
    "etc/apt/apt.conf.d",
    "etc/apt/sources.list",
    "etc/apt/sources.list.d",
    "etc/apt/keyrings",
    "etc/pip.conf",
    "etc/ssl/certs",
    "usr/local/share/ca-certificates",
)
"""How apt and pip reach their servers from this machine."""


def instructions() -> list[tuple[str, str]]:
    """(INSTRUCTION, its words) of the Containerfile, continued lines joined."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "Containerfile").read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines)]


def compose() -> dict[str, dict[str, dict[str, object]]]:
    found: dict[str, dict[str, dict[str, object]]] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_the_compose_file_is_accepted_by_its_own_reader() -> None:
    argv = [program("docker-compose"), "-f", str(DEPLOY / "compose.yaml"), "config", "--services"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {"relay-1", "relay-2", "front-1", "front-2", "database", "bus"}


def test_every_file_and_name_in_the_compose_file_exists() -> None:
    services, volumes = compose()["services"], compose()["volumes"]
    for service in services.values():
        for volume in service.get("volumes", []):  # type: ignore[attr-defined]
            source = str(volume).partition(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith("./") else source in volumes, volume
    assert "outside" not in str(services["database"]) + str(services["bus"])  # nobody but the nodes reaches them
    for number in (1, 2):
        assert services[f"front-{number}"]["network_mode"] == f"service:relay-{number}"


@pytest.mark.parametrize("number", [1, 2])
def test_the_settings_of_a_node_are_accepted_and_name_what_the_compose_file_has(tmp_path: Path, number: int) -> None:
    file = tmp_path / "relay.toml"
    file.write_text((DEPLOY / f"node-{number}.toml").read_text())
    file.chmod(0o600)
    settings = read_settings(file, {"data": Path("data")})
    names = compose()["services"]
    assert "@database/" in settings.database and "database" in names
    assert settings.bus == "nats://bus:4222" and "bus" in names
    assert settings.node == f"https://{names[f'front-{number}']['environment']['NODE']}"  # type: ignore[index]
    assert settings.node in settings.origins and len(settings.origins) == 2


def test_caddy_accepts_the_file_of_a_node(tmp_path: Path) -> None:
    environment = {**os.environ, "NODE": f"http://127.0.0.1:{free_port()}", "HOME": str(tmp_path)}
    argv = [program("caddy"), "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile.node")]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_image_runs_as_its_own_user_and_starts_the_relay() -> None:
    last = dict(instructions())
    assert last["USER"] == "remote-assist" and last["ENTRYPOINT"] == '["remote-assist-relay"]'
    assert last["STOPSIGNAL"] == "SIGTERM" and '"serve"' in last["CMD"]
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")]
    for source in [one for some in copied for one in some]:
        assert (ROOT / source).exists(), source


@pytest.mark.full
@pytest.mark.root
@pytest.mark.timeout(900)
def test_the_steps_of_the_image_make_a_relay_that_serves(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("makes Debian roots, which needs root")
    mmdebstrap = program("mmdebstrap")
    stages: list[Path] = []
    for word, rest in instructions():
        if word == "FROM":
            stages.append(tmp_path / f"stage-{len(stages)}")
            argv = [mmdebstrap, "--variant=apt", "--mode=root", "bookworm", str(stages[-1])]
            subprocess.run(argv, check=True, capture_output=True, timeout=400)
            shutil.copy("/etc/resolv.conf", stages[-1] / "etc" / "resolv.conf")
            _lend_configuration(stages[-1])
        elif word == "RUN":
            subprocess.run(
                ["chroot", str(stages[-1]), "/bin/sh", "-c", rest], check=True, capture_output=True, timeout=400
            )
        elif word == "COPY" and rest.startswith("--from"):
            _, source, target = rest.split()
            shutil.copytree(stages[0] / source[1:], stages[-1] / target[1:], symlinks=True)
        elif word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                _copy(ROOT / source, stages[-1] / target.strip("/"), into=target.endswith("/"))
    image, port = stages[-1], free_port()
    inside = ["chroot", "--userspec=remote-assist:remote-assist", str(image), "/usr/bin/env", "HOME=/tmp"]
    relay = [*inside, "/opt/remote-assist/bin/remote-assist-relay"]
    data = ["--data", "/var/lib/remote-assist/data"]
    subprocess.run([*relay, "init", *data, "--organisation", "Example Support"], check=True, timeout=120)
    organisation = tmp_path / "org"
    for words in (["ca", "init", "--dir", str(organisation)],
                  ["ca", "adopt", str(image / "var/lib/remote-assist/data"), "--dir", str(organisation)]):  # fmt: skip
        subprocess.run([*_ours(), *words], check=True, capture_output=True, timeout=120)
    for path in (image / "var/lib/remote-assist").rglob("*"):
        os.chown(path, 870, 870)
    with running(*relay, "serve", *data, "--listen", f"127.0.0.1:{port}"):
        wait_for_port(port, 60)
        subprocess.run([*relay, "check", "--wait", "30", *data], check=True, timeout=60)


def _ours() -> list[str]:
    import sys

    return [str(Path(sys.executable).parent / "remote-assist")]


def _copy(source: Path, target: Path, *, into: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    else:
        (target if into else target.parent).mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def _lend_configuration(root: Path) -> None:
    """How apt and pip reach their servers from here, which an image would get from its builder."""
    for name in CONFIGURATION:
        source = Path("/") / name
        if source.is_dir():
            shutil.copytree(source, root / name, symlinks=False, dirs_exist_ok=True, ignore_dangling_symlinks=True)
        elif source.exists():
            shutil.copy(source, root / name)
