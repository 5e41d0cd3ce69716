import { setImmediate as nextTurn } from 'node:timers/promises'
import { isDigest, type Digest } from '../oci/digest.ts'
import { isRepositoryName } from '../oci/repository-name.ts'
import { isTag } from '../oci/tag.ts'
import { decide, type ImageVerdict, type RequestedImage } from '../policy/decide.ts'
import type { ContentFact } from '../policy/image-content.ts'
import { ownImage, type NameSettings } from '../policy/image-reference.ts'
import type { Refusal } from '../policy/judge-policy.ts'
import { PolicySet } from '../policy/policy-set.ts'
import type { TrowException } from '../policy/trow-exception.ts'
import { points, type TrowPolicy } from '../policy/trow-policy.ts'
import { parseImageId } from './image-id.ts'
import type { NamespaceImage, RunningGroups } from './running-groups.ts'
import type { TopOwners } from './top-owners.ts'
import { ownerOf } from './running-groups.ts'

/** A pull as the audit log has it. */
export interface RecordedPull {
  readonly repository: string
  /** A tag or a digest. */
  readonly reference: string
  /** Of what was given out. */
  readonly digest: string | undefined
  readonly isBlob: boolean
  readonly user: string
  readonly count: number
  /** ISO 8601. */
  readonly last: string
}

/** What a policy would refuse, of one image and for one reason. */
export interface ImpactRow {
  readonly source: 'pull' | 'pod'
  /** In its canonical spelling, or as it was written where it has none. */
  readonly image: string
  readonly policy: string
  readonly reason: string
  readonly detail: string
  /** Pulls, or pods. */
  readonly count: number
  /** Of pulls: ISO 8601. */
  readonly last: string | undefined
  /** Who pulled it, or `shop Deployment/api`; some of them. */
  readonly owners: readonly string[]
  readonly moreOwners: number
}

export interface ImpactSum {
  /** Images that were pulled, or pods that run. */
  readonly total: number
  readonly refused: number
  /** Those that the policies accept by name, and whose content they would have to see. */
  readonly unchecked: number
}

export interface ImpactPolicies {
  readonly policies: readonly TrowPolicy[]
  readonly exceptions: readonly TrowException[]
  readonly settings: NameSettings
  /** Milliseconds since 1970. */
  readonly now: number
}

const mostOwners = 20
const eventsOfTurn = 200

/**
 * Judges what has been pulled and what runs by policies as if they were enforced, from names and digests alone: what a policy
 * requires of content counts as unchecked.
 */
export class Impact {
  readonly #whole: PolicySet
  /** Without denied digests, for which a digest is enough: what it still needs is content. */
  readonly #byName: PolicySet
  readonly #now: number
  readonly #judged = new Map<string, Judged>()
  readonly #images = new Map<string, 'refused' | 'unchecked' | 'accepted'>()
  readonly #rows = new Map<string, Row>()
  #events = 0
  #pods: ImpactSum | undefined

  constructor({ policies, exceptions, settings, now }: ImpactPolicies) {
    const judging = { ...settings, noPolicy: 'allow' } as const
    const enforced = policies.map(asEnforced)
    const named = enforced.map((policy) => ({
      ...policy,
      deny: policy.deny.filter(({ target }) => typeof target !== 'string'),
    }))
    this.#whole = new PolicySet(enforced, exceptions, judging)
    this.#byName = new PolicySet(named, exceptions, judging)
    this.#now = now
  }

  /** Records that name nothing that could be pulled are passed over. */
  async pulled(pull: RecordedPull): Promise<void> {
    if (++this.#events % eventsOfTurn === 0) await nextTurn()
    const { repository, reference, digest = '', isBlob, user, count, last } = pull
    const key = JSON.stringify([repository, reference, digest, isBlob])
    let judged = this.#judged.get(key)
    if (judged === undefined) {
      judged = this.#judgePull(pull)
      if (judged === undefined) return
      this.#judged.set(key, judged)
      if (!isBlob) this.#count(JSON.stringify([repository, digest === '' ? reference : digest]), judged)
    }
    for (const refusal of judged.refusals)
      // Blobs are pulled with the manifest that names them: what refuses the repository is told of that.
      if (!isBlob || isDigest(refusal.rule ?? ''))
        this.#add({ source: 'pull', image: judged.image, refusal, count, last, owner: user })
  }

  /** The same content under a tag and under its digest is one image. */
  #count(image: string, { refusals, isUnchecked }: Judged): void {
    const known = this.#images.get(image)
    const isRefused = refusals.length > 0 || known === 'refused'
    const isUnseen = isUnchecked || known === 'unchecked'
    this.#images.set(image, isRefused ? 'refused' : isUnseen ? 'unchecked' : 'accepted')
  }

  async runs({ groups, images, pods }: RunningGroups, owners: TopOwners): Promise<void> {
    const judged = new Map<NamespaceImage, Judged>()
    for (const [place, image] of images.entries()) {
      if (place % eventsOfTurn === 0) await nextTurn()
      judged.set(image, this.#judgeRunning(image))
    }
    const refusing = groups.filter((group) =>
      group.images.some(({ image }) => (judged.get(image)?.refusals.length ?? 0) > 0),
    )
    await owners.look(refusing.map((group) => ({ namespace: group.namespace, owner: ownerOf(group) })))
    let [refused, unchecked] = [0, 0]
    for (const group of groups) {
      const found = group.images.flatMap(({ image }) => judged.get(image) ?? [])
      if (found.some(({ refusals }) => refusals.length > 0)) refused += group.pods
      else if (found.some(({ isUnchecked }) => isUnchecked)) unchecked += group.pods
      const { kind, name } = owners.topOf({ namespace: group.namespace, owner: ownerOf(group) })
      const owner = `${group.namespace} ${kind}/${name}${group.isStatic ? ' (static)' : ''}`
      // A pod counts once for each image, however many containers have it.
      for (const { image, refusals } of new Set(found))
        for (const refusal of refusals)
          this.#add({ source: 'pod', image, refusal, count: group.pods, last: undefined, owner })
    }
    this.#pods = { total: pods, refused, unchecked }
  }

  /** Of manifests; blobs that would be refused are rows, and count in no sum. */
  get pulls(): ImpactSum {
    const outcomes = [...this.#images.values()]
    return {
      total: outcomes.length,
      refused: outcomes.filter((outcome) => outcome === 'refused').length,
      unchecked: outcomes.filter((outcome) => outcome === 'unchecked').length,
    }
  }

  /** Undefined: pods were not looked at. */
  get pods(): ImpactSum | undefined {
    return this.#pods
  }

  /** What happens most, first. */
  get rows(): readonly ImpactRow[] {
    return [...this.#rows.values()]
      .sort((a, b) => b.count - a.count)
      .map(({ owners, ...row }) => ({
        ...row,
        owners: [...owners].slice(0, mostOwners),
        moreOwners: Math.max(0, owners.size - mostOwners),
      }))
  }

  /** Undefined: the record names nothing that could be pulled. */
  #judgePull({ repository, reference, digest, isBlob }: RecordedPull): Judged | undefined {
    if (!isRepositoryName(repository) || !(isTag(reference) || isDigest(reference))) return undefined
    const own = ownImage(repository, reference, this.#whole.settings)
    const separator = isDigest(reference) ? '@' : ':'
    const image = { place: '', name: `${repository}${separator}${reference}`, own, isBlob }
    return this.#judge(
      'pull',
      undefined,
      image,
      digest !== undefined && isDigest(digest) ? digest : undefined,
    )
  }

  #judgeRunning({ namespace, name, imageId }: NamespaceImage): Judged {
    return this.#judge('admission', namespace, { place: '', name }, parseImageId(imageId)?.digest)
  }

  #judge(
    point: 'pull' | 'admission',
    namespace: string | undefined,
    image: Omit<RequestedImage, 'fact'>,
    digest: Digest | undefined,
  ): Judged {
    const ask = (set: PolicySet, fact: ContentFact | undefined): ImageVerdict | undefined => {
      const answer = decide({ point, namespace, images: [{ ...image, fact }] }, set, this.#now)
      return answer.kind === 'needs' ? undefined : answer.verdicts[0]
    }
    const verdict = ask(this.#whole, digestAlone(digest))
    const refusals = (verdict?.refusals ?? []).filter(({ reason }) => !needContent.has(reason))
    return {
      image: verdict?.canonical ?? String(image.name),
      refusals,
      isUnchecked: refusals.length === 0 && ask(this.#byName, undefined) === undefined,
    }
  }

  #add(found: {
    readonly source: ImpactRow['source']
    readonly image: string
    readonly refusal: Refusal
    readonly count: number
    readonly last: string | undefined
    readonly owner: string
  }): void {
    const { source, image, count, last, owner } = found
    const { policy, reason, detail } = found.refusal
    const key = JSON.stringify([source, image, policy, reason])
    let row = this.#rows.get(key)
    if (row === undefined) {
      row = { source, image, policy, reason, detail, count: 0, last, owners: new Set() }
      this.#rows.set(key, row)
    }
    row.count += count
    row.owners.add(owner)
    if (last !== undefined && (row.last === undefined || last > row.last)) row.last = last
  }
}

interface Judged {
  readonly image: string
  readonly refusals: readonly Refusal[]
  readonly isUnchecked: boolean
}

interface Row extends Omit<ImpactRow, 'count' | 'last' | 'owners' | 'moreOwners'> {
  count: number
  last: string | undefined
  readonly owners: Set<string>
}

const needContent: ReadonlySet<string> = new Set(['PLATFORM', 'SIZE'])

/** A policy that is off at some points stays so there, unless it is off everywhere. */
function asEnforced(policy: TrowPolicy): TrowPolicy {
  const isOff = points.every((point) => policy.modes[point] === 'off')
  const { include, exclude } = policy.namespaces
  const isLimited = exclude.length > 0 || !include.includes('*')
  const mode = (point: (typeof points)[number]): 'enforce' | 'off' => {
    const knowsNamespace = point === 'admission' || point === 'scan'
    const isAsked = isOff ? knowsNamespace || !isLimited : policy.modes[point] !== 'off'
    return isAsked ? 'enforce' : 'off'
  }
  return {
    ...policy,
    modes: { admission: mode('admission'), pull: mode('pull'), push: mode('push'), scan: mode('scan') },
  }
}

function digestAlone(digest: Digest | undefined): ContentFact {
  const content = { contains: [], platforms: [], listedBy: [], size: 0, isEvidence: false }
  return { kind: 'known', content: { digests: digest === undefined ? [] : [digest], ...content } }
}
