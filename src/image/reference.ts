/** The repository in which trow's own image is published. */
const repository = 'ghcr.io/trow-io/trow'

/** Returns the default image of `trow install`: `ghcr.io/trow-io/trow:0.1.0`. */
export function defaultImage(version: string): string {
  return `${repository}:${version}`
}
