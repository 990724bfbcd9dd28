// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {Channels, deploy} from "../Tallystick.sol";
import {vm} from "../Vm.sol";

/// The contract under proof: the creation code that is deployed, handed in by the tests.
abstract contract Setting {
    uint256 constant MAX = type(uint112).max;
    address constant PAYEE = address(0xBEEF);
    address constant CLOSER = address(0xC105);
    Channels channels;

    function setUp() public {
        channels = Channels(deploy(vm.envBytes("CHANNELS")));
    }

    /// A voucher's digest, computed here.
    function digestOf(bytes32 id, address payee, uint256 total) internal view returns (bytes32) {
        bytes32 kind = keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 voucher = keccak256("Voucher(bytes32 channelId,address payee,uint256 cumulative)");
        bytes32 domain = keccak256(
            abi.encode(kind, keccak256("Tallystick Channels"), keccak256("1"), block.chainid, address(channels))
        );
        return keccak256(abi.encodePacked(hex"1901", domain, keccak256(abi.encode(voucher, id, payee, total))));
    }
}
