"""The chain, natively: JSON-RPC with fail-over, transactions that end, and the contract's logs as a table of
channels.
"""
