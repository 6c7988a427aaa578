"""Plugins begun for their authors: a file with its test, or a package.

May import `space` and what is below. Begin with `drafts`; what is written stands in `examples`.
"""
