"""Datasets, written to disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from thplugins_dbmigration.datasets import Dataset, read


def write_dataset(root: Path, name: str, sql: str, **keys: Any) -> Path:
    """A dataset in turbo-hipster's format; SQLite and the project ``example/shop`` unless ``keys`` say otherwise."""
    directory = root / name
    directory.mkdir(parents=True)
    (directory / "seed.sql").write_text(sql)
    config = {
        "project": "example/shop",
        "type": "sqlite",
        "database": "shop",
        "db_user": "shop",
        "db_pass": "tester",
        "seed_data": "seed.sql",
        **keys,
    }
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def as_read(directory: Path) -> Dataset:
    """What the gate makes of a dataset on disk, which has nothing wrong."""
    dataset, problems = read(directory)
    assert dataset is not None, problems
    return dataset
