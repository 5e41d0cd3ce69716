import { dataOf } from '../../cluster/config-data.ts'
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
import { objectOutputs, outputOption, type Output } from '../result/output.ts'
import { printResult, type Result } from '../result/print-result.ts'
import { probeOf } from '../status/forwarded-probe.ts'
import { timeoutOption } from '../timeout-option.ts'
import { examples } from '../help/examples.ts'

interface RotateOptions extends ClusterOptions {
  readonly output: Output
  readonly wait?: boolean
  readonly finish?: boolean
  readonly force?: boolean
  readonly host?: readonly string[]
  readonly timeout: string
}

export function caCommand(context: CommandContext): Command {
  return new Command('ca')
    .description("show and replace the registry's own CA in the cluster")
    .addHelpText(...examples('trow ca show > ca.crt', 'trow ca rotate --wait'))
    .addCommand(showCommand(context))
    .addCommand(rotateCommand(context))
}

function showCommand({ terminal }: CommandContext): Command {
  const command = new Command('show')
    .description('print the CAs that clients are to trust, PEM on stdout and what they are on stderr')
    .addHelpText(...examples('trow ca show > ca.crt'))
    .addOption(outputOption(...objectOutputs))
  return addClusterOptions(command).action(async (options: ClusterOptions & { readonly output: Output }) => {
    await withCluster(options, terminal, async (cluster) => {
      const bundle = await readBundle(cluster)
      if (options.output !== 'text') {
        const shown = { generation: bundle.generation, items: bundle.certificates.map(authorityItem) }
        return printResult('AuthorityBundle', shown, options.output, terminal)
      }
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
    .addHelpText(...examples('trow ca rotate --wait', 'trow ca rotate --finish'))
    .option('--wait', 'wait until the registry signs with the next CA')
    .option('--finish', 'trust the old CA no more, once all nodes have the next one')
    .option('--force', 'go on although some nodes cannot show that they are ready')
    .option(
      '--host <name>',
      'a further name or address that the next CA is to speak for; may be repeated',
      hosts,
    )
    .option('--timeout <time>', 'how long to wait', '10m')
    .addOption(outputOption(...objectOutputs))
  return addClusterOptions(command).action(async (options: RotateOptions) => {
    const patience = timeoutOption(options.timeout, 'Write 30s, 10m.')
    if (options.finish === true && options.host !== undefined)
      throw new UserError('OPTIONS_CONFLICT', '--host is for the next CA, and --finish drops the last one', {
        hint: 'trow ca rotate --finish first, then trow ca rotate --wait --host NAME.',
        exitCode: exitCode.usage,
      })
    // Loaded here, not for `trow ca show`: the library that makes certificates is large.
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
      const { force = false, output } = options
      if (options.finish === true) await rotation.finish({ deadline, force })
      else {
        await rotation.rotate({ deadline, force, hosts: options.host ?? [] })
        terminal.stderr.write('later, trow ca rotate --finish drops the old CA\n')
      }
      if (output === 'text') return
      const { generation, signing, bundle } = await rotation.state()
      const where = { context: cluster.context.name, namespace: cluster.layout.namespace }
      const state = { generation, signing: authorityItem(signing).fingerprintSha256 }
      const trusted = bundle.map(authorityItem)
      await printResult('AuthorityRotation', { ...where, ...state, trusted }, output, terminal)
    })
  })
}

/** Returns what a result has of a CA. */
function authorityItem(pem: string): Result<'AuthorityBundle'>['items'][number] {
  const { subject, fingerprint256, validToDate } = new X509Certificate(pem)
  return { subject, fingerprintSha256: fingerprint256, notAfter: validToDate.toISOString(), pem }
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
  const { 'ca.crt': pem = '', generation = '' } = dataOf(found)
  const bundle = certificatesInPem(pem)
  if (bundle.length > 0) return { certificates: bundle, generation }
  throw new UserError('NOT_INSTALLED', `there is no CA of trow in namespace ${layout.namespace}`, {
    hint: 'trow install makes one; -n names another namespace.',
    exitCode: exitCode.failed,
  })
}
