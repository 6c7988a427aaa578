"""An exported model: read from its folder, and new images predicted by it.

Knows nothing of studies and searches, so that it runs where neither is. May import `training` and what
is below. Begin with `model`, then `contents`.
"""
