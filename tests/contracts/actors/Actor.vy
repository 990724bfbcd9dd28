# pragma version 0.4.3
"""
@title A contract that takes part in the tests
@notice It sends any call it is told to, and on receiving money accepts, refuses, or calls back.
"""

ACCEPT: constant(uint256) = 0
REFUSE: constant(uint256) = 1
CALL_BACK: constant(uint256) = 2
CALL_ALL: constant(uint256) = 3

mode: uint256
target: address
message: Bytes[4096]
messages: DynArray[Bytes[1024], 12]

# @notice How often money came while it was to call back, and how many of those calls succeeded.
attempts: public(uint256)
successes: public(uint256)


@external
@payable
def execute(to: address, data: Bytes[4096], amount: uint256) -> Bytes[64]:
    return raw_call(to, data, value=amount, max_outsize=64)


@external
def behave(mode: uint256, target: address, message: Bytes[4096]):
    self.mode = mode
    self.target = target
    self.message = message


@external
def behaveAll(target: address, messages: DynArray[Bytes[1024], 12]):
    self.mode = CALL_ALL
    self.target = target
    self.messages = messages


@external
@payable
def __default__():
    assert self.mode != REFUSE
    if self.mode == CALL_ALL:
        for message: Bytes[1024] in self.messages:
            self.attempts += 1
            if raw_call(self.target, message, revert_on_failure=False):
                self.successes += 1
    if self.mode == CALL_BACK:
        self.attempts += 1
        if raw_call(self.target, self.message, revert_on_failure=False):
            self.successes += 1
