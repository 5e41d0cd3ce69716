import { counted } from '../../counted.ts'
import { boundDescription, lackedForBinding, unboundCheck } from '../../cluster/node-binding.ts'
import { minorOf, oldestTokenMinor } from '../../kubernetes-version.ts'
import { failed, passed, warned, type PreflightCheck, type PreflightCategory } from '../check.ts'
import type { PreflightContext } from './preflight-context.ts'

/**
 * The first minor version with server-side apply, Pod Security, projected tokens with audiences, and
 * `serving` endpoints, all enabled.
 */
const oldestMinor = 27

export async function clusterChecks({
  cluster,
  settings,
  now,
}: PreflightContext): Promise<PreflightCategory> {
  const before = now()
  const { gitVersion, clock } = await cluster.version()
  const checks = [
    passed('api', `the API server answers: ${cluster.server}`),
    versionCheck(gitVersion),
    ...(settings.pullIdentity === 'service-account' ? [tokenCheck(gitVersion)] : []),
    clockCheck(clock, (before + now()) / 2),
    ...(settings.trustNodes ? [await bindingCheck(cluster)] : []),
  ]
  return { categoryName: 'kubernetes-api', checks }
}

function tokenCheck(gitVersion: string): PreflightCheck {
  const description = `Kubernetes ${gitVersion} hands service accounts' tokens to credential providers`
  if (minorOf(gitVersion) >= oldestTokenMinor) return passed('pull-identity', description)
  return failed(
    'pull-identity',
    description,
    `that came with 1.${oldestTokenMinor}`,
    '--pull-identity node pulls with certificates of the nodes.',
  )
}

/** A cluster without it can still be used; the user receives a warning. */
async function bindingCheck(cluster: PreflightContext['cluster']): Promise<PreflightCheck> {
  const lacks = await lackedForBinding(cluster)
  return lacks.length === 0
    ? passed('node-binding', boundDescription)
    : { id: 'node-binding', ...unboundCheck(lacks) }
}

function versionCheck(gitVersion: string): PreflightCheck {
  const description = `Kubernetes ${gitVersion} is 1.${oldestMinor} or later`
  if (minorOf(gitVersion) < 0) return warned('version', description, `"${gitVersion}" is no version`)
  return minorOf(gitVersion) >= oldestMinor
    ? passed('version', description)
    : failed('version', description, `it is ${gitVersion}`, 'Update the cluster first.')
}

function clockCheck(clock: number | undefined, here: number): PreflightCheck {
  const description = 'the clocks of this machine and of the cluster agree'
  if (clock === undefined) return warned('clock', description, 'the API server sent no Date')
  const minutes = Math.round(Math.abs(clock - here) / 60_000)
  const words = `they differ by ${counted(minutes, 'minute')}: here ${iso(here)}, there ${iso(clock)}`
  const hint = 'Set the clocks (timedatectl set-ntp true); certificates and tokens hold for times.'
  // A new certificate is valid from one hour before it was made.
  if (minutes >= 50) return failed('clock', description, words, hint)
  return minutes > 5 ? warned('clock', description, words, hint) : passed('clock', description)
}

function iso(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+/, '')
}
