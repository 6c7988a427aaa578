"""What each kind of plugin promises, tried out: a check a kind, which `automask.testing` runs.

May import `training` and what is below. Begin with the protocols in `automask.space.protocols`.
"""
