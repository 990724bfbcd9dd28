// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Channels, Claim, Config, deploy} from "./Tallystick.sol";
import {CallsBack, Token} from "./Token.sol";
import {Tree} from "./Tree.sol";
import {vm} from "./Vm.sol";

/// One channel as it should be.
struct Entry {
    Config config;
    bytes32 id;
    uint256 key; // of the signer
    bool p256; // its kind
    bool square; // four leaves at depth 2; else a comb
    address[] payees; // of the leaves
    uint256 deposit;
    uint256 claimed;
    uint256 expiry;
    bool ended;
    uint256 sent; // what really left the contract for payees
    uint256 refunded; // and for the payer
}

/// The cast, and what the contract should do, told beside it: ids, digests and roots are computed here, not asked for.
abstract contract Model {
    uint256 constant MAX = type(uint112).max;
    uint256 constant ACTORS = 4;
    bytes32 constant VOUCHER = keccak256("Voucher(bytes32 channelId,address payee,uint256 cumulative)");

    Channels public immutable channels;
    Token public immutable token;
    CallsBack public immutable callsBack;
    bytes32 immutable domain;
    address constant operator = address(0x0FE8A708);
    address constant stranger = address(0x57A4);

    uint256 public time = 1_900_000_000; // Unix seconds; set before each step
    Entry[] entries;
    mapping(bytes32 id => mapping(address payee => uint256)) got; // at depth > 0
    mapping(bytes32 id => mapping(address payee => uint256)) signed; // the highest total ever signed
    mapping(bytes32 id => mapping(address payee => uint256)) received; // really, by balances
    uint256 salts;

    constructor() {
        vm.warp(time);
        channels = Channels(deploy(vm.envBytes("CHANNELS")));
        token = new Token();
        callsBack = new CallsBack();
        domain = domainOf(block.chainid, address(channels));
    }

    modifier step() {
        vm.warp(time);
        _;
    }

    function domainOf(uint256 chainId, address contract_) internal pure returns (bytes32) {
        bytes32 kind = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        return keccak256(abi.encode(kind, keccak256("Tallystick Channels"), keccak256("1"), chainId, contract_));
    }

    // --- the cast ---

    function payerKey(uint256 seed) internal pure returns (uint256) {
        return 0xA11CE + (seed % ACTORS);
    }

    /// The last payee is a contract that calls back.
    function payee(uint256 seed) internal view returns (address) {
        uint256 which = seed % ACTORS;
        return which == ACTORS - 1 ? address(callsBack) : address(uint160(0xBEE0 + which));
    }

    function mix(uint256 seed, uint256 salt) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, salt)));
    }

    function within(uint256 seed, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + (seed % (high - low + 1));
    }

    // --- trees ---

    function leafSalt(Entry memory entry, uint256 i) internal pure returns (bytes32) {
        return entry.payees.length == 1 ? bytes32(0) : keccak256(abi.encode(entry.config.salt, i));
    }

    function leavesOf(Entry memory entry) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](entry.payees.length);
        for (uint256 i; i < leaves.length; i++) leaves[i] = Tree.leaf(entry.payees[i], operator, leafSalt(entry, i));
    }

    function rootOf(Entry memory entry) internal pure returns (bytes32) {
        bytes32[] memory leaves = leavesOf(entry);
        return entry.square ? Tree.squareRoot(leaves) : Tree.combRoot(leaves);
    }

    function depthOf(Entry memory entry, uint256 i) internal pure returns (uint256) {
        return entry.square ? 2 : Tree.combDepth(entry.payees.length, i);
    }

    // --- vouchers ---

    function digestOf(bytes32 domain_, bytes32 id, address to, uint256 total) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain_, keccak256(abi.encode(VOUCHER, id, to, total))));
    }

    function signWith(uint256 key, bool p256, bytes32 digest) internal pure returns (bytes memory) {
        if (p256) {
            (uint256 x, uint256 y) = vm.publicKeyP256(key);
            (bytes32 left, bytes32 right) = vm.signP256(key, sha256(abi.encodePacked(digest)));
            return abi.encodePacked(left, right, x, y);
        }
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function signerOf(uint256 key, bool p256) internal pure returns (address) {
        if (!p256) return vm.addr(key);
        (uint256 x, uint256 y) = vm.publicKeyP256(key);
        return address(uint160(uint256(keccak256(abi.encodePacked(x, y)))));
    }

    /// A claim for leaf `i` over `total`, without a signature.
    function unsigned(Entry memory entry, uint256 i, uint256 total) internal pure returns (Claim memory made) {
        made.config = entry.config;
        made.cumulative = total;
        made.leafSalt = leafSalt(entry, i);
        bytes32[] memory leaves = leavesOf(entry);
        made.proof = entry.square ? Tree.squareProof(leaves, i) : Tree.combProof(leaves, i);
    }

    /// The same, signed by its channel's signer; what was signed is remembered.
    function good(Entry memory entry, uint256 i, uint256 total) internal returns (Claim memory made) {
        made = unsigned(entry, i, total);
        address to = entry.payees[i];
        made.sig = signWith(entry.key, entry.p256, digestOf(domain, entry.id, to, total));
        if (total > signed[entry.id][to]) signed[entry.id][to] = total;
    }

    // --- what should come of it ---

    function cap(Entry memory entry, uint256 i) internal pure returns (uint256) {
        return entry.deposit >> depthOf(entry, i);
    }

    function paidBefore(Entry memory entry, uint256 i) internal view returns (uint256) {
        return entry.payees.length == 1 ? entry.claimed : got[entry.id][entry.payees[i]];
    }

    function due(Entry memory entry, uint256 i, uint256 total) internal view returns (uint256) {
        if (entry.ended) return 0;
        uint256 most = total < cap(entry, i) ? total : cap(entry, i);
        uint256 before = paidBefore(entry, i);
        return most > before ? most - before : 0;
    }

    function book(uint256 n, uint256 i, uint256 amount) internal {
        Entry storage entry = entries[n];
        entry.claimed += amount;
        if (entry.payees.length > 1) got[entry.id][entry.payees[i]] += amount;
        entry.sent += amount;
        received[entry.id][entry.payees[i]] += amount;
    }

    function wordOf(Entry memory entry) internal pure returns (uint256) {
        return entry.deposit | (entry.claimed << 112) | ((entry.ended ? 1 : entry.expiry) << 224);
    }

    function holds(address token_, address who) internal view returns (uint256) {
        return token_ == address(0) ? who.balance : token.balanceOf(who);
    }

    /// Everything that a claim or an attack might change in the contract.
    function stateHash() internal view returns (bytes32 all) {
        for (uint256 n; n < entries.length; n++) {
            bytes32 id = entries[n].id;
            all = keccak256(abi.encode(all, channels.channels(id)));
            // With one payee alone nothing is booked there: invariant 3.
            if (entries[n].payees.length == 1) continue;
            for (uint256 i; i < ACTORS; i++) all = keccak256(abi.encode(all, channels.claimedBy(id, payee(i))));
        }
        return keccak256(abi.encode(all, address(channels).balance, token.balanceOf(address(channels))));
    }

    // --- choosing ---

    /// A channel that is not over; there must be one.
    function live(uint256 seed) internal view returns (uint256) {
        uint256 size = entries.length;
        for (uint256 i; i < size; i++) {
            uint256 n = (i + seed % size) % size;
            if (!entries[n].ended) return n;
        }
        vm.assume(false);
        return 0;
    }
}
