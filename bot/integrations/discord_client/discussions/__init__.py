"""Posting to Discussions from Discord: a button, an entry in a message's menu, their forms."""
