"""A worker: takes jobs of its lanes from the queue and runs each in a child that it can kill."""
