// An EVM behind standard input and output: one JSON request a line, one JSON answer a line, in order.
// tests/contracts/ethereumjs.py speaks to it. Numbers are 0x hex both ways; a request that cannot be carried out
// is answered by {"error": text}. The state lives in memory; every transaction is a block.
import { createInterface } from 'node:readline'

import { createBlock } from '@ethereumjs/block'
import { createCustomCommon, Mainnet } from '@ethereumjs/common'
import { SimpleStateManager } from '@ethereumjs/statemanager'
import { createLegacyTx } from '@ethereumjs/tx'
import { Account, bytesToHex, createAddressFromString, hexToBytes } from '@ethereumjs/util'
import { createVM, runTx } from '@ethereumjs/vm'

const VIEW_GAS = 30_000_000n
const BLOCK_GAS = 30_000_000n

const options = JSON.parse(process.argv[2])
const common = createCustomCommon({ chainId: Number(options.chainId) }, Mainnet, { hardfork: options.hardfork })
const state = new SimpleStateManager({ common })
const vm = await createVM({ common, stateManager: state })

let now = BigInt(options.timestamp)
let number = 0n
let next = null // the next block's timestamp, where travel set it
const kept = [] // what snapshots remember beside the state

const quantity = (value) => `0x${value.toString(16)}`
const followingTime = () => next ?? now + 1n

function followingBlock() {
  const header = { number: number + 1n, timestamp: followingTime(), gasLimit: BLOCK_GAS, baseFeePerGas: 0n }
  return createBlock({ header }, { common })
}

// The journal forgets which addresses are warm, and the transient storage goes: between transactions nothing stays.
async function forget() {
  await vm.evm.journal.cleanup()
  vm.evm.transientStorage.clear()
  state.originalStorageCache.clear()
}

function receipt(result) {
  const logs = result.receipt.logs.map(([address, topics, data]) => [
    bytesToHex(address),
    topics.map(bytesToHex),
    bytesToHex(data),
  ])
  return {
    ok: result.execResult.exceptionError === undefined,
    gas: quantity(result.totalGasSpent),
    block: quantity(number),
    logs,
    created: result.createdAddress?.toString() ?? null,
  }
}

const does = {
  async transact({ from, to, data, value, gas }) {
    const sender = createAddressFromString(from)
    const nonce = (await state.getAccount(sender))?.nonce ?? 0n
    const fields = { nonce, gasPrice: 0n, gasLimit: BigInt(gas), value: BigInt(value), data: hexToBytes(data) }
    const tx = createLegacyTx(to ? { ...fields, to } : fields, { common, freeze: false })
    // Anyone may send: there is no key behind these accounts.
    tx.getSenderAddress = () => sender
    tx.isSigned = () => true
    const result = await runTx(vm, { tx, block: followingBlock() })
    now = followingTime()
    number += 1n
    next = null
    vm.evm.transientStorage.clear()
    return receipt(result)
  },

  async view({ from, to, data, value }) {
    const [caller, target] = [createAddressFromString(from), createAddressFromString(to)]
    await forget()
    await state.checkpoint()
    try {
      const { execResult } = await vm.evm.runCall({
        caller,
        to: target,
        data: hexToBytes(data),
        value: BigInt(value),
        gasLimit: VIEW_GAS,
        block: followingBlock(),
      })
      const returned = bytesToHex(execResult.returnValue)
      const error = execResult.exceptionError?.error
      if (error === undefined) return { data: returned }
      return { failed: String(error), revert: error === 'revert' ? returned : '0x' }
    } finally {
      await forget()
      await state.revert()
    }
  },

  async balance({ address }) {
    return quantity((await state.getAccount(createAddressFromString(address)))?.balance ?? 0n)
  },

  async give({ address, wei }) {
    const place = createAddressFromString(address)
    const account = (await state.getAccount(place)) ?? new Account()
    account.balance = BigInt(wei)
    await state.putAccount(place, account)
    return null
  },

  async code({ address }) {
    return bytesToHex(await state.getCode(createAddressFromString(address)))
  },

  async etch({ address, code }) {
    const place = createAddressFromString(address)
    if ((await state.getAccount(place)) === undefined) await state.putAccount(place, new Account())
    await state.putCode(place, hexToBytes(code))
    return null
  },

  now: () => quantity(now),
  chainId: () => quantity(common.chainId()),

  travel({ timestamp }) {
    next = BigInt(timestamp)
    return null
  },

  async snapshot() {
    kept.push([now, number, next])
    await state.checkpoint()
    return null
  },

  async revert() {
    ;[now, number, next] = kept.pop()
    await forget()
    await state.revert()
    return null
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { method, ...request } = JSON.parse(line)
  let answer
  try {
    answer = { result: await does[method](request) }
  } catch (error) {
    answer = { error: String(error?.message ?? error) }
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}
