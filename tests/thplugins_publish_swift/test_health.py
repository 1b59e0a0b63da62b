from __future__ import annotations

from typing import Any

import pytest

from thcore.config import convert
from thcore.model import Finding, Severity
from thcore.testing.swift import Swift
from thplugins_publish_swift.options import PublishSwiftOptions
from thplugins_publish_swift.plugin import plugin

from parts.swift import Container, container

pytestmark = pytest.mark.system


@pytest.fixture
def logs(swift: Swift) -> Container:
    return container(swift)


def found(*options: Any) -> list[Finding]:
    return list(plugin.thcore_health(tuple(convert.structure(each, PublishSwiftOptions, "job") for each in options)))


def test_a_container_that_is_there_or_will_be_made_is_well(logs: Container) -> None:
    (first,) = found(logs.options(), logs.options(), {"instructions": "logs"})
    logs.make()
    (then,) = found(logs.options(create_container=False))

    assert first.message.endswith(f"the container {logs.name} will be made when the first build is published")
    assert (then.severity, then.message) == (Severity.INFO, f"Swift shows us the container {logs.name}")
    assert first.code == then.code == "publish-swift-usable"


def test_what_is_wrong_is_told(logs: Container) -> None:
    away = logs.options(auth_url="http://127.0.0.1:9/auth/v1.0")
    findings = found(logs.options(create_container=False), logs.options(password="wrong"), away)

    assert {finding.code for finding in findings} == {"publish-swift-unusable"}
    assert {finding.severity for finding in findings} == {Severity.UNVERIFIED}
    missing, refused, unreachable = (finding.message for finding in findings)
    assert missing == f"Swift has no container {logs.name}"
    assert "does not let test:tester in (status 401)" in refused
    assert "Connection refused" in unreachable
