import { parentPort, workerData } from 'node:worker_threads'
import { openMetadata } from '../../storage/thread-stores.ts'
import { UserError } from '../../user-error.ts'
import { openAuthority, type OpenAuthority } from '../access/open-authority.ts'
import { createLogger } from '../logger.ts'
import { serveCalls } from './port-calls.ts'
import type { ServedOrder } from './served-thread.ts'
import type { AccessReport, AccessStart } from './thread-protocol.ts'

const start = workerData as AccessStart
const { settings } = start
const report = (message: AccessReport): void => parentPort?.postMessage(message)

const log = createLogger({ format: start.logFormat, level: settings['log-level'] })
const metadata = await openMetadata(start.storage, { cacheBytes: 0 })
try {
  const opened = await openAuthority(settings, {
    store: metadata.access,
    log,
    env: process.env,
    cwd: process.cwd(),
    onClientAuthority: (cluster) => report({ kind: 'client-authority', cluster }),
  })
  serve(opened)
  report({ kind: 'ready' })
} catch (error) {
  if (!(error instanceof UserError)) throw error
  const { code, message, hint, exitCode } = error
  report({ kind: 'failed', error: { code, message, hint, exitCode } })
}

function serve({ authority, nodeCertificates, close }: OpenAuthority): void {
  parentPort?.on('message', (order: ServedOrder) => {
    if (order.kind === 'attach') {
      const target = {
        verify: authority.verify.bind(authority),
        verifyNode: authority.verifyNode.bind(authority),
        review: authority.review.bind(authority),
        reviewNamespace: authority.reviewNamespace.bind(authority),
        reviewAudit: authority.reviewAudit.bind(authority),
        signingKeys: authority.signingKeys.bind(authority),
        issue: nodeCertificates.issue.bind(nodeCertificates),
      }
      serveCalls(order.port, target, [
        'verify',
        'verifyNode',
        'review',
        'reviewNamespace',
        'reviewAudit',
        'signingKeys',
        'issue',
      ])
      return
    }
    close()
    void metadata.close().then(() => parentPort?.close())
  })
}
