# pragma version 0.4.3
# pragma optimize gas
"""
@title Reentrant
@notice A hostile token: whenever it moves it first makes the calls it was told to, it can keep a fee, and its issuer
        can freeze receivers. It believes every permit and authorisation. Anyone may mint and give orders.
"""

MAX_CALLS: constant(uint256) = 12

balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
fee: public(uint256)
frozen: public(HashMap[address, bool])

target: address
messages: DynArray[Bytes[1024], MAX_CALLS]

# @notice How many calls it made while moving, and how many of those succeeded.
attempts: public(uint256)
successes: public(uint256)


@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount


@external
def behave(target: address, messages: DynArray[Bytes[1024], MAX_CALLS]):
    self.target = target
    self.messages = messages


@external
def charge(fee: uint256):
    self.fee = fee


@external
def freeze(who: address, frozen: bool):
    self.frozen[who] = frozen


@external
@payable
def execute(to: address, data: Bytes[1024], amount: uint256) -> Bytes[64]:
    """
    @notice Send a call of its own, so that it can be a payer, a payee or a closer too.
    """
    return raw_call(to, data, value=amount, max_outsize=64)


@external
def transfer(to: address, amount: uint256) -> bool:
    self._move(msg.sender, to, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    self.allowance[owner][msg.sender] -= amount
    self._move(owner, to, amount)
    return True


@external
def permit(owner: address, spender: address, amount: uint256, deadline: uint256, v: uint8, r: bytes32, s: bytes32):
    self._call_back()
    self.allowance[owner][spender] = amount


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
    self._move(owner, to, amount)


@internal
def _move(sender: address, to: address, amount: uint256):
    assert not self.frozen[to], "frozen"
    self._call_back()
    self.balanceOf[sender] -= amount
    self.balanceOf[to] += amount - self.fee


@internal
def _call_back():
    for message: Bytes[1024] in self.messages:
        self.attempts += 1
        if raw_call(self.target, message, revert_on_failure=False):
            self.successes += 1
