"""What is posted in configured channels: messages, forum posts, edits, crossposts, threads."""
