"""What people do in Discussions, told in Discord: one notice each, kept in step."""
