"""Secrets: where a configuration may take them from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from thcore.config.problem import Problem, WrongError, kind_text
from thcore.model import Secret

_FILE_LIMIT = 64 * 1024


def read_secret(value: object) -> Secret:
    """A secret given as text, as ``{env: VARIABLE}`` or as ``{file: PATH}``. Raises WrongError, never with its text."""
    if isinstance(value, str):
        return _checked(value)
    if not isinstance(value, Mapping):
        hint = "; put quotes around it" if isinstance(value, (int, float)) else ""
        raise WrongError.here(f"expected text, {{env: VARIABLE}} or {{file: PATH}}, got {kind_text(value)}{hint}")
    if len(value) == 1:
        ((source, name),) = value.items()
        if source in ("env", "file") and not (isinstance(name, str) and name and "\0" not in name):
            raise WrongError(Problem((source,), f"expected a name, got {kind_text(name)}"))
        if source == "env":
            return _from_variable(name)
        if source == "file":
            return _from_file(Path(name))
    raise WrongError.here("expected a secret: text, or exactly one of {env: VARIABLE} and {file: PATH}")


def _from_variable(name: str) -> Secret:
    text = os.environ.get(name)
    if text is None:
        raise WrongError(Problem(("env",), f"the environment has no variable {name}; set it where the worker starts"))
    return _checked(text)


def _from_file(path: Path) -> Secret:
    try:
        with path.open("rb") as stream:
            content = stream.read(_FILE_LIMIT + 1)
    except OSError as error:
        problem = f"{path} cannot be read: {error.strerror}; make it readable for the worker's user"
        raise WrongError(Problem(("file",), problem)) from error
    if len(content) > _FILE_LIMIT:
        raise WrongError(Problem(("file",), f"{path} is longer than {_FILE_LIMIT} bytes; name the right file"))
    try:
        text = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise WrongError(Problem(("file",), f"{path} does not hold UTF-8 text; store the secret as text")) from error
    return _checked(text)


def _checked(text: str) -> Secret:
    if not text or "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise WrongError.here("the secret is empty or holds characters that text cannot have; give its text")
    return Secret(text)
