# pragma version 0.4.3
# pragma optimize gas
# pragma evm-version cancun
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
     Vouchers are EIP-712 typed data: Voucher(bytes32 channelId,address payee,uint256 cumulative).
     This version holds the native coin only: a channel's token must be the zero address.
"""


# --- types ---

struct Config:
    payer: address      # opened the channel; the rest goes back here
    signer: address     # session key that signs vouchers
    root: bytes32       # Merkle root of the payees; the leaf itself when there is only one
    token: address      # zero: the chain's native coin
    delay: uint32       # seconds between a request to close and the earliest withdrawal
    salt: bytes32       # makes ids of equal configurations differ


struct Claim:
    config: Config
    cumulative: uint256         # total ever promised to the payee, in the token's smallest unit
    leafSalt: bytes32           # hides the payee in the tree; zero by convention at depth 0
    proof: DynArray[bytes32, 8] # siblings from leaf to root; its length is the payee's depth
    sig: Bytes[128]             # r | s | v, 65 bytes, v 27 or 28 (longer kinds are for later)


# --- events ---

event Opened:
    id: indexed(bytes32)
    payer: indexed(address)
    config: Config
    deposit: uint256
    expiry: uint256


event ToppedUp:
    id: indexed(bytes32)
    deposit: uint256    # the new total
    expiry: uint256


event Claimed:
    id: indexed(bytes32)
    payee: indexed(address)
    cumulative: uint256 # total paid to this payee so far
    paid: uint256       # part of it paid now


event CloseRequested:
    id: indexed(bytes32)
    expiry: uint256


event Closed:
    id: indexed(bytes32)
    paid: uint256       # paid to the payee by this transaction
    refund: uint256     # paid to the payer by this transaction


# --- constants ---

MIN_DELAY: constant(uint256) = 15 * 60
MAX_DELAY: constant(uint256) = 30 * 24 * 3600
MAX_CLAIMS: constant(uint256) = 16
MAX_IDS: constant(uint256) = 100

ENDED: constant(uint256) = 1                        # the expiry of a channel that is over
MAX_AMOUNT: constant(uint256) = 2**112 - 1
MAX_EXPIRY: constant(uint256) = 2**32 - 1   # year 2106

DOMAIN_TYPEHASH: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
NAME_HASH: constant(bytes32) = keccak256("Tallystick Channels")
VERSION_HASH: constant(bytes32) = keccak256("1")
VOUCHER_TYPEHASH: constant(bytes32) = keccak256("Voucher(bytes32 channelId,address payee,uint256 cumulative)")


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
    @notice Open a channel with a deposit in native coin.
    @dev Reverts with: payer, signer, token, delay, expiry, amount, exists.
         The id of a channel that is over can never be opened again.
    @param config The configuration; `payer` must be the caller, `token` the zero address.
    @param expiry Unix time from which the payer can withdraw; at least `delay` from now.
    @param amount The deposit in wei, equal to the value sent; at most 112 bits, not zero.
    @return The channel's id.
    """
    assert msg.sender == config.payer, "payer"
    assert config.signer != empty(address), "signer"
    assert config.token == empty(address), "token"
    delay: uint256 = convert(config.delay, uint256)
    assert delay >= MIN_DELAY and delay <= MAX_DELAY, "delay"
    assert expiry >= block.timestamp + delay and expiry <= MAX_EXPIRY, "expiry"
    assert amount == msg.value and amount != 0 and amount <= MAX_AMOUNT, "amount"
    id: bytes32 = self._id(config)
    assert self.channels[id] == 0, "exists"

    self.channels[id] = amount | (expiry << 224)
    log Opened(id=id, payer=msg.sender, config=config, deposit=amount, expiry=expiry)
    return id


@external
@payable
@nonreentrant
def topUp(config: Config, newExpiry: uint256, amount: uint256):
    """
    @notice Add to a deposit, and let the payer move the expiry later.
    @dev Anyone may add; the money becomes the channel's. Reverts with: ended, amount, expiry, payer.
    @param config The channel's configuration.
    @param newExpiry If above the present expiry, the new one (payer only); else it changes nothing.
    @param amount What is added, in wei, equal to the value sent; may be zero.
    """
    id: bytes32 = self._id(config)
    word: uint256 = self.channels[id]
    expiry: uint256 = word >> 224
    assert expiry > ENDED, "ended"
    assert amount == msg.value, "amount"
    deposit: uint256 = (word & MAX_AMOUNT) + amount
    assert deposit <= MAX_AMOUNT, "amount"
    if newExpiry > expiry:
        assert msg.sender == config.payer, "payer"
        assert newExpiry <= MAX_EXPIRY, "expiry"
        expiry = newExpiry

    self.channels[id] = deposit | (word & (MAX_AMOUNT << 112)) | (expiry << 224)
    log ToppedUp(id=id, deposit=deposit, expiry=expiry)


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
    @dev Anyone may call it. Reverts with: ended, early, and when the payer refuses the money.
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
    self._pay(config.payer, refund)


# --- the payee's side ---

@external
@nonreentrant
def claim(payee: address, closer: address, token: address, claims: DynArray[Claim, MAX_CLAIMS]) -> uint256:
    """
    @notice Pay a payee what its vouchers say, for up to 16 channels at once. Anyone may call it.
    @dev A record is skipped, never fatal, if its channel is unknown or over, of another token, if the payee
         (with this closer) is not proven, the total is not above what was paid, or the signature is bad.
         So read `paid` in an eth_call and `Claimed` in receipts, never the status alone.
         Reverts only for malformed encoding and when the payee refuses the money.
    @param payee Who is paid.
    @param closer The closer named beside the payee in its leaf.
    @param token The token of the channels; zero: native coin.
    @param claims One record for each channel. A total above the payee's cap pays the cap.
    @return What was paid, in wei.
    """
    paid: uint256 = 0
    for record: Claim in claims:
        if record.config.token == token:
            paid += self._settle(payee, closer, record)
    self._pay(payee, paid)
    return paid


@external
@nonreentrant
def close(payee: address, record: Claim):
    """
    @notice End a channel with one payee at once: pay the payee, return the rest to the payer.
    @dev Only the closer named in the leaf may call. A total not above what was paid needs no signature: the
         closer may end a channel for less, never for more. Reverts with: ended, closer, signature, and when
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
        assert self._is_signed(id, payee, record.cumulative, record.config.signer, record.sig), "signature"
        paid = total - claimed
        claimed = total

    refund: uint256 = deposit - claimed
    self.channels[id] = deposit | (claimed << 112) | (ENDED << 224)
    log Closed(id=id, paid=paid, refund=refund)
    self._pay(payee, paid)
    self._pay(record.config.payer, refund)


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
def _settle(payee: address, closer: address, record: Claim) -> uint256:
    # Books one record and returns what the caller now owes the payee; 0 where the record is to be skipped.
    # Nothing in here may revert, whatever the record holds: one bad record must not spoil a batch.
    id: bytes32 = self._id(record.config)
    word: uint256 = self.channels[id]
    if word >> 224 <= ENDED:
        return 0
    depth: uint256 = len(record.proof)
    cap: uint256 = (word & MAX_AMOUNT) >> depth
    before: uint256 = (word >> 112) & MAX_AMOUNT if depth == 0 else self.claimedBy[id][payee]
    total: uint256 = min(record.cumulative, cap)
    if total <= before:
        return 0
    node: bytes32 = self._leaf(payee, closer, record.leafSalt)
    for sibling: bytes32 in record.proof:
        node = self._node(node, sibling)
    if node != record.config.root:
        return 0
    if not self._is_signed(id, payee, record.cumulative, record.config.signer, record.sig):
        return 0

    paid: uint256 = total - before
    self.channels[id] = word + (paid << 112)
    if depth != 0:
        self.claimedBy[id][payee] = total
    log Claimed(id=id, payee=payee, cumulative=total, paid=paid)
    return paid


@internal
def _pay(to: address, amount: uint256):
    # Called after all state is written and under the lock. All gas is handed on: the receiver may be a
    # contract wallet, and it can only spend its own caller's gas.
    if amount != 0:
        raw_call(to, b"", value=amount)


@internal
@view
def _is_signed(id: bytes32, payee: address, cumulative: uint256, signer: address, sig: Bytes[128]) -> bool:
    # A high-s twin of a good signature is good too: totals only rise, so a copy buys nothing.
    if len(sig) != 65:
        return False
    digest: bytes32 = keccak256(
        concat(
            b"\x19\x01",
            self._domain(),
            keccak256(abi_encode(VOUCHER_TYPEHASH, id, payee, cumulative)),
        )
    )
    r: uint256 = extract32(sig, 0, output_type=uint256)
    s: uint256 = extract32(sig, 32, output_type=uint256)
    v: uint256 = convert(slice(sig, 64, 1), uint256)
    # ecrecover gives zero for a bad signature; `open` refuses the zero signer.
    return ecrecover(digest, v, r, s) == signer


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
