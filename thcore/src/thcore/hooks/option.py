"""How a plugin declares one of its options or settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs


def option(
    doc: str,
    *,
    default: Any = attrs.NOTHING,
    factory: Callable[[], Any] | None = None,
    example: str | None = None,
    validator: Callable[[Any, Any, Any], None] | None = None,
) -> Any:
    """An attrs field with its documentation, for ``thcore plugins`` and the configuration reference.

    Without ``default`` or ``factory`` the option is required. ``example`` is shown as YAML. Durations are annotated
    as ``Seconds``, sizes as ``Bytes``, secrets as ``Secret``, all from ``thcore.model``. ``validator`` is one of attrs:
    it is given the instance, the field and the value, and raises ValueError with what is wrong.
    """
    metadata = {"doc": doc} | ({"example": example} if example is not None else {})
    if factory is not None:
        return attrs.field(factory=factory, metadata=metadata, validator=validator)
    return attrs.field(default=default, metadata=metadata, validator=validator)
