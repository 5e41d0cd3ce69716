import type { KubeObject } from '../cluster/cluster-objects.ts'
import { policyKinds, type PolicyKind } from '../cluster/policy-object.ts'
import { specManagers } from './field-owners.ts'
import type { SourceUnit } from './policy-source.ts'

/** `trowpolicies/production`. */
export function unitName(kind: PolicyKind, name: string): string {
  return `${policyKinds.find((each) => each.kind === kind)?.plural}/${name}`
}

/** An object of the API server as a unit. Its version is that of its content: it outlives changes of labels and of the status. */
export function unitOf(kind: PolicyKind, object: KubeObject): SourceUnit {
  const { name, uid, generation } = object.metadata
  return {
    name: unitName(kind, name),
    documents: [{ value: documentOf(object), placeOf: () => undefined }],
    problems: [],
    ...lastChange(object),
    version: `${uid}/${generation}`,
  }
}

/** What a file would hold of it: nothing that the API server or the registry has written, but the time of its creation. */
export function documentOf({ status: _status, metadata, ...content }: KubeObject): KubeObject {
  const { name, creationTimestamp } = metadata
  return { ...content, metadata: { name, ...(creationTimestamp === undefined ? {} : { creationTimestamp }) } }
}

/** Who wrote the spec last. */
function lastChange(object: KubeObject): Pick<SourceUnit, 'changedBy' | 'changedAt'> {
  const [last] = [...specManagers(object)].sort((one, other) => (other.time ?? 0) - (one.time ?? 0))
  if (last === undefined) return { changedBy: undefined, changedAt: undefined }
  return { changedBy: `field manager ${last.manager.slice(0, 128)}`, changedAt: last.time }
}
