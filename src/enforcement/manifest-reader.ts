import { largeBody, parseManifest, parseManifestInTurns, type Manifest } from '../oci/manifest.ts'
import { BodyTurns } from '../registry/body-turns.ts'

/** Reads manifests that were kept, a thread's share at a time. */
export class ManifestReader {
  readonly #turns = new BodyTurns()

  /** To be awaited before each of many. */
  turn(): void | Promise<void> {
    return this.#turns.take(0)
  }

  /** Throws OciError for what would not be taken today. */
  async read({
    body,
    mediaType,
  }: {
    readonly body: Uint8Array
    readonly mediaType: string
  }): Promise<Manifest> {
    const turn = this.#turns.take(body.byteLength)
    if (turn !== undefined) await turn
    if (body.byteLength < largeBody) return parseManifest(body, mediaType)
    const another = async (): Promise<void> => this.#turns.take()
    const manifest = await parseManifestInTurns(body, mediaType, another)
    await another()
    return manifest
  }
}
