"""The results on disk: how they are written, and how they are read back."""
