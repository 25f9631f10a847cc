"""The wire: codec, records, framing and the operation table."""
