"""The twelve invariants of the contracts, held by random lives: rules on the model of ``tests.contracts.model``.

Each step is foretold by the model and then done. Where each invariant is held, by its number in the design:

 1  the contract holds, for each token, what its live channels have left     base.invariant_1
 2  claimed is at most the deposit; payouts, refund and rest are the deposits   base.invariant_2
 3  several payees: each at most its cap, together `claimed`; they only rise    base.invariant_3
 4  no payout without a signature for exactly this id, payee, chain, contract   claims.forge, claims.hand_in
 5  no withdrawal before expiry; who shrinks the expiry, and how far            ends.request_close, ends.withdraw
 6  a voucher handed in before expiry is paid in full up to its cap             claims.struggle
 7  an ended id never opens and never pays again; what strangers can do         opens.open_again, base.invariant_7
 8  a batch pays what its singles would; packed equals struct                   claims.batch, claims.batch_packed
 9  call-backs change nothing; a token with a fee is refused                    base.invariant_9, opens.open_badly
10  P-256 never passes for secp256k1, nor the other way round                   claims.forge
11  the registry                                                                market.py
12  each party alone gets out what is its own, from every state                 ends.exits, market.py
"""
