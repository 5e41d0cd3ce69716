import type { NodeTrust } from './node-trust.ts'

/**
 * Returns what to run or apply where only the platform's own tools write the files: the exact text, ready to
 * copy. It is taken from the vendors' documents; docs/nodes.md lists what has been run.
 */
export function platformCommands(distribution: string, trust: NodeTrust): string {
  const make = commands[distribution]
  return make === undefined
    ? `Have the tools of ${distribution} trust this CA for ${trust.hosts.join(' and ')}:\n${trust.ca.trim()}`
    : make(trust)
}

type Commands = (trust: NodeTrust) => string

const talos: Commands = ({ hosts, ca, endpoints }) =>
  [
    'Talos 1.15 and later; save this as trow.yaml:',
    ...hosts.map((host) =>
      [
        '---',
        'apiVersion: v1alpha1',
        'kind: RegistryMirrorConfig',
        `name: ${host}`,
        'endpoints:',
        ...endpoints.map((endpoint) => `  - url: https://${endpoint}`),
        'skipFallback: true',
      ].join('\n'),
    ),
    ...endpoints.map((endpoint) =>
      [
        '---',
        'apiVersion: v1alpha1',
        'kind: RegistryTLSConfig',
        `name: ${endpoint}`,
        'ca: |-',
        indented(ca, 2),
      ].join('\n'),
    ),
    'then, for every node (no reboot):',
    '  talosctl --nodes NODE patch mc --patch @trow.yaml --mode no-reboot',
  ].join('\n')

const bottlerocket: Commands = ({ hosts, ca, endpoints }) => {
  const mirrors = hosts.map((host) => ({
    registry: host,
    endpoint: endpoints.map((each) => `https://${each}`),
  }))
  const settings = {
    pki: { trow: { trusted: true, data: Buffer.from(ca).toString('base64') } },
    'container-registry': { mirrors },
  }
  return [
    'Mirrors that are set already must be in the list as well. On every node, from the admin or control container:',
    `  apiclient set --json '${JSON.stringify(settings)}'`,
    'and for nodes to come, in their user data:',
    '  [settings.pki.trow]',
    '  trusted = true',
    `  data = "${settings.pki.trow.data}"`,
    ...mirrors.flatMap(({ registry, endpoint }) => [
      '  [[settings.container-registry.mirrors]]',
      `  registry = ${JSON.stringify(registry)}`,
      `  endpoint = ${JSON.stringify(endpoint)}`,
    ]),
  ].join('\n')
}

const gke: Commands = ({ hosts, ca, endpoints }) =>
  [
    'GKE recreates the nodes of the pool. Keep the CA in Secret Manager:',
    '  gcloud secrets create trow-ca --data-file=trow-ca.crt   # the CA below',
    'save this as containerd-config.yaml, PROJECT_NUMBER filled in:',
    '  registryHosts:',
    ...hosts.flatMap((host) => [
      `  - server: ${JSON.stringify(host)}`,
      '    hosts:',
      ...endpoints
        .filter((endpoint) => !endpoint.startsWith('127.'))
        .flatMap((endpoint) => [
          `    - host: ${JSON.stringify(`https://${endpoint}`)}`,
          '      capabilities: ["HOST_CAPABILITY_PULL", "HOST_CAPABILITY_RESOLVE"]',
          '      ca:',
          '      - gcpSecretManagerSecretUri: "projects/PROJECT_NUMBER/secrets/trow-ca/versions/latest"',
        ]),
    ]),
    'then',
    '  gcloud container node-pools update POOL --cluster CLUSTER --containerd-config-from-file containerd-config.yaml',
    'trow-ca.crt:',
    ca.trim(),
  ].join('\n')

const openshift: Commands = ({ hosts, ca, endpoints }) => {
  const names = [...new Set([...hosts, ...endpoints])]
  return [
    'Nodes must resolve the name or reach it by an ImageDigestMirrorSet or ImageTagMirrorSet. Apply',
    '  apiVersion: v1',
    '  kind: ConfigMap',
    '  metadata: { name: trow-ca, namespace: openshift-config }',
    '  data:',
    ...names.map((name) => `    ${JSON.stringify(name.replace(/:(\d+)$/, '..$1'))}: |\n${indented(ca, 6)}`),
    '  ---',
    '  apiVersion: config.openshift.io/v1',
    '  kind: ImageTagMirrorSet',
    '  metadata: { name: trow }',
    '  spec:',
    '    imageTagMirrors:',
    ...hosts.map(
      (host) => `    - { source: ${JSON.stringify(host)}, mirrors: ${JSON.stringify(endpoints)} }`,
    ),
    'then',
    `  oc patch image.config.openshift.io/cluster --type merge --patch '{"spec":{"additionalTrustedCA":{"name":"trow-ca"}}}'`,
  ].join('\n')
}

const fargate: Commands = ({ hosts }) =>
  [
    `A Fargate node's runtime cannot be given a CA: it pulls ${hosts.join(', ')} only from a name that resolves in the VPC, with a`,
    'certificate of a public CA: trow install --host registry.example.com --tls-secret SECRET, and a load balancer for it.',
  ].join('\n')

const windows: Commands = ({ hosts, ca, endpoints }) =>
  [
    'With config_path = "C:\\\\ProgramData\\\\containerd\\\\certs.d" in containerd\'s config.toml, in PowerShell as administrator:',
    ...hosts.flatMap((host) => {
      const folder = `C:\\ProgramData\\containerd\\certs.d\\${host.replace(/:(\d+)$/, '_$1_')}`
      return [
        `  New-Item -ItemType Directory -Force '${folder}'`,
        `  Set-Content '${folder}\\ca.crt' @'\n${ca.trim()}\n'@`,
        `  Set-Content '${folder}\\hosts.toml' @'`,
        `server = "https://${endpoints.at(-1)}"`,
        'ca = "ca.crt"',
        ...endpoints.flatMap((endpoint) => [
          `[host."https://${endpoint}"]`,
          '  capabilities = ["pull", "resolve"]',
          '  ca = "ca.crt"',
        ]),
        "'@",
      ]
    }),
  ].join('\n')

const dockerDesktop: Commands = () =>
  'The nodes are containers of this machine’s engine: run trow trust-docker.'

const commands: Readonly<Record<string, Commands>> = {
  talos,
  bottlerocket,
  gke,
  openshift,
  fargate,
  windows,
  'docker-desktop': dockerDesktop,
}

function indented(text: string, columns: number): string {
  return text.trim().replace(/^/gm, ' '.repeat(columns))
}
