"""The first tables."""

from alembic import op

from study.service.tables import APPEND_ONLY, metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables, and the triggers that keep the audit log."""
    metadata.create_all(op.get_bind(), checkfirst=False)
    for statement in APPEND_ONLY.get(op.get_bind().dialect.name, []):
        op.execute(statement)
