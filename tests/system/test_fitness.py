"""A worker that could not do a build takes none, says why, and comes back by itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from thcore.testing.gearmand import Gearmand

from parts.puppet import Theatre

pytestmark = pytest.mark.system

OFFERED = ["build:play", "build:short"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("full", ["state", pytest.param("work", marks=pytest.mark.slow)])
def test_a_worker_whose_disk_is_full_takes_no_builds_until_there_is_room(
    theatre: Theatre, gearmand: Gearmand, small_disk: Path, full: str
) -> None:
    directories = {"state": str(theatre.directory / "worker" / "state"), full: str(small_disk / "here")}
    with theatre.worker(directories=directories, free_space="4MiB") as worker:
        assert theatre.launch().wait() == "SUCCESS"

        with (small_disk / "ballast").open("wb") as ballast:
            ballast.write(bytes(15 * 1024 * 1024))

        line = worker.wait_for("worker_paused")
        assert f"({full}) has" in line
        assert "less than free_space (4.0 MiB)" in line
        assert gearmand.offered("worker-under-test", []) in ([], ["nothing known of it"])
        build = theatre.launch()

        (small_disk / "ballast").unlink()

        worker.wait_for("worker_resumed")
        assert gearmand.offered("worker-under-test", OFFERED) == OFFERED
        assert build.wait() == "SUCCESS"


def test_builds_that_run_when_the_disk_fills_up_are_finished_and_answered(theatre: Theatre, small_disk: Path) -> None:
    directories = {"state": str(small_disk / "state")}
    with theatre.worker(directories=directories, free_space="4MiB") as worker:
        build = theatre.launch(DO_EXECUTE="wait")
        theatre.wait_at("execute", build)
        with (small_disk / "ballast").open("wb") as ballast:
            try:
                while ballast.write(bytes(64 * 1024)):
                    ballast.flush()
            except OSError:
                pass
        worker.wait_for("worker_paused")

        theatre.release("execute", build)

        assert build.wait() == "SUCCESS"
        (small_disk / "ballast").unlink()
        worker.wait_for("worker_resumed")
        assert theatre.launch().wait() == "SUCCESS"


def test_a_worker_that_starts_with_a_full_disk_waits_for_room(
    theatre: Theatre, gearmand: Gearmand, small_disk: Path
) -> None:
    (small_disk / "ballast").write_bytes(bytes(14 * 1024 * 1024))
    with theatre.worker(directories={"state": str(small_disk / "state")}, free_space="4MiB") as worker:
        assert any("worker_paused" in line for line in worker.output)
        assert gearmand.offered("worker-under-test", []) in ([], ["nothing known of it"])

        (small_disk / "ballast").unlink()

        worker.wait_for("worker_resumed")
        assert theatre.launch().wait() == "SUCCESS"


def test_evidence_that_nobody_takes_stops_the_worker_before_it_fills_the_disk(theatre: Theatre) -> None:
    (theatre.flags / "away").touch()
    with theatre.worker(spool_size="10KiB") as worker:
        for _ in range(8):
            assert theatre.launch().wait() == "SUCCESS"

        line = worker.wait_for("worker_paused", timeout=30)
        assert "the spool holds" in line

        (theatre.flags / "away").unlink()
        worker.wait_for("worker_resumed", timeout=60)
        assert theatre.launch().wait() == "SUCCESS"
        theatre.wait_until(lambda: len(theatre.published()) == 9, "all publications", timeout=60)
