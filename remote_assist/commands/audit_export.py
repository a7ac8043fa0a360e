"""`audit export`: sessions and other chains as lines that verify elsewhere, or for a SIEM."""

import argparse
from datetime import UTC, datetime

from remote_assist.audit.export import ExportWriter
from remote_assist.commands.audit_fetch import (
    current_checkpoint,
    each,
    log_name,
    open_api,
    output,
    own_home,
    verify_fetched,
    wanted_logs,
)
from remote_assist.commands.audit_show import print_closed
from remote_assist.commands.audit_trust import Unsealer, trust_of
from remote_assist.commands.printing import Printer
from remote_assist.errors import Exit, VerificationError


async def export_sessions(arguments: argparse.Namespace) -> int:
    """Run `audit export`."""
    printer, home = Printer(arguments), own_home()
    trust = trust_of(arguments, home)
    failures: list[VerificationError] = []
    session = None if arguments.session is None else log_name(arguments.session)
    async with open_api(arguments) as api:
        wanted = await wanted_logs(api, session)
        checkpoint = await current_checkpoint(api, trust)
        with output(arguments.output) as file:
            writer = ExportWriter(checkpoint.note if checkpoint else "")
            file.write(writer.header(origin=api.origin, lists=await api.lists(), now=datetime.now(UTC)))
            async for fetched in each(api, wanted, trust, checkpoint):
                unsealer = Unsealer.of(arguments.unseal, fetched.wraps)
                for logged, proof in zip(fetched.records, fetched.proofs, strict=True):
                    disclosed = unsealer.disclose_stored(logged.record) if unsealer else {}
                    file.write(writer.record(logged, disclosed, proof))
                print_closed(printer, fetched.summary.id, unsealer)
                try:
                    await verify_fetched(api, fetched, trust, home, strict=arguments.strict)
                except VerificationError as error:
                    failures.append(error)
            file.write(writer.trailer())
            file.flush()
    for failure in failures:
        printer.note(f"exported, but it does not hold: {failure.message}")
    return Exit.UNVERIFIED if failures else Exit.DONE
