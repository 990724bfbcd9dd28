// Writes a .br beside every file of the page that gets smaller by it. `node compress.mjs JOB.json`, JOB: {dist}
// For static hosts. On one's own machine the plain file is faster: nothing has to be unpacked.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const { dist } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const SMALL = 512; // bytes: not worth a second file
const QUALITY = 9; // 11 takes ten times as long for an eighth less

for (const name of readdirSync(dist, { recursive: true })) {
  const file = path.join(dist, name);
  if (!/\.(js|mjs|css|html|json|svg|wasm|bin)$/.test(name) || existsSync(`${file}.br`)) continue;
  const plain = readFileSync(file);
  if (plain.length < SMALL) continue;
  const params = { [constants.BROTLI_PARAM_QUALITY]: QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: plain.length };
  writeFileSync(`${file}.br`, brotliCompressSync(plain, { params }));
}
