import { errorCode } from '../error-code.ts'
import { Http1Agent } from '../http1-agent.ts'
import { readLimited } from '../limited-body.ts'
import { reasonOf } from '../reason-of.ts'
import { registryReason } from './registry-errors.ts'

const timeout = 5000
const longest = 64 * 1024

export interface NodeCertificateQuestion {
  /** `HOST:PORT` of a registry. */
  readonly endpoint: string
  /** The only CA that is trusted for this connection, as PEM. */
  readonly ca: string
  readonly token: string
  /** A PKCS #10 request in PEM. */
  readonly request: string
}

/**
 * Asks a trow registry to sign a node's key (`POST /trow/v1/node-certificate`). Resolves to the chain as PEM,
 * leaf first. Otherwise rejects within 5 s per step, with the registry's reason and never with the token.
 */
export async function askForNodeCertificate(question: NodeCertificateQuestion): Promise<string> {
  const { endpoint, ca, token, request } = question
  const agent = new Http1Agent({ connect: { ca, timeout }, headersTimeout: timeout, bodyTimeout: timeout })
  try {
    const { statusCode, body } = await agent.request({
      origin: `https://${endpoint}`,
      path: '/trow/v1/node-certificate',
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/pkcs10' },
      body: request,
      signal: AbortSignal.timeout(2 * timeout),
    })
    const answer = await readLimited(body, longest)
    if (statusCode === 200) return answer.toString('utf8')
    const reason = registryReason(answer)
    throw new CertificateRefusal(
      `${endpoint} answered ${statusCode}${reason === undefined ? '' : `: ${reason.slice(0, 300)}`}`,
    )
  } catch (error) {
    if (error instanceof CertificateRefusal) throw error
    throw new Error(`${endpoint} gave no answer: ${errorCode(error) ?? reasonOf(error)}`, { cause: error })
  } finally {
    await agent.destroy()
  }
}

/** The registry answered, with a refusal. */
class CertificateRefusal extends Error {}
