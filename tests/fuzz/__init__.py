"""Bytes that nobody meant: each place where a stranger's bytes are read, driven by any of them.

`targets` are functions of bytes that may raise nothing but a failed assertion; `seeds` are bytes of real sessions to
start from. Hypothesis drives them everywhere, in every run; atheris, which follows coverage, in the long form and by
`python -m tests.fuzz TARGET`.
"""
