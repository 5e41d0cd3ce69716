/** Reviews as an API server sends them. */
type Fields = Readonly<Record<string, unknown>>

export const uid = '705ab4f5-6393-11e8-b7cc-42010a800002'

export interface ReviewOf {
  readonly group?: string
  readonly kind?: string
  readonly operation?: string
  readonly subResource?: string
  readonly namespace?: string
  readonly user?: { readonly username: string; readonly groups: readonly string[] }
  readonly dryRun?: boolean
  readonly object: unknown
  readonly oldObject?: unknown
}

export function reviewText({
  group = '',
  kind = 'Pod',
  operation = 'CREATE',
  subResource,
  namespace = 'default',
  user = { username: 'ann', groups: ['system:authenticated'] },
  dryRun = false,
  object,
  oldObject = null,
}: ReviewOf): string {
  return JSON.stringify({
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid,
      kind: { group, version: 'v1', kind },
      ...(subResource !== undefined && { subResource }),
      namespace,
      operation,
      userInfo: user,
      object,
      oldObject,
      dryRun,
    },
  })
}

export function pod(spec: Fields, metadata: Fields = {}): Fields {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', ...metadata }, spec }
}

export function containers(...images: readonly string[]): readonly Fields[] {
  return images.map((image, place) => ({ name: `c${place}`, image }))
}
