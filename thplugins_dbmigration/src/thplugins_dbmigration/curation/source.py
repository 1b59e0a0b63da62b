"""A live database that a dataset is made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from thcore.model import Secret
from thplugins_dbmigration.address import Address

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

SCHEMES: Mapping[str, str] = {
    "mysql": "mysql",
    "mariadb": "mysql",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "sqlite": "sqlite",
}
"""The dialect that the beginning of a URL means; what follows a ``+`` is a driver of somebody else's."""


@frozen
class Source:
    """How to reach a database. ``dialect`` is SQLAlchemy's. For SQLite ``database`` is the path of the file and the
    rest is empty. ``parameters`` are libpq's, such as ``sslmode``; only PostgreSQL has them."""

    dialect: str
    database: str
    user: str = ""
    password: Secret = field(factory=lambda: Secret(""))
    host: str = ""
    port: int | None = None
    socket: Path | None = None
    parameters: Mapping[str, str] = field(factory=dict)

    @classmethod
    def of(cls, address: Address) -> Source:
        """The database of a private server."""
        source = cls(address.dialect, address.database, address.user, address.password, socket=address.socket)
        if address.dialect == "postgresql":
            return evolve(source, host=str(address.socket), socket=None)
        return source

    def having(self, password: Secret) -> Source:
        """The same with a password."""
        return evolve(self, password=password)

    @classmethod
    def parse(cls, text: str) -> Source:
        """Take a URL apart. Raises ValueError saying what is wrong with it, without its password."""
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError

        try:
            url = make_url(text)
        except (ArgumentError, ValueError) as error:
            raise ValueError(
                "is no URL of a database; write mysql://USER@HOST/DATABASE, postgresql://USER@HOST/DATABASE or "
                "sqlite:////PATH/OF/FILE"
            ) from error
        dialect = SCHEMES.get(url.get_backend_name())
        if dialect is None:
            raise ValueError(f"begins with {url.drivername}; there are {', '.join(SCHEMES)}")
        if not url.database:
            raise ValueError("names no database")
        if dialect == "sqlite":
            path = Path(url.database).resolve()
            if not path.is_file():
                raise ValueError(f"there is no file {path}")
            return cls(dialect, str(path))
        return _server(dialect, url)


def _server(dialect: str, url: URL) -> Source:
    given = {name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    source = Source(
        dialect, url.database or "", url.username or "", Secret(str(url.password or "")), url.host or "", url.port
    )
    if not source.user:
        raise ValueError("names no user")
    if dialect == "postgresql":
        return evolve(source, host=source.host or given.pop("host", ""), parameters=given)
    socket = given.pop("unix_socket", None)
    if given:
        raise ValueError(f"has {', '.join(sorted(given))}; of MySQL's parameters only unix_socket is understood")
    if not source.host and not socket:
        raise ValueError("names no host")
    return evolve(source, socket=Path(socket) if socket else None)
