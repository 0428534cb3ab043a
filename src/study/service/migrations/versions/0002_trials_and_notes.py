"""What the pages show of trials, and notes; a new database has them from the first version on."""

import sqlalchemy as sa
from alembic import op

from study.service.tables import metadata

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables, columns and indexes that are not there."""
    connection = op.get_bind()
    metadata.create_all(connection)
    for table in metadata.sorted_tables:
        there = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                op.add_column(table.name, sa.Column(column.name, column.type))
        for index in table.indexes:
            index.create(connection, checkfirst=True)
