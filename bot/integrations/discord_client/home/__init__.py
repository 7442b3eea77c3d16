"""Commands of the home servers: how Discord is told of them, and what happens when one is used."""
