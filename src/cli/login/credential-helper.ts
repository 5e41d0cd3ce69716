import { text } from 'node:stream/consumers'
import { loadKubeContext } from '../../cluster/kubeconfig.ts'
import { reasonOf } from '../../reason-of.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { terminalOf, type ProcessTerminal, type Terminal } from '../streams.ts'
import { trowVersion } from '../version.ts'
import { username } from '../../login/login.ts'
import { readLogins, writeLogin, type Login } from '../../login/logins.ts'
import { hostOf } from '../../login/registry-host.ts'
import { registryCredential } from '../../login/registry-credential.ts'
import { cachedToken, cacheToken, forgetToken } from '../../login/token-cache.ts'
import { z } from 'zod'
import { tryForeignJson } from '../../foreign-json.ts'

/** The exact text by which docker's client and others recognize that there are no credentials. */
const notFound = 'credentials not found in native keychain'

/**
 * `docker-credential-trow get|store|erase|list|version` speaks the protocol of docker-credential-helpers:
 * requests on standard input, results and errors on standard output. It stores no passwords. It requests
 * tokens as `trow login --helper` has recorded for a host.
 */
export async function runHelper(args: readonly string[], given: ProcessTerminal): Promise<number> {
  const terminal = terminalOf(given)
  const { stdout, exact } = terminal
  const [verb] = args
  const answer = verb === undefined ? undefined : verbs[verb]
  if (answer === undefined) {
    stdout.write(`Usage: docker-credential-trow ${Object.keys(verbs).join('|')}\n`)
    return exitCode.usage
  }
  try {
    exact.stdout.write(await answer(terminal))
    return 0
  } catch (error) {
    if (!(error instanceof UserError)) {
      stdout.write(`trow: ${reasonOf(error)}\n`)
      return exitCode.failed
    }
    const hint = error.hint === undefined ? '' : ` ${error.hint}`
    stdout.write(error.code === 'HELPER_UNKNOWN_HOST' ? `${notFound}\n` : `trow: ${error.message}.${hint}\n`)
    return exitCode.failed
  }
}

/** Runs the helper of this process. */
export async function main(): Promise<void> {
  process.exitCode = await runHelper(process.argv.slice(2), {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    onStop: () => () => {},
  })
}

const verbs: Readonly<Record<string, (terminal: Terminal) => Promise<string>>> = {
  async get(terminal) {
    const server = (await text(terminal.stdin)).trim()
    const { host, login } = await loginOf(server, terminal)
    const token = await tokenFor(host, login, terminal)
    return `${JSON.stringify({ ServerURL: server, Username: username, Secret: token })}\n`
  },

  /** `docker login` without a user name stores the result of `get` again. */
  async store(terminal) {
    const given = tryForeignJson(await text(terminal.stdin), z.object({ ServerURL: z.string() }))
    const host = hostOf(given?.ServerURL ?? '')
    if (host !== undefined && (await readLogins(terminal.env))[host]?.helper === true) return ''
    throw new UserError('HELPER_KEEPS_NOTHING', 'this helper keeps no passwords', {
      hint: `trow login --helper ${host ?? 'HOST'} has it ask the cluster.`,
    })
  },

  /** `docker logout`. */
  async erase(terminal) {
    const { host } = await loginOf((await text(terminal.stdin)).trim(), terminal)
    const { [host]: login } = await readLogins(terminal.env)
    await forgetToken(terminal.env, host)
    const files = login?.files ?? []
    await writeLogin(
      terminal.env,
      host,
      login === undefined || files.length === 0 ? undefined : { ...login, helper: false },
    )
    return ''
  },

  async list({ env }) {
    const hosts = Object.entries(await readLogins(env)).filter(([, { helper }]) => helper)
    return `${JSON.stringify(Object.fromEntries(hosts.map(([host]) => [host, username])))}\n`
  },

  async version() {
    return `docker-credential-trow (trow) ${trowVersion()}\n`
  },
}

async function loginOf(
  server: string,
  { env }: Terminal,
): Promise<{ readonly host: string; readonly login: Login }> {
  const host = hostOf(server)
  const login = host === undefined ? undefined : (await readLogins(env))[host]
  if (host === undefined || login?.helper !== true) {
    throw new UserError('HELPER_UNKNOWN_HOST', `nobody has logged in to ${server} with --helper`)
  }
  return { host, login }
}

async function tokenFor(host: string, login: Login, terminal: Terminal): Promise<string> {
  const { env, cwd } = terminal
  const { context, kubeconfig, serviceAccount, seconds, isApiTokenShared = false } = login
  const way = JSON.stringify([context, kubeconfig, serviceAccount, seconds])
  const cached = await cachedToken(env, host, way, Date.now())
  if (cached !== undefined) return cached
  const kubeEnv = kubeconfig === undefined ? env : { ...env, KUBECONFIG: kubeconfig }
  const credential = await registryCredential({
    context: loadKubeContext({ env: kubeEnv, cwd, context }),
    registry: host,
    serviceAccount,
    seconds,
    takesCertificate: false,
    isApiTokenShared,
    // Standard input contains the request, so that it cannot be used for a question.
    askConsent: undefined,
    env,
  })
  if (credential.kind === 'certificate') {
    throw new UserError('CERTIFICATE_ONLY', `context "${context}" holds only a client certificate`, {
      hint: `Log in again with --service-account.`,
    })
  }
  const { token, until } = credential
  if (until !== undefined) await cacheToken(env, host, { way, token, until })
  return token
}
