import { Command, Option } from 'commander'
import { admissionMounts, serviceHost } from '../../cluster/admission-layout.ts'
import { names } from '../../cluster/layout.ts'
import { serveAdmission } from '../../serve/admission/serve-admission.ts'
import type { AdmissionOptions } from '../../serve/admission/admission-options.ts'
import type { SettingName } from '../../settings/settings-schema.ts'
import type { CommandContext } from '../command-context.ts'
import { keepProcessSmall } from '../flat-memory.ts'
import { trowVersion } from '../version.ts'
import { addSettingOptions, settingsQuietlyOf } from '../setting-options.ts'

interface Given {
  readonly namespace: string
  readonly exempt: readonly string[]
  readonly registry?: string
  readonly registryCa: string
  readonly registryToken: string
  readonly tenants: AdmissionOptions['tenants']
}

/** The settings of `trow serve` that the admission pods have too. */
const shared: readonly SettingName[] = [
  'listen',
  'metrics-listen',
  'data',
  'kubeconfig',
  'policy-own-hosts',
  'policy-unjudged',
  'policy-longest-exception',
  'policy-require-ticket',
  'log-format',
  'log-level',
]

/** For the Deployment of an install: no person runs it. */
export function admissionCommand({ terminal, finish }: CommandContext): Command {
  const command = new Command('admission').description(
    'judge what the API server asks about pods and policies; for the Deployment that trow install makes',
  )
  addSettingOptions(command, shared)
  return command
    .option('--namespace <name>', 'where trow is installed', 'trow')
    .option(
      '--exempt <names>',
      'further namespaces whose pods the floor does not see: a,b',
      (text: string) => text.split(','),
      [],
    )
    .option('--registry <url>', "the registry's address (default: that of its Service)")
    .option('--registry-ca <file>', "the registry's CA, PEM", admissionMounts.registryAuthority)
    .option(
      '--registry-token <file>',
      'a token of the own account with audience trow',
      admissionMounts.registryToken,
    )
    .addOption(
      new Option('--tenants <mode>', 'what comes of a pod whose account may not pull its images')
        .choices(['off', 'audit', 'warn', 'enforce'])
        .default('audit'),
    )
    .action(async (options: Given & Record<string, unknown>) => {
      keepProcessSmall()
      const { namespace, exempt, registry, registryCa, registryToken, tenants } = options
      const resolved = await settingsQuietlyOf(options, terminal)
      finish(
        await serveAdmission(
          resolved,
          {
            version: trowVersion(),
            namespace,
            excluded: exempt,
            registry: registry ?? `https://${serviceHost(names.service, namespace)}`,
            registryAuthority: registryCa,
            registryToken,
            tenants,
          },
          terminal,
        ),
      )
    })
}
