import { z } from 'zod'
import type { ClusterObjects, KubeObject } from '../../cluster/cluster-objects.ts'
import { layoutOf } from '../../cluster/layout.ts'
import { parseQuantity } from '../../cluster/quantity.ts'
import { failed, passed, warned, type PreflightCheck } from '../check.ts'
import type { InstallSettings } from '../install-settings.ts'
import { pick, readTemplate } from '../template.ts'
import type { Workload } from '../workload.ts'

const amounts = z.record(z.string(), z.coerce.string()).default({})
const rangeSchema = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    limits: z.array(
      z.object({
        type: z.string(),
        max: amounts,
        min: amounts,
        default: amounts,
        maxLimitRequestRatio: amounts,
      }),
    ),
  }),
})
/** Quotas with scopes are skipped: they are for other pods, or are trow's own. */
const quotaSchema = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    hard: z.record(z.string(), z.unknown()).default({}),
    scopes: z.undefined().optional(),
    scopeSelector: z.undefined().optional(),
  }),
})
const requestsSchema = z.object({ resources: z.object({ requests: amounts }) })

type Range = z.infer<typeof rangeSchema>
type Limit = Range['spec']['limits'][number]

/**
 * Checks what LimitRanges of trow's namespaces would do to its pods, which have small requests and no limits.
 */
export async function limitChecks(
  cluster: ClusterObjects,
  settings: InstallSettings,
): Promise<PreflightCheck[]> {
  const { namespace, nodeNamespace } = layoutOf(settings.namespace)
  const registry = { who: 'registry', namespace, requests: requestsOf('registry', 'StatefulSet') }
  const agents = { who: 'agents', namespace: nodeNamespace, requests: requestsOf('node', 'DaemonSet') }
  const { storage } = settings
  const asked = storage.kind === 'ephemeral' ? undefined : storage.size
  return Promise.all([
    limitCheck(cluster, { ...registry, ...(asked === undefined ? {} : { storage: asked }) }),
    ...(settings.trustNodes ? [limitCheck(cluster, agents)] : []),
  ])
}

interface Pods {
  readonly who: string
  readonly namespace: string
  readonly requests: Readonly<Record<string, string>>
  /** The size of the claim, a Kubernetes quantity. */
  readonly storage?: string
}

async function limitCheck(cluster: ClusterObjects, pods: Pods): Promise<PreflightCheck> {
  const { namespace, who } = pods
  const id = 'limit-range'
  const description = `no LimitRange or quota of ${namespace} keeps the ${who} from running as they are meant to`
  const list = async (kind: string): Promise<readonly KubeObject[]> =>
    cluster.list({ apiVersion: 'v1', kind, namespace })
  const [rangeObjects, quotaObjects] = await Promise.all([list('LimitRange'), list('ResourceQuota')])
  const ranges = rangeObjects.flatMap((each) => rangeSchema.safeParse(each).data ?? [])
  const all = ranges.flatMap(({ metadata: { name }, spec }) => spec.limits.map((limit) => ({ name, limit })))
  const given = (resource: string): string | undefined => limitGiven(all, resource)
  const remedy = (kind: string, name: string): string =>
    `kubectl -n ${namespace} delete ${kind} ${name} takes it away; or have it allow that.`
  for (const { name, limit } of all) {
    const words = refusal(limit, pods, given)
    if (words !== undefined)
      return failed(id, description, `LimitRange ${name} refuses them: ${words}`, remedy('limitrange', name))
  }
  for (const quota of quotaObjects.flatMap((each) => quotaSchema.safeParse(each).data ?? [])) {
    const { name } = quota.metadata
    const missing = ['cpu', 'memory'].find(
      (resource) => `limits.${resource}` in quota.spec.hard && given(resource) === undefined,
    )
    if (missing !== undefined)
      return failed(
        id,
        description,
        `ResourceQuota ${name} refuses them: pods must have a limit of ${missing}, and theirs have none`,
        remedy('resourcequota', name),
      )
  }
  const memory = given('memory')
  if (memory === undefined) return passed(id, description)
  const [{ name } = { name: '' }] = all.filter(
    ({ limit }) => limitGiven([{ name: '', limit }], 'memory') !== undefined,
  )
  return warned(
    id,
    description,
    `LimitRange ${name} limits their memory to ${memory}: ${who === 'agents' ? 'one that is killed for it cuts the pulls that it carries' : 'a kill for it cuts pulls'}`,
    remedy('limitrange', name),
  )
}

interface NamedLimit {
  readonly name: string
  readonly limit: Limit
}

/** Returns the limit that a container without one gets; without a default the API server uses the maximum. */
function limitGiven(all: readonly NamedLimit[], resource: string): string | undefined {
  const own = all.filter(({ limit }) => limit.type === 'Container')
  return own
    .map(({ limit }) => limit.default[resource] ?? limit.max[resource])
    .find((each) => each !== undefined)
}

/** Returns why the LimitRange refuses the pods, as text; `undefined` if it does not. */
function refusal(
  limit: Limit,
  { requests, storage }: Pods,
  given: (resource: string) => string | undefined,
): string | undefined {
  const isClaim = limit.type === 'PersistentVolumeClaim'
  for (const [resource, request] of Object.entries(isClaim ? { storage } : requests)) {
    if (request === undefined) continue
    const [max, min, own] = [limit.max[resource], limit.min[resource], isClaim ? undefined : given(resource)]
    const ratio = limit.maxLimitRequestRatio[resource]
    const asked = `${request} of ${resource} asked for`
    if (isMore(request, max)) return `${asked}, ${max} at most`
    if (isMore(min, request)) return `${asked}, ${min} at least`
    if (isMore(request, own)) return `${asked}, and a limit of ${own} given`
    if (isMore(own, max)) return `a limit of ${own} of ${resource} given, ${max} at most`
    if (limit.type === 'Pod' && max !== undefined && own === undefined)
      return `pods must have a limit of ${resource}, and theirs have none`
    if (
      ratio !== undefined &&
      own !== undefined &&
      parseQuantity(own) / parseQuantity(request) > Number(ratio)
    )
      return `${asked}, a limit of ${own} given, which is more than ${ratio} times as much`
  }
  return undefined
}

function isMore(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && other !== undefined && parseQuantity(one) > parseQuantity(other)
}

function requestsOf(template: string, kind: string): Readonly<Record<string, string>> {
  const [container] = pick<Workload>(readTemplate(template), kind).spec.template.spec.containers
  return requestsSchema.parse(container).resources.requests
}
