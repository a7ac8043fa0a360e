"""A page of ours as PDF, by the Chromium or Chrome of this machine: none is shipped, and none is fetched.

Rule: the page has no scripts and loads nothing; the browser runs without network and profile, for a minute at most.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from remote_assist.errors import AssistError, UsageError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 60


def write_pdf(page: str, target: Path) -> None:
    """Print a page into a file. Raises UsageError without a browser, AssistError when it fails."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise UsageError(
            "there is no Chromium or Chrome on this machine to make a PDF with",
            advice="Use --html FILE and print the page, or install chromium.",
        )
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "page.html", Path(folder) / "page.pdf"
        source.write_text(page, encoding="utf-8")
        _run([browser, *_options(folder), f"--print-to-pdf={made}", source.as_uri()])
        if not made.is_file():
            raise AssistError("the browser made no PDF", advice="Use --html FILE and print the page.")
        try:
            shutil.copyfile(made, target)
        except OSError as error:
            raise UsageError(f"{target} cannot be written: {error.strerror}") from error


def _options(folder: str) -> list[str]:
    options = ["--headless", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={folder}/profile"]
    # No address is looked up: the page names none, and the browser shall not call home.
    options.append("--host-resolver-rules=MAP * ~NOTFOUND")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium refuses to run as root with its sandbox
    return options


def _run(argv: list[str]) -> None:
    try:
        subprocess.run(argv, capture_output=True, timeout=SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise AssistError(
            "the browser did not make a PDF", advice="Use --html FILE and print the page, or look whether it starts."
        ) from error
