"""What is measured of data and networks without training a trial.

Probes, near-duplicates, leaks, wrong labels. May import `training`, `scoring` and what is below. Begin
with `advice` and `audit`.
"""
