/** What access asks of a cluster's objects: whether they are there. Rejects with ClusterUnavailable when it does not answer. */
export interface ClusterPresence {
  /** The uid of a Node; undefined where there is none. */
  nodeUid(name: string): Promise<string | undefined>
  /** The uid of a ServiceAccount; undefined where there is none. */
  accountUid(namespace: string, name: string): Promise<string | undefined>
}
