"""What Python users call: a function for every command, which the command line prints.

May import everything but `cli`. Begin with `searches`, then `studies`; `data` is what
comes before a study, and `plain` tells of a search where nobody else listens.
"""
