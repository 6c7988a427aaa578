"""The search spaces that automask ships, as TOML files."""
