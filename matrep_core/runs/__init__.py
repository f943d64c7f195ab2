"""Runs on disk: the run directory, its atomic commits and its frames. No torch in here."""
