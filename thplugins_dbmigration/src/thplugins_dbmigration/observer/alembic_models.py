"""Compares the database with the project's models, as Alembic's autogenerate does. Changes nothing.

Its task is as for ``alembic_upgrade``. It writes a JSON list of lines into the file ``report``, one for each
difference; nothing where env.py names no models.
"""

import json
import sys
from typing import Any, Dict, Iterable, Iterator, List, Tuple

from alembic_upgrade import configuration
from thcore_program import run

MOST = 1000
"""Lines of a report."""
COLUMN_CHANGES = {
    "modify_type": "type",
    "modify_nullable": "nullable",
    "modify_default": "default",
    "modify_comment": "comment",
}


def report(task: Dict[str, Any], url: str) -> None:
    from alembic import autogenerate
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = configuration(task, task["sections"][0], url)
    script = ScriptDirectory.from_config(config)
    told: List[str] = []
    known: List[Any] = []

    def compare(_heads: Any, context: Any) -> Tuple[()]:
        metadata = context.opts.get("target_metadata")
        if metadata is not None:
            known.append(metadata)
            told.extend(lines(autogenerate.compare_metadata(context, metadata)))
        return ()

    with EnvironmentContext(config, script, fn=compare):
        script.run_env()
    if known:
        with open(task["report"], "w", encoding="utf-8") as stream:
            json.dump(told[:MOST], stream)


def lines(differences: Iterable[Any]) -> Iterator[str]:
    """Each difference in words. Alembic says what would have to be done to the database."""
    for difference in differences:
        if isinstance(difference, list):
            for change in difference:
                yield column_change(*change)
        else:
            yield described(difference[0], difference[1:])


def column_change(kind: str, schema: Any, table: str, column: str, _existing: Any, now: Any, wanted: Any) -> str:
    what = COLUMN_CHANGES.get(kind, kind)
    return "column {}.{}: {} {} in the database, {} in the models".format(
        named(schema, table), column, what, text_of(now), text_of(wanted)
    )


def described(kind: str, parts: Tuple[Any, ...]) -> str:
    where = "only in the models" if kind.startswith("add_") else "only in the database"
    what = kind.partition("_")[2].replace("fk", "foreign key")
    if what == "column":
        schema, table, column = parts
        return "column {}.{}: {}".format(named(schema, table), column.name, where)
    thing = parts[0]
    table = getattr(thing, "table", None)
    name = named(getattr(thing, "schema", None), str(getattr(thing, "name", None)))
    if table is None:
        return "{} {}: {}".format(what, name, where)
    columns = ", ".join(str(getattr(column, "name", column)) for column in getattr(thing, "columns", ()))
    return "{} {}.{} ({}): {}".format(what, named(table.schema, table.name), thing.name, columns, where)


def named(schema: Any, name: str) -> str:
    return "{}.{}".format(schema, name) if schema else name


def text_of(value: Any) -> str:
    """A type, a default or a truth value in one line."""
    return " ".join(str(getattr(value, "arg", value)).split())


if __name__ == "__main__":
    sys.exit(run(report))
