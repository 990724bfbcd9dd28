"""The documents that are made from the protocol's code: states, wire format with a real session, errors, limits,
threats.

`./run docs` writes them beside those of the contracts; the test run's `generated` layer compares.
"""
