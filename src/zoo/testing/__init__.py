"""Test kit for users."""
