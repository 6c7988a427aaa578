"""A recipe to probabilities, fold by fold: torch, and nothing of Optuna.

May import `data`, `hpo` (what a training reports, and costs as numbers), `space`, `storage` and what is
below. Begin with `trial`, then `fold` and `heads`.
"""
