"""Data sets: known ones and imported ones, decoded once, checked when read."""
