import { webcrypto } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkAuthorityNames } from '../../install/authority.ts'
import type { CheckReport } from '../../install/check.ts'
import { ownsDiscovery } from '../../install/discovery.ts'
import { gatherFacts, withLocalNode } from '../../install/facts.ts'
import { install } from '../../install/install.ts'
import type { InstallContext } from '../../install/install-context.ts'
import type { InstallFacts, InstallSettings } from '../../install/install-settings.ts'
import { changes, makePlan, type Plan } from '../../install/plan.ts'
import { preflight } from '../../install/preflight/preflight.ts'
import { registryConfiguration } from '../../install/registry-configuration.ts'
import { wantsBaseline } from '../../install/policy-objects.ts'
import { readForReset, readRemembered, type Remembered } from '../../install/remembered.ts'
import { allObjects, wantedObjects } from '../../install/wanted-objects.ts'
import { embeddedSchema } from '../../storage/schema-version.ts'
import { exitCode, UserError } from '../../user-error.ts'
import { checkLines } from '../check-lines.ts'
import { lookOf } from '../table.ts'
import { layoutFrom, withCluster, type OpenCluster } from '../cluster/cluster-options.ts'
import { confirmed } from '../confirm.ts'
import { colorsOf, type Colors } from '../display.ts'
import { parseDuration } from '../../settings/quantities.ts'
import { printErrorResult } from '../result/error-result.ts'
import { isForProgram } from '../result/output.ts'
import { printResult } from '../result/print-result.ts'
import { stopSignal } from '../stop-signal.ts'
import type { Terminal } from '../streams.ts'
import { printUserError } from '../user-error-text.ts'
import { trowVersion } from '../version.ts'
import { chosenImage } from './chosen-image.ts'
import { clientSet, completeSet } from '../../install/client-set.ts'
import { installSettings } from './install-options.ts'
import { installProgress } from './install-progress.ts'
import { installResult } from './install-result.ts'
import { printManifests } from './manifests.ts'
import { clusterFlags, nextSteps } from './next-steps.ts'
import { planText } from './plan-text.ts'
import { pushCanary } from './push-canary.ts'
import { recordSteps } from './recorded-steps.ts'
import { checkServeSettings } from './serve-file.ts'

import type { RunInstallOptions } from './run-options.ts'

/** Returns the exit code. Throws UserError. */
export async function runInstall(options: RunInstallOptions, terminal: Terminal): Promise<number> {
  if (options.dryRun === 'client') {
    await printClientSet(options, terminal)
    return 0
  }
  if (options.complete === true) {
    await completeFromPod(options, terminal)
    return 0
  }
  return withCluster(options, terminal, (cluster) => run(options, cluster, terminal))
}

/**
 * Prints the manifests for Argo CD, Flux or kubectl apply. It asks no cluster, and the manifests contain no
 * secret.
 */
async function printClientSet(options: RunInstallOptions, terminal: Terminal): Promise<void> {
  const { namespace } = layoutFrom(options, terminal)
  const settings = installSettings(options, { namespace, last: undefined })
  const version = trowVersion()
  const { reference } = chosenImage(settings, undefined, version)
  if (settings.storage.kind === 'local' && settings.storage.node === undefined) {
    throw new UserError('OPTION_INVALID', '--storage local: no cluster is asked for a node', {
      hint: 'Write local:NODE:/PATH.',
      exitCode: exitCode.usage,
    })
  }
  const facts = {
    version,
    image: reference,
    clusterIps: [],
    nodeAddresses: [],
    nodePort: undefined,
    bindsNodes: true,
  }
  checkServeSettings(registryConfiguration(settings, facts))
  const set = clientSet(settings, facts, { schema: embeddedSchema, baseline: options.withBaseline === true })
  await printManifests(set, options.output ?? 'yaml', terminal)
}

async function completeFromPod(options: RunInstallOptions, terminal: Terminal): Promise<void> {
  await withCluster(options, terminal, async ({ objects, layout }) => {
    const { namespace } = layout
    const known = { version: trowVersion(), crypto: webcrypto as Crypto }
    const { generation } = await completeSet(objects, namespace, known)
    terminal.stdout.write(`the CA is there, and its bundle is generation ${generation}\n`)
  })
}

/** Everything on which an action works. */
interface Prepared {
  readonly settings: InstallSettings
  readonly remembered: Remembered | undefined
  readonly image: { readonly reference: string; readonly isDefault: boolean }
  readonly facts: InstallFacts
}

async function run(options: RunInstallOptions, cluster: OpenCluster, terminal: Terminal): Promise<number> {
  const { objects } = cluster
  const timeout = timeoutOf(options.timeout)
  const colors = colorsOf(terminal.stderr, terminal.env)
  const prepared = await prepare(options, cluster)
  const { settings, remembered, image, facts } = prepared
  const version = trowVersion()
  const report = await preflight({
    cluster: objects,
    settings,
    remembered,
    image,
    version,
    schema: embeddedSchema,
    now: () => Date.now(),
    force: options.force === true,
    ignored: options.ignorePreflight ?? [],
  })
  if (options.preflight === true) return await printReport(report, options, terminal)
  const faults = checkLines(report.categories, { ...lookOf(terminal.stderr, terminal.env), short: true })
  if (faults !== '') terminal.stderr.write(`${faults}\n`)
  if (!report.success) throw preflightFailed(report)

  const discovery = await ownsDiscovery(objects)
  if (!discovery)
    terminal.stderr.write('‼ kube-public/local-registry-hosting is of another registry and stays\n')
  const baseline = await wantsBaseline(objects, remembered)
  const wanted = allObjects(wantedObjects(settings, facts, { discovery, baseline }))
  const plan = await makePlan(objects, settings, wanted, { force: options.forceConflicts === true })
  if (options.dryRun === 'server') {
    if (options.output !== undefined) await printManifests(wanted, options.output, terminal)
    else terminal.stdout.write(shownPlan(options, plan, prepared, cluster, colors))
    return 0
  }
  terminal.stderr.write(`${shownPlan(options, plan, prepared, cluster, colors)}\n`)
  if (!(await agreed(options, plan, terminal))) {
    terminal.stderr.write('nothing was changed\n')
    return exitCode.failed
  }
  return carryOut({ options, plan, prepared, cluster, terminal, timeout })
}

async function prepare(options: RunInstallOptions, { objects, layout }: OpenCluster): Promise<Prepared> {
  const { namespace } = layout
  const read = options.reset === true ? readForReset : readRemembered
  const remembered = await read(objects, namespace)
  const version = trowVersion()
  const asked = installSettings(options, { namespace, last: remembered?.settings })
  const settings = await withLocalNode(objects, asked)
  const image = chosenImage(settings, remembered, version)
  const facts = await gatherFacts(objects, settings, { remembered, version, image: image.reference })
  checkServeSettings(registryConfiguration(settings, facts))
  await checkAuthorityNames(objects, settings, facts)
  return { settings: image.settings, remembered, image, facts }
}

async function printReport(
  report: CheckReport,
  { output }: RunInstallOptions,
  terminal: Terminal,
): Promise<number> {
  const look = lookOf(terminal.stdout, terminal.env)
  if (output !== undefined && isForProgram(output)) await printResult('Preflight', report, output, terminal)
  else terminal.stdout.write(checkLines(report.categories, { ...look, short: output === 'short' }))
  return report.success ? 0 : exitCode.problemsFound
}

function preflightFailed({ categories }: CheckReport): UserError {
  const errors = categories.flatMap(({ checks }) => checks.filter(({ result }) => result === 'error'))
  const rights = errors.length > 0 && errors.every(({ id }) => id === 'permissions' || id === 'grants')
  const ids = [...new Set(errors.map(({ id }) => id))]
  const passable = errors.every(({ isFinal }) => isFinal !== true)
  return new UserError('PREFLIGHT_FAILED', `this cluster is not ready for it: ${ids.join(', ')}`, {
    hint: `Nothing was touched.${passable ? ` --ignore-preflight ${ids.join(',')} goes on in spite of it.` : ''}`,
    exitCode: rights ? exitCode.notPermitted : exitCode.problemsFound,
  })
}

function shownPlan(
  options: RunInstallOptions,
  plan: Plan,
  { settings, remembered, image }: Prepared,
  { context, objects }: OpenCluster,
  colors: Colors,
): string {
  const facts = {
    settings,
    remembered,
    version: trowVersion(),
    image: image.reference,
    context: context.name,
    server: objects.server,
    prune: options.prune === true,
  }
  return planText(plan, facts, colors)
}

async function agreed(options: RunInstallOptions, plan: Plan, terminal: Terminal): Promise<boolean> {
  if (options.yes === true) return true
  const removes = options.prune === true && plan.extraneous.length > 0
  if (changes(plan).length === 0 && !removes) return true
  return confirmed('Go on?', terminal)
}

async function carryOut(parts: {
  readonly options: RunInstallOptions
  readonly plan: Plan
  readonly prepared: Prepared
  readonly cluster: OpenCluster
  readonly terminal: Terminal
  readonly timeout: number
}): Promise<number> {
  const { options, plan, prepared, cluster, terminal, timeout } = parts
  const { settings, remembered, image } = prepared
  const isForPerson = !isForProgram(options.output)
  const shown = await installProgress(terminal, () => Date.now())
  const { progress, recorded } = recordSteps(shown)
  const { signal, stop } = stopSignal(terminal, () => {
    shown.close()
    if (isForPerson) printUserError(interrupted(), terminal)
    else printErrorResult(interrupted(), terminal)
  })
  const context: InstallContext = {
    cluster: cluster.objects,
    settings,
    remembered,
    image,
    version: trowVersion(),
    schema: embeddedSchema,
    forceConflicts: options.forceConflicts === true,
    prune: options.prune === true,
    deadline: Date.now() + timeout,
    progress,
    sleep: (milliseconds) => sleep(milliseconds, undefined, { signal }),
    now: () => Date.now(),
    crypto: webcrypto as Crypto,
    signal,
    pushCanary: (canary) => pushCanary(canary, { cluster, signal, terminal }),
  }
  try {
    const installed = await install(context, plan)
    const { name } = cluster.context
    if (options.output !== undefined && !isForPerson) {
      const about = { settings, plan, prune: context.prune, context: name, ...recorded }
      const result = installResult(installed, { ...about, previousVersion: remembered?.version })
      await printResult('Install', result, options.output, terminal)
      return 0
    }
    const flags = clusterFlags(options)
    terminal.stderr.write('\n')
    terminal.stdout.write(nextSteps(settings, { context: name, nodes: installed.pulls.length, flags }))
    return 0
  } catch (error) {
    if (!signal.aborted) throw error
    shown.close()
    throw interrupted(error)
  } finally {
    shown.close()
    stop()
  }
}

function interrupted(cause?: unknown): UserError {
  return new UserError('INTERRUPTED', 'it was interrupted', {
    hint: 'What was done stays, and trow install again goes on from there.',
    exitCode: exitCode.interrupted,
    cause,
  })
}

function timeoutOf(text: string): number {
  const timeout = parseDuration(text)
  if (timeout !== undefined && timeout > 0) return timeout
  throw new UserError('DURATION_INVALID', `--timeout ${text} is no time`, {
    hint: 'Write 90s, 5m, 1h.',
    exitCode: exitCode.usage,
  })
}
