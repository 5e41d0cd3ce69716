import { fromHttp } from '@aws-sdk/credential-provider-http'
import { fromInstanceMetadata } from '@smithy/credential-provider-imds'
import type { CredentialSource, S3Credentials } from './credentials.ts'

/** Asks the services that only run in a cloud, as AWS's own clients do. Loaded only where one of them is the source. */
export async function askService(
  source: Extract<CredentialSource, { readonly kind: 'container' | 'instance' }>,
): Promise<S3Credentials> {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = await providerOf(source)()
  return { accessKeyId, secretAccessKey, sessionToken, expiresAt: expiration?.getTime() }
}

function providerOf(
  source: Extract<CredentialSource, { readonly kind: 'container' | 'instance' }>,
): ReturnType<typeof fromHttp> | ReturnType<typeof fromInstanceMetadata> {
  const limits = { timeout: 2000, maxRetries: 3 }
  if (source.kind === 'instance') return fromInstanceMetadata(limits)
  return fromHttp({
    ...limits,
    awsContainerCredentialsFullUri: source.url,
    ...(source.tokenFile !== undefined && { awsContainerAuthorizationTokenFile: source.tokenFile }),
    ...(source.token !== undefined && { awsContainerAuthorizationToken: source.token }),
  })
}
