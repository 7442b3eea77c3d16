"""The queue between the bot and its workers: what travels over it, and the client of the bot."""
