"""The person's money beside the deposit in use: what it is, what was ever paid, which chains there are. Pure."""
