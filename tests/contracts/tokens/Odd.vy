# pragma version 0.4.3
"""
@title Odd
@notice An ERC-20 for tests that misbehaves as it is told. Anyone may mint and tell it. It knows neither permits nor
        authorisations; `phantom` makes it take any call there is, as WETH does.
"""

allowance: public(HashMap[address, HashMap[address, uint256]])

# What stands behind the balances: `numerator` / `denominator` units each, so that a change of them rebases everybody.
shares: public(HashMap[address, uint256])
numerator: uint256
denominator: uint256

fee: uint256                            # kept from what arrives
surcharge: uint256                      # taken from the sender on top
idle: bool                              # moves nothing
answer: Bytes[64]                       # what `transfer` and `transferFrom` return, to the byte
phantom: bool                           # takes calls of functions that it has not
accomplice: address                     # called in such a call
frozen: public(HashMap[address, bool])  # neither sends nor receives
hooked: public(HashMap[address, bool])  # called before it sends and after it received, as by ERC-777
lies: HashMap[address, uint256]         # shown on top of a balance
stubborn: bool                          # an allowance must be zero before it is another, as with Tether's


@deploy
def __init__():
    self.numerator = 1
    self.denominator = 1
    self.answer = abi_encode(True)


# --- how to behave ---

@external
def charge(fee: uint256, surcharge: uint256):
    self.fee = fee
    self.surcharge = surcharge


@external
def reply(answer: Bytes[64]):
    self.answer = answer


@external
def rest(idle: bool):
    self.idle = idle


@external
def haunt(phantom: bool, accomplice: address):
    self.phantom = phantom
    self.accomplice = accomplice


@external
def freeze(who: address, frozen: bool):
    self.frozen[who] = frozen


@external
def hook(who: address):
    self.hooked[who] = True


@external
def rebase(numerator: uint256, denominator: uint256):
    self.numerator = numerator
    self.denominator = denominator


@external
def insist(stubborn: bool):
    self.stubborn = stubborn


@external
def lie(who: address, extra: uint256):
    self.lies[who] = extra


# --- ERC-20 ---

@external
@view
def balanceOf(owner: address) -> uint256:
    return self.shares[owner] * self.numerator // self.denominator + self.lies[owner]


@external
def mint(to: address, amount: uint256):
    self.shares[to] += self._shares(amount)


@external
def approve(spender: address, amount: uint256) -> bool:
    assert not self.stubborn or amount == 0 or self.allowance[msg.sender][spender] == 0
    self.allowance[msg.sender][spender] = amount
    return True


@external
@raw_return
def transfer(to: address, amount: uint256) -> Bytes[64]:
    self._move(msg.sender, to, amount)
    return self.answer


@external
@raw_return
def transferFrom(owner: address, to: address, amount: uint256) -> Bytes[64]:
    self.allowance[owner][msg.sender] -= amount
    self._move(owner, to, amount)
    return self.answer


@external
@payable
def __default__():
    assert self.phantom
    if self.accomplice != empty(address):
        raw_call(self.accomplice, b"")


@internal
def _move(sender: address, to: address, amount: uint256):
    if self.idle:
        return
    assert not self.frozen[sender] and not self.frozen[to], "frozen"
    if self.hooked[sender]:
        raw_call(sender, method_id("tokensToSend()"))
    self.shares[sender] -= self._shares(amount + self.surcharge)
    self.shares[to] += self._shares(amount - self.fee)
    if self.hooked[to]:
        raw_call(to, method_id("tokensReceived()"))


@internal
@view
def _shares(amount: uint256) -> uint256:
    return amount * self.denominator // self.numerator
