import { z } from 'zod'
import { engineKinds } from '../../../trust/docker/engine.ts'
import { runningFindingsSchema } from '../../../scan/running-findings.ts'
import { check } from './check.ts'
import { count, document, time } from './document.ts'

const problem = z.object({ message: z.string(), hint: z.string().optional() })

const trustProblem = z.object({
  code: z.string(),
  message: z.string(),
  hint: z.string().optional(),
  file: z.string().optional(),
  fatal: z.boolean().describe('true: the machine cannot pull because of it'),
})

const object = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  namespace: z.string().optional(),
})

const authority = z.object({
  subject: z.string(),
  fingerprintSha256: z.string(),
  notAfter: time,
  pem: z.string(),
})

const step = z.object({ description: z.string(), durationSeconds: z.number().nonnegative() })

export const clusterResults = {
  Status: document('Status', 'trow status', {
    success: z.boolean(),
    installed: z
      .object({
        namespace: z.string(),
        version: z.string(),
        imageHost: z.string(),
        time: z.string().optional().describe('of the last trow install'),
      })
      .optional()
      .describe('absent: there is no install'),
    served: z
      .object({ folder: z.string(), version: z.string() })
      .optional()
      .describe('the server of this machine that was asked instead of a cluster (--data)'),
    categories: z.array(z.object({ categoryName: z.string(), checks: z.array(check) })),
    nodes: z.array(
      z.object({
        node: z.string(),
        state: z.enum(['healthy', 'problem', 'unknown']),
        runtime: z.string(),
        class: z.string(),
        trust: z.string(),
        identity: z.string(),
        lastPull: z.string(),
        problems: z.array(problem),
        notes: z.array(problem.extend({ description: z.string() })),
      }),
    ),
    unseen: z.array(z.string()).describe('what could not be read, and why'),
    running: runningFindingsSchema.optional().describe('what the last scan of running pods found'),
  }),
  Preflight: document('Preflight', 'trow install --preflight', {
    success: z.boolean().describe('no check has failed; there may be warnings'),
    categories: z.array(
      z.object({
        categoryName: z.string(),
        checks: z.array(
          check.extend({
            id: z.string().describe('for --ignore-preflight'),
            isFinal: z.boolean().optional().describe('true: it cannot be ignored'),
          }),
        ),
      }),
    ),
  }),
  Install: document('Install', 'trow install', {
    context: z.string(),
    namespace: z.string(),
    version: z.string().describe('of the registry that runs now'),
    previousVersion: z.string().optional().describe('absent: there was no install'),
    image: z.string().describe('what its pods run'),
    imageHosts: z.array(z.string()).describe('as image references have the registry, the usual one first'),
    clusterIps: z.array(z.string()).describe('addresses of its Service'),
    nodePort: z.int().optional().describe('port of the nodes that leads to it'),
    changes: z
      .array(object.extend({ action: z.enum(['create', 'change', 'remove']) }))
      .describe('what was not as it is to be; none: nothing has changed'),
    steps: z.array(step),
    warnings: z.array(z.string()),
    nodes: z
      .array(z.object({ node: z.string(), note: z.string().optional() }))
      .describe('those that have pulled from it; none with --no-trust-nodes'),
  }),
  Uninstall: document('Uninstall', 'trow uninstall', {
    context: z.string(),
    namespace: z.string(),
    isDryRun: z.boolean(),
    objects: z.array(object).describe('in the order of their removal; none: there is no trow'),
    kept: z.array(z.string()).describe('what stays, and why'),
    pods: z.array(z.string()).describe('those that run images from this registry'),
    policies: count.describe('policies and exceptions that go with their definitions'),
    silentNodes: z.array(z.string()).describe('nodes that did not say that they are as they were'),
  }),
  AuthorityBundle: document('AuthorityBundle', 'trow ca show', {
    generation: z.string(),
    items: z.array(authority).describe('the CAs that clients are to trust'),
  }),
  AuthorityRotation: document('AuthorityRotation', 'trow ca rotate', {
    context: z.string(),
    namespace: z.string(),
    generation: z.int().describe('of the bundle that nodes and clients are to have'),
    signing: z.string().describe('SHA-256 fingerprint of the CA that signs now'),
    trusted: z.array(authority).describe('oldest first; one alone: the rotation is finished'),
  }),
  Connection: document('Connection', 'trow connect, once its address is open', {
    context: z.string(),
    namespace: z.string(),
    address: z.string().describe('HOST:PORT on this machine'),
    engineAddress: z.string().describe('HOST:PORT for an engine in a VM of this machine'),
    imageHost: z.string().describe('the host of the same images in a pod'),
  }),
  EngineTrust: document('EngineTrust', 'trow trust-docker', {
    engine: z.enum(engineKinds),
    origin: z.string().describe('how the engine was found'),
    host: z.string().describe('HOST:PORT as references have it'),
    isUndo: z.boolean(),
    isDryRun: z.boolean(),
    steps: z
      .array(
        z.union([
          z.object({
            action: z.enum(['create', 'change', 'remove']),
            path: z.string(),
            withSudo: z.boolean(),
          }),
          z.object({ action: z.literal('run'), purpose: z.string(), command: z.string() }),
        ]),
      )
      .describe('none: it was so before'),
    notes: z.array(z.string()),
    proof: z
      .object({ reference: z.string(), digest: z.string().optional() })
      .optional()
      .describe('the image that the engine has pushed and pulled; absent: nothing was proved'),
  }),
  NodeTrust: document('NodeTrust', 'trow trust-node', {
    facts: z.object({
      distribution: z.string(),
      class: z.enum(['direct', 'colon', 'unset', 'managed', 'unsupported']),
      runtime: z.object({ name: z.string(), version: z.string() }),
      socket: z.string().optional(),
      folder: z.string().optional(),
      config: z.string().optional(),
      configPath: z.string().optional(),
      kubeletCertificate: z.object({ certificate: z.string(), key: z.string() }).optional(),
      problems: z.array(trustProblem),
    }),
    changes: z.array(
      z.object({
        action: z.enum(['create', 'update', 'remove']),
        path: z.string(),
        before: z.string().optional(),
        after: z.string().optional(),
      }),
    ),
    problems: z.array(trustProblem),
    isDryRun: z.boolean(),
    commands: z.string().optional().describe('for the user, where trow may not write the files'),
  }),
}
