"""How a plugin declares one of its options or settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from thcore.hooks.build import Build


def option(
    doc: str,
    *,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    example: str | None = None,
    validator: Callable[[Any, Any, Any], None] | None = None,
    stands_for: Callable[[Build, Any], Any] | None = None,
) -> Any:
    """An attrs field with its documentation, for ``thcore plugins`` and the configuration reference.

    Without ``default`` or ``factory`` the option is required. ``example`` is shown as YAML. Durations are annotated
    as ``Seconds``, sizes as ``Bytes``, secrets as ``Secret``, all from ``thcore.model``. ``validator`` is one of attrs:
    it is given the instance, the field and the value, and raises ValueError with what is wrong.

    ``stands_for`` is for a value that names what may change under the same name: a file, a directory, a program. It is
    called with build and value in the child process, for ``build.preparation`` when the plugin does checkout or
    environment, and answers what the value stands for now, as plain data. Exceptions count as for these stages.
    """
    more = {"example": example, "stands_for": stands_for}
    metadata = {"doc": doc, **{name: given for name, given in more.items() if given is not None}}
    if factory is not None:
        return attrs.field(factory=factory, metadata=metadata, validator=validator)
    return attrs.field(default=default, metadata=metadata, validator=validator)
