"""The policy on its way from the gate, which finds it, to the judge, which needs it."""

from __future__ import annotations

from collections.abc import Iterable

from thcore.model import Record
from thplugins_dbmigration.policy.file import Policy, from_plain, to_plain

KIND = "dbmigration-policy"


def record_of(policy: Policy) -> Record:
    """The policy as the gate hands it on."""
    return Record(KIND, to_plain(policy))


def policy_of(records: Iterable[Record]) -> Policy:
    """The policy that the gate has handed on; one that says nothing where there is none."""
    return next((from_plain(record.data) for record in records if record.kind == KIND), Policy())
