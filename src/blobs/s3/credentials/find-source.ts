import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { CredentialSource } from './credentials.ts'

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Finds credentials where AWS's own clients look for them, in this order: the variables of keys, a credentials file, the
 * token of a workload, the agent beside it, the metadata service of the machine. Reads no secret but the variables.
 */
export function findCredentials(env: Environment, home: string, region: string): CredentialSource {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env
  if (accessKeyId && secretAccessKey)
    return { kind: 'keys', accessKeyId, secretAccessKey, sessionToken: env['AWS_SESSION_TOKEN'] || undefined }
  const given = env['AWS_SHARED_CREDENTIALS_FILE'] || undefined
  const path = given ?? join(home, '.aws', 'credentials')
  const profile = env['AWS_PROFILE'] || undefined
  if (given !== undefined || profile !== undefined || existsSync(path))
    return { kind: 'file', path, profile: profile ?? 'default' }
  const { AWS_ROLE_ARN: roleArn, AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile } = env
  if (roleArn && tokenFile) {
    return {
      kind: 'web-identity',
      roleArn,
      tokenFile,
      sessionName: env['AWS_ROLE_SESSION_NAME'] || 'trow',
      endpoint: env['AWS_ENDPOINT_URL_STS'] || `https://sts.${region}.amazonaws.com`,
    }
  }
  const relative = env['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI']
  const url = env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] || (relative && `http://169.254.170.2${relative}`)
  if (url) {
    return {
      kind: 'container',
      url,
      tokenFile: env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'] || undefined,
      token: env['AWS_CONTAINER_AUTHORIZATION_TOKEN'] || undefined,
    }
  }
  return { kind: 'instance' }
}
