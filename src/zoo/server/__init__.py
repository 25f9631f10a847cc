"""The whole server, sans-IO."""
