"""Speed of redaction on the corpus `mixed-logs-1`, one core, beside zlib on the same text; and the detection rates.

python -m bench.redaction [--mib 4] [--runs 5] [--write]     --write puts the rates into docs/redaction.md
"""

import argparse
import re
import statistics
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from bench.log_corpus import NAME, mixed_logs
from remote_assist.core.redaction import MAX_TEXT_CHARS, Redactor
from tests.core.redaction_rates import table

PAGE = Path(__file__).parent.parent / "docs" / "redaction.md"
RATES = re.compile(r"(?<=<!-- rates -->\n).*?(?=<!-- end -->)", re.DOTALL)
SEEDS = {"srv-example": "host", "deploy": "user", "user7": "user", "52:54:00:12:34:56": "mac"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.redaction", description=__doc__)
    parser.add_argument("--mib", type=int, default=3, help="size of the corpus in MiB (default 3)")
    parser.add_argument("--runs", type=int, default=5, help="runs of each figure (default 5)")
    parser.add_argument("--write", action="store_true", help="write the rates into docs/redaction.md")
    options = parser.parse_args()
    if options.write:
        PAGE.write_text(RATES.sub(lambda _: table(), PAGE.read_text("utf-8")), "utf-8")
        return 0
    text = mixed_logs(options.mib << 20)[:MAX_TEXT_CHARS]
    counts: Counter[str] = Counter()
    Redactor(bytes(32), seeds=SEEDS).text(text, counts)
    ours = megabytes_a_second(lambda: Redactor(bytes(32), seeds=SEEDS).text(text), len(text), options.runs)
    peer = megabytes_a_second(lambda: zlib.compress(text.encode(), 6), len(text), options.runs)
    print(f"corpus {NAME}, {len(text) / 1e6:.1f} MB; taken out: {dict(counts)}")
    print(f"redaction      {ours:8.2f} MB/s of CPU time   (goal ≥ 3)")
    print(f"zlib level 6   {peer:8.2f} MB/s of CPU time   redaction is {ours / peer:.3f} of it")
    return 0


def megabytes_a_second(work: Callable[[], object], size: int, runs: int) -> float:
    """Median over the runs, CPU time of this process."""
    seconds = []
    for _ in range(runs):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return size / 1e6 / statistics.median(seconds)


if __name__ == "__main__":
    raise SystemExit(main())
