from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from thcore.testing.contract import PublisherContract
from thcore.testing.swift import Swift
from thplugins_publish_local.plugin import PublishLocalOptions, plugin
from thplugins_publish_swift.options import PublishSwiftOptions
from thplugins_publish_swift.plugin import plugin as publish_swift

from parts.swift import Container, container


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


@pytest.mark.system
@pytest.mark.usefixtures("swift")
class TestPublishSwift(PublisherContract):
    plugin = publish_swift

    @pytest.fixture
    def options(self, swift: Swift) -> Mapping[str, Any]:
        return container(swift).options()

    @pytest.fixture
    def broken(self, swift: Swift) -> Mapping[str, Any]:
        return container(swift).options(auth_url="http://127.0.0.1:9/auth/v1.0", retries=0)

    @pytest.fixture(autouse=True)
    def server(self, swift: Swift) -> None:
        self.swift = swift

    def read_back(self, options: PublishSwiftOptions, log_path: str, name: str) -> bytes | None:
        try:
            name.encode()
        except UnicodeEncodeError:  # Swift has no such names
            return None
        return Container(self.swift, str(options.container)).get(f"{log_path}/{name}")
