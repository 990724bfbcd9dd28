// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ChannelsAttacks} from "./ChannelsAttacks.sol";
import {Entry} from "./Model.sol";
import {FuzzSelector, vm} from "./Vm.sol";

/// The handler, and what must hold between any two of its steps. The numbers are those of the design's invariants.
contract Checked is ChannelsAttacks {
    mapping(bytes32 id => uint256) wordBefore;
    mapping(bytes32 id => mapping(address payee => uint256)) gotBefore;

    /// 1: what is held is what is owed, and gifts.
    function checkSolvent() external view {
        uint256 native;
        uint256 inToken;
        for (uint256 n; n < entries.length; n++) {
            Entry memory entry = entries[n];
            if (entry.ended) continue;
            uint256 word = channels.channels(entry.id);
            uint256 rest = (word & MAX) - ((word >> 112) & MAX);
            if (entry.config.token == address(0)) native += rest;
            else inToken += rest;
        }
        require(address(channels).balance == native + gifts, "1: native coin");
        require(token.balanceOf(address(channels)) == inToken + tokenGifts, "1: token");
    }

    /// 2: claimed <= deposit; what left is what was booked.
    function checkConserved() external view {
        for (uint256 n; n < entries.length; n++) {
            Entry memory entry = entries[n];
            uint256 word = channels.channels(entry.id);
            uint256 deposit = word & MAX;
            uint256 claimed = (word >> 112) & MAX;
            require(claimed <= deposit, "2: claimed");
            uint256 rest = entry.ended ? 0 : deposit - claimed;
            require(entry.sent + entry.refunded + rest == entry.deposit, "2: sum");
            require(deposit == entry.deposit && claimed == entry.claimed, "2: word");
        }
    }

    /// 3: caps, the sum over payees, and nothing that falls.
    function checkCaps() external {
        for (uint256 n; n < entries.length; n++) {
            Entry memory entry = entries[n];
            uint256 word = channels.channels(entry.id);
            uint256 old = wordBefore[entry.id];
            require(word & MAX >= old & MAX && (word >> 112) & MAX >= (old >> 112) & MAX, "3: fell");
            wordBefore[entry.id] = word;
            uint256 sum;
            for (uint256 k; k < ACTORS; k++) sum += checkCap(entry, payee(k), word & MAX);
            require(sum == (entry.payees.length == 1 ? 0 : (word >> 112) & MAX), "3: sum");
        }
    }

    function checkCap(Entry memory entry, address who, uint256 deposit) internal returns (uint256 paid) {
        paid = channels.claimedBy(entry.id, who);
        uint256 most;
        for (uint256 i; i < entry.payees.length; i++) {
            if (entry.payees[i] == who && deposit >> depthOf(entry, i) > most) most = deposit >> depthOf(entry, i);
        }
        require(paid <= most && paid >= gotBefore[entry.id][who], "3: cap");
        gotBefore[entry.id][who] = paid;
    }

    /// 4: nobody got more than was signed for him.
    function checkSigned() external view {
        for (uint256 n; n < entries.length; n++) {
            for (uint256 k; k < ACTORS; k++) {
                bytes32 id = entries[n].id;
                require(received[id][payee(k)] <= signed[id][payee(k)], "4: unsigned");
            }
        }
    }

    /// 5 and 7: expiry, end and id are what the steps so far allow.
    function checkExpiry() external view {
        for (uint256 n; n < entries.length; n++) {
            Entry memory entry = entries[n];
            require(channels.idOf(entry.config) == entry.id, "7: id");
            require(channels.channels(entry.id) == wordOf(entry), "5: word");
        }
    }

    /// 9: token and payee did call back, and never got in.
    function checkLocked() external view {
        require(token.hits() == 0 && callsBack.hits() == 0, "9: called back");
    }

    /// 6 and 12: every voucher is still paid in full, every channel ends, by strangers alone; nothing is left but gifts.
    function finish() external {
        vm.warp(time);
        for (uint256 n; n < entries.length; n++) {
            if (entries[n].ended) continue;
            for (uint256 i; i < entries[n].payees.length; i++) claimOne(n, i, MAX);
            if (entries[n].expiry > time) time = entries[n].expiry;
            vm.warp(time);
            finishOne(n);
        }
        require(address(channels).balance == gifts, "12: native coin is stuck");
        require(token.balanceOf(address(channels)) == tokenGifts, "12: tokens are stuck");
        require(token.attempts() > 0 || token.balanceOf(address(channels)) == 0, "9: the token never called back");
    }
}

contract ChannelsTest {
    Checked handler;

    function setUp() external {
        handler = new Checked();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function excludeSelectors() external view returns (FuzzSelector[] memory excluded) {
        bytes4[] memory selectors = new bytes4[](2);
        selectors[0] = handler.checkCaps.selector;
        selectors[1] = handler.finish.selector;
        excluded = new FuzzSelector[](1);
        excluded[0] = FuzzSelector(address(handler), selectors);
    }

    function invariant_1_what_is_owed_is_held() external view {
        handler.checkSolvent();
    }

    function invariant_2_money_is_conserved() external view {
        handler.checkConserved();
    }

    function invariant_3_caps_hold_and_nothing_falls() external {
        handler.checkCaps();
    }

    function invariant_4_only_what_was_signed_is_paid() external view {
        handler.checkSigned();
    }

    function invariant_5_7_expiry_and_end() external view {
        handler.checkExpiry();
    }

    function invariant_9_nobody_calls_back() external view {
        handler.checkLocked();
    }

    function afterInvariant() external {
        handler.finish();
    }
}
