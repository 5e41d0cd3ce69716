import { setImmediate as nextTurn } from 'node:timers/promises'
import { deserialize, serialize } from 'node:v8'
import type { Instant } from '../instant.ts'
import { CompiledPolicy } from '../policy/compiled-policy.ts'
import { ExceptionIndex } from '../policy/exception-index.ts'
import { PolicySet, type JudgeSettings } from '../policy/policy-set.ts'
import type { TrowException } from '../policy/trow-exception.ts'
import type { DenyEntry, Rule, TrowPolicy } from '../policy/trow-policy.ts'
import type { PolicySnapshot } from './policy-snapshot.ts'

/** A snapshot as bytes that all threads share: handing it on costs nothing, however large it is. */
export interface PackedPolicies {
  /** As of `PolicySnapshot`; so is `registryGeneration`. */
  readonly generation: number
  readonly registryGeneration: number
  /** The time of `PolicyClock` at `madeAt`. */
  readonly now: Instant
  /** In milliseconds of a clock that all threads of the process share and that is never set. */
  readonly madeAt: number
  readonly bytes: SharedArrayBuffer
  /** Where each part ends. */
  readonly ends: readonly number[]
}

/** What is read in one go. */
type Part =
  | { readonly kind: 'policy'; readonly policy: TrowPolicy }
  /** Of the policy before it. */
  | { readonly kind: 'lists'; readonly deny: readonly DenyEntry[]; readonly rules: readonly Rule[] }
  | { readonly kind: 'exceptions'; readonly exceptions: readonly TrowException[] }
  | { readonly kind: 'settings'; readonly settings: JudgeSettings }

/** Entries of lists, and images of exceptions, that a part has. */
const partSize = 500
/** Milliseconds that others wait while parts are read. */
const turnLength = 4

export function packPolicies(snapshot: PolicySnapshot, madeAt: number): PackedPolicies {
  const parts = [...partsOf(snapshot)].map((part) => serialize(part))
  const bytes = new SharedArrayBuffer(parts.reduce((sum, part) => sum + part.byteLength, 0))
  const all = new Uint8Array(bytes)
  const ends: number[] = []
  for (const part of parts) {
    const start = ends.at(-1) ?? 0
    all.set(part, start)
    ends.push(start + part.byteLength)
  }
  const { generation, registryGeneration, now } = snapshot
  return { generation, registryGeneration, now, madeAt, bytes, ends }
}

/** The set, ready to be asked. Takes turns with whatever else the thread does. */
export async function unpackPolicies({ bytes, ends }: PackedPolicies): Promise<PolicySet> {
  const policies: CompiledPolicy[] = []
  const exceptions = new ExceptionIndex()
  let settings: JudgeSettings | undefined
  let turn = performance.now()
  for (const [index, end] of ends.entries()) {
    const part = readPart(bytes, ends[index - 1] ?? 0, end)
    if (part.kind === 'policy') policies.push(new CompiledPolicy(part.policy))
    else if (part.kind === 'lists') policies.at(-1)?.add(part)
    else if (part.kind === 'exceptions') exceptions.add(part.exceptions)
    else settings = part.settings
    if (performance.now() - turn < turnLength) continue
    await nextTurn()
    turn = performance.now()
  }
  if (settings === undefined) throw new Error('the packed policies are cut')
  return new PolicySet(policies, exceptions, settings)
}

function* partsOf({ policies, exceptions, settings }: PolicySnapshot): Generator<Part> {
  yield { kind: 'settings', settings }
  for (const { deny, rules, ...policy } of policies) {
    yield { kind: 'policy', policy: { ...policy, deny: [], rules: [] } }
    for (let at = 0; at < deny.length; at += partSize)
      yield { kind: 'lists', deny: deny.slice(at, at + partSize), rules: [] }
    for (let at = 0; at < rules.length; at += partSize)
      yield { kind: 'lists', deny: [], rules: rules.slice(at, at + partSize) }
  }
  let [some, images]: [TrowException[], number] = [[], 0]
  for (const exception of exceptions) {
    some.push(exception)
    images += exception.images.length
    if (images < partSize) continue
    yield { kind: 'exceptions', exceptions: some }
    ;[some, images] = [[], 0]
  }
  if (some.length > 0) yield { kind: 'exceptions', exceptions: some }
}

function readPart(bytes: SharedArrayBuffer, start: number, end: number): Part {
  // Copied: the reader does not take shared memory. It was written by `packPolicies` of this process.
  return deserialize(Buffer.from(new Uint8Array(bytes, start, end - start))) as Part
}
