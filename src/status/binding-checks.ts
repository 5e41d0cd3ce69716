import { z } from 'zod'
import type { Check } from '../cluster/check.ts'
import type { ClusterObjects, KubeObject } from '../cluster/cluster-objects.ts'
import { hidden, type Seen } from './look.ts'
import { boundDescription, lackedForBinding, unboundCheck } from '../cluster/node-binding.ts'

const bindingSchema = z.object({
  spec: z.object({ policyName: z.string(), validationActions: z.array(z.string()) }),
})

/**
 * Checks whether the agents' account is bound to its node. The pair is the policy and its binding as they
 * exist in the cluster.
 */
export async function bindingChecks(
  objects: ClusterObjects,
  [policy, binding]: readonly Seen<KubeObject | undefined>[],
): Promise<Check[]> {
  const lacks = await lackedForBinding(objects)
  if (lacks.length > 0) return [unboundCheck(lacks)]
  if (policy === hidden || binding === hidden) return []
  const parsed = bindingSchema.safeParse(binding)
  const isBound =
    policy !== undefined &&
    parsed.success &&
    parsed.data.spec.policyName === policy.metadata.name &&
    parsed.data.spec.validationActions.includes('Deny')
  if (isBound) return [{ description: boundDescription, result: 'success' }]
  return [
    {
      description: boundDescription,
      result: 'error',
      error: 'ValidatingAdmissionPolicy trow-node, or its binding, is missing or denies nothing',
      hint: 'trow install brings it again.',
    },
  ]
}
