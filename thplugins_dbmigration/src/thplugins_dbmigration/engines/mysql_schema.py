"""What a database of MySQL or MariaDB is made of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from thplugins_dbmigration.schema import Part, Schema

_TABLES = """
SELECT table_name, table_type, coalesce(engine, ''), coalesce(table_collation, '') FROM information_schema.tables
WHERE table_schema = %s
"""
_COLUMNS = """
SELECT table_name, column_name, column_type, is_nullable, column_default, extra, coalesce(generation_expression, ''),
coalesce(collation_name, '')
FROM information_schema.columns WHERE table_schema = %s
"""
_INDEXES = """
SELECT table_name, index_name, non_unique, index_type, column_name, sub_part
FROM information_schema.statistics WHERE table_schema = %s ORDER BY table_name, index_name, seq_in_index
"""
_FOREIGN_KEYS = """
SELECT k.table_name, k.constraint_name, k.column_name, k.referenced_table_name, k.referenced_column_name,
r.update_rule, r.delete_rule
FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints r
ON r.constraint_schema = k.constraint_schema AND r.constraint_name = k.constraint_name AND r.table_name = k.table_name
WHERE k.table_schema = %s AND k.referenced_table_name IS NOT NULL
ORDER BY k.table_name, k.constraint_name, k.ordinal_position
"""
_CHECKS = {
    True: "SELECT table_name, constraint_name, check_clause FROM information_schema.check_constraints "
    "WHERE constraint_schema = %s",
    False: "SELECT t.table_name, c.constraint_name, c.check_clause FROM information_schema.check_constraints c "
    "JOIN information_schema.table_constraints t ON t.constraint_schema = c.constraint_schema "
    "AND t.constraint_name = c.constraint_name AND t.constraint_type = 'CHECK' WHERE c.constraint_schema = %s",
}
"""MariaDB's, and MySQL's."""
_VIEWS = "SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = %s"
_TRIGGERS = """
SELECT event_object_table, trigger_name, action_timing, event_manipulation, action_statement
FROM information_schema.triggers WHERE trigger_schema = %s
"""
_ROUTINES = """
SELECT routine_name, routine_type, coalesce(routine_definition, '')
FROM information_schema.routines WHERE routine_schema = %s
"""


def taken(cursor: Any, database: str, *, mariadb: bool) -> Schema:
    """The schema of a database."""

    def rows(statement: str) -> Any:
        cursor.execute(statement, (database,))
        return cursor.fetchall()

    views = {name for name, kind, *_ in rows(_TABLES) if kind == "VIEW"}
    found: dict[Part, str] = {}
    for table, kind, engine, collation in rows(_TABLES):
        if kind != "VIEW":
            found[Part("table", table)] = f"{engine} {collation}".strip()
    for table, column, *what in rows(_COLUMNS):
        if table not in views:
            found[Part("column", table, column)] = _column(*what)
    found |= dict(_indexes(rows(_INDEXES)))
    found |= dict(_foreign_keys(rows(_FOREIGN_KEYS)))
    found |= {Part("constraint", table, name): f"check {clause}" for table, name, clause in rows(_CHECKS[mariadb])}
    found |= {Part("view", name): _elsewhere(text, database) for name, text in rows(_VIEWS)}
    for table, name, timing, event, text in rows(_TRIGGERS):
        found[Part("trigger", table, name)] = f"{timing} {event}: {text}"
    found |= {Part("routine", "", name): f"{kind}: {text}" for name, kind, text in rows(_ROUTINES)}
    return found


def _column(kind: str, nullable: str, default: str | None, extra: str, generated: str, collation: str) -> str:
    words = [kind]
    words += [f"collate {collation}"] if collation else []
    words += ["not null"] if nullable == "NO" else []
    # MariaDB says NULL where MySQL says nothing.
    words += [f"default {default}"] if default is not None and default != "NULL" else []
    words += [f"as {generated}"] if generated else []
    words += [extra.lower()] if extra else []
    return " ".join(words)


def _indexes(rows: Any) -> Iterator[tuple[Part, str]]:
    for (table, name, plain, kind), columns in itertools.groupby(rows, key=lambda row: tuple(row[:4])):
        named = ", ".join(f"{row[4] or 'an expression'}" + (f"({row[5]})" if row[5] else "") for row in columns)
        words = "" if plain else "unique "
        yield Part("index", table, name), f"{words}({named})" + (f" {kind.lower()}" if kind != "BTREE" else "")


def _foreign_keys(rows: Any) -> Iterator[tuple[Part, str]]:
    for (table, name), columns in itertools.groupby(rows, key=lambda row: tuple(row[:2])):
        found = list(columns)
        own, others = ", ".join(row[2] for row in found), ", ".join(row[4] for row in found)
        update, delete = (_rule(rule) for rule in found[0][5:])
        words = f"({own}) to {found[0][3]} ({others})"
        words += f" on update {update}" if update else ""
        yield Part("foreign key", table, name), words + (f" on delete {delete}" if delete else "")


def _rule(rule: str) -> str:
    """What is done to rows that refer; to do nothing and to refuse is the same here."""
    return "" if rule in {"NO ACTION", "RESTRICT"} else rule.lower()


def _elsewhere(text: str, database: str) -> str:
    return text.replace(f"`{database}`.", "")
