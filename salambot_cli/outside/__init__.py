"""Every side effect: files, network, clock, processes, Docker, AWS, tunnels."""
