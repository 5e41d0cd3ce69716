import { lookup } from 'node:dns/promises'
import { loadKubeContext } from '../cluster/kubeconfig.ts'
import { loadPolicyFiles, problemLine } from '../policy-store/load-files.ts'
import { isAudited } from '../settings/access-settings.ts'
import type { Settings } from '../settings/settings-schema.ts'
import { UserError } from '../user-error.ts'
import { storageChecks } from '../storage/check-storage.ts'
import { readHtpasswd } from './access/watched-htpasswd.ts'
import { checkAuditFolder } from './audit/audit-folder.ts'
import { webhookOf } from './audit/audit-sinks.ts'
import { cannotListen } from './cannot-listen.ts'
import { checkExposure } from './exposure.ts'
import { storageSettings } from './storage-settings.ts'
import { checkPolicySettings, exceptionLimits, judgeSettings } from './policy/policy-settings.ts'
import { readClientCa } from './tls/client-ca-file.ts'
import { readAuthority } from './tls/signing-authority.ts'
import { readTlsPair } from './tls/tls-files.ts'

/**
 * Returns all that would stop a start or leave policies out. Changes nothing, and asks neither the database nor the
 * bucket nor the cluster.
 */
export async function checkConfiguration(
  settings: Settings,
  { env, cwd }: { readonly env: Readonly<Record<string, string | undefined>>; readonly cwd: string },
): Promise<readonly UserError[]> {
  const {
    'tls-cert': cert,
    'tls-key': key,
    'tls-ca': authority,
    'client-ca': clientCa,
    'policy-dir': policies,
    htpasswd,
    kubernetes,
    kubeconfig,
    'audit-folder': auditFolder,
  } = settings
  const asksCluster = kubernetes || settings['policy-cluster'] || settings['audit-heads'] !== undefined
  const addresses = [settings.listen, settings['metrics-listen']].filter((address) => address !== undefined)
  const checks: readonly (() => unknown)[] = [
    () => checkExposure(settings, undefined),
    () => checkPolicySettings(settings),
    () => cert !== undefined && key !== undefined && readTlsPair({ cert, key }),
    () => authority !== undefined && readAuthority(authority),
    () => clientCa !== undefined && !kubernetes && readClientCa(clientCa),
    () => htpasswd !== undefined && readHtpasswd(htpasswd),
    () => webhookOf(settings),
    () => auditFolder !== undefined && isAudited(settings) && checkAuditFolder(auditFolder),
    () => asksCluster && loadKubeContext({ env, cwd, kubeconfig }),
    ...addresses.map(
      ({ host, port }) =>
        () =>
          lookUpListen(host, port),
    ),
  ]
  return [
    ...(await allProblems(checks)),
    ...(await storageProblems(settings, env)),
    ...(policies === undefined ? [] : policyProblems(policies, settings)),
  ]
}

function policyProblems(folder: string, settings: Settings): readonly UserError[] {
  const limits = { ...exceptionLimits(settings), ownHosts: judgeSettings(settings).ownHosts, now: Date.now() }
  try {
    return loadPolicyFiles([folder], limits).problems.map(
      (problem) =>
        new UserError('POLICY_INVALID', problemLine(problem, 'error'), {
          hint: 'Policies that do not load are not in force; "trow policy lint" checks them too.',
        }),
    )
  } catch (error) {
    return [userErrorOf(error)]
  }
}

async function lookUpListen(host: string, port: number): Promise<void> {
  try {
    await lookup(host)
  } catch (error) {
    throw cannotListen(host, port, error)
  }
}

async function storageProblems(
  settings: Settings,
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly UserError[]> {
  try {
    return await allProblems(storageChecks(storageSettings(settings, env)))
  } catch (error) {
    return [userErrorOf(error)]
  }
}

async function allProblems(checks: readonly (() => unknown)[]): Promise<readonly UserError[]> {
  const found: UserError[] = []
  for (const check of checks) found.push(...(await problemsOf(check)))
  return found
}

async function problemsOf(check: () => unknown): Promise<readonly UserError[]> {
  try {
    await check()
    return []
  } catch (error) {
    return [userErrorOf(error)]
  }
}

function userErrorOf(error: unknown): UserError {
  if (error instanceof UserError) return error
  throw error
}
