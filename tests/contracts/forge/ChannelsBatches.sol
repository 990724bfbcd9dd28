// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ChannelsHandler} from "./ChannelsHandler.sol";
import {Entry} from "./Model.sol";
import {Claim} from "./Tallystick.sol";
import {vm} from "./Vm.sol";

/// Batches of good and bad records, against the same handed in one by one, and packed against plain (invariant 8).
contract ChannelsBatches is ChannelsHandler {
    struct Place {
        uint256 n;
        uint256 i;
        uint256 total;
        bool good;
    }

    function claimBatch(uint256 seed) external step {
        Entry memory first = entries[live(seed)];
        address to = first.payees[mix(seed, 1) % first.payees.length];
        Place[] memory places = placesOf(seed, to, first.config.token, false);
        Claim[] memory records = new Claim[](places.length);
        for (uint256 k; k < places.length; k++) records[k] = recordOf(places[k], mix(seed, 1000 + k));
        (uint256 singles, bytes32 after_) = inSingles(to, first.config.token, records);
        uint256 before = holds(first.config.token, to);
        vm.prank(stranger);
        uint256 paid = channels.claim(to, operator, first.config.token, records);
        require(paid == singles && stateHash() == after_, "a batch is not its singles");
        require(holds(first.config.token, to) == before + paid, "not what came");
        vm.assume(paid > 0);
        bookAll(places, paid);
    }

    function claimPacked(uint256 seed) external step {
        Entry memory first = entries[onlyOne(seed)];
        address to = first.payees[0];
        Place[] memory places = placesOf(seed, to, first.config.token, true);
        vm.assume(places.length > 0);
        Claim[] memory plain = new Claim[](places.length);
        uint256[5][] memory packed = new uint256[5][](places.length);
        for (uint256 k; k < places.length; k++) {
            plain[k] = recordOf(places[k], mix(seed, 1000 + k));
            packed[k] = pack(plain[k]);
        }
        uint256 before = holds(first.config.token, to);
        uint256 snapshot = vm.snapshotState();
        uint256 struct_ = channels.claim(to, operator, first.config.token, plain);
        bytes32 after_ = stateHash();
        vm.revertToState(snapshot);
        vm.prank(stranger);
        uint256 paid = channels.claimPacked(to, operator, first.config.token, packed);
        require(paid == struct_ && stateHash() == after_, "packed is not plain");
        require(holds(first.config.token, to) == before + paid, "not what came");
        vm.assume(paid > 0);
        bookAll(places, paid);
    }

    /// Up to eight leaves of this payee and token, also of channels that are over, some twice, some to be spoilt.
    function placesOf(uint256 seed, address to, address token_, bool packable)
        internal
        view
        returns (Place[] memory places)
    {
        places = new Place[](8);
        uint256 found;
        for (uint256 k; k < 2 * entries.length && found < 8; k++) {
            uint256 n = (seed % entries.length + k) % entries.length;
            Entry memory entry = entries[n];
            if (entry.config.token != token_ || (packable && (entry.p256 || entry.payees.length > 1))) continue;
            uint256 i = mix(seed, 200 + k) % entry.payees.length;
            if (entry.payees[i] != to) continue;
            uint256 total = within(mix(seed, 300 + k), 0, cap(entry, i) + 1);
            places[found++] = Place(n, i, total > MAX ? MAX : total, mix(seed, 400 + k) % 4 != 0);
        }
        assembly {
            mstore(places, found)
        }
    }

    function recordOf(Place memory place, uint256 seed) internal returns (Claim memory made) {
        Entry memory entry = entries[place.n];
        made = good(entry, place.i, place.total);
        if (place.good) return made;
        if (seed % 3 == 0) made.config.salt = keccak256(abi.encode(seed)); // an unknown channel
        else made.sig[seed % 60] ^= 0x01;
    }

    /// What the same records bring one by one; everything is put back.
    function inSingles(address to, address token_, Claim[] memory records)
        internal
        returns (uint256 sum, bytes32 after_)
    {
        uint256 snapshot = vm.snapshotState();
        Claim[] memory one = new Claim[](1);
        for (uint256 k; k < records.length; k++) {
            one[0] = records[k];
            try channels.claim(to, operator, token_, one) returns (uint256 paid) {
                sum += paid;
            } catch {}
        }
        after_ = stateHash();
        vm.revertToState(snapshot);
    }

    function bookAll(Place[] memory places, uint256 paid) internal {
        uint256 sum;
        for (uint256 k; k < places.length; k++) {
            if (!places[k].good) continue;
            uint256 part = due(entries[places[k].n], places[k].i, places[k].total);
            book(places[k].n, places[k].i, part);
            sum += part;
        }
        require(sum == paid, "another sum");
    }

    function pack(Claim memory made) internal pure returns (uint256[5] memory words) {
        bytes memory sig = made.sig;
        uint256 r;
        uint256 s;
        assembly {
            r := mload(add(sig, 32))
            s := mload(add(sig, 64))
        }
        words[0] = uint256(made.config.salt);
        words[1] = (uint256(uint160(made.config.payer)) << 96) | (uint256(made.config.delay) << 64)
            | (made.cumulative >> 96);
        words[2] = (uint256(uint160(made.config.signer)) << 96) | (made.cumulative & type(uint96).max);
        words[3] = r;
        words[4] = ((uint256(uint8(sig[64])) - 27) << 255) | s;
    }
}
