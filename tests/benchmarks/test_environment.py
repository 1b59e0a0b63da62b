"""How soon an environment is ready, beside the way turbo-hipster went: a virtual environment and pip for every build.

``THCORE_BENCH_REQUIREMENTS`` names another requirement file, such as the one of a whole release of nova.
``THCORE_BENCH_ROUNDS`` says how often pip is measured (1).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from thcore.builtin import seal
from thcore.builtin.venv import VenvOptions, plugin
from thcore.model import Attempt, Checkout
from thcore.testing import make_build

REQUIREMENTS = """
alembic
keystonemiddleware
oslo.concurrency
oslo.config
oslo.db
oslo.log
oslo.messaging
oslo.policy
oslo.service
PyMySQL
"""
FILES = {
    "pyproject.toml": '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    '[project]\nname = "product"\nversion = "1.0"\n[project.scripts]\nproduct = "product:main"\n'
    '[tool.setuptools]\npackages = ["product"]\n',
    "product/__init__.py": "import alembic, oslo_db\n\ndef main():\n    print('product')\n",
}
ROUNDS = int(os.environ.get("THCORE_BENCH_ROUNDS", "1"))
HITS = 7
TIMES_ON_HIT = 40


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_environment_is_ready_long_before_pip_would_have_it(tmp_path: Path) -> None:
    given = os.environ.get("THCORE_BENCH_REQUIREMENTS")
    (tmp_path / "requirements.in").write_text(Path(given).read_text("utf-8") if given else REQUIREMENTS)
    python = Path(sys.base_prefix) / "bin" / "python3"
    pins = pinned(tmp_path, python)
    count = sum("==" in line for line in pins.splitlines())

    def theirs(number: int) -> float:
        started = time.perf_counter()
        venv, source = tmp_path / f"pip{number}", project(tmp_path / f"pip-source{number}", pins)
        run(str(python), "-m", "venv", str(venv))
        pip = (
            str(venv / "bin" / "pip"),
            "--quiet",
            "--disable-pip-version-check",
            "--cache-dir",
            str(tmp_path / "pip"),
        )
        run(*pip, "install", "-c", str(source / "constraints.txt"), "-r", str(source / "requirements.txt"))
        run(*pip, "install", "-e", str(source))
        spent = time.perf_counter() - started
        run(str(venv / "bin" / "product"))
        return spent

    def ours(build_id: str, directory: Path) -> float:
        options = VenvOptions(constraints=("constraints.txt",), python=str(python))
        with make_build(tmp_path, build_id=build_id, state=directory) as build:
            checkout = Checkout(project(build.workspace.source, pins), "1" * 40)
            started = time.perf_counter()
            environment = plugin.thcore_environment(build, options, checkout)
            spent = time.perf_counter() - started
            run(str(environment.path[0] / "product"))
        plugin.thcore_cleanup(Attempt(build_id, "job", 1, tmp_path, directory / "plugins"))
        return spent

    theirs(0)  # fills pip's cache
    pip = [theirs(number) for number in range(1, ROUNDS + 1)]
    empty = ours("empty", tmp_path / "state")
    seal.remove(tmp_path / "state" / "plugins" / "environments")
    seal.remove(tmp_path / "state" / "plugins" / "projects")
    miss = ours("miss", tmp_path / "state")
    hits = [ours(f"hit{number}", tmp_path / "state") for number in range(HITS)]

    base = statistics.median(pip)
    rows = {
        "venv + pip, cache of pip warm": pip,
        "miss, uv's cache empty": [empty],
        "miss, uv's cache warm": [miss],
        "hit": hits,
    }
    print(f"\n{count} packages and a project\n{'way':32} {'s [min-max]':>22} {'times faster':>13}")
    for name, times in rows.items():
        spread = f"{statistics.median(times):.2f} [{min(times):.2f}-{max(times):.2f}]"
        print(f"{name:32} {spread:>22} {base / statistics.median(times):13.1f}")
    seal.remove(tmp_path / "state")
    assert base / statistics.median(hits) >= TIMES_ON_HIT


def run(*argv: str) -> None:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def pinned(directory: Path, python: Path) -> str:
    """Exact versions of everything, so that neither way has to choose any."""
    from uv import find_uv_bin

    out = directory / "pins.txt"
    where = ("--python", str(python), "--quiet", "--no-header", "--no-annotate", "-o", str(out))
    run(find_uv_bin(), "pip", "compile", *where, str(directory / "requirements.in"))
    return out.read_text("utf-8")


def project(path: Path, pins: str) -> Path:
    for name, text in {**FILES, "requirements.txt": pins, "constraints.txt": pins}.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path
