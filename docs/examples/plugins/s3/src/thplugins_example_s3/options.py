"""What a job may say."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from attrs import frozen
from thcore.hooks import option
from thcore.model import Secret


@frozen
class S3Options:
    """Where evidence is put, and where people read it."""

    bucket: str = option("The bucket. It must exist.", example="ci-logs")
    access_key: str = option("Who publishes.", example="thcore")
    secret_key: Secret = option("The key that belongs to it.", example="{env: S3_SECRET_KEY}")
    url: str = option("Where the bucket is read from.", example="https://ci-logs.s3.example.org")
    endpoint: str | None = option(
        "The storage, when it is not Amazon's.", default=None, example="https://s3.example.org"
    )
    region: str = option("The storage's region.", default="us-east-1")
    prefix: str = option("Put in front of all keys, with a slash at its end.", default="", example="gate/")
    attempts: int = option("How often a request is tried.", default=4)

    def __attrs_post_init__(self) -> None:
        for name in ("url", "endpoint"):
            value = getattr(self, name)
            if value is not None and (urlsplit(value).scheme not in {"http", "https"} or not urlsplit(value).netloc):
                raise ValueError(f"{name} {value!r} is no address; write https://HOST")
        if self.prefix.startswith("/") or (self.prefix and not self.prefix.endswith("/")):
            raise ValueError(f"prefix {self.prefix!r} must end in a slash, and not begin with one")
        if self.attempts < 1:
            raise ValueError(f"attempts is {self.attempts}; write 1 or more")

    def key(self, log_path: str, name: str = "") -> str:
        """The key of a file of a build."""
        return f"{self.prefix}{log_path}/{name}"

    def address(self, log_path: str) -> str:
        """The page of a build."""
        return f"{self.url.rstrip('/')}/{quote(self.key(log_path, 'index.html'))}"
