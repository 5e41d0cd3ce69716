import { setTimeout as sleep } from 'node:timers/promises'
import type { AuditRequest } from '../../audit/audit-request.ts'
import type { WitnessedHeads } from '../../audit/log-head.ts'
import type { AuditPosition, PositionEvent } from '../../audit/query.ts'
import { printAuditRequest } from '../../audit/request-parameters.ts'
import { names } from '../../cluster/layout.ts'
import { reasonOf } from '../../reason-of.ts'
import { AuditClient, StreamEnded } from '../../upstream/audit-client.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { FoundRegistry } from '../cluster/found-registry.ts'
import { explainFault } from '../../cluster/cluster-problem.ts'
import { bindingCommand } from '../cluster/registry-road.ts'
import { registryOptions } from '../registry/target.ts'
import type { Terminal } from '../streams.ts'
import type { RegistryWay } from '../upstream/registry-way.ts'
import { explainAuditFault } from './audit-errors.ts'
import type { AuditOptions } from './audit-options.ts'

interface Asked {
  readonly options: AuditOptions
  readonly terminal: Terminal
  readonly request: AuditRequest
  readonly signal: AbortSignal
}

/** Between two attempts to go on; milliseconds. */
const pause = 1000
/** Milliseconds in which the registry goes on after it has ended a stream, unless it restarts. */
const soon = 3000

export async function* askNamedRegistry(
  origin: string,
  { options, terminal, request, signal }: Asked,
): AsyncGenerator<object> {
  const registry = await registryOptions(origin, options, terminal)
  const deniedHint =
    'audit-readers of its configuration, or in a cluster ClusterRole trow-auditor, says who may read the audit.'
  yield* ask({ ...registry, deniedHint }, request, { signal, terminal })
}

/** Throws UserError REGISTRY_DENIED with the binding to ask for. */
export async function* askCluster(
  found: FoundRegistry,
  { terminal, request, signal }: Asked,
): AsyncGenerator<object> {
  const { registry, cluster } = found
  try {
    const full = request.kind === 'verify' ? await withWitness(request, found, terminal) : request
    yield* ask(registry, full, { signal, terminal })
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== 'REGISTRY_DENIED')
      throw explainFault(error, cluster.context)
    const binding = await bindingCommand(cluster.objects, undefined, names.auditorRole)
    throw new UserError(error.code, error.message, {
      hint: `Somebody who may has to let you: ${binding}`,
      exitCode: exitCode.notPermitted,
      cause: error,
    })
  } finally {
    await found.close()
  }
}

/** With the heads that the cluster keeps, read as whoever asks and not by the registry whose log it is. */
async function withWitness(
  request: Extract<AuditRequest, { kind: 'verify' }>,
  { cluster: { objects, layout } }: FoundRegistry,
  { stderr }: Terminal,
): Promise<AuditRequest> {
  const { namespace } = layout
  const name = names.auditHeads
  const place = `ConfigMap ${name} in ${namespace}`
  try {
    const map = await objects.get({ apiVersion: 'v1', kind: 'ConfigMap', name, namespace })
    const witnessed = map?.['data'] as WitnessedHeads | undefined
    if (witnessed?.key === undefined)
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
  { signal, terminal }: Pick<Asked, 'signal' | 'terminal'>,
): AsyncGenerator<object> {
  const client = new AuditClient(way)
  try {
    if (request.kind === 'follow') yield* follow(client, request, { signal, terminal })
    else yield* client.read(printAuditRequest(request), signal)
  } catch (error) {
    if (signal.aborted) return
    if (!(error instanceof StreamEnded)) throw explainAuditFault(error, way.deniedHint)
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
 * Goes on from where it was when the registry restarts or the connection is cut; says so on stderr. The registry ends each
 * stream after some minutes, to ask anew who follows: that is nothing to be told of.
 */
async function* follow(
  client: AuditClient,
  request: Extract<AuditRequest, { kind: 'follow' }>,
  { signal, terminal: { stderr } }: Pick<Asked, 'signal' | 'terminal'>,
): AsyncGenerator<object> {
  let after: AuditPosition | undefined
  let isLost = false
  let late: NodeJS.Timeout | undefined
  const lost = (reason: string): void => {
    if (!isLost) stderr.write(`trow: ${reason}; asking again until it answers\n`)
    isLost = true
  }
  /** Since `after`. */
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
        // A stream ends after some minutes, so that nobody reads longer than they may; a restart takes longer than that.
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
