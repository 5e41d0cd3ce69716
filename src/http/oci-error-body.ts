import type { OciErrorEntry } from '../oci/oci-error.ts'

/** The JSON of the distribution specification ("Error Codes"). */
export function ociErrorBody(entries: readonly OciErrorEntry[]): Buffer {
  return Buffer.from(JSON.stringify({ errors: entries }))
}
