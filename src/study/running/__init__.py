"""How trials are run, whatever they are for."""
