"""The outside: Discord, GitHub, feeds, announcing."""
