"""Where a database answers, and how templates name it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from attrs import field, frozen

from thcore.model import Secret


@frozen
class Address:
    """How to reach one database on a private server.

    ``dialect`` is SQLAlchemy's: ``mysql``, ``postgresql``, ``sqlite``. For SQLite ``database`` is the absolute path of
    the file and everything else is empty. Servers answer on a Unix socket only: ``socket`` is the socket file of
    MySQL/MariaDB, the socket's directory for PostgreSQL.
    """

    dialect: str
    database: str
    user: str = ""
    password: Secret = field(factory=lambda: Secret(""))
    socket: Path | None = None

    def url(self, driver: str | None = None) -> str:
        """The SQLAlchemy URL, with ``driver`` or without: ``postgresql+psycopg://…``. It holds the password."""
        scheme = f"{self.dialect}+{driver}" if driver else self.dialect
        if self.dialect == "sqlite":
            return f"{scheme}:///{self.database}"
        login = quote(self.user, safe="")
        if self.password:
            login += ":" + quote(self.password.reveal(), safe="")
        key = "host" if self.dialect == "postgresql" else "unix_socket"
        host = "" if self.dialect == "postgresql" else "localhost"
        return f"{scheme}://{login}@{host}/{quote(self.database, safe='')}?{key}={quote(str(self.socket), safe='/')}"
