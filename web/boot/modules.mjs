// JavaScript that Python uses: libsodium (X25519, ML-KEM-768, ChaCha20-Poly1305), @noble (Keccak-256, secp256k1, P-256), answers (js/answer).
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import sodium from "libsodium-wrappers";

await sodium.ready;
export { sodium };

const RAW = { prehash: false }; // What is signed is a digest already; noble would hash it once more.

const addressOf = (point) => keccak_256(point.subarray(1)).subarray(12).slice();

/** secp256k1 as Ethereum uses it, bytes in and bytes out: one crossing from Python for each call. Throws where the seat says so. */
export const noble = {
  keccak256: (data) => keccak_256(data),
  address: (key) => addressOf(secp256k1.getPublicKey(key, false)),
  /** r ‖ s ‖ v, v 27 or 28, low s, RFC 6979. */
  sign: (key, digest) => {
    const recovered = secp256k1.sign(digest, key, { ...RAW, format: "recovered", lowS: true });
    const signature = new Uint8Array(65);
    signature.set(recovered.subarray(1));
    signature[64] = 27 + recovered[0];
    return signature;
  },
  recover: (digest, signature) => {
    const v = signature[64];
    if (signature.length !== 65 || (v !== 27 && v !== 28)) throw new Error("malformed signature");
    const recovered = new Uint8Array(65);
    recovered[0] = v - 27;
    recovered.set(signature.subarray(0, 64), 1);
    const parsed = secp256k1.Signature.fromBytes(recovered, "recovered");
    if (parsed.hasHighS()) throw new Error("signature with a high s");
    return addressOf(parsed.recoverPublicKey(digest).toBytes(false));
  },
  /** x ‖ y, message, r ‖ s: ECDSA over SHA-256 of the message, s high or low. False for whatever is malformed. */
  p256: (key, message, signature) => {
    const point = new Uint8Array(65);
    point[0] = 4;
    point.set(key, 1);
    try {
      return p256.verify(signature, message, point, { lowS: false });
    } catch {
      return false;
    }
  },
};

export { render } from "../js/answer/clean.js";
export { fill, speak } from "../js/answer/dress.js";
