"""Services: the web pages of Optuna and MLflow on what is recorded here."""
