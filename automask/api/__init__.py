"""What Python users call: a function for every command, which the command line prints.

May import everything but `cli`. Begin with `studies`, which has `search` and `Study`; `data` is what
comes before a study, and `plain` tells of a search where nobody else listens.
"""
