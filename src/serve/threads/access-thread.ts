import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import type { Authority } from '../../access/authority.ts'
import type { NodeCertificates } from '../../access/node-certificates.ts'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import { openMetadata } from '../../storage/thread-stores.ts'
import { openAuthority } from '../access/open-authority.ts'
import { createLogger } from '../logger.ts'
import type { AccessMain, AccessStart, ServedSide } from './thread-protocol.ts'

const start = workerData as AccessStart
const { settings } = start
const main = parentPort as MessagePort

const log = createLogger({ format: start.logFormat, level: settings['log-level'] })
const metadata = await openMetadata(start.storage, { cacheBytes: 0 })
const local: ServedSide = {
  start: async () => void (await opened),
  attach: (port) => void answer(port),
  health: () => undefined,
  setSettings: async (changed) => {
    log.setLevel(changed['log-level'])
    ;(await opened).setIssuers(changed.oidc)
  },
  stop: () => void stop(),
}
const channel = new ThreadChannel<AccessMain>(main, local)
const opened = openAuthority(settings, {
  store: metadata.access,
  log,
  env: process.env,
  cwd: process.cwd(),
  onClientAuthority: (cluster) => channel.tell('clientAuthority', [cluster]),
  onUsersChanged: (change) => channel.tell('usersChanged', [change]),
})
// Main receives a rejection through `start`; until then it must not count as unhandled.
opened.catch(() => undefined)

async function answer(port: MessagePort): Promise<void> {
  const { authority, nodeCertificates } = await opened
  const methods: Authority & NodeCertificates = {
    verify: authority.verify.bind(authority),
    verifyNode: authority.verifyNode.bind(authority),
    review: authority.review.bind(authority),
    reviewNamespace: authority.reviewNamespace.bind(authority),
    reviewAudit: authority.reviewAudit.bind(authority),
    reviewAdmission: authority.reviewAdmission.bind(authority),
    signingKeys: authority.signingKeys.bind(authority),
    issue: nodeCertificates.issue.bind(nodeCertificates),
  }
  new ThreadChannel(port, methods)
}

async function stop(): Promise<void> {
  const { close } = await opened
  close()
  await metadata.close()
  main.close()
}
