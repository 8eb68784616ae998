"""One dock for each task a person came to do."""
