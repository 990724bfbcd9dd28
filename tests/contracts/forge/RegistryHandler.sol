// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Registry, deploy} from "./Tallystick.sol";
import {vm} from "./Vm.sol";

/// One provider as it should be.
struct Provider {
    address owner;
    uint256 stake;
    bytes32 hash;
    uint256 block_;
    uint256 unlockAt;
}

/// What providers do, and what they must not be able to do; as in ChannelsHandler, a step that ends has done it.
contract RegistryHandler {
    uint256 constant ACTORS = 6;

    Registry public immutable registry;
    uint256 public time = 1_900_000_000;
    uint256 number = 1;
    uint256 public gifts;
    Provider[] providers; // in the contract's order
    mapping(address => uint256) placeOf; // index + 1

    constructor() {
        vm.warp(time);
        registry = Registry(deploy(vm.envBytes("REGISTRY")));
    }

    modifier step() {
        time += 1;
        number += 1;
        vm.warp(time);
        vm.roll(number);
        _;
    }

    function mix(uint256 seed, uint256 salt) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, salt)));
    }

    function actor(uint256 seed) internal pure returns (address) {
        return address(uint160(0xAC70 + (seed % ACTORS)));
    }

    function profileOf(uint256 seed) internal pure returns (bytes memory profile) {
        profile = new bytes(mix(seed, 1) % 300);
        for (uint256 i; i < profile.length; i++) profile[i] = bytes1(uint8(seed % 256 + i));
    }

    /// A registered one, or a free address; there must be one.
    function someone(uint256 seed, bool registered) internal view returns (address who) {
        for (uint256 i; i < ACTORS; i++) {
            who = actor(seed % ACTORS + i);
            if ((placeOf[who] != 0) == registered) return who;
        }
        vm.assume(false);
    }

    function register(uint256 seed) external step {
        address who = someone(seed, false);
        uint256 stake = registry.minStake() + mix(seed, 2) % 1 ether;
        vm.deal(who, stake);
        vm.prank(who);
        registry.register{value: stake}(profileOf(seed));
        providers.push(Provider(who, stake, keccak256(profileOf(seed)), number, 0));
        placeOf[who] = providers.length;
    }

    function announce(uint256 seed) external step {
        address who = someone(seed, true);
        vm.prank(who);
        registry.announce(profileOf(seed));
        Provider storage provider = providers[placeOf[who] - 1];
        (provider.hash, provider.block_) = (keccak256(profileOf(seed)), number);
    }

    function addStake(uint256 seed) external step {
        address who = someone(seed, true);
        uint256 more = mix(seed, 2) % 1 ether;
        vm.deal(who, more);
        vm.prank(who);
        registry.addStake{value: more}();
        providers[placeOf[who] - 1].stake += more;
    }

    function requestExit(uint256 seed) external step {
        address who = someone(seed, true);
        vm.assume(providers[placeOf[who] - 1].unlockAt == 0);
        vm.prank(who);
        registry.requestExit();
        providers[placeOf[who] - 1].unlockAt = time + 7 days;
    }

    function exit(uint256 seed) external step {
        for (uint256 i; i < providers.length; i++) {
            uint256 n = (i + seed % providers.length) % providers.length;
            if (providers[n].unlockAt != 0) return leave(n);
        }
        vm.assume(false);
    }

    /// Waits as long as it must, and not a second longer; the last of the list takes the free place.
    function leave(uint256 n) internal {
        Provider memory provider = providers[n];
        if (time < provider.unlockAt) time = provider.unlockAt;
        vm.warp(time);
        uint256 before = provider.owner.balance;
        vm.prank(provider.owner);
        registry.exit();
        require(provider.owner.balance == before + provider.stake, "another stake");
        Provider memory last = providers[providers.length - 1];
        providers[n] = last;
        placeOf[last.owner] = n + 1;
        placeOf[provider.owner] = 0;
        providers.pop();
    }

    function gift(uint256 seed) external step {
        uint256 amount = seed % 1 ether;
        vm.deal(address(registry), address(registry).balance + amount);
        gifts += amount;
    }

    function attackLeave(uint256 seed) external step {
        address who = someone(seed, true);
        uint256 unlock = providers[placeOf[who] - 1].unlockAt;
        vm.assume(unlock == 0 || time < unlock);
        if (unlock != 0) vm.warp(unlock - 1);
        refused(who, abi.encodeCall(registry.exit, ()), 0);
        if (unlock != 0) refused(who, abi.encodeCall(registry.requestExit, ()), 0);
    }

    function attackUnregistered(uint256 seed) external step {
        address who = someone(seed, false);
        refused(who, abi.encodeCall(registry.announce, (profileOf(seed))), 0);
        refused(who, abi.encodeCall(registry.addStake, ()), 1);
        refused(who, abi.encodeCall(registry.requestExit, ()), 0);
        refused(who, abi.encodeCall(registry.exit, ()), 0);
        refused(who, abi.encodeCall(registry.register, (profileOf(seed))), registry.minStake() - 1);
    }

    function attackTwice(uint256 seed) external step {
        address who = someone(seed, true);
        refused(who, abi.encodeCall(registry.register, (profileOf(seed))), registry.minStake());
    }

    function refused(address sender, bytes memory call_, uint256 value) internal {
        vm.deal(sender, value);
        vm.prank(sender);
        (bool ok,) = address(registry).call{value: value}(call_);
        require(!ok, "not refused");
    }
}
