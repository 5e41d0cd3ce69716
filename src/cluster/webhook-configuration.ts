import { z } from 'zod'
import { admissionNames, webhookEntries } from './admission-layout.ts'
import { foreignManagers } from './field-managers.ts'
import type { KubeObject, KubeReference } from './cluster-objects.ts'

export interface WebhookEntry {
  readonly name: string
  /** PEM; undefined: none stands there. */
  readonly caBundle: string | undefined
  readonly failurePolicy: string | undefined
  /** Namespaces that are excluded by their name. */
  readonly excluded: readonly string[]
}

/** Who has last changed the webhooks, apart from trow. */
export interface WebhookChange {
  /** Field manager. */
  readonly manager: string
  /** Milliseconds since 1970. */
  readonly time: number
  /** What that manager has written: `pods.trow.io failurePolicy`. */
  readonly fields: readonly string[]
}

const entrySchema = z.object({
  name: z.string(),
  clientConfig: z.object({ caBundle: z.string().optional() }).optional(),
  failurePolicy: z.string().optional(),
  namespaceSelector: z
    .object({
      matchExpressions: z
        .array(z.object({ key: z.string(), operator: z.string(), values: z.array(z.string()).nullish() }))
        .nullish(),
    })
    .nullish(),
})
const record = z.record(z.string(), z.unknown())
const keyOfEntry = z.object({ name: z.string() })

export const webhookReference: KubeReference = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
  name: admissionNames.webhooks,
}

/** Returns whether pods that trow does not judge are refused. */
export function failsClosed(object: KubeObject): boolean {
  return webhookEntriesOf(object).some(
    ({ name, failurePolicy }) => name === webhookEntries.pods.name && failurePolicy === 'Fail',
  )
}

/** The entries of a ValidatingWebhookConfiguration; those that look different are left out. */
export function webhookEntriesOf(object: KubeObject): readonly WebhookEntry[] {
  const webhooks = z.array(z.unknown()).safeParse(object['webhooks']).data ?? []
  return webhooks.flatMap((each) => {
    const { data } = entrySchema.safeParse(each)
    if (data === undefined) return []
    const { name, clientConfig, failurePolicy, namespaceSelector } = data
    const caBundle = clientConfig?.caBundle
    return [
      {
        name,
        caBundle: caBundle === undefined ? undefined : Buffer.from(caBundle, 'base64').toString('utf8'),
        failurePolicy,
        excluded: (namespaceSelector?.matchExpressions ?? []).flatMap(({ key, operator, values }) =>
          key === 'kubernetes.io/metadata.name' && operator === 'NotIn' ? (values ?? []) : [],
        ),
      },
    ]
  })
}

/** The last change of the webhooks by a manager that is none of `own` (`metadata.managedFields`). */
export function lastForeignChange(object: KubeObject, own: readonly string[]): WebhookChange | undefined {
  const changes = foreignManagers(object, 'webhooks', own).map(({ fields, ...who }) => ({
    ...who,
    fields: fieldsOf(fields),
  }))
  return changes.find(({ fields }) => fields.length > 0)
}

/** FieldsV1 of a list of entries: `k:{"name":"pods.trow.io"}`, and below it `f:failurePolicy`. */
function fieldsOf(webhooks: unknown): readonly string[] {
  return Object.entries(record.safeParse(webhooks).data ?? {}).flatMap(([key, fields]) => {
    if (!key.startsWith('k:')) return []
    const name = nameOf(key.slice(2))
    const own = Object.keys(record.safeParse(fields).data ?? {}).filter((each) => each.startsWith('f:'))
    return own.filter((each) => each !== 'f:name').map((each) => `${name} ${each.slice(2)}`)
  })
}

function nameOf(key: string): string {
  try {
    return keyOfEntry.parse(JSON.parse(key)).name
  } catch {
    return key
  }
}
