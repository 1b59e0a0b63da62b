"""Whoever makes snapshots is killed again and again: none that is damaged is used, none stays locked, none stays over.

THCORE_CHAOS_SEED repeats a run.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from pathlib import Path

import pytest

from thcore.process import kin
from thplugins_dbmigration.snapshots import shelf

from parts.snapshot_kills import SEED, check_whole_and_free, dataset_of, kills, opened, use, worked_and_killed


@pytest.mark.slow
def test_kills_while_snapshots_are_made_cloned_and_trimmed_leave_whole_ones_only(tmp_path: Path) -> None:
    # They are forked, which is safe only where there are no threads: the process of other tests may have some.
    alone = multiprocessing.get_context("spawn").Process(target=kills, args=(tmp_path,))
    alone.start()
    alone.join()
    assert alone.exitcode == 0


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mysql", "postgresql"])
def test_five_kills_while_a_server_is_restored_leave_whole_snapshots_only(kind: str, tmp_path: Path) -> None:
    kin.become_subreaper()
    chance = random.Random(SEED)
    dataset = dataset_of(tmp_path / "datasets" / "shop", kind)
    began = time.monotonic()
    with opened(tmp_path, "first") as build:
        state = build.state
        use(build, dataset)
    took_s = time.monotonic() - began
    for number in range(5):
        if chance.random() < 0.7:
            for place in shelf.places(state):
                assert shelf.take_away(place)
        worked_and_killed(tmp_path, f"killed-{kind}-{number}", [dataset], None, chance.uniform(0.0, took_s))
        check_whole_and_free(state)
    with opened(tmp_path, "last") as build:
        use(build, dataset)
