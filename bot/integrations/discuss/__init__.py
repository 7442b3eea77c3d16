"""What members post to Discussions: answers of the tools, and what was said in chat."""
