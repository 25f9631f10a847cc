"""Consensus: the order of transactions and the Ready contract."""
