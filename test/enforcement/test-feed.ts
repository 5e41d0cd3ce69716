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

/** Policies as a test says them, in force at once. */
export class TestFeed implements PolicyFeed {
  current: PoliciesOfNow | undefined = { set: new PolicySet([], [], settings), generation: 0 }
  readonly #metadata: MetadataStore
  readonly #now: () => number
  #waiting: (() => void)[] = []

  constructor(metadata: MetadataStore, now: () => number = Date.now) {
    this.#metadata = metadata
    this.#now = now
  }

  /** The writer knows first, as everywhere. `knownHere` false: the thread that judges does not know yet. */
  async set(documents: readonly unknown[], given: Partial<JudgeSettings> = {}): Promise<void> {
    await this.announce((this.current?.generation ?? 0) + 1)
    this.learn(documents, given)
  }

  /** To the writer alone. */
  announce(generation: number): Promise<void> {
    return this.#metadata.policy.setGeneration(generation)
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
    this.current = { set: new PolicySet(policies, exceptions, { ...settings, ...given }), generation }
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

/** Enforced, and passing what no rule covers. */
export function policy(spec: Fields, name = 'p'): Fields {
  return anyPolicy({ default: 'pass', ...spec }, name)
}

export function denying(digest: string, more: Fields = {}, name = 'p'): Fields {
  return policy({ deny: [{ digest, reason: 'CVE-2024-3094' }], ...more }, name)
}

/** Of the policy `p`, for a day. */
export function exception(spec: Fields, name = 'e'): Fields {
  return anyException({ expires: new Date(Date.now() + 86_400_000).toISOString(), ...spec }, name)
}
