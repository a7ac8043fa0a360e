"""Doors at the agent: what a program channel passes on, and that what fails inside still ends with a status."""

import asyncio

import asyncssh
import pytest

from remote_assist.core.signing.keys import private_bytes, public_line
from remote_assist.errors import AssistError, RefusedError, UnreachableError
from remote_assist.transport.doors import RemoteProgram, allowed_environment
from remote_assist.transport.ssh import STOCK_KEY_EXCHANGE, serve_technician
from tests.transport.splice import spliced
from tests.transport.world import EchoDoors, Keys, World, connected, tunnels


class OpenDoors(EchoDoors):
    """Exec does by name what a test asks for."""

    async def exec(self, command: str, program: RemoteProgram, peer_key: str) -> int:
        match command:
            case "cat":
                while raw := await program.read():
                    await program.write(raw)
                await program.write(b"end\n", error=True)
                return 7
            case "env":
                await program.write(repr(sorted(program.environment.items())).encode())
                return 0
            case "no":
                raise RefusedError("not in this session", advice="Ask for it.")
            case "fail":
                raise AssistError("it did not work")
            case "forever":
                for _ in range(10_000):
                    await program.write(bytes(64 << 10))
                return 0
        raise ValueError("a bug of ours")


@pytest.fixture
def doors() -> OpenDoors:
    return OpenDoors()


async def test_a_program_reads_writes_and_ends_with_its_status(doors: OpenDoors) -> None:
    async with connected(doors=doors) as world:
        done = await world.client.run("cat", input="a" * 3_000_000, timeout=10)
        assert done.stdout == "a" * 3_000_000
        assert done.stderr == "end\n"
        assert done.exit_status == 7


async def test_only_a_terminals_name_and_language_reach_a_program(doors: OpenDoors) -> None:
    asked = {"LANG": "C.UTF-8", "LC_ALL": "C", "LD_PRELOAD": "/tmp/evil.so", "PATH": "/tmp", "TERM": "xterm"}
    async with connected(doors=doors) as world:
        done = await world.client.run("env", env=asked, timeout=5)
        assert done.stdout == "[('LANG', 'C.UTF-8'), ('LC_ALL', 'C'), ('TERM', 'xterm')]"


@pytest.mark.parametrize(
    "asked",
    [
        {"LD_PRELOAD": "x"},
        {"lang": "x"},
        {"LC_": "x"},
        {"LC_A=B": "x"},
        {"TERM": "a\nb"},
        {"TERM": "\x1b[2J"},
        {"LANG": "é"},
        {"LANG": "x" * 257},
        {"PYTHONPATH": "/tmp"},
    ],
)
def test_other_names_and_strange_values_are_dropped(asked: dict[str, str]) -> None:
    assert allowed_environment(asked) == {}


@pytest.mark.parametrize(
    ("command", "status", "sentence"),
    [
        ("no", 126, "remote-assist: not in this session\n  Ask for it.\n"),
        ("fail", 1, "remote-assist: it did not work\n"),
    ],
)
async def test_a_refusal_and_a_failure_end_with_a_status_and_a_sentence(
    doors: OpenDoors, command: str, status: int, sentence: str
) -> None:
    async with connected(doors=doors) as world:
        done = await world.client.run(command, timeout=5)
        assert (done.exit_status, done.stderr) == (status, sentence)


async def test_a_bug_inside_a_door_ends_that_channel_only(doors: OpenDoors) -> None:
    async with connected(doors=doors) as world:
        complaints: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        done = await world.client.run("bug", timeout=5)
        assert done.exit_status == 1
        assert done.stderr == "remote-assist: the agent failed at this request\n"
        assert (await world.client.run("env", timeout=5)).exit_status == 0


async def test_a_program_whose_peer_is_gone_is_told(doors: OpenDoors) -> None:
    told: list[type] = []

    class Watched(OpenDoors):
        async def exec(self, command: str, program: RemoteProgram, peer_key: str) -> int:
            try:
                return await super().exec(command, program, peer_key)
            except UnreachableError as error:
                told.append(type(error))
                raise

    async with connected(doors=Watched()) as world:
        process = await world.client.create_process("forever", encoding=None)
        await process.stdout.read(1000)
        process.close()
        await _until_told(world, told)


async def _until_told(world: World, told: list[type]) -> None:
    async with asyncio.timeout(5):
        while not told:
            await asyncio.sleep(0.005)
    assert told == [UnreachableError]
    assert not world.client.is_closed()


async def test_a_stock_client_is_let_in_with_curve25519_only_where_that_is_allowed(doors: OpenDoors) -> None:
    assert STOCK_KEY_EXCHANGE == ("mlkem768x25519-sha256", "curve25519-sha256")
    async with spliced() as splice:
        keys = Keys()
        technician, agent = await tunnels(splice)
        serving = asyncio.create_task(
            serve_technician(
                agent,
                host_key=keys.host,
                authorised=lambda line: line == public_line(keys.session),
                doors=doors,
                stock_clients=True,
            )
        )
        async with asyncssh.connect(
            "agent",
            22,
            tunnel=technician,
            config=None,
            username="anybody",
            client_keys=[asyncssh.import_private_key(private_bytes(keys.session))],
            agent_path=None,
            known_hosts=([asyncssh.import_public_key(public_line(keys.host))], [], []),
            kex_algs=["curve25519-sha256"],
        ) as client:
            assert (await client.run("env", env={}, timeout=5)).exit_status == 0
        (await serving).close()
        await asyncio.gather(technician.closed(), agent.closed())
