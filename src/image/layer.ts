import type { LayerEntry } from './layer-entry.ts'

/** A part of the image that changes independently, so that an upgrade transfers little. */
export interface Layer {
  /** The text in the image's history: `Node 26.10.0`. */
  readonly title: string
  /** Everything on which its content depends: equal inputs give equal bytes. */
  readonly inputs: readonly string[]
  entries(): Promise<readonly LayerEntry[]>
}
