import { z } from 'zod'
import { checkForeign, ForeignJsonError } from '../foreign-json.ts'
import { changedImages, podImages, podSpec, type PlacedImage } from './pod-images.ts'

/** Who makes the request, as the API server has authenticated them. */
export interface ReviewUser {
  readonly name: string
  readonly groups: readonly string[]
}

/** What all reviews have in common. */
export interface ReviewHead {
  /** Must stand in the answer, or the API server takes it for an error. */
  readonly uid: string
  readonly operation: string
  /** Undefined: the object has no namespace. */
  readonly namespace: string | undefined
  /** `Pod/web-1`, `TrowPolicy/production`: for records. */
  readonly object: string
  readonly user: ReviewUser
  readonly isDryRun: boolean
}

/** A review as far as it is looked at: plain data, small whatever the object is. */
export type Review = ReviewHead &
  (
    | {
        readonly kind: 'pod'
        /** The images that are new or changed at their place. */
        readonly images: readonly PlacedImage[]
        readonly serviceAccount: string
        /** Whether it stands for a static pod of the node that makes the request: to refuse it would stop nothing. */
        readonly isMirror: boolean
      }
    | { readonly kind: 'template'; readonly images: readonly PlacedImage[] }
    | {
        readonly kind: 'policy'
        /** The whole TrowPolicy or TrowException; undefined: it is deleted. */
        readonly document: unknown
      }
    /** Of a kind that nobody has asked trow to judge. */
    | { readonly kind: 'other' }
  )

const metadata = z.object({
  name: z.string().nullish(),
  annotations: z.record(z.string(), z.string()).nullish(),
  ownerReferences: z.array(z.object({ controller: z.boolean().nullish() })).nullish(),
})
const pod = z.object({ metadata: metadata.nullish(), spec: podSpec })
const template = z.object({ spec: podSpec.nullish() })

/** Where each kind has its template: CronJob of batch/v1, PodTemplate of v1, all others `spec.template`. */
const templateOf = {
  CronJob: z
    .object({
      spec: z.object({ jobTemplate: z.object({ spec: z.object({ template }) }) }),
    })
    .transform(({ spec }) => spec.jobTemplate.spec.template.spec),
  PodTemplate: z.object({ template }).transform((object) => object.template.spec),
  other: z.object({ spec: z.object({ template }) }).transform(({ spec }) => spec.template.spec),
}
const owned = z.object({ metadata: metadata.nullish() })

const groupKind = z.object({ group: z.string(), kind: z.string() })
const request = z.object({
  uid: z.string().max(256),
  kind: groupKind,
  subResource: z.string().nullish(),
  operation: z.string(),
  namespace: z.string().nullish(),
  name: z.string().nullish(),
  userInfo: z.object({ username: z.string().nullish(), groups: z.array(z.string()).nullish() }).nullish(),
  dryRun: z.boolean().nullish(),
  object: z.unknown(),
  oldObject: z.unknown(),
})
type Request = z.infer<typeof request>

/** `admission.k8s.io/v1`, with what of it an image policy looks at. */
const admissionReview = z.object({
  apiVersion: z.literal('admission.k8s.io/v1'),
  kind: z.literal('AdmissionReview'),
  request,
})

/** What cannot be judged. `uid`: where at least that could be read. */
export class UnreadableReview extends Error {
  readonly uid: string | undefined

  constructor(reason: string, uid: string | undefined) {
    super(reason)
    this.name = 'UnreadableReview'
    this.uid = uid
  }
}

const templateKinds: ReadonlySet<string> = new Set([
  'apps/Deployment',
  'apps/StatefulSet',
  'apps/DaemonSet',
  'apps/ReplicaSet',
  'batch/Job',
  'batch/CronJob',
  '/ReplicationController',
  '/PodTemplate',
])
const policyKinds: ReadonlySet<string> = new Set([
  'policy.trow.io/TrowPolicy',
  'policy.trow.io/TrowException',
])
const mirrorAnnotation = 'kubernetes.io/config.mirror'

/** Throws UnreadableReview for what is no review, or has no object of the kind that it says. */
export function readReview(text: string): Review {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new UnreadableReview('the review is no JSON', undefined)
  }
  try {
    return reviewOf(checkForeign(value, admissionReview).request)
  } catch (error) {
    if (!(error instanceof ForeignJsonError)) throw error
    throw new UnreadableReview(`the review cannot be read: ${error.message}`, uidOf(value))
  }
}

function reviewOf(asked: Request): Review {
  const { group, kind } = asked.kind
  const name = `${group}/${kind}`
  const isRemoval = asked.operation === 'DELETE'
  if (policyKinds.has(name))
    return { ...headOf(asked), kind: 'policy', document: isRemoval ? undefined : asked.object }
  if (isRemoval || asked.operation === 'CONNECT') return { ...headOf(asked), kind: 'other' }
  if (name === '/Pod') return podReview(asked)
  return templateKinds.has(name) ? templateReview(asked) : { ...headOf(asked), kind: 'other' }
}

function podReview(asked: Request): Review {
  const now = checkForeign(asked.object, pod)
  const before =
    asked.operation === 'UPDATE' && asked.oldObject != null ? checkForeign(asked.oldObject, pod) : undefined
  const head = headOf(asked)
  const isNodes = head.user.name.startsWith('system:node:') && head.user.groups.includes('system:nodes')
  return {
    ...head,
    kind: 'pod',
    images:
      before === undefined ? podImages(now.spec) : changedImages(podImages(now.spec), podImages(before.spec)),
    serviceAccount: now.spec.serviceAccountName ?? 'default',
    isMirror: isNodes && now.metadata?.annotations?.[mirrorAnnotation] !== undefined,
  }
}

/** What a controller owns comes from a template that was looked at already. */
function templateReview(asked: Request): Review {
  const head = headOf(asked)
  const owners = checkForeign(asked.object, owned).metadata?.ownerReferences ?? []
  if (owners.some(({ controller }) => controller === true)) return { ...head, kind: 'other' }
  const now = templateImages(asked, asked.object)
  const isUpdate = asked.operation === 'UPDATE' && asked.oldObject != null
  const images = isUpdate ? changedImages(now, templateImages(asked, asked.oldObject)) : now
  return { ...head, kind: 'template', images: images.filter(({ image }) => !isFilledInLater(image)) }
}

function templateImages({ kind: { kind } }: Request, object: unknown): readonly PlacedImage[] {
  const schema = kind === 'CronJob' || kind === 'PodTemplate' ? templateOf[kind] : templateOf.other
  const spec = checkForeign(object, schema)
  return spec == null ? [] : podImages(spec)
}

/** Something else fills it in before a pod is made: Istio's `auto`, a build's `<IMAGE>` or `${TAG}`. */
function isFilledInLater(image: string | undefined): boolean {
  return image === undefined || image.trim() === '' || image === 'auto' || /\$[({]|\{\{|[<>]/.test(image)
}

function headOf(asked: Request): ReviewHead {
  const { uid, operation, kind, userInfo, object } = asked
  const named = owned.safeParse(object)
  const name = asked.name ?? (named.success ? named.data.metadata?.name : undefined) ?? ''
  return {
    uid,
    operation,
    namespace: asked.namespace ?? undefined,
    object: `${kind.kind}/${name}`,
    user: { name: userInfo?.username ?? '', groups: userInfo?.groups ?? [] },
    isDryRun: asked.dryRun === true,
  }
}

function uidOf(value: unknown): string | undefined {
  const parsed = z.object({ request: z.object({ uid: z.string().max(256) }) }).safeParse(value)
  return parsed.success ? parsed.data.request.uid : undefined
}
