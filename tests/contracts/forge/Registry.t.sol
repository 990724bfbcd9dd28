// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Provider, RegistryHandler} from "./RegistryHandler.sol";
import {FuzzSelector, vm} from "./Vm.sol";

/// The handler, and what must hold between any two of its steps.
contract CheckedRegistry is RegistryHandler {
    /// 11: the pages together are the list: everyone once, with stake, block and hash of the last profile.
    function checkList() external view {
        require(registry.count() == providers.length, "11: count");
        (address[] memory owners, uint256[] memory words) = registry.page(0, 1000);
        require(owners.length == providers.length && words.length == providers.length, "11: page");
        for (uint256 n; n < providers.length; n++) {
            require(owners[n] == providers[n].owner, "11: order");
            require(words[n] == wordOf(providers[n]), "11: word");
            (address[] memory one,) = registry.page(n, 1);
            require(one.length == 1 && one[0] == owners[n], "11: page of one");
        }
    }

    /// 11: whom nobody registered is not known.
    function checkUnknown() external view {
        address[] memory asked = new address[](ACTORS);
        for (uint256 i; i < ACTORS; i++) asked[i] = actor(i);
        uint256[] memory words = registry.pageOf(asked);
        for (uint256 i; i < ACTORS; i++) {
            uint256 place = placeOf[asked[i]];
            require(words[i] == (place == 0 ? 0 : wordOf(providers[place - 1])), "11: pageOf");
            require(registry.unlockAt(asked[i]) == (place == 0 ? 0 : providers[place - 1].unlockAt), "11: unlockAt");
        }
    }

    function wordOf(Provider memory provider) internal pure returns (uint256) {
        uint256 hash = uint256(provider.hash) & type(uint160).max;
        return ((provider.stake / 1 gwei) << 192) | (provider.block_ << 160) | hash;
    }

    /// 11: what is held is the stakes, and gifts.
    function checkStake() external view {
        uint256 sum;
        for (uint256 n; n < providers.length; n++) sum += providers[n].stake;
        require(address(registry).balance == sum + gifts, "11: stake");
    }

    /// 12: everybody gets out, with the whole stake.
    function finish() external {
        vm.warp(time);
        while (providers.length > 0) {
            if (providers[0].unlockAt == 0) {
                vm.prank(providers[0].owner);
                registry.requestExit();
                providers[0].unlockAt = time + 7 days;
            }
            leave(0);
        }
        require(registry.count() == 0 && address(registry).balance == gifts, "12: a stake is stuck");
    }
}

contract RegistryTest {
    CheckedRegistry handler;

    function setUp() external {
        handler = new CheckedRegistry();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function excludeSelectors() external view returns (FuzzSelector[] memory excluded) {
        bytes4[] memory selectors = new bytes4[](1);
        selectors[0] = handler.finish.selector;
        excluded = new FuzzSelector[](1);
        excluded[0] = FuzzSelector(address(handler), selectors);
    }

    function invariant_11_pages_are_the_list() external view {
        handler.checkList();
        handler.checkUnknown();
    }

    function invariant_11_stake_is_conserved() external view {
        handler.checkStake();
    }

    function afterInvariant() external {
        handler.finish();
    }
}
