import { dataOf } from '../../cluster/config-data.ts'
import type { ClusterObjects, KubeObject } from '../../cluster/cluster-objects.ts'
import { layoutOf, names } from '../../cluster/layout.ts'
import { failed, final, passed, warned, type PreflightCheck, type PreflightCategory } from '../check.ts'
import { loopbackPort } from '../install-settings.ts'
import type { PreflightContext } from './preflight-context.ts'

export async function networkChecks(context: PreflightContext): Promise<PreflightCategory> {
  const { cluster, settings } = context
  const checks = [
    ...(await addressCheck(context)),
    ...(settings.nodePort === undefined ? [] : [final(await nodePortCheck(context, settings.nodePort))]),
    ...(settings.trustNodes ? [await loopbackCheck(context)] : []),
    ...(settings.ingressClass === undefined ? [] : [await ingressCheck(cluster, settings.ingressClass)]),
    ...(settings.tlsSecret === undefined ? [] : [final(await secretCheck(context, settings.tlsSecret))]),
    await policyCheck(cluster),
    await webhookCheck(cluster),
  ]
  return { categoryName: 'network', checks }
}

interface ServiceShape {
  readonly spec?: {
    readonly clusterIPs?: readonly string[]
    readonly ports?: readonly { readonly nodePort?: number }[]
  }
}

/**
 * The Service was lost, and another Service has its address now: a warning, the install continues with a new
 * address.
 */
async function addressCheck({ cluster, settings, remembered }: PreflightContext): Promise<PreflightCheck[]> {
  const had = remembered?.clusterIps ?? []
  if (had.length === 0) return []
  const description = 'the registry keeps its address'
  const services = await cluster.list({ apiVersion: 'v1', kind: 'Service' })
  const isOurs = ({ metadata: { name, namespace } }: KubeObject): boolean =>
    name === names.service && namespace === settings.namespace
  const holder = services.find(
    (service) =>
      !isOurs(service) &&
      (service as unknown as ServiceShape).spec?.clusterIPs?.some((address) => had.includes(address)),
  )
  if (holder === undefined) return [passed('address', description)]
  const { name, namespace } = holder.metadata
  return [
    warned(
      'address',
      description,
      `Service ${name} in ${namespace} has ${had.join(', ')} by now`,
      'It gets another, and every node is told.',
    ),
  ]
}

async function nodePortCheck({ cluster, settings }: PreflightContext, port: number): Promise<PreflightCheck> {
  const description = `port ${port} of the nodes is free`
  const services = await cluster.list({ apiVersion: 'v1', kind: 'Service' })
  const holder = services.find(
    (service) =>
      !(service.metadata.name === names.service && service.metadata.namespace === settings.namespace) &&
      (service as unknown as ServiceShape).spec?.ports?.some(({ nodePort }) => nodePort === port),
  )
  return holder === undefined
    ? passed('node-port', description)
    : failed(
        'node-port',
        description,
        `Service ${holder.metadata.name} in ${holder.metadata.namespace} has it`,
        'Choose another with --node-port, or leave it out.',
      )
}

interface PodShape {
  readonly spec?: {
    readonly hostNetwork?: boolean
    readonly containers?: readonly {
      readonly ports?: readonly { readonly containerPort?: number; readonly hostPort?: number }[]
    }[]
  }
}

/** Checks the ports that pods declare. Only the agent can see a program of the node itself. */
async function loopbackCheck({ cluster, settings }: PreflightContext): Promise<PreflightCheck> {
  const description = `port ${loopbackPort} of the nodes' loopback is free, as far as pods say`
  const pods = await cluster.list({ apiVersion: 'v1', kind: 'Pod' })
  const { nodeNamespace } = layoutOf(settings.namespace)
  const holder = pods.find(({ metadata, ...pod }) => {
    const { spec } = pod as PodShape
    const used = spec?.containers?.flatMap(({ ports = [] }) => ports) ?? []
    return (
      metadata.namespace !== nodeNamespace &&
      used.some(
        ({ hostPort, containerPort }) =>
          hostPort === loopbackPort || (spec?.hostNetwork === true && containerPort === loopbackPort),
      )
    )
  })
  return holder === undefined
    ? passed('loopback-port', description)
    : warned(
        'loopback-port',
        description,
        `pod ${holder.metadata.name} in ${holder.metadata.namespace} has it`,
        "Nodes with it go to the Service's address at once.",
      )
}

async function ingressCheck(cluster: ClusterObjects, name: string): Promise<PreflightCheck> {
  const description = `IngressClass ${name} is there`
  const classes = await cluster.list({ apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass' })
  const known = classes.map(({ metadata }) => metadata.name)
  return known.includes(name)
    ? passed('ingress-class', description)
    : failed('ingress-class', description, `the cluster has ${known.join(', ') || 'none'}`)
}

async function secretCheck({ cluster, settings }: PreflightContext, name: string): Promise<PreflightCheck> {
  const { namespace } = settings
  const description = `Secret ${name} holds a certificate`
  const secret = await cluster.get({ apiVersion: 'v1', kind: 'Secret', name, namespace })
  const data = dataOf(secret)
  if (data['tls.crt'] !== undefined && data['tls.key'] !== undefined) return passed('tls-secret', description)
  return failed(
    'tls-secret',
    description,
    secret === undefined ? `it is not in namespace ${namespace}` : 'it has no tls.crt and tls.key',
    `kubectl create namespace ${namespace}; kubectl -n ${namespace} create secret tls ${name} --cert FILE --key FILE`,
  )
}

const engines = /calico|cilium|antrea|weave|kube-router|canal|ovn|kindnet|aws-node|azure-npm|netd|romana/

async function policyCheck(cluster: ClusterObjects): Promise<PreflightCheck> {
  const sets = await cluster.list({ apiVersion: 'apps/v1', kind: 'DaemonSet', namespace: 'kube-system' })
  const engine = sets.find(({ metadata }) => engines.test(metadata.name))
  return passed(
    'network-policy',
    engine === undefined
      ? 'nothing that enforces network policies was recognised; trow needs none'
      : `network policies are enforced by ${engine.metadata.name}`,
  )
}

interface WebhookShape {
  readonly webhooks?: readonly {
    readonly name: string
    readonly failurePolicy?: string
    readonly rules?: readonly { readonly resources?: readonly string[] }[]
  }[]
}

/** A webhook that must answer can keep the registry's own pod from starting. */
async function webhookCheck(cluster: ClusterObjects): Promise<PreflightCheck> {
  const description = 'no webhook of somebody else must answer before a pod starts'
  const apiVersion = 'admissionregistration.k8s.io/v1'
  const found = await Promise.all(
    ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration'].map((kind) =>
      cluster.list({ apiVersion, kind }),
    ),
  )
  const strict = found
    .flat()
    .flatMap((configuration: KubeObject) =>
      ((configuration as unknown as WebhookShape).webhooks ?? [])
        .filter(
          ({ failurePolicy, rules = [] }) =>
            failurePolicy !== 'Ignore' &&
            rules.some(({ resources = [] }) => resources.some((each) => ['pods', '*', '*/*'].includes(each))),
        )
        .map(({ name }) => name),
    )
  return strict.length === 0
    ? passed('webhooks', description)
    : warned(
        'webhooks',
        description,
        `${strict.join(', ')}: while it does not answer, trow's pods do not start either`,
        'Exempt the namespaces of trow there.',
      )
}
