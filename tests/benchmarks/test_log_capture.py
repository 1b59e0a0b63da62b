"""What taking a program's output into the build log costs, beside a plain file and beside ``ts``."""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from thcore.model import Command
from thcore.process import BuildLog, Interrupt, run

SIZE_MB = 200
LINE = b"%07d 2013-11-20 INFO migrate.versioning.api [-] done with part of it all now\n" % 1
ROUNDS = 3
SHARE_OF_PLAIN = 1 / 8
TIMES_TS = 10
IDLE_S = 5
IDLE_CPU_S = 0.05


def cpu_s(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


@pytest.fixture
def output(tmp_path: Path) -> Path:
    assert len(LINE) == 80
    path = tmp_path / "output"
    with path.open("wb") as file:
        for _ in range(SIZE_MB):
            file.write(LINE * (1_000_000 // len(LINE)))
    return path


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_capture_keeps_up_with_a_plain_file_and_leaves_ts_behind(output: Path, tmp_path: Path) -> None:
    ts = shutil.which("ts")
    cat = shutil.which("cat")
    assert cat is not None

    def plain(target: Path) -> None:
        with target.open("wb") as file:
            subprocess.run([cat, str(output)], stdout=file, check=True)

    def stamped_by_ts(target: Path) -> None:
        with target.open("wb") as file, subprocess.Popen([cat, str(output)], stdout=subprocess.PIPE) as source:
            subprocess.run([str(ts), "%Y-%m-%d %H:%M:%.S"], stdin=source.stdout, stdout=file, check=True)

    def ours(target: Path) -> None:
        with BuildLog(target, ["a secret that never appears"]) as log, Interrupt() as interrupt:
            assert run(Command((cat, str(output))), log, interrupt).ok

    ways: dict[str, Callable[[Path], None]] = {"cat > file": plain, "thcore": ours}
    if ts is not None:
        ways["cat | ts > file"] = stamped_by_ts
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            target = tmp_path / "target"
            before = cpu_s(resource.RUSAGE_SELF) + cpu_s(resource.RUSAGE_CHILDREN), time.perf_counter()
            way(target)
            wall[name].append(time.perf_counter() - before[1])
            cpu[name].append(cpu_s(resource.RUSAGE_SELF) + cpu_s(resource.RUSAGE_CHILDREN) - before[0])
            assert target.stat().st_size >= output.stat().st_size
            target.unlink()

    rate = {name: SIZE_MB / statistics.median(times) for name, times in wall.items()}
    print(f"\n{'way':16} {'MB/s':>8} {'wall s [min-max]':>20} {'CPU s':>7}")
    for name, times in wall.items():
        spread = f"{statistics.median(times):.2f} [{min(times):.2f}-{max(times):.2f}]"
        print(f"{name:16} {rate[name]:8.0f} {spread:>20} {statistics.median(cpu[name]):7.2f}")
    assert rate["thcore"] >= SHARE_OF_PLAIN * rate["cat > file"]
    if ts is None:
        pytest.skip("compared with a plain file only: ts (moreutils) is not installed")
    assert rate["thcore"] >= TIMES_TS * rate["cat | ts > file"]


@pytest.mark.slow
def test_waiting_for_a_silent_program_costs_no_cpu(tmp_path: Path) -> None:
    with BuildLog(tmp_path / "log") as log, Interrupt(time.monotonic() + 600) as interrupt:
        before = cpu_s(resource.RUSAGE_SELF)
        assert run(Command(("sleep", str(IDLE_S))), log, interrupt).ok
        used = cpu_s(resource.RUSAGE_SELF) - before
    print(f"\n{used:.4f} s of CPU while a program was silent for {IDLE_S} s")
    assert used < IDLE_CPU_S
