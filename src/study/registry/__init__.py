"""From a winner to a registered model: registration, the gate before the champion, predictions."""
