// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Model, Entry} from "./Model.sol";
import {Claim, Config} from "./Tallystick.sol";
import {vm} from "./Vm.sol";

/// What payers and payees do. Every step that ends has really done its thing: one that cannot be done now is discarded
/// by `assume`, and a call that fails makes the run fail. So the counts of forge's metrics are counts of successes.
contract ChannelsHandler is Model {
    // --- opening ---

    function open(uint256 seed) external step {
        Entry memory entry = fresh(seed, false);
        uint256 amount = amountOf(seed);
        vm.deal(entry.config.payer, amount);
        vm.prank(entry.config.payer);
        keep(entry, amount, channels.open{value: amount}(entry.config, entry.expiry, amount));
    }

    function openApproved(uint256 seed) external step {
        Entry memory entry = fresh(seed, true);
        uint256 amount = amountOf(seed);
        token.mint(entry.config.payer, amount);
        vm.prank(entry.config.payer);
        token.approve(address(channels), amount);
        vm.prank(entry.config.payer);
        keep(entry, amount, channels.open(entry.config, entry.expiry, amount));
    }

    /// Sometimes somebody has handed in the permit before.
    function openPermit(uint256 seed) external step {
        Entry memory entry = fresh(seed, true);
        uint256 amount = amountOf(seed);
        address payer = entry.config.payer;
        token.mint(payer, amount);
        bytes32 digest = token.permitDigest(payer, address(channels), amount, time);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(payerKey(seed), digest);
        if (mix(seed, 7) % 3 == 0) token.permit(payer, address(channels), amount, time, v, r, s);
        vm.prank(payer);
        keep(entry, amount, channels.openPermit(entry.config, entry.expiry, amount, time, v, r, s));
    }

    function openAuthorized(uint256 seed) external step {
        Entry memory entry = fresh(seed, true);
        uint256 amount = amountOf(seed);
        token.mint(entry.config.payer, amount);
        bytes32 nonce = keccak256(abi.encode(entry.id, entry.expiry));
        bytes32 digest = token.receiveDigest(entry.config.payer, address(channels), amount, time + 1, nonce);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(payerKey(seed), digest);
        vm.prank(stranger);
        keep(entry, amount, channels.openAuthorized(entry.config, entry.expiry, amount, 0, time + 1, v, r, s));
    }

    function amountOf(uint256 seed) internal pure returns (uint256) {
        uint256 chosen = mix(seed, 1);
        return chosen % 4 == 0 ? within(chosen, 1, 10) : within(chosen, 1, type(uint96).max);
    }

    /// A channel that can be opened: of one payee mostly, else a comb of up to four or a square; payees may repeat.
    function fresh(uint256 seed, bool inToken) internal returns (Entry memory entry) {
        vm.assume(entries.length < 12);
        entry.p256 = mix(seed, 2) % 3 == 0;
        entry.key = 0x5E55 + (mix(seed, 3) % 1000);
        uint256 shape = mix(seed, 4) % 8;
        entry.square = shape == 7;
        entry.payees = new address[](shape < 4 ? 1 : entry.square ? 4 : shape - 2);
        for (uint256 i; i < entry.payees.length; i++) entry.payees[i] = payee(mix(seed, 100 + i));
        // Batches need channels that have much in common.
        if (shape < 2) (entry.p256, entry.payees[0]) = (false, payee(0));
        entry.config = Config({
            payer: vm.addr(payerKey(seed)),
            signer: signerOf(entry.key, entry.p256),
            root: 0,
            token: inToken ? address(token) : address(0),
            delay: uint32(within(mix(seed, 5), 15 minutes, 30 days)),
            salt: keccak256(abi.encode("salt", salts++))
        });
        entry.config.root = rootOf(entry);
        entry.id = keccak256(abi.encode(domain, entry.config));
        entry.expiry = time + entry.config.delay + (mix(seed, 6) % 30 days);
    }

    function keep(Entry memory entry, uint256 amount, bytes32 id) internal {
        require(id == entry.id, "another id");
        entry.deposit = amount;
        entries.push(entry);
        // A call that would succeed for anybody, were it not for the lock.
        bytes memory again = abi.encodeCall(channels.topUp, (entry.config, 0, 0));
        token.arm(address(channels), again);
        callsBack.arm(address(channels), again);
    }

    // --- the payer ---

    function topUp(uint256 seed) external step {
        uint256 n = live(seed);
        Entry storage entry = entries[n];
        bool byPayer = mix(seed, 1) % 2 == 0;
        address sender = byPayer ? entry.config.payer : stranger;
        uint256 amount = within(mix(seed, 2), 0, type(uint96).max);
        if (entry.deposit + amount > MAX) amount = MAX - entry.deposit;
        uint256 expiry = byPayer ? entry.expiry + (mix(seed, 3) % 10 days) : mix(seed, 3) % (entry.expiry + 1);
        topUpAs(sender, entry.config, expiry, amount);
        entry.deposit += amount;
        if (expiry > entry.expiry) entry.expiry = expiry;
    }

    function topUpAs(address sender, Config memory config, uint256 expiry, uint256 amount) internal {
        if (config.token == address(0)) {
            vm.deal(sender, amount);
            vm.prank(sender);
            channels.topUp{value: amount}(config, expiry, amount);
        } else {
            token.mint(sender, amount);
            vm.prank(sender);
            token.approve(address(channels), amount);
            vm.prank(sender);
            channels.topUp(config, expiry, amount);
        }
    }

    function requestClose(uint256 seed) external step {
        Entry storage entry = entries[live(seed)];
        bool bySigner = mix(seed, 1) % 2 == 0 && !entry.p256;
        vm.prank(bySigner ? entry.config.signer : entry.config.payer);
        channels.requestClose(entry.config);
        uint256 soonest = time + entry.config.delay;
        if (soonest < entry.expiry) entry.expiry = soonest;
    }

    /// By anybody; patient half the time.
    function withdraw(uint256 seed) external step {
        uint256 n = live(seed);
        if (entries[n].expiry > time) {
            vm.assume(mix(seed, 1) % 4 == 0);
            time = entries[n].expiry;
            vm.warp(time);
        }
        finishOne(n);
    }

    function finishOne(uint256 n) internal {
        Entry storage entry = entries[n];
        address payer = entry.config.payer;
        uint256 before = holds(entry.config.token, payer);
        vm.prank(stranger);
        channels.withdraw(entry.config);
        end(n, holds(entry.config.token, payer) - before);
    }

    function end(uint256 n, uint256 refund) internal {
        Entry storage entry = entries[n];
        require(refund == entry.deposit - entry.claimed, "another refund");
        entry.refunded += refund;
        entry.ended = true;
    }

    function wait(uint256 seed) external step {
        time += within(seed, 1, 2 days);
    }

    // --- the payee ---

    /// One voucher that pays something: depth 0 to 3, either kind of signature, also above the cap.
    function claim(uint256 seed) external step {
        uint256 n = live(seed);
        Entry memory entry = entries[n];
        uint256 i = mix(seed, 1) % entry.payees.length;
        uint256 before = paidBefore(entry, i);
        vm.assume(before < cap(entry, i));
        claimOne(n, i, within(mix(seed, 2), before + 1, cap(entry, i) + cap(entry, i) / 4 + 1));
    }

    function claimOne(uint256 n, uint256 i, uint256 total) internal {
        Entry memory entry = entries[n];
        Claim[] memory records = new Claim[](1);
        records[0] = good(entry, i, total);
        uint256 before = holds(entry.config.token, entry.payees[i]);
        vm.prank(stranger);
        uint256 paid = channels.claim(entry.payees[i], operator, entry.config.token, records);
        require(paid == due(entry, i, total), "another sum");
        require(holds(entry.config.token, entry.payees[i]) == before + paid, "not what came");
        book(n, i, paid);
    }

    /// The only payee's closer ends the channel, for a voucher or for nothing.
    function close(uint256 seed) external step {
        uint256 n = onlyOne(seed);
        Entry memory entry = entries[n];
        uint256 total = mix(seed, 1) % 3 == 0 ? 0 : within(mix(seed, 2), 0, entry.deposit + 1);
        uint256 paid = due(entry, 0, total);
        Claim memory made = paid == 0 ? unsigned(entry, 0, total) : good(entry, 0, total);
        uint256 payeeHad = holds(entry.config.token, entry.payees[0]);
        uint256 payerHad = holds(entry.config.token, entry.config.payer);
        vm.prank(operator);
        channels.close(entry.payees[0], made);
        require(holds(entry.config.token, entry.payees[0]) == payeeHad + paid, "not what came");
        book(n, 0, paid);
        end(n, holds(entry.config.token, entry.config.payer) - payerHad);
    }

    /// A live channel with one payee. Few are, so the search goes through all.
    function onlyOne(uint256 seed) internal view returns (uint256) {
        uint256 size = entries.length;
        for (uint256 i; i < size; i++) {
            uint256 n = (i + seed % size) % size;
            if (!entries[n].ended && entries[n].payees.length == 1) return n;
        }
        vm.assume(false);
        return 0;
    }
}
