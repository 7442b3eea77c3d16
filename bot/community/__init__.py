"""What moderators of the home servers have set: channels, roles, categories and limits."""
