"""File formats: transaction log, snapshot, recovery, and the Storage interface."""
