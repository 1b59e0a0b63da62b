"""result.json: an outcome as a document, and back."""

from __future__ import annotations

import json

from cattrs.preconf.json import make_converter

from thcore.model.outcome import Outcome

_converter = make_converter()


def to_json(outcome: Outcome) -> str:
    """The outcome as result.json: UTF-8 safe, two-space indented, keys in the order of the classes."""
    return json.dumps(_converter.unstructure(outcome), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> Outcome:
    """Read a result.json. Raises ValueError when it is not one, or of a later schema version."""
    try:
        data = json.loads(text)
        if not isinstance(data, dict) or "schema_version" not in data:
            raise ValueError("it has no schema_version")
        if data["schema_version"] > Outcome.__attrs_attrs__.schema_version.default:
            raise ValueError(f"its schema version {data['schema_version']} is newer than this thcore")
        return _converter.structure(data, Outcome)
    except Exception as error:  # cattrs raises exception groups of any kind
        raise ValueError(f"not a result.json: {error}") from error
