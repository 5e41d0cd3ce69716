import { largeBody, parseManifest, parseManifestInTurns, type Manifest } from '../oci/manifest.ts'
import { BodyTurns } from '../registry/body-turns.ts'

/** Reads stored manifests, and yields the event loop between large ones. */
export class ManifestReader {
  readonly #turns = new BodyTurns()

  /** To be awaited before each step of a loop. */
  turn(): void | Promise<void> {
    return this.#turns.take(0)
  }

  /** Throws OciError for a stored manifest that would be rejected today. */
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
