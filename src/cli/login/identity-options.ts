import type { Command } from 'commander'

/** The flags of commands that send a credential to the registry in a cluster. */
export interface IdentityOptions {
  readonly serviceAccount?: string
  readonly shareApiToken?: boolean
}

export function addIdentityOptions(command: Command): Command {
  return command
    .option('--service-account <name>', 'be this service account, NAMESPACE/NAME, by a short-lived token')
    .option(
      '--share-api-token',
      'present the token of the kube context although it is one for the API server (TROW_SHARE_API_TOKEN)',
    )
}
