import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { stringify } from 'yaml'
import { z } from 'zod'
import {
  definitionName,
  policyApiVersion,
  policyKinds,
  policyStatusSchema,
  type PolicyKind,
} from '../src/cluster/policy-object.ts'
import { exceptionSchema, policySchema } from '../src/policy/document-schema.ts'

export const crdFile = fileURLToPath(new URL('../templates/policy-crds.yaml', import.meta.url))

type Schema = Readonly<Record<string, unknown>>

const schemas = { TrowPolicy: policySchema, TrowException: exceptionSchema } satisfies Record<
  PolicyKind,
  z.ZodType
>
const shortNames = { TrowPolicy: ['tpol'], TrowException: ['tex'] } satisfies Record<PolicyKind, string[]>

const accepted = column('Accepted', '.status.conditions[?(@.type=="Accepted")].status')
const enforcing = column('Enforcing', '.status.conditions[?(@.type=="Enforcing")].status')
const age = { ...column('Age', '.metadata.creationTimestamp'), type: 'date' }
const columns = {
  TrowPolicy: [
    column('Mode', '.spec.mode'),
    column('Default', '.spec.default'),
    accepted,
    enforcing,
    age,
    { ...column('Hash', '.status.hash'), priority: 1 },
  ],
  TrowException: [
    column('Policies', '.spec.policies'),
    // A date would be printed as the time that has passed since then.
    column('Expires', '.spec.expires'),
    accepted,
    enforcing,
    age,
    { ...column('Reason', '.spec.reason'), priority: 1 },
  ],
} satisfies Record<PolicyKind, object[]>

/** The CustomResourceDefinitions of policies and exceptions, as the schemas that trow loads them by come to: the text of `crdFile`. */
export async function policyCrds(): Promise<string> {
  const documents = policyKinds.map((names) =>
    stringify(definition(names), { aliasDuplicateObjects: false, version: '1.1' }),
  )
  const text = `# Made of src/policy/document-schema.ts by npm run policy-crds.\n${documents.join('---\n')}`
  return format(text, { ...(await resolveConfig(crdFile)), parser: 'yaml' })
}

function definition({ kind, plural }: (typeof policyKinds)[number]): object {
  const [group = '', version] = policyApiVersion.split('/')
  const singular = kind.toLowerCase()
  const openAPIV3Schema = documentSchema(schemas[kind])
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: definitionName(plural) },
    spec: {
      group,
      scope: 'Cluster',
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular,
        shortNames: shortNames[kind],
        categories: ['trow'],
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: columns[kind],
          schema: { openAPIV3Schema },
        },
      ],
    },
  }
}

function column(name: string, jsonPath: string): { name: string; type: string; jsonPath: string } {
  return { name, type: 'string', jsonPath }
}

function documentSchema(schema: z.ZodType): Schema {
  const root = openApi(schema)
  const properties = {
    ...(root['properties'] as Record<string, Schema>),
    // What the API server checks by itself.
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    metadata: { type: 'object' },
    status: openApi(policyStatusSchema),
  }
  return { ...root, properties, required: ['spec'] }
}

/** A structural schema: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/ */
function openApi(schema: z.ZodType): Schema {
  const options = { target: 'openapi-3.0', io: 'input', reused: 'inline', unrepresentable: 'any' } as const
  return structural(z.toJSONSchema(schema, options) as Schema)
}

const unpruned = { 'x-kubernetes-preserve-unknown-fields': true }

function structural(given: Schema): Schema {
  const {
    additionalProperties,
    properties,
    items,
    pattern,
    minimum: _minimum,
    maximum: _maximum,
    ...schema
  } = given
  return {
    ...schema,
    ...(typeof pattern !== 'string' || schema['format'] === 'date-time' ? {} : { pattern: re2(pattern) }),
    // Those of an integer are what a number of JavaScript can be.
    ...(schema['type'] === 'integer' ? { format: 'int64' } : {}),
    ...(schema['type'] === 'array'
      ? { 'x-kubernetes-list-type': schema['x-kubernetes-list-type'] ?? 'atomic' }
      : {}),
    ...(items === undefined ? {} : { items: structural(items as Schema) }),
    // An unknown field is kept, not dropped: trow says that there is none such, and nothing is ignored unseen.
    ...(additionalProperties === false || schema['not'] !== undefined ? unpruned : {}),
    ...(properties === undefined
      ? {}
      : {
          properties: Object.fromEntries(
            Object.entries(properties as Record<string, Schema>).map(([name, each]) => [
              name,
              structural(each),
            ]),
          ),
        }),
  }
}

/** The same expression for Go. Throws for what RE2 does not have. */
function re2(pattern: string): string {
  if (/\(\?[=!<]/.test(pattern)) throw new Error(`RE2 cannot look around: ${pattern}`)
  return pattern.replaceAll(/\\u([0-9a-f]{4})/gi, String.raw`\x{$1}`).replaceAll(String.raw`\/`, '/')
}

if (import.meta.main) writeFileSync(crdFile, await policyCrds())
