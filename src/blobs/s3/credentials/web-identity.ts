import { readFile } from 'node:fs/promises'
import type { Dispatcher } from 'undici'
import { S3Fault } from '../s3-fault.ts'
import { xmlText } from '../xml.ts'
import type { CredentialSource, S3Credentials } from './credentials.ts'

/**
 * Exchanges the token in a file for credentials of a role: AssumeRoleWithWebIdentity of STS, which AWS and MinIO offer. The
 * file is read each time, because its token is renewed. Rejects with S3Fault if STS refuses.
 */
export async function assumeRole(
  source: Extract<CredentialSource, { readonly kind: 'web-identity' }>,
  agent: Dispatcher,
): Promise<S3Credentials> {
  const token = (await readFile(source.tokenFile, 'utf8')).trim()
  const url = new URL(source.endpoint)
  const form = new URLSearchParams({
    Action: 'AssumeRoleWithWebIdentity',
    Version: '2011-06-15',
    RoleArn: source.roleArn,
    RoleSessionName: source.sessionName,
    WebIdentityToken: token,
  })
  const { statusCode, headers, body } = await agent.request({
    origin: url.origin,
    path: url.pathname,
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: form.toString(),
    headersTimeout: 10_000,
    bodyTimeout: 10_000,
  })
  const text = await body.text()
  if (statusCode !== 200) throw new S3Fault(statusCode, headers, text)
  const accessKeyId = xmlText(text, 'AccessKeyId')
  const secretAccessKey = xmlText(text, 'SecretAccessKey')
  if (accessKeyId === undefined || secretAccessKey === undefined)
    throw new Error(`${source.endpoint} answered without credentials`)
  const expiresAt = Date.parse(xmlText(text, 'Expiration') ?? '')
  return {
    accessKeyId,
    secretAccessKey,
    sessionToken: xmlText(text, 'SessionToken'),
    expiresAt: Number.isNaN(expiresAt) ? undefined : expiresAt,
  }
}
