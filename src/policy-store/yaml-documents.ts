import { Composer, isNode, isScalar, Lexer, LineCounter, Parser, visit, type CST, type Document } from 'yaml'
import { reasonOf } from '../reason-of.ts'
import { deepest } from './json-document.ts'
import type { TextPlace } from './policy-source.ts'

export interface YamlDocument {
  readonly value: unknown
  /** Where a field stands; of one that is missing, where the nearest thing around it stands. */
  placeOf(path: readonly (string | number)[]): TextPlace
}

export interface YamlFault {
  readonly place: TextPlace
  readonly message: string
}

const mostAliases = 100
const mostDocuments = 1000
/** The library compares each name with all others of its object. */
const mostNames = 1000
/** Words and signs: an object of the largest size, written as lengthily as possible, has half of them. */
const mostLexemes = 1_500_000

/**
 * All documents of a YAML (or JSON) text, but for empty ones. Never throws; takes time in proportion to the text, whatever it
 * is: nesting, names, aliases and documents are limited, and no name is `__proto__`.
 */
export function readYamlDocuments(text: string): readonly (YamlDocument | YamlFault)[] {
  const lines = new LineCounter()
  const placeAt = (offset: number): TextPlace => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const found: (YamlDocument | YamlFault)[] = []
  try {
    const composer = new Composer({ prettyErrors: false })
    for (const document of composer.compose(boundedTokens(text, lines))) {
      if (found.length >= mostDocuments) {
        const place = placeAt(document.range[0])
        return [...found, { place, message: `has more than ${mostDocuments} documents` }]
      }
      const read = readDocument(document, placeAt)
      if (read !== undefined) found.push(read)
    }
  } catch (error) {
    if (!(error instanceof BeyondLimit)) throw error
    return [{ place: placeAt(error.offset), message: error.message }]
  }
  return found
}

function readDocument(
  document: Document.Parsed,
  placeAt: (offset: number) => TextPlace,
): YamlDocument | YamlFault | undefined {
  const [error] = document.errors
  if (error !== undefined) return { place: placeAt(error.pos[0]), message: error.message }
  const forbidden = forbiddenName(document)
  if (forbidden !== undefined)
    return { place: placeAt(forbidden), message: '__proto__ is no name of a field' }
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: mostAliases })
  } catch (cause) {
    // Too many aliases, or one that names nothing.
    return { place: placeAt(firstAlias(document)), message: reasonOf(cause) }
  }
  return value === null ? undefined : { value, placeOf: (path) => placeAt(offsetOf(document, path)) }
}

class BeyondLimit extends Error {
  readonly offset: number

  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

/** What the composer, which calls itself for each level, makes documents of. */
function* boundedTokens(text: string, lines: LineCounter): Generator<CST.Token> {
  const parser = new Parser(lines.addNewLine)
  lines.addNewLine(0)
  let lexemes = 0
  for (const lexeme of new Lexer().lex(text)) {
    yield* parser.next(lexeme)
    const offset = parser.offset - lexeme.length
    if (++lexemes > mostLexemes) throw new BeyondLimit('the file has too many words and signs', offset)
    if (parser.stack.length > deepest)
      throw new BeyondLimit(`is nested more than ${deepest} levels deep`, offset)
    const within = parser.stack.at(-1)
    if (within !== undefined && isObjectToken(within) && within.items.length > mostNames)
      throw new BeyondLimit(`has more than ${mostNames} fields in one object`, offset)
  }
  yield* parser.end()
}

function isObjectToken(token: CST.Token): token is CST.BlockMap | CST.FlowCollection {
  return (
    token.type === 'block-map' || (token.type === 'flow-collection' && token.start.type === 'flow-map-start')
  )
}

function forbiddenName(document: Document.Parsed): number | undefined {
  let offset: number | undefined
  visit(document, {
    Pair: (_, { key }) => {
      if (!isScalar(key) || key.value !== '__proto__') return undefined
      offset = key.range?.[0] ?? 0
      return visit.BREAK
    },
  })
  return offset
}

function firstAlias(document: Document.Parsed): number {
  let offset = 0
  visit(document, {
    Alias: (_, { range }) => {
      offset = range?.[0] ?? 0
      return visit.BREAK
    },
  })
  return offset
}

function offsetOf(document: Document, path: readonly (string | number)[]): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return 0
}
