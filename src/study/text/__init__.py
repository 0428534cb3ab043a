"""What people read of a result: sentences and tables made from records, for a terminal, a notebook and the report."""
