import type { FloorParameters } from './floor-parameters.ts'
import { floorMessage, floorValidation, judgeVariables, subjectVariables } from './judge-expressions.ts'
import { nameVariables } from './name-expressions.ts'

/** Names of the floor's objects. All of them are of the whole cluster. */
export const floorNames = {
  policy: 'trow-floor',
  binding: 'trow-floor',
  parameters: 'trow',
  apiVersion: 'policy.trow.io/v1alpha1',
  kind: 'TrowFloor',
} as const

const admissionVersion = 'admissionregistration.k8s.io/v1'
const labels = {
  'app.kubernetes.io/name': 'trow',
  'app.kubernetes.io/part-of': 'trow',
  'app.kubernetes.io/component': 'floor',
  'app.kubernetes.io/managed-by': 'trow',
}

/** The floor's objects, in the order in which they are made. */
export const floorReferences = {
  parameters: { apiVersion: floorNames.apiVersion, kind: floorNames.kind, name: floorNames.parameters },
  policy: { apiVersion: admissionVersion, kind: 'ValidatingAdmissionPolicy', name: floorNames.policy },
  binding: {
    apiVersion: admissionVersion,
    kind: 'ValidatingAdmissionPolicyBinding',
    name: floorNames.binding,
  },
} as const

export interface FloorObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec: object
}

/** The parameter object. */
export function floorParametersObject(spec: FloorParameters): FloorObject {
  const { apiVersion, kind, parameters } = floorNames
  return { apiVersion, kind, metadata: { name: parameters, labels }, spec }
}

/**
 * The ValidatingAdmissionPolicy, which is the same for all policies. `excluded`: namespaces whose pods it does not see.
 */
export function floorPolicyObject(excluded: readonly string[]): FloorObject {
  return {
    apiVersion: admissionVersion,
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name: floorNames.policy, labels },
    spec: {
      // An evaluation that costs more than the API server allows is a refusal as well.
      failurePolicy: 'Fail',
      paramKind: { apiVersion: floorNames.apiVersion, kind: floorNames.kind },
      matchConstraints: {
        matchPolicy: 'Equivalent',
        namespaceSelector: {
          matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: excluded }],
        },
        objectSelector: {},
        resourceRules: [
          {
            apiGroups: [''],
            apiVersions: ['v1'],
            operations: ['CREATE', 'UPDATE'],
            resources: ['pods', 'pods/ephemeralcontainers'],
            scope: 'Namespaced',
          },
        ],
      },
      variables: [...subjectVariables, ...nameVariables, ...judgeVariables],
      validations: [
        {
          expression: floorValidation,
          message: 'refused by the floor of trow: an image that no policy may let pass',
          messageExpression: floorMessage,
          reason: 'Forbidden',
        },
      ],
    },
  }
}

export function floorBindingObject(): FloorObject {
  return {
    apiVersion: admissionVersion,
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name: floorNames.binding, labels },
    spec: {
      policyName: floorNames.policy,
      // Whoever deletes the parameters closes the cluster's door for images, and does not open it.
      paramRef: { name: floorNames.parameters, parameterNotFoundAction: 'Deny' },
      // Audit: the API server's own audit log gets the message too, since trow does not hear of what is refused here.
      validationActions: ['Deny', 'Audit'],
    },
  }
}
