// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {ChannelsBatches} from "./ChannelsBatches.sol";
import {Entry} from "./Model.sol";
import {Claim, Config} from "./Tallystick.sol";
import {Tree} from "./Tree.sol";
import {vm} from "./Vm.sol";

/// What must not be possible. A step that ends has seen its attack fail.
contract ChannelsAttacks is ChannelsBatches {
    uint256 public gifts; // native coin that came in by no channel
    uint256 public tokenGifts;

    function refused(address sender, bytes memory call_, uint256 value) internal {
        vm.deal(sender, value);
        vm.prank(sender);
        (bool ok,) = address(channels).call{value: value}(call_);
        require(!ok, "not refused");
    }

    modifier unchanged() {
        vm.warp(time);
        bytes32 before = stateHash();
        _;
        require(stateHash() == before, "changed");
    }

    function gift(uint256 seed) external step {
        uint256 amount = within(mix(seed, 1), 1, 1 ether);
        if (seed % 2 == 0) {
            vm.deal(address(channels), address(channels).balance + amount);
            gifts += amount;
        } else {
            token.mint(address(channels), amount);
            tokenGifts += amount;
        }
    }

    function attackEarly(uint256 seed) external unchanged {
        Entry memory entry = entries[live(seed)];
        vm.assume(time < entry.expiry);
        if (seed % 2 == 0) vm.warp(entry.expiry - 1);
        refused(entry.config.payer, abi.encodeCall(channels.withdraw, (entry.config)), 0);
    }

    /// An ended id never opens and never pays again.
    function attackEnded(uint256 seed) external unchanged {
        Entry memory entry = entries[over(seed)];
        Config memory config = entry.config;
        bool native = config.token == address(0);
        if (!native) {
            token.mint(config.payer, 5);
            vm.prank(config.payer);
            token.approve(address(channels), 5);
        }
        uint256 value = native ? 5 : 0;
        refused(config.payer, abi.encodeCall(channels.open, (config, time + 31 days, 5)), value);
        refused(config.payer, abi.encodeCall(channels.topUp, (config, 0, 5)), value);
        refused(config.payer, abi.encodeCall(channels.requestClose, (config)), 0);
        refused(config.payer, abi.encodeCall(channels.withdraw, (config)), 0);
        refused(operator, abi.encodeCall(channels.close, (entry.payees[0], good(entry, 0, MAX))), 0);
        paysNothing(entry.payees[0], operator, good(entry, 0, MAX));
    }

    /// A channel that is over; there must be one.
    function over(uint256 seed) internal view returns (uint256) {
        uint256 size = entries.length;
        for (uint256 i; i < size; i++) {
            uint256 n = (i + seed % size) % size;
            if (entries[n].ended) return n;
        }
        vm.assume(false);
        return 0;
    }

    function paysNothing(address to, address closer, Claim memory made) internal {
        uint256 had = holds(made.config.token, to);
        Claim[] memory records = new Claim[](1);
        records[0] = made;
        vm.prank(stranger);
        require(channels.claim(to, closer, made.config.token, records) == 0, "paid");
        require(holds(made.config.token, to) == had, "not what came");
    }

    /// A live channel with something due, and a voucher that is wrong in one way.
    function attackForged(uint256 seed) external unchanged {
        Entry memory entry = entries[live(seed)];
        uint256 i = mix(seed, 1) % entry.payees.length;
        uint256 total = paidBefore(entry, i) + 1;
        vm.assume(total <= cap(entry, i));
        bytes32 digest = digestOf(domain, entry.id, entry.payees[i], total);
        Claim memory made = unsigned(entry, i, total);
        uint256 way = mix(seed, 2) % 9;
        if (way == 0) digest = digestOf(domain, entry.id, address(0xBAD), total);
        if (way == 1) digest = digestOf(domain, keccak256(abi.encode(entry.id)), entry.payees[i], total);
        if (way == 2) digest = digestOf(domainOf(block.chainid + 1, address(channels)), entry.id, entry.payees[i], total);
        if (way == 3) digest = digestOf(domainOf(block.chainid, address(this)), entry.id, entry.payees[i], total);
        if (way == 4) digest = digestOf(domain, entry.id, entry.payees[i], total - 1);
        made.sig = signWith(way == 5 ? entry.key + 1 : entry.key, way == 6 ? !entry.p256 : entry.p256, digest);
        if (way == 7) made.sig = bytes.concat(made.sig, entry.p256 ? bytes("") : bytes(hex"00"));
        if (way == 7 && entry.p256) made.sig[127] ^= 0x01;
        if (way == 8) made.sig = "";
        paysNothing(entry.payees[i], operator, made);
        if (entry.payees.length > 1 || made.sig.length != 65) return;
        uint256[5][] memory packed = new uint256[5][](1);
        packed[0] = pack(made);
        require(channels.claimPacked(entry.payees[i], operator, entry.config.token, packed) == 0, "paid");
    }

    /// A good signature, and a payee who is not proven.
    function attackUnproven(uint256 seed) external unchanged {
        Entry memory entry = entries[live(seed)];
        uint256 i = mix(seed, 1) % entry.payees.length;
        Claim memory made = unsigned(entry, i, MAX);
        address to = entry.payees[i];
        address closer = operator;
        uint256 way = mix(seed, 2) % 4;
        if (way == 0) to = address(0xBAD);
        if (way == 1) closer = stranger;
        if (way == 2) made.proof = longer(made.proof, entry.config.root);
        if (way == 3) {
            vm.assume(made.proof.length > 0);
            made.proof = new bytes32[](made.proof.length - 1);
        }
        made.sig = signWith(entry.key, entry.p256, digestOf(domain, entry.id, to, MAX));
        paysNothing(to, closer, made);
    }

    function longer(bytes32[] memory proof, bytes32 more) internal pure returns (bytes32[] memory made) {
        made = new bytes32[](proof.length + 1);
        for (uint256 k; k < proof.length; k++) made[k] = proof[k];
        made[proof.length] = more;
    }

    function attackClose(uint256 seed) external unchanged {
        uint256 n = live(seed);
        Entry memory entry = entries[n];
        bool alone = entry.payees.length == 1;
        Claim memory made = good(entry, 0, entry.deposit);
        refused(stranger, abi.encodeCall(channels.close, (entry.payees[0], made)), 0);
        if (!alone) refused(operator, abi.encodeCall(channels.close, (entry.payees[0], made)), 0);
        vm.assume(alone && due(entry, 0, entry.deposit) > 0);
        made.sig[5] ^= 0x01;
        refused(operator, abi.encodeCall(channels.close, (entry.payees[0], made)), 0);
    }

    function attackExpiry(uint256 seed) external unchanged {
        Entry memory entry = entries[live(seed)];
        refused(stranger, abi.encodeCall(channels.requestClose, (entry.config)), 0);
        refused(operator, abi.encodeCall(channels.requestClose, (entry.config)), 0);
        refused(stranger, abi.encodeCall(channels.topUp, (entry.config, entry.expiry + 1, 0)), 0);
    }

    /// Configurations, amounts and tokens that would lock money in.
    function attackOpen(uint256 seed) external unchanged {
        Entry memory entry = fresh(seed, seed % 2 == 0);
        Config memory config = entry.config;
        uint256 way = mix(seed, 50) % 5;
        uint256 amount = 1000;
        if (way == 0) config.delay = 15 minutes - 1;
        if (way == 1) (config.delay, entry.expiry) = (30 days + 1, time + 60 days);
        if (way == 2) config.signer = address(0);
        if (way == 3) entry.expiry = time + config.delay - 1;
        if (way == 4) amount = 0;
        address payer = config.payer;
        token.mint(payer, amount);
        vm.prank(payer);
        token.approve(address(channels), amount);
        bytes memory call_ = abi.encodeCall(channels.open, (config, entry.expiry, amount));
        refused(payer, call_, config.token == address(0) ? amount : 0);
    }

    function attackFee(uint256 seed) external unchanged {
        Entry memory entry = fresh(seed, true);
        token.mint(entry.config.payer, 1000);
        vm.prank(entry.config.payer);
        token.approve(address(channels), 1000);
        token.setFee(within(seed, 1, 1000));
        refused(entry.config.payer, abi.encodeCall(channels.open, (entry.config, entry.expiry, 1000)), 0);
        token.setFee(0);
    }
}
