"""Runs that leave the bot: their order, their progress, and the answer that comes back once."""
