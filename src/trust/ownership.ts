/**
 * The first line of every file that trow makes on a machine; the second line of a script. Files without it
 * belong to others. PEM files have it too: their readers skip text outside of the markers (RFC 7468, 2).
 */
const header = '# managed-by: trow'
const headerLine = `${header} (edits are overwritten)`
const madeLine = '# folders made for it: '

/**
 * Returns the text of a file of trow. It lists the folders that were made for the file, so that a removal can
 * remove them too.
 */
export function ownText(body: string, made: readonly string[]): string {
  const note = made.length === 0 ? '' : `${madeLine}${JSON.stringify(made)}\n`
  const [first = ''] = /^#!.*\n/.exec(body) ?? []
  return `${first}${headerLine}\n${note}${body.slice(first.length)}`
}

export function isOwn(text: string): boolean {
  return text.replace(/^#!.*\n/, '').startsWith(header)
}

/** Returns the folders that a file of trow lists as made for it; none if the list cannot be parsed. */
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

/** Marks the end of a line that trow wrote in a file of another owner. */
export const lineMark = header
