"""What it takes to make a tree of thousands of files where another was just removed: as every build does.

On ext4 a directory that scatters what is in it spares looking again and again at what was removed; other file systems
know nothing of that, and both ways take the same. FILES (4800) is how many there are.
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from pathlib import Path

from thcore.hooks import scatter

FILES = int(os.environ.get("FILES", "4800"))
ROUNDS = 5


def made_s(parent: Path, number: int) -> float:
    """Seconds for a tree, which is removed afterwards."""
    root = parent / f"build{number}"
    began = time.perf_counter()
    for file in range(FILES):
        directory = root / f"part{file % 60}"
        if file < 60:
            directory.mkdir(parents=True)
        (directory / f"module{file}.py").write_bytes(b"x" * 12_000)
    took = time.perf_counter() - began
    shutil.rmtree(root)
    return took


def test_a_tree_is_made_as_soon_beside_one_that_was_removed(tmp_path: Path) -> None:
    taken: dict[str, list[float]] = {"as it comes": [], "scattered": []}
    for name in taken:
        (tmp_path / name).mkdir()
    scatter(tmp_path / "scattered")
    for number in range(ROUNDS):
        for name, seconds in taken.items():
            seconds.append(made_s(tmp_path / name, number))
    came, scattered = (statistics.median(seconds) for seconds in taken.values())
    print(f"\n{FILES} files, median of {ROUNDS}; load of the machine {os.getloadavg()[0]:.1f}")
    for name, seconds in taken.items():
        print(f"  {name:12} {statistics.median(seconds):6.2f} s ({min(seconds):.2f}-{max(seconds):.2f})")
    print(f"  {came / scattered:.1f} times")
    assert scattered < 1.5 * came
