"""A plugin of each kind that works, as an author begins with it, and its test beside it.

`automask.authoring.drafts` gives them another name; docs/plugins.md shows them. Nobody imports them.
"""
