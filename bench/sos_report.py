"""First look beside `sos report --batch` (Debian's sosreport), in the same run, command start included.

python -m bench.sos_report [--runs 3]       as root, because sos wants to be

Ours is `diagnose` in a session (relay, agent and technician on this machine, bundle written) followed by `findings`.
"""

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.scenarios.world import served_world


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.sos_report", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default 3)")
    options = parser.parse_args()
    sos = shutil.which("sos")
    if sos is None:
        print("sos is not installed (Debian: sosreport)")
        return 1
    with tempfile.TemporaryDirectory(prefix="remote-assist-bench-") as name:
        folder = Path(name)
        (folder / "world").mkdir()
        (folder / "sos").mkdir()
        with served_world(folder / "world") as world:
            _, session, _ = world.session()
            look, found, theirs = [], [], []
            for _ in range(options.runs):
                look.append(seconds(lambda: world.command("diagnose", session, "-o", "look.tar.zst")))
                found.append(seconds(lambda: world.command("findings", "look.tar.zst", "--json")))
                theirs.append(seconds(lambda: report(sos, folder / "sos")))
    ours, findings, peer = (statistics.median(each) for each in (look, found, theirs))
    print(f"first-look                 {ours:7.2f} s")
    print(f"findings of it             {findings:7.2f} s")
    print(f"sos report --batch         {peer:7.2f} s")
    print(f"first-look / sos           {ours / peer:7.3f}     (goal ≤ 0.2)")
    print(f"with findings / sos        {(ours + findings) / peer:7.3f}")
    return 0


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, on the wall clock."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def report(sos: str, folder: Path) -> None:
    """Everything sos collects here by itself; what it wrote is thrown away."""
    argv = [sos, "report", "--batch", "--quiet", "--tmp-dir", str(folder)]
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for path in folder.iterdir():
        path.unlink() if path.is_file() else shutil.rmtree(path)


if __name__ == "__main__":
    raise SystemExit(main())
