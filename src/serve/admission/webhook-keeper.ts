import { counted } from '../../counted.ts'
import { readBreakGlass, type BreakGlass } from '../../admission/break-glass.ts'
import { admissionNames, webhookEntries, webhookWishes } from '../../cluster/admission-layout.ts'
import type { ClusterObjects, KubeObject } from '../../cluster/cluster-objects.ts'
import {
  lastForeignChange,
  webhookEntriesOf,
  type WebhookChange,
  type WebhookEntry,
} from '../../cluster/webhook-configuration.ts'
import type { Log } from '../../log.ts'
import { reasonOf } from '../../reason-of.ts'
import { z } from 'zod'

export interface WebhookKeeperParts {
  readonly objects: Pick<ClusterObjects, 'watch' | 'get' | 'apply'>
  readonly namespace: string
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly onBreakGlass: (open: BreakGlass | undefined) => void
  /** Somebody else has changed the webhooks. */
  readonly onChange: (change: WebhookChange) => void
  readonly log: Log
}

type Policy = 'Ignore' | 'Fail'

const dataSchema = z.record(z.string(), z.string())
const readySchema = z.object({ status: z.object({ readyReplicas: z.number().optional() }).optional() })
const webhooksVersion = 'admissionregistration.k8s.io/v1'
const webhooksKind = 'ValidatingWebhookConfiguration'
/** Pods that must be ready before `Fail` is put in force. */
const leastReady = 2
const followedObjects = 3
/** Field managers of trow: the install, and the admission pods. */
const own = ['trow', admissionNames.manager]

/** Follows the webhook configuration and what is wanted of it, and, on the pod that is told to, keeps the one like the other. */
export class WebhookKeeper {
  readonly #parts: WebhookKeeperParts
  readonly #end = new AbortController()
  #configuration: KubeObject | undefined
  #wishes: Readonly<Record<string, string>> | undefined
  #breakGlass: Readonly<Record<string, string>> | undefined
  #toldGlass: string | undefined
  #toldChange: number | undefined
  #complaint: string | undefined
  readonly #synced = new Set<string>()

  constructor(parts: WebhookKeeperParts) {
    this.#parts = parts
  }

  /** Follows the objects until `close`. */
  async follow(): Promise<void> {
    const { namespace } = this.#parts
    const map = { apiVersion: 'v1', kind: 'ConfigMap', namespace }
    await Promise.all([
      this.#watch(
        { apiVersion: webhooksVersion, kind: webhooksKind, name: admissionNames.webhooks },
        (object) => {
          this.#configuration = object
          this.#observe(object)
        },
      ),
      this.#watch({ ...map, name: admissionNames.wishes }, (object) => {
        this.#wishes = dataOf(object)
      }),
      this.#watch({ ...map, name: admissionNames.breakGlass }, (object) => {
        this.#breakGlass = dataOf(object)
        this.tick()
      }),
    ])
  }

  close(): void {
    this.#end.abort()
  }

  /** To be called now and then: an opening ends by itself. */
  tick(): void {
    const open = readBreakGlass(this.#breakGlass, this.#parts.now())
    const told = JSON.stringify(open)
    if (told === this.#toldGlass) return
    if (this.#toldGlass !== undefined || open !== undefined) this.#parts.onBreakGlass(open)
    this.#toldGlass = told
  }

  /** The bundle of all entries of trow's; undefined: they differ, or there is no configuration. */
  get bundle(): string | undefined {
    const [first, ...others] = this.#entries
    const isSame = others.every(({ caBundle }) => caBundle === first?.caBundle)
    return isSame ? first?.caBundle : undefined
  }

  /** The failure policy in force for pods; undefined: there is no such entry. */
  get failurePolicy(): string | undefined {
    return this.#entries.find(({ name }) => name === webhookEntries.pods.name)?.failurePolicy
  }

  /** Writes what differs from what is wanted. Rejects with ClusterFault. */
  async keep(bundle: string): Promise<void> {
    // Before all is known, nothing could be told from a wish that is not there.
    if (this.#synced.size < followedObjects) return
    const isOpen = readBreakGlass(this.#breakGlass, this.#parts.now()) !== undefined
    const wanted = isOpen ? undefined : await this.#wantedPolicy()
    const changes = this.#entries.flatMap((entry) => {
      const policy = entry.name === webhookEntries.pods.name ? wanted : isOpen ? undefined : 'Ignore'
      const isPolicy = policy === undefined || entry.failurePolicy === policy
      if (isPolicy && entry.caBundle === bundle) return []
      // What is not said of a field that was written before is given up: what stands there is said again.
      return [wantedEntry(entry, policy ?? entry.failurePolicy, bundle)]
    })
    if (changes.length === 0) return
    const { objects, log } = this.#parts
    // All entries, for the same reason.
    const webhooks = this.#entries.map(
      (entry) =>
        changes.find(({ name }) => name === entry.name) ?? wantedEntry(entry, entry.failurePolicy, bundle),
    )
    const written = await objects.apply(
      {
        apiVersion: webhooksVersion,
        kind: webhooksKind,
        metadata: { name: admissionNames.webhooks },
        webhooks,
      },
      { force: true },
    )
    log.info('the webhook configuration was put right', {
      webhooks: changes.map(({ name, failurePolicy }) => `${name} ${failurePolicy}`),
    })
    this.#configuration = written
  }

  /** Undefined: what stands there stays. */
  async #wantedPolicy(): Promise<Policy | undefined> {
    if (this.#wishes?.[webhookWishes.failurePolicy] !== 'Fail') return 'Ignore'
    if (this.failurePolicy === 'Fail') return 'Fail'
    const problem = await this.#problemOfFail()
    if (problem !== this.#complaint && problem !== undefined)
      this.#parts.log.warn('failurePolicy Fail is wanted and not put in force', { reason: problem })
    this.#complaint = problem
    return problem === undefined ? 'Fail' : 'Ignore'
  }

  /** Why `Fail` could leave the cluster without pods. */
  async #problemOfFail(): Promise<string | undefined> {
    const wanted = this.#wishes?.[webhookWishes.excluded]
    if (wanted === undefined)
      return 'nobody has said which namespaces of network, storage and DNS are excluded'
    const entry = this.#entries.find(({ name }) => name === webhookEntries.pods.name)
    const missing = [this.#parts.namespace, ...wanted.split(',').map((each) => each.trim())].filter(
      (each) => each !== '' && entry?.excluded.includes(each) !== true,
    )
    if (missing.length > 0) return `the webhook does not exclude ${missing.join(', ')}`
    const ready = await this.#ready()
    return ready < leastReady
      ? `${counted(ready, 'admission pod')} ready, and ${leastReady} have to be`
      : undefined
  }

  async #ready(): Promise<number> {
    const { objects, namespace } = this.#parts
    const reference = { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name: admissionNames.workload }
    return readySchema.safeParse(await objects.get(reference)).data?.status?.readyReplicas ?? 0
  }

  get #entries(): readonly WebhookEntry[] {
    if (this.#configuration === undefined) return []
    const names = new Set<string>(Object.values(webhookEntries).map(({ name }) => name))
    return webhookEntriesOf(this.#configuration).filter(({ name }) => names.has(name))
  }

  #observe(object: KubeObject | undefined): void {
    const change = object && lastForeignChange(object, own)
    if (change === undefined || change.time <= (this.#toldChange ?? 0)) return
    this.#toldChange = change.time
    this.#parts.onChange(change)
  }

  #watch(
    { name, ...selection }: { apiVersion: string; kind: string; namespace?: string; name: string },
    take: (object: KubeObject | undefined) => void,
  ): Promise<void> {
    const { objects, log } = this.#parts
    return objects.watch(
      { ...selection, fieldSelector: `metadata.name=${name}` },
      {
        onChange: (change) => {
          if (change.kind === 'synced') this.#synced.add(`${selection.kind} ${name}`)
          else take(change.kind === 'present' ? change.object : undefined)
        },
        onFault: (fault) => log.debug('an object cannot be read', { name, reason: reasonOf(fault) }),
      },
      this.#end.signal,
    )
  }
}

function wantedEntry(
  { name }: WebhookEntry,
  failurePolicy: string | undefined,
  bundle: string,
): { readonly name: string; readonly failurePolicy?: string; readonly clientConfig: object } {
  return {
    name,
    ...(failurePolicy !== undefined && { failurePolicy }),
    clientConfig: { caBundle: Buffer.from(bundle).toString('base64') },
  }
}

function dataOf(object: KubeObject | undefined): Readonly<Record<string, string>> | undefined {
  return object === undefined ? undefined : (dataSchema.safeParse(object['data']).data ?? {})
}
