import { isDeepStrictEqual } from 'node:util'
import {
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  parseAllDocuments,
  type Node,
  type YAMLSeq,
} from 'yaml'
import { lineMark } from '../ownership.ts'

/** The name of the executable and of its entry: the kubelet finds the executable by the entry's name. */
export const providerName = 'trow-credential-provider'
/** The audience of the tokens that the kubelet passes; the registry accepts no other. */
const audience = 'trow'
/** The first version with `tokenAttributes`. Every kubelet refuses another one. */
const configVersion = 'kubelet.config.k8s.io/v1'

const blockStart = `${lineMark}, added up to the next such line`
const glued = `${blockStart}; the file ended without a line break`
const blockEnd = `${lineMark}, end`

/**
 * Why an entry cannot be added to, or removed from, a configuration of credential providers. The text is
 * unchanged.
 */
export class ProviderConfigError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'ProviderConfigError'
  }
}

/**
 * KEP-4412: the entry asks for the pod's own token. The executable passes it on unchanged, and only the
 * kubelet caches it.
 */
function entryFor(hosts: readonly string[]): Readonly<Record<string, unknown>> {
  return {
    name: providerName,
    matchImages: hosts,
    defaultCacheDuration: '0s',
    apiVersion: 'credentialprovider.kubelet.k8s.io/v1',
    args: hosts,
    tokenAttributes: {
      serviceAccountTokenAudience: audience,
      cacheType: 'Token',
      // Pods without a service account (static pods) are skipped: they pull without credentials.
      requireServiceAccount: true,
    },
  }
}

/** Returns a whole configuration with trow's entry alone. */
export function providerConfig(hosts: readonly string[]): string {
  return ['kind: CredentialProviderConfig', `apiVersion: ${configVersion}`, 'providers:']
    .concat(entryLines(hosts, '- '), '')
    .join('\n')
}

/**
 * Returns a CredentialProviderConfig (YAML or JSON) with trow's entry for these hosts as the last one,
 * inserted in one place. All other bytes stay, and `withoutProvider` restores every byte. An existing entry
 * of trow is replaced. Throws ProviderConfigError.
 */
export function withProvider(text: string, hosts: readonly string[]): string {
  const base = withoutProvider(text)
  const { content, seq } = providersOf(base)
  const edited = seq.flow === true ? inFlow(base, seq, hosts) : inBlock(base, seq, hosts)
  const others = content['providers'] as unknown[]
  const wanted = { ...content, providers: [...others, entryFor(hosts)] }
  if (!isDeepStrictEqual(contentOf(edited), wanted) || withoutProvider(edited) !== base) {
    throw new ProviderConfigError('its list of providers is written in a way that has no room for another')
  }
  return edited
}

/** Returns the text without trow's entry; the same text if it has none. Throws ProviderConfigError. */
export function withoutProvider(text: string): string {
  const unmarked = withoutBlock(text)
  if (!unmarked.includes(providerName)) return unmarked
  const { content, seq } = providersOf(unmarked)
  const at = seq.items.findIndex((item) => nameOf(item as Node) === providerName)
  if (at < 0) return unmarked
  const others = (content['providers'] as unknown[]).toSpliced(at, 1)
  const edited = seq.flow === true ? outOfFlow(unmarked, seq, at) : outOfBlock(unmarked, seq, at)
  if (others.length === 0 && seq.flow !== true)
    throw new ProviderConfigError(`its only provider is ${providerName}`)
  if (!isDeepStrictEqual(contentOf(edited), { ...content, providers: others })) {
    throw new ProviderConfigError(`${providerName} in it has been edited, and cannot be told from the rest`)
  }
  return edited
}

/** Returns the hosts of trow's entry; none if there is no such entry or the text cannot be read. */
export function providerHosts(text: string): string[] {
  return readProviders(text).flatMap((entry) => {
    const { name, matchImages } = entry as { readonly name?: unknown; readonly matchImages?: unknown }
    if (name !== providerName || !Array.isArray(matchImages)) return []
    return matchImages.filter((each): each is string => typeof each === 'string')
  })
}

/** Returns the number of other providers; 0 if the text cannot be read. */
export function otherProviders(text: string): number {
  return readProviders(text).filter((entry) => (entry as { name?: unknown }).name !== providerName).length
}

function readProviders(text: string): object[] {
  try {
    const providers = contentOf(text)['providers']
    return Array.isArray(providers)
      ? providers.filter((each): each is object => typeof each === 'object' && each !== null)
      : []
  } catch {
    return []
  }
}

interface Providers {
  readonly content: Readonly<Record<string, unknown>>
  readonly seq: YAMLSeq
}

function providersOf(text: string): Providers {
  const document = documentOf(text)
  const content = document.toJS() as Record<string, unknown> | null
  if (!isMap(document.contents) || content === null || content['kind'] !== 'CredentialProviderConfig')
    throw new ProviderConfigError('it is no CredentialProviderConfig')
  if (content['apiVersion'] !== configVersion) {
    throw new ProviderConfigError(
      `its apiVersion is ${String(content['apiVersion'])}, and only ${configVersion} knows tokens of service accounts`,
    )
  }
  const seq = document.get('providers', true)
  if (!isSeq(seq)) throw new ProviderConfigError('it has no list of providers')
  return { content, seq }
}

function contentOf(text: string): Record<string, unknown> {
  return (documentOf(text).toJS() ?? {}) as Record<string, unknown>
}

function documentOf(text: string): ReturnType<typeof parseAllDocuments>[number] & { get: Getter } {
  const [document, another] = parseAllDocuments(text)
  if (document === undefined || !('contents' in document) || another !== undefined)
    throw new ProviderConfigError('it is not one document')
  const [problem] = document.errors
  if (problem !== undefined) {
    throw new ProviderConfigError(`it cannot be read: ${problem.message.split('\n')[0]}`, problem)
  }
  return document as never
}

type Getter = (key: string, keepNode: boolean) => unknown

function inFlow(text: string, seq: YAMLSeq, hosts: readonly string[]): string {
  const json = JSON.stringify(entryFor(hosts))
  const last = seq.items.at(-1) as Node | undefined
  const [start] = rangeOf(seq)
  return last === undefined ? inserted(text, start + 1, json) : inserted(text, rangeOf(last)[1], `,${json}`)
}

function inBlock(text: string, seq: YAMLSeq, hosts: readonly string[]): string {
  const [start] = rangeOf(seq)
  const indent = text.slice(text.lastIndexOf('\n', start - 1) + 1, start)
  const end = lastByte(seq)
  const next = text[end - 1] === '\n' ? end : text.indexOf('\n', end) + 1
  const whole = next > 0
  const block = [whole ? blockStart : glued, ...entryLines(hosts, '- '), blockEnd].map(
    (line) => indent + line,
  )
  const lines = `${block.join('\n')}\n`
  return whole ? inserted(text, next, lines) : `${text}\n${lines}`
}

/** Formats an entry as YAML; `dash` begins its first line. */
function entryLines(hosts: readonly string[], dash: string): string[] {
  const { tokenAttributes, ...plain } = entryFor(hosts)
  const lines = Object.entries(plain).map(([key, value]) => `${key}: ${JSON.stringify(value)}`)
  const attributes = Object.entries(tokenAttributes as object).map(
    ([key, value]) => `  ${key}: ${JSON.stringify(value)}`,
  )
  return [...lines, 'tokenAttributes:', ...attributes].map(
    (line, index) => (index === 0 ? dash : ' '.repeat(dash.length)) + line,
  )
}

function withoutBlock(text: string): string {
  const kept: string[] = []
  let inside = false
  for (const line of text.split(/(?<=\n)/)) {
    const bare = line.trim()
    if (bare === blockStart || bare === glued) {
      inside = true
      const last = kept.at(-1)
      if (bare === glued && last !== undefined) kept[kept.length - 1] = last.replace(/\n$/, '')
    } else if (inside) inside = bare !== blockEnd
    else kept.push(line)
  }
  // The end marker is missing: the rest of the file may belong to others, so nothing is cut off.
  return inside ? text : kept.join('')
}

function outOfFlow(text: string, seq: YAMLSeq, at: number): string {
  const [own, before, after] = [seq.items[at], seq.items[at - 1], seq.items[at + 1]] as (Node | undefined)[]
  if (own === undefined) return text
  const [start, end] = rangeOf(own)
  if (before !== undefined) return cut(text, rangeOf(before)[1], end)
  return after === undefined ? cut(text, start, end) : cut(text, start, text.indexOf(',', end) + 1)
}

/** Removes an entry that has lost its markers: the lines from its dash to the dash of the next entry. */
function outOfBlock(text: string, seq: YAMLSeq, at: number): string {
  const [own, after] = [seq.items[at], seq.items[at + 1]] as (Node | undefined)[]
  if (own === undefined) return text
  const lineOf = (node: Node): number => text.lastIndexOf('\n', rangeOf(node)[0] - 1) + 1
  if (after !== undefined) return cut(text, lineOf(own), lineOf(after))
  const end = lastByte(own)
  const next = text[end - 1] === '\n' ? end : text.indexOf('\n', end) + 1
  return cut(text, lineOf(own), next > 0 ? next : text.length)
}

function nameOf(item: Node): unknown {
  return isMap(item) ? item.get('name') : undefined
}

/** Returns the position after the last character of a node, without trailing comments. */
function lastByte(node: Node): number {
  if (!isCollection(node) || node.flow === true) return rangeOf(node)[1]
  const last = node.items.at(-1)
  if (!isPair(last)) return last === undefined ? rangeOf(node)[1] : lastByte(last as Node)
  const { key, value } = last as { readonly key: Node; readonly value: Node | null }
  return value === null || (isScalar(value) && value.range == null) ? rangeOf(key)[1] : lastByte(value)
}

function rangeOf(node: Node): readonly [number, number] {
  if (node.range == null) throw new ProviderConfigError('its list of providers is not written out')
  return [node.range[0], node.range[1]]
}

function inserted(text: string, at: number, more: string): string {
  return text.slice(0, at) + more + text.slice(at)
}

function cut(text: string, from: number, to: number): string {
  return text.slice(0, from) + text.slice(to)
}
