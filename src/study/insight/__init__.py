"""What a search says of itself, read from its trial folders: importance, noise, what pruning cost, what to do next."""
