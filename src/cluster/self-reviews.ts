import { z } from 'zod'
import type { ClusterConnection } from './cluster-connection.ts'
import type { OwnRight } from './cluster-objects.ts'
import { parseAnswer } from './kube-json.ts'

const reviewSchema = z.object({
  status: z.object({ allowed: z.boolean().optional(), denied: z.boolean().optional() }).optional(),
})
const selfSchema = z.object({
  status: z.object({ userInfo: z.object({ username: z.string().optional() }).optional() }).optional(),
})

/** Asks whether the caller itself has the right (SelfSubjectAccessReview). Rejects with ClusterFault. */
export async function hasOwnRight(
  connection: ClusterConnection,
  { verb, group, resource, namespace, name }: OwnRight,
): Promise<boolean> {
  const [plural, subresource] = resource.split('/')
  const resourceAttributes = { verb, group, resource: plural, subresource, namespace, name }
  const { text } = await connection.request({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes },
    },
  })
  const { status } = parseAnswer(connection.server, text, reviewSchema)
  return status?.allowed === true && status.denied !== true
}

/** The user name that the API server sees (SelfSubjectReview); empty if it names none. Rejects with ClusterFault. */
export async function ownName(connection: ClusterConnection): Promise<string> {
  const { text } = await connection.request({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
  })
  const { status } = parseAnswer(connection.server, text, selfSchema)
  return status?.userInfo?.username ?? ''
}
