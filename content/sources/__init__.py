"""Articles: what they are, and every form in which they come (files, front matter, feeds)."""
