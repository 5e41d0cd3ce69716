import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { checkAuthority } from '../../certificates/authority-check.ts'
import { ports } from '../../cluster/layout.ts'
import { onlyCertificates } from '../../pem-bundle.ts'
import { plainReason } from '../../plain-reason.ts'
import { carryOut } from '../../trust/docker/carry-out.ts'
import { configuredInsecure } from '../../trust/docker/daemon-config.ts'
import { isVirtual, titleOf, type ContainerEngine, type EngineKind } from '../../trust/docker/engine.ts'
import { findEngines } from '../../trust/docker/find-engines.ts'
import type { DeveloperMachine } from '../../trust/docker/machine.ts'
import { planTrust, planUndo } from '../../trust/docker/plan-trust.ts'
import { checkAddress, checkVerified, nameOf } from '../../trust/docker/registry-address.ts'
import { consentsOf, type TrustPlan } from '../../trust/docker/trust-step.ts'
import { exitCode, UserError } from '../../user-error.ts'
import type { ClusterOptions } from '../cluster/cluster-options.ts'
import { confirmed } from '../confirm.ts'
import { hostOf } from '../../login/registry-host.ts'
import type { Terminal } from '../streams.ts'
import { clusterRegistry } from './cluster-registry.ts'
import { isForProgram, type Output } from '../result/output.ts'
import { printResult, textTerminal, type Result } from '../result/print-result.ts'
import { openEngine } from './engine-images.ts'
import { printPlan, printStep, stepResult } from './print-plan.ts'
import { printReferences, proveEngine } from './prove-engine.ts'
import { thisMachine } from './this-machine.ts'

export interface TrustDockerOptions extends ClusterOptions {
  readonly registry?: string
  readonly ca?: string
  readonly engine?: EngineKind
  readonly keychain?: boolean
  readonly repository?: string
  readonly proof: boolean
  readonly yes?: boolean
  readonly dryRun?: boolean
  readonly undo?: boolean
  readonly output: Output
}

/** What was done, or is to be done. `undefined` if the user did not consent. */
type Outcome = Result<'EngineTrust'> | undefined

/** Returns the exit code. Tests pass another `machine`. */
export async function trustDocker(
  options: TrustDockerOptions,
  terminal: Terminal,
  machine: DeveloperMachine = thisMachine(terminal),
): Promise<number> {
  const { output } = options
  const outcome = await trustEngine(options, textTerminal(terminal, output), machine)
  if (outcome === undefined) return exitCode.failed
  if (isForProgram(output)) await printResult('EngineTrust', outcome, output, terminal)
  return 0
}

async function trustEngine(
  options: TrustDockerOptions,
  terminal: Terminal,
  machine: DeveloperMachine,
): Promise<Outcome> {
  const { chosen: engine, others } = findEngines(machine, options.engine)
  const host = options.registry === undefined ? connectAddress(engine) : givenHost(options.registry)
  const { stdout, stderr } = terminal
  stdout.write(`${titleOf(engine)} (${engine.origin}), registry ${host}\n`)
  if (others.length > 0) {
    stderr.write(`  also here: ${others.map(({ kind }) => kind).join(', ')}; --engine chooses\n`)
  }
  if (options.undo === true) return undo(options, terminal, machine, engine, host)

  const addresses = await resolve(nameOf(host))
  checkAddress(engine, host, addresses)
  const cluster =
    options.registry === undefined || options.ca === undefined
      ? await clusterRegistry(options, terminal)
      : undefined
  const ca = options.ca === undefined ? (cluster?.ca ?? '') : await readAuthority(options.ca)
  checkAuthority(ca, nameOf(host), Date.now())
  const certificates = onlyCertificates(ca)
  const open = openEngine(machine, engine)
  try {
    const info = await open.info()
    checkVerified(engine, host, addresses, info?.insecure ?? configuredInsecure(machine, engine))
    const plan = await planTrust(machine, engine, {
      host,
      ca: certificates,
      keychain: options.keychain === true,
    })
    const planned = resultOf(plan, engine, host, options)
    if (!(await carry(options, terminal, machine, plan, engine)))
      return options.dryRun === true ? planned : undefined
    const repository = options.repository ?? `${cluster?.userNamespace ?? 'default'}/trow-trust-docker`
    const proof = options.proof
      ? await proveEngine({ open, engine, host, repository, restarted: plan.steps.length > 0 }, terminal)
      : undefined
    printReferences(engine, host, cluster?.imageHost ?? host, terminal)
    return { ...planned, proof }
  } finally {
    await open.close()
  }
}

async function undo(
  options: TrustDockerOptions,
  terminal: Terminal,
  machine: DeveloperMachine,
  engine: ContainerEngine,
  host: string,
): Promise<Outcome> {
  const plan = await planUndo(machine, engine, host)
  const planned = resultOf(plan, engine, host, options)
  if (plan.steps.length === 0) {
    terminal.stdout.write(`nothing of trow is there\n`)
    return planned
  }
  const done = await carry(options, terminal, machine, plan, engine)
  if (done) terminal.stdout.write(`${titleOf(engine)} trusts ${host} no more than before\n`)
  return done || options.dryRun === true ? planned : undefined
}

function resultOf(
  { steps, notes }: TrustPlan,
  { kind: engine, origin }: ContainerEngine,
  host: string,
  { dryRun, undo: isUndo }: TrustDockerOptions,
): Result<'EngineTrust'> {
  const about = { engine, origin, host, isDryRun: dryRun === true, isUndo: isUndo === true }
  return { ...about, steps: steps.map(stepResult), notes }
}

/** Returns false if nothing was changed although steps were planned. */
async function carry(
  { dryRun, yes }: TrustDockerOptions,
  terminal: Terminal,
  machine: DeveloperMachine,
  plan: TrustPlan,
  engine: ContainerEngine,
): Promise<boolean> {
  const { stdout, stderr } = terminal
  if (plan.steps.length === 0) {
    stdout.write(`${titleOf(engine)} has been set up already\n`)
    return true
  }
  stdout.write(printPlan(plan))
  if (dryRun === true) return false
  const consents = consentsOf(plan)
  if (consents.length > 0 && yes !== true) {
    const words = consents.map((each) => questions[each]).join(', ')
    if (!(await confirmed(`This ${words}. Go on?`, terminal))) {
      stderr.write('nothing was changed\n')
      return false
    }
  }
  await carryOut(machine, plan.steps, (step) => stderr.write(`  ${printStep(step)}\n`))
  return true
}

const questions = {
  sudo: 'runs sudo',
  keychain: 'changes your keychain',
  restart: 'restarts the engine and with it its containers',
} as const

/** Returns the address of `trow connect` as the engine must name it. */
function connectAddress({ kind }: ContainerEngine): string {
  return `${isVirtual(kind) ? 'host.docker.internal' : '127.0.0.1'}:${ports.connect}`
}

function givenHost(registry: string): string {
  const host = hostOf(registry)
  if (host !== undefined && !registry.startsWith('http://')) return host
  throw new UserError('HOST_INVALID', `"${registry}" is no registry with TLS`, {
    hint: 'Write HOST:PORT, exactly as image references will have it.',
    exitCode: exitCode.usage,
  })
}

async function readAuthority(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new UserError('FILE_MISSING', `${file} cannot be read: ${plainReason(cause)}`, { cause })
  })
}

async function resolve(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true }).catch(() => [])
  return found.map(({ address }) => address)
}
