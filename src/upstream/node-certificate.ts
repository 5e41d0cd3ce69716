import { Agent } from 'undici'

const timeout = 5000
const longest = 64 * 1024

export interface NodeCertificateQuestion {
  /** `HOST:PORT` of a registry. */
  readonly endpoint: string
  /** PEM: nobody else's certificate is taken. */
  readonly ca: string
  readonly token: string
  /** PKCS #10, PEM. */
  readonly request: string
}

/**
 * Has a registry of ours certify a node's key (`POST /trow/v1/node-certificate`). Resolves to the chain, PEM, leaf first;
 * rejects within 5 s per step for anything else, with the registry's reason and never the token.
 */
export async function askForNodeCertificate(question: NodeCertificateQuestion): Promise<string> {
  const { endpoint, ca, token, request } = question
  const agent = new Agent({ connect: { ca, timeout }, headersTimeout: timeout, bodyTimeout: timeout })
  try {
    const { statusCode, body } = await agent.request({
      origin: `https://${endpoint}`,
      path: '/trow/v1/node-certificate',
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/pkcs10' },
      body: request,
      signal: AbortSignal.timeout(2 * timeout),
    })
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of body) {
      size += (chunk as Buffer).length
      if (size > longest) throw new Refusal(`${endpoint} sent more than ${longest} bytes`)
      chunks.push(chunk as Buffer)
    }
    const text = Buffer.concat(chunks).toString('utf8')
    if (statusCode !== 200) throw new Refusal(`${endpoint} answered ${statusCode}${reasonIn(text)}`)
    return text
  } catch (error) {
    if (error instanceof Refusal) throw error
    const { code, message } = error as NodeJS.ErrnoException
    throw new Error(`${endpoint} gave no answer: ${code ?? message}`, { cause: error })
  } finally {
    await agent.destroy()
  }
}

/** The registry answered. */
class Refusal extends Error {}

/** Of the specification's error body. */
function reasonIn(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { errors?: { message?: unknown; detail?: unknown }[] }
    const { message, detail } = errors?.[0] ?? {}
    const reason = typeof detail === 'string' ? detail : message
    return typeof reason === 'string' ? `: ${reason.slice(0, 300)}` : ''
  } catch {
    return ''
  }
}
