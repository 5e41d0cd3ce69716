import assert from 'node:assert/strict'
import type { Digest } from '../../src/oci/digest.ts'
import { decide, type Answer, type JudgeRequest, type RequestedImage } from '../../src/policy/decide.ts'
import type { ContentFact, ImageContent } from '../../src/policy/image-content.ts'
import type { FloorPolicies } from '../../src/policy/floor/floor-parameters.ts'
import { loadPolicyDocuments } from '../../src/policy/policy-documents.ts'
import { printPath } from '../../src/policy/load-problem.ts'
import { PolicySet, type JudgeSettings } from '../../src/policy/policy-set.ts'
import { usualLongestException, type ExceptionSettings } from '../../src/policy/trow-exception.ts'

export const now = Date.parse('2026-11-23T00:00:00Z')
export const day = 86_400_000

export const settings: JudgeSettings = {
  ownHosts: new Set(['trow.local:31000', '127.0.0.1:31000']),
  shortNames: 'docker.io',
  noPolicy: 'allow',
}

export const loading: ExceptionSettings = {
  ownHosts: settings.ownHosts,
  now,
  longestException: usualLongestException,
  requireTicket: false,
}

export function digest(letter: string): Digest {
  return `sha256:${letter.repeat(64)}` as Digest
}

type Fields = Readonly<Record<string, unknown>>

export function policy(spec: Fields, name = 'p'): Fields {
  return {
    apiVersion: 'policy.trow.io/v1alpha1',
    kind: 'TrowPolicy',
    metadata: { name },
    spec: { mode: 'enforce', default: 'deny', ...spec },
  }
}

export function exception(spec: Fields, name = 'e'): Fields {
  return {
    apiVersion: 'policy.trow.io/v1alpha1',
    kind: 'TrowException',
    metadata: { name },
    spec: {
      policies: ['p'],
      namespaces: ['*'],
      reason: 'hotfix',
      expires: '2026-12-01T00:00:00Z',
      ...spec,
    },
  }
}

/** The problems of a document, `PATH: MESSAGE`. */
export function problemsOf(document: unknown, given: Partial<ExceptionSettings> = {}): string[] {
  return loadPolicyDocuments([document], { ...loading, ...given }).problems.map(
    ({ path, message }) => `${printPath(path)}: ${message}`,
  )
}

export function makeSet(documents: readonly unknown[], given: Partial<JudgeSettings> = {}): PolicySet {
  const all = makePolicies(documents, given)
  const set = new PolicySet(all.policies, all.exceptions, all.settings)
  madeOf.set(set, all)
  return set
}

/** What a set of `makeSet` was made of, for other judges. */
export function policiesOf(set: PolicySet): FloorPolicies {
  const all = madeOf.get(set)
  assert.ok(all !== undefined)
  return all
}

export function makePolicies(
  documents: readonly unknown[],
  given: Partial<JudgeSettings> = {},
): FloorPolicies {
  const { policies, exceptions, problems } = loadPolicyDocuments(documents, loading)
  assert.deepEqual(problems, [])
  return { policies, exceptions, settings: { ...settings, ...given } }
}

const madeOf = new WeakMap<PolicySet, FloorPolicies>()

export function content(parts: Partial<ImageContent> = {}): ContentFact {
  return {
    kind: 'known',
    content: {
      digests: [digest('c')],
      contains: [],
      platforms: ['linux/amd64'],
      listedBy: [],
      size: 1000,
      isEvidence: false,
      ...parts,
    },
  }
}

interface Ask extends Partial<Omit<RequestedImage, 'name'>> {
  readonly point?: JudgeRequest['point']
  readonly namespace?: string | undefined
  readonly now?: number
}

/** What was asked by `ask`. */
export interface Question extends JudgeRequest {
  readonly set: PolicySet
  readonly now: number
}

/** Everything that the tables of this process have asked, for tests that ask another judge the same. */
export const questions: Question[] = []

/** The answer for one image, by default at admission in the namespace `default`. */
export function ask(set: PolicySet, name: unknown, parts: Ask = {}): Answer {
  const { point = 'admission', now: at = now, ...image } = parts
  const namespace = 'namespace' in parts ? parts.namespace : 'default'
  questions.push({
    set,
    now: at,
    point,
    namespace,
    images: [{ place: 'app', name, fact: undefined, ...image }],
  })
  return decide({ point, namespace, images: [{ place: 'app', name, fact: undefined, ...image }] }, set, at)
}

/** `allow`, `needs`, or the reason codes of the refusals. */
export function verdict(set: PolicySet, name: unknown, parts: Ask = {}): string {
  return printed(ask(set, name, parts))
}

export function printed(answer: Answer): string {
  if (answer.kind !== 'deny') return answer.kind
  return answer.verdicts.flatMap(({ refusals }) => refusals.map(({ reason }) => reason)).join(' ')
}
