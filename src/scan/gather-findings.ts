import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ImageVerdict } from '../policy/decide.ts'
import type { Refusal } from '../policy/judge-policy.ts'
import { isUnchecked } from '../policy/reasons.ts'
import type { RunningFinding, RunningFindings } from './running-findings.ts'
import {
  ownerOf,
  type NamespaceImage,
  type PlacedImage,
  type RunningGroup,
  type RunningGroups,
} from './running-groups.ts'
import type { TopOwners } from './top-owners.ts'

export interface Scanned {
  readonly running: RunningGroups
  readonly verdicts: ReadonlyMap<NamespaceImage, ImageVerdict>
  readonly owners: Pick<TopOwners, 'topOf'>
  readonly generation: number
  /** ISO 8601. */
  readonly at: string
  readonly seconds: number
}

type Mode = RunningFinding['mode']

interface Violation {
  readonly placed: PlacedImage
  readonly mode: Mode
  readonly refusal: Refusal
}

/** Findings that are told apart, about 1 KB each. */
const mostFindings = 20_000
/** Entries of what is given out, by those with most pods. */
const mostListed = 500
const mostPolicies = 200
const mostPairs = 500
const mostOwners = 20
const mostTexts = 5
const longestDetail = 300
const groupsOfTurn = 200
const valuesOfTurn = 1000
const severity = { enforce: 0, warn: 1, audit: 2 } as const

/** Gathers what was found by namespace, policy, reason and owner. */
export async function gatherFindings(scanned: Scanned): Promise<RunningFindings> {
  const { running, verdicts, generation, at, seconds } = scanned
  const sums = new Sums()
  for (const [place, group] of running.groups.entries()) {
    if (place % groupsOfTurn === 0) await nextTurn()
    sums.add(group, scanned)
  }
  return {
    at,
    seconds,
    generation,
    pods: running.pods,
    images: verdicts.size,
    notLookedAt: running.leftOut,
    ...(await sums.read()),
  }
}

class Sums {
  #violating = 0
  #unchecked = 0
  #excepted = 0
  readonly #policies = new Map<string, { policy: string; mode: Mode; pods: number; in: Set<string> }>()
  readonly #namespaces = new Map<string, { namespace: string; policy: string; pods: number }>()
  readonly #owners = new Map<string, OwnerSum>()
  readonly #findings = new Map<string, RunningFinding & { pods: number }>()
  #findingsLeftOut = 0

  add(group: RunningGroup, { verdicts, owners }: Scanned): void {
    const judged = group.images.flatMap((placed) => {
      const verdict = verdicts.get(placed.image)
      return verdict === undefined ? [] : { placed, verdict }
    })
    const violations = judged.flatMap(({ placed, verdict }) => violationsOf(placed, verdict))
    const isUncheckable = violations.some(({ refusal }) => isUnchecked(refusal.reason))
    if (isUncheckable || judged.some(({ verdict }) => verdict.unchecked.length > 0))
      this.#unchecked += group.pods
    if (judged.some(({ verdict }) => verdict.excepted.length > 0)) this.#excepted += group.pods
    if (violations.length === 0) return
    const { namespace, pods, isStatic } = group
    this.#violating += pods
    for (const [policy, mode] of new Map(violations.map(({ refusal, mode }) => [refusal.policy, mode]))) {
      const sum = sumOf(this.#policies, JSON.stringify([policy, mode]), () => ({
        policy,
        mode,
        pods: 0,
        in: new Set(),
      }))
      sum.pods += pods
      sum.in.add(namespace)
      sumOf(this.#namespaces, JSON.stringify([namespace, policy]), () => ({
        namespace,
        policy,
        pods: 0,
      })).pods += pods
    }
    const owner = owners.topOf({ namespace, owner: ownerOf(group) })
    const key = [namespace, owner.kind, owner.name]
    const whose = sumOf(this.#owners, JSON.stringify(key), () => ({
      namespace,
      owner,
      isStatic,
      pods: 0,
      policies: new Set(),
      reasons: new Set(),
    }))
    whose.pods += pods
    for (const { refusal } of violations) {
      whose.policies.add(refusal.policy)
      whose.reasons.add(refusal.reason)
    }
    // One pod counts once for each finding, however many of its containers have it.
    const once = new Map(
      violations.map((each) => [JSON.stringify([...key, each.refusal.policy, each.refusal.reason]), each]),
    )
    for (const [id, { placed, mode, refusal }] of once) {
      const known = this.#findings.get(id)
      if (known !== undefined) known.pods += pods
      else if (this.#findings.size >= mostFindings) this.#findingsLeftOut++
      else
        this.#findings.set(id, {
          namespace,
          policy: refusal.policy,
          mode,
          reason: refusal.reason,
          detail: cut(refusal.detail, longestDetail),
          owner,
          isStatic,
          pods,
          image: cut(placed.image.name ?? '', longestDetail),
          imageId: cut(placed.image.imageId, longestDetail),
          place: placed.place,
          pod: group.example.name,
          node: group.example.node,
        })
    }
  }

  async read(): Promise<
    Omit<RunningFindings, 'at' | 'seconds' | 'generation' | 'pods' | 'images' | 'notLookedAt'>
  > {
    const policies = await first(mostPolicies, this.#policies.values(), (a, b) => b.pods - a.pods)
    const namespaces = await first(mostPairs, this.#namespaces.values(), (a, b) => b.pods - a.pods)
    const owners = await first(mostOwners, this.#owners.values(), (a, b) => b.pods - a.pods)
    const findings = await first(
      mostListed,
      this.#findings.values(),
      (a, b) => severity[a.mode] - severity[b.mode] || b.pods - a.pods,
    )
    return {
      violating: this.#violating,
      unchecked: this.#unchecked,
      excepted: this.#excepted,
      policies: policies.map(({ in: within, ...sum }) => ({ ...sum, namespaces: within.size })),
      namespaces,
      owners: owners.map(({ policies: by, reasons, ...sum }) => ({
        ...sum,
        policies: [...by].slice(0, mostTexts),
        reasons: [...reasons].slice(0, mostTexts),
      })),
      findings,
      leftOut: {
        policies: this.#policies.size - policies.length,
        namespaces: this.#namespaces.size - namespaces.length,
        findings: this.#findingsLeftOut + this.#findings.size - findings.length,
      },
    }
  }
}

interface OwnerSum {
  readonly namespace: string
  readonly owner: RunningFinding['owner']
  readonly isStatic: boolean
  pods: number
  readonly policies: Set<string>
  readonly reasons: Set<string>
}

function violationsOf(placed: PlacedImage, { refusals, warnings, wouldDeny }: ImageVerdict): Violation[] {
  const as =
    (mode: Mode) =>
    (refusal: Refusal): Violation => ({ placed, mode, refusal })
  return [...refusals.map(as('enforce')), ...warnings.map(as('warn')), ...wouldDeny.map(as('audit'))]
}

function sumOf<Sum>(sums: Map<string, Sum>, key: string, make: () => Sum): Sum {
  let sum = sums.get(key)
  if (sum === undefined) sums.set(key, (sum = make()))
  return sum
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`.toWellFormed()
}

/** The first of them in their order; equal ones as they came. */
async function first<Value>(
  count: number,
  values: Iterable<Value>,
  order: (a: Value, b: Value) => number,
): Promise<Value[]> {
  const found: Value[] = []
  let looked = 0
  for (const value of values) {
    if (++looked % valuesOfTurn === 0) await nextTurn()
    const last = found.at(-1)
    if (found.length === count && last !== undefined && order(last, value) <= 0) continue
    const place = found.findLastIndex((each) => order(each, value) <= 0) + 1
    found.splice(place, 0, value)
    if (found.length > count) found.pop()
  }
  return found
}
