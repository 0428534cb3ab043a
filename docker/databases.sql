-- Run once, when PostgreSQL's volume is new. POSTGRES_DB makes Optuna's database; MLflow needs one of its own, because
-- both number their migrations in a table of the same name.
CREATE DATABASE mlflow;
CREATE DATABASE service; -- of `study serve`
