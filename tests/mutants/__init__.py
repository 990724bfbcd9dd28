"""What the tests of the state tables and of the money are worth: the code is made wrong by rule, one place at a time,
and they must notice. `python -m tests.mutants` runs all of it and tells who survived.
"""
