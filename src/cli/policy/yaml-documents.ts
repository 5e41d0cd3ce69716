import { isNode, LineCounter, parseAllDocuments, type Document } from 'yaml'
import { reasonOf } from '../../reason-of.ts'

/** A place in a text, both counted from 1. */
export interface TextPlace {
  readonly line: number
  readonly column: number
}

export interface YamlDocument {
  readonly value: unknown
  /** Where a field stands; of one that is missing, where the nearest thing around it stands. */
  placeOf(path: readonly (string | number)[]): TextPlace
}

export interface YamlFault {
  readonly place: TextPlace
  readonly message: string
}

const start: TextPlace = { line: 1, column: 1 }

/** All documents of a YAML (or JSON) text, but for empty ones. Never throws, and follows at most 100 aliases. */
export function readYamlDocuments(text: string): readonly (YamlDocument | YamlFault)[] {
  const lines = new LineCounter()
  const placeAt = (offset: number): TextPlace => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }
  try {
    return [...parseAllDocuments(text, { lineCounter: lines, prettyErrors: false })].flatMap(
      (document): (YamlDocument | YamlFault)[] => {
        const [error] = document.errors
        if (error !== undefined) return [{ place: placeAt(error.pos[0]), message: error.message }]
        const value: unknown = document.toJS({ maxAliasCount: 100 })
        return value === null ? [] : [{ value, placeOf: (path) => placeAt(offsetOf(document, path)) }]
      },
    )
  } catch (error) {
    // Too many aliases, one that names nothing, or lists in lists until no stack is left.
    return [{ place: start, message: reasonOf(error) }]
  }
}

function offsetOf(document: Document, path: readonly (string | number)[]): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return 0
}
