import type { Listing, PageRequest } from '../registry/registry.ts'
import { jsonReply, type FlatHeaders, type Reply } from './reply.ts'

/** A list of names and the JSON fields before it: `{"name":"a","tags":`. */
interface NameList {
  readonly path: string
  readonly before: Readonly<Record<string, string>>
  readonly key: string
}

export function pageReply(list: NameList, page: PageRequest, found: Listing<string>): Reply {
  return jsonReply(200, { ...list.before, [list.key]: found.items }, nextLink(list.path, page, found))
}

/**
 * All names, for a request without a limit. More than one page is streamed page by page at the client's pace;
 * no page is kept.
 */
export async function wholeReply(list: NameList, pages: AsyncGenerator<readonly string[]>): Promise<Reply> {
  const first = await pages.next()
  const items = first.done === true ? [] : first.value
  const second = await pages.next()
  if (second.done === true) return jsonReply(200, { ...list.before, [list.key]: items })
  return {
    status: 200,
    headers: ['Content-Type', 'application/json'],
    body: {
      length: undefined,
      holds: 2 * lengthOf(items),
      stream: () => text(list, [items, second.value], pages),
      close: () => void pages.return(undefined),
    },
  }
}

function lengthOf(names: readonly string[]): number {
  return names.reduce((sum, name) => sum + name.length, 0)
}

async function* text(
  { before, key }: NameList,
  read: readonly (readonly string[])[],
  more: AsyncGenerator<readonly string[]>,
): AsyncGenerator<Buffer> {
  const head = JSON.stringify({ ...before, [key]: [] }).slice(0, -']}'.length)
  let separator = ''
  const part = (items: readonly string[]): string => {
    const names = separator + JSON.stringify(items).slice(1, -1)
    separator = ','
    return names
  }
  yield Buffer.from(head + read.map(part).join(''))
  for await (const items of more) yield Buffer.from(part(items))
  yield Buffer.from(']}')
}

/** Relative: clients refuse a Link to another scheme or host. */
export function nextLink(path: string, { limit }: PageRequest, { next }: Listing<string>): FlatHeaders {
  if (next === undefined || limit === undefined) return []
  return ['Link', `<${path}?n=${limit}&last=${encodeURIComponent(next)}>; rel="next"`]
}
