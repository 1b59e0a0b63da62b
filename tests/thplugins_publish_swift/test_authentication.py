"""Version 1 is the real Swift's own. For versions 2 and 3 there is a stand-in for Keystone in front of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import requests

from thcore.config import convert
from thcore.errors import InfrastructureError
from thcore.testing.swift import Swift
from thplugins_publish_swift.authentication import Access, sign_in
from thplugins_publish_swift.options import PublishSwiftOptions

from parts.identity import CREDENTIAL, CREDENTIAL_SECRET, PASSWORD, PROJECT, USER, identity

pytestmark = pytest.mark.system


def options(auth_url: str, **given: Any) -> PublishSwiftOptions:
    values = {"auth_url": auth_url, "user": USER, "password": PASSWORD, "tenant": PROJECT, "container": "logs", **given}
    told = {name: value for name, value in values.items() if value is not None}
    return convert.structure(told, PublishSwiftOptions, "job")


def opens(access: Access) -> bool:
    """Whether the token opens the storage of the real Swift."""
    answer = requests.head(access.url, headers={"X-Auth-Token": access.token}, timeout=30)
    return bool(answer.ok)


def test_version_1_signs_in_at_swift_itself(swift: Swift) -> None:
    access = sign_in(options(swift.auth_url, user=swift.user.name, password=swift.user.password, tenant=None))

    assert access.url == swift.storage_url
    assert opens(access)
    assert access.token not in repr(access)


@pytest.mark.parametrize(
    ("versions", "path", "given"),
    [
        (("v2.0",), "/v2.0", {"auth_version": 2}),
        (("v2.0",), "/v2.0/", {}),
        (("v2.0",), "", {}),
        (("v3",), "/v3", {"auth_version": 3}),
        (("v3",), "/v3", {}),
        (("v2.0", "v3"), "", {}),
        (("v3",), "/v3", {"application_credential": CREDENTIAL, "application_secret": CREDENTIAL_SECRET}),
    ],
)
def test_an_identity_service_is_signed_in_to(
    swift: Swift, versions: tuple[str, ...], path: str, given: dict[str, Any]
) -> None:
    if "application_credential" in given:
        given |= {"user": None, "password": None, "tenant": None}
    with identity(swift, *versions) as service:
        access = sign_in(options(service.url + path, region="north", **given))

    assert access.url == swift.storage_url
    assert opens(access)


def test_without_a_region_the_first_storage_counts_and_an_unknown_one_is_told(swift: Swift) -> None:
    with identity(swift, "v3") as service:
        assert "AUTH_elsewhere" in sign_in(options(f"{service.url}/v3")).url
        with pytest.raises(
            InfrastructureError, match="knows of no public object store in the region east; check region"
        ):
            sign_in(options(f"{service.url}/v3", region="east"))


@pytest.mark.parametrize("version", ["v1", "v2.0", "v3"])
def test_a_wrong_password_is_told_and_never_shown(swift: Swift, version: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with identity(swift, "v2.0", "v3") as service:
        where = swift.auth_url if version == "v1" else f"{service.url}/{version}"
        user = swift.user.name if version == "v1" else USER
        with pytest.raises(InfrastructureError) as caught:
            sign_in(options(where, user=user, password="a-wrong-password"))

    assert f"{where} does not let {user} in (status 401); check user" in str(caught.value)
    assert caught.value.code == "publish-failed"
    assert "a-wrong-password" not in caplog.text + str(caught.value)


def test_a_password_that_is_right_is_in_no_log_either(swift: Swift, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with identity(swift, "v2.0", "v3") as service:
        for path in ("/v2.0", "/v3"):
            access = sign_in(options(service.url + path, region="north"))
            assert PASSWORD not in caplog.text
            assert access.token not in caplog.text
    mine = sign_in(options(swift.auth_url, user=swift.user.name, password=swift.user.password))
    assert f"'{swift.user.password}'" not in caplog.text
    assert mine.token not in caplog.text


def test_what_is_no_identity_service_is_told(swift: Swift) -> None:
    with identity(swift) as service, pytest.raises(InfrastructureError, match="no identity service that we understand"):
        sign_in(options(f"{service.url}/nothing"))
