// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Claim, Config} from "../Tallystick.sol";
import {Tree} from "../Tree.sol";
import {vm} from "../Vm.sol";
import {Setting} from "./Setting.sol";
import {svm} from "./Svm.sol";

/// One deposit behind a tree of payees: each gets min(his total, deposit >> his depth), whoever came before him, and
/// together never more than the deposit. The deposit is symbolic, the tree is not; who asks for more than his cap gets
/// the cap, so what all of them take at most is what they take when each asks for everything.
contract Kraft is Setting {
    address constant SIGNER = address(0x516E);
    bytes32[] leaves;
    Config config;
    bytes32 id;
    uint256 wrong;

    /// Two leaves at depth 1, with any two totals.
    function check_kraft_two(uint112 deposit, uint256[2] calldata totals) public {
        open(deposit, 2, false);
        uint256 sum;
        for (uint256 i; i < 2; i++) sum += claim(deposit, i, totals[i], Tree.combProof(leaves, i));
        settle(deposit, sum);
    }

    /// Leaves at depths 1, 2, 3 and 3, from the nearest.
    function check_kraft_comb(uint112 deposit) public {
        open(deposit, 4, false);
        uint256 sum;
        for (uint256 i; i < 4; i++) sum += claim(deposit, i, MAX, Tree.combProof(leaves, i));
        settle(deposit, sum);
    }

    /// Four leaves at depth 2.
    function check_kraft_square(uint112 deposit) public {
        open(deposit, 4, true);
        uint256 sum;
        for (uint256 i; i < 4; i++) sum += claim(deposit, i, MAX, Tree.squareProof(leaves, i));
        settle(deposit, sum);
    }

    function open(uint112 deposit, uint256 size, bool square) internal {
        vm.assume(deposit != 0);
        for (uint256 i; i < size; i++) leaves.push(Tree.leaf(payee(i), CLOSER, 0));
        config = Config({
            payer: address(this),
            signer: SIGNER,
            root: square ? Tree.squareRoot(leaves) : Tree.combRoot(leaves),
            token: address(0),
            delay: 1 days,
            salt: 0
        });
        vm.deal(address(this), deposit);
        vm.warp(1_900_000_000);
        id = channels.open{value: deposit}(config, 1_900_000_000 + 2 days, deposit);
    }

    function payee(uint256 i) internal pure returns (address) {
        return address(uint160(0xBEE0 + i));
    }

    /// Hands in a voucher. What is wrong with the answer is gathered without branching, which would double the paths.
    function claim(uint256 deposit, uint256 i, uint256 total, bytes32[] memory proof) internal returns (uint256 paid) {
        Claim[] memory records = new Claim[](1);
        records[0] = Claim(config, total, 0, proof, signature(digestOf(id, payee(i), total)));
        (bool ok, bytes memory out) =
            address(channels).call(abi.encodeCall(channels.claim, (payee(i), CLOSER, address(0), records)));
        assert(ok);
        paid = abi.decode(out, (uint256));
        uint256 cap = deposit >> proof.length;
        uint256 got = payee(i).balance;
        uint256 worse;
        assembly {
            worse := or(or(gt(paid, cap), gt(paid, total)), iszero(or(eq(paid, cap), eq(paid, total))))
            worse := or(worse, xor(got, paid))
        }
        wrong |= worse;
    }

    /// Any 65 bytes that ecrecover, of which nothing else is known, finds to be the signer's.
    function signature(bytes32 digest) internal view returns (bytes memory) {
        bytes32 r = bytes32(svm.createBytes(32, "r"));
        bytes32 s = bytes32(svm.createBytes(32, "s"));
        vm.assume(ecrecover(digest, 27, r, s) == SIGNER);
        return abi.encodePacked(r, s, uint8(27));
    }

    function settle(uint256 deposit, uint256 sum) internal view {
        assert(wrong == 0);
        assert(sum <= deposit);
        assert((channels.channels(id) >> 112) & MAX == sum);
        assert(address(channels).balance == deposit - sum);
    }
}
