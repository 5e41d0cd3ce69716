import { startupTaint } from '../../cluster/layout.ts'
import type { Colors } from '../display.ts'
import { imageHosts, type InstallSettings } from '../../install/install-settings.ts'
import { changes, type Plan } from '../../install/plan.ts'
import type { Remembered } from '../../install/remembered.ts'

/** Returns the text that the user is asked to confirm. */
export function planText(
  plan: Plan,
  facts: {
    readonly settings: InstallSettings
    readonly remembered: Remembered | undefined
    readonly version: string
    readonly image: string
    readonly context: string
    readonly server: string
    readonly prune: boolean
  },
  colors: Colors,
): string {
  const { settings, remembered, version, image, prune } = facts
  const before = remembered?.version
  const title =
    before === undefined
      ? `trow ${version} is put into`
      : before === version
        ? `trow ${version} is brought to these settings in`
        : `trow ${before} is replaced by ${version} in`
  const mark = { create: colors.good('+'), change: colors.warning('~'), keep: ' ' }
  const objects = changes(plan).map(({ object, action, fields }) => {
    const { namespace, name } = object.metadata
    const shown = fields.length > 3 ? [...fields.slice(0, 3), `${fields.length - 3} more`] : fields
    const what = shown.length === 0 ? '' : colors.faint(` (${shown.join(', ')})`)
    return `  ${mark[action]} ${object.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}${what}`
  })
  const extraneous = plan.extraneous.map(
    ({ kind, namespace, name }) =>
      `  ${prune ? colors.bad('-') : ' '} ${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}` +
      (prune ? '' : colors.faint(' (not wanted any more; --prune removes it)')),
  )
  // The summary comes last, next to the question: the list of a first install is longer than a screen.
  return [
    ...(objects.length + extraneous.length === 0 ? [] : [...objects, ...extraneous, '']),
    colors.heading(`${title} context ${facts.context} (${facts.server})`),
    `  image    ${image}`,
    `  images   ${imageHosts(settings)
      .map((host) => `${host}/…`)
      .join(', ')}`,
    `  storage  ${storageWords(settings)}`,
    `  nodes    ${nodeWords(settings)}`,
    `  pulls    ${pullWords(settings)}${settings.anonymousPull ? '; everybody, everything' : ''}`,
    `  pods     ${podWords(settings)}`,
    ...(settings.clients.length === 0
      ? []
      : [`  pushes   through the API server: ${settings.clients.join(', ')}`]),
    ...(settings.restartRuntime ? ['  runtimes without config_path are restarted, a node at a time'] : []),
    ...(settings.startupTaint ? [`  new nodes with taint ${startupTaint} get pods once they can pull`] : []),
    ...(objects.length + extraneous.length === 0 ? ['  nothing to change'] : []),
    '',
  ].join('\n')
}

function storageWords({ storage }: InstallSettings): string {
  if (storage.kind === 'ephemeral') return 'ephemeral: gone with the pod'
  if (storage.kind === 'local') return `${storage.path} of node ${storage.node ?? '?'} (${storage.size})`
  return `a volume of ${storage.size}, ${storage.className ?? "the cluster's default class"}`
}

function pullWords({ pullIdentity }: InstallSettings): string {
  return pullIdentity === 'node'
    ? 'nodes; service accounts from their namespace'
    : 'service accounts from their namespace; a node where its kubelet does not hand over their tokens yet'
}

function podWords({ admission, admissionFailurePolicy, exemptNamespaces }: InstallSettings): string {
  if (!admission) return 'are not judged when they are made'
  const otherwise = admissionFailurePolicy === 'fail' ? 'refused' : 'let in'
  const exempt = exemptNamespaces.length === 0 ? '' : `; not in ${exemptNamespaces.join(', ')}`
  return `are judged when they are made; what nobody could judge is ${otherwise}${exempt}`
}

function nodeWords({ trustNodes }: InstallSettings): string {
  return trustNodes ? 'an agent on every node writes trust and keeps it right' : 'are left alone'
}
