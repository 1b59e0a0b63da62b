"""A project whose change is checked, on a dataset of three rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from thcore.model import Check, Execution, Finding

from parts.dataset import write_dataset
from parts.releases import Releases

SEED = """
create table alembic_version (version_num varchar(32) not null primary key);
insert into alembic_version values ('b');
create table other (id integer not null primary key);
create table item (id integer not null primary key, name varchar(20), price integer);
insert into item values (1, 'spade', 10), (2, 'rake', 20), (3, 'rake', 30);
"""
ITEM = "create table item (id integer not null primary key, name varchar(20), price integer)"


def checked_project(root: Path, *, seed: str = SEED, **keys: Any) -> Releases:
    """The target branch ends at b, where the dataset is; the change is a copy of the branch, to which tests add c."""
    made = Releases(root)
    made.tree("master").revision("a", None, ITEM, back=["drop table item"])
    made.tree("master").revision(
        "b", "a", "create table other (id integer not null primary key)", back=["drop table other"]
    )
    made.tree("change", like="master")
    write_dataset(made.datasets, "small", seed, **keys)
    return made


def only_check(execution: Execution) -> Check:
    """The only check of the only dataset."""
    ((check,),) = (run.checks for run in execution.datasets)
    return check


def only_finding(execution: Execution) -> Finding:
    """The only thing that the gate says of a build, but for its limits."""
    (finding,) = execution.findings
    return finding
