import { Command } from 'commander'
import { exitCode, UserError } from '../../user-error.ts'
import type { CommandContext } from '../command-context.ts'
import { parseDuration } from '../../settings/quantities.ts'
import { consentPrompt } from './consent-prompt.ts'
import { login, logout } from '../../login/login.ts'
import { addIdentityOptions, type IdentityOptions } from './identity-options.ts'
import { printLogin, printLogout } from './print-login.ts'
import { registryHost } from '../../login/registry-host.ts'

interface LoginOptions extends IdentityOptions {
  readonly registry?: string
  readonly duration: string
  readonly docker?: boolean
  readonly podman?: boolean
  readonly helper?: boolean
  readonly context?: string
  readonly kubeconfig?: string
  readonly undo?: boolean
}

export function loginCommand({ terminal }: CommandContext): Command {
  const command = new Command('login')
    .description('let docker or podman use a registry with what the kube context holds')
    .argument('[host]', 'HOST or HOST:PORT of the registry (default TROW_REGISTRY, else trow.trow.svc)')
    .option('--registry <host>', 'the same')
    .option('--duration <time>', 'how long a token of a service account is to hold', '1h')
    .option('--docker', "into docker's config")
    .option('--podman', 'into the auth.json of podman, skopeo and buildah')
    .option('--helper', 'have them ask docker-credential-trow for a fresh one each time')
    .option('--context <name>', 'a kube context (default: the current one)')
    .option('--kubeconfig <file>', 'a kubeconfig (default: as kubectl finds it)')
    .option('--undo', 'take it back, as trow logout does')
  return addIdentityOptions(command).action(async (given: string | undefined, options: LoginOptions) => {
    const host = registryHost(given, options.registry, terminal.env)
    if (options.undo === true) return printLogout(host, await logout(host, terminal.env), terminal)
    const { duration, docker = false, podman = false, helper = false, ...rest } = options
    const wish = { host, seconds: secondsOf(duration), docker, podman, helper, ...rest }
    const { env, cwd, stderr } = terminal
    const onSharedCertificate = (): void =>
      void stderr.write('  dockerd shows this certificate for everybody who may use it on this machine.\n')
    const outcome = await login(wish, { env, cwd, askConsent: consentPrompt(terminal), onSharedCertificate })
    printLogin(host, outcome, terminal)
  })
}

export function logoutCommand({ terminal }: CommandContext): Command {
  return new Command('logout')
    .description('take back what trow login has done')
    .argument('[host]', 'HOST or HOST:PORT of the registry (default TROW_REGISTRY, else trow.trow.svc)')
    .option('--registry <host>', 'the same')
    .action(async (given: string | undefined, { registry }: { registry?: string }) => {
      const host = registryHost(given, registry, terminal.env)
      printLogout(host, await logout(host, terminal.env), terminal)
    })
}

/** The API server takes no less than ten minutes, and 2^32 seconds at most. */
function secondsOf(duration: string): number {
  const seconds = Math.round((parseDuration(duration) ?? Number.NaN) / 1000)
  if (seconds >= 600 && seconds <= 2 ** 32) return seconds
  throw new UserError('DURATION_INVALID', `--duration ${duration}: a token holds ten minutes or longer`, {
    hint: 'Write 10m, 1h, 8h; the cluster may have a maximum of its own.',
    exitCode: exitCode.usage,
  })
}
