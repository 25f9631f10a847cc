"""The project's own benchmark: Zoo beside Apache ZooKeeper 3.9.5 on one machine (`make bench`)."""
