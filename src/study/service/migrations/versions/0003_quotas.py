"""Groups, quotas of trials, use by device, identities of single sign-on; a new database has them from the start."""

import sqlalchemy as sa
from alembic import op

from study.service.tables import metadata

revision = "0003"
down_revision = "0002"
BEFORE = "service_usage"


def upgrade() -> None:
    """Make the tables and columns that are not there, and take over what was counted without a device."""
    connection = op.get_bind()
    metadata.create_all(connection)
    for table in metadata.sorted_tables:
        there = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                op.add_column(table.name, sa.Column(column.name, column.type, server_default=column.server_default))
        for index in table.indexes:
            index.create(connection, checkfirst=True)
    if sa.inspect(connection).has_table(BEFORE):
        columns = "person, month, device, slot_seconds, trials"
        op.execute(f"INSERT INTO service_use ({columns}) SELECT person, month, '', slot_seconds, 0 FROM {BEFORE}")  # noqa: S608 - our own names
        op.drop_table(BEFORE)
