"""Runs trials, for every question."""
