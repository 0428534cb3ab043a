"""Reports: read the folders and the verdicts, write pages and pictures; called by nobody but the command line."""
