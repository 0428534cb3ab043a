"""The questions that a study can answer: a search, a comparison, a confirmation, an ablation."""
