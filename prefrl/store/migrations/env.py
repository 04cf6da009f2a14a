"""Run by Alembic: applies revisions on the connection that `prefrl.store.database` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from prefrl.store.schema import metadata


def migrate() -> None:
    """Bring the schema to the revision that was asked for."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic loads this file; importing it otherwise does nothing
    migrate()
