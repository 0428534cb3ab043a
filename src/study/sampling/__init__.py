"""All that is Optuna: spaces, samplers, pruners, and the database that people look at."""
