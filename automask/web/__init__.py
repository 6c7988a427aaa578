"""Pages that are served on this machine: labels put right, submissions chosen, a search watched.

May import `report` and what is below. Begin with `server`, then `labelling` and `dashboard`.
"""
