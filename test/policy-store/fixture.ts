import { mkdirSync, mkdtempSync, rmSync, writeFileSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Log } from '../../src/log.ts'
import { FolderSource } from '../../src/policy-store/folder-source.ts'
import { KeptPolicies } from '../../src/policy-store/kept-policies.ts'
import type { PolicyChange } from '../../src/policy-store/policy-change.ts'
import type { Clocks } from '../../src/clocks.ts'
import { PolicyKeeper, type PolicyKeeperParts } from '../../src/policy-store/policy-keeper.ts'
import type { PolicySnapshot } from '../../src/policy-store/policy-snapshot.ts'

export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} }

export function policyText(name: string, spec: object = {}): string {
  return JSON.stringify({
    apiVersion: 'policy.trow.io/v1alpha1',
    kind: 'TrowPolicy',
    metadata: { name },
    spec: { mode: 'enforce', default: 'pass', ...spec },
  })
}

export function exceptionText(name: string, expires: number): string {
  return JSON.stringify({
    apiVersion: 'policy.trow.io/v1alpha1',
    kind: 'TrowException',
    metadata: { name },
    spec: {
      policies: ['production'],
      images: [{ scope: 'quay.io/legacy' }],
      namespaces: ['*'],
      reason: 'hotfix',
      expires: new Date(expires).toISOString(),
    },
  })
}

/** A clock that the test sets. */
export class SetClocks implements Clocks {
  #wall: number
  #monotonic = 0

  constructor(wall: number) {
    this.#wall = wall
  }

  wall(): number {
    return this.#wall
  }

  monotonic(): number {
    return this.#monotonic
  }

  pass(milliseconds: number): void {
    this.#wall += milliseconds
    this.#monotonic += milliseconds
  }

  jump(milliseconds: number): void {
    this.#wall += milliseconds
  }
}

/** A folder of policies and the stored state, on which keepers run one after another. */
export class KeeperFixture {
  readonly root = mkdtempSync(join(tmpdir(), 'trow-keeper-'))
  readonly policies = join(this.root, 'policies')
  readonly kept = join(this.root, 'kept')
  readonly published: PolicySnapshot[] = []
  readonly changes: PolicyChange[] = []
  #keeper: PolicyKeeper | undefined

  constructor() {
    mkdirSync(this.policies)
  }

  write(name: string, text: string): void {
    const part = join(this.root, 'part')
    writeFileSync(part, text)
    renameSync(part, join(this.policies, name))
  }

  start(
    clocks: Clocks = { wall: Date.now, monotonic: () => performance.now() },
    more: Partial<PolicyKeeperParts> = {},
  ): PolicyKeeper {
    this.#keeper = new PolicyKeeper({
      source: new FolderSource(this.policies),
      kept: new KeptPolicies(this.kept),
      judge: { ownHosts: new Set(), shortNames: 'docker.io', noPolicy: 'allow' },
      exceptions: { longestException: 90 * 86_400_000, requireTicket: false },
      clocks,
      publish: (snapshot) => {
        this.published.push(structuredClone(snapshot))
        return Promise.resolve()
      },
      record: (changes) => {
        this.changes.push(...changes)
        return Promise.resolve()
      },
      log: quiet,
      ...more,
    })
    this.#keeper.start()
    return this.#keeper
  }

  async stop(): Promise<void> {
    await this.#keeper?.close()
    this.#keeper = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** Resolves when the condition holds; throws after `limit` milliseconds. */
export async function until(holds: () => boolean, limit = 5000): Promise<void> {
  for (const end = performance.now() + limit; !holds();) {
    if (performance.now() > end) throw new Error('it did not come to hold')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
