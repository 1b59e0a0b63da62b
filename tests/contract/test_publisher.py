from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from thcore.testing.contract import PublisherContract
from thplugins_publish_local.plugin import PublishLocalOptions, plugin


class TestPublishLocal(PublisherContract):
    plugin = plugin

    @pytest.fixture
    def options(self, tmp_path: Path) -> Mapping[str, Any]:
        return {"path": str(tmp_path / "logs"), "url": "https://logs.example.org/ci"}

    @pytest.fixture
    def broken(self, tmp_path: Path) -> Mapping[str, Any]:
        (tmp_path / "file").touch()
        return {"path": str(tmp_path / "file" / "logs")}

    def read_back(self, options: PublishLocalOptions, log_path: str, name: str) -> bytes | None:
        path = os.path.join(options.path, log_path, name)  # noqa: PTH118 - as it is, "..." too
        return Path(path).read_bytes() if os.path.isfile(path) else None  # noqa: PTH113 - idem


class TestPublishLocalWithoutAnAddress(TestPublishLocal):
    @pytest.fixture
    def options(self, tmp_path: Path) -> Mapping[str, Any]:
        return {"path": str(tmp_path / "logs")}
