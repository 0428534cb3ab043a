"""`study serve`, a server for a team: people, queue, pages, API and its client; also `study ui`, and backups.

It keeps no state of a trial: what it shows follows from the trial folders. Only commands and `study.Client` use it.
"""
