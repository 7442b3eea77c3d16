"""GitHub: Discussions, comments, labels and files are made here, and the repository is read."""
