"""The provider's node: the shell around `shared.session.ProviderSession`, with its limits, its clock, its jobs and
its claims.
"""
