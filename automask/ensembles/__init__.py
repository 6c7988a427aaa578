"""The blend of a study's trials, chosen without the rows that score it.

May import `study` and what is below. Begin with `ensemble`, then `selection`.
"""
