"""Statistics on plain arrays: which differences between recipes are real, and how many seeds it takes to know.

`intervals` for means, shares and single runs; `verdicts` for a family of variants against one baseline; `sequential`
for the same while seeds are still being added; `several` for several data sets; `failures` for trainings that fail;
`examples` for what holds on new examples; `power` for how many seeds it takes; `racing` for arms that drop out early;
`noise` for hopeless trials; `expected` for searches at equal budget; `noninferiority` for two classifiers.
docs/statistics.md explains the choices.
"""
