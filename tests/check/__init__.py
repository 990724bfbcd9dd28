"""An outside check of the demo: a real browser, a recording proxy and the chain's own receipts.

It imports nothing of `helper` or `web`: what it reports it has seen on the page, on the wire or on the chain.
"""
