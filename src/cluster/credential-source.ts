import { readFile } from 'node:fs/promises'
import { UserError } from '../user-error.ts'
import { runExecPlugin, type ExecDeps } from './exec-plugin.ts'
import type { KubeContext } from './kube-context.ts'
import { currentIdToken } from './oidc-tokens.ts'
import { readPem } from './pem-source.ts'
import { readClaims } from './unverified-jwt.ts'

/** What is sent to the API server; each part may be missing. */
export interface ClusterCredential {
  readonly token: string | undefined
  readonly certificate: { readonly cert: string; readonly key: string } | undefined
  readonly basic: { readonly username: string; readonly password: string } | undefined
  /** When the token expires (without a token: the plug-in's certificate), in milliseconds since the epoch. */
  readonly until: number | undefined
}

export interface CredentialOptions extends ExecDeps {
  readonly now: () => number
}

/** Milliseconds after which a token file is read again, as in client-go: a pod's token is replaced early. */
const rereadAfter = 60_000
/** A credential that expires within these milliseconds is not used any more. */
const margin = 10_000

/** The credential of a context, cached until it expires or must be read again. Callers share one request. */
export class CredentialSource {
  readonly #context: KubeContext
  readonly #options: CredentialOptions
  #known: { readonly credential: ClusterCredential; readonly renewAt: number } | undefined
  #asking: Promise<ClusterCredential> | undefined

  constructor(context: KubeContext, options: CredentialOptions) {
    this.#context = context
    this.#options = options
  }

  /** Throws UserError KUBECONFIG_INVALID, EXEC_PLUGIN_FAILED or OIDC_REFRESH_FAILED. */
  async current(): Promise<ClusterCredential> {
    if (this.#known !== undefined && this.#options.now() < this.#known.renewAt) return this.#known.credential
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined))
    return this.#asking
  }

  /** Drops a credential that the API server refused. Returns whether there is another one to try. */
  async replace(refused: ClusterCredential): Promise<boolean> {
    if (this.#known?.credential === refused) this.#known = undefined
    const next = await this.current()
    return next.token !== refused.token || next.certificate?.cert !== refused.certificate?.cert
  }

  async #ask(): Promise<ClusterCredential> {
    const { now } = this.#options
    const started = now()
    const credential = await resolve(this.#context, this.#options)
    const { kind } = this.#context.user.token ?? {}
    const ends = credential.until === undefined ? Infinity : credential.until - margin
    // As in client-go, a plug-in runs again only when its credential expires or is refused.
    const reread = kind === 'exec' ? Infinity : started + rereadAfter
    this.#known = { credential, renewAt: Math.min(ends, reread) }
    return credential
  }
}

async function resolve(context: KubeContext, options: CredentialOptions): Promise<ClusterCredential> {
  const { certificate: files, token: origin } = context.user
  const certificate =
    files === undefined ? undefined : { cert: await readPem(files.cert), key: await readPem(files.key) }
  const none = { token: undefined, certificate, basic: undefined, until: undefined }
  switch (origin?.kind) {
    case undefined:
      return none
    case 'token':
      return { ...none, token: origin.token, until: readClaims(origin.token)?.until }
    case 'token-file': {
      const token = await readToken(origin.file)
      return { ...none, token, until: readClaims(token)?.until }
    }
    case 'exec': {
      const given = await runExecPlugin(origin.plugin, context.cluster, options)
      return {
        ...none,
        token: given.token,
        certificate: given.certificate ?? certificate,
        until: given.until ?? (given.token === undefined ? undefined : readClaims(given.token)?.until),
      }
    }
    case 'oidc': {
      const token = await currentIdToken(origin.provider, options.now)
      return { ...none, token, until: readClaims(token)?.until }
    }
    case 'basic':
      return { ...none, basic: { username: origin.username, password: origin.password } }
    case 'unsupported':
      throw new UserError(
        'KUBECONFIG_INVALID',
        `kubectl has dropped the auth-provider "${origin.provider}"`,
        {
          hint: 'Its maker has a credential plug-in instead (users[].user.exec).',
        },
      )
  }
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new UserError('KUBECONFIG_INVALID', `the token file ${file} cannot be read`, { cause })
  }
}
