import { dataOf } from '../../cluster/config-data.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditRequest } from '../../audit/audit-request.ts'
import type { AuditPosition, PositionEvent } from '../../audit/query.ts'
import { printAuditRequest } from '../../audit/request-parameters.ts'
import { names } from '../../cluster/layout.ts'
import { reasonOf } from '../../reason-of.ts'
import { AuditClient, StreamEnded } from '../../upstream/audit-client.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { explainFault } from '../../cluster/cluster-problem.ts'
import type { OpenCluster } from '../cluster/cluster-options.ts'
import type { Terminal } from '../streams.ts'
import type { FoundWay } from '../way/find-way.ts'
import type { RegistryWay } from '../way/registry-way.ts'
import { explainAuditFault, explainNoAuditor } from './audit-errors.ts'

interface AuditQuestion {
  readonly terminal: Terminal
  readonly request: AuditRequest
  readonly signal: AbortSignal
}

/** Milliseconds between two attempts to continue. */
const pause = 1000
/** Milliseconds within which the registry answers again after it has ended a stream, unless it restarts. */
const soon = 3000

/** Throws UserError REGISTRY_DENIED, in a cluster with the command for the missing role binding. */
export async function* askRegistry(
  { way, cluster, close }: FoundWay,
  question: AuditQuestion,
): AsyncGenerator<object> {
  try {
    yield* cluster === undefined
      ? ask({ ...way, deniedHint: readers }, question.request, question)
      : askCluster(way, cluster, question)
  } finally {
    await close()
  }
}

const readers =
  'audit-readers of its configuration, or in a cluster ClusterRole trow-auditor, says who may read the audit.'

async function* askCluster(
  way: RegistryWay,
  cluster: OpenCluster,
  { terminal, request, signal }: AuditQuestion,
): AsyncGenerator<object> {
  try {
    const full = request.kind === 'verify' ? await withWitness(request, cluster, terminal) : request
    yield* ask(way, full, { signal, terminal })
  } catch (error) {
    throw await explainNoAuditor(explainFault(error, cluster.context), cluster)
  }
}

/**
 * Adds the heads that the cluster stores. They are read with the user's identity, not by the registry whose
 * log is verified.
 */
async function withWitness(
  request: Extract<AuditRequest, { kind: 'verify' }>,
  { objects, layout }: OpenCluster,
  { stderr }: Terminal,
): Promise<AuditRequest> {
  const { namespace } = layout
  const name = names.auditHeads
  const place = `ConfigMap ${name} in ${namespace}`
  try {
    const map = await objects.get({ apiVersion: 'v1', kind: 'ConfigMap', name, namespace })
    const witnessed = dataOf(map)
    if (witnessed['key'] === undefined)
      stderr.write(`trow: not compared with the cluster: no head is in ${place}\n`)
    return { ...request, witnessed }
  } catch (error) {
    stderr.write(`trow: not compared with ${place}: ${reasonOf(error)}\n`)
    return request
  }
}

async function* ask(
  way: RegistryWay,
  request: AuditRequest,
  { signal, terminal }: Pick<AuditQuestion, 'signal' | 'terminal'>,
): AsyncGenerator<object> {
  const client = new AuditClient(way)
  try {
    if (request.kind === 'follow') yield* follow(client, request, { signal, terminal })
    else yield* client.read(printAuditRequest(request), signal)
  } catch (error) {
    if (signal.aborted) return
    if (!(error instanceof StreamEnded)) throw explainAuditFault(error, way)
    throw new UserError('SERVER_FAILED', `${error.message} before all was read`, {
      hint: 'Run the command again.',
      exitCode: exitCode.unreachable,
      cause: error,
    })
  } finally {
    await client.close()
  }
}

/**
 * Continues at its last position if the registry restarts or the connection is cut, with a message on stderr.
 * The registry also ends each stream after some minutes to check the right again; that causes no message.
 */
async function* follow(
  client: AuditClient,
  request: Extract<AuditRequest, { kind: 'follow' }>,
  { signal, terminal: { stderr } }: Pick<AuditQuestion, 'signal' | 'terminal'>,
): AsyncGenerator<object> {
  let after: AuditPosition | undefined
  let isLost = false
  let late: NodeJS.Timeout | undefined
  const lost = (reason: string): void => {
    if (!isLost) stderr.write(`trow: ${reason}; asking again until it answers\n`)
    isLost = true
  }
  /** Ids of the events since `after`. */
  const given = new Set<string>()
  try {
    for (;;) {
      try {
        for await (const event of client.read(printAuditRequest({ ...request, after }), signal)) {
          clearTimeout(late)
          if (isLost) stderr.write('trow: the registry answers again; nothing was left out\n')
          isLost = false
          if (isPosition(event)) {
            after = event.position
            given.clear()
            continue
          }
          const { id } = event as { readonly id: string }
          if (given.has(id)) continue
          given.add(id)
          yield event
        }
        // The registry ends a stream after some minutes so that it can check the right again. Only a restart
        // takes longer than `soon`.
        clearTimeout(late)
        late = setTimeout(lost, soon, 'the registry has ended the stream')
      } catch (error) {
        if (signal.aborted) return
        if (after === undefined || !passes(error)) throw error
        lost(reasonOf(error))
      }
      if (signal.aborted) return
      await sleep(pause, undefined, { signal }).catch(() => undefined)
    }
  } finally {
    clearTimeout(late)
  }
}

function isPosition(event: object): event is PositionEvent {
  return 'kind' in event && event.kind === 'position'
}

function passes(error: unknown): boolean {
  if (error instanceof StreamEnded) return true
  const told = explainAuditFault(error)
  return told instanceof UserError && told.exitCode === exitCode.unreachable
}
