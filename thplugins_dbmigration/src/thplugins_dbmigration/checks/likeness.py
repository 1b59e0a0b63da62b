"""What a database is like: its schema and what it holds, and in what two states of it are unlike each other."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from thplugins_dbmigration import checksums
from thplugins_dbmigration.census import keeps_versions
from thplugins_dbmigration.checksums import Sums
from thplugins_dbmigration.schema import Schema, differences
from thplugins_dbmigration.walk.ground import Ground


@frozen
class Likeness:
    """A database at one moment, without the tables in which tools keep their versions. ``sums`` are empty where only
    the schema is known."""

    schema: Schema
    sums: Sums = field(factory=dict)

    @classmethod
    def of(cls, ground: Ground) -> Likeness:
        """Reads all tables once."""
        sums = ground.server.checksums(ground.address)
        return cls(schema_of(ground), {table: found for table, found in sums.items() if not keeps_versions(table)})

    def unlike(self, other: Likeness, *, here: str, there: str) -> dict[str, str]:
        """In what another one differs: lines for people, by what each is about. ``here`` and ``there`` say where, or
        when, each of the two is: ``before``, ``after going back``."""
        lines: Mapping[str, str] = checksums.changed(self.sums, other.sums, here=here, there=there)
        return {line: line for line in differences(self.schema, other.schema, here=here, there=there)} | dict(lines)


def schema_of(ground: Ground) -> Schema:
    """The schema, without the tables of tools."""
    found = ground.server.schema(ground.address)
    return {part: text for part, text in found.items() if not keeps_versions(part.table)}
