from __future__ import annotations

from thcore.builtin import exit_status, log_patterns
from thcore.model import DatasetRun, Execution, Limit, Measurement, Step, StepResult
from thcore.testing.contract import AnalyserContract
from thplugins_dbmigration.plugin import Dbmigration


class TestExitStatus(AnalyserContract):
    plugin = exit_status.plugin


class TestLogPatterns(AnalyserContract):
    plugin = log_patterns.plugin
    options = {  # noqa: RUF012 - read only
        "patterns": [
            {"regex": "Traceback", "severity": "failure"},
            {"regex": r"\(+ERROR\s+$", "code": "slow"},
            {"regex": "[^ -~]"},
        ],
        "files": ["console.log", "*.log"],
    }
    log = "2026-03-01T10:00:00.000Z suite | Traceback (most recent call last):\n"


class TestDbmigration(AnalyserContract):
    plugin = Dbmigration()
    options = {"datasets": "/var/lib/thcore/datasets"}  # noqa: RUF012 - read only
    execution = Execution(
        exit_code=0,
        datasets=(
            DatasetRun(
                "small",
                "sqlite",
                "3.40",
                "1" * 64,
                "alembic",
                steps=(
                    StepResult(
                        Step("b", ("a",)),
                        added=True,
                        result="ok",
                        measurement=Measurement(9.0),
                        limits=(Limit("wall_s", 1.0, "the suite"),),
                    ),
                ),
            ),
        ),
    )
