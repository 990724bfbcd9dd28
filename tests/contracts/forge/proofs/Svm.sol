// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// The cheat codes of halmos that are used here.
interface Svm {
    function createBytes(uint256 size, string memory name) external pure returns (bytes memory);
    function enableSymbolicStorage(address account) external;
}

Svm constant svm = Svm(0xF3993A62377BCd56AE39D773740A5390411E8BC9);
