import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { reasonOf } from '../../reason-of.ts'
import { inspectMachine } from '../../trust/inspect-machine.ts'
import { provideTokens, type TokenProvision } from '../../trust/kubelet/provide-tokens.ts'
import { providedHosts, withdrawTokens, type TokenWithdrawal } from '../../trust/kubelet/withdraw-tokens.ts'
import type { MachineOptions, MachineFacts, NodeTrust } from '../../trust/node-trust.ts'
import { platformCommands } from '../../trust/platform-commands.ts'
import { identityProblem, trustMachine } from '../../trust/trust-machine.ts'
import { trustedHosts } from '../../trust/trusted-hosts.ts'
import { untrustMachine } from '../../trust/untrust-machine.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { hostOf } from '../../login/registry-host.ts'
import type { Terminal } from '../streams.ts'
import { printTrust } from './print-trust.ts'

export interface TrustNodeOptions {
  readonly registry?: readonly string[]
  readonly host?: string
  readonly ca?: string
  /** `false` means no certificate, even if the machine has one. */
  readonly clientCert?: string | boolean
  readonly clientKey?: string
  readonly pullIdentity?: 'node' | 'service-account'
  readonly hostRoot: string
  readonly restartRuntime?: boolean
  readonly editHosts?: boolean
  readonly dryRun?: boolean
  readonly undo?: boolean
  readonly output: string
}

/** `trow trust-node` without `--watch`: one machine, without Kubernetes. Returns the exit code. */
export async function trustNodeOnce(options: TrustNodeOptions, terminal: Terminal): Promise<number> {
  const machine: MachineOptions = { hostRoot: resolve(terminal.cwd, options.hostRoot) }
  const dryRun = options.dryRun === true
  if (!dryRun && machine.hostRoot === '/' && process.getuid?.() !== 0) {
    throw new UserError('NOT_ROOT', 'the runtime’s files belong to root', {
      hint: 'Run it with sudo; --dry-run shows what would change.',
      exitCode: exitCode.notPermitted,
    })
  }
  const run = { machine, options, dryRun, terminal }
  return options.undo === true ? undo(run) : trust(run)
}

interface TrustRun {
  readonly machine: MachineOptions
  readonly options: TrustNodeOptions
  readonly dryRun: boolean
  readonly terminal: Terminal
}

async function trust({ machine, options, dryRun, terminal }: TrustRun): Promise<number> {
  const facts = await inspectMachine(machine)
  const wanted = trustOf(options, facts, terminal)
  if (facts.class === 'managed') {
    const commands = platformCommands(facts.distribution, wanted)
    await printTrust(
      { facts, changes: [], problems: facts.problems, dryRun, commands },
      options.output,
      terminal,
    )
    return exitCode.problemsFound
  }
  const { restartRuntime = false, editHosts = false } = options
  const before = await tokensBefore(machine, facts, wanted, options)
  const identity = before?.effective === true ? undefined : wanted.identity
  const editOptions = { dryRun, restartRuntime, editHosts }
  const trusted = await trustMachine(machine, facts, { ...wanted, identity }, editOptions)
  const after = await tokensAfter(machine, facts, wanted, options)
  const changes = [...(before?.changes ?? []), ...trusted, ...(after?.changes ?? [])]
  const now = dryRun ? facts : await inspectMachine(machine)
  const open = [await identityProblem(machine, identity), before?.problem, after?.problem]
  const problems = [...now.problems, ...open.filter((each) => each !== undefined)].filter(
    ({ code }) => !(dryRun && restartRuntime && code === 'CONFIG_PATH_UNSET'),
  )
  await printTrust({ facts: now, changes, problems, dryRun }, options.output, terminal)
  const isAsAsked = before === undefined || before.effective === true
  return problems.some(({ fatal }) => fatal) || !isAsAsked ? exitCode.problemsFound : 0
}

/**
 * Provides pods' own tokens before the certificate is removed: it stays until a kubelet runs that passes such
 * tokens. Without --pull-identity the choice of the last run holds.
 */
async function tokensBefore(
  machine: MachineOptions,
  facts: MachineFacts,
  { hosts }: NodeTrust,
  { pullIdentity, dryRun = false }: TrustNodeOptions,
): Promise<TokenProvision | undefined> {
  if (pullIdentity === 'node') return undefined
  const wanted =
    pullIdentity === 'service-account' ||
    (await providedHosts(machine, facts)).some((host) => hosts.includes(host))
  return wanted ? provideTokens(machine, facts, hosts, { dryRun }) : undefined
}

/** Tokens are withdrawn after the certificate is in its place again. */
async function tokensAfter(
  machine: MachineOptions,
  facts: MachineFacts,
  { hosts }: NodeTrust,
  { pullIdentity, dryRun = false }: TrustNodeOptions,
): Promise<TokenWithdrawal | undefined> {
  return pullIdentity === 'node' ? withdrawTokens(machine, facts, hosts, { dryRun }) : undefined
}

async function undo({ machine, options, dryRun, terminal }: TrustRun): Promise<number> {
  const facts = await inspectMachine(machine)
  const named = options.host !== undefined || options.registry !== undefined
  const hosts = named
    ? hostsOf(options, endpointsOf(options))
    : [...new Set([...(await trustedHosts(machine, facts)), ...(await providedHosts(machine, facts))])]
  const untrusted = await untrustMachine(machine, facts, hosts, { dryRun })
  const { changes, problem } = await withdrawTokens(machine, facts, hosts, { dryRun })
  const problems = problem === undefined ? [] : [problem]
  await printTrust({ facts, changes: [...untrusted, ...changes], problems, dryRun }, options.output, terminal)
  return problem === undefined ? 0 : exitCode.problemsFound
}

function trustOf(options: TrustNodeOptions, facts: MachineFacts, terminal: Terminal): NodeTrust {
  const endpoints = endpointsOf(options)
  if (endpoints.length === 0 || options.ca === undefined) {
    throw new UserError('REGISTRY_NOT_GIVEN', 'which registry, and by which CA?', {
      hint: 'Give --registry https://HOST:PORT --ca ca.crt; trow serve --tls-auto keeps its CA in <data>/tls/ca.crt.',
      exitCode: exitCode.usage,
    })
  }
  return {
    hosts: hostsOf(options, endpoints),
    ca: readCa(resolve(terminal.cwd, options.ca)),
    endpoints,
    identity: identityOf(options, facts),
  }
}

function identityOf({ clientCert, clientKey }: TrustNodeOptions, facts: MachineFacts): NodeTrust['identity'] {
  if (typeof clientCert === 'string') return { certificate: clientCert, key: clientKey ?? clientCert }
  return clientCert === false ? undefined : facts.kubeletCertificate
}

function endpointsOf({ registry = [] }: TrustNodeOptions): string[] {
  return registry.map((url) => {
    const host = hostOf(url)
    if (host !== undefined && !/^http:/i.test(url)) return /:\d+$/.test(host) ? host : `${host}:443`
    throw new UserError('HOST_INVALID', `--registry "${url}" is no HTTPS address`, {
      hint: 'Write https://HOST:PORT; runtimes of nodes are only ever told to trust TLS.',
      exitCode: exitCode.usage,
    })
  })
}

/** A reference with the default port has two spellings. */
function hostsOf({ host }: TrustNodeOptions, [first]: readonly string[]): string[] {
  const named = host === undefined ? first : hostOf(host)
  if (named === undefined) {
    throw new UserError('HOST_INVALID', `--host "${host}" is no registry host`, {
      hint: 'Write HOST or HOST:PORT, such as trow.trow.svc.',
      exitCode: exitCode.usage,
    })
  }
  const bare = named.replace(/:443$/, '')
  return bare !== named || !/:\d+$/.test(named) ? [bare, `${bare}:443`] : [named]
}

function readCa(path: string): string {
  try {
    const text = readFileSync(path, 'utf8')
    return text.endsWith('\n') ? text : `${text}\n`
  } catch (cause) {
    throw new UserError('FILE_MISSING', `${path} cannot be read: ${reasonOf(cause)}`, {
      hint: 'Name the CA’s file, PEM.',
      cause,
    })
  }
}
