"""The node's advert: made when somebody asks, and given out again for a few seconds."""

from __future__ import annotations

from collections.abc import Callable

from tallystick_shared import limits
from tallystick_shared.advert import VERSION, Advert, Load, Promised, advert_profile
from tallystick_shared.crypto import Crypto
from tallystick_shared.profile import Profile, registry_domain
from tallystick_shared.session import ProviderIdentity
from tallystick_shared.trial_offer import TrialOffer

from ..engines.seat import Engine
from ..engines.seat import Load as EngineLoad

FRESH = 5
"""Seconds for which one is given out again: signing costs, and anybody may ask."""
LIFETIME = 600
MOST = 0xFFFF


class Adverts:
    """Signs with the operator's key. `clock` is Unix time in seconds."""

    def __init__(
        self,
        crypto: Crypto,
        engine: Engine,
        per_channel: int,
        clock: Callable[[], float],
        resting: Callable[[], bool] = lambda: False,
        given: Callable[[], TrialOffer | None] = lambda: None,
    ) -> None:
        """`per_channel`: connections of a channel. `resting` tells whether nothing is rented out now, `given` what is
        given away.
        """
        self._given = given
        self._crypto, self._engine, self._clock, self._resting = crypto, engine, clock, resting
        self._promised = Promised(
            limits.STREAMS.value,
            per_channel,
            limits.PROMPT.value,
            int(limits.IDLE.value),
            int(limits.SESSION.value),
        )
        self._made: tuple[float, Profile, bool, bytes] | None = None
        self._sequence = 0

    def current(self, identity: ProviderIdentity, profile: Profile) -> bytes:
        """For the profile that is announced now."""
        now = self._clock()
        if self._made is not None:
            at, before, rested, blob = self._made
            if 0 <= now - at < FRESH and before == profile and rested == self._resting():
                return blob
        blob = self._make(identity, profile, now).encode()
        self._made = (now, profile, self._resting(), blob)
        return blob

    def _make(self, identity: ProviderIdentity, profile: Profile, now: float) -> Advert:
        # By the clock, so that it goes on rising when the node is started again; by one where that stands still.
        self._sequence = max(self._sequence + 1, int(now * 1000))
        issued, load = int(now), self._engine.load()
        advert = Advert(
            VERSION,
            identity.provider,
            advert_profile(self._crypto, profile),
            self._sequence,
            issued,
            issued + LIFETIME,
            profile.epoch,
            Load(0, 0, 0, 0) if self._resting() else _load(load),
            self._promised,
            trial=None if self._resting() else self._given(),
        )
        domain = registry_domain(identity.chain_id, identity.registry)
        return advert.signed(self._crypto, domain, identity.operator_key)


def _load(load: EngineLoad) -> Load:
    return Load(*(min(MOST, count) for count in (load.slots, load.running, load.queue, load.waiting)))
