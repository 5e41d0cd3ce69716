import assert from 'node:assert/strict'
import type { PoliciesOfNow, PolicyFeed } from '../../src/enforcement/policy-feed.ts'
import type { MetadataStore } from '../../src/metadata/metadata-store.ts'
import { loadPolicyDocuments } from '../../src/policy/policy-documents.ts'
import { PolicySet, type JudgeSettings } from '../../src/policy/policy-set.ts'
import { usualLongestException } from '../../src/policy/trow-exception.ts'
import { exception as anyException, policy as anyPolicy } from '../policy/fixtures.ts'

const settings: JudgeSettings = {
  ownHosts: new Set(['trow.example']),
  shortNames: 'docker.io',
  noPolicy: 'allow',
}

/** Policies that a test sets, in force immediately. */
export class TestFeed implements PolicyFeed {
  current: PoliciesOfNow | undefined = {
    set: new PolicySet([], [], settings),
    generation: 0,
    registryGeneration: 0,
  }
  readonly #metadata: MetadataStore
  readonly #now: () => number
  #waiting: (() => void)[] = []

  constructor(metadata: MetadataStore, now: () => number = Date.now) {
    this.#metadata = metadata
    this.#now = now
  }

  /** Sets the policies; as in the server, the writer receives the generation first. */
  async set(documents: readonly unknown[], given: Partial<JudgeSettings> = {}): Promise<void> {
    await this.announce((this.current?.generation ?? 0) + 1)
    this.learn(documents, given)
  }

  /** Notifies only the writer. */
  announce(generation: number): Promise<void> {
    const { policy } = this.#metadata
    assert.ok(policy.kind === 'own')
    return policy.setGeneration(generation)
  }

  learn(documents: readonly unknown[], given: Partial<JudgeSettings> = {}): void {
    const { policies, exceptions, problems } = loadPolicyDocuments(documents, {
      ownHosts: settings.ownHosts,
      now: this.#now(),
      longestException: usualLongestException,
      requireTicket: false,
    })
    assert.deepEqual(problems, [])
    const generation = (this.current?.generation ?? 0) + 1
    this.current = {
      set: new PolicySet(policies, exceptions, { ...settings, ...given }),
      generation,
      registryGeneration: generation,
    }
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async newerThan(generation: number, limit: number): Promise<void> {
    if ((this.current?.generation ?? -1) > generation) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limit)
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }
}

type Fields = Readonly<Record<string, unknown>>

/** An enforced policy that passes what no rule covers. */
export function policy(spec: Fields, name = 'p'): Fields {
  return anyPolicy({ default: 'pass', ...spec }, name)
}

export function denying(digest: string, more: Fields = {}, name = 'p'): Fields {
  return policy({ deny: [{ digest, reason: 'CVE-2024-3094' }], ...more }, name)
}

/** An exception to policy `p` for one day. */
export function exception(spec: Fields, name = 'e'): Fields {
  return anyException({ expires: new Date(Date.now() + 86_400_000).toISOString(), ...spec }, name)
}
