"""Templates of the job's options: ``--config-file {config}/nova.conf``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Formatter

from attrs import evolve, frozen

from thcore.errors import InfrastructureError
from thplugins_dbmigration.address import Address


@frozen
class Placeholders:
    """What templates may name, for one database.

    ``{url}`` is the database's SQLAlchemy URL without a driver, ``{url:pymysql}`` with one. ``{user}``, ``{password}``,
    ``{database}``, ``{host}`` and ``{socket}`` are its parts: a MySQL server answers on the file ``{socket}``
    (``{host}`` is ``localhost``), a PostgreSQL server in the directory that both ``{host}`` and ``{socket}`` name. For
    SQLite ``{database}`` is the path of the file and the others are empty. ``{dialect}`` is ``mysql``,
    ``postgresql`` or ``sqlite``, ``{dataset}`` the dataset's name; ``{checkout}``, ``{workspace}`` and
    ``{config}`` are directories. ``{logging_conf}`` is the file that the dataset brings for the project's logging, and
    empty when it brings none. A tool may add its own, such as ``{step}``. A brace is written twice: ``{{``.
    """

    address: Address
    words: Mapping[str, str]

    @classmethod
    def of(
        cls,
        address: Address,
        *,
        dataset: str,
        checkout: Path,
        workspace: Path,
        config: Path,
        logging_conf: Path | None = None,
    ) -> Placeholders:
        """The placeholders of a database and of the directories around it."""
        socket = str(address.socket or "")
        host = {"mysql": "localhost", "postgresql": socket}.get(address.dialect, "")
        return cls(
            address,
            {
                "user": address.user,
                "password": address.password.reveal(),
                "database": address.database,
                "host": host,
                "socket": socket,
                "dialect": address.dialect,
                "dataset": dataset,
                "checkout": str(checkout),
                "workspace": str(workspace),
                "config": str(config),
                "logging_conf": str(logging_conf or ""),
            },
        )

    def having(self, **words: str) -> Placeholders:
        """The same with more words."""
        return evolve(self, words={**self.words, **words})

    def fill(self, template: str, key: str) -> str:
        """Put the values into ``template``, which the option ``key`` holds. Nothing but the names above is looked up,
        no attributes and no items. Raises InfrastructureError (``options-invalid``) naming the key."""
        parts: list[str] = []
        try:
            for text, name, driver, conversion in Formatter().parse(template):
                parts.append(text)
                if name is not None:
                    parts.append(self._value(name, driver or "", conversion))
        except ValueError as error:
            raise InfrastructureError(
                f"Option dbmigration.{key}: the template {template!r} cannot be used: {error}", code="options-invalid"
            ) from None
        return "".join(parts)

    def fill_all(self, templates: tuple[str, ...], key: str) -> tuple[str, ...]:
        """Fill a whole argv."""
        return tuple(self.fill(template, key) for template in templates)

    def _value(self, name: str, driver: str, conversion: str | None) -> str:
        if conversion:
            raise ValueError(f"{{{name}!{conversion}}} is not a placeholder; leave out !{conversion}")
        if name == "url":
            return self.address.url(driver or None)
        if driver:
            raise ValueError(f"only {{url}} takes a driver, {{{name}}} does not")
        if name not in self.words:
            known = ", ".join(sorted([*self.words, "url", "url:DRIVER"]))
            raise ValueError(f"{{{name}}} is not a placeholder; there are {known} (write {{{{ for a brace)")
        return self.words[name]
