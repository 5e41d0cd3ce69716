import { webcrypto, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { certificatesInPem } from '../../pem-bundle.ts'
import { exitCode, UserError } from '../../user-error.ts'
import {
  addClusterOptions,
  withCluster,
  type ClusterOptions,
  type OpenCluster,
} from '../cluster/cluster-options.ts'
import type { CommandContext } from '../command-context.ts'
import { hostName } from '../host-name.ts'
import { probeOf } from '../status/forwarded-probe.ts'
import { timeoutOption } from '../timeout-option.ts'

interface RotateOptions extends ClusterOptions {
  readonly wait?: boolean
  readonly finish?: boolean
  readonly force?: boolean
  readonly host?: readonly string[]
  readonly timeout: string
}

export function caCommand(context: CommandContext): Command {
  return new Command('ca')
    .description("the registry's own CA in the cluster")
    .addCommand(showCommand(context))
    .addCommand(rotateCommand(context))
}

function showCommand({ terminal }: CommandContext): Command {
  const command = new Command('show').description(
    'print the CAs that clients are to trust, PEM on stdout and what they are on stderr',
  )
  return addClusterOptions(command).action(async (options: ClusterOptions) => {
    await withCluster(options, terminal, async (cluster) => {
      const bundle = await readBundle(cluster)
      for (const pem of bundle.certificates) {
        const { subject, fingerprint256, validTo } = new X509Certificate(pem)
        terminal.stderr.write(`${subject}, valid until ${validTo}\n  SHA-256 ${fingerprint256}\n`)
      }
      terminal.stderr.write(`generation ${bundle.generation}\n`)
      terminal.exact.stdout.write(bundle.certificates.map((pem) => `${pem}\n`).join(''))
    })
  })
}

function rotateCommand({ terminal }: CommandContext): Command {
  const command = new Command('rotate')
    .description('replace the CA: nodes trust both, then the registry signs with the next; restarts nothing')
    .option('--wait', 'until the registry signs with it (without: only what is done at once)')
    .option('--finish', 'later: trust the old one no more')
    .option('--force', 'although some nodes cannot show that they are ready for it')
    .option(
      '--host <name>',
      'a name or address that the next CA is to speak for besides; again for more',
      hosts,
    )
    .option('--timeout <time>', 'how long to wait', '10m')
  return addClusterOptions(command).action(async (options: RotateOptions) => {
    const patience = timeoutOption(options.timeout, 'Write 30s, 10m.')
    if (options.finish === true && options.host !== undefined)
      throw new UserError('OPTIONS_CONFLICT', '--host is for the next CA, and --finish drops the last one', {
        hint: 'trow ca rotate --finish first, then trow ca rotate --wait --host NAME.',
        exitCode: exitCode.usage,
      })
    // Loaded here, not with `trow ca show`: certificates are made by a large library.
    const [{ AuthorityRotation }, { patientObjects }, { makeAuthority, namesOfAuthority }] =
      await Promise.all([
        import('../../install/authority-rotation.ts'),
        import('../../install/patient-objects.ts'),
        import('../../certificates/certificate-authority.ts'),
      ])
    await withCluster(options, terminal, async (cluster) => {
      const probe = probeOf(cluster)
      const deadline = Date.now() + (options.wait === true || options.finish === true ? patience : 0)
      const say = (text: string): void => void terminal.stderr.write(`${text}\n`)
      const pause = (time: number): Promise<void> => sleep(time)
      const rotation = new AuthorityRotation({
        objects: patientObjects(cluster.objects, { deadline, now: Date.now, pause, tell: say }),
        layout: cluster.layout,
        makeAuthority: async (current, added) => {
          const { names, addresses } = namesOfAuthority(current)
          return makeAuthority(
            [...new Set([...names, ...added.filter((host) => isIP(host) === 0)])],
            [...new Set([...addresses, ...added.filter((host) => isIP(host) !== 0)])],
            webcrypto as Crypto,
          )
        },
        shownLeaf: () => probe.leaf(),
        now: Date.now,
        pause,
        say,
      })
      const { force = false } = options
      if (options.finish === true) await rotation.finish({ deadline, force })
      else {
        await rotation.rotate({ deadline, force, hosts: options.host ?? [] })
        terminal.stderr.write('later, trow ca rotate --finish drops the old CA\n')
      }
    })
  })
}

function hosts(host: string, before: readonly string[] = []): readonly string[] {
  return [...before, isIP(host) === 0 ? hostName(host) : host]
}

async function readBundle({
  objects,
  layout,
}: OpenCluster): Promise<{ certificates: string[]; generation: string }> {
  const found = await objects.get({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: 'trow-ca',
    namespace: layout.namespace,
  })
  const { 'ca.crt': pem = '', generation = '' } = (found?.['data'] ?? {}) as Record<string, string>
  const bundle = certificatesInPem(pem)
  if (bundle.length > 0) return { certificates: bundle, generation }
  throw new UserError('NOT_INSTALLED', `there is no CA of trow in namespace ${layout.namespace}`, {
    hint: 'trow install makes one; -n names another namespace.',
    exitCode: exitCode.failed,
  })
}
