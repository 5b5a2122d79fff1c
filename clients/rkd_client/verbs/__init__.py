"""
Every call of the contract as a function from plain arguments to an `Ask`.

Named after the verbs of rkctl. Nothing is sent here: `Client` and `AsyncClient` do that, and have
a method of the same name, arguments and docstring for each.
"""
