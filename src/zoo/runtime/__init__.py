"""The only IO: sockets, files, clocks, threads."""
