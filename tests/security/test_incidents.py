"""Every incident others had, and the tests of ours that are named after it. A row may be added, never removed.

The numbers are those of the survey this project began with; each says in a few words what went wrong elsewhere.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

INCIDENTS: dict[str, tuple[str, dict[str, str]]] = {
    "T3": (
        "server secrets readable in plain configuration",
        {"tests/security/test_relay_secrets.py": "test_a_relay_does_not_serve_with_a_secret_others_can_read"},
    ),
    "T4": (
        "command and argument injection by parameters",
        {
            "tests/security/test_fix_parameters.py": "",
            "tests/security/test_argv.py": "",
        },
    ),
    "T5": ("a low role mints itself a higher one", {"tests/security/test_authorisation.py": ""}),
    "T9": (
        "a server that is broken into runs code on every customer's machine",
        {
            "tests/faults/test_evil_pairing.py": ("test_a_changed_pairing_message_burns_the_code_and_asks_nobody"),
            "tests/faults/test_evil_session.py": "test_without_the_true_acknowledgement_nothing_runs",
            "tests/faults/test_thieves_of_streams.py": "",
        },
    ),
    "T10": (
        "an agent's own text attacks the console",
        {"tests/security/test_screens.py": "", "tests/scenarios/test_refused_bytes.py": ""},
    ),
    "T13": ("Terrapin: messages dropped before encryption", {"tests/security/test_ssh.py": ""}),
    "T14": ("messages injected before authentication, SCP names", {"tests/security/test_ssh.py": ""}),
    "T15": ("a link swapped in leads out of the folder", {"tests/security/test_files.py": ""}),
    "T16": ("a private key others could read for a moment", {"tests/security/test_consent.py": ""}),
    "T17": ("nested and misused certificates", {"tests/security/test_certificates.py": ""}),
    "T19": ("a peer's file name leaves the folder", {"tests/security/test_names.py": ""}),
    "T20": (
        "an archive writes where it likes when it is extracted",
        {"tests/security/test_extraction.py": "test_nothing_here_extracts_archives"},
    ),
    "T21": ("terminal escapes in logs", {"tests/security/test_screens.py": ""}),
    "T23": (
        "a link raced into the way of a fix or an upload",
        {
            "tests/diagnostics/test_verbs.py": "test_links_raced_into_the_way_never_carry_a_fix_elsewhere",
            "tests/transport/posix/test_changes.py": (
                "test_a_folder_swapped_for_a_link_ten_thousand_times_leads_nowhere_outside"
            ),
        },
    ),
    "T24": ("free text in the parameters of a fix", {"tests/security/test_fix_parameters.py": ""}),
    "T25": ("a support tool as a tunnel into the network", {"tests/security/test_ssh.py": ""}),
    "T26": (
        "a log-in to Windows relayed to any machine, or sent where it can be read",
        {
            "tests/transport/test_winrm_hop.py": "",
            "tests/transport/test_outward.py": "test_a_name_whose_dns_changes_"
            "between_check_and_use_leads_where_it_was_judged_to",
        },
    ),
    "T27": ("consent clicked by nobody", {"tests/security/test_consent.py": ""}),
    "T28": ("a consent used again elsewhere", {"tests/security/test_consent.py": ""}),
    "T29": ("secret words in arguments, environments and logs", {"tests/security/test_consent.py": ""}),
}
"""Number → (what happened, file → the test, or "" where the file marks its tests with the number)."""


def _tests_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("number", INCIDENTS)
def test_an_incident_has_its_tests(number: str) -> None:
    _, places = INCIDENTS[number]
    for file, name in places.items():
        if name:
            assert name in _tests_of(file), f"{number}: {file} has no {name}"
        elif "faults" not in file:
            assert number in (ROOT / file).read_text(), f"{file} does not name {number}"


def test_an_evil_relay_tries_at_least_thirty_attacks() -> None:
    """T9 asks for thirty; counted are the cases of the attack tables and the attacks with a test of their own."""
    from tests.faults import test_evil_pairing as pairing
    from tests.faults import test_evil_session as session

    attacks = [*pairing.ATTACKS, *session.ACKNOWLEDGEMENT_LIES, *session.APPEND_LIES, *session.MESSAGES_FROM_NOWHERE]
    meddled_streams = 8
    assert len(attacks) + meddled_streams >= 30
