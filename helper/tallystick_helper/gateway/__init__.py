"""The node as a user: other providers' models at a local, OpenAI-compatible API, paid from this person's open deposits.

`wishes` reads a request, `holdings` knows which deposits can pay for it, `choice` puts their providers in order,
`line` is a connection that is kept between requests, `service` joins them, and `answers` and `faults` say it in
OpenAI's words.
Nothing here holds a wallet: a deposit's session key is all that it spends with.
"""
