"""Competitions that are drawn: people with and without masks, and arrows.

May import nothing but numpy, pandas and Pillow. Begin with `competition`.
"""
