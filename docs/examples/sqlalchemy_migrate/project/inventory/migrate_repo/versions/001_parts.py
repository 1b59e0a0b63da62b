from __future__ import annotations

from sqlalchemy import Column, Integer, MetaData, String, Table


def upgrade(migrate_engine):
    parts = Table(
        "parts",
        MetaData(bind=migrate_engine),
        Column("id", Integer, primary_key=True),
        Column("number", String(20)),
        Column("shelf", String(20)),
    )
    parts.create()
