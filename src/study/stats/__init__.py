"""Statistics on plain arrays: what differences between recipes can be believed, and how many seeds that takes.

`intervals` for means, shares and single runs; `verdicts` for a family of variants against one baseline; `sequential`
for the same while seeds are still being added; `expected` for searches of equal budget. In words: docs/statistics.md.
"""
