// The demo's wallet: for visitors without one. It announces itself by EIP-6963 like any other, and signs for real (EIP-1559, secp256k1),
// with a throwaway key that the demo funded on a chain of its own. Nothing on that chain is worth anything. Only the demo's page loads it.

import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";

const ID = "org.tallystick.demo";
const REMEMBERED = "demo-wallet-connected";
const ICON =
  "data:image/svg+xml," +
  encodeURIComponent(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#86551f"/>' +
      '<path fill="#ecd6b6" d="M6 10h5l2 3 2-3h3l2 3 2-3h4v5H6zM11 17h15v5h-4l-2-3-2 3h-3l-2-3-2 3z"/></svg>',
  );

const fault = (code, message) => Object.assign(new Error(message), { code });
const hex = (bytes) => "0x" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const bytes = (text) => Uint8Array.from((text.slice(2).match(/../g) ?? []).map((pair) => parseInt(pair, 16)));

/** A number as the shortest big-endian bytes; zero is empty (RLP). */
const number = (value) => {
  const text = BigInt(value).toString(16);
  return text === "0" ? new Uint8Array() : bytes("0x" + (text.length % 2 ? "0" : "") + text);
};

const join = (parts) => {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

const prefix = (size, short, long) => {
  if (size < 56) return Uint8Array.of(short + size);
  const length = number(size);
  return join([Uint8Array.of(long + length.length), length]);
};

/** RLP (Ethereum yellow paper, appendix B) of bytes and nested lists. */
const rlp = (value) => {
  if (value instanceof Uint8Array) {
    return value.length === 1 && value[0] < 0x80 ? value : join([prefix(value.length, 0x80, 0xb7), value]);
  }
  const body = join(value.map(rlp));
  return join([prefix(body.length, 0xc0, 0xf7), body]);
};

const addressOf = (key) => hex(keccak_256(secp256k1.getPublicKey(key, false).subarray(1)).subarray(12));

class Chain {
  constructor(url) {
    this.url = url;
    this.next = 1;
  }

  async request(method, params = []) {
    const body = JSON.stringify({ jsonrpc: "2.0", id: this.next++, method, params });
    let answer;
    try {
      answer = await fetch(this.url, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    } catch {
      throw fault(4900, "the demo chain cannot be reached");
    }
    const { result, error } = await answer.json();
    if (error) throw Object.assign(fault(error.code, error.message), { data: error.data });
    return result;
  }
}

class DemoWallet {
  #key;

  constructor(site) {
    this.#key = bytes(site.demo.key);
    this.chainId = "0x" + Number(site.chain_id).toString(16);
    this.account = addressOf(this.#key);
    this.chain = new Chain([site.rpc].flat()[0]);
    this.own = {
      eth_requestAccounts: () => this.connect(),
      eth_accounts: () => (sessionStorage.getItem(REMEMBERED) ? [this.account] : []),
      eth_chainId: () => this.chainId,
      wallet_switchEthereumChain: ([wanted]) => this.switch(wanted),
      wallet_addEthereumChain: ([wanted]) => this.switch(wanted),
      eth_sendTransaction: ([call]) => this.send(call),
    };
  }

  async request({ method, params = [] }) {
    const own = this.own[method];
    if (own) return own(params);
    if (/^(personal_|wallet_|eth_sign)/.test(method)) throw fault(4200, `the demo wallet cannot do ${method}`);
    return this.chain.request(method, params);
  }

  on() {
    // Account and chain never change here.
  }

  removeListener() {}

  connect() {
    sessionStorage.setItem(REMEMBERED, "1");
    return [this.account];
  }

  switch(wanted) {
    if (BigInt(wanted.chainId) !== BigInt(this.chainId)) throw fault(4902, "the demo wallet knows its own chain only");
    return null;
  }

  async send(call) {
    const [nonce, price, gas] = await Promise.all([
      this.chain.request("eth_getTransactionCount", [this.account, "pending"]),
      this.chain.request("eth_gasPrice"),
      this.chain.request("eth_estimateGas", [{ ...call, from: this.account }]),
    ]);
    const fields = [
      number(this.chainId),
      number(nonce),
      number(1_000_000_000),
      number(BigInt(price) * 2n + 1_000_000_000n),
      number((BigInt(gas) * 5n) / 4n),
      call.to ? bytes(call.to) : new Uint8Array(),
      number(call.value ?? "0x0"),
      bytes(call.data ?? "0x"),
      [],
    ];
    return this.chain.request("eth_sendRawTransaction", [hex(this.sign(fields))]);
  }

  /** EIP-1559: 0x02 followed by the fields and the signature over them. */
  sign(fields) {
    const type = Uint8Array.of(2);
    const digest = keccak_256(join([type, rlp(fields)]));
    const signature = secp256k1.sign(digest, this.#key, { prehash: false, lowS: true, format: "recovered" });
    const signed = [...fields, number(signature[0]), number(hex(signature.subarray(1, 33))), number(hex(signature.subarray(33)))];
    return join([type, rlp(signed)]);
  }
}

/** Announces the wallet, now and whenever a page asks. `site` is /tallystick.json. */
export const announce = (site) => {
  const provider = new DemoWallet(site);
  const info = Object.freeze({ uuid: crypto.randomUUID(), name: "Demo wallet (worthless money)", icon: ICON, rdns: ID });
  const tell = () => dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info, provider }) }));
  addEventListener("eip6963:requestProvider", tell);
  tell();
};
