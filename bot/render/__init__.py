"""One way from a View to each door."""
