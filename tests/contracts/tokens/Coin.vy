# pragma version 0.4.3
# pragma optimize gas
"""
@title Coin
@notice A well-behaved ERC-20 for tests, with EIP-2612 permits and EIP-3009 authorisations. Anyone may mint.
"""


event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    amount: uint256


event Approval:
    owner: indexed(address)
    spender: indexed(address)
    amount: uint256


DOMAIN_TYPEHASH: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
PERMIT_TYPEHASH: constant(bytes32) = keccak256(
    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
)
RECEIVE_TYPEHASH: constant(bytes32) = keccak256(
    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)

name: public(constant(String[9])) = "Test Coin"
symbol: public(constant(String[4])) = "COIN"
version: public(constant(String[1])) = "1"
decimals: public(immutable(uint8))
DOMAIN_SEPARATOR: public(immutable(bytes32))

balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
totalSupply: public(uint256)
nonces: public(HashMap[address, uint256])
authorizationState: public(HashMap[address, HashMap[bytes32, bool]])


@deploy
def __init__(places: uint8):
    """
    @param places How many decimals it says it has.
    """
    decimals = places
    DOMAIN_SEPARATOR = keccak256(
        abi_encode(DOMAIN_TYPEHASH, keccak256(name), keccak256(version), chain.id, self)
    )


@external
def mint(to: address, amount: uint256):
    self.totalSupply += amount
    self.balanceOf[to] += amount
    log Transfer(sender=empty(address), receiver=to, amount=amount)


@external
def transfer(to: address, amount: uint256) -> bool:
    self._move(msg.sender, to, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self._approve(msg.sender, spender, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    allowed: uint256 = self.allowance[owner][msg.sender]
    if allowed != max_value(uint256):
        self.allowance[owner][msg.sender] = allowed - amount
    self._move(owner, to, amount)
    return True


@external
def permit(owner: address, spender: address, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32):
    assert block.timestamp <= deadline, "late"
    nonce: uint256 = self.nonces[owner]
    hashed: bytes32 = keccak256(abi_encode(PERMIT_TYPEHASH, owner, spender, amount, nonce, deadline))
    self._check(hashed, owner, v, r, s)
    self.nonces[owner] = nonce + 1
    self._approve(owner, spender, amount)


@external
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
):
    assert to == msg.sender, "receiver"
    assert block.timestamp > validAfter and block.timestamp < validBefore, "time"
    assert not self.authorizationState[owner][nonce], "used"
    hashed: bytes32 = keccak256(abi_encode(RECEIVE_TYPEHASH, owner, to, amount, validAfter, validBefore, nonce))
    self._check(hashed, owner, v, r, s)
    self.authorizationState[owner][nonce] = True
    self._move(owner, to, amount)


@internal
def _move(sender: address, to: address, amount: uint256):
    assert to != empty(address), "zero"
    self.balanceOf[sender] -= amount
    self.balanceOf[to] += amount
    log Transfer(sender=sender, receiver=to, amount=amount)


@internal
def _approve(owner: address, spender: address, amount: uint256):
    self.allowance[owner][spender] = amount
    log Approval(owner=owner, spender=spender, amount=amount)


@internal
@view
def _check(hashed: bytes32, owner: address, v: uint8, r: bytes32, s: bytes32):
    digest: bytes32 = keccak256(concat(b"\x19\x01", DOMAIN_SEPARATOR, hashed))
    signer: address = ecrecover(digest, convert(v, uint256), convert(r, uint256), convert(s, uint256))
    assert signer == owner and signer != empty(address), "signature"
