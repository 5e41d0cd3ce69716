import { isDeepStrictEqual } from 'node:util'
import { floorAnnotations } from '../../cluster/admission-layout.ts'
import type { KubeObject } from '../../cluster/cluster-objects.ts'
import { floorParametersObject, type FloorObject } from '../../policy/floor/floor-objects.ts'
import type { FloorParameters } from '../../policy/floor/floor-parameters.ts'

/**
 * The parameter object with what it was made of, and since when it has this content: `seen` is what stands there. `time`: ms since
 * 1970.
 */
export function notedParameters(
  parameters: FloorParameters,
  {
    hash,
    seen,
    time,
  }: { readonly hash: string; readonly seen: KubeObject | undefined; readonly time: number },
): FloorObject {
  const object = floorParametersObject(parameters)
  const known = isDeepStrictEqual(seen?.['spec'], object.spec) ? sinceOf(seen) : undefined
  const annotations = {
    [floorAnnotations.since]: known ?? new Date(time).toISOString(),
    [floorAnnotations.hash]: hash,
  }
  return { ...object, metadata: { ...object.metadata, annotations } }
}

/** ISO 8601. */
export function sinceOf(seen: KubeObject | undefined): string | undefined {
  return seen?.metadata.annotations?.[floorAnnotations.since]
}

/** Whether content and annotations stand there. What others have added to the metadata stays. */
export function isAsWanted(seen: KubeObject | undefined, { spec, metadata }: FloorObject): boolean {
  const { annotations } = seen?.metadata ?? {}
  const isNoted = Object.entries(metadata.annotations ?? {}).every(
    ([key, value]) => annotations?.[key] === value,
  )
  return isNoted && isDeepStrictEqual(seen?.['spec'], spec)
}
