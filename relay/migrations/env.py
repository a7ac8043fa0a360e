"""Run by alembic for every migration: the revisions, on the connection and in the transaction it was handed."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table="alembic_version")
context.run_migrations()
