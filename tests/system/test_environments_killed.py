"""Builds that are killed while they make environments leave nothing behind that harms another."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from thcore.builtin import seal
from thcore.builtin.venv import plugin
from thcore.model import Attempt

from parts.environment_maker import SETTINGS, VERSIONS, alone, damaged, use, wheels
from parts.processes import KILLS

SEED = int(os.environ.get("THCORE_KILLS_SEED", "20261126"))
AT_ONCE = 4
LONGEST_S = 0.5


@pytest.fixture(autouse=True)
def _no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_CACHE_DIR", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.system
@pytest.mark.timeout(600)
@pytest.mark.slow
def test_builds_killed_at_any_moment_leave_whole_environments_and_no_lock(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    chance = random.Random(SEED)
    options = wheels(tmp_path / "wheels")
    state = tmp_path / "state"
    environments = state / "plugins" / "environments"
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["parts.environment_maker"])
    struck = finished = 0
    started = time.monotonic()

    for round_number in range(KILLS // AT_ONCE):
        running = []
        for place in range(AT_ONCE):
            build_id = f"k{round_number}-{place}"
            number = chance.randrange(VERSIONS)
            process = processes.Process(target=alone, args=(tmp_path, state, options, build_id, number))
            process.start()
            running.append((process, build_id))
        for process, build_id in running:
            # The moment is chance; whether it is over before is part of it.
            process.join(chance.uniform(0, LONGEST_S))
            whole_group = chance.random() < 0.5
            if process.is_alive():
                struck += 1
                with contextlib.suppress(ProcessLookupError):
                    # Else uv lives on for a moment, and writes into what has no owner any more.
                    (os.killpg if whole_group else os.kill)(process.pid or 0, signal.SIGKILL)
            else:
                finished += process.exitcode == 0
            process.join()
            process.close()
            plugin.thcore_cleanup(Attempt(build_id, "job", 1, tmp_path, environments.parent))
            shutil.rmtree(tmp_path / f"workspace-{build_id}-1", ignore_errors=True)
        assert damaged(environments) == []
    spent = time.monotonic() - started

    for number in range(VERSIONS):
        said, _ = use(tmp_path, state, options, f"last{number}", number)
        assert said == str(number)
        plugin.thcore_cleanup(Attempt(f"last{number}", "job", 1, tmp_path, environments.parent))
    use(tmp_path, state, options, "end", 0)

    assert struck >= KILLS // 3, "most are to be struck while they work"
    kept = [path for path in environments.iterdir() if path.is_dir()]
    assert len(kept) <= SETTINGS.keep
    assert all((path / "OK").exists() for path in kept)
    assert {path.name.split(".")[0] for path in environments.iterdir()} == {path.name.split(".")[0] for path in kept}
    record_property("figures", f"{struck} killed, {finished} finished before, in {spent:.0f} s (seed {SEED})")
    seal.remove(state)
