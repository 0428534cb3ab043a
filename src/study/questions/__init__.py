"""What can be asked of a study: a search, a comparison, a confirmation, an ablation."""
