"""Announcing: what is posted of each article, where, and that it stays in step."""
