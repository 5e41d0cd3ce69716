import { z } from 'zod'

const owner = z.object({ apiVersion: z.string(), kind: z.string(), name: z.string() })
const mode = z.enum(['enforce', 'warn', 'audit'])

const finding = z.object({
  namespace: z.string(),
  /** Empty: the settings refuse what no policy judges. */
  policy: z.string(),
  /** Of the policy, at `scan`. */
  mode,
  /** The reason's code, such as `DENY_LIST`. */
  reason: z.string(),
  detail: z.string(),
  owner,
  /** Made by a node from a file: no API server can refuse it. */
  isStatic: z.boolean(),
  /** Of that owner, with this finding. */
  pods: z.number(),
  /** As the pod has it. */
  image: z.string(),
  /** What the node says that it runs; empty: nothing yet. */
  imageId: z.string(),
  place: z.string(),
  /** One of the pods, and its node. */
  pod: z.string(),
  node: z.string(),
})

/** What runs although a policy in force refuses it, as of one scan. */
export const runningFindingsSchema = z.object({
  /** ISO 8601: when the pods had been read. */
  at: z.string(),
  /** Reading and judging took so long. */
  seconds: z.number(),
  /** Of the policies. */
  generation: z.number(),
  pods: z.number(),
  /** Different images, by namespace. */
  images: z.number(),
  /** Pods that were counted and not looked at. */
  notLookedAt: z.number(),
  /** Pods with an image that a policy refuses, in whatever mode. */
  violating: z.number(),
  /** Pods with an image that could not be checked. */
  unchecked: z.number(),
  /** Pods with an image that an exception lets run. */
  excepted: z.number(),
  policies: z.array(z.object({ policy: z.string(), mode, pods: z.number(), namespaces: z.number() })),
  /** Pods by namespace and policy, most first. */
  namespaces: z.array(z.object({ namespace: z.string(), policy: z.string(), pods: z.number() })),
  /** Those with most pods, at most 20. */
  owners: z.array(
    z.object({
      namespace: z.string(),
      owner,
      isStatic: z.boolean(),
      pods: z.number(),
      policies: z.array(z.string()),
      reasons: z.array(z.string()),
    }),
  ),
  /** What is enforced first, then what concerns most pods. */
  findings: z.array(finding),
  /** Entries that are not listed, of `policies`, `namespaces` and `findings`. */
  leftOut: z.object({ policies: z.number(), namespaces: z.number(), findings: z.number() }),
})

export type RunningFindings = z.infer<typeof runningFindingsSchema>
export type RunningFinding = RunningFindings['findings'][number]
