// Runs the other people's wallet as it is. It wants a Playwright context in this process; ours is in Python, so what it exposes and
// injects goes over stdin and stdout, a line of JSON each.

import { createInterface } from "node:readline";
import mock from "@johanneskares/wallet-mock";
import { http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { foundry } from "viem/chains";

const [key, rpc] = process.argv.slice(2);
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const exposed = new Map();
const browserContext = {
  exposeFunction: async (name, work) => void exposed.set(name, work),
  addInitScript: async (script, argument) => tell({ script: `(${script})(${JSON.stringify(argument)})`, names: [...exposed.keys()] }),
};

await mock.installMockWallet({
  browserContext,
  account: privateKeyToAccount(key),
  transports: { [foundry.id]: http(rpc) },
  defaultChain: foundry,
});

createInterface({ input: process.stdin }).on("line", async (line) => {
  const { name, argument } = JSON.parse(line);
  try {
    tell({ result: (await exposed.get(name)(argument)) ?? null });
  } catch (fault) {
    tell({ error: { code: fault.code, message: String(fault.message) } });
  }
});
