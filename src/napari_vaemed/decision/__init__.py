"""Many answers into one."""
