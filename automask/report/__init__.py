"""Submissions checked, kept and compared, and the pages about a study.

May import `ensembles` and what is below. Begin with `study_report` and `comparison`.
"""
