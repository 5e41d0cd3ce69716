import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Digest } from '../src/oci/digest.ts'
import { decide, type JudgeRequest, type RequestedImage } from '../src/policy/decide.ts'
import type { ImageContent } from '../src/policy/image-content.ts'
import { loadPolicyDocuments } from '../src/policy/policy-documents.ts'
import { PolicySet } from '../src/policy/policy-set.ts'
import { usualLongestException } from '../src/policy/trow-exception.ts'

/** What the judge costs, beside what reading the same policy as JSON costs. */
export interface PolicyResult {
  readonly what: string
  /** Milliseconds; `goal` undefined: for comparison only. */
  readonly p50: number
  readonly p99: number
  readonly goal: { readonly p50?: number; readonly p99?: number } | undefined
  /** p50 by that of `JSON.parse` of the policy, or by that of one rule. */
  readonly ratio: string
}

const count = 10_000
const imagesOfPod = 20
const settings = { ownHosts: new Set(['trow.example']), shortNames: 'docker.io', noPolicy: 'allow' } as const
const loading = { ...settings, now: 0, longestException: usualLongestException, requireTicket: false }

export function measurePolicy(folder: string): readonly PolicyResult[] {
  const file = join(folder, 'policy.json')
  writeFileSync(file, JSON.stringify(largePolicy('deny')))
  const text = readFileSync(file, 'utf8')
  const parse = measure(60, () => JSON.parse(text))
  const load = measure(60, () => makeSet(JSON.parse(text)))
  const [large, small] = [makeSet(JSON.parse(text)), makeSet(policyOf(1, 'deny'))]
  const pods = Array.from({ length: 500 }, (_, pod) => podOf(pod))
  const rows = [
    { what: `decide, ${imagesOfPod} images, ${count} rules and denied digests`, set: large, requests: pods },
    { what: `decide, ${imagesOfPod} images, 1 rule and denied digest`, set: small, requests: pods },
    { what: `decide, ${imagesOfPod} hostile names, ${count} rules`, set: large, requests: [hostilePod()] },
  ]
  const decided = rows.map(({ what, set, requests }) => {
    const each = measure(20_000, (turn) => decide(requests[turn % requests.length] as JudgeRequest, set, 0))
    return { what, ...each }
  })
  const base = decided[1]?.p50 ?? NaN
  return [
    {
      what: `JSON.parse of the policy (${(text.length / 1e6).toFixed(2)} MB)`,
      ...parse,
      goal: undefined,
      ratio: '1',
    },
    {
      what: 'JSON.parse, checked, made ready',
      ...load,
      goal: { p50: 200 },
      ratio: `${(load.p50 / parse.p50).toFixed(1)} JSON.parse`,
    },
    ...decided.map(({ what, p50, p99 }, place) => ({
      what,
      p50,
      p99,
      goal: place === 0 ? { p50: 0.3, p99: 1 } : undefined,
      ratio: `${(p50 / base).toFixed(2)} of 1 rule`,
    })),
  ]
}

export function printPolicy(results: readonly PolicyResult[]): string {
  const lines = ['| what | p50 ms | p99 ms | goal p50 | goal p99 | ratio |', '|---|---:|---:|---:|---:|---:|']
  for (const { what, p50, p99, goal, ratio } of results)
    lines.push(
      `| ${what} | ${p50.toFixed(3)} | ${p99.toFixed(3)} | ${goal?.p50 ?? ''} | ${goal?.p99 ?? ''} | ${ratio} |`,
    )
  return lines.join('\n')
}

/** After a tenth of the turns unmeasured. */
function measure(
  turns: number,
  work: (turn: number) => unknown,
): { readonly p50: number; readonly p99: number } {
  for (let turn = 0; turn < turns / 10; turn++) work(turn)
  const times: number[] = []
  for (let turn = 0; turn < turns; turn++) {
    const begun = performance.now()
    work(turn)
    times.push(performance.now() - begun)
  }
  times.sort((a, b) => a - b)
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? NaN
  return { p50: at(0.5), p99: at(0.99) }
}

function makeSet(value: unknown): PolicySet {
  const { policies, exceptions, problems } = loadPolicyDocuments([value], loading)
  if (problems.length > 0) throw new Error(JSON.stringify(problems))
  return new PolicySet(policies, exceptions, settings)
}

/** 10,000 rules and 10,000 denied digests, in one object. */
export function largePolicy(otherwise: 'deny' | 'pass'): object {
  return policyOf(count, otherwise)
}

function policyOf(rules: number, otherwise: 'deny' | 'pass'): object {
  return {
    apiVersion: 'policy.trow.io/v1alpha1',
    kind: 'TrowPolicy',
    metadata: { name: 'bench' },
    spec: {
      mode: 'enforce',
      default: otherwise,
      deny: Array.from({ length: rules }, (_, each) => ({ digest: digestOf(each), reason: 'CVE' })),
      rules: Array.from({ length: rules }, (_, each) => ({
        scope: each % 4 === 3 ? `*.d${each}.example` : `${each % 4 === 2 ? '@trow' : 'ghcr.io'}/app${each}`,
        ...(each % 8 === 1 ? { require: { digest: true } } : { unverified: true }),
      })),
    },
  }
}

function podOf(pod: number): JudgeRequest {
  return request(
    Array.from({ length: imagesOfPod }, (_, image) => {
      const each = (pod * imagesOfPod + image) % count
      const name = [
        `ghcr.io/app${each}:v1`,
        `GHCR.io:443/app${each}/part@${digestOf(each + 2 * count)}`,
        `trow.example/app${each}:v1`,
        `a.b.d${each}.example/x/y:v1`,
        'nginx',
      ][each % 5]
      return { place: `c${image}`, name, fact: { kind: 'known', content: contentOf(each) } }
    }),
  )
}

/** Names that have as many parts as a name can have. */
function hostilePod(): JudgeRequest {
  const host = `${'a.'.repeat(120)}d3.example`
  const path = Array.from({ length: 127 }, () => 'a').join('/')
  return request(
    Array.from({ length: imagesOfPod }, (_, image) => ({
      place: `c${image}`,
      name: image % 2 === 0 ? `${host}/${path}` : '-'.repeat(10_000),
      fact: undefined,
    })),
  )
}

function request(images: readonly RequestedImage[]): JudgeRequest {
  return { point: 'admission', namespace: 'default', images }
}

function contentOf(each: number): ImageContent {
  const parts = Array.from({ length: 12 }, (_, part) => digestOf(3 * count + each * 12 + part))
  const digests = [digestOf(each + 2 * count)]
  return { digests, contains: parts, platforms: ['linux/amd64'], listedBy: [], size: 1, isEvidence: false }
}

function digestOf(number: number): Digest {
  return `sha256:${number.toString(16).padStart(64, '0')}` as Digest
}
