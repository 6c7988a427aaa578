"""A study begun, opened, run by workers and summed up.

May import `diagnostics` and what is below. Begin with `session`, then `run` and `workers`.
"""
