"""systemd and init scripts, on a machine that answers as they do."""

import pytest

from remote_assist.core.catalog.model import Catalog
from remote_assist.core.target import Command, Completed, FileStatus
from remote_assist.diagnostics.collect import collect_facts
from remote_assist.diagnostics.fixes import apply_plan, plan_fix
from remote_assist.diagnostics.look import Look
from remote_assist.diagnostics.services.chosen import service_backend
from remote_assist.errors import AssistError, RefusedError
from tests.diagnostics.conftest import Journal, now
from tests.diagnostics.real_target import RealTarget


class SystemdMachine(RealTarget):
    """Answers as systemctl, journalctl and ss do; `state` is what each service is in."""

    def __init__(self) -> None:
        super().__init__()
        self.state = {"nginx.service": "failed", "apache2.service": "active", "ssh.service": "active"}
        self.broken: set[str] = set()

    async def status(self, path: str) -> FileStatus:
        if path == "/run/systemd/system":
            return FileStatus(path, "folder", 0, 0o755, 0.0)
        raise AssistError(f"{path}: no such file")

    async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
        if path == "/proc/812/cgroup":
            return b"0::/system.slice/apache2.service\n"
        if path == "/proc/900/cgroup":
            return b"0::/system.slice/nginx.service\n"
        raise AssistError(f"{path}: no such file")

    async def run(self, command: Command) -> Completed:
        self.log.append(("run", *command.argv))
        out, status = self._answer(command.argv)
        return Completed(status, out.encode(), b"" if status == 0 else b"it broke\n", 0.0)

    def _answer(self, argv: tuple[str, ...]) -> tuple[str, int]:
        match argv:
            case ("systemctl", "list-units", *_):
                return "".join(f"{name} loaded {state} x A title\n" for name, state in self.state.items()), 0
            case ("systemctl", "show", *_, name):
                if name in {"sshd.service", "backdoor.service"}:
                    return "Id=ssh.service\nNames=ssh.service sshd.service\nLoadState=loaded\nActiveState=active\n", 0
                if name not in self.state:
                    return f"Id={name}\nLoadState=not-found\nActiveState=inactive\n", 0
                return f"Id={name}\nNames={name}\nLoadState=loaded\nActiveState={self.state[name]}\nMainPID=1\n", 0
            case ("journalctl", "-u", "nginx.service", *_):
                return "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)\n", 0
            case ("ss", *_):
                pid = 812 if self.state["apache2.service"] == "active" else 900
                if "active" not in {self.state["apache2.service"], self.state["nginx.service"]}:
                    return "", 0
                return f'tcp LISTEN 0 5 0.0.0.0:80 0.0.0.0:* users:(("x",pid={pid},fd=6))\n', 0
            case ("systemctl", "start" | "stop" | "restart" as verb, "--", name):
                if name in self.broken:
                    return "", 1
                self.state[name] = "inactive" if verb == "stop" else "active"
                return "", 0
            case ("systemctl", "reset-failed", *_):
                return "", 0
        return "", 1


GIVEN = {"unit": "nginx.service", "holder": "apache2.service", "port": "80"}


async def test_failed_units_come_first_with_their_log_and_port(catalog: Catalog) -> None:
    found = await collect_facts(catalog, ["services", "listening_ports"], SystemdMachine(), clock=now)
    services, ports = found.facts["services"], found.facts["listening_ports"]
    assert isinstance(services, list) and isinstance(ports, list)
    assert (services[0]["name"], services[0]["state"], services[0]["port"]) == ("nginx.service", "failed", 80)
    assert "Address already in use" in services[0]["log"][0]
    assert "log" not in services[1]
    assert ports[0]["unit"] == "apache2.service"


async def test_systemd_needs_root_and_the_plan_says_so(catalog: Catalog) -> None:
    plan = (await plan_fix(catalog, "linux.service.free-port", GIVEN, SystemdMachine(), elevated=False)).plan
    assert not plan.runnable
    assert [step.blocked for step in plan.steps] == ["needs root", "needs root"]


async def test_with_root_the_fix_goes_through_systemctl(catalog: Catalog) -> None:
    machine = SystemdMachine()
    prepared = await plan_fix(catalog, "linux.service.free-port", GIVEN, machine, elevated=True)
    assert prepared.plan.runnable, prepared.plan.why_not
    result = await apply_plan(prepared, machine, progress=lambda _: None, undo=Journal(machine))
    assert result.status == "resolved", result
    changes = [act[1:] for act in machine.log if act[1:3] in {("systemctl", "start"), ("systemctl", "stop")}]
    assert changes == [("systemctl", "stop", "--", "apache2.service"), ("systemctl", "start", "--", "nginx.service")]


async def test_a_start_that_fails_brings_the_holder_back(catalog: Catalog) -> None:
    machine = SystemdMachine()
    machine.broken = {"nginx.service"}
    prepared = await plan_fix(catalog, "linux.service.free-port", GIVEN, machine, elevated=True)
    result = await apply_plan(prepared, machine, progress=lambda _: None, undo=Journal(machine))
    assert result.status == "rolled-back"
    assert "it broke" in result.sentence
    assert machine.state["apache2.service"] == "active"


async def test_an_undo_that_fails_is_a_failure_and_named(catalog: Catalog) -> None:
    machine = SystemdMachine()
    prepared = await plan_fix(catalog, "linux.service.free-port", GIVEN, machine, elevated=True)

    class Breaking(Journal):
        async def note(self, step: str, undo: dict[str, object]) -> None:
            await super().note(step, undo)
            if len(self.records) == 2:
                machine.broken = {"nginx.service", "apache2.service"}

    result = await apply_plan(prepared, machine, progress=lambda _: None, undo=Breaking(machine))
    assert result.status == "failed"
    assert "not everything was undone: stop the holder" in result.sentence


@pytest.mark.parametrize("holder", ["sshd.service", "backdoor.service"])
async def test_an_alias_does_not_hide_a_remote_access_service(catalog: Catalog, holder: str) -> None:
    given = {**GIVEN, "holder": holder}
    plan = (await plan_fix(catalog, "linux.service.free-port", given, SystemdMachine(), elevated=True)).plan
    assert not plan.runnable
    assert "remote access" in plan.steps[0].blocked


async def test_a_unit_nobody_knows_is_blocked(catalog: Catalog) -> None:
    given = {**GIVEN, "holder": "nothing.service"}
    plan = (await plan_fix(catalog, "linux.service.free-port", given, SystemdMachine(), elevated=True)).plan
    assert plan.steps[0].blocked == "there is no service 'nothing.service' here"


class InitMachine(RealTarget):
    """A machine with init scripts: `status` answers 0, 3 or nothing sensible."""

    async def status(self, path: str) -> FileStatus:
        if path == "/etc/init.d":
            return FileStatus(path, "folder", 0, 0o755, 0.0)
        raise AssistError("no such file")

    async def list(self, path: str, *, max_entries: int) -> list[FileStatus]:
        names = {"/etc/init.d": ["README", "cron", "hwclock.sh", "nginx", "procps"], "/run": ["cron.pid"]}
        kind = "file"
        return [FileStatus(f"{path}/{name}", kind, 3, 0o755, 0.0) for name in names.get(path, [])]

    async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
        if path == "/run/cron.pid":
            return b"77\n"
        raise AssistError("no such file")

    async def run(self, command: Command) -> Completed:
        self.log.append(("run", *command.argv))
        status = {"cron": 0, "nginx": 3, "procps": 2}.get(command.argv[1], 1)
        return Completed(status if command.argv[2] == "status" else 0, b"", b"", 0.0)


async def test_init_scripts_tell_their_state_and_their_process() -> None:
    look = Look(InitMachine(), now=now())
    backend = await service_backend(look)
    assert backend is not None and backend.name == "sysv" and backend.needs_root
    assert [(unit.name, unit.state, unit.pid) for unit in await backend.units()] == [
        ("cron", "active", 77),
        ("nginx", "inactive", 0),
    ]
    assert await backend.unit_of(77) == "cron"
    await backend.act(InitMachine(), "nginx", "start", 5.0)


class FailedInitMachine(InitMachine):
    """nginx's own log ends with a taken port; cron's process is a child of the one its pid file names."""

    def __init__(self, seconds_ago: float) -> None:
        super().__init__()
        self.seconds_ago = seconds_ago

    async def status(self, path: str) -> FileStatus:
        if path == "/var/log/nginx/error.log":
            return FileStatus(path, "file", 90, 0o640, now().timestamp() - self.seconds_ago)
        return await super().status(path)

    async def list(self, path: str, *, max_entries: int) -> list[FileStatus]:
        if path == "/run":
            return [FileStatus("/run/cron", "folder", 0, 0o755, 0.0)]
        if path == "/run/cron":
            return [FileStatus("/run/cron/main.pid", "file", 3, 0o644, 0.0)]
        return await super().list(path, max_entries=max_entries)

    async def read(self, path: str, *, max_bytes: int, tail: bool = False) -> bytes:
        known = {
            "/var/log/nginx/error.log": b"bind() to 0.0.0.0:80 failed (98: Address already in use)\nstill\n",
            "/run/cron/main.pid": b"77\n",
            "/proc/79/stat": b"79 (cron (x)) S 78 79 79 0",
            "/proc/78/stat": b"78 (cron) S 77 78 78 0",
        }
        if path in known:
            return known[path]
        raise AssistError("no such file")


async def test_an_init_script_that_could_not_bind_is_a_failed_service() -> None:
    backend = await service_backend(Look(FailedInitMachine(seconds_ago=60), now=now()))
    assert backend is not None
    units = {unit.name: unit for unit in await backend.units()}
    assert (units["nginx"].state, units["nginx"].port) == ("failed", 80)
    assert await backend.unit_of(79) == "cron"


async def test_an_old_log_does_not_make_a_stopped_service_a_failed_one() -> None:
    backend = await service_backend(Look(FailedInitMachine(seconds_ago=3 * 24 * 3600), now=now()))
    assert backend is not None
    assert {unit.name: unit.state for unit in await backend.units()}["nginx"] == "inactive"


async def test_a_machine_without_services_says_so(catalog: Catalog) -> None:
    class Bare(RealTarget):
        async def status(self, path: str) -> FileStatus:
            raise AssistError("no such file")

    found = await collect_facts(catalog, ["services"], Bare(), clock=now)
    assert found.statuses == {"services": "unavailable"}
    given = {"unit": "nginx"}
    plan = (await plan_fix(catalog, "linux.service.start-unit", given, Bare(), elevated=True)).plan
    assert not plan.runnable


async def test_a_program_that_fails_is_quoted() -> None:
    look = Look(SystemdMachine(), now=now())
    backend = await service_backend(look)
    assert backend is not None
    with pytest.raises(RefusedError, match=r"systemctl reload -- nginx\.service: it broke"):
        await backend.act(SystemdMachine(), "nginx.service", "reload", 5.0)
