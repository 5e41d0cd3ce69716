import type { LayerEntry } from './layer-entry.ts'

/** A part of the image that changes by itself, so that an upgrade moves little. */
export interface Layer {
  /** In the history of the image: `Node 26.10.0`. */
  readonly title: string
  /** All that its content follows from: equal inputs, equal bytes. */
  readonly inputs: readonly string[]
  entries(): Promise<readonly LayerEntry[]>
}
