"""Data sets, known or imported: decoded once, stored as packs, checked when read."""
