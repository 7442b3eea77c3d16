"""The doors: Discord, terminal, pages and API over the same tools and results."""
