import { z } from 'zod'
import type { ClusterConnection } from './cluster-connection.ts'
import { ClusterFault, toFault } from './cluster-fault.ts'
import type { KubeSelection } from './cluster-objects.ts'
import { parseAnswer } from './kube-json.ts'
import { queryOf } from './resource-path.ts'

export type PageEvent =
  | { readonly kind: 'page'; readonly items: readonly unknown[] }
  /** The list begins anew: what the earlier pages held is no longer right. */
  | { readonly kind: 'restart' }

/** Lists that are too large to be held as a whole. */
export interface ObjectPages {
  /** The objects of one list, page by page, as plain JSON that no schema has checked. Rejects with ClusterFault. */
  pages(selection: KubeSelection, signal: AbortSignal): AsyncIterable<PageEvent>
}

const mostObjects = 500
const firstObjects = 100
/** Bytes of a page that the sizes aim at: some milliseconds of parsing. */
const aim = 1024 * 1024
/** Bytes beyond which a page of several objects is not read on, but asked for again with fewer. */
const largestPage = 4 * aim
/** An object of the largest size that etcd takes (1.5 MiB) as JSON, where a byte may become six. */
const largestObject = 16 * aim
const mostRestarts = 3
/** Milliseconds for one page, with its body. */
const patience = 30_000

const pageSchema = z.object({
  metadata: z.object({ continue: z.string().optional() }),
  items: z.array(z.unknown()).nullable(),
})

/** `path`: of the collection. */
export async function* readPages(
  connection: ClusterConnection,
  path: string,
  selection: KubeSelection,
  signal: AbortSignal,
): AsyncGenerator<PageEvent> {
  let limit = firstObjects
  let next = ''
  let restarts = 0
  for (;;) {
    const query = queryOf(selection, { limit: String(limit), ...(next === '' ? {} : { continue: next }) })
    const most = limit === 1 ? largestObject : largestPage
    try {
      const text = await readText(connection, `${path}?${query.toString()}`, { most, signal })
      if (text === undefined) {
        limit = Math.max(1, Math.floor(limit / 8))
        continue
      }
      const { items, metadata } = parseAnswer(connection.server, text, pageSchema)
      yield { kind: 'page', items: items ?? [] }
      next = metadata.continue ?? ''
      if (next === '') return
      limit = Math.min(mostObjects, 2 * limit, Math.max(1, Math.floor((limit * aim) / text.length)))
    } catch (error) {
      // The snapshot of the earlier pages has expired.
      const isExpired = error instanceof ClusterFault && error.status === 410 && next !== ''
      if (!isExpired || ++restarts > mostRestarts) throw error
      next = ''
      yield { kind: 'restart' }
    }
  }
}

/** Undefined: a page of several objects is larger than `most` bytes. Rejects for an object that is. */
async function readText(
  connection: ClusterConnection,
  path: string,
  { most, signal: given }: { readonly most: number; readonly signal: AbortSignal },
): Promise<string | undefined> {
  const signal = AbortSignal.any([given, AbortSignal.timeout(patience)])
  try {
    const body = await connection.stream({ method: 'GET', path, signal })
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of body) {
      size += chunk.length
      if (size > most && most === largestObject)
        throw new ClusterFault('refused', `${connection.server} sent an object of more than ${most} bytes`)
      if (size > most) return undefined
      chunks.push(chunk)
    }
    return Buffer.concat(chunks).toString('utf8')
  } catch (error) {
    throw toFault(error, connection.server)
  }
}
