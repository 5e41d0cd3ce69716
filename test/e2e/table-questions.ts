import { decide } from '../../src/policy/decide.ts'
import type { PolicySet } from '../../src/policy/policy-set.ts'
import { content, digest, printed, questions } from '../policy/fixtures.ts'
// These tables are asked again at the doors of a cluster: names, decisions, and known holes of other tools.
import '../policy/image-reference.test.ts'
import '../policy/decide.test.ts'
import '../policy/bypass.test.ts'

export interface TableQuestion {
  readonly set: PolicySet
  /** Milliseconds since 1970. */
  readonly now: number
  readonly namespace: string | undefined
  readonly name: string | undefined
}

/** What every own image is in the tables. */
export const knownContent = content({
  digests: [digest('7')],
  platforms: ['linux/amd64', 'linux/arm64', 'linux/arm/v7'],
  size: 1,
})

/** Returns the questions that a pod can ask, once the tables have run. */
export function tableQuestions(): readonly (TableQuestion & { readonly namespace: string })[] {
  return questions.flatMap(({ set, now, point, namespace, images: [image] }) => {
    const name = image?.name
    if (point !== 'admission' || namespace === undefined || !/^[a-z0-9-]{1,63}$/.test(namespace)) return []
    if (image?.own !== undefined || (typeof name !== 'string' && name !== undefined)) return []
    return [{ set, now, namespace, name }]
  })
}

/** Returns what the judge says of the name. */
export function byName({ set, now, namespace, name }: TableQuestion): string {
  const ask = (fact: typeof knownContent | undefined) =>
    decide({ point: 'admission', namespace, images: [{ place: '', name, fact }] }, set, now)
  const first = ask(undefined)
  return printed(first.kind === 'needs' ? ask(knownContent) : first)
}
