import type { Coverage, CoverageHolder } from '../../policy-store/policy-coverage.ts'
import { indentedTable, type Look } from '../table.ts'

/** Why the registry did not tell what a digest covers, and what to do. */
export interface Unseen {
  readonly unseen: string
  readonly fix: string | undefined
}

/** What a denied digest covers, what it does not although it is the same image, and who has pulled it. */
export function coverageText(coverage: Coverage | Unseen, look?: Look): string {
  if ('unseen' in coverage) {
    const { unseen, fix } = coverage
    const how = fix === undefined ? '' : `  ${fix}\n`
    return `\nwhat it covers, and who has pulled that, is not known: ${unseen}\n${how}`
  }
  const { digest, holders, again, pulls, isComplete } = coverage
  const covered =
    holders.length === 0
      ? '\ncovers nothing that the registry holds now; it is refused when it comes\n'
      : `\ncovers\n${indentedTable(
          [
            ['REPOSITORY', 'MANIFEST', 'AS', 'TAGS'],
            ...holders.map((holder) => [
              holder.repository,
              holder.manifest,
              asText(holder, digest),
              tagsText(holder.tags),
            ]),
          ],
          look,
        )}`
  const same =
    again.length === 0
      ? ''
      : `\nnot covered, the same image pushed again\n${indentedTable(
          [
            ['REPOSITORY', 'MANIFEST', 'SHARES'],
            ...again.map(({ repository, manifest, shares, with: other }) => [
              repository,
              manifest,
              `its ${shares} with ${other}`,
            ]),
          ],
          look,
        )}`
  const more = isComplete ? '' : '\nthere is more than is listed\n'
  return `${covered}${same}${pullText(pulls, look)}${more}`
}

function pullText(pulls: Coverage['pulls'], look: Look | undefined): string {
  if (pulls === undefined) return '\nwho has pulled it is not known: the server keeps no audit\n'
  if (pulls.length === 0) return '\nnobody has pulled it in the last 30 days\n'
  const rows = pulls.map(({ user, repository, digest, reference = '', client = '', count, last }) => [
    user,
    repository,
    reference === '' || reference.includes(':') ? digest : reference,
    String(count),
    last,
    client,
  ])
  return `\npulled in the last 30 days\n${indentedTable([['USER', 'REPOSITORY', 'REFERENCE', 'COUNT', 'LAST', 'FROM'], ...rows], look)}`
}

function asText({ as, through }: CoverageHolder, digest: string): string {
  if (as === 'self') return 'itself'
  const article = as === 'manifest' ? 'index with' : `its ${as}:`
  return through === digest
    ? as === 'manifest'
      ? 'index with it'
      : `with it as ${as}`
    : `${article} ${through}`
}

const mostTags = 5

function tagsText(tags: readonly string[]): string {
  const rest = tags.length > mostTags ? ` and ${tags.length - mostTags} more` : ''
  return `${tags.slice(0, mostTags).join(', ')}${rest}`
}
