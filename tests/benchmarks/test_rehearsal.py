"""What trying a change's statements without rows adds to a build, on a state of the target branch that is known."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from parts.dataset import write_dataset
from parts.releases import Releases
from parts.servers import open_directory

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(1800)]

TABLES = 150
BUILDS = 3
SEED = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY);\nINSERT INTO alembic_version VALUES ('a');\n"
    + "".join(
        f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, name VARCHAR(20), amount INTEGER);\n"
        f"CREATE INDEX i{number} ON t{number} (name);\nINSERT INTO t{number} VALUES (1, 'one', 1);\n"
        for number in range(TABLES)
    )
)
WIDER = {"mysql": "MODIFY amount BIGINT", "postgresql": "ALTER COLUMN amount TYPE BIGINT"}


@pytest.mark.parametrize("statements", [1, 10])
@pytest.mark.parametrize("engine", ["mysql", "postgresql"])
def test_what_a_rehearsal_adds_to_a_build(
    engine: str, statements: int, record_property: Callable[[str, object], None]
) -> None:
    with open_directory() as root:
        project = Releases(root)
        project.tree("master").revision("a", None)
        write_dataset(project.datasets, "small", SEED, start=["a"], type=engine)
        wide = [f"ALTER TABLE t{number} {WIDER[engine]}" for number in range(statements)]
        project.tree("change", like="master").revision("b", "a", *wide)
        project.gate()
        took_s = []
        for _ in range(BUILDS):
            began = time.monotonic()
            project.gate()
            took_s.append(time.monotonic() - began)
        told = [
            float(found) for log in project.logs() for found in re.findall(r"rehearsed without rows in (\S+) s", log)
        ]
    assert len(told) == BUILDS + 1
    least, whole = min(told), min(took_s)
    record_property(
        "figures",
        f"{engine}, {TABLES} tables, {statements} ALTER TABLE: rehearsal {least:.2f} s of a build of {whole:.2f} s "
        f"({least / whole:.0%}); {max(told):.2f} s where the state without rows had to be made",
    )
