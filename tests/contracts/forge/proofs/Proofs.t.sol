// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claim, Config} from "../Tallystick.sol";
import {vm} from "../Vm.sol";
import {Setting} from "./Setting.sol";
import {svm} from "./Svm.sol";

/// Properties of Channels, for all values at once, by halmos. Every parameter of a check is symbolic.
contract Proofs is Setting {
    /// Opening books exactly what was asked and sent, and nothing else opens.
    function check_open_is_exact(Config calldata config, uint256 expiry, uint256 amount, uint256 value, address sender)
        public
    {
        vm.assume(config.token == address(0) && sender != address(channels));
        vm.assume(block.timestamp < type(uint32).max);
        vm.deal(sender, value);
        vm.prank(sender);
        (bool ok,) = address(channels).call{value: value}(abi.encodeCall(channels.open, (config, expiry, amount)));
        bool allowed = sender == config.payer && config.signer != address(0) && amount == value && amount != 0
            && amount <= MAX && config.delay >= 15 minutes && config.delay <= 30 days
            && expiry >= block.timestamp + config.delay && expiry <= type(uint32).max;
        assert(ok == allowed);
        if (!ok) return;
        assert(channels.channels(channels.idOf(config)) == amount | (expiry << 224));
        assert(address(channels).balance == amount);
    }

    /// Whatever the state of a channel: nobody withdraws before its expiry, and nobody at all when it is over.
    function check_no_early_withdrawal(Config calldata config, address sender) public {
        svm.enableSymbolicStorage(address(channels));
        vm.deal(address(channels), MAX);
        uint256 word = channels.channels(channels.idOf(config));
        vm.prank(sender);
        (bool ok,) = address(channels).call(abi.encodeCall(channels.withdraw, (config)));
        if (ok) assert(word >> 224 > 1 && block.timestamp >= word >> 224);
    }

    /// Whatever else the state holds: a channel that is over pays nothing, changes nothing and never opens again.
    function check_ended_is_over(Config calldata config, uint256 total, uint256 expiry, uint256 amount) public {
        svm.enableSymbolicStorage(address(channels));
        vm.deal(address(channels), MAX);
        bytes32 id = channels.idOf(config);
        uint256 word = channels.channels(id);
        vm.assume(word >> 224 == 1);
        vm.deal(config.payer, amount);
        assert(fails(config.payer, amount, abi.encodeCall(channels.open, (config, expiry, amount))));
        assert(fails(config.payer, amount, abi.encodeCall(channels.topUp, (config, expiry, amount))));
        assert(fails(config.payer, 0, abi.encodeCall(channels.requestClose, (config))));
        assert(fails(config.payer, 0, abi.encodeCall(channels.withdraw, (config))));
        Claim[] memory records = record(config, total, 0, 0);
        assert(fails(CLOSER, 0, abi.encodeCall(channels.close, (PAYEE, records[0]))));
        assert(channels.claim(PAYEE, CLOSER, address(0), records) == 0);
        assert(channels.channels(id) == word);
    }

    function fails(address sender, uint256 value, bytes memory call_) internal returns (bool) {
        vm.prank(sender);
        (bool ok,) = address(channels).call{value: value}(call_);
        return !ok;
    }

    /// Whatever the state and the 65 bytes: what pays was signed, for this very channel, payee and total.
    function check_only_what_is_signed_pays(Config calldata config, uint256 total, uint8 v, bytes32 r, bytes32 s)
        public
    {
        svm.enableSymbolicStorage(address(channels));
        vm.deal(address(channels), MAX);
        vm.assume(config.signer != address(0));
        Claim[] memory records = record(config, total, 0, 0);
        records[0].sig = abi.encodePacked(r, s, v);
        if (channels.claim(PAYEE, CLOSER, address(0), records) == 0) return;
        assert(ecrecover(digestOf(channels.idOf(config), PAYEE, total), v, r, s) == config.signer);
    }

    /// Whatever the state: one record, good or bad, at depth 0 to 3.
    function check_claims_only_rise_0(Config calldata config, uint256 total, bytes32 salt) public {
        claimsOnlyRise(record(config, total, salt, 0));
    }

    function check_claims_only_rise_1(Config calldata config, uint256 total, bytes32 salt) public {
        claimsOnlyRise(record(config, total, salt, 1));
    }

    function check_claims_only_rise_2(Config calldata config, uint256 total, bytes32 salt) public {
        claimsOnlyRise(record(config, total, salt, 2));
    }

    function check_claims_only_rise_3(Config calldata config, uint256 total, bytes32 salt) public {
        claimsOnlyRise(record(config, total, salt, 3));
    }

    /// Nothing that a record holds makes a claim fail.
    function check_a_record_never_spoils_a_batch(Config calldata config, uint256 total, bytes32 salt) public {
        svm.enableSymbolicStorage(address(channels));
        vm.deal(address(channels), MAX);
        uint256 word = channels.channels(channels.idOf(config));
        vm.assume((word >> 112) & MAX <= word & MAX);
        Claim[] memory records = record(config, total, salt, 0);
        (bool ok,) = address(channels).call(abi.encodeCall(channels.claim, (PAYEE, CLOSER, address(0), records)));
        assert(ok);
    }

    function record(Config calldata config, uint256 total, bytes32 salt, uint256 depth)
        internal
        pure
        returns (Claim[] memory records)
    {
        vm.assume(config.token == address(0));
        records = new Claim[](1);
        records[0] = Claim(config, total, salt, new bytes32[](depth), svm.createBytes(65, "sig"));
        for (uint256 i; i < depth; i++) records[0].proof[i] = bytes32(svm.createBytes(32, "sibling"));
    }

    struct State {
        bytes32 id;
        uint256 word;
        uint256 got;
    }

    function stateOf(Config memory config) internal view returns (State memory state) {
        state.id = channels.idOf(config);
        state.word = channels.channels(state.id);
        state.got = channels.claimedBy(state.id, PAYEE);
    }

    /// Two children never have more than their parent, so no tree's leaves have more than the deposit.
    function check_kraft_halves(uint112 deposit, uint8 depth) public pure {
        vm.assume(depth < 8);
        uint256 parent = uint256(deposit) >> depth;
        uint256 child = uint256(deposit) >> (depth + 1);
        assert(child + child <= parent);
    }

    function claimsOnlyRise(Claim[] memory records) internal {
        svm.enableSymbolicStorage(address(channels));
        vm.deal(address(channels), MAX);
        State memory before = stateOf(records[0].config);
        uint256 depth = records[0].proof.length;
        uint256 had = depth == 0 ? (before.word >> 112) & MAX : before.got;
        // What holds in every state that was reached so far.
        vm.assume((before.word >> 112) & MAX <= before.word & MAX && before.got <= (before.word >> 112) & MAX);
        uint256 paid = channels.claim(PAYEE, CLOSER, address(0), records);
        State memory after_ = stateOf(records[0].config);
        assert(after_.word == before.word + (paid << 112));
        assert(after_.got == before.got + (depth == 0 ? 0 : paid));
        assert(PAYEE.balance == paid);
        if (paid == 0) return;
        assert(had + paid <= (before.word & MAX) >> depth);
        assert(had + paid <= records[0].cumulative);
    }
}
