"""The pages and the JSON API, over the same tools and results as every other door."""
