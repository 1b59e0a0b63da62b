from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from thcore.builtin import venv
from thcore.testing.contract import EnvironmentContract

from parts.package import project_files, wheel


class TestVenv(EnvironmentContract):
    plugin = venv.plugin
    program = ("python", "-c", "import product, tool")
    broken = {"pyproject.toml": "this is no TOML\n"}  # noqa: RUF012 - read only

    @pytest.fixture(autouse=True)
    def _no_index(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "UV_CACHE_DIR", "UV_FIND_LINKS"):
            monkeypatch.delenv(name, raising=False)

    @pytest.fixture
    def options(self, tmp_path: Path) -> Mapping[str, Any]:
        wheel(tmp_path / "wheels", "tool")
        return {"find_links": [str(tmp_path / "wheels")], "offline": True}

    @pytest.fixture
    def project(self) -> Mapping[str, str]:
        return {**project_files("product"), "requirements.txt": "tool\n"}
