"""Searches replayed against a recorded table of recipes, in seconds instead of hours."""
