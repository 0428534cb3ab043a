"""Sentences and tables for people, made from records, for the terminal, notebooks and the report."""
