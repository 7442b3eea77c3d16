"""Stand-ins for the outside world that run on loopback."""
