# ruff: noqa: S101 - it is a test, though not below tests/
from __future__ import annotations

from pathlib import Path

from thplugins_example_pauses import PausesOptions, plugin

from thcore.model import Seconds
from thcore.testing import make_build


def test_a_log_that_stands_still_is_a_warning(tmp_path: Path) -> None:
    with make_build(tmp_path) as build:
        build.workspace.log.write_text(
            "2026-03-01T10:00:00.000Z suite | first\n2026-03-01T10:00:42.500Z suite | second\n"
        )
        options = PausesOptions(tmp_path, Seconds(30.0))

        (finding,) = plugin.thcore_analyse(build, options)

    assert finding.message == "Nothing was logged for 42.5 s"
    assert finding.location.line == 2
