from __future__ import annotations

from sqlalchemy import MetaData, Table


def upgrade(migrate_engine):
    parts = Table("parts", MetaData(bind=migrate_engine), autoload=True)
    parts.update().where(parts.c.shelf.is_(None)).values(shelf="unknown").execute()
