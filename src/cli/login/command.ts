import { Command } from 'commander'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { parseDuration } from '../../settings/quantities.ts'
import { consentPrompt } from './consent-prompt.ts'
import { login, logout } from '../../login/login.ts'
import { addIdentityOptions, type IdentityOptions } from './identity-options.ts'
import { printLogin, printLogout } from './print-login.ts'
import { registryHost } from '../../login/registry-host.ts'
import { examples } from '../help/examples.ts'
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { parseAddress } from '../way/address.ts'
import { givenCredential, type AddressOptions } from '../way/connect-options.ts'
import { verifyLogin } from './verify-login.ts'

interface LoginOptions extends IdentityOptions, AddressOptions {
  /** False with --no-verify. */
  readonly verify: boolean
  readonly registry?: string
  readonly duration: string
  readonly docker?: boolean
  readonly podman?: boolean
  readonly helper?: boolean
  readonly context?: string
  readonly kubeconfig?: string
  readonly undo?: boolean
  readonly output: Output
}

interface LogoutOptions {
  readonly registry?: string
  readonly output: Output
}

export function loginCommand({ terminal }: CommandContext): Command {
  const command = new Command('login')
    .description('let docker or podman use a registry: with what the kube context holds, or with a password')
    .addHelpText('after', '\nThe login is presented to the registry, and kept only if the registry takes it.')
    .addHelpText(
      ...examples(
        'trow login registry.example.com',
        'trow login -u ada registry.example.com:5000',
        'printf %s "$PASSWORD" | trow login -u ci --password-stdin docker.io --podman',
        'trow login --helper --docker registry.example.com',
        'trow login --service-account ci/builder --duration 8h registry.example.com',
      ),
    )
    .argument('[host]', 'HOST or HOST:PORT of the registry (default: TROW_REGISTRY, else trow.trow.svc)')
    .option('--registry <host>', 'HOST or HOST:PORT of the registry, as the argument has it')
    .option('-u, --username <name>', 'a user of the registry, instead of the kube context')
    .option('--password-stdin', 'read the password from standard input (default: ask for it)')
    .option('--no-verify', 'do not present the login to the registry first: it is out of reach here')
    .option('--ca <file>', 'CA of the registry, PEM (default: what docker or podman trust for it)')
    .option('--plain-http', 'HTTP without TLS, beyond loopback')
    .option('--duration <time>', 'how long a token of a service account is to hold', '1h')
    .option('--docker', "write the login into docker's config")
    .option('--podman', 'write the login into the auth.json of podman, skopeo and buildah')
    .option('--helper', 'have them ask docker-credential-trow for a fresh one each time')
    .option('--context <name>', 'a kube context (default: the current one)')
    .option('--kubeconfig <file>', 'a kubeconfig (default: as kubectl finds it)')
    .option('--undo', 'take the login back, as trow logout does')
    .addOption(outputOption(...objectOutputs))
  return addIdentityOptions(command).action(async (given: string | undefined, options: LoginOptions) => {
    const host = registryHost(given, options.registry, terminal.env)
    const { output } = options
    if (options.undo === true) return printLogout(host, await logout(host, terminal.env), output, terminal)
    needNoKube(options)
    const {
      duration,
      docker = false,
      podman = false,
      helper = false,
      serviceAccount,
      shareApiToken,
    } = options
    const request = {
      host,
      password: await givenCredential(options, terminal),
      seconds: secondsOf(duration),
      docker,
      podman,
      helper,
      ...(serviceAccount === undefined ? {} : { serviceAccount }),
      ...(shareApiToken === undefined ? {} : { shareApiToken }),
      ...kubeOptions(options),
    }
    const named = given ?? options.registry ?? (terminal.env['TROW_REGISTRY'] || host)
    const address = parseAddress(/^(https?:\/\/)?[^/]*/i.exec(named.trim())?.[0] ?? host, 'name')
    const { env, cwd, stderr } = terminal
    const onSharedCertificate = (): void =>
      void stderr.write('  dockerd shows this certificate for everybody who may use it on this machine.\n')
    const outcome = await login(request, {
      env,
      cwd,
      askConsent: consentPrompt(terminal),
      async verify(presented) {
        if (options.verify)
          await verifyLogin(address, presented, { ...options, ...kubeOptions(options) }, terminal)
      },
      onSharedCertificate,
    })
    await printLogin(host, outcome, output, terminal)
  })
}

export function logoutCommand({ terminal }: CommandContext): Command {
  return new Command('logout')
    .description('take back what trow login has done')
    .addHelpText(...examples('trow logout registry.example.com'))
    .argument('[host]', 'HOST or HOST:PORT of the registry (default: TROW_REGISTRY, else trow.trow.svc)')
    .option('--registry <host>', 'HOST or HOST:PORT of the registry, as the argument has it')
    .addOption(outputOption(...objectOutputs))
    .action(async (given: string | undefined, { registry, output }: LogoutOptions) => {
      const host = registryHost(given, registry, terminal.env)
      await printLogout(host, await logout(host, terminal.env), output, terminal)
    })
}

function kubeOptions({ context, kubeconfig }: LoginOptions): Pick<LoginOptions, 'context' | 'kubeconfig'> {
  return {
    ...(context === undefined ? {} : { context }),
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
  }
}

/** Throws UserError OPTIONS_CONFLICT for a flag of the kube context's login beside a user name. */
function needNoKube({ username, serviceAccount, helper, shareApiToken }: LoginOptions): void {
  if (username === undefined) return
  const flags = {
    '--service-account': serviceAccount,
    '--helper': helper,
    '--share-api-token': shareApiToken,
  }
  const flag = Object.entries(flags).find(([, value]) => value !== undefined)?.[0]
  if (flag === undefined) return
  throw new UserError(
    'OPTIONS_CONFLICT',
    `--username is a password's login, and ${flag} one of the kube context`,
    {
      hint: 'Leave out one of them.',
      exitCode: exitCode.usage,
    },
  )
}

/** The API server grants ten minutes at least and 2^32 seconds at most. */
function secondsOf(duration: string): number {
  const seconds = Math.round((parseDuration(duration) ?? Number.NaN) / 1000)
  if (seconds >= 600 && seconds <= 2 ** 32) return seconds
  throw new UserError('DURATION_INVALID', `--duration ${duration}: a token holds ten minutes or longer`, {
    hint: 'Write 10m, 1h, 8h; the cluster may have a maximum of its own.',
    exitCode: exitCode.usage,
  })
}
