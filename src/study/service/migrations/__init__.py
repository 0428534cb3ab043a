"""The tables, version by version; Alembic runs them."""
