"""The tools: arithmetic here, GPU work through the queue. Never imports bot or discord."""
