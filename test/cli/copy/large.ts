import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { installComponents } from '../../components.ts'
import { moveRegistry } from './moved-registry.ts'

// `npm run test:copy [-- IMAGES]`: copies 50 images, or as many as told (3 at least), from Distribution to trow, kills the copy
// twice, proves that both are equal and prints what it cost. Needs Go.

installComponents((line) => console.error(line))
const folder = mkdtempSync(join(tmpdir(), 'trow-move-'))
try {
  await moveRegistry(folder, Number(process.argv[2] ?? 50), (line) => console.log(line))
  console.log('and so is the copy of the copy, whose referrers came by the API')
} finally {
  rmSync(folder, { recursive: true, force: true })
}
