import { Composer, isNode, isScalar, Lexer, LineCounter, Parser, visit, type CST, type Document } from 'yaml'
import { reasonOf } from '../reason-of.ts'
import { deepest } from './json-document.ts'
import type { TextPlace } from './policy-source.ts'

export interface YamlDocument {
  readonly value: unknown
  /** The place of a field; for a missing field, the place of the nearest enclosing value. */
  placeOf(path: readonly (string | number)[]): TextPlace
}

export interface YamlFault {
  readonly place: TextPlace
  readonly message: string
}

/** The lexer's word before a scalar. */
const scalarMark = '\x1f'
const mostAliases = 100
const mostDocuments = 1000
/** The library compares each name with all others in its object. */
const mostNames = 1000
/** Lexemes of a file. The largest object in its longest notation has half as many. */
const mostLexemes = 1_500_000

/**
 * Reads all documents of a YAML (or JSON) text except empty ones. Never throws. The time is proportional to
 * the text, because nesting, names, aliases and documents are limited; the name `__proto__` is refused.
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
    // Too many aliases, or an alias without an anchor.
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

/**
 * Yields the tokens from which the composer makes documents. Nesting is limited because the composer is
 * recursive.
 */
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

/** Whether a text has comments, which its values do not tell. */
export function hasComments(text: string): boolean {
  let previous = ''
  for (const lexeme of new Lexer().lex(text)) {
    // A block of text may begin like a comment.
    if (lexeme.startsWith('#') && previous !== scalarMark) return true
    previous = lexeme
  }
  return false
}
