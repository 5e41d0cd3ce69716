import { admissionClusterRules, admissionRules } from '../../src/cluster/admission-layout.ts'
import { connectCluster, type ClusterConnection } from '../../src/cluster/cluster-connection.ts'
import { CredentialSource } from '../../src/cluster/credential-source.ts'
import { loadKubeContext } from '../../src/cluster/kubeconfig.ts'
import { connectObjects, type OpenClusterObjects } from '../../src/cluster/kubernetes-objects.ts'
import { ApiServer } from '../support/api-server.ts'
import { FloorDoor } from './floor-door.ts'

export const excludedNamespaces = ['trow', 'trow-node', 'kube-system']

interface Closable {
  close(): Promise<void>
}

/** A real API server with the definition of TrowFloor, without running parts of trow. */
export class FloorCluster {
  readonly server: ApiServer
  readonly objects: OpenClusterObjects
  readonly connection: ClusterConnection
  readonly door: FloorDoor
  readonly #opened: Closable[] = []

  private constructor(server: ApiServer, objects: OpenClusterObjects, connection: ClusterConnection) {
    this.server = server
    this.objects = objects
    this.connection = connection
    this.door = new FloorDoor(objects, connection)
  }

  static async start(): Promise<FloorCluster> {
    const server = await ApiServer.start()
    const options = optionsOf(server)
    const [objects, connection] = [await connectObjects(options), await connectCluster(options)]
    const cluster = new FloorCluster(server, objects, connection)
    cluster.#opened.push(objects, connection)
    await server.kubectl(['apply', '--server-side', '-f', 'templates/floor-crd.yaml'])
    await server.kubectl(['wait', '--for=condition=Established', 'crd/trowfloors.policy.trow.io'])
    return cluster
  }

  /** Access to objects with only the rights that an install gives to the admission pods. */
  async admission(): Promise<OpenClusterObjects> {
    const [user, namespace] = ['system:serviceaccount:trow:trow-admission', 'trow']
    const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1' }
    const subjects = [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }]
    const metadata = { name: 'trow-admission' }
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', name: 'trow-admission' }
    for (const object of [
      { ...rbac, kind: 'ClusterRole', metadata, rules: admissionClusterRules },
      {
        ...rbac,
        kind: 'ClusterRoleBinding',
        metadata,
        subjects,
        roleRef: { ...roleRef, kind: 'ClusterRole' },
      },
      { ...rbac, kind: 'Role', metadata: { ...metadata, namespace }, rules: admissionRules },
      {
        ...rbac,
        kind: 'RoleBinding',
        metadata: { ...metadata, namespace },
        subjects,
        roleRef: { ...roleRef, kind: 'Role' },
      },
    ])
      await this.objects.apply(object)
    const objects = await connectObjects(optionsOf(this.server, user, ['system:authenticated']))
    this.#opened.push(objects)
    return objects
  }

  /** Access to objects with the rights of the administrator. */
  async as(user: string, groups: readonly string[]): Promise<FloorDoor> {
    const options = optionsOf(this.server, user, groups)
    const [objects, connection] = [await connectObjects(options), await connectCluster(options)]
    this.#opened.push(objects, connection)
    return new FloorDoor(objects, connection)
  }

  async close(): Promise<void> {
    for (const each of this.#opened) await each.close()
    await this.server.close()
  }
}

function optionsOf({ kubeconfig }: ApiServer, as?: string, asGroups?: readonly string[]) {
  const context = loadKubeContext({ env: {}, cwd: '/', kubeconfig, as, asGroups })
  const credentials = new CredentialSource(context, { env: {}, interactive: false, now: () => Date.now() })
  return { context, credentials, timeout: 30_000 }
}
