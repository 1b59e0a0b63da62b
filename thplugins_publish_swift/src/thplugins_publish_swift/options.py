"""What a job may say about publishing to Swift."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from attrs import frozen

from thcore.hooks import option
from thcore.model import Bytes, Seconds, Secret

_GIB = 1024**3
LARGEST_SEGMENT = 5 * _GIB
"""Bytes that an object of Swift may have, unless its operator has set another limit."""
_LONGEST_CONTAINER = 256


def _address(_instance: object, _field: object, value: str | None) -> None:
    if value is not None and (urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).netloc):
        raise ValueError(f"{value!r} is not a complete address; write for example https://logs.example.org/")


def _container(_instance: object, _field: object, value: str | None) -> None:
    if value is not None and ("/" in value or not 0 < len(value.encode("utf-8", "replace")) <= _LONGEST_CONTAINER):
        raise ValueError(
            f"{value!r} is not the name of a container; it has 1 to {_LONGEST_CONTAINER} bytes and no slash"
        )


def _segment(_instance: object, _field: object, value: int) -> None:
    if not 1 <= value <= LARGEST_SEGMENT:
        raise ValueError("a segment has at least one byte and at most 5GiB")


def _lifetime(_instance: object, _field: object, value: float | None) -> None:
    if value is not None and value < 1:
        raise ValueError("Swift counts whole seconds; write at least 1s, or leave it out to keep evidence for good")


def _some(_instance: object, _field: object, value: int) -> None:
    if not 1 <= value <= 64:
        raise ValueError("expected a number from 1 to 64")


def _tries(_instance: object, _field: object, value: int) -> None:
    if not 0 <= value <= 20:
        raise ValueError("expected a number from 0 to 20")


@frozen
class PublishSwiftOptions:
    """Options of ``publish_swift`` in a job. Raises ValueError for an account that is told in part only."""

    auth_url: str | None = option(
        "Where the account's user signs in: the identity service (Keystone, v2 or v3), or Swift's own v1 address.",
        default=None,
        example="https://identity.example.org/v3",
        validator=_address,
    )
    auth_version: Literal[1, 2, 3] | None = option(
        "The version of the identity API. Without it, an address with /v1 in it is version 1, and any other identity"
        " service is asked what it speaks.",
        default=None,
        example="3",
    )
    user: str | None = option("The user's name, for v1 with the account in front.", default=None, example="ci:uploader")
    password: Secret | None = option("The user's password.", default=None, example="{env: SWIFT_PASSWORD}")
    tenant: str | None = option(
        "Name of the tenant (v2), which v3 calls the project, that the container is in.", default=None, example="ci"
    )
    tenant_id: str | None = option(
        "Its id, instead of the name.", default=None, example="0f3c9e6ad9ac4a1f8e0e63e1ad7a2f44"
    )
    user_domain: str = option("Name of the user's domain (v3).", default="Default")
    project_domain: str = option("Name of the project's domain (v3).", default="Default")
    application_credential: str | None = option(
        "Id of an application credential (v3), instead of user, password and tenant.",
        default=None,
        example="5bb0c1d2f0b54f3aa1a2c5a3f0e7d6c4",
    )
    application_secret: Secret | None = option(
        "The application credential's secret.", default=None, example="{file: /etc/thcore/swift.secret}"
    )
    region: str | None = option("The region, where the identity service knows several.", default=None, example="north")
    interface: Literal["public", "internal", "admin"] = option(
        "Which of the addresses that the identity service knows of Swift is used.", default="public"
    )
    ca_file: Path | None = option(
        "Certificates of the authority that has signed those of both services; without it, the system's.",
        default=None,
        example="/etc/thcore/swift-ca.pem",
    )
    container: str | None = option("The container.", default=None, example="logs", validator=_container)
    create_container: bool = option("Make the container when it is missing.", default=False)
    read_acl: str | None = option(
        "Who may read a container that is made: Swift's X-Container-Read.", default=None, example='".r:*,.rlistings"'
    )
    static_web: bool = option(
        "Have Swift's staticweb show index.html, and listings of directories, in a container that is made.",
        default=False,
    )
    url: str | None = option(
        "Put in front of a build's log path to make the address of its page. Without it, the page is known by its"
        " address in Swift.",
        default=None,
        example="https://logs.example.org/",
        validator=_address,
    )
    live: bool = option(
        "Whether a build has a page while it runs. With instructions alone there is none.", default=True
    )
    delete_after: Seconds | None = option(
        "How long evidence is kept; Swift removes it then. Without it, for good.",
        default=None,
        example="90d",
        validator=_lifetime,
    )
    segment_size: Bytes = option(
        "Larger files are stored in segments of this size.", default=Bytes(_GIB), example="1GiB", validator=_segment
    )
    large_objects: Literal["static", "dynamic"] = option(
        "How segments are joined: by a static manifest (SLO), which names each with its checksum, or, for a Swift"
        " without it, by a dynamic one (DLO).",
        default="static",
    )
    segment_container: str | None = option(
        "The container for segments; made when it is missing. Without it, the container's name with _segments.",
        default=None,
        validator=_container,
        example="logs_segments",
    )
    connections: int = option("How many files are sent at the same time.", default=8, validator=_some)
    retries: int = option(
        "How often a request is repeated that the server or the network failed. The pause begins at half a second and"
        " is doubled each time, up to 16 seconds.",
        default=5,
        validator=_tries,
    )
    timeout: Seconds = option("How long the server may be silent.", default=Seconds(60.0))
    instructions: str | None = option(
        "Name of the swift entry in Zuul's layout whose instructions are followed: evidence goes where Zuul says, in"
        " forms that Zuul has signed. With an account as well, the account takes what cannot go that way.",
        default=None,
        example="logs",
    )

    def __attrs_post_init__(self) -> None:
        if self.auth_url is None:
            if self.instructions is None:
                raise ValueError("nowhere to publish to; give auth_url, user, password and container, or instructions")
            return
        if self.container is None:
            raise ValueError("container is missing; name the container that evidence goes to")
        if self.application_credential is not None:
            if self.application_secret is None:
                raise ValueError("application_secret is missing; it belongs to application_credential")
            if self.version == 1 or self.auth_version == 2:
                raise ValueError("an application credential needs version 3 of the identity API")
        elif self.user is None or self.password is None:
            raise ValueError("user and password are missing; give both, or an application credential")
        elif self.version != 1 and self.tenant is None and self.tenant_id is None:
            raise ValueError("tenant is missing; name the tenant, or project, that the container is in")

    @property
    def has_account(self) -> bool:
        """Whether there is an account to publish with."""
        return self.auth_url is not None

    @property
    def version(self) -> int | None:
        """The version of the identity API; None when the identity service is asked."""
        if self.auth_version is None and self.auth_url is not None:
            parts = urlsplit(self.auth_url).path.lower().split("/")
            return 1 if any(part in {"v1", "v1.0"} for part in parts) else None
        return self.auth_version

    @property
    def segments(self) -> str:
        """Name of the container for segments."""
        return self.segment_container or f"{self.container}_segments"

    def given(self) -> dict[str, Any]:
        """Headers for every object."""
        return {} if self.delete_after is None else {"X-Delete-After": str(int(self.delete_after))}
