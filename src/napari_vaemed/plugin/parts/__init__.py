"""Small Qt pieces without knowledge of CT."""
