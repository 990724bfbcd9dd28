// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

struct Config {
    address payer;
    address signer;
    bytes32 root;
    address token;
    uint32 delay;
    bytes32 salt;
}

struct Claim {
    Config config;
    uint256 cumulative;
    bytes32 leafSalt;
    bytes32[] proof;
    bytes sig;
}

interface Channels {
    function open(Config calldata, uint256 expiry, uint256 amount) external payable returns (bytes32);
    function openPermit(
        Config calldata, uint256 expiry, uint256 amount, uint256 deadline, uint8 v, bytes32 r, bytes32 s
    ) external returns (bytes32);
    function openAuthorized(
        Config calldata,
        uint256 expiry,
        uint256 amount,
        uint256 validAfter,
        uint256 validBefore,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external returns (bytes32);
    function topUp(Config calldata, uint256 newExpiry, uint256 amount) external payable;
    function claim(address payee, address closer, address token, Claim[] calldata) external returns (uint256);
    function claimPacked(address payee, address closer, address token, uint256[5][] calldata)
        external
        returns (uint256);
    function close(address payee, Claim calldata) external;
    function requestClose(Config calldata) external;
    function withdraw(Config calldata) external;
    function channels(bytes32 id) external view returns (uint256);
    function claimedBy(bytes32 id, address payee) external view returns (uint256);
    function idOf(Config calldata) external view returns (bytes32);
}

interface Registry {
    function register(bytes calldata profile) external payable;
    function announce(bytes calldata profile) external;
    function addStake() external payable;
    function requestExit() external;
    function exit() external;
    function count() external view returns (uint256);
    function page(uint256 start, uint256 n) external view returns (address[] memory, uint256[] memory);
    function pageOf(address[] calldata) external view returns (uint256[] memory);
    function minStake() external view returns (uint256);
    function exitDelay() external view returns (uint256);
    function unlockAt(address) external view returns (uint256);
}

/// Deploys creation code as it is, as any client would.
function deploy(bytes memory code) returns (address made) {
    assembly {
        made := create(0, add(code, 32), mload(code))
    }
    require(made.code.length != 0, "deployment failed");
}
