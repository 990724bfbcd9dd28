# pragma version 0.4.3
# pragma optimize gas
"""
@title Tallystick Registry
@license Apache-2.0
@notice The list of providers. Each one locks a small stake and announces a profile (addresses, keys, offers),
        which the chain never reads: it keeps the profile's hash and the block of the event that carries it.
        There is no owner, no fee and no upgrade, and nobody can take a stake: it only makes identities costly.
@dev Views give one word for each provider: stake in gwei << 192 | block << 160 | low 160 bits of
     keccak256(profile). It is put together from two slots, of which an announcement touches only the first:
     records[provider] = index in the list << 192 | block << 160 | hash, and
     entries[index] = stake in wei << 160 | provider.
     No function holds a lock: the one call to the outside is the last thing that `exit` does, when all is written.
"""


# --- events ---

event Profile:
    provider: indexed(address) # whose it is
    previousBlock: uint256     # where the profile before this one is found; 0: none
    profile: Bytes[2048]       # as it was handed in


event ExitRequested:
    provider: indexed(address) # who wants to leave
    unlockAt: uint256          # Unix time from which it can


event Exited:
    provider: indexed(address) # who left, with its stake


# --- constants ---

MIN_STAKE: constant(uint256) = 10**15           # wei, a thousandth of a coin
EXIT_DELAY: constant(uint256) = 7 * 24 * 3600   # seconds
MAX_STAKE: constant(uint256) = (2**64 - 1) * 10**9
MAX_PROFILE: constant(uint256) = 2048
MAX_PROVIDERS: constant(uint256) = 2**32
MAX_PAGE: constant(uint256) = 1000
MAX_ASKED: constant(uint256) = 500

ADDRESS: constant(uint256) = 2**160 - 1 # mask
BLOCK: constant(uint256) = 2**32 - 1    # mask


# --- storage ---

# index << 192 | block << 160 | hash; 0: not registered
records: HashMap[address, uint256]

# stake in wei << 160 | provider
entries: DynArray[uint256, MAX_PROVIDERS]

# @notice When a provider that asked to leave may do so, Unix time; 0: it has not asked.
unlockAt: public(HashMap[address, uint256])


# --- constructor ---

@deploy
def __init__():
    """
    @notice Nothing to set.
    """
    pass


# --- the provider's side ---

@external
@payable
def register(profile: Bytes[MAX_PROFILE]):
    """
    @notice Join the list with a stake (the value sent) and a first profile.
    @dev Reverts with: registered, stake.
    @param profile The profile, at most 2,048 bytes; never read here.
    """
    assert self.records[msg.sender] == 0, "registered"
    assert msg.value >= MIN_STAKE and msg.value <= MAX_STAKE, "stake"
    self.records[msg.sender] = self._record(len(self.entries), profile)
    self.entries.append((msg.value << 160) | convert(msg.sender, uint256))
    log Profile(provider=msg.sender, previousBlock=0, profile=profile)


@external
def announce(profile: Bytes[MAX_PROFILE]):
    """
    @notice Replace the profile: addresses, keys and every offer at once.
    @dev Reverts with: unregistered.
    @param profile The new profile, at most 2,048 bytes; never read here.
    """
    record: uint256 = self.records[msg.sender]
    assert record != 0, "unregistered"
    self.records[msg.sender] = self._record(record >> 192, profile)
    log Profile(provider=msg.sender, previousBlock=(record >> 160) & BLOCK, profile=profile)


@external
@payable
def addStake():
    """
    @notice Add the value sent to the caller's stake.
    @dev Reverts with: unregistered, stake.
    """
    record: uint256 = self.records[msg.sender]
    assert record != 0, "unregistered"
    entry: uint256 = self.entries[record >> 192]
    assert (entry >> 160) + msg.value <= MAX_STAKE, "stake"
    self.entries[record >> 192] = entry + (msg.value << 160)


@external
def requestExit():
    """
    @notice Ask to leave; the stake can be taken out seven days later. The caller stays listed until then.
    @dev Reverts with: unregistered, requested.
    """
    assert self.records[msg.sender] != 0, "unregistered"
    assert self.unlockAt[msg.sender] == 0, "requested"
    unlock: uint256 = block.timestamp + EXIT_DELAY
    self.unlockAt[msg.sender] = unlock
    log ExitRequested(provider=msg.sender, unlockAt=unlock)


@external
def exit():
    """
    @notice Leave the list and take the whole stake back.
    @dev The last provider takes the free place in the list. Reverts with: unregistered, early, and when the
         caller refuses the money.
    """
    record: uint256 = self.records[msg.sender]
    assert record != 0, "unregistered"
    unlock: uint256 = self.unlockAt[msg.sender]
    assert unlock != 0 and block.timestamp >= unlock, "early"
    index: uint256 = record >> 192
    stake: uint256 = self.entries[index] >> 160
    last: uint256 = self.entries.pop()
    if index != len(self.entries):
        self.entries[index] = last
        moved: address = convert(last & ADDRESS, address)
        self.records[moved] = (self.records[moved] & (max_value(uint256) >> 64)) | (index << 192)
    self.records[msg.sender] = 0
    self.unlockAt[msg.sender] = 0
    log Exited(provider=msg.sender)
    raw_call(msg.sender, b"", value=stake)


# --- views ---

@external
@view
def count() -> uint256:
    """
    @notice How many providers are registered.
    @return Their number.
    """
    return len(self.entries)


@external
@view
def page(start: uint256, n: uint256) -> (DynArray[address, MAX_PAGE], DynArray[uint256, MAX_PAGE]):
    """
    @notice A part of the list. Its order changes when providers leave: read all pages at one block.
    @dev Reverts with: page.
    @param start Index of the first one.
    @param n How many, at most 1,000; fewer come back at the end of the list, none beyond it.
    @return Addresses and words, in the same order.
    """
    assert n <= MAX_PAGE, "page"
    providers: DynArray[address, MAX_PAGE] = []
    words: DynArray[uint256, MAX_PAGE] = []
    size: uint256 = len(self.entries)
    if start >= size:
        return providers, words
    for i: uint256 in range(min(n, size - start), bound=MAX_PAGE):
        entry: uint256 = self.entries[start + i]
        provider: address = convert(entry & ADDRESS, address)
        providers.append(provider)
        words.append(self._word(self.records[provider], entry))
    return providers, words


@external
@view
def pageOf(providers: DynArray[address, MAX_ASKED]) -> DynArray[uint256, MAX_ASKED]:
    """
    @notice The words of named providers.
    @param providers Up to 500 addresses.
    @return Their words, in the same order; 0 for one that is not registered.
    """
    words: DynArray[uint256, MAX_ASKED] = []
    for provider: address in providers:
        record: uint256 = self.records[provider]
        words.append(0 if record == 0 else self._word(record, self.entries[record >> 192]))
    return words


@external
@view
def minStake() -> uint256:
    """
    @notice The least stake to register with.
    @return Wei.
    """
    return MIN_STAKE


@external
@view
def exitDelay() -> uint256:
    """
    @notice How long an exit takes from its request.
    @return Seconds.
    """
    return EXIT_DELAY


# --- internals ---

@internal
@view
def _record(index: uint256, profile: Bytes[MAX_PROFILE]) -> uint256:
    # Masked: a block number past 32 bits must not reach into the index.
    return (index << 192) | ((block.number & BLOCK) << 160) | (convert(keccak256(profile), uint256) & ADDRESS)


@internal
@pure
def _word(record: uint256, entry: uint256) -> uint256:
    gwei_staked: uint256 = (entry >> 160) // 10**9
    return (gwei_staked << 192) | (record & (max_value(uint256) >> 64))
