"""What this machine has for a search and what it lacks, measured in under half a minute.

May import `training` and what is below. Begin with `examination`.
"""
