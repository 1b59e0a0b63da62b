from __future__ import annotations

from sqlalchemy import MetaData, Table, func, select


def upgrade(migrate_engine):
    parts = Table("parts", MetaData(bind=migrate_engine), autoload=True)
    missing = select([func.count()]).where(parts.c.shelf.is_(None)).scalar()
    if missing:
        raise ValueError(f"{missing} parts have no shelf; run inventory-manage shelve first")
