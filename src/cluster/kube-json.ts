import { z } from 'zod'
import { checkForeign, ForeignJsonError, parseForeignJson } from '../foreign-json.ts'
import { ClusterFault } from './cluster-fault.ts'
import type { KubeObject } from './cluster-objects.ts'

/** Largest response in bytes; it holds one page of a list of large objects. */
const largest = 64 * 1024 * 1024

const texts = z.record(z.string(), z.string()).optional()

/** The fields of every API object that are read here; other fields pass through unchecked. */
const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    uid: z.string().optional(),
    resourceVersion: z.string().optional(),
    generation: z.number().optional(),
    creationTimestamp: z.string().optional(),
    deletionTimestamp: z.string().optional(),
    labels: texts,
    annotations: texts,
  }),
})

/** Parses a response of the API server. Throws ClusterFault `refused` if a proxy or another server has answered. */
export function parseAnswer<Schema extends z.ZodType>(
  server: string,
  text: string,
  schema: Schema,
): z.infer<Schema> {
  try {
    return parseForeignJson(text, schema, largest)
  } catch (error) {
    if (!(error instanceof ForeignJsonError)) throw error
    throw new ClusterFault(
      'refused',
      `${server} answered with something else than was asked for: ${error.message}`,
      {
        cause: error,
      },
    )
  }
}

/** Parses the object in the response to a get, patch or apply. Throws ClusterFault. */
export function parseObject(server: string, text: string): KubeObject {
  return parseAnswer(server, text, objectSchema) as KubeObject
}

/** Checks what is read of an object. Throws ClusterFault `refused` where it has another form. */
export function checkObject<Schema extends z.ZodType>(object: KubeObject, schema: Schema): z.infer<Schema> {
  try {
    return checkForeign(object, schema)
  } catch (error) {
    if (!(error instanceof ForeignJsonError)) throw error
    const { kind, metadata } = object
    throw new ClusterFault('refused', `${kind} ${metadata.name} cannot be read: ${error.message}`, {
      cause: error,
    })
  }
}
