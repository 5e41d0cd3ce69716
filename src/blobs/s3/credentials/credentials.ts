/** What requests are signed with. */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
  /** Milliseconds since the epoch; undefined: they do not expire. */
  readonly expiresAt?: number | undefined
}

/** Where credentials come from: plain data, which is posted to threads and never printed. */
export type CredentialSource =
  | ({ readonly kind: 'keys' } & Omit<S3Credentials, 'expiresAt'>)
  /** A file as the AWS command line keeps it, `~/.aws/credentials`; read again when it changes. */
  | { readonly kind: 'file'; readonly path: string; readonly profile: string }
  /** A token of a workload that STS exchanges (AssumeRoleWithWebIdentity). */
  | {
      readonly kind: 'web-identity'
      readonly roleArn: string
      readonly tokenFile: string
      readonly sessionName: string
      /** URL of STS. */
      readonly endpoint: string
    }
  /** An agent beside the workload: EKS Pod Identity, ECS. */
  | {
      readonly kind: 'container'
      readonly url: string
      readonly tokenFile: string | undefined
      readonly token: string | undefined
    }
  /** The metadata service of the machine (EC2). */
  | { readonly kind: 'instance' }

/** Says in words where credentials were looked for. */
export function sourceName(source: CredentialSource): string {
  switch (source.kind) {
    case 'keys':
      return 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'
    case 'file':
      return `profile ${source.profile} of ${source.path}`
    case 'web-identity':
      return `the role ${source.roleArn} for the token in ${source.tokenFile}`
    case 'container':
      return `the agent at ${source.url}`
    case 'instance':
      return 'the metadata service of this machine'
  }
}
