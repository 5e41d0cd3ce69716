import { relaxed, type Transaction } from '../rules/change.ts'
import { changesUpload, none } from '../rules/locks.ts'
import { ownStatement } from './own-statement.ts'

/** A holder of whom nothing was heard for so long, by the engine's clock, has let go. */
export const claimAge = `interval '15 seconds'`

const claim = ownStatement<{ fence: number }>(
  'claim',
  `update upload set holder = $2, heard_at = clock_timestamp(), contested = false, fence = fence + 1
   where id = $1 and (holder is null or heard_at < clock_timestamp() - ${claimAge}) returning fence`,
  ['id', 'holder'],
)
const contest = ownStatement('contest', 'update upload set contested = true where id = $1', ['id'])
const release = ownStatement(
  'release',
  'update upload set holder = null, contested = false where id = $1 and holder = $2 and fence = $3',
  ['id', 'holder', 'fence'],
)
const releaseAll = ownStatement(
  'releaseAll',
  'update upload set holder = null, contested = false where holder = $1',
  ['holder'],
)
const hold = ownStatement<{ id: string; contested: number }>(
  'hold',
  'update upload set heard_at = clock_timestamp() where holder = $1 returning id, contested',
  ['holder'],
)

interface ClaimOf {
  readonly id: string
  readonly holder: string
}

/** Resolves to the fence, which counts the claims. `busy`: the holder will be asked to let go. */
export const claimUpload = relaxed(
  { locks: ({ id }: ClaimOf) => [changesUpload(id)] },
  async (transaction: Transaction, { id, holder }: ClaimOf): Promise<number | 'busy' | 'unknown'> => {
    const claimed = await transaction.get(claim, { id, holder })
    if (claimed !== undefined) return claimed.fence
    return (await transaction.run(contest, { id })).changes > 0 ? 'busy' : 'unknown'
  },
)

export const releaseUpload = relaxed(
  { locks: ({ id }: ClaimOf) => [changesUpload(id)] },
  async (transaction: Transaction, values: ClaimOf & { readonly fence: number }): Promise<void> => {
    await transaction.run(release, { ...values })
  },
)

/** For a thread that has died. */
export const releaseUploadsOf = relaxed(
  { locks: none },
  async (transaction: Transaction, { holder }: { readonly holder: string }): Promise<void> => {
    await transaction.run(releaseAll, { holder })
  },
)

/** Says that the holder lives. Resolves to those of its uploads that another request waits for. */
export const holdUploads = relaxed(
  { locks: none },
  async (transaction: Transaction, { holder }: { readonly holder: string }): Promise<readonly string[]> => {
    const rows = await transaction.all(hold, { holder })
    return rows.filter(({ contested }) => contested === 1).map(({ id }) => id)
  },
)
