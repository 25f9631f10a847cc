"""Sessions: ids, passwords, expiry."""
