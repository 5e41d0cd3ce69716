// The arrows between folders: docs/architecture.md, "Folders".
const allowed = {
  oci: [],
  messaging: ['oci'],
  blobs: ['oci'],
  metadata: ['oci', 'blobs', 'messaging'],
  storage: ['oci', 'blobs', 'metadata', 'messaging'],
  upstream: ['oci'],
  registry: ['oci', 'blobs', 'metadata', 'upstream'],
  cluster: [],
  access: ['oci', 'cluster'],
  audit: ['oci'],
  policy: ['oci'],
  'policy-store': ['oci', 'policy', 'cluster'],
  http: ['oci', 'registry', 'access', 'audit', 'blobs', 'metadata'],
  certificates: [],
  trust: [],
  agent: ['trust', 'cluster', 'certificates'],
  install: ['oci', 'cluster', 'certificates'],
  status: ['oci', 'cluster', 'certificates'],
  image: ['oci', 'upstream'],
  cli: [
    'oci',
    'messaging',
    'blobs',
    'metadata',
    'storage',
    'upstream',
    'registry',
    'cluster',
    'access',
    'audit',
    'http',
    'certificates',
    'trust',
    'agent',
    'install',
    'status',
    'image',
    'policy',
    'policy-store',
  ],
}
const leaves =
  '^src/(log|instant|reporter|user-error|foreign-json|pem-bundle|registry-host|key-strength|reason-of|kubernetes-version|loopback|new-folder|flush|limited-body)\\.ts$'

module.exports = {
  forbidden: [
    ...Object.entries(allowed).map(([folder, targets]) => ({
      name: `arrows-of-${folder}`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: '^src/', pathNot: [`^src/(${[folder, ...targets].join('|')})/`, leaves] },
    })),
    { name: 'leaves-import-nothing', severity: 'error', from: { path: leaves }, to: { path: '^src/' } },
    {
      name: 'only-storage-names-an-implementation',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: ['^src/storage/', '^src/blobs/disk/', '^src/metadata/(rules|cache|sqlite)/'],
      },
      to: { path: ['^src/blobs/disk/', '^src/metadata/(rules|cache|sqlite)/'] },
    },
    {
      name: 'interfaces-of-metadata-know-no-implementation',
      severity: 'error',
      from: { path: '^src/metadata/[^/]+$' },
      to: { path: '^src/metadata/.+/' },
    },
    {
      name: 'rules-and-caches-know-no-engine',
      severity: 'error',
      from: { path: '^src/metadata/(rules|cache)/' },
      to: { path: '^src/metadata/', pathNot: ['^src/metadata/[^/]+$', '^src/metadata/(rules|cache)/'] },
    },
    {
      name: 'caches-know-no-rules',
      severity: 'error',
      from: { path: '^src/metadata/cache/' },
      to: { path: '^src/metadata/rules/' },
    },
    {
      name: 'http-sees-only-types-of-the-stores',
      severity: 'error',
      from: { path: '^src/http/' },
      to: { path: ['^src/blobs/', '^src/metadata/'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'metadata-sees-only-types-of-blobs',
      severity: 'error',
      from: { path: '^src/metadata/' },
      to: { path: '^src/blobs/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      // Of types too: what two files need of each other stands in a third.
      to: { circular: true },
    },
    {
      name: 'upstream-throws-faults-and-no-words-of-the-command-line',
      severity: 'error',
      from: { path: '^src/upstream/' },
      to: { path: '^src/user-error' },
    },
    {
      name: 'only-clients-use-undici',
      severity: 'error',
      from: {
        path: '^src/',
        pathNot: [
          '^src/upstream/',
          '^src/(access/json-fetch|audit/webhook-sender|image/file-download|trust/docker/engine-api)\\.ts$',
        ],
      },
      to: { path: 'node_modules/undici' },
    },
    {
      name: 'only-cluster-uses-the-kubernetes-client',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cluster/' },
      to: { path: 'node_modules/@kubernetes/' },
    },
    {
      name: 'only-cli-uses-the-terminal',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: 'node_modules/(commander|chalk|ora|pino)/' },
    },
    {
      name: 'queries-are-built-ahead',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/metadata/rules/queries/' },
      to: {
        path: ['node_modules/kysely', '^src/metadata/rules/queries/'],
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'only-trust-runs-programs-of-a-machine',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/trust/' },
      to: { path: 'node_modules/execa' },
    },
    {
      name: 'only-http-and-cli-serve',
      severity: 'error',
      // These ask, and serve nothing: an issuer and an API server whose CA stands in the kubeconfig, which fetch cannot be
      // told; a client library costs 90 MB.
      from: { path: '^src/', pathNot: ['^src/(http|cli)/', '^src/cluster/(oidc-tokens|cluster-transport)'] },
      to: { path: '^(node:)?https?$', dependencyTypesNot: ['type-only'] },
    },
  ],
  options: {
    tsPreCompilationDeps: 'specify',
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
}
