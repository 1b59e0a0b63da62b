from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
import yaml

from thcore.config import load
from thcore.errors import ConfigError
from thcore.gearman.address import TlsFiles

from parts.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "tls")


@pytest.fixture
def files(authority: Authority) -> TlsFiles:
    return authority.issue("worker.example.org")


def write(directory: Path, files: TlsFiles, **more: str) -> Path:
    tls = {"ssl_key": str(files.key), "ssl_cert": str(files.cert), "ssl_ca": str(files.ca), **more}
    path = directory / "config.yaml"
    content = {"gearman": {"tls": {key: value for key, value in tls.items() if value}}, "jobs": [{"name": "a"}]}
    content["jobs"][0]["plugins"] = {"shell": {}}  # type: ignore[index]
    path.write_text(yaml.safe_dump(content))
    return path


def problems(path: Path) -> set[str]:
    with pytest.raises(ConfigError) as caught:
        load(path)
    return {problem.removeprefix(f"{path.parent}/") for problem in caught.value.problems}


def test_good_certificates_are_taken_also_relative_to_the_file(tmp_path: Path, files: TlsFiles) -> None:
    relative = TlsFiles(*(path.relative_to(tmp_path) for path in (files.key, files.cert, files.ca)))

    tls = load(write(tmp_path, relative)).gearman.tls

    assert tls is not None
    assert (tls.ssl_key, tls.ssl_cert, tls.ssl_ca) == (files.key, files.cert, files.ca)


@pytest.mark.parametrize("key", ["ssl_key", "ssl_cert", "ssl_ca"])
def test_a_block_that_lacks_a_key_is_an_error(tmp_path: Path, files: TlsFiles, key: str) -> None:
    (problem,) = problems(write(tmp_path, files, **{key: ""}))

    assert problem.startswith(f"config.yaml: gearman.tls.{key}: required, but missing")


def test_an_empty_block_is_an_error_and_not_plain_text(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("gearman: {tls: {}}\njobs: [{name: a, plugins: {shell: {}}}]\n")

    assert len(problems(path)) == 3


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (
            lambda files: [path.unlink() for path in (files.key, files.ca)],
            {
                "ssl_key: {files.key} cannot be read: No such file or directory",
                "ssl_ca: {files.ca} cannot be read: No such file or directory",
            },
        ),
        (
            lambda files: [files.cert.unlink(), files.cert.mkdir()],
            {"ssl_cert: {files.cert} cannot be read: Is a directory"},
        ),
        (
            lambda files: [path.write_text("no PEM\n") for path in (files.cert, files.ca)],
            {
                "ssl_cert: {files.cert} holds no certificate in PEM",
                "ssl_ca: {files.ca} holds no certificate in PEM",
            },
        ),
        (
            lambda files: files.key.write_bytes(files.cert.read_bytes()),
            {"ssl_key: {files.key} holds no private key in PEM"},
        ),
    ],
)
def test_what_is_wrong_with_the_files_is_told_when_the_configuration_is_loaded(
    tmp_path: Path, files: TlsFiles, spoil: Callable[[TlsFiles], object], expected: set[str]
) -> None:
    spoil(files)

    found = problems(write(tmp_path, files))

    assert found == {f"config.yaml: gearman.tls.{text.format(files=files)}" for text in expected}


def test_a_key_of_another_certificate_is_an_error(tmp_path: Path, authority: Authority, files: TlsFiles) -> None:
    other = authority.issue("other.example.org")

    (problem,) = problems(write(tmp_path, attrs.evolve(files, key=other.key)))

    assert problem == (
        f"config.yaml: gearman.tls.ssl_key: the key in {other.key} does not belong to the certificate in {files.cert}"
    )


def test_an_encrypted_key_is_an_error_and_nobody_is_asked_for_its_password(
    tmp_path: Path, authority: Authority, files: TlsFiles
) -> None:
    (problem,) = problems(write(tmp_path, attrs.evolve(files, key=authority.encrypted(files))))

    assert "is encrypted, and nobody can type its password" in problem


def test_a_silence_of_no_time_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("gearman: {silence: 0s}\njobs: [{name: a, plugins: {shell: {}}}]\n")

    assert problems(path) == {"config.yaml: gearman.silence: expected at least 1, got 0.0"}
