"""Speaking to an EVM chain: ABI and EIP-712 encoding, and the two contracts as functions over an EIP-1193-shaped
seat.
"""
