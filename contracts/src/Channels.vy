# pragma version 0.4.3
# pragma optimize gas
"""
@title Tallystick Channels
@license Apache-2.0
@notice One-way payment channels: a payer locks a deposit once, hands out signed vouchers off chain,
        and each payee is paid what its highest voucher says. There is no owner, no fee and no upgrade.
@dev The state of a channel is one storage word: deposit (112 bits) | claimed << 112 | expiry << 224.
     Its configuration is never stored: callers bring it as calldata, and its hash is the channel's id.
     `root` is the Merkle root of the payees. A payee proven at depth d may claim at most `deposit >> d`, so
     by Kraft's inequality the caps of all payees never exceed the deposit, whatever the tree.
     leaf = keccak256(0x00 | payee | closer | leafSalt), 73 bytes; node = keccak256(min | max), 64 bytes.
     Vouchers are EIP-712 typed data: Voucher(bytes32 channelId,address payee,uint256 cumulative), signed by a
     secp256k1 key (65 bytes r | s | v) or a P-256 key (128 bytes r | s | x | y over sha256 of the digest, as
     WebCrypto signs; needs the precompile of EIP-7951 or RIP-7212).
     A token must move exactly what it is told to: one that takes a fee is refused at `open` and `topUp`. One whose
     balances change by themselves can leave its own channels short, never those of another token.
"""


# --- tokens ---

interface Token: # ERC-20, as far as it is used; a transfer may return nothing
    def balanceOf(owner: address) -> uint256: view
    def transfer(to: address, amount: uint256) -> bool: nonpayable
    def transferFrom(owner: address, to: address, amount: uint256) -> bool: nonpayable


interface Authorizing: # EIP-3009
    def receiveWithAuthorization(
        owner: address,
        to: address,
        amount: uint256,
        validAfter: uint256,
        validBefore: uint256,
        nonce: bytes32,
        v: uint8,
        r: bytes32,
        s: bytes32,
    ): nonpayable


# --- types ---

struct Config:
    payer: address      # opened the channel; the rest goes back here
    signer: address     # session key that signs vouchers; for P-256 the last 20 bytes of keccak256(x | y)
    root: bytes32       # Merkle root of the payees; the leaf itself when there is only one
    token: address      # zero: the chain's native coin
    delay: uint32       # seconds between a request to close and the earliest withdrawal
    salt: bytes32       # makes ids of equal configurations differ


struct Claim:
    config: Config              # the channel's
    cumulative: uint256         # total ever promised to the payee, in the token's smallest unit
    leafSalt: bytes32           # hides the payee in the tree; zero by convention at depth 0
    proof: DynArray[bytes32, 8] # siblings from leaf to root; its length is the payee's depth
    sig: Bytes[128]             # secp256k1: r | s | v, 65 bytes, v 27 or 28; P-256: r | s | x | y, 128 bytes


# --- events ---

event Opened:
    id: indexed(bytes32)    # the channel's id
    payer: indexed(address) # so that a payer's channels are found again
    config: Config          # never stored: this is where it can be read
    deposit: uint256        # in the token's smallest unit
    expiry: uint256         # Unix time from which the payer can withdraw


event ToppedUp:
    id: indexed(bytes32) # the channel's id
    deposit: uint256     # the new total
    expiry: uint256      # the new one, or the old one where it stays


event Claimed:
    id: indexed(bytes32)    # the channel's id
    payee: indexed(address) # who was paid
    cumulative: uint256     # total paid to this payee so far
    paid: uint256           # part of it paid now


event CloseRequested:
    id: indexed(bytes32) # the channel's id
    expiry: uint256      # as it is now: payees claim before


event Closed:
    id: indexed(bytes32) # the channel's id
    paid: uint256        # paid to the payee by this transaction
    refund: uint256      # paid to the payer by this transaction


# --- constants ---

MIN_DELAY: constant(uint256) = 15 * 60
MAX_DELAY: constant(uint256) = 30 * 24 * 3600
MAX_CLAIMS: constant(uint256) = 16
MAX_IDS: constant(uint256) = 100
MAX_PACKED: constant(uint256) = 200

P256: constant(address) = 0x0000000000000000000000000000000000000100

ENDED: constant(uint256) = 1                        # the expiry of a channel that is over
MAX_AMOUNT: constant(uint256) = 2**112 - 1
MAX_EXPIRY: constant(uint256) = 2**32 - 1   # year 2106

DOMAIN_TYPEHASH: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
NAME_HASH: constant(bytes32) = keccak256("Tallystick Channels")
VERSION_HASH: constant(bytes32) = keccak256("1")
VOUCHER_TYPEHASH: constant(bytes32) = keccak256("Voucher(bytes32 channelId,address payee,uint256 cumulative)")
PERMIT: constant(bytes4) = method_id("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)", output_type=bytes4)


# --- immutables ---

CHAIN_ID: immutable(uint256)            # at deployment
DOMAIN_SEPARATOR: immutable(bytes32)    # at deployment; part of every id, for ever


# --- storage ---

# @notice The word of a channel, by id: deposit | claimed << 112 | expiry << 224.
#         Expiry 0: never opened. Expiry 1: over; deposit and claimed then keep their last values.
channels: public(HashMap[bytes32, uint256])

# @notice Total paid to a payee of a channel with several payees (depth > 0), by id and payee.
#         Stays 0 where the payee is the only one: `claimed` in the word tells it.
claimedBy: public(HashMap[bytes32, HashMap[address, uint256]])


# --- constructor ---

@deploy
def __init__():
    """
    @notice Fix the chain and the EIP-712 domain of this deployment.
    """
    CHAIN_ID = chain.id
    DOMAIN_SEPARATOR = self._build_domain()


# --- the payer's side ---

@external
@payable
@nonreentrant
def open(config: Config, expiry: uint256, amount: uint256) -> bytes32:
    """
    @notice Open a channel with a deposit, in native coin or in a token that the caller approved before.
    @dev Reverts with: payer, signer, delay, expiry, amount, exists, token.
         The id of a channel that is over can never be opened again.
    @param config The configuration; `payer` must be the caller.
    @param expiry Unix time from which the payer can withdraw; at least `delay` from now.
    @param amount The deposit in the token's smallest unit; at most 112 bits, not zero. For the native coin the value
           sent must equal it, for a token no value may be sent.
    @return The channel's id.
    """
    assert msg.sender == config.payer, "payer"
    id: bytes32 = self._open(config, expiry, amount)
    self._take(config.token, amount)
    return id


@external
@nonreentrant
def openPermit(
    config: Config, expiry: uint256, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32
) -> bytes32:
    """
    @notice Open a channel with a token deposit whose approval comes along as an EIP-2612 permit for this contract.
    @dev A permit that fails is not fatal: somebody may have used it already, then its approval stands.
         Reverts with: payer, signer, delay, expiry, amount, exists, token.
    @param config The configuration; `payer` must be the caller.
    @param expiry As for `open`.
    @param amount The deposit in the token's smallest unit, and the value of the permit.
    @param deadline Of the permit, Unix time.
    @param v Of the permit's signature by the payer.
    @param r Of the permit's signature by the payer.
    @param s Of the permit's signature by the payer.
    @return The channel's id.
    """
    assert msg.sender == config.payer, "payer"
    id: bytes32 = self._open(config, expiry, amount)
    done: bool = raw_call( # whether it worked shows below
        config.token,
        abi_encode(config.payer, self, amount, deadline, v, r, s, method_id=PERMIT),
        revert_on_failure=False,
    )
    self._take(config.token, amount)
    return id


@external
@nonreentrant
def openAuthorized(
    config: Config,
    expiry: uint256,
    amount: uint256,
    validAfter: uint256,
    validBefore: uint256,
    v: uint8,
    r: bytes32,
    s: bytes32,
) -> bytes32:
    """
    @notice Open a channel with a token deposit that the payer authorised by EIP-3009. Anyone may hand it in, so the
            payer needs no gas.
    @dev The authorisation is a ReceiveWithAuthorization from the payer to this contract, of `amount`, with the nonce
         keccak256(abi.encode(id, expiry)): it can open this very channel and nothing else.
         Reverts with: signer, delay, expiry, amount, exists, and as the token does.
    @param config The configuration.
    @param expiry As for `open`; bound by the nonce.
    @param amount The deposit in the token's smallest unit.
    @param validAfter Of the authorisation, Unix time.
    @param validBefore Of the authorisation, Unix time.
    @param v Of the payer's signature.
    @param r Of the payer's signature.
    @param s Of the payer's signature.
    @return The channel's id.
    """
    id: bytes32 = self._open(config, expiry, amount)
    nonce: bytes32 = keccak256(abi_encode(id, expiry))
    before: uint256 = staticcall Token(config.token).balanceOf(self)
    extcall Authorizing(config.token).receiveWithAuthorization(
        config.payer, self, amount, validAfter, validBefore, nonce, v, r, s
    )
    assert staticcall Token(config.token).balanceOf(self) == before + amount, "amount"
    return id


@external
@payable
@nonreentrant
def topUp(config: Config, newExpiry: uint256, amount: uint256):
    """
    @notice Add to a deposit, and let the payer move the expiry later.
    @dev Anyone may add; the money becomes the channel's. Reverts with: ended, amount, expiry, payer, token.
    @param config The channel's configuration.
    @param newExpiry If above the present expiry, the new one (payer only); else it changes nothing.
    @param amount What is added, in the token's smallest unit; may be zero. For the native coin the value sent must
           equal it; a token is taken from the caller, who approved it before.
    """
    id: bytes32 = self._id(config)
    word: uint256 = self.channels[id]
    expiry: uint256 = word >> 224
    assert expiry > ENDED, "ended"
    assert amount <= MAX_AMOUNT, "amount"
    deposit: uint256 = (word & MAX_AMOUNT) + amount
    assert deposit <= MAX_AMOUNT, "amount"
    if newExpiry > expiry:
        assert msg.sender == config.payer, "payer"
        assert newExpiry <= MAX_EXPIRY, "expiry"
        expiry = newExpiry

    self.channels[id] = deposit | (word & (MAX_AMOUNT << 112)) | (expiry << 224)
    log ToppedUp(id=id, deposit=deposit, expiry=expiry)
    self._take(config.token, amount)


@external
@nonreentrant
def requestClose(config: Config):
    """
    @notice Ask for the channel's end: the expiry moves to `delay` from now, unless it is earlier already.
    @dev Always logs, so that payees learn of it; a later request never moves the expiry later.
         Reverts with: payer, ended.
    @param config The channel's configuration; the caller must be its payer or its signer.
    """
    assert msg.sender == config.payer or msg.sender == config.signer, "payer"
    id: bytes32 = self._id(config)
    word: uint256 = self.channels[id]
    expiry: uint256 = word >> 224
    assert expiry > ENDED, "ended"
    soonest: uint256 = block.timestamp + convert(config.delay, uint256)
    if soonest < expiry:
        expiry = soonest
        self.channels[id] = (word & (max_value(uint256) >> 32)) | (expiry << 224)
    log CloseRequested(id=id, expiry=expiry)


@external
@nonreentrant
def withdraw(config: Config):
    """
    @notice End a channel whose expiry has come; what was not claimed goes to the payer.
    @dev Anyone may call it. Reverts with: ended, early, token, and when the payer refuses the money.
    @param config The channel's configuration.
    """
    id: bytes32 = self._id(config)
    word: uint256 = self.channels[id]
    expiry: uint256 = word >> 224
    assert expiry > ENDED, "ended"
    assert block.timestamp >= expiry, "early"
    refund: uint256 = (word & MAX_AMOUNT) - ((word >> 112) & MAX_AMOUNT)

    self.channels[id] = (word & (max_value(uint256) >> 32)) | (ENDED << 224)
    log Closed(id=id, paid=0, refund=refund)
    self._pay(config.token, config.payer, refund)


# --- the payee's side ---

@external
@nonreentrant
def claim(payee: address, closer: address, token: address, claims: DynArray[Claim, MAX_CLAIMS]) -> uint256:
    """
    @notice Pay a payee what its vouchers say, for up to 16 channels at once. Anyone may call it.
    @dev A record is skipped, never fatal, if its channel is unknown or over, of another token, if the payee
         (with this closer) is not proven, the total is not above what was paid, or the signature is bad.
         So read `paid` in an eth_call and `Claimed` in receipts, never the status alone.
         Reverts only for malformed encoding and when the payee refuses the money or the token will not move it.
    @param payee Who is paid.
    @param closer The closer named beside the payee in its leaf.
    @param token The token of the channels; zero: native coin.
    @param claims One record for each channel. A total above the payee's cap pays the cap.
    @return What was paid, in the token's smallest unit.
    """
    # Nothing in this loop may revert, whatever a record holds: one bad record must not spoil a batch.
    domain: bytes32 = self._domain()
    paid: uint256 = 0
    for record: Claim in claims:
        if record.config.token != token:
            continue
        id: bytes32 = self._id(record.config)
        word: uint256 = self.channels[id]
        if word >> 224 <= ENDED:
            continue
        depth: uint256 = len(record.proof)
        before: uint256 = (word >> 112) & MAX_AMOUNT if depth == 0 else self.claimedBy[id][payee]
        total: uint256 = min(record.cumulative, (word & MAX_AMOUNT) >> depth)
        if total <= before:
            continue
        node: bytes32 = self._leaf(payee, closer, record.leafSalt)
        for sibling: bytes32 in record.proof:
            node = self._node(node, sibling)
        if node != record.config.root:
            continue
        digest: bytes32 = self._digest(domain, id, payee, record.cumulative)
        if not self._is_signed(digest, record.config.signer, record.sig):
            continue
        self.channels[id] = word + ((total - before) << 112)
        if depth != 0:
            self.claimedBy[id][payee] = total
        log Claimed(id=id, payee=payee, cumulative=total, paid=total - before)
        paid += total - before
    self._pay(token, payee, paid)
    return paid


@external
@nonreentrant
def claimPacked(payee: address, closer: address, token: address, records: DynArray[uint256[5], MAX_PACKED]) -> uint256:
    """
    @notice The same for up to 200 channels, each with this payee alone (depth 0, leaf salt zero) and a secp256k1
            signer, in records of five words: cheaper by a third.
    @dev A record is salt, payer << 96 | delay << 64 | cumulative >> 96, signer << 96 | cumulative & (2**96 - 1), r,
         (v - 27) << 255 | s (as in EIP-2098). Bits 16 to 63 of the second word are not read. The root follows from
         payee and closer. Records are skipped as in `claim`, and it reverts as `claim` does.
    @param payee Who is paid.
    @param closer The closer named beside the payee in its leaf.
    @param token The token of the channels; zero: native coin.
    @param records One for each channel; none at all is no fault.
    @return What was paid, in the token's smallest unit.
    """
    domain: bytes32 = self._domain()
    root: bytes32 = self._leaf(payee, closer, empty(bytes32))
    paid: uint256 = 0
    for record: uint256[5] in records:
        signer: uint256 = record[2] >> 96
        # `_id` of the same configuration, without making one: that would cost 300 gas
        id: bytes32 = keccak256(
            abi_encode(
                DOMAIN_SEPARATOR, record[1] >> 96, signer, root, token, (record[1] >> 64) & MAX_EXPIRY, record[0]
            )
        )
        word: uint256 = self.channels[id]
        if word >> 224 <= ENDED:
            continue
        cumulative: uint256 = ((record[1] & 65535) << 96) | (record[2] & (2**96 - 1))
        total: uint256 = min(cumulative, word & MAX_AMOUNT)
        before: uint256 = (word >> 112) & MAX_AMOUNT
        if total <= before:
            continue
        recovered: address = ecrecover(
            keccak256(
                concat(b"\x19\x01", domain, keccak256(abi_encode(VOUCHER_TYPEHASH, id, payee, cumulative)))
            ),
            27 + (record[4] >> 255),
            record[3],
            record[4] & (max_value(uint256) >> 1),
        )
        if convert(recovered, uint256) != signer:
            continue
        self.channels[id] = word + ((total - before) << 112)
        log Claimed(id=id, payee=payee, cumulative=total, paid=total - before)
        paid += total - before
    self._pay(token, payee, paid)
    return paid


@external
@nonreentrant
def close(payee: address, record: Claim):
    """
    @notice End a channel with one payee at once: pay the payee, return the rest to the payer.
    @dev Only the closer named in the leaf may call. A total not above what was paid needs no signature: the
         closer may end a channel for less, never for more. Reverts with: ended, closer, signature, token, and when
         payee or payer refuses the money (the payee can then still `claim`).
    @param payee The channel's only payee.
    @param record Its claim, with an empty proof.
    """
    id: bytes32 = self._id(record.config)
    word: uint256 = self.channels[id]
    assert word >> 224 > ENDED, "ended"
    assert len(record.proof) == 0, "closer"
    assert self._leaf(payee, msg.sender, record.leafSalt) == record.config.root, "closer"
    deposit: uint256 = word & MAX_AMOUNT
    claimed: uint256 = (word >> 112) & MAX_AMOUNT
    total: uint256 = min(record.cumulative, deposit)
    paid: uint256 = 0
    if total > claimed:
        digest: bytes32 = self._digest(self._domain(), id, payee, record.cumulative)
        assert self._is_signed(digest, record.config.signer, record.sig), "signature"
        paid = total - claimed
        claimed = total

    refund: uint256 = deposit - claimed
    self.channels[id] = deposit | (claimed << 112) | (ENDED << 224)
    log Closed(id=id, paid=paid, refund=refund)
    self._pay(record.config.token, payee, paid)
    self._pay(record.config.token, record.config.payer, refund)


# --- views ---

@external
@view
def idOf(config: Config) -> bytes32:
    """
    @notice The id of a configuration, opened or not.
    @param config The configuration.
    @return keccak256(abi.encode(domain separator at deployment, config)).
    """
    return self._id(config)


@external
@view
def channelsOf(ids: DynArray[bytes32, MAX_IDS]) -> DynArray[uint256, MAX_IDS]:
    """
    @notice The words of up to 100 channels.
    @param ids Channel ids.
    @return Their words, in the same order: deposit | claimed << 112 | expiry << 224.
    """
    words: DynArray[uint256, MAX_IDS] = []
    for id: bytes32 in ids:
        words.append(self.channels[id])
    return words


# --- internals ---

@internal
def _open(config: Config, expiry: uint256, amount: uint256) -> bytes32:
    # Books a new channel; the caller must then take its deposit.
    assert config.signer != empty(address), "signer"
    delay: uint256 = convert(config.delay, uint256)
    assert delay >= MIN_DELAY and delay <= MAX_DELAY, "delay"
    assert expiry >= block.timestamp + delay and expiry <= MAX_EXPIRY, "expiry"
    assert amount != 0 and amount <= MAX_AMOUNT, "amount"
    id: bytes32 = self._id(config)
    assert self.channels[id] == 0, "exists"
    self.channels[id] = amount | (expiry << 224)
    log Opened(id=id, payer=config.payer, config=config, deposit=amount, expiry=expiry)
    return id


@internal
@payable
def _take(token: address, amount: uint256):
    # Takes a deposit from the caller: what comes must be exactly what was booked.
    if token == empty(address):
        assert msg.value == amount, "amount"
        return
    assert msg.value == 0, "amount"
    if amount != 0:
        before: uint256 = staticcall Token(token).balanceOf(self)
        assert extcall Token(token).transferFrom(msg.sender, self, amount, default_return_value=True), "token"
        assert staticcall Token(token).balanceOf(self) == before + amount, "amount"


@internal
def _pay(token: address, to: address, amount: uint256):
    # Called after all state is written and under the lock. All gas is handed on, because the receiver may be a
    # contract wallet; what that burns is paid by whoever called. A closer that does not know the payer looks at
    # the estimate before it refunds one.
    if amount == 0:
        return
    if token == empty(address):
        raw_call(to, b"", value=amount)
    else:
        assert extcall Token(token).transfer(to, amount, default_return_value=True), "token"


@internal
@view
def _is_signed(digest: bytes32, signer: address, sig: Bytes[128]) -> bool:
    # A twin of a good signature (high s) is good too: totals only rise, so a copy buys nothing.
    # Each kind has a length of its own, so neither can pass for the other. `open` refuses the zero signer, which is
    # what ecrecover gives for a bad signature.
    if len(sig) == 65:
        r: uint256 = extract32(sig, 0, output_type=uint256)
        s: uint256 = extract32(sig, 32, output_type=uint256)
        v: uint256 = extract32(sig, 33, output_type=uint256) & 255
        return ecrecover(digest, v, r, s) == signer
    if len(sig) != 128:
        return False
    if convert(convert(keccak256(slice(sig, 64, 64)), uint256) & (2**160 - 1), address) != signer:
        return False
    # 64 bytes are asked for, so that an answer of more than 32 is not cut down to one that looks good.
    done: bool = False
    answer: Bytes[64] = b""
    done, answer = raw_call(
        P256, concat(sha256(digest), sig), max_outsize=64, is_static_call=True, revert_on_failure=False
    )
    if not done or len(answer) != 32:
        return False
    return extract32(answer, 0, output_type=uint256) == 1


@internal
@pure
def _digest(domain: bytes32, id: bytes32, payee: address, cumulative: uint256) -> bytes32:
    # EIP-712, of a voucher.
    return keccak256(concat(b"\x19\x01", domain, keccak256(abi_encode(VOUCHER_TYPEHASH, id, payee, cumulative))))


@internal
@view
def _domain() -> bytes32:
    # On a fork of the chain the domain follows the new chain id, so that vouchers are good on one side only.
    if chain.id == CHAIN_ID:
        return DOMAIN_SEPARATOR
    return self._build_domain()


@internal
@view
def _build_domain() -> bytes32:
    return keccak256(abi_encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, chain.id, self))


@internal
@view
def _id(config: Config) -> bytes32:
    return keccak256(abi_encode(DOMAIN_SEPARATOR, config))


@internal
@pure
def _leaf(payee: address, closer: address, leaf_salt: bytes32) -> bytes32:
    # 73 bytes, so that a leaf can never be taken for a node of 64.
    return keccak256(concat(b"\x00", convert(payee, bytes20), convert(closer, bytes20), leaf_salt))


@internal
@pure
def _node(left: bytes32, right: bytes32) -> bytes32:
    if convert(left, uint256) < convert(right, uint256):
        return keccak256(concat(left, right))
    return keccak256(concat(right, left))
