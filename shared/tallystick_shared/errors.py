"""Errors, as data.

    TallystickError          a stable code and its values
    ├── PeerError            the other side broke the protocol, or said no
    └── LocalError           our own side asked for something that cannot be done

The first digit of a code says where it arose: 1 protocol, 2 proving a channel, 3 payment, 4 the request, 5 the
provider,
6 this side's wallet, chain or settings (never sent over the wire). The words for people stand in `WORDS`, one
sentence and one
next step by code, and nowhere else.
"""

from __future__ import annotations

from enum import IntEnum, unique
from typing import Any


@unique
class Code(IntEnum):
    """Stable error codes. A code never changes its meaning; new ones are added."""

    PROTOCOL = 100
    BAD_HELLO = 101
    BAD_VERSION = 102
    BAD_SUITE = 103
    HANDSHAKE_FAILED = 104
    TAMPERED = 105
    BAD_MESSAGE = 106
    TOO_LARGE = 107
    TIMED_OUT = 108
    WRONG_PROVIDER = 109
    TOO_MANY_CONNECTIONS = 110
    TRUNCATED = 111
    BAD_DIGEST = 112
    REPLACED = 113

    UNKNOWN_CHANNEL = 200
    CHANNEL_ENDED = 201
    BAD_PROOF = 202
    BAD_SIGNATURE = 203
    AUTH_EXPIRED = 204
    CAP_TOO_SMALL = 205
    CHANNEL_EXPIRING = 206
    WRONG_TOKEN = 207
    DELAY_TOO_SHORT = 208
    DELAY_TOO_LONG = 209
    UNCONFIRMED = 210
    DENIED = 211

    BAD_VOUCHER = 300
    ABOVE_CAP = 301
    DEPOSIT_EXHAUSTED = 302
    PRICE_CHANGED = 303
    UNCLAIMABLE = 304
    OVERCHARGED = 305
    ADVANCE_TOO_LARGE = 306
    BAD_RECEIPT = 307

    BAD_REQUEST = 400
    PROMPT_TOO_LONG = 401
    UNKNOWN_MODEL = 402
    UNKNOWN_SERVICE = 403
    REQUEST_CONFLICT = 404
    REQUEST_GONE = 405
    TOO_MANY_STREAMS = 406
    OTHER_TRAFFIC = 407
    UNSUPPORTED = 408

    ENGINE_FAILED = 500
    BUSY = 501
    DRAINING = 502
    PROVIDER_GONE = 503
    CLOSE_FAILED = 504
    RESTING = 505
    TRIAL_OVER = 506

    NO_WALLET = 600
    REFUSED = 601
    WALLET_UNSUPPORTED = 602
    WRONG_CHAIN = 603
    RPC_UNREACHABLE = 604
    TRANSACTION_FAILED = 605
    NOT_ENOUGH_MONEY = 606
    BAD_PROFILE = 607
    NO_PROVIDERS = 608
    DEPOSIT_TOO_SMALL = 609
    IN_USE_ELSEWHERE = 610
    STORE_UNREADABLE = 611
    BAD_SETTINGS = 612
    MODEL_MISSING = 613
    BAD_KEY_FILE = 614
    NOT_REGISTERED = 615
    NO_CONTRACTS = 616
    NO_ENTRY = 617
    NOT_LEAVING = 618
    STAKE_LOCKED = 619
    TRANSACTION_REPLACED = 620
    TRANSACTION_PENDING = 621
    NOT_CONFIRMED = 622
    TOO_EARLY = 623
    UNKNOWN_DEPOSIT = 624
    TRANSACTION_DROPPED = 625
    WRONG_KEY = 626
    BAD_ADVERT = 627
    ADVERT_EXPIRED = 628
    ADVERT_OUTDATED = 629
    PROFILE_CHANGED = 630
    PAGE_FAILED = 631
    MODEL_TOO_LARGE = 632
    NOT_FETCHED = 633
    NO_DEPOSIT = 640
    NO_OFFER = 641
    NOTHING_FREE = 642
    NO_NODE = 650
    NODE_RUNS = 651
    BAD_BACKUP = 652
    WOULD_LOSE = 653
    NO_ROUTER = 654
    ROUTER_REFUSED = 655
    NOT_SIGNED_BY_OWNER = 656
    NODE_FAILED = 659
    NOT_PAIRED = 660
    PAIRING_OVER = 661
    OWNER_NEEDED = 662
    NOT_OWNER = 663
    BAD_SIGN_IN = 664


WORDS: dict[Code, tuple[str, str]] = {
    Code.PROTOCOL: ("The provider sent something unexpected.", "Try again, or choose another provider."),
    Code.BAD_HELLO: ("The two sides did not agree on a greeting.", "Check the address, or choose another provider."),
    Code.BAD_VERSION: ("The provider speaks another version.", "Update Tallystick, or choose another provider."),
    Code.BAD_SUITE: ("The provider does not offer the encryption this page needs.", "Choose another provider."),
    Code.HANDSHAKE_FAILED: (
        "This connection does not lead to the provider named on chain; nothing was sent.",
        "Try another network, or choose another provider.",
    ),
    Code.TAMPERED: (
        "Someone altered the data on the way, so the connection was cut; no money was lost.",
        "Try again, on another network if it happens twice.",
    ),
    Code.BAD_MESSAGE: ("The provider sent a message that cannot be read.", "Try again, or choose another provider."),
    Code.TOO_LARGE: ("The message is larger than allowed.", "Send less at once."),
    Code.TIMED_OUT: ("The provider took too long to answer.", "Try again, or choose another provider."),
    Code.WRONG_PROVIDER: ("That address belongs to another provider.", "Choose the provider again from the list."),
    Code.TOO_MANY_CONNECTIONS: ("The provider has too many connections now.", "Try again in a minute."),
    Code.TRUNCATED: ("The connection ended in the middle of the answer.", "What arrived is kept; ask again to go on."),
    Code.BAD_DIGEST: ("The answer does not match the provider's own checksum.", "Choose another provider."),
    Code.REPLACED: ("This deposit was taken up in another place.", "Go on there, or reload here."),
    Code.UNKNOWN_CHANNEL: ("The provider cannot see the deposit yet.", "Wait a few seconds and try again."),
    Code.CHANNEL_ENDED: ("This deposit is closed.", "Make a new deposit."),
    Code.BAD_PROOF: ("This deposit does not belong to this provider.", "Choose the provider it was made for."),
    Code.BAD_SIGNATURE: ("The provider did not accept the signature.", "Reload the page and try again."),
    Code.AUTH_EXPIRED: ("The sign-in took too long, or a clock is wrong.", "Check this device's clock and try again."),
    Code.CAP_TOO_SMALL: ("The deposit is smaller than this provider takes.", "Make a larger deposit."),
    Code.CHANNEL_EXPIRING: ("The deposit is about to end.", "Close it to get the rest back, and make a new one."),
    Code.WRONG_TOKEN: ("The provider does not take this coin.", "Choose another provider or another coin."),
    Code.DELAY_TOO_SHORT: (
        "The deposit's notice is shorter than this provider needs.",
        "Make a new deposit with more notice.",
    ),
    Code.DELAY_TOO_LONG: (
        "The provider wants more notice than you allow before a deposit can be taken back.",
        "Choose another provider.",
    ),
    Code.UNCONFIRMED: (
        "The provider could not make sure of the deposit from two sources.",
        "Wait a few seconds and try again.",
    ),
    Code.DENIED: (
        "This provider does not serve this wallet.",
        "Choose another provider, and close the deposit to get the rest back.",
    ),
    Code.BAD_VOUCHER: ("A payment was not signed correctly.", "Reload the page and try again."),
    Code.ABOVE_CAP: ("A payment is above what the deposit allows.", "Top up or make a new deposit."),
    Code.DEPOSIT_EXHAUSTED: ("The deposit is used up.", "Make a new deposit to go on."),
    Code.PRICE_CHANGED: ("The provider's price has changed.", "Look at the new price and ask again."),
    Code.UNCLAIMABLE: ("The provider could not collect from this deposit.", "Make a new deposit."),
    Code.OVERCHARGED: (
        "The provider counted more than it delivered, so nothing more was paid.",
        "Choose another provider.",
    ),
    Code.ADVANCE_TOO_LARGE: ("The provider wants more in advance than you allow.", "Choose another provider."),
    Code.BAD_RECEIPT: ("The provider's receipt for this answer is not valid.", "Choose another provider."),
    Code.BAD_REQUEST: ("The provider could not read the request.", "Change the request and try again."),
    Code.PROMPT_TOO_LONG: ("The conversation is too long for this model.", "Shorten it or start a new chat."),
    Code.UNKNOWN_MODEL: ("The provider no longer offers this model.", "Choose another model."),
    Code.UNKNOWN_SERVICE: ("The provider does not offer this service.", "Choose another provider."),
    Code.REQUEST_CONFLICT: ("The same request number was used twice.", "Ask again."),
    Code.REQUEST_GONE: ("That answer is no longer kept by the provider.", "Ask again."),
    Code.TOO_MANY_STREAMS: ("Too many answers are running at once.", "Wait for one to finish."),
    Code.OTHER_TRAFFIC: (
        "The connection still carries another kind of answer; mixed, they would tell too much.",
        "Wait a few seconds after it ended, and ask again.",
    ),
    Code.UNSUPPORTED: (
        "This model cannot do what was asked of it.",
        "Leave that out of the request, or choose another model.",
    ),
    Code.ENGINE_FAILED: ("The provider's model stopped working.", "Try again, or choose another provider."),
    Code.BUSY: ("The model is busy.", "Try again in a moment."),
    Code.DRAINING: ("The provider is shutting down.", "Choose another provider."),
    Code.PROVIDER_GONE: (
        "The provider cannot be reached.",
        "Try again, choose another provider, or take your deposit back.",
    ),
    Code.CLOSE_FAILED: (
        "The provider could not close the deposit.",
        "Ask for the rest back yourself; it takes a while.",
    ),
    Code.RESTING: ("The provider rents nothing out just now.", "Try again later, or choose another provider."),
    Code.TRIAL_OVER: (
        "What this provider gives away is used up for today.",
        "Put down a deposit to go on now, or come back tomorrow.",
    ),
    Code.NO_WALLET: ("No wallet was found in this browser.", "Install one such as MetaMask, then reload."),
    Code.REFUSED: ("You said no; nothing was sent.", "Try again whenever you like."),
    Code.WALLET_UNSUPPORTED: ("Your wallet cannot do this.", "Use another wallet."),
    Code.WRONG_CHAIN: ("Your wallet is on another network.", "Switch the network in your wallet."),
    Code.RPC_UNREACHABLE: ("The network cannot be reached.", "Check the connection, or set another RPC address."),
    Code.TRANSACTION_FAILED: ("The transaction did not go through.", "Nothing was taken but its fee; try again."),
    Code.NOT_ENOUGH_MONEY: ("There is not enough money in the wallet.", "Add some, or choose a smaller amount."),
    Code.BAD_PROFILE: ("The provider's entry on chain is not valid.", "Choose another provider."),
    Code.NO_PROVIDERS: ("Nobody offers a model here yet.", "Become the first provider, or try another network."),
    Code.NO_OFFER: (
        "There are providers here, but none offers what was asked.",
        "Ask for something that is offered; `tallystick registry show` lists it.",
    ),
    Code.NOTHING_FREE: (
        "There are providers here, but none gives answers away.",
        "Put down a deposit: `tallystick chat` without `--free`.",
    ),
    Code.DEPOSIT_TOO_SMALL: ("The deposit is smaller than this provider takes.", "Enter a larger amount."),
    Code.IN_USE_ELSEWHERE: ("This deposit is in use in another tab.", "Go on there, or close that tab."),
    Code.STORE_UNREADABLE: (
        "What this browser kept about the deposit cannot be read.",
        "Ask for the deposit back from your wallet.",
    ),
    Code.BAD_SETTINGS: ("A setting is not valid.", "Correct it and start again."),
    Code.MODEL_MISSING: (
        "The model's file is missing.",
        "Fetch the demo model with `tallystick models get demo`, or set `engine.options.path`.",
    ),
    Code.BAD_KEY_FILE: ("The key file cannot be read.", "Give a file with one private key."),
    Code.NOT_REGISTERED: ("No provider is registered under this address.", "Choose another provider."),
    Code.NO_CONTRACTS: ("Tallystick's contracts are not on this network.", "Choose another network, or deploy them."),
    Code.NO_ENTRY: (
        "This wallet has no entry in the registry, so there is no stake to take back.",
        "Give the key of the wallet that registered the provider.",
    ),
    Code.NOT_LEAVING: (
        "Nobody has asked for this stake back yet.",
        "Ask with `tallystick registry leave`; it says when the stake can be taken back.",
    ),
    Code.STAKE_LOCKED: (
        "It is too early to take the stake back.",
        "Run `tallystick registry exit` again once the time shown is over.",
    ),
    Code.TRANSACTION_REPLACED: (
        "Another transaction of this wallet took its place; this one will never go through.",
        "Look at the other one before you try again.",
    ),
    Code.TRANSACTION_PENDING: (
        "The transaction is not in a block yet, and it may still get there.",
        "Look again later, and send nothing in its place until then.",
    ),
    Code.TRANSACTION_DROPPED: (
        "The network forgot the transaction before it was in a block.",
        "Send it again from your wallet, or give it up there and try again here.",
    ),
    Code.NOT_CONFIRMED: ("Nobody was there to confirm it, so nothing was sent.", "Add --yes to send without asking."),
    Code.TOO_EARLY: ("The deposit cannot be taken back yet.", "Try again once the time shown is over."),
    Code.UNKNOWN_DEPOSIT: (
        "No such deposit is kept here.",
        "See `tallystick channel list`, or find it again with `tallystick channel recover`.",
    ),
    Code.WRONG_KEY: ("This is the key of another wallet.", "Give the key of the wallet that made the deposit."),
    Code.BAD_ADVERT: ("What the provider says of its load is not signed as it must be.", "Choose another provider."),
    Code.ADVERT_EXPIRED: (
        "What the provider said of its load is out of date, or a clock is wrong.",
        "Ask it again, and check this device's clock.",
    ),
    Code.ADVERT_OUTDATED: ("The provider said something newer of its load before.", "Ask it again."),
    Code.PROFILE_CHANGED: ("The provider has changed its entry on chain.", "Read the list of providers again."),
    Code.NODE_RUNS: ("A node runs on this data.", "End it first: `tallystick drain --stop`, or stop its process."),
    Code.BAD_BACKUP: (
        "The backup cannot be read.",
        "Check the passphrase, and that the file is whole; nothing was changed.",
    ),
    Code.WOULD_LOSE: (
        "Nothing was changed: what is here is newer than the backup and would be lost.",
        "Restore into an empty folder, by --data-dir.",
    ),
    Code.NO_ROUTER: (
        "The router does not answer when it is asked for a port.",
        "Switch on UPnP or NAT-PMP in its settings, or pass the port on there by hand.",
    ),
    Code.ROUTER_REFUSED: (
        "The router does not open the port.",
        "Allow it in the router's settings, or pass the port on there by hand.",
    ),
    Code.NOT_SIGNED_BY_OWNER: (
        "This is not signed by the wallet that is to own the provider.",
        "Sign with that wallet, one with a key of its own: a contract cannot sign here.",
    ),
    Code.NO_NODE: ("No node runs here.", "Start one with `tallystick up`, or name its data by --data-dir."),
    Code.MODEL_TOO_LARGE: (
        "The model does not fit into this machine's memory.",
        "Take a smaller model, less context or fewer slots.",
    ),
    Code.NO_DEPOSIT: (
        "No open deposit here can pay a provider of this model.",
        "Open one with a provider that offers it.",
    ),
    Code.NOT_FETCHED: (
        "The model could not be fetched.",
        "Look at the network and the package index, or set `engine.options.path` to a file.",
    ),
    Code.NODE_FAILED: (
        "Something in this node broke.",
        "Look at its log; what is owed and what was signed is kept.",
    ),
    Code.NOT_PAIRED: (
        "This console is not paired with the node, or no longer.",
        "Run `tallystick console` on the node's machine, and open the address that it prints.",
    ),
    Code.PAIRING_OVER: (
        "This pairing address was used already, or is older than a minute.",
        "Run `tallystick console` again, and open the address at once.",
    ),
    Code.OWNER_NEEDED: ("Only the owner of the provider can do this.", "Sign in with the wallet that registered it."),
    Code.NOT_OWNER: (
        "This wallet is not the owner of the provider.",
        "Choose the account that registered it in your wallet.",
    ),
    Code.BAD_SIGN_IN: (
        "The sign-in was not accepted.",
        "Sign in again within five minutes; your wallet must name this console's address.",
    ),
    Code.PAGE_FAILED: (
        "Something in this page broke.",
        "Reload it: the deposit and the conversation are kept.",
    ),
}


class TallystickError(Exception):
    """An error that people or peers may see: a stable `code` and the values that explain it."""

    def __init__(self, code: Code, **values: Any) -> None:
        self.code = code
        self.values = values
        detail = ", ".join(f"{key}={value!r}" for key, value in values.items())
        super().__init__(f"{code.name.lower()} ({code.value})" + (f": {detail}" if detail else ""))

    @property
    def says(self) -> str:
        """One plain sentence for people."""
        return WORDS[self.code][0]

    @property
    def next_step(self) -> str:
        """What the person can do now."""
        return WORDS[self.code][1]


class PeerError(TallystickError):
    """The other side broke the protocol or refused; never caused by our own caller."""


class LocalError(TallystickError):
    """Our own side asked for something impossible, or its surroundings failed."""


WIRE_CODES_END = 600


def code_of(value: int) -> Code:
    """The code for a number from the wire; one that is not known, or speaks of this side's own wallet or settings,
    reads as a protocol error.
    """
    try:
        return Code(value) if value < WIRE_CODES_END else Code.PROTOCOL
    except ValueError:
        return Code.PROTOCOL
