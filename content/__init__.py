"""What the community knows: topics, catalogues, measurements; each row with its source."""
