"""config.json of a dataset as it is written: its keys, and everything that can be wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import field, fields, frozen
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

from thplugins_dbmigration.reader import problems, strict
from thplugins_dbmigration.walk.release import Fixup, Release

WALL = "wall_s"
"""The counter that ``maximum_migration_times`` limits, in seconds."""
RESERVED = "thcore"
"""The name of our own account on every private server."""


_NAME = re.compile(r"[A-Za-z0-9_$][A-Za-z0-9_$.-]{0,62}")

Numbers = Mapping[str, float]


@frozen
class DatasetFile:
    """config.json as it is written."""

    project: str
    type: str
    database: str
    seed_data: str
    db_user: str = ""
    db_pass: str = ""
    logging_conf: str | None = None
    maximum_migration_times: Numbers = field(factory=dict)
    innodb_rows_read: Numbers = field(factory=dict)
    xinnodb_rows_changed: Numbers = field(factory=dict)
    limits: Mapping[str, Numbers] = field(factory=dict)
    version: str = ""
    start: tuple[str, ...] = ()
    overlays: tuple[str, ...] = ()
    character_set: str | None = None
    extensions: tuple[str, ...] = ()
    tool: str | None = None
    tool_options: Mapping[str, Any] = field(factory=dict)
    releases: tuple[Release, ...] | None = None
    fixups: tuple[Fixup, ...] | None = None
    confidential: Mapping[str, tuple[str, ...]] = field(factory=dict)


def parse(text: str) -> DatasetFile | tuple[str, ...]:
    """Structure the text of a config.json, or answer all problems that it has."""
    try:
        written = _converter.structure(json.loads(text), DatasetFile)
    except json.JSONDecodeError as error:
        return (f"is no JSON: {error}",)
    except Exception as error:  # noqa: BLE001 - cattrs raises exception groups of any kind
        return tuple(problems(error, _RENAMED))
    return tuple(_wrong(written)) or written


def _wrong(written: DatasetFile) -> Iterator[str]:
    if not _NAME.fullmatch(written.database):
        yield f"database: {written.database!r} is no name; use letters, digits, _, - and ."
    if written.type.lower() not in {"sqlite", "sqlite3"}:
        if not _NAME.fullmatch(written.db_user):
            yield f"db_user: {written.db_user!r} is no name; use letters, digits, _, - and ."
        if not written.db_pass:
            yield "db_pass: is missing; any text will do, the server is private"
    if written.db_user == RESERVED:
        yield f"db_user: {RESERVED} is our own account on the server; use another name"
    for key in ("character_set", "tool"):
        value = getattr(written, key)
        if value is not None and not _NAME.fullmatch(value):
            yield f"{key}: {value!r} is no name"
    names = [release.name for release in written.releases or ()]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"releases: {name} is there more than once; give each a name of its own"
    for counter, numbers in limits_of(written).items():
        for key, number in numbers.items():
            if number < 0:
                where = "maximum_migration_times" if counter == WALL else counter
                yield f"{where}.{key}: {number} is negative"


def limits_of(written: DatasetFile) -> dict[str, Numbers]:
    """The limits by the name of the counter that they are for."""
    legacy = {
        WALL: written.maximum_migration_times,
        "Innodb_rows_read": written.innodb_rows_read,
        "XInnodb_rows_changed": written.xinnodb_rows_changed,
    }
    return {name: numbers for name, numbers in {**legacy, **written.limits}.items() if numbers}


def keys_of(cls: type[Any]) -> tuple[str, ...]:
    """The keys of a class as config.json has them."""
    return tuple(_RENAMED.get(entry.name, entry.name) for entry in fields(cls))


_RENAMED = {"innodb_rows_read": "Innodb_rows_read", "xinnodb_rows_changed": "XInnodb_rows_changed"}


def _made_converter() -> Converter:
    converter = strict()
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(
        DatasetFile,
        make_dict_structure_fn(
            DatasetFile,
            converter,
            _cattrs_forbid_extra_keys=True,
            innodb_rows_read=override(rename="Innodb_rows_read"),
            xinnodb_rows_changed=override(rename="XInnodb_rows_changed"),
        ),
    )
    return converter


def _number(value: Any, _type: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"must be a number, not {value!r}")
    return value


_converter = _made_converter()
