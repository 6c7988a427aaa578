"""The plugin door, and what it opens on: kinds, ranges, rules, the space of recipes and a recipe.

May import `storage` and what is below. Begin with `kinds`, then `space` and `recipe`.
"""
