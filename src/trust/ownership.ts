/**
 * The first line of every file that trow makes on a machine, of a script the second. Files without it belong to somebody
 * else. It stands in PEM files as well, whose readers skip what is outside of their markers (RFC 7468, 2).
 */
const header = '# managed-by: trow'
const headerLine = `${header} (edits are overwritten)`
const madeLine = '# folders made for it: '

/** The text of a file of ours. The folders that were made for it are noted in it: taking it back takes them too. */
export function ownText(body: string, made: readonly string[]): string {
  const note = made.length === 0 ? '' : `${madeLine}${JSON.stringify(made)}\n`
  const [first = ''] = /^#!.*\n/.exec(body) ?? []
  return `${first}${headerLine}\n${note}${body.slice(first.length)}`
}

export function isOwn(text: string): boolean {
  return text.replace(/^#!.*\n/, '').startsWith(header)
}

/** The folders that a file of ours says were made for it; none of a file that has been tampered with. */
export function foldersMade(text: string): string[] {
  const line = text.split('\n').find((each) => each.startsWith(madeLine))
  if (line === undefined || !isOwn(text)) return []
  try {
    const made: unknown = JSON.parse(line.slice(madeLine.length))
    return Array.isArray(made) ? made.filter((each) => typeof each === 'string' && each.startsWith('/')) : []
  } catch {
    return []
  }
}

/** At the end of a line of ours in a file of somebody else. */
export const lineMark = header
