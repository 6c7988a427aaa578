"""Where things lie: a project's folder, its studies, trials and submissions, the cap on disk, files.

Knows paths and bytes, nothing of what is in them. May import `errors`, `machine`, `deadline`, `units`.
Begin with `project`, then `study_store`.
"""
