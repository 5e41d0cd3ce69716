/** Where trow's own image is published. */
const repository = 'ghcr.io/trow-io/trow'

/** The image of a version, where `trow install` is told no other: `ghcr.io/trow-io/trow:0.1.0`. */
export function defaultImage(version: string): string {
  return `${repository}:${version}`
}
