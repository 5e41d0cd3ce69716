import { z } from 'zod'
import type { KubeSelection } from './cluster-objects.ts'

/** Of the CustomResourceDefinitions in templates/policy-crds.yaml. */
export const policyApiVersion = 'policy.trow.io/v1alpha1'

/** Policies and exceptions as the API server has them: cluster-scoped, named as in the files of a folder. */
export const policyKinds = [
  { kind: 'TrowPolicy', plural: 'trowpolicies' },
  { kind: 'TrowException', plural: 'trowexceptions' },
] as const

export type PolicyKind = (typeof policyKinds)[number]['kind']

/** All of a kind. An object has up to 1.5 MB, and an answer of the API server is read up to 64 MB. */
export function everyPolicy(kind: PolicyKind): KubeSelection {
  return { apiVersion: policyApiVersion, kind, pageSize: 20 }
}

/** `trowpolicies.policy.trow.io`: of the CustomResourceDefinition. */
export function definitionName(plural: (typeof policyKinds)[number]['plural']): string {
  return `${plural}.${policyApiVersion.split('/')[0]}`
}

/** What `metadata.managedFields` names the registry, which writes `status` and nothing else. */
export const statusManager = 'trow-registry'

const condition = z.object({
  type: z.enum(['Accepted', 'Enforcing']),
  status: z.enum(['True', 'False']),
  reason: z.string().max(100),
  message: z.string().max(1024),
  lastTransitionTime: z.iso.datetime(),
  observedGeneration: z.int(),
})

/**
 * What the registry says of a policy or an exception. `Accepted`: it loads as it is. `Enforcing`: it, or what was last good of it, is
 * in force at every door of the registry.
 */
export const policyStatusSchema = z.object({
  /** The `metadata.generation` that this is about. */
  observedGeneration: z.int().optional(),
  /** `sha256:…` of what is in force. */
  hash: z.string().max(100).optional(),
  conditions: z
    .array(condition)
    .max(8)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
    .optional(),
  /** Each with its field. */
  problems: z.array(z.string().max(1024)).max(60).optional(),
})

export type PolicyCondition = z.infer<typeof condition>
export type PolicyObjectStatus = z.infer<typeof policyStatusSchema>
