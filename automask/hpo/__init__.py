"""What to try next and what to stop: Optuna's study, the sampler, the pruners, the queue of proposals.

Knows recipes, scores and seconds, and nothing of images or torch. May import `space`, `storage` and what
is below. Begin with `searcher`, then `proposer`; `optuna_internals` holds what Optuna doesn't promise.
"""
