import { type Command, Option } from 'commander'
import { startupTaint } from '../../cluster/layout.ts'
import { exitCode, UserError } from '../../user-error.ts'

/** Adds the flags of `InstallOptions`. */
export function addInstallOptions(command: Command): Command {
  return command
    .optionsGroup('Image and address:')
    .option('--image <reference>', "trow's own image, where the nodes can have it")
    .option('--host <name>', 'a domain of your own for images, besides trow.NAMESPACE.svc')
    .option('--tls-secret <name>', 'a TLS Secret with a certificate for --host')
    .addOption(
      new Option('--service-type <type>', 'how the registry is reached from outside').choices([
        'ClusterIP',
        'NodePort',
        'LoadBalancer',
      ]),
    )
    .option('--node-port <port>', 'this port of every node (with NodePort or LoadBalancer)')
    .option('--ingress-class <name>', 'an Ingress of this class for --host; needs --trusted-proxies')
    .option(
      '--trusted-proxies <range>',
      'addresses of the ingress controller, whose X-Forwarded-For is believed; may be repeated',
      gather,
    )
    .optionsGroup('Storage:')
    .option(
      '--storage <where>',
      'where the data is: claim, local:/PATH, local:NODE:/PATH or ephemeral (default: claim)',
    )
    .option('--storage-size <size>', 'size of the volume (default: 20Gi)')
    .option('--storage-class <name>', 'StorageClass of the volume (default: that of the cluster)')
    .option('--replicas <n>', 'only 1, until there is storage that several can share')
    .optionsGroup('Nodes:')
    .option('--trust-nodes', 'have an agent on every node write trust (default: on)')
    .option('--no-trust-nodes', 'leave the nodes alone: no agents')
    .option('--restart-runtime', 'let agents set config_path and restart containerd, a node at a time')
    .option('--edit-hosts', 'let agents write one line into /etc/hosts of dockerd nodes')
    .option('--startup-taint', `let agents take taint ${startupTaint} from new nodes once they can pull`)
    .option('--no-startup-taint', 'take --startup-taint back')
    .addOption(
      new Option(
        '--pull-identity <whose>',
        "as whom images are pulled: the node, or each pod's service account (Kubernetes 1.34)",
      ).choices(['node', 'service-account']),
    )
    .optionsGroup('Access:')
    .option('--anonymous-pull', 'let everybody pull everything')
    .option('--no-anonymous-pull', 'take --anonymous-pull back')
    .option('--clients <group>', 'a group that may push through the API server; may be repeated', gather)
    .optionsGroup('Pods:')
    .addOption(
      new Option('--admission <switch>', 'judge pods when they are made (default: on)').choices([
        'on',
        'off',
      ]),
    )
    .addOption(
      new Option(
        '--admission-failure-policy <policy>',
        'what becomes of pods that nobody could judge: let in, or refused (default: ignore)',
      ).choices(['ignore', 'fail']),
    )
    .option('--exempt-namespaces <names>', 'namespaces in which no pod is judged: a,b', namespaceNames)
    .addOption(
      new Option(
        '--tenants <mode>',
        'what becomes of a pod whose service account may not pull its images (default: audit)',
      ).choices(['off', 'audit', 'warn', 'enforce']),
    )
    .optionsGroup('Settings:')
    .option('--config <file>', "a trow.yaml with more of the registry's settings")
    .option('--reset', 'start from the defaults, not from the settings of the last install')
}

function gather(value: string, others: readonly string[] = []): readonly string[] {
  return [...others, value]
}

/** Throws UserError OPTION_INVALID. */
function namespaceNames(text: string, others: readonly string[] = []): readonly string[] {
  const names = text.split(',').map((each) => each.trim())
  const wrong = names.find((each) => !/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(each))
  if (wrong !== undefined && text !== '')
    throw new UserError(
      'OPTION_INVALID',
      `--exempt-namespaces ${text}: ${wrong || '""'} is no name of a namespace`,
      {
        hint: 'Write a,b.',
        exitCode: exitCode.usage,
      },
    )
  return text === '' ? others : [...others, ...names]
}
