// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// An ERC-20 with EIP-2612 and EIP-3009 that may keep a fee, and that calls back from every transfer.
contract Token {
    string public constant name = "Tally";
    bytes32 constant PERMIT =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
    bytes32 constant RECEIVE = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 public immutable DOMAIN_SEPARATOR;

    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    mapping(address => uint256) public nonces;
    mapping(address => mapping(bytes32 => bool)) public used;
    uint256 public fee;
    address public target;
    bytes public message;
    uint256 public attempts;
    uint256 public hits;

    constructor() {
        DOMAIN_SEPARATOR = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256(bytes(name)),
                keccak256("1"),
                block.chainid,
                address(this)
            )
        );
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function setFee(uint256 amount) external {
        fee = amount;
    }

    function arm(address target_, bytes calldata message_) external {
        (target, message) = (target_, message_);
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
        return true;
    }

    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
    {
        require(block.timestamp <= deadline, "late");
        bytes32 hash = keccak256(abi.encode(PERMIT, owner, spender, value, nonces[owner]++, deadline));
        require(owner != address(0) && ecrecover(digest(hash), v, r, s) == owner, "permit");
        allowance[owner][spender] = value;
    }

    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        require(to == msg.sender && block.timestamp > validAfter && block.timestamp < validBefore, "time");
        require(!used[from][nonce], "used");
        used[from][nonce] = true;
        bytes32 hash = keccak256(abi.encode(RECEIVE, from, to, value, validAfter, validBefore, nonce));
        require(from != address(0) && ecrecover(digest(hash), v, r, s) == from, "authorization");
        _move(from, to, value);
    }

    function permitDigest(address owner, address spender, uint256 value, uint256 deadline)
        external
        view
        returns (bytes32)
    {
        return digest(keccak256(abi.encode(PERMIT, owner, spender, value, nonces[owner], deadline)));
    }

    function receiveDigest(address from, address to, uint256 value, uint256 validBefore, bytes32 nonce)
        external
        view
        returns (bytes32)
    {
        return digest(keccak256(abi.encode(RECEIVE, from, to, value, 0, validBefore, nonce)));
    }

    function digest(bytes32 hash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", DOMAIN_SEPARATOR, hash));
    }

    function _move(address from, address to, uint256 amount) internal {
        balanceOf[from] -= amount;
        balanceOf[to] += amount - fee;
        if (target == address(0)) return;
        attempts++;
        (bool ok,) = target.call(message);
        if (ok) hits++;
    }
}

/// A payee that calls back whenever it is paid in native coin.
contract CallsBack {
    address public target;
    bytes public message;
    uint256 public attempts;
    uint256 public hits;

    function arm(address target_, bytes calldata message_) external {
        (target, message) = (target_, message_);
    }

    receive() external payable {
        if (target == address(0)) return;
        attempts++;
        (bool ok,) = target.call(message);
        if (ok) hits++;
    }
}
