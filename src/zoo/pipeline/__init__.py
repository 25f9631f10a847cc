"""From request to transaction to reply."""
