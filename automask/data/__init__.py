"""Tables and images: what a reader returns, checked, with classes, folds and decoded images.

Knows nothing of Optuna. May import `space`, `storage` and what is below. Begin with `dataset`, then
`images`; `config` is automask.toml.
"""
