"""Zoo: Apache ZooKeeper's coordination service in pure Python."""
