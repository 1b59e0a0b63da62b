from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from thcore.errors import InfrastructureError
from thcore.model import Change, ChangeKind, Outcome, Secret, Verdict, WorkerInfo
from thcore.testing import make_build
from thcore.testing.contract import PublisherContract

from thplugins_example_s3.options import S3Options
from thplugins_example_s3.plugin import plugin as s3
from thplugins_example_s3.publication import is_key
from thplugins_example_s3.storage import Bucket

BUCKET = "ci-logs"


def outcome(log_path: str) -> Outcome:
    at = datetime.datetime(2026, 3, 1, 10, 0, 0, tzinfo=datetime.UTC)
    change = Change("example/project", ChangeKind.BRANCH, "main")
    worker = WorkerInfo("w1", "localhost", "0")
    return Outcome("job", "b1", 1, change, log_path, Verdict.SUCCESS, "all is well", worker, at, at)


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    """S3-compatible storage on this machine, in memory."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def written(endpoint: str) -> Iterator[Mapping[str, Any]]:
    """Options as in a configuration, of a bucket that is empty."""
    options = {
        "bucket": BUCKET,
        "access_key": "tester",
        "secret_key": "testing",
        "endpoint": endpoint,
        "url": "https://logs.example.org",
        "prefix": "gate/",
    }
    bucket = Bucket.of(S3Options(BUCKET, "tester", Secret("testing"), "https://logs.example.org", endpoint))
    bucket.client.create_bucket(Bucket=BUCKET)
    yield options
    bucket.delete(list(bucket.keys("")))
    bucket.client.delete_bucket(Bucket=BUCKET)


class TestS3(PublisherContract):
    plugin = s3

    @pytest.fixture
    def options(self, written: Mapping[str, Any]) -> Mapping[str, Any]:
        return written

    @pytest.fixture
    def broken(self, written: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**written, "endpoint": "http://127.0.0.1:9", "attempts": 1}

    def read_back(self, options: S3Options, log_path: str, name: str) -> bytes | None:
        return Bucket.of(options).read(options.key(log_path, name)) if is_key(name) else None


def test_a_page_is_stored_as_one(tmp_path: Path, written: Mapping[str, Any]) -> None:
    options = S3Options(**{**written, "secret_key": Secret("testing")})

    with make_build(tmp_path) as build:
        published = s3.thcore_publish(build, options, outcome(build.log_path))

    key = options.key(build.log_path, "index.html")
    head = Bucket.of(options).client.head_object(Bucket=BUCKET, Key=key)
    assert head["ContentType"].startswith("text/html")
    assert published.url == f"https://logs.example.org/{key}"


def test_a_bucket_that_is_not_there_is_told_by_its_name(tmp_path: Path, written: Mapping[str, Any]) -> None:
    options = S3Options(**{**written, "secret_key": Secret("testing"), "bucket": "another"})

    with make_build(tmp_path) as build, pytest.raises(InfrastructureError, match=r"bucket another: .*NoSuchBucket"):
        s3.thcore_publish(build, options, outcome(build.log_path))


@pytest.mark.parametrize(
    ("option", "value", "problem"),
    [
        ("url", "logs.example.org", "write https://HOST"),
        ("endpoint", "ftp://s3.example.org", "write https://HOST"),
        ("prefix", "gate", "end in a slash"),
        ("prefix", "/gate/", "not begin with one"),
        ("attempts", 0, "1 or more"),
    ],
)
def test_options_that_lead_nowhere_are_told_before_a_build_needs_them(option: str, value: Any, problem: str) -> None:
    given = {"bucket": BUCKET, "access_key": "a", "secret_key": Secret("b"), "url": "https://logs.example.org"}

    with pytest.raises(ValueError, match=problem):
        S3Options(**{**given, option: value})


def test_the_secret_key_is_never_shown() -> None:
    assert "hunter2" not in repr(S3Options(BUCKET, "a", Secret("hunter2"), "https://logs.example.org"))
