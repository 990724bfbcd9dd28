"""Tests of the compiled contracts: the committed artefacts, on py-evm (titanoboa), anvil and ethereumjs."""
