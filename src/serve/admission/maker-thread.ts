import { webcrypto } from 'node:crypto'
import { parentPort, type MessagePort } from 'node:worker_threads'
import { issueLeaf, makeAuthority } from '../../certificates/certificate-authority.ts'
import { ThreadChannel } from '../../messaging/thread-channel.ts'
import type { CertificateMakers } from './webhook-certificates.ts'

const leafLife = 90 * 24 * 3_600_000
const crypto = webcrypto as Crypto

const local: CertificateMakers = {
  authority: (host) => makeAuthority([host], [], crypto),
  leaf: (authority, host) => issueLeaf(authority, { names: [host], life: leafLife }, crypto),
}
new ThreadChannel(parentPort as MessagePort, local)
