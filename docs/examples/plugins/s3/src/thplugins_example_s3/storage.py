"""A bucket, as this plugin uses it. Its errors are InfrastructureErrors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import boto3
from attrs import frozen
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from thcore.errors import InfrastructureError

from thplugins_example_s3.options import S3Options

_CONNECT_S = 10
_READ_S = 60
_AT_ONCE = 1000  # keys that one request can delete


@frozen
class Bucket:
    """The bucket that a job publishes to."""

    name: str
    client: Any

    @classmethod
    def of(cls, options: S3Options) -> Bucket:
        """Raises InfrastructureError when the options lead nowhere."""
        with _told(options.bucket):
            client = boto3.client(
                "s3",
                endpoint_url=options.endpoint,
                region_name=options.region,
                aws_access_key_id=options.access_key,
                aws_secret_access_key=options.secret_key.reveal(),
                config=Config(
                    connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries={"total_max_attempts": options.attempts}
                ),
            )
        return cls(options.bucket, client)

    def read(self, key: str) -> bytes | None:
        """What is stored under a key, None when nothing is."""
        with _told(self.name):
            try:
                content: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
            except self.client.exceptions.NoSuchKey:
                return None
        return content

    def write(self, key: str, content: BinaryIO, content_type: str) -> None:
        """Store a file, in pieces when it is large."""
        with _told(self.name):
            self.client.upload_fileobj(content, self.name, key, ExtraArgs={"ContentType": content_type})

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys that begin so."""
        with _told(self.name):
            for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
                yield from (entry["Key"] for entry in page.get("Contents", ()))

    def delete(self, keys: list[str]) -> None:
        """Remove what is stored under these keys."""
        with _told(self.name):
            for start in range(0, len(keys), _AT_ONCE):
                objects = [{"Key": key} for key in keys[start : start + _AT_ONCE]]
                self.client.delete_objects(Bucket=self.name, Delete={"Objects": objects, "Quiet": True})


@contextmanager
def _told(bucket: str) -> Iterator[None]:
    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError, ValueError) as error:
        raise InfrastructureError(f"bucket {bucket}: {error}", code="publish-failed") from error
