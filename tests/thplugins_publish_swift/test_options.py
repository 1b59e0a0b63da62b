from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from thcore.config import convert, load
from thcore.config.options import job_options
from thcore.errors import ConfigError
from thcore.model import Secret
from thplugins_publish_swift.options import PublishSwiftOptions

DATA = Path(__file__).parents[1] / "thcore" / "data"
ACCOUNT = {
    "auth_url": "https://identity.example.org/v3",
    "user": "uploader",
    "password": "hush",
    "tenant": "ci",
    "container": "logs",
}
CREDENTIAL = {
    "auth_url": "https://identity.example.org/v3",
    "application_credential": "0123",
    "application_secret": "hush",
    "container": "logs",
}


def read(**options: Any) -> PublishSwiftOptions:
    return convert.structure(options, PublishSwiftOptions, "job")


def problem(**options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(**options)
    assert "hush" not in str(caught.value)
    return str(caught.value)


def test_what_turbo_hipster_was_told_of_swift_is_understood() -> None:
    config = load(DATA / "turbo-hipster-plugins.yaml")

    options = job_options(config.jobs[0], "publish_swift", PublishSwiftOptions)

    assert options == PublishSwiftOptions(
        auth_url="https://identity.example.org/v2.0/",
        tenant="gate",
        user="uploader",
        password=Secret("not-for-eyes"),
        container="logs",
        region="SYD",
        url="https://logs.example.org/",
    )
    assert "not-for-eyes" not in repr(options)


@pytest.mark.parametrize(
    ("address", "version"),
    [
        ("https://swift.example.org/auth/v1.0", 1),
        ("https://swift.example.org/auth/v1", 1),
        ("https://identity.example.org/v2.0/", None),
        ("https://identity.example.org/identity", None),
    ],
)
def test_version_1_is_known_by_the_address(address: str, version: int | None) -> None:
    assert read(**{**ACCOUNT, "auth_url": address}).version == version


def test_a_version_that_is_given_counts() -> None:
    assert read(**ACCOUNT, auth_version=2).version == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "nowhere to publish to; give auth_url, user, password and container, or instructions"),
        ({**ACCOUNT, "container": None}, "container is missing"),
        ({**ACCOUNT, "password": None}, "user and password are missing"),
        ({**ACCOUNT, "tenant": None}, "tenant is missing"),
        ({**CREDENTIAL, "application_secret": None}, "application_secret is missing"),
        ({**CREDENTIAL, "auth_version": 2}, "needs version 3"),
        ({**ACCOUNT, "auth_url": "identity.example.org"}, "auth_url: 'identity.example.org' is not a complete address"),
        ({**ACCOUNT, "url": "logs"}, "url: 'logs' is not a complete address"),
        ({**ACCOUNT, "container": "logs/new"}, "container: 'logs/new' is not the name of a container"),
        ({**ACCOUNT, "segment_size": "6GiB"}, "segment_size: a segment has at least one byte and at most 5GiB"),
        ({**ACCOUNT, "delete_after": "10ms"}, "delete_after: Swift counts whole seconds"),
        ({**ACCOUNT, "connections": 0}, "connections: expected a number from 1 to 64"),
        ({**ACCOUNT, "retries": -1}, "retries: expected a number from 0 to 20"),
        ({**ACCOUNT, "auth_version": 4}, "auth_version: expected 1, 2 or 3"),
    ],
)
def test_what_is_wrong_is_said_when_the_configuration_is_read(options: dict[str, Any], words: str) -> None:
    given = {name: value for name, value in options.items() if value is not None}

    assert words in problem(**given)


@pytest.mark.parametrize("options", [ACCOUNT, CREDENTIAL, {"instructions": "logs"}])
def test_an_account_a_credential_or_instructions_are_enough(options: dict[str, Any]) -> None:
    assert read(**options).has_account is ("auth_url" in options)


def test_evidence_is_kept_for_good_unless_a_lifetime_is_given() -> None:
    assert read(**ACCOUNT).given() == {}
    assert read(**ACCOUNT, delete_after="90d").given() == {"X-Delete-After": "7776000"}
