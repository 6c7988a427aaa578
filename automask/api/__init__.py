"""What Python users call: a function for every command.

May import everything but `cli`. Begin with `ensembles`.
"""
