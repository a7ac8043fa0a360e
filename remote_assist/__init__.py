"""Remote support with consent, a blind relay, and an audit log written before anything happens.

The folders are the architecture (docs/architecture.md): `core` decides, `transport`, `diagnostics`,
`audit` and `tickets` act, `agent` and `technician` combine, `tui` shows, `cli` composes.
"""

__version__ = "0.1.0"
