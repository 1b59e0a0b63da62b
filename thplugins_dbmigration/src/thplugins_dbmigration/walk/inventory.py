"""What a project has: the tables of its datasets, and the steps of its migrations."""

from __future__ import annotations

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import Factory, frozen

from thcore.model import StepResult
from thplugins_dbmigration.schema import Schema
from thplugins_dbmigration.step_names import names
from thplugins_dbmigration.walk.model import text_of

MOST = 5000
"""Files of steps that are looked at, and directories where they may be."""
_HOME = re.compile(r"\w*(migrations?|versions)$")
"""What directories of steps are called."""
_ELSEWHERE = re.compile(r"\.|node_modules$|site-packages$")
"""Directories in which the project has none."""


@frozen
class Inventory:
    """``tables`` are all that were there before or after any step of the change, named as in a census, with the names
    of their columns as far as they are known. ``steps`` are all names of the steps on the datasets' ways, ``settled``
    those of steps that the change does not add."""

    tables: Mapping[str, frozenset[str]] = Factory(dict)
    steps: frozenset[str] = frozenset()
    settled: frozenset[str] = frozenset()

    def __or__(self, other: Inventory) -> Inventory:
        """What one of them has, or the other."""
        tables: dict[str, frozenset[str]] = defaultdict(frozenset)
        for table, columns in itertools.chain(self.tables.items(), other.tables.items()):
            tables[table] |= columns
        return Inventory(dict(tables), self.steps | other.steps, self.settled | other.settled)

    @classmethod
    def of_schema(cls, schema: Schema) -> Inventory:
        """The tables of a schema, and the materialized views: steps rebuild those as well."""
        tables: dict[str, frozenset[str]] = {
            part.table: frozenset()
            for part, definition in schema.items()
            if part.kind == "table" or (part.kind == "view" and definition.startswith("materialized "))
        }
        for part in schema:
            if part.kind == "column" and part.table in tables:
                tables[part.table] |= {part.name}
        return cls(tables)

    @classmethod
    def of_steps(cls, results: Iterable[StepResult]) -> Inventory:
        """Steps, and the tables that only their statements have met."""
        steps, settled, tables = set[str](), set[str](), set[str]()
        for result in results:
            steps.update(names(result.step))
            settled.update(() if result.added else names(result.step))
            statements = result.measurement.statements if result.measurement else ()
            tables.update(work.table for statement in statements for work in statement.works)
        return cls(dict.fromkeys(tables, frozenset()), frozenset(steps), frozenset(settled))


def with_files(checkout: Path, results: Iterable[StepResult], wanted: Iterable[str]) -> frozenset[str]:
    """Those of the ``wanted`` names of steps, ``FROM->TO`` or the version alone, that a file beside the known steps' or
    in another directory of steps bears or writes out: a step that is older than every dataset."""
    left = {name: name.rpartition("->")[2].rpartition(".")[2] for name in wanted}
    beside = {(checkout / result.step.path).parent for result in results if result.step.path}
    inside = {place for place in beside if place.resolve().is_relative_to(checkout.resolve())}
    found = set[str]()
    files = itertools.chain.from_iterable(map(_files, itertools.chain(sorted(inside), _homes(checkout))))
    for path in itertools.islice(files, MOST if left else 0):
        if left.keys() <= found:
            break
        text = text_of(path) or ""
        found |= {name for name, version in left.items() if version and _bears(path.stem, text, version)}
    return frozenset(found)


def _homes(checkout: Path) -> Iterator[Path]:
    """Where steps may be: one that nobody runs any more may be in a directory of its own, such as that of an app."""
    for root, directories, _ in itertools.islice(os.walk(checkout), MOST):
        directories[:] = sorted(name for name in directories if not _ELSEWHERE.match(name))
        if _HOME.match(Path(root).name):
            yield Path(root)


def _files(directory: Path) -> Sequence[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:  # a step in a package of its own, or one that the program has taken away
        return ()


def _bears(stem: str, text: str, version: str) -> bool:
    if re.match(rf"0*{re.escape(version)}(?![0-9A-Za-z])", stem):
        return True
    return not version.isdecimal() and (f'"{version}"' in text or f"'{version}'" in text)  # numbers are everywhere
