"""Tests against the real thing: Apache ZooKeeper's server, and other people's clients."""
