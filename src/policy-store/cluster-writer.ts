import { isDeepStrictEqual } from 'node:util'
import { ClusterFault } from '../cluster/cluster-fault.ts'
import {
  ApplyConflict,
  type ClusterObjects,
  type KubeObject,
  type KubeReference,
} from '../cluster/cluster-objects.ts'
import { policyApiVersion } from '../cluster/policy-object.ts'
import { exitCode, UserError } from '../user-error.ts'
import { changedFields, fieldOwners, type FieldOwner } from './field-owners.ts'
import { hashOf } from './object-hash.ts'
import { documentOf, unitName } from './object-unit.ts'
import type {
  PolicyEdit,
  PolicyObjectName,
  PolicyWriter,
  WrittenEdit,
  WrittenObject,
} from './policy-edits.ts'

/** Whose edits these are, in the objects' `managedFields`: that of the connection. */
const manager = 'trow'
const attempts = 5

const faultCodes = {
  unreachable: ['CLUSTER_UNREACHABLE', exitCode.unreachable],
  busy: ['CLUSTER_UNREACHABLE', exitCode.unreachable],
  unauthorized: ['CLUSTER_NOT_PERMITTED', exitCode.notPermitted],
  forbidden: ['CLUSTER_NOT_PERMITTED', exitCode.notPermitted],
  refused: ['CLUSTER_REFUSED', exitCode.failed],
} as const satisfies Record<ClusterFault['kind'], readonly [string, number]>

/**
 * Edits policies and exceptions as objects of a cluster, by server-side apply. Of an object that others have written, only what an
 * edit changes becomes trow's; what is another manager's is not changed. Also throws UserError POLICY_OWNED, CLUSTER_UNREACHABLE,
 * CLUSTER_NOT_PERMITTED and CLUSTER_REFUSED.
 */
export class ClusterWriter implements PolicyWriter {
  readonly #objects: ClusterObjects

  constructor(objects: ClusterObjects) {
    this.#objects = objects
  }

  async read(object: PolicyObjectName): Promise<WrittenObject | undefined> {
    const found = await explaining(object, () => this.#objects.get(referenceOf(object)))
    if (found === undefined) return undefined
    const { kind, name } = object
    return { kind, name, document: documentOf(found), hash: hashOf(found['spec']), place: placeOf(object) }
  }

  write(edit: PolicyEdit): Promise<WrittenEdit> {
    return explaining(edit, async () => {
      for (let attempt = 1; ; attempt++) {
        const before = await this.#objects.get(referenceOf(edit))
        checkFrom(edit, before)
        try {
          return await (edit.document === undefined ? this.#remove(edit, before) : this.#apply(edit, before))
        } catch (error) {
          // The registry may just have written the status: the spec is looked at again.
          const isOther = error instanceof ClusterFault && error.status === 409
          if (!isOther || attempt === attempts) throw error
        }
      }
    })
  }

  async #remove(edit: PolicyEdit, before: KubeObject | undefined): Promise<WrittenEdit> {
    if (before !== undefined) {
      const others = fieldOwners(before).filter(({ owner }) => owner !== manager)
      if (others.length > 0) throw owned(edit, others)
      await this.#objects.delete(
        referenceOf(edit),
        before.metadata.uid === undefined ? {} : { uid: before.metadata.uid },
      )
    }
    return { place: placeOf(edit), hash: undefined }
  }

  async #apply(edit: PolicyEdit, before: KubeObject | undefined): Promise<WrittenEdit> {
    const { apiVersion, kind, name } = referenceOf(edit)
    const { spec } = edit.document as { readonly spec?: unknown }
    if (before !== undefined && hashOf(before['spec']) === hashOf(spec))
      return { place: placeOf(edit), hash: hashOf(spec) }
    const { uid, resourceVersion } = before?.metadata ?? {}
    const wanted = {
      apiVersion,
      kind,
      metadata: { name, ...(uid === undefined ? {} : { uid }) },
      spec: before === undefined ? spec : changedFields({ before, spec, manager }),
    }
    try {
      if (before !== undefined) {
        // A field that another manager has stays when it is left out: then the edit would be another one.
        const after = await this.#objects.apply(wanted, { dryRun: true })
        const others = fieldOwners(after).filter(
          ({ owner, path }) =>
            owner !== manager && !isDeepStrictEqual(at(after['spec'], path), at(spec, path)),
        )
        if (hashOf(after['spec']) !== hashOf(spec)) throw owned(edit, others)
      }
      // A version is a condition: what somebody else has written meanwhile is not overwritten.
      const isBound = edit.from !== undefined && resourceVersion !== undefined
      const metadata = { ...wanted.metadata, ...(isBound ? { resourceVersion } : {}) }
      const done = await this.#objects.apply({ ...wanted, metadata })
      return { place: placeOf(edit), hash: hashOf(done['spec']) }
    } catch (error) {
      if (error instanceof ApplyConflict)
        throw owned(
          edit,
          error.owners.map(({ manager: owner, field }) => ({ owner, field })),
          error,
        )
      throw error
    }
  }
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((each, name) => (each as Record<string, unknown> | undefined)?.[name], value)
}

async function explaining<Result>(
  { kind, name }: PolicyObjectName,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof ClusterFault)) throw error
    if (error.status === 409) throw changedMeanwhile({ kind, name }, error)
    const [code, exit] = faultCodes[error.kind]
    const hint =
      'ClusterRole trow-policy-admin gives the right to change policies; the install binds it to nobody.'
    throw new UserError(code, `${kind} ${name}: ${error.message}`, {
      ...(code === 'CLUSTER_NOT_PERMITTED' && { hint }),
      exitCode: exit,
      cause: error,
    })
  }
}

function referenceOf({ kind, name }: PolicyObjectName): KubeReference {
  return { apiVersion: policyApiVersion, kind, name }
}

function placeOf({ kind, name }: PolicyObjectName): string {
  return unitName(kind, name)
}

function checkFrom(edit: PolicyEdit, before: KubeObject | undefined): void {
  const { from } = edit
  if (from === undefined) return
  if (from === null ? before === undefined : before !== undefined && hashOf(before['spec']) === from) return
  throw changedMeanwhile(edit)
}

function changedMeanwhile({ kind, name }: PolicyObjectName, cause?: unknown): UserError {
  return new UserError('POLICY_CONFLICT', `${kind} ${name} is not what it was when the edit was made`, {
    hint: 'Somebody else has changed it meanwhile: look at it, and try again.',
    cause,
  })
}

function owned(
  { kind, name }: PolicyObjectName,
  owners: readonly Pick<FieldOwner, 'owner' | 'field'>[],
  cause?: unknown,
): UserError {
  const fields = new Map<string, string[]>()
  for (const { owner, field } of owners) fields.set(owner, [...(fields.get(owner) ?? []), field])
  const words = [...fields].map(([owner, own]) => `${owner} has ${own.slice(0, 5).join(', ')}`).join('; ')
  return new UserError('POLICY_OWNED', `${kind} ${name} is not changed: ${words}`, {
    hint: `Change it where it comes from. A policy of your own beside it can deny as well: --policy NAME.`,
    cause,
  })
}
