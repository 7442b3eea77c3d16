"""The Discord door: slash commands, buttons and forms over the same tools and answers."""
