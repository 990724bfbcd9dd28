// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// Trees of payees, by the rules of the contract: leaf = keccak(0x00 | payee | closer | salt), node = keccak(min | max).
/// A comb of n leaves has them at depths 1, 2, ..., n - 1, n - 1; one leaf alone is the root.
library Tree {
    function leaf(address payee, address closer, bytes32 salt) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0), payee, closer, salt));
    }

    function node(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return uint256(a) < uint256(b) ? keccak256(abi.encodePacked(a, b)) : keccak256(abi.encodePacked(b, a));
    }

    /// Leaves are hashed into their root from the deepest upwards.
    function combRoot(bytes32[] memory leaves) internal pure returns (bytes32 root) {
        root = leaves[leaves.length - 1];
        for (uint256 i = leaves.length - 1; i > 0; i--) root = node(leaves[i - 1], root);
    }

    /// The siblings of leaf `i`, from the leaf to the root.
    function combProof(bytes32[] memory leaves, uint256 i) internal pure returns (bytes32[] memory proof) {
        uint256 last = leaves.length - 1;
        proof = new bytes32[](combDepth(leaves.length, i));
        if (last == 0) return proof;
        uint256 above = i;
        if (i == last) {
            proof[0] = leaves[last - 1];
            above = last - 1;
        } else {
            bytes32 below = leaves[last];
            for (uint256 k = last; k > i + 1; k--) below = node(leaves[k - 1], below);
            proof[0] = below;
        }
        for (uint256 k = 0; k < above; k++) proof[1 + k] = leaves[above - 1 - k];
    }

    function combDepth(uint256 size, uint256 i) internal pure returns (uint256) {
        return i == size - 1 ? i : i + 1;
    }

    /// The root of four leaves at depth 2.
    function squareRoot(bytes32[] memory leaves) internal pure returns (bytes32) {
        return node(node(leaves[0], leaves[1]), node(leaves[2], leaves[3]));
    }

    function squareProof(bytes32[] memory leaves, uint256 i) internal pure returns (bytes32[] memory proof) {
        proof = new bytes32[](2);
        proof[0] = leaves[i ^ 1];
        proof[1] = i < 2 ? node(leaves[2], leaves[3]) : node(leaves[0], leaves[1]);
    }
}
