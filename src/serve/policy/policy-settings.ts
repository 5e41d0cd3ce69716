import { canonicalHost } from '../../policy/host-name.ts'
import type { JudgeSettings } from '../../policy/policy-set.ts'
import type { ExceptionSettings } from '../../policy/trow-exception.ts'
import { hostsOf } from '../../settings/access-settings.ts'
import type { Settings } from '../../settings/settings-schema.ts'
import { exitCode, UserError } from '../../user-error.ts'

/** Whether policies judge what is pushed and pulled. */
export function isJudged(settings: Settings): boolean {
  return sourcesOf(settings).length > 0
}

/** Policies have one source. Throws UserError POLICY_SOURCES, POLICY_NO_DATABASE. */
export function checkPolicySettings(settings: Settings): void {
  const [one, other] = sourcesOf(settings)
  if (one !== undefined && other !== undefined)
    throw new UserError('POLICY_SOURCES', `--${one} and --${other} exclude each other`, {
      hint: 'Keep all policies in one place: a folder, the cluster or the database.',
      exitCode: exitCode.usage,
    })
  if (settings['policy-database'] && settings.database === undefined)
    throw new UserError('POLICY_NO_DATABASE', '--policy-database needs --database', {
      hint: 'Name the PostgreSQL database of the registry with --database, or keep the policies in a folder with --policy-dir.',
      exitCode: exitCode.usage,
    })
}

function sourcesOf(settings: Settings): readonly string[] {
  return [
    ...(settings['policy-dir'] === undefined ? [] : ['policy-dir']),
    ...(['policy-cluster', 'policy-database'] as const).filter((name) => settings[name]),
  ]
}

export function judgeSettings(settings: Settings): JudgeSettings {
  const written = [...settings['policy-own-hosts'], ...hostsOf(settings)]
  const ownHosts = written.flatMap((text) => {
    const result = canonicalHost(text)
    // Names of --tls-san that no image's name can have, such as one label, are none of the registry's either.
    return result?.kind === 'host' ? [result.host] : []
  })
  return {
    ownHosts: new Set(ownHosts),
    shortNames: 'docker.io',
    noPolicy: settings['policy-unjudged'],
  }
}

export function exceptionLimits(
  settings: Settings,
): Pick<ExceptionSettings, 'longestException' | 'requireTicket'> {
  return {
    longestException: settings['policy-longest-exception'],
    requireTicket: settings['policy-require-ticket'],
  }
}
