"""Tests of the compiled contracts: the committed artefacts, on py-evm (titanoboa) and on anvil."""
