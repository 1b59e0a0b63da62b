"""Extensions of PostgreSQL that a dataset asks for."""

from __future__ import annotations

from typing import Any

from psycopg import sql


def make_extension(connection: Any, extension: str, owner: sql.Identifier) -> None:
    """Make one in the database that the superuser's session is in."""
    statement = sql.SQL("CREATE EXTENSION {} CASCADE").format(sql.Identifier(extension))
    # One that is trusted belongs to the database's owner, who may then say COMMENT ON EXTENSION, as dumps do.
    trusted = connection.execute(
        "SELECT bool_or(trusted) FROM pg_available_extension_versions WHERE name = %s", (extension,)
    ).fetchone()[0]
    if trusted:
        connection.execute(sql.SQL("SET ROLE {}").format(owner))
    connection.execute(statement)
    connection.execute("RESET ROLE")
